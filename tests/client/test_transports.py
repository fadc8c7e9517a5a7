"""Transports of the user's: what they may be, where they serve, and what is said otherwise."""

import os
import socket
import threading
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from http.cookiejar import CookieJar
from typing import Any, TypeAlias

import anyio
import httpx
import pytest
from httpx_aiohttp import AiohttpTransport
from httpx_retries import Retry, RetryTransport

import setle
import setle_api
from setle.testing import Answer, Sandbox
from tests.support import all_at_once
from tests.support.processes import forked
from tests.support.worlds import ECHO, ESTATES, World

pytestmark = pytest.mark.usefixtures("no_jitter")

Connect: TypeAlias = Callable[..., setle_api.AuthenticatedClient]

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
async_worlds = pytest.mark.parametrize("world", ["asyncio", "trio"], indirect=True)

TOKEN = {"access_token": "from-the-application", "expires_in": 3600, "token_type": "Bearer"}


def handler(request: httpx.Request) -> httpx.Response:
    """Answer as Setle does, for a MockTransport."""
    if request.url.path == "/v1/oauth/token":
        return httpx.Response(200, json=TOKEN)
    good = request.headers.get("Authorization") == f"Bearer {TOKEN['access_token']}"
    return httpx.Response(200 if good else 401)


async def asgi_app(
    scope: MutableMapping[str, Any],
    receive: Callable[[], Awaitable[Any]],
    send: Callable[[dict[str, Any]], Awaitable[None]],
) -> None:
    """Let every call in that carries a token."""
    headers = dict(scope["headers"])
    status = 200 if headers.get(b"authorization", b"").startswith(b"Bearer ") else 401
    await send({"type": "http.response.start", "status": status, "headers": []})
    await send({"type": "http.response.body", "body": b"{}"})


