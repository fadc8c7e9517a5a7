"""Secret and token go to Setle and nowhere else: not to another host, a log or a traceback."""

import asyncio
import contextlib
import itertools
import json
import logging
import socket
import threading
import traceback
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import httpx
import pytest

import setle
import setle_api
from setle.testing import Answer, Sandbox
from tests.support.faults import fault, saw, times

pytestmark = pytest.mark.usefixtures("no_jitter")

ESTATES = "/v1/estate/list"
SECRET = "5f0c" * 16
UNAUTHORIZED = b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class Elsewhere:
    """Another server on loopback, which remembers each connection and every byte it gets."""

    def __init__(self) -> None:
        self.got: list[bytes] = []
        self._server = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.getsockname()[1]}"

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._server.accept()
                with client:
                    client.settimeout(5.0)
                    self.got.append(client.recv(65536))
                    client.sendall(UNAUTHORIZED)

    def stop(self) -> None:
        """Close the server; all that was sent to it before has been noted after that."""
        with contextlib.suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self._thread.join()


@pytest.fixture
def elsewhere() -> Iterator[Elsewhere]:
    """A running server that is not Setle."""
    server = Elsewhere()
    yield server
    server.stop()


def options(sandbox: Sandbox, **more: Any) -> dict[str, Any]:
    credentials = setle.ClientCredentials(sandbox.client_id, sandbox.client_secret)
    return {
        "credentials": credentials,
        "base_url": sandbox.base_url,
        "store": setle.MemoryTokenStore(),
        "verify_ssl": False,
        **more,
    }


# What the tests opened, to be closed after each of them.
_clients: list[setle_api.AuthenticatedClient] = []


@pytest.fixture(autouse=True)
def closing() -> Iterator[None]:
    """Close the clients that a test made."""
    yield
    while _clients:
        _clients.pop().get_httpx_client().close()


def connected(sandbox: Sandbox, **more: Any) -> setle_api.AuthenticatedClient:
    client = setle.connect(**options(sandbox, **more))
    _clients.append(client)
    return client


def source_of(sandbox: Sandbox, **more: Any) -> setle.TokenSource:
    return setle.TokenSource(**options(sandbox, **more))


def get(client: setle_api.AuthenticatedClient, url: str) -> httpx.Response:
    return client.get_httpx_client().get(url)


def get_async(client: setle_api.AuthenticatedClient, url: str) -> httpx.Response:
    async def call() -> httpx.Response:
        async with client:
            return await client.get_async_httpx_client().get(url)

    return asyncio.run(call())


both_ways = pytest.mark.parametrize("get", [get, get_async], ids=["sync", "async"])


@fault("Statuses", "301, 302, 303, 307 or 308 to another host", "the secret does not go there")
@pytest.mark.parametrize("follow", [False, True])
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_token_request_is_not_redirected(
    status: int, follow: bool, setle_sandbox: Sandbox, elsewhere: Elsewhere
) -> None:
    """A token request follows no redirect, even where API calls do: nothing reaches the target."""
    location = elsewhere.url + "/v1/oauth/token"
    setle_sandbox.script_token(Answer(status, headers={"Location": location}))
    client = connected(setle_sandbox, httpx_args={"follow_redirects": follow})
    with pytest.raises(setle.TokenResponseError) as caught:
        get(client, ESTATES)
    assert caught.value.status_code == status
    assert setle_sandbox.token_requests == 1
    elsewhere.stop()
    assert elsewhere.got == []
    saw(f"{times(len(elsewhere.got), 'connection')} to the other host", type(caught.value).__name__)


@both_ways
@pytest.mark.parametrize("name", ["Authorization", "authorization"])
def test_foreign_url(
    get: Callable[..., httpx.Response], name: str, setle_sandbox: Sandbox, elsewhere: Elsewhere
) -> None:
    """A request to another origin carries no Authorization header, be it ours or the caller's."""
    client = connected(setle_sandbox, httpx_args={"headers": {name: "Basic shown"}})
    assert get(client, elsewhere.url + ESTATES).status_code == 401
    elsewhere.stop()
    (request,) = elsewhere.got
    assert request.startswith(b"GET " + ESTATES.encode())
    assert b"authorization" not in request.lower()
    assert b"shown" not in request
    assert setle_sandbox.token_requests == 0


@both_ways
def test_same_host_by_another_name(
    get: Callable[..., httpx.Response], setle_sandbox: Sandbox
) -> None:
    """Another name for the same server is another origin."""
    client = connected(setle_sandbox)
    url = setle_sandbox.base_url.replace("127.0.0.1", "localhost") + ESTATES
    response = get(client, url)
    assert "Authorization" not in response.request.headers
    assert setle_sandbox.token_requests == 0


