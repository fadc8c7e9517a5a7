"""What hangs is named, passed, and bounded: at most two threads of one key and way."""

import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import FrameType
from typing import NoReturn

import anyio
import httpx
import pytest

import setle
from setle._refresh import registry
from setle._time import Deadline
from setle.testing import Answer, Sandbox
from tests.support import Clock, credentials_of, eventually, join_refreshes, source_of
from tests.support.faults import asked, fault, named, saw, times, yes
from tests.support.raw import RawEndpoint

pytestmark = pytest.mark.usefixtures("no_jitter")


@pytest.fixture
def release() -> Iterator[threading.Event]:
    """What hangs in a test goes on after it."""
    event = threading.Event()
    yield event
    event.set()
    join_refreshes()


def _calls(source: setle.TokenSource) -> list[Callable[[], object]]:
    return [source.get_token, lambda: anyio.run(source.aget_token)]


def test_a_callable_that_hangs_is_blamed(sandbox: Sandbox, release: threading.Event) -> None:
    """The token endpoint was never asked, and nobody is sent looking there."""
    source = source_of(sandbox, credentials=lambda: release.wait(30), timeout=0.2)  # type: ignore[arg-type, return-value] # never gets there
    for call in _calls(source):
        with pytest.raises(setle.TokenUnavailableError, match="the callable") as caught:
            call()
        assert "endpoint" not in str(caught.value)
    assert sandbox.token_requests == 0


@pytest.mark.usefixtures("clock")  # a busy machine's next call may come after the back-off
def test_a_callable_that_hangs_is_not_called_by_every_call(
    sandbox: Sandbox, release: threading.Event
) -> None:
    """What nobody gets an answer from holds the next ones up, as any failure does."""
    source = source_of(sandbox, credentials=lambda: release.wait(30), timeout=0.1)  # type: ignore[arg-type, return-value] # never gets there

    def held_back() -> bool:
        with pytest.raises(setle.TokenUnavailableError) as caught:
            source.get_token()
        return caught.value.held_back

    eventually(held_back)


def test_a_callable_that_hangs_locks_no_other_source_out(
    sandbox: Sandbox, release: threading.Event, clock: Clock
) -> None:
    """Its two threads are those of its own way, though the token would be the same."""
    hangs = False

    def vault() -> setle.ClientCredentials:
        if hangs:
            release.wait(30)
        return credentials_of(sandbox)

    store = setle.MemoryTokenStore()
    source = source_of(sandbox, credentials=vault, store=store, timeout=1)
    other = source_of(sandbox, store=store)
    token = source.get_token()
    assert other.get_token() == token
    source.invalidate(token)
    hangs = True
    for _ in range(3):
        with pytest.raises(setle.TokenUnavailableError):
            source.get_token()
        clock.go_on(61)  # no failure holds the next call back
    assert other.get_token() != token
    assert sandbox.token_requests == 2


