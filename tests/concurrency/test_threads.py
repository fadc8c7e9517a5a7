"""One refresh for all threads."""

import dis
import logging
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from contextvars import ContextVar
from itertools import count
from types import FrameType
from typing import Any, TypeVar
from weakref import KeyedRef

import anyio
import httpx
import pytest

import setle
from setle._locks import exclusive
from setle._refresh import state
from setle._refresh.flight import Flight
from setle._refresh.registry import tolerant
from setle._refresh.state import KeyState
from setle._time import Instant, now
from setle.testing import Answer, Sandbox
from tests.support import (
    Clock,
    all_at_once,
    credentials_of,
    eventually,
    held_up,
    join_refreshes,
    source_of,
)
from tests.support.faults import asked, fault, named, saw

T = TypeVar("T")


def test_sixty_four_cold_threads_ask_once(sandbox: Sandbox) -> None:
    """All get the same token, whichever thread came first."""
    source = source_of(sandbox)
    futures = all_at_once(64, source.get_token)
    assert len({future.result() for future in futures}) == 1
    assert sandbox.token_requests == 1


def test_threads_that_meet_a_stale_token_ask_once(sandbox: Sandbox, clock: Clock) -> None:
    """The herd at the end of a life is as large as at its beginning."""
    source = source_of(sandbox)
    for _ in range(5):
        clock.go_on(3600)
        futures = all_at_once(32, source.get_token)
        assert len({future.result() for future in futures}) == 1
    assert sandbox.token_requests == 5


def _requests_that_fail(sandbox: Sandbox, sources: list[setle.TokenSource]) -> int:
    """Return how often *sources* ask, one after the other, while no request is answered."""
    sandbox.script_token(*[Answer(hang_up=True)] * 3 * len(sources))
    for source in sources:
        with pytest.raises(setle.TokenUnavailableError):
            source.get_token()
    return sandbox.token_requests