@both_ways
def test_absolute_url_of_ours(get: Callable[..., httpx.Response], setle_sandbox: Sandbox) -> None:
    """An absolute URL at our own origin carries the token."""
    client = connected(setle_sandbox)
    assert get(client, setle_sandbox.base_url + ESTATES).status_code == 200


@both_ways
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirected_call(
    get: Callable[..., httpx.Response], status: int, setle_sandbox: Sandbox, elsewhere: Elsewhere
) -> None:
    """A redirect leaves the token behind, and a 401 from its target costs no token."""
    moved = Answer(status, headers={"Location": elsewhere.url + ESTATES})
    setle_sandbox.script_api(moved)
    client = connected(setle_sandbox, httpx_args={"follow_redirects": True})
    assert get(client, ESTATES).status_code == 401
    elsewhere.stop()
    (request,) = elsewhere.got
    assert b"authorization" not in request.lower()
    assert b"x-setle-client" not in request.lower()
    assert b"user-agent: setle-client/" in request.lower()
    assert setle_sandbox.token_requests == 1


def test_plain_http_is_refused() -> None:
    """Neither a client nor a source is made for http:// beyond loopback."""
    credentials = setle.ClientCredentials("id", "secret")
    for make in (setle.connect, setle.TokenSource):
        with pytest.raises(setle.ConfigurationError, match="use https://"):
            make(credentials, base_url="http://public-api.setle.app")


class Failures:
    """Lets things go wrong, and keeps the errors that came of it."""

    def __init__(self) -> None:
        self.errors: list[Exception] = []

    def note(self, call: Callable[[], object]) -> None:
        """Call it, and expect an error."""
        # The traceback begins here, where no local variable holds what must not be shown.
        try:
            call()
        except Exception as error:  # noqa: BLE001 - whatever it is
            self.errors.append(error)
        else:
            pytest.fail("nothing went wrong")


def failures_of(secret: str) -> list[Exception]:
    """Return an error for each way in which a token request fails, and each way to make one."""
    echo = {"message": [f"{secret} is wrong", {"x-setle-client-secret": secret}]}
    answers = [
        *(Answer(status, json=echo) for status in (400, 401, 404, 429, 503)),
        Answer(json={"access_token": f"{secret}\n", "expires_in": 3600, "token_type": "Bearer"}),
        Answer(json={"access_token": "a", "expires_in": secret, "token_type": "Bearer"}),
        Answer(json={"access_token": "a", "expires_in": 3600, "token_type": secret}),
        Answer(body=f"<html>{secret}".encode()),
        Answer(json=[secret]),
        Answer(hang_up=True),
        Answer(body=secret.encode(), hang_up=True),
        Answer(307, headers={"Location": f"http://127.0.0.1:9/{secret}"}),
    ]
    ways: list[Callable[[Sandbox], Callable[[], object]]] = [
        lambda sandbox: source_of(sandbox).get_token,
        lambda sandbox: partial(run_async, source_of(sandbox)),
        lambda sandbox: partial(get, connected(sandbox), ESTATES),
    ]
    found = Failures()
    for answer, way in itertools.product(answers, ways):
        with Sandbox() as sandbox:
            sandbox.client_secret = secret
            sandbox.script_token(answer, answer, answer)
            found.note(way(sandbox))
    assert len(found.errors) == 39
    return found.errors


def run_async(source: setle.TokenSource) -> setle.AccessToken:
    return asyncio.run(source.aget_token())


def chain(error: BaseException | None) -> Iterator[BaseException]:
    """Return *error* and all that led to it, suppressed or not."""
    if error is not None:
        yield error
        yield from chain(error.__cause__)
        yield from chain(error.__context__)


@fault(
    "Secrets",
    "13 failures of a token request, most of which echo the secret, each by three ways",
    "no error, nothing behind it and no variable of its frames shows it",
)
def test_no_secret_in_errors() -> None:
    """No error, nothing in its chain and no variable of its frames shows the secret."""
    leaks = 0
    for error in failures_of(SECRET):
        assert isinstance(error, setle.TokenError)
        for link in chain(error):
            assert SECRET not in f"{link} {link!r} {link.__dict__}"
            report = traceback.TracebackException.from_exception(link, capture_locals=True)
            text = "".join(report.format())
            assert "get_token" in text
            leaks += text.count(SECRET)
            assert SECRET not in text
    saw(f"{times(leaks, 'trace')} of it")


def test_errors_come_without_those_they_are_made_of() -> None:
    """No error hangs on to an httpx error, which holds the request and with it the secret."""
    for error in failures_of(SECRET):
        assert [type(link).__module__ for link in chain(error)] == ["setle"]


