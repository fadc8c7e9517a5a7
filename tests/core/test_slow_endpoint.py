"""A token endpoint that is slow: all of the deadline is there for its answer, and no more."""

import socket
import threading
import time
from collections.abc import Iterator

import httpx
import pytest

import setle
from setle.testing import Answer, Sandbox
from tests.support import Clock, join_refreshes, source_of
from tests.support.faults import asked, fault, named, saw, times
from tests.support.raw import RawEndpoint, drip, token_answer

CREDENTIALS = setle.ClientCredentials("id", "secret")


def _source(endpoint: RawEndpoint, *, timeout: float = 15.0) -> setle.TokenSource:
    return setle.TokenSource(
        CREDENTIALS, base_url=endpoint.base_url, store=setle.MemoryTokenStore(), timeout=timeout
    )


def test_an_answer_may_take_most_of_the_deadline(sandbox: Sandbox) -> None:
    """Reading has no share of its own: one patient request beats three hasty ones."""
    sandbox.delay = 1.2
    source_of(sandbox, timeout=2.0).get_token()
    assert sandbox.token_requests == 1


def test_who_waits_for_the_first_token_does_not_look_all_the_time(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hundred threads that look every 10 ms would keep a core busy."""
    looks: list[float] = []

    def wall() -> float:
        looks.append(time.time())
        return looks[-1]

    monkeypatch.setattr("setle._time.wall", wall)
    sandbox.delay = 0.4
    source_of(sandbox).get_token()
    assert len(looks) < 20


def test_headers_may_drip(sandbox: Sandbox) -> None:
    """As long as they are there before the deadline."""
    head, _, body = token_answer().partition(b"\r\n\r\n")
    lines = [line + b"\r\n" for line in head.split(b"\r\n")]
    with RawEndpoint(drip([*lines, b"\r\n" + body], 0.3)) as endpoint:
        assert _source(endpoint, timeout=3.0).get_token().value == "a-token"
    assert endpoint.requests == 1


def test_a_body_may_drip(sandbox: Sandbox) -> None:
    """As long as it is there before the deadline."""
    grant = {"access_token": "a-token", "expires_in": 3600, "token_type": "Bearer"}
    sandbox.script_token(Answer(json=grant, drip=0.015))
    assert source_of(sandbox, timeout=3.0).get_token().value == "a-token"
    assert sandbox.token_requests == 1


def test_a_body_that_nobody_waits_for_ends_at_the_deadline(
    sandbox: Sandbox, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    """An early refresh that drips has no caller who would cut it off."""
    source = source_of(sandbox, timeout=1)
    source.get_token()
    grant = {"access_token": "a-token", "expires_in": 3600, "token_type": "Bearer"}
    sandbox.script_token(Answer(json=grant, drip=0.2))
    clock.go_on(3600 - 31)
    began = time.monotonic()
    source.get_token()
    join_refreshes()
    assert time.monotonic() - began < 5  # the body would take 16 s
    assert "(ReadTimeout: the answer came too slowly)" in caplog.text


@pytest.mark.parametrize("status", [100, 102])
def test_interim_answers_may_come_before(status: int) -> None:
    """A proxy that sends signs of life in between is no trouble."""
    interim = b"HTTP/1.1 %d Wait\r\n\r\n" % status
    with RawEndpoint(drip([interim, interim, token_answer()], 0.05)) as endpoint:
        assert _source(endpoint).get_token().value == "a-token"


@fault(
    "Network",
    "an answer that comes after its callers gave up",
    "the next call has it, and need not ask again",
)
def test_an_answer_that_is_there_is_taken_however_late(sandbox: Sandbox) -> None:
    """Those who waited have given up; the next call need not ask again."""
    release = threading.Event()

    class Late(httpx.HTTPTransport):
        def handle_request(self, request: httpx.Request) -> httpx.Response:
            answer = super().handle_request(request)
            release.wait(30)
            return answer

    with Late() as transport:
        source = source_of(sandbox, timeout=1, transport=transport)
        with pytest.raises(setle.TokenUnavailableError) as caught:
            source.get_token()
        release.set()
        join_refreshes()
        token = source.get_token()
    assert sandbox.token_requests == 1
    saw(f"{named(caught.value)}, then {named(token)}", asked(sandbox))


@pytest.fixture
def swallowing() -> Iterator[tuple[str, int]]:
    """An address that swallows packets: nobody accepts, and the queue of those who wait is full."""
    with socket.socket() as listener, socket.socket() as first, socket.socket() as second:
        listener.bind(("127.0.0.2", 0))
        listener.listen(0)
        for waiting in (first, second):
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        yield listener.getsockname()


@fault(
    "DNS",
    "a name with two addresses, of which the first swallows packets",
    "each address has its share of the deadline",
)
def test_a_host_whose_first_address_is_dead_is_reached(
    swallowing: tuple[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Connecting has a share of the deadline for each address, so that the next one gets a try."""
    resolve = socket.getaddrinfo

    with RawEndpoint(drip([token_answer()], 0.0)) as endpoint:
        alive = endpoint.base_url.removeprefix("http://").split(":")
        base_url = f"http://localhost:{alive[1]}"

        def two_addresses(host: object, port: object, *args: object, **kwargs: object) -> object:
            if host != "localhost":
                return resolve(host, port, *args, **kwargs)  # type: ignore[arg-type] # passed on as they came
            return [
                (socket.AF_INET, socket.SOCK_STREAM, 6, "", address)
                for address in (swallowing, ("127.0.0.1", int(alive[1])))
            ]

        monkeypatch.setattr(socket, "getaddrinfo", two_addresses)
        source = setle.TokenSource(
            CREDENTIALS, base_url=base_url, store=setle.MemoryTokenStore(), timeout=3.0
        )
        began = time.monotonic()
        token = source.get_token()
        assert token.value == "a-token"
        assert time.monotonic() - began >= 1.0  # else the first address was not tried
    saw(named(token), times(endpoint.requests, "token request"))


@fault(
    "Network",
    "headers, interim answers, a body or an error that drip for ever",
    "the deadline ends them; no connection or thread stays",
)
@pytest.mark.parametrize(
    ("parts", "what"),
    [
        ([b"HTTP/1.1 200 OK\r\n", *[b"X-Drip: 1\r\n"] * 10_000], "headers"),
        ([b"HTTP/1.1 102 Processing\r\n\r\n"] * 10_000, "interim answers"),
        ([b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n", *[b" "] * 10_000], "a body"),
        ([b"HTTP/1.1 503 No\r\nContent-Length: 99999\r\n\r\n", *[b" "] * 10_000], "a failure"),
    ],
)
def test_what_drips_for_ever_ends_at_the_deadline(parts: list[bytes], what: str) -> None:
    """The caller gets an error, the connection is closed, and no thread is left behind."""
    with RawEndpoint(lambda connection: _drip_until(endpoint.stop, connection, parts)) as endpoint:
        source = _source(endpoint, timeout=0.5)
        began = time.monotonic()
        with pytest.raises(setle.TokenUnavailableError) as caught:
            source.get_token()
        assert time.monotonic() - began < 5, what
        endpoint.wait_for_open(0)
        join_refreshes()
    kind = caught.type.__name__  # with a status or without, as it comes
    saw(f"{kind} at the deadline", f"{times(endpoint.open, 'connection')} left open")


def _drip_until(stop: threading.Event, connection: socket.socket, parts: list[bytes]) -> None:
    for part in parts:
        connection.sendall(part)
        if stop.wait(0.02):
            return
