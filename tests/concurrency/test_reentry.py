"""Whoever calls the client in the middle of one of its own calls is answered at once."""

import gc
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any

import anyio
import pytest

import setle
from setle._refresh import state
from setle.testing import Sandbox
from tests.support import Clock, credentials_of, join_refreshes, source_of
from tests.support.faults import asked, fault, named, saw, times, yes
from tests.support.interrupts import Interrupter
from tests.support.processes import forked

traces_all = pytest.mark.skipif(
    sys.version_info >= (3, 12), reason="tracing of instructions misses some there, and may crash"
)
AT_ONCE = 3.0  # seconds; a fifth of the deadline, and much on a busy machine
needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")


def _answered_at_once(call: Callable[[], object]) -> object:
    """Return what *call* returned, or else its error of this package."""
    began = time.monotonic()
    try:
        return call()
    except setle.SetleError as error:
        return error
    finally:
        assert time.monotonic() - began < AT_ONCE


def _asked_by_a_handler(
    call: Callable[[], object], handler: Callable[[], object], *, every: int = 1
) -> int:
    """Run *call*, with a *handler* at each place in turn; return how many places there were."""
    raised: list[BaseException] = []

    def careful_handler() -> None:
        try:
            handler()
        except BaseException as error:  # noqa: BLE001 - told below, where nobody swallows it
            raised.append(error)

    for place in count(1, every):
        interrupter = Interrupter(place, careful_handler)
        interrupter.run(call)
        join_refreshes()  # only now: each look would be a place, and a busy machine takes many
        assert not raised
        if interrupter.passed < place:
            return place
    raise AssertionError("count never ends")


@fault(
    "Signals",
    "a signal handler calls the client, after each call or function entry of its first call",
    "a token or one clear error at once; the interrupted call is served",
)
@traces_all
@pytest.mark.usefixtures("few_states")
def test_a_handler_gets_a_token_or_one_error_at_once(sandbox: Sandbox) -> None:
    """Wherever it interrupts the first call, which is served all the same."""
    sources = [source_of(sandbox)]
    said = []

    def call() -> None:
        sources.append(source_of(sandbox))
        assert _answered_at_once(sources[-1].get_token) == sources[-1].get_token()

    def handler() -> None:
        said.append(_answered_at_once(sources[-1].get_token))

    assert _asked_by_a_handler(call, handler) > 20
    errors = {str(error) for error in said if not isinstance(error, setle.AccessToken)}
    assert len(errors) == 1
    (error,) = errors
    assert "waits for the very code that asks for it" in error
    assert sandbox.token_requests <= len(sources)
    saw(f"{times(len(errors), 'kind')} of error, about the handler: {yes('handler' in error)}")


@traces_all
@pytest.mark.usefixtures("few_states")
def test_a_handler_gets_the_token_that_is_usable(sandbox: Sandbox, clock: Clock) -> None:
    """Wherever it interrupts a call that starts an early refresh."""
    source = source_of(sandbox)
    said: list[object] = []

    def call() -> None:
        clock.go_on(3600)
        said.append(source.get_token())
        clock.go_on(3600 - 30 - 150 + 1)
        source.get_token()

    def handler() -> None:
        if not source.current_token():
            return
        said.append(_answered_at_once(source.get_token))

    assert _asked_by_a_handler(call, handler) > 20
    assert all(isinstance(token, setle.AccessToken) for token in said)


@traces_all
@pytest.mark.usefixtures("few_states")
def test_a_handler_may_make_a_client_and_report_a_rejection(sandbox: Sandbox) -> None:
    """If it can be had at this moment; else it is told so by an error of this package."""
    store, tokens = setle.MemoryTokenStore(), [source_of(sandbox).get_token()]

    def call() -> None:
        tokens.append(source_of(sandbox).get_token())
        source_of(sandbox, credentials=lambda: credentials_of(sandbox), store=store).get_token()

    def handler() -> None:
        made = _answered_at_once(lambda: source_of(sandbox, store=store))
        if isinstance(made, setle.TokenSource):
            _answered_at_once(lambda: made.invalidate(tokens[-1]))
        else:
            assert isinstance(made, setle.SetleError)

    assert _asked_by_a_handler(call, handler, every=5) > 20