def test_sources_that_are_made_at_once_fail_as_one(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Threads that start together have one way to the endpoint, and one back-off."""
    store, both, make = setle.MemoryTokenStore(), threading.Barrier(2), httpx.create_ssl_context

    def make_with_the_other(*args: Any) -> object:
        both.wait(30)
        return make(*args)

    with monkeypatch.context() as patch:
        patch.setattr(httpx, "create_ssl_context", make_with_the_other)
        sources = [
            future.result() for future in all_at_once(2, lambda: source_of(sandbox, store=store))
        ]
    assert _requests_that_fail(sandbox, sources) == 3


def test_a_transport_that_threads_use_first_at_once_is_one(sandbox: Sandbox) -> None:
    """Whoever is held up as the first meets the other one, and both fail together."""
    store, transport = setle.MemoryTokenStore(), httpx.HTTPTransport()

    def source() -> setle.TokenSource:
        return source_of(sandbox, store=store, transport=transport)

    def begun(frame: FrameType) -> bool:
        return frame.f_code is KeyedRef.__new__.__code__

    with held_up(begun, source, longest=0.3) as first:
        second = source()
    assert _requests_that_fail(sandbox, [first.result(), second]) == 3


def test_threads_in_the_window_start_one_refresh(sandbox: Sandbox, clock: Clock) -> None:
    """Thirty-two threads that find the window open at once do not queue up."""
    source = source_of(sandbox)
    old = source.get_token()
    clock.go_on(3600 - 30 - 150 + 1)
    with sandbox.hold():
        futures = all_at_once(32, source.get_token)
        assert {future.result() for future in futures} == {old}
    join_refreshes()
    assert sandbox.token_requests == 2


def test_nothing_runs_while_nobody_calls(sandbox: Sandbox) -> None:
    """The refresh's thread ends with the refresh, and there is no other."""
    before = set(sys._current_frames())
    source = source_of(sandbox)
    source.get_token()
    join_refreshes()
    assert set(sys._current_frames()) == before


def test_credentials_are_asked_for_without_the_callers_context(sandbox: Sandbox) -> None:
    """The refresh belongs to nobody, so it carries nobody's request id or span."""
    span = ContextVar("span", default="none")
    seen = []

    def provider() -> setle.ClientCredentials:
        seen.append((span.get(), threading.current_thread() is threading.main_thread()))
        return credentials_of(sandbox)

    span.set("the caller's")
    source_of(sandbox, credentials=provider).get_token()
    assert seen == [("none", False)]


def _start_fails(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> list[object]:
    """Let no thread be started; return what it is tried for."""
    tries: list[object] = []

    def start(*args: object) -> None:
        tries.append(args)
        raise error

    monkeypatch.setattr("setle._refresh.state.start_new_thread", start)
    return tries


NO_MORE_THREADS = RuntimeError("can't start new thread")


@fault(
    "Callables and foreign code",
    "no thread can be started: a container's limit",
    "the caller refreshes in place",
)
def test_without_a_thread_the_caller_refreshes_itself(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A container's limit on threads costs the background, not the token."""
    source = source_of(sandbox)
    _start_fails(monkeypatch, NO_MORE_THREADS)
    token = source.get_token()
    assert token == source.get_token()
    assert sandbox.token_requests == 1
    saw(named(token), asked(sandbox))


def test_without_a_thread_others_wait_for_the_one_who_refreshes(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody asks beside a caller who is asking in place."""
    store = setle.MemoryTokenStore()
    patient = source_of(sandbox, store=store)
    hasty = source_of(sandbox, store=store, timeout=0.2)
    _start_fails(monkeypatch, NO_MORE_THREADS)
    with ThreadPoolExecutor(1) as pool:
        with sandbox.hold():
            asking = pool.submit(patient.get_token)
            sandbox.wait_for(token_requests=1)
            with pytest.raises(setle.TokenUnavailableError, match=r"within 0\.2 s"):
                hasty.get_token()
        assert asking.result(30) == hasty.get_token()
    assert sandbox.token_requests == 1


def test_without_a_thread_a_failure_is_the_callers(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is the same error as ever, and holds the next caller up."""
    source = source_of(sandbox)
    _start_fails(monkeypatch, NO_MORE_THREADS)
    sandbox.script_token(Answer(401))
    for _ in range(2):
        with pytest.raises(setle.TokenRejectedError):
            source.get_token()
    assert sandbox.token_requests == 1


def test_without_a_thread_nobody_is_delayed_by_an_early_refresh(
    sandbox: Sandbox, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A usable token is served until it has ended, and only then replaced in place."""
    source = source_of(sandbox)
    old = source.get_token()
    tries = _start_fails(monkeypatch, NO_MORE_THREADS)
    clock.go_on(3600 - 31)
    assert source.get_token() == old
    clock.go_on(30)
    assert {source.get_token() for _ in range(9)} == {old}
    assert (len(tries), sandbox.token_requests) == (2, 1)
    clock.go_on(1)
    assert source.get_token() != old


def test_without_a_thread_an_interrupt_is_nobody_elses_failure(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who presses Ctrl-C during the refresh in place leaves nothing behind for the next caller."""
    calls: list[None] = []

    def interrupted_once() -> setle.ClientCredentials:
        calls.append(None)
        if len(calls) == 1:
            raise KeyboardInterrupt
        return credentials_of(sandbox)

    source = source_of(sandbox, credentials=interrupted_once)
    _start_fails(monkeypatch, NO_MORE_THREADS)
    with pytest.raises(KeyboardInterrupt):
        source.get_token()
    source.get_token()
    assert len(calls) == 2


@pytest.mark.parametrize("error", [KeyboardInterrupt(), MemoryError(), TimeoutError()])
def test_a_refresh_that_could_not_be_started_is_none(
    sandbox: Sandbox, error: BaseException
) -> None:
    """Whoever comes after that interrupt asks, and waits for nobody who will not come."""
    source = source_of(sandbox)
    with pytest.MonkeyPatch.context() as patch:
        _start_fails(patch, error)
        with pytest.raises(type(error)):
            source.get_token()
    source.get_token()
    assert sandbox.token_requests == 1


class Interrupting:
    """
    Runs code in the middle of the package, as a signal handler does.

    Python runs handlers after calls, at the beginning of functions and in loops: never between
    the end of a ``with`` block and the release of its lock, for instance.
    """

    def __init__(self, code: Callable[[], object], *, point: int) -> None:
        self.code, self.point = code, point
        self.passed = 0
        self._before: dict[FrameType, str] = {}

    @property
    def has_run(self) -> bool:
        """Whether there was such a *point*."""
        return self.passed >= self.point

    def call(self, call: Callable[[], T]) -> T:
        """Return what *call* returns, interrupted at the one *point*."""
        before = sys.gettrace()
        sys.settrace(self._enter)
        try:
            return call()
        finally:
            sys.settrace(before)
            self._before.clear()

    def _enter(self, frame: FrameType, event: str, arg: object) -> Any:
        if self.has_run or not frame.f_globals.get("__name__", "").startswith("setle."):
            return None
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        return self._step

    def _step(self, frame: FrameType, event: str, arg: object) -> Any:
        if event == "opcode" and not self.has_run:
            before = self._before.get(frame, "")
            self._before[frame] = dis.opname[frame.f_code.co_code[frame.f_lasti]]
            # CALL_FUNCTION_EX may end a with block, whose release an exception here would miss.
            if before in ("CALL", "CALL_KW", "RESUME", "JUMP_BACKWARD"):
                self.passed += 1
                if self.has_run:
                    self.code()
        return self._step


def interrupted_everywhere(
    code: Callable[[], object], prepare: Callable[[], Callable[[], T]]
) -> Iterator[Future[T]]:
    """Run what *prepare* returns again and again, interrupted by *code* one point later each."""
    for point in count(1):
        call = prepare()
        interrupting = Interrupting(code, point=point)
        with ThreadPoolExecutor(1) as pool:
            done = pool.submit(interrupting.call, call)
            wait([done], 30)
            assert done.done(), f"it hangs after point {point}"
        if not interrupting.has_run:
            assert point > 20
            return
        yield done


def test_a_handler_that_calls_at_any_point_never_locks_up(sandbox: Sandbox) -> None:
    """It gets the token, or one clear error if it would wait for what it has interrupted."""
    outcomes: list[str] = []
    source = source_of(sandbox)

    def prepare() -> Callable[[], setle.AccessToken]:
        nonlocal source
        source = source_of(sandbox)
        return source.get_token

    def handler() -> None:
        try:
            outcomes.append(source.get_token().value)
        except setle.TokenUnavailableError as error:
            outcomes.append(str(error))

    for rounds, done in enumerate(interrupted_everywhere(handler, prepare), 1):
        (outcome,) = outcomes
        assert outcome == done.result().value or "the very code that asks for it" in outcome
        assert sandbox.token_requests == rounds
        outcomes.clear()


def test_a_handler_gets_the_usable_token_at_any_point(sandbox: Sandbox, clock: Clock) -> None:
    """While the thread it has interrupted replaces a token that is stale."""
    outcomes: list[setle.AccessToken] = []
    source = source_of(sandbox)
    old: setle.AccessToken

    def prepare() -> Callable[[], setle.AccessToken]:
        nonlocal source, old
        source = source_of(sandbox)
        old = source.get_token()
        clock.go_on(3600 - 1)
        return source.get_token

    for done in interrupted_everywhere(lambda: outcomes.append(source.get_token()), prepare):
        (outcome,) = outcomes
        assert outcome in (old, done.result())
        outcomes.clear()


def test_a_401_that_a_handler_reports_at_any_point_locks_nothing_up(sandbox: Sandbox) -> None:
    """Not even in the middle of the very change that it asks for."""
    source = source_of(sandbox)
    old: setle.AccessToken

    def prepare() -> Callable[[], setle.AccessToken]:
        nonlocal source, old
        source = source_of(sandbox)
        old = source.get_token()
        source.invalidate(old)
        return source.get_token

    for done in interrupted_everywhere(lambda: source.invalidate(old), prepare):
        assert done.result() != old


@pytest.mark.parametrize("usable", [False, True])
def test_a_finalizer_that_runs_in_the_middle_of_a_change(
    sandbox: Sandbox, clock: Clock, monkeypatch: pytest.MonkeyPatch, usable: bool
) -> None:
    """It gets the usable token or a clear error, and what it reports waits for a better time."""
    source = source_of(sandbox)
    old = source.get_token()
    clock.go_on(3599 if usable else 3600)
    outcomes: list[object] = []

    def look() -> Instant:  # at the clock, with the mutex held
        monkeypatch.setattr(state, "now", now)
        outcomes.append(source.report_rejection(old.value))
        try:
            outcomes.append(source.get_token())
        except setle.TokenUnavailableError as error:
            outcomes.append("the very code that asks for it" in str(error))
        return now()

    monkeypatch.setattr(state, "now", look)
    source.get_token()  # the old one, if another one takes longer than that is waited for
    join_refreshes()
    assert source.get_token() != old
    assert outcomes == [False, old if usable else True]
    assert sandbox.token_requests == 2


def test_whoever_replaces_what_starts_threads_is_served(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As gevent does, and whoever wants to see all threads."""

    def start(function: Callable[..., object], args: tuple[object, ...]) -> None:
        threading.Thread(target=function, args=args).start()

    monkeypatch.setattr("setle._refresh.state.start_new_thread", start)
    source_of(sandbox).get_token()
    assert sandbox.token_requests == 1


def test_the_thread_of_a_refresh_is_traced(sandbox: Sandbox) -> None:
    """Debuggers and coverage see it, as they see those of ``threading``."""
    seen: set[str] = set()

    def trace(frame: FrameType, event: str, arg: object) -> None:
        seen.add(frame.f_code.co_name)

    before = threading.gettrace()
    threading.settrace(trace)
    try:
        source_of(sandbox).get_token()
        join_refreshes()
    finally:
        threading.settrace(before)
    assert {"fly", "ask"} <= seen


def test_while_the_interpreter_ends_no_refresh_is_started(
    sandbox: Sandbox, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its thread would never run: a usable token is served, and else there is one clear error."""
    source = source_of(sandbox)
    old = source.get_token()
    join_refreshes()
    monkeypatch.setattr(sys, "is_finalizing", lambda: True)
    clock.go_on(3600 - 1)
    assert source.get_token() == old
    clock.go_on(1)
    with pytest.raises(setle.TokenUnavailableError, match="the interpreter is ending"):
        source.get_token()
    assert sandbox.token_requests == 1


@pytest.mark.parametrize("backend", ["thread", "asyncio", "trio"])
def test_waiting_for_a_refresh_that_has_ended_is_over_at_once(backend: str) -> None:
    """It may end between the look at it and the waiting."""
    flight = Flight(KeyState(tolerant(setle.MemoryTokenStore()), "key"), 15.0, "host", "first")
    exclusive(flight.end)(None)
    assert waited(flight, backend) < 5


@pytest.mark.parametrize("backend", ["thread", "asyncio"])
def test_a_refresh_that_ends_while_somebody_begins_to_wait_wakes_them(backend: str) -> None:
    """It ends before they have noted how to wake them, or else wakes them."""
    flight = Flight(KeyState(tolerant(setle.MemoryTokenStore()), "key"), 15.0, "host", "first")
    ending = threading.Thread(target=exclusive(flight.end), args=(None,))

    class Notes(list[Any]):
        def append(self, wake: object) -> None:
            ending.start()
            ending.join(0.05)  # it ends only afterwards
            super().append(wake)

    flight._wakes = Notes()
    assert waited(flight, backend) < 5


def waited(flight: Flight, backend: str) -> float:
    """Wait for *flight* in a thread, or in an event loop; return how many seconds that took."""
    began = time.monotonic()
    if backend == "thread":
        flight.wait(15.0)
    else:
        anyio.run(flight.wait_async, 15.0, backend=backend)
    return time.monotonic() - began


def test_an_interrupt_at_any_point_harms_nobody_else(sandbox: Sandbox) -> None:
    """The next call of the same process gets a token soon, after two requests at most."""
    source = source_of(sandbox)

    def prepare() -> Callable[[], setle.AccessToken]:
        nonlocal source
        source = source_of(sandbox)
        return source.get_token

    def interrupt() -> None:
        raise KeyboardInterrupt

    requests = 0
    for done in interrupted_everywhere(interrupt, prepare):
        assert isinstance(done.exception(), KeyboardInterrupt)
        began = time.monotonic()
        source.get_token()
        assert time.monotonic() - began < 5
        join_refreshes()
        assert sandbox.token_requests - requests <= 2
        requests = sandbox.token_requests


@pytest.mark.parametrize("kind", ["callable", "store"])
def test_foreign_code_that_calls_from_within_a_refresh_is_told_so(
    sandbox: Sandbox, kind: str
) -> None:
    """It would wait for itself until the deadline; it gets one clear error at once."""
    told: list[str] = []

    def call() -> None:
        with pytest.raises(setle.TokenUnavailableError) as caught:
            source.get_token()
        told.append(str(caught.value))

    def provide() -> setle.ClientCredentials:
        if kind == "callable":
            call()
        return credentials_of(sandbox)

    class Calling(setle.MemoryTokenStore):
        def load(self, key: str) -> setle.AccessToken | None:
            if kind == "store":
                call()
            return super().load(key)

    source = source_of(sandbox, credentials=provide, store=Calling())
    source.get_token()
    assert told
    assert all("its refresh waits for the very code that asks for it" in one for one in told)
    assert sandbox.token_requests == 1


def test_a_log_handler_that_calls_is_served(sandbox: Sandbox) -> None:
    """Its record tells of the very token that it may send itself with."""
    source = source_of(sandbox)
    sent: list[str] = []

    class Sending(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            sent.append(source.get_token().value)

    logger = logging.getLogger("setle")
    handler = Sending(logging.INFO)
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        token = source.get_token()
        join_refreshes()
    finally:
        logger.removeHandler(handler)
        logger.setLevel(logging.NOTSET)
    assert sent == [token.value]


# SystemExit ends a thread silently, but pytest takes note of it.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_an_unforeseen_error_leaves_nobody_waiting(sandbox: Sandbox) -> None:
    """Whatever ends the refresh's thread ends the waiting with a typed error."""

    def provider() -> setle.ClientCredentials:
        sys.exit(1)

    with pytest.raises(setle.TokenUnavailableError, match="broken off by SystemExit"):
        source_of(sandbox, credentials=provider).get_token()


def test_a_source_waits_no_longer_for_anothers_request_than_its_own_deadline(
    sandbox: Sandbox,
) -> None:
    """A short deadline holds even while a patient source of the same key is asking."""
    store = setle.MemoryTokenStore()
    patient = source_of(sandbox, store=store)
    hasty = source_of(sandbox, store=store, timeout=0.05)
    with sandbox.hold():
        first = threading.Thread(target=patient.get_token)
        first.start()
        sandbox.wait_for(token_requests=1)
        with pytest.raises(setle.TokenUnavailableError, match=r"0\.05 s"):
            hasty.get_token()
    first.join()
    assert sandbox.token_requests == 1


def test_a_refresh_that_hangs_past_its_deadline_is_taken_over(
    sandbox: Sandbox, clock: Clock
) -> None:
    """A source of the same key is not stuck behind another one's dead early refresh."""
    store = setle.MemoryTokenStore()
    release = threading.Event()

    class HangsWhenAskedTwice(httpx.HTTPTransport):
        asked = 0

        def handle_request(self, request: httpx.Request) -> httpx.Response:
            self.asked += 1
            if self.asked == 2:
                release.wait(30)
                raise httpx.ConnectError("it was no use")
            return super().handle_request(request)

    with HangsWhenAskedTwice() as transport:
        hanging = source_of(sandbox, store=store, timeout=1, transport=transport)
        old = hanging.get_token()
        other = source_of(sandbox, store=store, timeout=2.1)
        clock.go_on(3600 - 31)
        assert hanging.get_token() == old
        eventually(lambda: transport.asked == 2)
        assert other.get_token() == old
        clock.go_on(1)
        eventually(lambda: other.get_token() != old)
        new = other.get_token()
        release.set()
        join_refreshes()
        assert hanging.get_token() == new
    assert sandbox.tokens_issued == 2


def test_the_deadline_ends_what_an_answer_drips_into(sandbox: Sandbox) -> None:
    """Whoever waits in vain cuts the connection, so that no thread stays behind."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def drip() -> None:
            connection, _ = server.accept()
            with connection, suppress(OSError):
                while True:  # headers, for which no read times out
                    connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
                    time.sleep(0.05)

        dripping = threading.Thread(target=drip)
        dripping.start()
        source = setle.TokenSource(
            credentials_of(sandbox),
            base_url=f"http://127.0.0.1:{server.getsockname()[1]}",
            store=setle.MemoryTokenStore(),
            timeout=0.5,
        )
        with pytest.raises(setle.TokenUnavailableError, match=r"gave no answer within 0\.5 s"):
            source.get_token()
        dripping.join(10)
        assert not dripping.is_alive()
        join_refreshes()
