# Generated from openapi.yaml and openapi.overlay.yaml; do not edit, run `make generate`.

"""Contains methods for accessing the API"""