@traces_all
@pytest.mark.usefixtures("few_states")
def test_a_handler_interrupts_a_refresh_of_its_own_thread(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where no thread can be started, it waits for itself unless it is told not to."""

    def no_thread(*args: object) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(state, "start_new_thread", no_thread)
    sources = [source_of(sandbox)]

    def call() -> None:
        sources.append(source_of(sandbox))
        sources[-1].get_token()

    def handler() -> None:
        _answered_at_once(sources[-1].get_token)

    assert _asked_by_a_handler(call, handler, every=5) > 100


class Calls:
    """Calls the client, once at each place, and takes note of what came of it."""

    def __init__(self) -> None:
        self.source: setle.TokenSource | None = None
        self.said: list[object] = []

    def __call__(self) -> None:
        if self.source is not None:
            self.said.append(_answered_at_once(self.source.get_token))

    def in_a_loop(self) -> None:
        source = self.source
        if source is not None:
            self.said.append(_answered_at_once(lambda: anyio.run(source.aget_token)))


how = pytest.mark.parametrize("how", [Calls.__call__, Calls.in_a_loop])


class CallingStore(setle.MemoryTokenStore):
    """A store that calls the client at each method."""

    def __init__(self, call: Callable[[], object]) -> None:
        super().__init__()
        self._call = call

    def load(self, key: str) -> setle.AccessToken | None:
        self._call()
        return super().load(key)

    def save(self, key: str, token: setle.AccessToken) -> None:
        self._call()
        super().save(key, token)

    def lock(self, key: str, timeout: float) -> Any:
        self._call()
        return super().lock(key, timeout)


@fault(
    "Stores of your own",
    "a store calls the client in the middle of its refresh",
    "one clear error at once; the refresh goes on",
)
@how
def test_a_store_that_calls_the_client_has_an_error_at_once(
    sandbox: Sandbox, how: Callable[[Calls], None]
) -> None:
    """And the refresh goes on without what it could not do."""
    calls = Calls()
    calls.source = source_of(sandbox, store=CallingStore(lambda: how(calls)))
    calls.source.get_token()
    join_refreshes()
    assert len(calls.said) >= 3
    assert all(isinstance(said, setle.TokenUnavailableError) for said in calls.said)
    assert sandbox.token_requests == 1
    (said,) = {named(each) for each in calls.said}
    saw(f"{said} each time", asked(sandbox))


@fault(
    "Callables and foreign code",
    "your callable calls the client that waits for it",
    "one clear error at once; the refresh goes on",
)
@how
@pytest.mark.parametrize("threads", [True, False])
def test_a_callable_that_calls_the_client_has_an_error_at_once(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, threads: bool, how: Callable[[Calls], None]
) -> None:
    """In a thread of the refresh or in the caller's, and the refresh goes on."""

    def no_thread(*args: object) -> None:
        raise RuntimeError("can't start new thread")

    if not threads:
        monkeypatch.setattr(state, "start_new_thread", no_thread)
    calls = Calls()

    def credentials() -> setle.ClientCredentials:
        how(calls)
        return credentials_of(sandbox)

    calls.source = source_of(sandbox, credentials=credentials)
    calls.source.get_token()
    assert len(calls.said) == 1
    assert isinstance(calls.said[0], setle.TokenUnavailableError)
    assert sandbox.token_requests == 1
    saw(f"{named(calls.said[0])} in the callable", asked(sandbox))


def test_a_callable_that_needs_the_client_is_told_so(sandbox: Sandbox) -> None:
    """What it is told reaches the caller."""
    sources: list[setle.TokenSource] = []

    def credentials() -> setle.ClientCredentials:
        sources[0].get_token()
        raise AssertionError("it got a token")

    sources.append(source_of(sandbox, credentials=credentials))
    began = time.monotonic()
    with pytest.raises(setle.TokenUnavailableError, match="a callable"):
        sources[0].get_token()
    assert time.monotonic() - began < AT_ONCE
    assert sandbox.token_requests == 0


class CallingHandler(logging.Handler):
    """A log handler that calls the client, and then fails if it is told so."""

    def __init__(self, call: Callable[[], object], *, fails: bool) -> None:
        super().__init__()
        self._call, self._fails = call, fails

    def emit(self, record: logging.LogRecord) -> None:
        self._call()
        if self._fails:
            raise OSError("no space left")


@contextmanager
def _logging_to(handler: logging.Handler, name: str = "setle") -> Iterator[None]:
    logger = logging.getLogger(name)
    level = logger.level
    logger.setLevel(logging.DEBUG)
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)


