"""The generated client with the token's reuse built in."""

import ssl
from collections.abc import Mapping
from http.cookiejar import CookieJar
from typing import Any

import httpx

from setle_api import AuthenticatedClient

from ._auth import BearerAuth
from ._client import SetleClient
from ._credentials import ClientCredentials, CredentialsProvider
from ._endpoint.base_url import checked_base_url
from ._endpoint.route import USER_AGENT, with_lent_transports
from ._endpoint.settings import settings_named
from ._errors import ConfigurationError, without_locals
from ._source import TokenSource
from .stores import TokenStore


@without_locals
def connect(
    credentials: ClientCredentials | CredentialsProvider | None = None,
    *,
    base_url: str | None = None,
    store: TokenStore | str | None = None,
    timeout: float | httpx.Timeout = 30.0,
    token_timeout: float = 15.0,
    verify_ssl: str | bool | ssl.SSLContext = True,
    httpx_args: Mapping[str, Any] | None = None,
    token_httpx_args: Mapping[str, Any] | None = None,
) -> AuthenticatedClient:
    """
    Return a generated client whose calls carry a token that is reused until it ends.

    It goes to any endpoint of ``setle_api.api``, sync and async; endpoints that the
    description does not hold yet are reached through its ``get_httpx_client()`` and
    ``get_async_httpx_client()``. No request is sent before the first call.

    It works in every thread, event loop and forked child. An httpx client that was taken out of
    it belongs to the process, and if it is async to the event loop, that it was taken out in.

    Args:
        credentials: ClientCredentials, or a callable that returns them and is called, in
            another thread, before each token request. Equal callables are one way to the
            same credentials. The default is ``SETLE_CLIENT_ID`` and ``SETLE_CLIENT_SECRET``, or
            ``SETLE_CLIENT_SECRET_FILE``, as the environment has them now.
        base_url: Of the API. The default is ``SETLE_BASE_URL`` or the real service.
        store: Who else shares the token: a TokenStore, or what ``SETLE_TOKEN_STORE`` takes.
            The default is ``SETLE_TOKEN_STORE`` or all clients of the process.
        timeout: Of API calls, in seconds or as httpx takes it.
        token_timeout: Seconds that a call waits for a token at most, all attempts included.
        verify_ssl: As httpx takes *verify*.
        httpx_args: More arguments for ``httpx.Client`` and ``httpx.AsyncClient``. Proxy,
            TLS settings and transport hold for token requests too. In place of a transport, a
            callable that makes one, called for each httpx client.
        token_httpx_args: What holds for token requests in place of *httpx_args*; ``{}`` for
            nothing. Token requests are sync.

    Returns:
        The client. It raises ``setle_api.errors.UnexpectedStatus`` on a status that the
        description does not hold; the errors of ``setle`` come from any call that needs a
        token and cannot have one.

    Raises:
        ConfigurationError: An argument or a variable cannot be used.
    """
    with settings_named({"trust_env": False}):  # of the environment, nothing is read yet
        # All of it is copied, as the same arguments may be changed for another tenant.
        args = dict(httpx_args or {})
        # The generated client passes these itself, and passing them twice is a TypeError.
        own = {name: args.pop(name, None) for name in ("cookies", "follow_redirects")}
        own = {name: value for name, value in own.items() if value is not None}
        if not isinstance(own.get("cookies"), CookieJar | None):  # httpx shares it, too
            own["cookies"] = httpx.Cookies(own["cookies"])
        timeout = httpx.Timeout(args.pop("timeout", timeout))
        headers: Any = httpx.Headers(args.pop("headers", None))
        args["params"] = httpx.QueryParams(args.get("params"))
        hooks = args.get("event_hooks") or {}
        args["event_hooks"] = {event: list(called) for event, called in hooks.items()}
    for name in ("auth", "base_url"):
        if name in args:
            raise ConfigurationError(f"httpx_args must not hold {name!r}, which connect() sets")
    verify_ssl = args.pop("verify", verify_ssl)
    headers.setdefault("User-Agent", USER_AGENT)
    checked = checked_base_url(base_url)
    args = with_lent_transports(args, checked)
    source = TokenSource(
        credentials,
        base_url=checked,
        store=store,
        timeout=token_timeout,
        verify_ssl=verify_ssl,
        httpx_args=args if token_httpx_args is None else token_httpx_args,
    )
    if token_httpx_args is None and checked.startswith("https:") and not args.get("http2"):
        # Loaded already. For HTTP/2, httpx would write into it.
        verify_ssl = source._refresher.route.context
        args.pop("cert", None)
    return SetleClient(
        base_url=source.base_url,
        # BearerAuth replaces the header that the generated client makes of this, or takes it off.
        token="",
        raise_on_unexpected_status=True,
        timeout=timeout,
        verify_ssl=verify_ssl,
        headers=headers,
        httpx_args={**args, "auth": BearerAuth(source)},
        **own,
    )