def test_a_callable_that_imports_what_waits_for_the_token_is_blamed(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The import holds the module's lock and waits for the token; the callable for that lock."""
    sources: list[setle.TokenSource] = []
    (tmp_path / "needs_a_token.py").write_text("import gives; gives.sources[0].get_token()")
    (tmp_path / "gives.py").write_text("sources = []")
    monkeypatch.syspath_prepend(str(tmp_path))
    import gives  # type: ignore[import-not-found] # just written

    def credentials() -> setle.ClientCredentials:
        __import__("needs_a_token")
        return credentials_of(sandbox)

    sources = gives.sources
    sources.append(source_of(sandbox, credentials=credentials, timeout=0.3))
    with pytest.raises(setle.TokenUnavailableError, match="the callable"):
        __import__("needs_a_token")
    join_refreshes()


def test_a_store_that_hangs_is_passed(sandbox: Sandbox, release: threading.Event) -> None:
    """After a third of the deadline somebody else goes on without it, and all are served."""

    class Hanging(setle.MemoryTokenStore):
        entered = 0

        def load(self, key: str) -> setle.AccessToken | None:
            Hanging.entered += 1
            release.wait(30)
            return None

    source = source_of(sandbox, store=Hanging(), timeout=1.5)
    with ThreadPoolExecutor(4) as pool:
        calls = [pool.submit(call) for call in _calls(source) * 2]
        assert len({call.result(30) for call in calls}) == 1
    for _ in range(3):
        source.invalidate(source.get_token())
        source.get_token()
    assert Hanging.entered == 1
    assert sandbox.token_requests == 4


def test_a_store_that_has_hung_before_a_call_is_passed_all_the_sooner(
    sandbox: Sandbox, release: threading.Event
) -> None:
    """Who joins the refresh late waits for the rest of its patience only, two seconds in all."""

    class Hanging(setle.MemoryTokenStore):
        def load(self, key: str) -> setle.AccessToken | None:
            release.wait(30)
            return None

    store = Hanging()

    async def give_up() -> None:
        with anyio.move_on_after(1.5):
            await source_of(sandbox, store=store, timeout=6).aget_token()

    anyio.run(give_up)
    source_of(sandbox, store=store, timeout=1.8).get_token()
    assert sandbox.token_requests == 1


def test_a_token_that_is_being_saved_serves_meanwhile(
    sandbox: Sandbox, release: threading.Event
) -> None:
    """Its store hangs, and nobody asks twice."""

    class Hanging(setle.MemoryTokenStore):
        def save(self, key: str, token: setle.AccessToken) -> None:
            release.wait(30)

    source = source_of(sandbox, store=Hanging(), timeout=1.5)
    assert source.get_token() == source.get_token()
    assert sandbox.token_requests == 1


def test_a_token_that_was_rejected_while_it_was_saved_is_not_handed_out_again(
    sandbox: Sandbox, release: threading.Event
) -> None:
    """Though its refresh ends, late, when there is no other."""

    class Hanging(setle.MemoryTokenStore):
        def save(self, key: str, token: setle.AccessToken) -> None:
            release.wait(30)

    source = source_of(sandbox, store=Hanging(), timeout=1.5)
    old = source.get_token()
    source.invalidate(old)
    release.set()
    join_refreshes()
    assert source.get_token() != old


@pytest.mark.parametrize("with_callable", [False, True])
def test_transports_that_hang_do_not_add_up(
    sandbox: Sandbox, release: threading.Event, clock: Clock, with_callable: bool
) -> None:
    """One and another one, though nothing ends them; then callers are told so at once."""
    entered: list[None] = []

    class Hanging(httpx.HTTPTransport):
        def handle_request(self, request: httpx.Request) -> httpx.Response:
            entered.append(None)
            release.wait(30)
            return super().handle_request(request)

    credentials = (lambda: credentials_of(sandbox)) if with_callable else None
    source = source_of(sandbox, credentials=credentials, timeout=0.1, transport=Hanging)
    for _ in range(5):
        with pytest.raises(setle.TokenUnavailableError):
            source.get_token()
        clock.go_on(61)  # no failure holds the next call back
    assert len(entered) == 2


def test_connections_that_drip_do_not_add_up(clock: Clock) -> None:
    """Each is closed at its deadline, for a day if need be."""

    def answer(connection: object) -> None:
        while not endpoint.stop.wait(0.02):
            connection.sendall(b"HTTP/1.1 102 Processing\r\n\r\n")  # type: ignore[attr-defined] # a socket

    with RawEndpoint(answer) as endpoint:
        source = setle.TokenSource(
            setle.ClientCredentials("id", "secret"),
            base_url=endpoint.base_url,
            store=setle.MemoryTokenStore(),
            timeout=0.5,
        )
        for times_asked in range(1, 6):
            with pytest.raises(setle.TokenUnavailableError):
                source.get_token()
            assert endpoint.requests == times_asked
            endpoint.wait_for_open(0)
            join_refreshes()
            clock.go_on(61)  # no failure holds the next call back


def test_a_transport_that_hangs_as_it_is_closed_holds_up_nobody(
    sandbox: Sandbox, release: threading.Event
) -> None:
    """It is closed at the deadline, as the request hangs; not even other keys wait for that."""
    closing = threading.Event()

    class Hanging(httpx.HTTPTransport):
        def handle_request(self, request: httpx.Request) -> httpx.Response:
            release.wait(30)
            return super().handle_request(request)

        def close(self) -> None:
            closing.set()
            release.wait(30)
            super().close()

    hanging = source_of(sandbox, timeout=0.3, transport=Hanging)
    began = time.monotonic()
    with pytest.raises(setle.TokenUnavailableError, match="gave no answer"):
        hanging.get_token()
    assert closing.wait(10)
    source_of(sandbox).get_token()
    assert time.monotonic() - began < 10
    assert sandbox.token_requests == 1


@pytest.mark.parametrize("there_are_threads", [True, False])
def test_what_cannot_be_closed_at_the_deadline_says_so_to_nobody(
    sandbox: Sandbox,
    release: threading.Event,
    monkeypatch: pytest.MonkeyPatch,
    there_are_threads: bool,
) -> None:
    """It was given up; and without a thread to close it in, it ends by itself some time."""
    opened, tried, failed = threading.Event(), threading.Event(), list[object]()
    monkeypatch.setattr(sys, "unraisablehook", failed.append)
    # However busy the machine is, there is something to close at the deadline.
    began = time.monotonic()
    clock = {"clock": lambda: time.monotonic() if opened.is_set() else began}
    monkeypatch.setattr(Deadline.__init__, "__kwdefaults__", clock)

    class Hanging(httpx.HTTPTransport):
        def handle_request(self, request: httpx.Request) -> httpx.Response:
            opened.set()
            release.wait(30)
            return super().handle_request(request)

        def close(self) -> None:
            super().close()
            if not release.is_set():
                tried.set()
                raise OSError

    def start(*_: object) -> NoReturn:
        tried.set()
        raise RuntimeError("can't start new thread")

    source = source_of(sandbox, timeout=0.2, transport=Hanging)
    if not there_are_threads:
        monkeypatch.setattr("setle._refresh.flight.start_new_thread", start)
    host = sandbox.base_url.removeprefix("http://")
    with pytest.raises(setle.TokenUnavailableError, match=f"endpoint at {host} gave no answer"):
        source.get_token()
    assert tried.wait(10)
    release.set()
    join_refreshes()
    assert failed == []


def test_a_hasty_waiter_leaves_a_patient_refresh_alone(sandbox: Sandbox) -> None:
    """Each waits as long as its own source says, in threads and in loops."""
    store = setle.MemoryTokenStore()
    patient = source_of(sandbox, store=store)
    hasty = source_of(sandbox, store=store, timeout=0.1)
    with ThreadPoolExecutor(1) as pool:
        with sandbox.hold():
            waiting = pool.submit(patient.get_token)
            sandbox.wait_for(token_requests=1)
            began = time.monotonic()
            for call in _calls(hasty):
                with pytest.raises(setle.TokenUnavailableError, match=r"within 0\.1 s"):
                    call()
            assert time.monotonic() - began < 2
        assert waiting.result(30) == hasty.get_token()
    assert sandbox.token_requests == 1


def test_a_patient_waiter_outlasts_a_hasty_refresh(sandbox: Sandbox) -> None:
    """What failed for lack of time is tried again by who has more of it."""
    store = setle.MemoryTokenStore()
    patient = source_of(sandbox, store=store)
    hasty = source_of(sandbox, store=store, timeout=1)
    with ThreadPoolExecutor(2) as pool:
        with sandbox.hold():
            first = pool.submit(hasty.get_token)
            sandbox.wait_for(token_requests=1)
            second = pool.submit(patient.get_token)
            assert isinstance(first.exception(30), setle.TokenUnavailableError)
            sandbox.wait_for(token_requests=2)
        second.result(30)
    assert sandbox.token_requests == 2


@fault(
    "Proxies",
    "a proxy is down, and another client needs none",
    "the failure is that of those who use the proxy; the token is shared",
)
def test_a_source_with_another_way_out_tries_its_own(sandbox: Sandbox) -> None:
    """A proxy that is down speaks for those who use it."""
    store = setle.MemoryTokenStore()
    lost = source_of(
        sandbox, store=store, transport=httpx.HTTPTransport(proxy="http://127.0.0.1:9")
    )
    with pytest.raises(setle.TokenUnavailableError) as caught:
        lost.get_token()
    token = source_of(sandbox, store=store).get_token()
    shared = lost.get_token() == token
    assert shared
    assert sandbox.token_requests == 1
    saw(f"{named(caught.value)}, then the other's token: {yes(shared)}", asked(sandbox))


@fault(
    "Statuses",
    "503 without end in the last five seconds of a token",
    "its holder and new processes are served to its end",
)
def test_a_usable_token_is_served_to_all_sources(
    sandbox: Sandbox, clock: Clock, tmp_path: Path
) -> None:
    """In its last seconds the endpoint is down: its holder has it, and so have all others."""
    holder = source_of(sandbox, store=setle.FileTokenStore(tmp_path))
    token = holder.get_token()
    clock.go_on(3600 - 5)
    sandbox.script_token(*[Answer(status=503)] * 30)
    served = 0
    for _ in range(3):
        other = source_of(sandbox, store=setle.FileTokenStore(tmp_path))
        assert [other.get_token() for _ in range(5)] == [token] * 5
        assert holder.get_token() == token
        served += 6
    clock.go_on(5)
    with pytest.raises(setle.TokenUnavailableError) as caught:
        holder.get_token()
    saw(f"{times(served, 'call')} served with it", f"then {named(caught.value)}")


@pytest.mark.parametrize("with_callable", [False, True])
def test_what_one_test_did_is_forgotten_for_the_next_one(
    sandbox: Sandbox, with_callable: bool
) -> None:
    """A refusal holds nobody up, a token is not reused, though the client is a global one."""
    down = True

    def credentials() -> setle.ClientCredentials:
        if down:
            raise ConnectionError
        return credentials_of(sandbox)

    given = credentials if with_callable else credentials_of(sandbox)
    source = setle.TokenSource(given, base_url=sandbox.base_url, store="memory")
    sandbox.script_token(*[] if with_callable else [Answer(status=401)])
    for _ in range(2):
        with pytest.raises(setle.TokenError):
            source.get_token()
    down = False
    asked = sandbox.token_requests
    registry.forget_everything()
    first = source.get_token()
    registry.forget_everything()
    assert source.get_token() != first
    assert sandbox.token_requests == asked + 2


def test_a_store_without_a_source_is_forgotten_as_well(sandbox: Sandbox) -> None:
    """The process's own store outlives whatever was made of it."""
    old = setle.TokenSource(
        credentials_of(sandbox), base_url=sandbox.base_url, store="memory"
    ).get_token()
    for number in range(70):  # more than are kept without a source
        source_of(sandbox, credentials=setle.ClientCredentials(f"{number}", "secret"))
    registry.forget_everything()
    source = setle.TokenSource(credentials_of(sandbox), base_url=sandbox.base_url, store="memory")
    assert source.get_token() != old


def test_everything_can_be_forgotten_while_sources_are_made(sandbox: Sandbox) -> None:
    """Other threads make them, here whenever weak references are gone through."""
    sources = [source_of(sandbox) for _ in range(3)]

    def make(frame: FrameType, *_: object) -> None:
        if "weakref" in frame.f_code.co_filename:
            sources.append(source_of(sandbox))

    others = sys.gettrace()
    sys.settrace(make)
    try:
        registry.forget_everything()
    finally:
        sys.settrace(others)
    assert len(sources) > 3
