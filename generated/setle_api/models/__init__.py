# Generated from openapi.yaml and openapi.overlay.yaml; do not edit, run `make generate`.

"""Contains all the data models used in inputs/outputs"""

from .access_token_response import AccessTokenResponse
from .api_error import ApiError

__all__ = (
    "AccessTokenResponse",
    "ApiError",
)