class BrokenStore(setle.MemoryTokenStore):
    """A store that fails, and is logged."""

    def load(self, key: str) -> setle.AccessToken | None:
        raise OSError("out of order")


@fault(
    "Callables and foreign code",
    "a log handler calls the client, and fails",
    "it is answered at once, although it holds logging's lock",
)
@how
@pytest.mark.parametrize("fails", [False, True])
def test_a_log_handler_that_calls_the_client_is_answered_at_once(
    sandbox: Sandbox, fails: bool, how: Callable[[Calls], None]
) -> None:
    """Though it holds a lock that each refresh needs to log anything."""
    calls = Calls()
    calls.source = source_of(sandbox, store=BrokenStore())
    with _logging_to(CallingHandler(lambda: how(calls), fails=fails)):
        token = calls.source.get_token()
        join_refreshes()
        calls.source.invalidate(token)
        calls.source.get_token()
        join_refreshes()
    assert len(calls.said) >= 4
    assert all(isinstance(said, setle.AccessToken) for said in calls.said)
    assert sandbox.token_requests == 2
    (said,) = {named(each) for each in calls.said}
    saw(f"{said} each time", asked(sandbox))


@pytest.mark.parametrize("name", ["httpx", "httpcore", "filelock"])
def test_a_log_handler_that_waits_for_a_token_keeps_no_refresh_waiting(
    sandbox: Sandbox, tmp_path: Path, name: str
) -> None:
    """It holds a lock that others need in the refresh, to log what they do."""
    calls = Calls()
    calls.source = source_of(sandbox, store=setle.FileTokenStore(tmp_path / "store"))
    with _logging_to(CallingHandler(calls, fails=False), name):
        logging.getLogger(name).info("said by whoever has no token yet")
        join_refreshes()
    assert len(calls.said) >= 2  # its own record, and those of the refresh
    assert all(isinstance(said, setle.AccessToken) for said in calls.said)


@fault(
    "Callables and foreign code",
    "a finalizer calls the client, whenever garbage is collected",
    "it is answered at once",
)
@needs_fork
def test_a_finalizer_that_calls_the_client_is_answered_at_once(sandbox: Sandbox) -> None:
    """Garbage is collected at any allocation, and so in the middle of a call as well."""
    source, took = source_of(sandbox), list[float]()

    class Cycle:
        def __init__(self) -> None:
            self.itself = self

        def __del__(self) -> None:
            began = time.monotonic()
            with suppress(setle.SetleError):
                source.get_token()
            took.append(time.monotonic() - began)

    def run() -> bool:
        gc.set_threshold(1, 1, 1_000_000)  # but not of all that there is
        for _ in range(20):
            Cycle()
            source.invalidate(source.get_token())
        gc.collect()
        join_refreshes()
        return len(took) >= 20 and max(took) < AT_ONCE

    # Elsewhere than the server, whose thread would collect garbage, too, and wait for itself.
    said = forked(run)()
    assert said == "True"
    saw(f"20 finalizers or more were answered: {yes(said == 'True')}")


