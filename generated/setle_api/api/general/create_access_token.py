# Generated from openapi.yaml and openapi.overlay.yaml; do not edit, run `make generate`.

from http import HTTPStatus
from typing import Any

import httpx

from ... import errors
from ...client import AuthenticatedClient, Client
from ...models.access_token_response import AccessTokenResponse
from ...models.api_error import ApiError
from ...types import Response


def _get_kwargs(
    *,
    x_setle_client_id: str,
    x_setle_client_secret: str,
) -> dict[str, Any]:
    headers: dict[str, Any] = {}
    headers["x-setle-client-id"] = x_setle_client_id

    headers["x-setle-client-secret"] = x_setle_client_secret

    _kwargs: dict[str, Any] = {
        "method": "post",
        "url": "/v1/oauth/token",
    }

    _kwargs["headers"] = headers
    return _kwargs


def _parse_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> AccessTokenResponse | ApiError | None:
    if response.status_code == 200:
        response_200 = AccessTokenResponse.from_dict(response.json())

        return response_200

    if response.status_code == 400:
        response_400 = ApiError.from_dict(response.json())

        return response_400

    if client.raise_on_unexpected_status:
        raise errors.UnexpectedStatus(response.status_code, response.content)
    else:
        return None


def _build_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> Response[AccessTokenResponse | ApiError]:
    return Response(
        parsed=_parse_response(client=client, response=response),
        status_code=HTTPStatus(response.status_code),
        content=response.content,
        headers=response.headers,
    )


def sync_detailed(
    *,
    client: AuthenticatedClient | Client,
    x_setle_client_id: str,
    x_setle_client_secret: str,
) -> Response[AccessTokenResponse | ApiError]:
    """Provides Bearer access tokens based on the client credentials grant type.

    Args:
        x_setle_client_id (str):
        x_setle_client_secret (str):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[AccessTokenResponse | ApiError]
    """

    kwargs = _get_kwargs(
        x_setle_client_id=x_setle_client_id,
        x_setle_client_secret=x_setle_client_secret,
    )

    response = client.get_httpx_client().request(
        **kwargs,
    )

    return _build_response(client=client, response=response)


def sync(
    *,
    client: AuthenticatedClient | Client,
    x_setle_client_id: str,
    x_setle_client_secret: str,
) -> AccessTokenResponse | ApiError | None:
    """Provides Bearer access tokens based on the client credentials grant type.

    Args:
        x_setle_client_id (str):
        x_setle_client_secret (str):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        AccessTokenResponse | ApiError
    """

    return sync_detailed(
        client=client,
        x_setle_client_id=x_setle_client_id,
        x_setle_client_secret=x_setle_client_secret,
    ).parsed


async def asyncio_detailed(
    *,
    client: AuthenticatedClient | Client,
    x_setle_client_id: str,
    x_setle_client_secret: str,
) -> Response[AccessTokenResponse | ApiError]:
    """Provides Bearer access tokens based on the client credentials grant type.

    Args:
        x_setle_client_id (str):
        x_setle_client_secret (str):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[AccessTokenResponse | ApiError]
    """

    kwargs = _get_kwargs(
        x_setle_client_id=x_setle_client_id,
        x_setle_client_secret=x_setle_client_secret,
    )

    response = await client.get_async_httpx_client().request(**kwargs)

    return _build_response(client=client, response=response)


async def asyncio(
    *,
    client: AuthenticatedClient | Client,
    x_setle_client_id: str,
    x_setle_client_secret: str,
) -> AccessTokenResponse | ApiError | None:
    """Provides Bearer access tokens based on the client credentials grant type.

    Args:
        x_setle_client_id (str):
        x_setle_client_secret (str):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        AccessTokenResponse | ApiError
    """

    return (
        await asyncio_detailed(
            client=client,
            x_setle_client_id=x_setle_client_id,
            x_setle_client_secret=x_setle_client_secret,
        )
    ).parsed
