"""A 401, whatever hooks, transports and connection limits stand between it and the token."""

import gzip
import io
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import anyio
import httpx
import pytest

import setle
import setle_api
from setle.testing import Answer, Request, Sandbox
from tests.support import secret_file_of, source_of
from tests.support.faults import asked, every, fault, saw
from tests.support.worlds import ECHO, ESTATES, World

Connect: TypeAlias = Callable[..., setle_api.AuthenticatedClient]


class OutOfOrderError(Exception):
    """What a user's hook raises; it knows nothing of httpx."""


def raise_for_status(response: httpx.Response) -> None:
    response.raise_for_status()


def raise_own(response: httpx.Response) -> None:
    if response.is_error:
        raise OutOfOrderError(response.status_code)


def hooked(world: World, hook: Callable[[httpx.Response], None]) -> dict[str, Any]:
    """Return *hook* as httpx takes it in that *world*."""

    async def async_hook(response: httpx.Response) -> None:
        hook(response)

    return {"event_hooks": {"response": [hook if world.is_sync else async_hook]}}


raising = fault(
    "Rejected tokens",
    "the token is revoked, and a response hook or transport of yours raises for the 401",
    "the call fails with that error; the next ones have another token",
)
hooks = pytest.mark.parametrize(
    ("hook", "error"),
    [(raise_for_status, httpx.HTTPStatusError), (raise_own, OutOfOrderError)],
    ids=["raise_for_status", "own"],
)


@raising
@hooks
def test_a_response_hook_that_raises_does_not_keep_a_rejected_token_alive(
    world: World,
    connect: Connect,
    sandbox: Sandbox,
    hook: Callable[[httpx.Response], None],
    error: type[Exception],
) -> None:
    """The call fails, as the hook wants it; the next one has another token."""
    client = connect(httpx_args=hooked(world, hook))
    assert world.call(client).status_code == 200
    sandbox.revoke()
    with pytest.raises(error):
        world.call(client)
    statuses = [answer.status_code for answer in world.calls(client, 3)]
    assert statuses == [200] * 3
    assert sandbox.token_requests == 2
    saw(f"then {statuses.count(200)} of 3 calls: 200", asked(sandbox))