def test_no_token_in_the_client(setle_sandbox: Sandbox) -> None:
    """Neither client nor source nor auth shows the token after use."""
    client = connected(setle_sandbox)
    response = get(client, ESTATES)
    token = response.request.headers["Authorization"].removeprefix("Bearer ")
    auth = client._httpx_args["auth"]
    shown = [client, auth, auth._source, client.get_httpx_client(), response.request]
    for thing in [*shown, vars(auth)]:
        assert token not in f"{thing} {thing!r}"
        assert setle_sandbox.client_secret not in f"{thing} {thing!r}"
    assert len(token) > 20


@fault(
    "Secrets",
    "revocations, redirects, failures and broken stores, with every logger at DEBUG",
    "no secret and no token in the log",
)
def test_nothing_in_the_logs(
    setle_sandbox: Sandbox, caplog: pytest.LogCaptureFixture, elsewhere: Elsewhere
) -> None:
    """No logger shows secret or token at any level, whatever happens to them."""
    caplog.set_level(logging.DEBUG)
    for name in ("setle", "httpx", "httpcore", "asyncio"):
        caplog.set_level(logging.DEBUG, logger=name)
    client = connected(setle_sandbox, httpx_args={"follow_redirects": True})
    shown = {_token_of(get(client, ESTATES))}
    setle_sandbox.revoke()
    shown.add(_token_of(get(client, ESTATES)))  # 401, another token, replayed
    shown.add(_token_of(get_async(client, ESTATES)))
    setle_sandbox.script_api(Answer(307, headers={"Location": elsewhere.url}))
    get(client, ESTATES)
    get(client, elsewhere.url)
    setle_sandbox.reject_api = True
    shown.add(_token_of(get(client, ESTATES)))  # 401 and 401 again
    failures_of(setle_sandbox.client_secret)

    class Broken(setle.MemoryTokenStore):
        def load(self, key: str) -> setle.AccessToken | None:
            raise OSError(f"{key} and {setle_sandbox.client_secret}")

        def save(self, key: str, token: setle.AccessToken) -> None:
            raise OSError(f"{key} and {token.value}")

    shown.add(source_of(setle_sandbox, store=Broken()).get_token().value)
    loggers = {record.name.partition(".")[0] for record in caplog.records}
    assert loggers >= {"setle", "httpx", "httpcore", "asyncio"}
    written = "\n".join(f"{record.__dict__} {record.getMessage()}" for record in caplog.records)
    assert len(shown) >= 3  # one more where the hold after a 401 is over by the next
    found = []
    for secret in {*shown, setle_sandbox.client_secret}:
        assert len(secret) > 20
        # What a server sends back is not ours to hide from httpcore's own log.
        if secret in written.replace(f"http://127.0.0.1:9/{secret}", ""):
            found.append(secret)
    assert not found
    saw(f"{times(len(found), 'secret')} found")


def _token_of(response: httpx.Response) -> str:
    return response.request.headers["Authorization"].removeprefix("Bearer ")


def test_nothing_on_the_terminal(capfd: pytest.CaptureFixture[str]) -> None:
    """A refresh that fails in its thread prints nothing at all."""
    failures_of(SECRET)
    assert capfd.readouterr() == ("", "")


def test_nothing_in_the_url(setle_sandbox: Sandbox) -> None:
    """Secret and token travel in headers and never in the path, which servers log."""
    seen: list[httpx.Request] = []

    class Watching(httpx.HTTPTransport):
        def handle_request(self, request: httpx.Request) -> httpx.Response:
            seen.append(request)
            return super().handle_request(request)

    transport = Watching()
    get(connected(setle_sandbox, httpx_args={"transport": transport}), ESTATES)
    transport.close()
    token_request, call = seen
    token = call.headers["Authorization"].removeprefix("Bearer ")
    assert token_request.headers["x-setle-client-secret"] == setle_sandbox.client_secret
    assert "Authorization" not in token_request.headers
    assert token_request.content == b""
    assert "x-setle-client-secret" not in call.headers
    for request in seen:
        assert not request.url.query
        assert setle_sandbox.client_secret not in str(request.url)
        assert token not in str(request.url)


def test_echo_that_json_escapes(setle_sandbox: Sandbox) -> None:
    """The answer of a server that quotes the request's own headers is blanked, as JSON too."""
    setle_sandbox.client_secret = 'quote " and \\ slash'
    headers = {"x-setle-client-secret": setle_sandbox.client_secret}
    setle_sandbox.script_token(Answer(400, json={"message": [headers, json.dumps(headers)]}))
    with pytest.raises(setle.TokenRejectedError) as caught:
        source_of(setle_sandbox).get_token()
    assert caught.value.messages == ['{"x-setle-client-secret": "***"}'] * 2
    assert "slash" not in str(caught.value)
