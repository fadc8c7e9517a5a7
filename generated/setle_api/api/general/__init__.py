# Generated from openapi.yaml and openapi.overlay.yaml; do not edit, run `make generate`.

"""Contains endpoint functions for accessing the API"""
