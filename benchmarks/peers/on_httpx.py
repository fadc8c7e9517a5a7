"""Peers that stand on httpx, or on its successor; see `libraries`."""

from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from functools import partial
from typing import Any

from ..sandbox import Address
from .libraries import ESTATES, Driver, driven, http, secrets, url


def authlib(sandbox: Address) -> Driver:
    """Authlib, by its HTTP clients."""
    import httpx2
    from authlib.integrations.httpx_client import AsyncOAuth2Client, OAuth2Client

    def in_headers(_client: Any, _method: str, uri: str, headers: Any, _body: Any) -> Any:
        headers.update(secrets(sandbox))
        return uri, headers, ""

    # It gets no first token of its own accord, so it is given one that has ended. What comes
    # then is what it does before each request of its own.
    def made(kind: Any) -> Any:
        client = kind(
            token={"access_token": "ended", "expires_at": 1},
            token_endpoint=url(sandbox),
            token_endpoint_auth_method="setle",
            grant_type="client_credentials",
        )
        client.register_client_auth_method(("setle", in_headers))
        return client

    client = made(OAuth2Client)

    def get() -> str:
        client.ensure_active_token()
        return str(client.token["access_token"])

    def header() -> Callable[[], object]:
        request = httpx2.Request("GET", f"{sandbox.base_url}{ESTATES}")
        flow = driven(client.token_auth, request, httpx2.Response(200))

        def ensured() -> None:
            client.ensure_active_token(client.token)
            flow()

        return ensured

    def aget() -> Callable[[], Awaitable[object]]:
        tasks = made(AsyncOAuth2Client)
        return lambda: tasks.ensure_active_token(tasks.token)

    def call(stack: ExitStack) -> Callable[[], object]:
        stack.enter_context(client)
        return lambda: client.get(f"{sandbox.base_url}{ESTATES}").raise_for_status()

    return Driver(get, header, aget, call)


def httpx_auth(sandbox: Address) -> Driver:
    """Return httpx-auth, by its flow."""
    import httpx
    from httpx_auth import OAuth2, OAuth2ClientCredentials

    credentials = sandbox.credentials
    auth = OAuth2ClientCredentials(
        url(sandbox), credentials.client_id, credentials.client_secret, client=http(sandbox)
    )
    OAuth2.token_cache.clear()  # the one of the process
    request = httpx.Request("GET", f"{sandbox.base_url}{ESTATES}")

    def call(stack: ExitStack) -> Callable[[], object]:
        client = stack.enter_context(sandbox.client(auth))
        return lambda: client.get(ESTATES).raise_for_status()

    # What an async client does: the flow is a sync one, and the loop stands still meanwhile.
    async def flow() -> None:
        steps = auth.async_auth_flow(request)
        await anext(steps)
        await steps.aclose()

    return Driver(
        # The call that its flow consists of, without the request's header.
        partial(
            OAuth2.token_cache.get_token,
            auth.state,
            early_expiry=auth.early_expiry,
            on_missing_token=auth.request_new_token,
        ),
        lambda: driven(auth, request, httpx.Response(200)),
        lambda: flow,
        call,
    )


def openai(sandbox: Address) -> Driver:
    """OpenAI, by what gets the tokens of workloads."""
    from openai import OpenAI
    from openai.auth import WorkloadIdentityAuth

    client = http(sandbox)

    class Auth(WorkloadIdentityAuth):  # type: ignore[misc] # not installed where types are checked
        # The one step that each of its own kinds of identity fills in.
        def _fetch_token_from_exchange(self) -> Any:
            return self._handle_token_response(client.post(url(sandbox)))

    identity = {"provider": {"token_type": "jwt", "get_token": lambda: "nobody asks"}}
    auth = Auth(workload_identity=identity)

    def call(stack: ExitStack) -> Callable[[], object]:
        names = dict.fromkeys(("identity_provider_id", "service_account_id"), "nobody")
        client = OpenAI(workload_identity=identity | names, base_url=sandbox.base_url)
        stack.enter_context(client)
        client._workload_identity_auth = auth  # instead of the one that asks OpenAI
        return lambda: client.get(ESTATES, cast_to=object)

    return Driver(auth.get_token, aget=lambda: auth.get_token_async, call=call)