def _called_by_signals(sandbox: Sandbox, seconds: float) -> tuple[int, int, float, list[str]]:
    """
    Call in a signal handler every 5 ms, while threads refresh.

    Returns:
        How many calls there were, how many without a token, the longest with a usable one, and
        the errors.
    """
    source = source_of(sandbox)
    stop, errors = threading.Event(), set[str]()
    calls, failed, longest = 0, 0, 0.0

    def on_signal(*args: object) -> None:
        nonlocal calls, failed, longest
        usable, began = source.current_token(), time.monotonic()
        try:
            source.get_token()
        except setle.SetleError as error:
            failed += 1
            errors.add(str(error))
        calls += 1
        if usable:
            longest = max(longest, time.monotonic() - began)

    def refresh() -> None:
        while not stop.is_set():
            source.invalidate(source.get_token())

    signal.signal(signal.SIGUSR1, on_signal)
    main = threading.main_thread().ident or 0

    def tick() -> None:
        while not stop.wait(0.005):
            signal.pthread_kill(main, signal.SIGUSR1)

    threads = [threading.Thread(target=run) for run in (refresh, refresh, tick)]
    for thread in threads:
        thread.start()
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        source.invalidate(source.get_token())
    stop.set()
    for thread in threads:
        thread.join()
    return calls, failed, longest, sorted(errors)


@fault(
    "Signals",
    "a signal handler calls every 5 ms for three seconds, while threads refresh",
    "nothing locks up",
)
@needs_fork
def test_a_signal_handler_that_calls_all_the_time_locks_nothing_up(sandbox: Sandbox) -> None:
    """Three seconds of signals, each in the middle of something else."""

    def run() -> str:
        calls, _, longest, errors = _called_by_signals(sandbox, 3.0)
        return "fine" if calls > 100 and longest < 1 and len(errors) <= 1 else f"{calls} {longest}"

    said = forked(run)()
    assert said == "fine"
    saw(f"more than 100 calls, none of them slow: {yes(said == 'fine')}")


_HOOKED = """
import os, sys, time, warnings

warnings.simplefilter("ignore")  # Python warns of forking while there are threads

source, slow = None, 0.0

def hook():
    global slow
    if source is not None:
        began = time.monotonic()
        try:
            source.get_token()
        except setle.TokenUnavailableError:
            pass
        slow = max(slow, time.monotonic() - began)

os.register_at_fork(before=hook, after_in_parent=hook, after_in_child=hook)

import threading
import setle

def churn():
    while source is not None:
        source.invalidate(source.get_token())

base_url, *pair = sys.argv[1:]
source = setle.TokenSource(setle.ClientCredentials(*pair), base_url=base_url)
thread = threading.Thread(target=churn)
ends = []
for number in range(20):
    child = os.fork()
    if not child:
        source.get_token()
        os._exit(slow > 3)
    ends.append(os.waitpid(child, 0)[1])
    source.invalidate(source.get_token())
    if number == 10:
        thread.start()
source = None
thread.join()
print(ends == [0] * 20 and slow < 3)
"""


@fault(
    "Forks",
    "hooks of `os.register_at_fork` call the client, in parent and child",
    "each is answered at once; all children get a token",
)
@needs_fork
@pytest.mark.usefixtures("unmeasured")
def test_hooks_of_a_fork_may_call_the_client(sandbox: Sandbox) -> None:
    """Registered before the package is imported, they run before its own."""
    arguments = [sandbox.base_url, sandbox.client_id, sandbox.client_secret]
    done = subprocess.run(
        [sys.executable, "-c", _HOOKED, *arguments],
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("True\n", "")
    saw(f"20 children with a token, no hook slow: {yes(done.stdout.strip() == 'True')}")
