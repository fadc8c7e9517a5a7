# Generated from openapi.yaml and openapi.overlay.yaml; do not edit, run `make generate`.

"""A client library for accessing Setle API"""

from .client import AuthenticatedClient, Client

__all__ = (
    "AuthenticatedClient",
    "Client",
)