def wsgi_app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Answer as Setle does."""
    asked = httpx.Request(environ["REQUEST_METHOD"], "http://x" + environ["PATH_INFO"])
    asked.headers["Authorization"] = environ.get("HTTP_AUTHORIZATION", "")
    answer = handler(asked)
    start_response(f"{answer.status_code} said", [("Content-Type", "application/json")])
    return [answer.content]


@async_worlds
@pytest.mark.parametrize("made", [False, True], ids=["instance", "callable"])
def test_an_async_transport_takes_the_api_calls(
    world: World, connect: Connect, sandbox: Sandbox, made: bool
) -> None:
    """With token_httpx_args={} the token request goes its own way."""
    transport = httpx.AsyncHTTPTransport if made else httpx.AsyncHTTPTransport()
    client = connect(httpx_args={"transport": transport}, token_httpx_args={})
    assert [answer.status_code for answer in world.calls(client, 3)] == [200] * 3
    sandbox.revoke()
    if made:
        assert world.call(client).status_code == 200
        assert sandbox.token_requests == 2


@pytest.mark.parametrize("place", ["transport", "mounts"])
def test_an_async_transport_without_another_way_for_the_token_is_refused_at_once(
    connect: Connect, place: str
) -> None:
    """The error names the transport and the remedy."""
    transport = httpx.AsyncHTTPTransport()
    given = transport if place == "transport" else {"http://": transport}
    with pytest.raises(setle.ConfigurationError, match=r"AsyncHTTPTransport.*token_httpx_args={}"):
        connect(httpx_args={place: given})


def test_a_sync_call_over_an_async_transport_says_what_serves(connect: Connect) -> None:
    """Token requests are not what is wrong here."""
    client = connect(httpx_args={"transport": httpx.AsyncHTTPTransport}, token_httpx_args={})
    with pytest.raises(setle.ConfigurationError, match=r"AsyncHTTPTransport.*async only") as caught:
        client.get_httpx_client()
    assert "get_async_httpx_client()" in str(caught.value)


def test_an_async_call_over_a_sync_transport_says_what_serves(connect: Connect) -> None:
    """At the first async call; sync ones work."""
    with httpx.HTTPTransport() as transport:
        client = connect(httpx_args={"transport": transport})
        assert World("sync").call(client).status_code == 200
        with pytest.raises(setle.ConfigurationError, match=r"HTTPTransport.*sync only"):
            World("asyncio").call(client)


@async_worlds
def test_an_application_is_called_without_a_network(
    world: World, connect: Connect, sandbox: Sandbox
) -> None:
    """An ASGITransport serves any number of loops."""
    client = connect(
        httpx_args={"transport": httpx.ASGITransport(app=asgi_app)}, token_httpx_args={}
    )
    assert world.call(client).status_code == 200
    assert world.call(client).status_code == 200
    assert (sandbox.token_requests, sandbox.api_requests) == (1, 0)


def test_a_wsgi_application_answers_tokens_and_calls(connect: Connect) -> None:
    """A WSGITransport serves threads, and forked children."""
    client = connect(httpx_args={"transport": httpx.WSGITransport(app=wsgi_app)})
    assert World("sync").call(client).status_code == 200
    if hasattr(os, "fork"):
        assert forked(lambda: World("sync").call(client).status_code)() == "200"


def test_a_mock_serves_everywhere(connect: Connect) -> None:
    """A MockTransport answers threads, loops of any kind one after the other, and children."""
    client = connect(httpx_args={"transport": httpx.MockTransport(handler)})
    for kind in ("sync", "asyncio", "trio", "asyncio", "sync"):
        assert World(kind).call(client).status_code == 200
    if hasattr(os, "fork"):
        for kind in ("sync", "asyncio"):
            assert forked(lambda kind=kind: World(kind).call(client).status_code)() == "200"  # type: ignore[misc] # mypy loses the default


def test_aiohttp_takes_the_api_calls(connect: Connect, sandbox: Sandbox) -> None:
    """A callable that makes an aiohttp transport serves one loop after the other."""
    client = connect(httpx_args={"transport": AiohttpTransport}, token_httpx_args={})
    world = World("asyncio")
    assert [answer.status_code for answer in world.calls(client, 3)] == [200] * 3
    sandbox.revoke()
    assert {answer.status_code for answer in world.calls_at_once(client, 20)} == {200}
    assert sandbox.token_requests == 2


# Nobody closes what the first loop has left.
@pytest.mark.filterwarnings("ignore:Exception ignored:pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("place", ["transport", "mounts"])
def test_a_transport_of_one_loop_tells_another_what_to_do(connect: Connect, place: str) -> None:
    """One error, at the call, names the remedy, and the remedy works."""

    def args(transport: object) -> dict[str, Any]:
        given = {place: transport if place == "transport" else {"http://127.0.0.1": transport}}
        return {"httpx_args": given, "token_httpx_args": {}}

    client = connect(**args(httpx.AsyncHTTPTransport()))
    assert World("asyncio").call(client).status_code == 200
    remedy = r"\(AsyncHTTPTransport\).*pass a callable that makes one"
    with pytest.raises(setle.ConfigurationError, match=remedy):
        World("asyncio").call(client)
    client = connect(**args(httpx.AsyncHTTPTransport))
    for kind in ("asyncio", "trio", "asyncio"):
        assert World(kind).call(client).status_code == 200


@needs_fork
@pytest.mark.parametrize("place", ["transport", "mounts"])
def test_a_transport_of_one_process_tells_its_children_what_to_do(
    connect: Connect, place: str
) -> None:
    """The same for a forked child; what the parent has goes on working."""

    def args(transport: object) -> dict[str, Any]:
        given = {place: transport if place == "transport" else {"http://127.0.0.1": transport}}
        return {"httpx_args": given}

    transport = httpx.HTTPTransport()
    client = connect(**args(transport))

    def call() -> int:
        return World("sync").call(client).status_code

    assert call() == 200
    assert "pass a callable that makes one" in forked(call, measured=True)()
    assert call() == 200
    transport.close()
    client = connect(**args(httpx.HTTPTransport))
    assert call() == 200
    assert forked(call)() == "200"


@needs_fork
def test_a_transport_that_the_parent_has_not_used_serves_a_child(connect: Connect) -> None:
    """It belongs to who first uses it."""
    transport = httpx.HTTPTransport()
    client = connect(httpx_args={"transport": transport})
    assert forked(lambda: World("sync").call(client).status_code)() == "200"
    assert World("sync").call(client).status_code == 200
    transport.close()


@needs_fork
def test_a_child_whose_token_has_ended_says_the_same_of_the_token_request(
    connect: Connect, sandbox: Sandbox
) -> None:
    """A transport only for token requests belongs to a process, too."""
    transport = httpx.HTTPTransport()
    client = connect(token_httpx_args={"transport": transport})
    assert World("sync").call(client).status_code == 200

    def call() -> int:
        return World("sync").call(client).status_code

    sandbox.revoke()
    assert "pass a callable that makes one" in forked(call, measured=True)()
    assert call() == 200
    transport.close()


@pytest.mark.parametrize("place", ["transport", "mounts"])
def test_a_callable_that_makes_something_else_is_named(connect: Connect, place: str) -> None:
    """What came back is shown by its type."""
    given: object = (lambda: 7) if place == "transport" else {"http://127.0.0.1": lambda: 7}
    with pytest.raises(setle.ConfigurationError, match=r"no transport of httpx \(int\)"):
        World("sync").call(connect(httpx_args={place: given}))


@pytest.mark.parametrize("place", ["transport", "mounts"])
def test_something_else_in_a_transports_place_is_refused_at_once(
    connect: Connect, place: str
) -> None:
    """It is neither a transport nor can it be called."""
    given: object = 7 if place == "transport" else {"http://": 7}
    with pytest.raises(setle.ConfigurationError, match=r"no transport of httpx \(int\)"):
        connect(httpx_args={place: given})


def test_a_callable_makes_one_transport_for_each_httpx_client(
    connect: Connect, sandbox: Sandbox
) -> None:
    """And one for each token request, which is closed after it."""
    made: list[httpx.HTTPTransport] = []

    def make() -> httpx.HTTPTransport:
        made.append(httpx.HTTPTransport())
        return made[-1]

    client = connect(httpx_args={"transport": make})
    assert [answer.status_code for answer in World("sync").calls(client, 3)] == [200] * 3
    assert len(made) == 2
    sandbox.revoke()
    assert World("sync").call(client).status_code == 200
    assert len(made) == 3


@pytest.mark.parametrize("world", ["sync", "asyncio"], indirect=True)  # it sleeps by asyncio
def test_a_retrying_transport_serves_both_worlds(
    world: World, connect: Connect, sandbox: Sandbox
) -> None:
    """A call that meets a 503 is answered, and a 401 still costs one token request."""
    client = connect(httpx_args={"transport": RetryTransport})
    sandbox.script_api(Answer(503))
    assert world.call(client).status_code == 200
    assert (sandbox.api_requests, sandbox.token_requests) == (2, 1)
    sandbox.revoke()
    assert world.call(client).status_code == 200
    assert (sandbox.api_requests, sandbox.token_requests) == (4, 2)


def test_with_headers_leaves_the_original_alone(connect: Connect, sandbox: Sandbox) -> None:
    """Before and after the first call, in both worlds."""
    for kind in ("sync", "asyncio"):
        world = World(kind)
        client = connect(httpx_args={"headers": {"X-Tenant": "1"}, "cookies": {"a": "1"}})
        for _ in range(2):
            other = client.with_headers({"X-Tenant": "2"}).with_cookies({"b": "2"})
            slow = client.with_timeout(httpx.Timeout(7.0))
            ours, theirs = world.call(client).request, world.call(other).request
            assert (ours.headers["X-Tenant"], ours.headers["Cookie"]) == ("1", "a=1")
            assert (theirs.headers["X-Tenant"], theirs.headers["Cookie"]) == ("2", "a=1; b=2")
            assert world.call(slow).request.extensions["timeout"]["read"] == 7.0
            assert world.call(client).request.extensions["timeout"]["read"] == 30.0
            for derived in (other, slow):
                derived.get_httpx_client().close()
    assert sandbox.token_requests == 2


def test_derived_clients_add_up(connect: Connect) -> None:
    """Each has what the one before had, but for what it was made with; a name has one spelling."""
    first = connect().with_headers({"X-Tenant": "1", "X-Trace": "7"}).with_cookies({"a": "1"})
    second = first.with_headers({"x-tenant": "2"}).with_cookies({"b": "2"})
    sent = World("sync").call(second).request.headers
    assert sent.get_list("X-Tenant") == ["2"]
    assert (sent["X-Trace"], sent["Cookie"]) == ("7", "a=1; b=2")
    second.get_httpx_client().close()


@pytest.mark.parametrize("kind", [CookieJar, list, httpx.Cookies], ids=lambda kind: kind.__name__)
def test_more_cookies_for_any_that_httpx_takes(
    kind: type, connect: Connect, sandbox: Sandbox
) -> None:
    """They go along with those for this host, and those of other hosts stay with these."""
    cookies = kind()
    if kind is list:
        cookies.append(("a", "1"))
    else:
        jar = httpx.Cookies(cookies)
        jar.set("a", "1", domain="127.0.0.1")
        jar.set("a", "2", domain="other.example")
        cookies = jar if kind is httpx.Cookies else jar.jar
    client = connect(httpx_args={"cookies": cookies})
    with client.with_cookies({"b": "2"}) as derived:
        sent = derived.get_httpx_client().get(ESTATES).request.headers["Cookie"]
    assert set(sent.split("; ")) == {"a=1", "b=2"}
    assert World("sync").call(client).request.headers["Cookie"] == "a=1"


def test_with_headers_leaves_an_httpx_client_that_was_set_alone(connect: Connect) -> None:
    """The user's own client stays what it is, and stays the original's."""
    client = connect()
    with httpx.Client(headers={"X-Tenant": "1"}, timeout=3.0) as mine:
        client.set_httpx_client(mine)
        for derived in (
            client.with_headers({"X-Tenant": "2"}),
            client.with_cookies({"b": "2"}),
            client.with_timeout(httpx.Timeout(7.0)),
        ):
            derived.get_httpx_client().close()
        assert client.get_httpx_client() is mine
        assert mine.headers["X-Tenant"] == "1"
        assert (dict(mine.cookies), mine.timeout) == ({}, httpx.Timeout(3.0))

    async def main() -> None:
        async with httpx.AsyncClient(headers={"X-Tenant": "1"}, timeout=3.0) as mine:
            client.set_async_httpx_client(mine)
            client.with_headers({"X-Tenant": "2"})
            client.with_timeout(httpx.Timeout(7.0))
            assert client.get_async_httpx_client() is mine
            assert (mine.headers["X-Tenant"], mine.timeout) == ("1", httpx.Timeout(3.0))

    anyio.run(main)
    client.set_httpx_client(httpx.Client())  # for the fixture, which closes it once more


def test_cookies_of_answers_stay_with_the_httpx_client_that_got_them(
    connect: Connect, sandbox: Sandbox
) -> None:
    """They are neither shared with derived clients nor written into what the user passed."""
    cookies: dict[str, str] = {"a": "1"}
    sandbox.script_api(Answer(200, headers={"Set-Cookie": "session=7"}))
    client = connect(httpx_args={"cookies": cookies})
    World("sync").call(client)
    assert "session=7" in World("sync").call(client).request.headers["Cookie"]
    other = client.with_headers({"X": "1"})
    assert World("sync").call(other).request.headers["Cookie"] == "a=1"
    other.get_httpx_client().close()
    assert cookies == {"a": "1"}


def test_threads_use_one_transport_at_once(connect: Connect, sandbox: Sandbox) -> None:
    """A transport of the user's carries a cold herd of threads with one token request."""
    with httpx.HTTPTransport() as transport:
        client = connect(httpx_args={"transport": transport})
        futures = all_at_once(20, lambda: World("sync").call(client).status_code)
        assert {future.result() for future in futures} == {200}
    assert sandbox.token_requests == 1