def test_a_401_while_another_client_takes_the_token_over(
    world: World, sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A new secret is in the file, and another connect() has read it, before the answer comes."""
    file = secret_file_of(sandbox, tmp_path, monkeypatch)
    store = setle.MemoryTokenStore()
    client = setle.connect(base_url=sandbox.base_url, store=store)

    def answer(_: Request) -> Answer:
        if sandbox.api_requests > 1:
            return Answer(200)
        sandbox.revoke()
        sandbox.rotate_secret()
        file.write_text(sandbox.client_secret)
        setle.connect(base_url=sandbox.base_url, store=store)
        return Answer(401)

    sandbox.route("GET", "/v1/x", answer)
    assert world.call(client, "/v1/x").status_code == 200
    assert sandbox.token_requests == 2
    if world.is_sync:
        client.get_httpx_client().close()


@raising
@hooks
def test_a_response_hook_that_is_put_on_later_does_not_keep_a_rejected_token_alive(
    world: World,
    connect: Connect,
    sandbox: Sandbox,
    hook: Callable[[httpx.Response], None],
    error: type[Exception],
) -> None:
    """The same, where all hooks of the httpx client that was taken out are replaced."""
    client, later = connect(), hooked(world, hook)["event_hooks"]

    async def main() -> list[int]:
        async with client:
            http = client.get_async_httpx_client()
            http.event_hooks = later
            await http.get(ESTATES)
            sandbox.revoke()
            with pytest.raises(error):
                await http.get(ESTATES)
            return [(await http.get(ESTATES)).status_code for _ in range(3)]

    def in_threads() -> list[int]:
        http = client.get_httpx_client()
        http.event_hooks = later
        http.get(ESTATES)
        sandbox.revoke()
        with pytest.raises(error):
            http.get(ESTATES)
        return [http.get(ESTATES).status_code for _ in range(3)]

    statuses = in_threads() if world.is_sync else world.run(main)
    assert statuses == [200] * 3
    assert sandbox.token_requests == 2
    saw(f"then {statuses.count(200)} of 3 calls: 200", asked(sandbox))


@hooks
def test_the_users_own_httpx_client_heeds_a_401_before_a_hook_raises(
    world: World, sandbox: Sandbox, hook: Callable[[httpx.Response], None], error: type[Exception]
) -> None:
    """With heed, or aheed, as the first response hook, as the documentation says."""
    auth = setle.BearerAuth(source_of(sandbox))
    options = {"auth": auth, "base_url": sandbox.base_url, **hooked(world, hook)}
    options["event_hooks"]["response"].insert(0, auth.heed if world.is_sync else auth.aheed)

    def call() -> int:
        if world.is_sync:
            with httpx.Client(**options) as http:
                return http.get(ESTATES).status_code

        async def main() -> int:
            async with httpx.AsyncClient(**options) as http:
                return (await http.get(ESTATES)).status_code

        return world.run(main)

    assert call() == 200
    sandbox.revoke()
    with pytest.raises(error):
        call()
    assert [call(), call()] == [200] * 2
    assert sandbox.token_requests == 2


class Raising(httpx.HTTPTransport):
    """A transport that raises for a status, with an error that *error* makes."""

    def __init__(self, error: Callable[[httpx.Response, httpx.Request], Exception]) -> None:
        super().__init__()
        self._error = error

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        response = super().handle_request(request)
        if response.is_error:
            response.close()
            raise self._error(response, request)
        return response


class AsyncRaising(httpx.AsyncHTTPTransport):
    """The same, async."""

    def __init__(self, error: Callable[[httpx.Response, httpx.Request], Exception]) -> None:
        super().__init__()
        self._error = error

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        response = await super().handle_async_request(request)
        if response.is_error:
            await response.aclose()
            raise self._error(response, request)
        return response


def status_error(response: httpx.Response, request: httpx.Request) -> Exception:
    return httpx.HTTPStatusError("no", request=request, response=response)


def own_error(response: httpx.Response, request: httpx.Request) -> Exception:
    """Return an error as other libraries' are, whose response does not know its request."""
    error = OutOfOrderError(response.status_code)
    error.response = response  # type: ignore[attr-defined] # as requests does it, too
    return error


errors = pytest.mark.parametrize("error", [status_error, own_error])


@raising
@errors
def test_a_transport_that_raises_on_401_does_not_keep_a_rejected_token_alive(
    world: World, connect: Connect, sandbox: Sandbox, error: Any
) -> None:
    """The call fails with the transport's own error; the next one has another token."""
    kind = Raising if world.is_sync else AsyncRaising
    client = connect(httpx_args={"transport": lambda: kind(error)}, token_httpx_args={})
    assert world.call(client).status_code == 200
    sandbox.revoke()
    with pytest.raises((httpx.HTTPStatusError, OutOfOrderError)):
        world.call(client)
    statuses = [answer.status_code for answer in world.calls(client, 3)]
    assert statuses == [200] * 3
    assert sandbox.token_requests == 2
    saw(f"then {statuses.count(200)} of 3 calls: 200", asked(sandbox))


@errors
def test_a_wrong_secret_through_a_transport_that_raises_is_a_refusal(
    connect: Connect, sandbox: Sandbox, error: Any
) -> None:
    """It stays TokenRejectedError with its status, and backs off as one."""
    client = connect(httpx_args={"transport": lambda: Raising(error)})
    sandbox.rotate_secret()
    for _ in range(3):
        with pytest.raises(setle.TokenRejectedError) as caught:
            client.get_httpx_client().get(ESTATES)
        assert caught.value.status_code == 401
    assert sandbox.token_requests == 1


def test_a_busy_token_endpoint_through_a_transport_that_raises_is_asked_again(
    connect: Connect, sandbox: Sandbox
) -> None:
    """Status and Retry-After are heeded all the same."""
    client = connect(httpx_args={"transport": lambda: Raising(status_error)})
    sandbox.script_token(Answer(503, headers={"Retry-After": "0"}))
    assert client.get_httpx_client().get(ESTATES).status_code == 200
    assert sandbox.token_requests == 2


class Narrow(httpx.HTTPTransport):
    """
    A transport that so many answers at most are read from at once.

    httpcore's own pool, made as small, closes connections in use once in a while when threads
    contend for them (encode/httpcore#1110).
    """

    def __init__(self, connections: int) -> None:
        super().__init__(limits=httpx.Limits(max_connections=None))
        self._free = threading.Semaphore(connections)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if not self._free.acquire(timeout=request.extensions["timeout"]["pool"]):
            raise httpx.PoolTimeout("none is free")
        response = super().handle_request(request)
        assert isinstance(response.stream, httpx.SyncByteStream)
        close = response.stream.close

        def close_and_let_in() -> None:
            close()
            self._free.release()

        response.stream.close = close_and_let_in  # type: ignore[method-assign] # of this answer
        return response


@fault(
    "Rejected tokens",
    "the token is revoked under more calls than there are connections",
    "the token request gets one; all calls are served",
)
@pytest.mark.parametrize("connections", [1, 10, 100])
def test_401s_do_not_starve_the_token_request_of_connections(
    connect: Connect, sandbox: Sandbox, connections: int
) -> None:
    """As many calls as a shared transport has connections, and ten more, are all answered."""
    world = World("sync")
    client = connect(httpx_args={"transport": Narrow(connections)})
    assert world.call(client).status_code == 200
    sandbox.revoke()
    began = time.monotonic()
    answers = world.calls_at_once(client, connections + 10)
    assert {answer.status_code for answer in answers} == {200}
    assert time.monotonic() - began < 12  # it would be the deadline of 15 s
    assert sandbox.token_requests == 2
    good = sum(answer.status_code == 200 for answer in answers)
    saw(f"200 for {every(good, len(answers), 'call')}", asked(sandbox))


# httpcore's pool for event loops takes seconds over a hundred connections.
@pytest.mark.parametrize("connections", [1, 10, 30])
@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_401s_do_not_starve_replays_of_connections(
    connect: Connect, sandbox: Sandbox, backend: str, connections: int
) -> None:
    """The same among the tasks of an event loop, where the token request has its own way."""
    world = World(backend)
    limits = httpx.Limits(max_connections=connections)
    client = connect(
        httpx_args={"transport": lambda: httpx.AsyncHTTPTransport(limits=limits)},
        token_httpx_args={},
    )
    assert world.call(client).status_code == 200
    sandbox.revoke()
    began = time.monotonic()
    answers = world.calls_at_once(client, connections + 10)
    assert {answer.status_code for answer in answers} == {200}
    assert time.monotonic() - began < 12
    assert sandbox.token_requests == 2


HARMFUL = {
    "endless": Answer(401, body=b"x" * 10_000_000, drip=0.0001),
    "silent": Answer(401, body=b"x" * 2, drip=60.0),
    "big": Answer(401, body=b"x" * 10_000_000),
    "gzip": Answer(
        401, body=gzip.compress(b"x" * 10_000_000), headers={"Content-Encoding": "gzip"}
    ),
    "cut": Answer(401, body=b"half", hang_up=True),
    "empty": Answer(401),
}


@fault(
    "Rejected tokens",
    "a 401 whose body is endless, silent, big, packed, cut or empty",
    "a second at most; the call is sent again",
)
@pytest.mark.parametrize("kind", HARMFUL)
def test_no_body_of_a_401_keeps_its_call_from_being_replayed(
    world: World, connect: Connect, sandbox: Sandbox, kind: str
) -> None:
    """An endless, silent, big, packed or broken one costs a second at most."""
    connections = httpx.Limits(max_connections=1)
    args: dict[str, Any] = {"limits": connections}
    client = connect(httpx_args=args)
    assert world.call(client).status_code == 200
    sandbox.revoke()
    sandbox.script_api(HARMFUL[kind])
    began = time.monotonic()
    status = world.call(client).status_code
    assert status == 200
    assert time.monotonic() - began < 5
    assert sandbox.token_requests == 2
    saw(f"the call: {status}", asked(sandbox))


@pytest.mark.parametrize("packed", [False, True])
def test_a_401_that_passes_through_can_be_read(
    world: World, connect: Connect, sandbox: Sandbox, packed: bool
) -> None:
    """Where another token does not help, the caller gets status, headers and body as they came."""
    body = b'{"message": "not this estate"}' * 100
    headers = {"Content-Encoding": "gzip"} if packed else {}
    said = Answer(401, body=gzip.compress(body) if packed else body, headers=headers)
    client = connect()
    assert world.call(client).status_code == 200
    sandbox.script_api(said, said, said)
    for turn in (2, 3):  # replayed first, then during the hold
        answer = world.call(client)
        assert (answer.status_code, answer.content) == (401, body)
        assert sandbox.api_requests == turn + 1
    assert sandbox.token_requests == 2


def test_a_401_that_cannot_be_mended_keeps_what_was_copied_of_it(
    world: World, connect: Connect, sandbox: Sandbox
) -> None:
    """A server that issues the same token again: the first 401 is the answer, body and all."""
    same = Answer(json={"access_token": "same", "expires_in": 60, "token_type": "Bearer"})
    sandbox.script_token(same, same)
    sandbox.script_api(Answer(401, json={"message": "why"}))
    answer = world.call(connect())
    assert (answer.status_code, answer.json()) == (401, {"message": "why"})
    assert sandbox.api_requests == 1


def test_the_401_of_a_spent_body_can_be_read(
    world: World, connect: Connect, sandbox: Sandbox
) -> None:
    """It is not replayed, so nothing of it is taken away, however big it is."""
    client = connect()
    assert world.call(client).status_code == 200
    sandbox.script_api(Answer(401, body=b"x" * 200_000))
    content = parts() if world.is_sync else async_parts()
    answer = world.call(client, ECHO, method="POST", content=content)
    assert (answer.status_code, len(answer.content)) == (401, 200_000)
    assert sandbox.api_requests == 2


def parts() -> Iterator[bytes]:
    yield b"an estate"


async def async_parts() -> AsyncIterator[bytes]:
    yield b"an estate"


@pytest.mark.parametrize(
    "content",
    [
        lambda: {"content": b"an estate"},
        lambda: {"content": "an estate"},
        lambda: {"json": {"name": "an estate"}},
        lambda: {"data": {"name": "an estate", "rooms": ["1", "2"]}},
        lambda: {"files": {"plan": b"an estate"}},
        lambda: {"files": {"plan": ("plan.txt", "an estate", "text/plain")}},
        lambda: {"files": {"plan": io.BytesIO(b"an estate")}},
        lambda: {"files": [("plan", ("a.bin", io.BytesIO(b"a" * 200_000)))], "data": {"n": "1"}},
        lambda: {"files": {"plan": (None, b"an estate")}, "data": {"names": ["a", "b"]}},
    ],
)
def test_what_can_be_sent_again_is_replayed_as_it_was(
    world: World, connect: Connect, sandbox: Sandbox, content: Callable[[], dict[str, Any]]
) -> None:
    """Bytes, text, JSON, forms, and multipart bodies of bytes or of files that can be rewound."""
    client = connect()
    sent = {"headers": {"Content-Type": "multipart/form-data; boundary=b"}}
    first = world.call(client, ECHO, method="POST", **content(), **sent)
    sandbox.revoke()
    again = world.call(client, ECHO, method="POST", **content(), **sent)
    assert (again.status_code, again.content) == (200, first.content)
    assert b"a" in again.content
    assert (sandbox.api_requests, sandbox.token_requests) == (3, 2)


class Pipe(io.RawIOBase):
    """A file that cannot be rewound."""

    def __init__(self) -> None:
        self._left = [b"an estate", b""]

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        return self._left.pop(0)


class Bare:
    """Something that can be read, and says nothing of whether it can be rewound."""

    def __init__(self) -> None:
        self._left = [b"an estate", b""]

    def read(self, size: int = -1) -> bytes:
        return self._left.pop(0)


@pytest.mark.parametrize("file", [Pipe, Bare])
def test_a_multipart_body_of_what_cannot_be_rewound_is_not_replayed(
    world: World, connect: Connect, sandbox: Sandbox, file: type[Any]
) -> None:
    """The caller gets the 401, and the next call another token."""
    client = connect()
    assert world.call(client).status_code == 200
    sandbox.revoke()
    assert world.call(client, ECHO, method="POST", files={"a": file()}).status_code == 401
    assert sandbox.api_requests == 2
    assert world.call(client).status_code == 200
    assert sandbox.token_requests == 2


def test_a_streamed_call_is_replayed_and_its_answer_still_streamed(
    world: World, connect: Connect, sandbox: Sandbox
) -> None:
    """The answer comes piece by piece, as the server sends it; nothing reads it beforehand."""
    client = connect()
    assert world.call(client).status_code == 200
    sandbox.revoke()
    sandbox.script_api(Answer(401), Answer(200, body=b"an estate", drip=0.05))
    pieces: list[bytes] = []
    if world.is_sync:
        with client.get_httpx_client().stream("GET", ESTATES) as answer:
            assert not answer.is_stream_consumed
            pieces.extend(answer.iter_raw())
    else:

        async def main() -> None:
            http = client.get_async_httpx_client()
            async with client, http.stream("GET", ESTATES) as answer:
                assert not answer.is_stream_consumed
                pieces.extend([piece async for piece in answer.aiter_raw()])

        world.run(main)
    assert b"".join(pieces) == b"an estate"
    assert len(pieces) > 1
    assert sandbox.token_requests == 2


def test_hooks_run_in_the_users_order(world: World, connect: Connect, sandbox: Sandbox) -> None:
    """Once for each request and answer, replay included; the token is on by then."""
    seen: list[object] = []

    def note(message: httpx.Request | httpx.Response) -> None:
        if isinstance(message, httpx.Request):
            seen.append("Authorization" in message.headers)
        else:
            seen.append(message.status_code)

    async def anote(message: httpx.Request | httpx.Response) -> None:
        note(message)

    hook = note if world.is_sync else anote
    given = {"request": [hook], "response": [hook, hook]}
    client = connect(httpx_args={"event_hooks": given})
    world.call(client)
    sandbox.revoke()
    world.call(client)
    assert seen == [True, 200, 200, True, 401, 401, True, 200, 200]
    assert given == {"request": [hook], "response": [hook, hook]}


def test_a_401_that_a_hook_has_read_is_replayed(
    world: World, connect: Connect, sandbox: Sandbox
) -> None:
    """Hooks that log bodies read them to the end, and nothing is left to be freed."""
    bodies: list[bytes] = []

    def read(response: httpx.Response) -> None:
        bodies.append(response.read())

    async def aread(response: httpx.Response) -> None:
        bodies.append(await response.aread())

    client = connect(httpx_args={"event_hooks": {"response": [read if world.is_sync else aread]}})
    assert world.call(client).status_code == 200
    sandbox.script_api(Answer(401, body=b"why"), Answer(200, body=b"an estate"))
    assert world.call(client).content == b"an estate"
    assert bodies[1:] == [b"why", b"an estate"]
    assert sandbox.token_requests == 2


def test_a_cancelled_call_leaves_its_token_and_connections_in_order(
    connect: Connect, sandbox: Sandbox
) -> None:
    """A task that is cancelled while the body of its 401 drips does not spoil the next call."""
    client = connect()

    async def main() -> int:
        async with client:
            http = client.get_async_httpx_client()
            await http.get(ESTATES)
            sandbox.revoke()
            sandbox.script_api(Answer(401, body=b"x" * 1000, drip=0.3))
            with anyio.move_on_after(0.3):
                await http.get(ESTATES)
            return (await http.get(ESTATES)).status_code

    assert anyio.run(main) == 200
    assert sandbox.token_requests == 2
