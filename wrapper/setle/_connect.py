"""The generated client with the token's reuse built in."""

import ssl
from collections.abc import Mapping
from typing import Any

import httpx

from setle_api import AuthenticatedClient

from ._auth import BearerAuth
from ._credentials import ClientCredentials, CredentialsProvider
from ._errors import ConfigurationError
from ._source import TokenSource
from .stores import TokenStore


def connect(
    credentials: ClientCredentials | CredentialsProvider | None = None,
    *,
    base_url: str | None = None,
    store: TokenStore | None = None,
    timeout: float | httpx.Timeout = 30.0,
    verify_ssl: str | bool | ssl.SSLContext = True,
    httpx_args: Mapping[str, Any] | None = None,
) -> AuthenticatedClient:
    """
    Return a generated client whose calls carry a token that is reused until it ends.

    It goes to any endpoint of ``setle_api.api``, sync and async; endpoints that the
    description does not hold yet are reached through its ``get_httpx_client()`` and
    ``get_async_httpx_client()``. No request is sent before the first call.

    Args:
        credentials: ClientCredentials, or a callable that returns them and is called, in
            another thread, before each token request. The default reads the environment:
            ``ClientCredentials.from_env``.
        base_url: Of the API. The default is ``SETLE_BASE_URL`` or the real service.
        store: Who else shares the token. The default is ``SETLE_TOKEN_STORE`` or all
            clients of the process.
        timeout: Of API calls, in seconds or as httpx takes it; token requests have 15
            seconds.
        verify_ssl: As httpx takes *verify*.
        httpx_args: More arguments for ``httpx.Client`` and ``httpx.AsyncClient``. Proxy,
            TLS settings and transport hold for token requests too.

    Returns:
        The client. It raises ``setle_api.errors.UnexpectedStatus`` on a status that the
        description does not hold; the errors of ``setle`` come from any call that needs a
        token and cannot have one.

    Raises:
        ConfigurationError: An argument or a variable cannot be used.
    """
    args = dict(httpx_args or {})
    for name in ("auth", "base_url"):
        if name in args:
            raise ConfigurationError(f"httpx_args must not hold {name!r}, which connect() sets")
    # The generated client passes these itself, and passing them twice is a TypeError.
    own = {name: args.pop(name) for name in ("cookies", "follow_redirects") if name in args}
    timeout = httpx.Timeout(args.pop("timeout", timeout))
    verify_ssl = args.pop("verify", verify_ssl)
    # A copy, as the generated client writes into it, and a dict, whatever httpx would take.
    headers = dict(httpx.Headers(args.pop("headers", None)))
    source = TokenSource(
        credentials, base_url=base_url, store=store, verify_ssl=verify_ssl, httpx_args=args
    )
    return AuthenticatedClient(
        base_url=source.base_url,
        # BearerAuth replaces the header that the client makes of this, or takes it off.
        token="",
        raise_on_unexpected_status=True,
        timeout=timeout,
        verify_ssl=verify_ssl,
        headers=headers,
        httpx_args={**args, "auth": BearerAuth(source)},
        **own,
    )