class Itself(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """What httpx would do by itself, with the environment's proxies: the documented recipe."""

    def __init__(self) -> None:
        self._sync, self._async = httpx.Client(), httpx.AsyncClient()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        return self._sync.send(request, stream=True)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return await self._async.send(request, stream=True)

    def close(self) -> None:
        self._sync.close()

    async def aclose(self) -> None:
        await self._async.aclose()


def retrying() -> RetryTransport:
    return RetryTransport(Itself(), Retry(total=3, backoff_factor=0.01))


@pytest.mark.parametrize("world", ["sync", "asyncio"], indirect=True)
def test_a_retrying_transport_may_keep_the_proxies_of_the_environment(
    world: World, connect: Connect, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Retried calls, a replay, and bodies of every size come through it as without it."""
    client = connect(httpx_args={"transport": retrying})
    sandbox.script_api(Answer(503), Answer(502))
    content = b"an estate" * 100_000
    assert world.call(client).status_code == 200
    sandbox.revoke()
    answer = world.call(client, ECHO, method="POST", content=content)
    assert (answer.status_code, answer.content) == (200, content)
    assert (sandbox.api_requests, sandbox.token_requests) == (5, 2)
    with socket.create_server(("127.0.0.1", 0)) as proxy:
        url = f"http://127.0.0.1:{proxy.getsockname()[1]}"
        monkeypatch.setenv("HTTPS_PROXY", url)
        asked: list[bytes] = []

        def serve() -> None:
            connection, _ = proxy.accept()
            with connection:
                asked.append(connection.recv(65536))

        thread = threading.Thread(target=serve)
        thread.start()
        client = connect(
            base_url="https://setle.example", httpx_args={"transport": Itself}, token_timeout=1.5
        )
        with pytest.raises(setle.TokenUnavailableError):
            world.call(client)
        thread.join(10)
    assert asked[0].startswith(b"CONNECT setle.example:443")
