"""Every public name, used as its types allow. Checked by mypy and never run."""

import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, assert_type

import httpx

import setle
import setle.testing
from setle.testing import forget_everything
from setle_api import AuthenticatedClient


class OneToken:
    """The least that is a store."""

    def load(self, key: str) -> setle.AccessToken | None:
        return setle.AccessToken("value", datetime.now(UTC), 60.0)

    def save(self, key: str, token: setle.AccessToken) -> None:
        return None

    @contextmanager
    def lock(self, key: str, timeout: float) -> Iterator[None]:
        yield None


class Leased(OneToken):
    """A store whose lock has a time limit."""

    @contextmanager
    def lock(self, key: str, timeout: float) -> Iterator[Callable[[], bool]]:  # type: ignore[override] # narrower than OneToken's, not than the protocol's
        yield lambda: True


def credentials() -> None:
    given = setle.ClientCredentials("id", client_secret="secret")
    assert_type(given.client_id, str)
    assert_type(given.client_secret, str)
    assert_type(setle.ClientCredentials.from_env(), setle.ClientCredentials)
    given.client_secret = "other"  # type: ignore[misc] # frozen
    setle.ClientCredentials("id")  # type: ignore[call-arg] # no secret


def tokens() -> None:
    token = setle.AccessToken("value", datetime.now(UTC), lifetime=60.0, token_type="Bearer")
    assert_type(token.value, str)
    assert_type(token.expires_at, datetime)
    assert_type(token.lifetime, float)
    assert_type(token.token_type, str)
    assert_type(token.fingerprint, str)
    token.value = "other"  # type: ignore[misc] # frozen


def stores() -> None:
    for store in (setle.MemoryTokenStore(), OneToken(), Leased()):
        store_of_any_kind(store)
    store_of_any_kind(object())  # type: ignore[arg-type] # not a store


def store_of_any_kind(store: setle.TokenStore) -> None:
    assert_type(store.load("key"), setle.AccessToken | None)
    with store.lock("key", 1.0) as extend:
        assert_type(extend, object)


async def sources() -> None:
    source = setle.TokenSource()
    setle.TokenSource(
        setle.ClientCredentials("id", "secret"),
        base_url="https://public-api.setle.app",
        store=OneToken(),
        timeout=5,
        verify_ssl=ssl.create_default_context(),
        httpx_args={"proxy": "http://localhost:8080"},
    )
    setle.TokenSource(setle.ClientCredentials.from_env)
    setle.TokenSource(lambda: setle.ClientCredentials("id", "secret"), verify_ssl=False)
    setle.TokenSource(lambda: "id")  # type: ignore[arg-type, return-value] # not credentials
    setle.TokenSource("id", "secret")  # type: ignore[call-arg, arg-type] # those of ClientCredentials
    setle.TokenSource(store="file", timeout=5.5)
    setle.TokenSource(store=7)  # type: ignore[arg-type] # neither a store nor the name of one
    assert_type(source.base_url, str)
    assert_type(source.get_token(), setle.AccessToken)
    assert_type(await source.aget_token(), setle.AccessToken)
    assert_type(source.current_token(), setle.AccessToken | None)
    str(source.current_token().value)  # type: ignore[union-attr] # there may be none
    source.invalidate(source.get_token())
    source.invalidate("value")  # type: ignore[arg-type] # the token itself, so that none is mixed up


def sync_clients(auth: setle.BearerAuth) -> None:
    assert_type(auth.heed(httpx.Response(200)), bool)
    with httpx.Client(auth=auth, event_hooks={"response": [auth.heed]}) as client:
        client.get("https://public-api.setle.app/v1/estate/list")
    with setle.connect() as connected:
        assert_type(connected, AuthenticatedClient)


async def async_clients() -> None:
    auth = setle.BearerAuth(setle.TokenSource())
    assert_type(await auth.aheed(httpx.Response(200)), bool)
    hooks = {"response": [auth.aheed]}
    async with httpx.AsyncClient(auth=auth, event_hooks=hooks) as async_client:
        await async_client.get("https://public-api.setle.app/v1/estate/list")
    async with setle.connect(
        setle.ClientCredentials.from_env,
        base_url="https://public-api.setle.app",
        store=setle.MemoryTokenStore(),
        timeout=httpx.Timeout(5.0),
        verify_ssl="authority.pem",
        httpx_args={"headers": {"X-Trace": "7"}},
    ) as connected:
        assert_type(connected, AuthenticatedClient)
    setle.connect(
        store="redis://localhost",
        token_timeout=5,
        httpx_args={"transport": httpx.AsyncHTTPTransport},
        token_httpx_args={},
    )
    setle.connect(token_timeout=httpx.Timeout(5.0))  # type: ignore[arg-type] # one number of seconds
    setle.connect(timeout="5")  # type: ignore[arg-type] # not a number


def errors() -> None:
    try:
        setle.TokenSource().get_token()
    except (
        setle.TokenRejectedError,
        setle.TokenUnavailableError,
        setle.TokenResponseError,
    ) as error:
        token_error: setle.TokenError = error
        assert_type(token_error.status_code, int | None)
        assert_type(token_error.messages, list[str])
        assert_type(token_error.retry_after, float | None)
        assert_type(token_error.retry_in, float | None)
        assert_type(token_error.held_back, bool)
    except setle.ConfigurationError as error:
        base: setle.SetleError = error
        raise base from None


def package() -> None:
    assert_type(setle.__version__, str)


def answered(request: setle.testing.Request) -> dict[str, Any]:
    assert_type(request.path_params["id"], str)
    assert_type(request.body, bytes)
    return {"id": request.path_params["id"]}


async def answered_later(request: setle.testing.Request) -> setle.testing.Answer:
    return setle.testing.Answer(201, json=request.json(), body="text")


def in_tests(setle_sandbox: setle.testing.Sandbox) -> None:
    setle_sandbox.script_token(setle.testing.Answer(503), setle.testing.Answer(json={}))
    assert_type(setle_sandbox.log, list[setle.testing.Record])
    assert_type(setle_sandbox.token_requests, int)
    setle_sandbox.wait_for(token_requests=0, timeout=1)
    route = setle_sandbox.route("GET", "/v1/estate/{id}", answered)
    setle_sandbox.route("POST", "/v1/estate", answered_later).script({"id": "1"})
    assert_type(route, setle.testing.Route)
    assert_type(route.requests, list[setle.testing.Request])
    assert_type(setle_sandbox.environment, dict[str, str])
    forget_everything()
