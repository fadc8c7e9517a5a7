"""Interrupts at any instruction: Control-C, no memory, a job's time-out."""

import os
import random
import signal
import sys
import threading
import time
from _thread import start_new_thread
from collections.abc import Callable
from itertools import count

import pytest

import setle
from setle._refresh import state
from setle._refresh.flight import Flight
from setle.testing import Sandbox
from tests.support import Clock, join_refreshes, source_of
from tests.support.faults import every, fault, saw, yes
from tests.support.interrupts import Interrupter, raising
from tests.support.processes import forked

traces_all = pytest.mark.skipif(
    sys.version_info >= (3, 12), reason="tracing of instructions misses some there, and may crash"
)
AT_ONCE = 3.0  # seconds; a fifth of the deadline, and much on a busy machine


class JobTimeoutError(Exception):
    """What a job queue's signal handler raises."""


interrupted_by = pytest.mark.parametrize(
    "error", [KeyboardInterrupt, JobTimeoutError, MemoryError, RuntimeError]
)


def _no_thread(*args: object) -> None:
    raise RuntimeError("can't start new thread")


def _served_at_once(source: setle.TokenSource) -> setle.AccessToken:
    began = time.monotonic()
    token = source.get_token()
    assert time.monotonic() - began < AT_ONCE
    return token


@fault(
    "Signals",
    "Ctrl-C, a job's time-out or MemoryError, after each call or function entry of the first call",
    "the next call gets a token at once, for two requests at most",
)
@traces_all
@pytest.mark.usefixtures("few_states")
@interrupted_by
def test_after_an_interrupt_anywhere_the_next_call_asks(
    sandbox: Sandbox, error: type[BaseException]
) -> None:
    """Nobody waits for a refresh that was never started, nor for one that lost its caller."""
    served = most = 0
    for place in count(1):
        source = source_of(sandbox)
        before = sandbox.token_requests
        interrupter = Interrupter(place, raising(error))
        interrupter.run(source.get_token)
        served += bool(_served_at_once(source))
        join_refreshes()
        most = max(most, sandbox.token_requests - before)
        assert sandbox.token_requests - before <= 2
        if interrupter.passed < place:
            break
    assert place > 20
    places = every(served, place, "place")
    saw(f"served at once after {places}", f"more than 2 requests: {yes(most > 2)}")


@traces_all
@pytest.mark.usefixtures("few_states")
@interrupted_by
def test_after_an_interrupt_anywhere_an_early_refresh_is_made(
    sandbox: Sandbox, clock: Clock, error: type[BaseException]
) -> None:
    """The caller has its token at once, and the next caller gets the new one."""
    for place in count(1):
        source = source_of(sandbox)
        old = source.get_token()
        clock.go_on(3600 - 30 - 150 + 1)
        interrupter = Interrupter(place, raising(error))
        interrupter.run(source.get_token)
        join_refreshes()
        for _ in range(3):
            _served_at_once(source)
            join_refreshes()
            clock.go_on(1)  # in case it has rested
        assert _served_at_once(source) != old
        if interrupter.passed < place:
            break
    assert place > 20


@traces_all
@pytest.mark.usefixtures("few_states")
def test_interrupted_callers_leave_no_threads_that_count(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However late they run: there may be two of a key, and the next caller needs one."""
    gate = threading.Event()

    def start_late(fly: Callable[..., object], args: tuple[object, ...]) -> None:
        start_new_thread(lambda: gate.wait() and fly(*args), ())

    def open_and_wait(flight: Flight, limit: float) -> None:
        gate.set()
        wait(flight, limit)

    wait = Flight.wait
    monkeypatch.setattr(Flight, "wait", open_and_wait)
    monkeypatch.setattr(state, "start_new_thread", start_late)
    for place in count(1):
        gate.clear()
        source = source_of(sandbox)
        # The way to one place grows by a few when a refresh was started before.
        for later in range(6):
            interrupter = Interrupter(place + later, raising(KeyboardInterrupt))
            interrupter.run(source.get_token)
        _served_at_once(source)
        gate.set()
        join_refreshes()
        if interrupter.passed < place:
            break
    assert place > 20


@traces_all
@pytest.mark.usefixtures("few_states")
def test_after_an_interrupt_anywhere_in_a_refresh_of_its_own_the_next_call_asks(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where no thread can be started, the caller that is interrupted is the refresh itself."""
    monkeypatch.setattr(state, "start_new_thread", _no_thread)
    for place in count(1):
        source = source_of(sandbox)
        interrupter = Interrupter(place, raising(KeyboardInterrupt))
        interrupter.run(source.get_token)
        _served_at_once(source)
        if interrupter.passed < place:
            break
    assert place > 100


@pytest.mark.parametrize("error", [MemoryError, KeyboardInterrupt])
def test_a_thread_that_could_not_be_started_leaves_nothing_behind(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, error: type[BaseException]
) -> None:
    """However often that happens, it reaches the caller, and the next call asks."""

    def fail(*args: object) -> None:
        raise error

    source = source_of(sandbox)
    with monkeypatch.context() as without_memory:
        without_memory.setattr(state, "start_new_thread", fail)
        for _ in range(5):
            with pytest.raises(error):
                source.get_token()
    _served_at_once(source)
    assert sandbox.token_requests == 1


def _interrupt_often(seconds: float, call: Callable[[], object]) -> tuple[int, float]:
    """Return how often *call* was interrupted by real signals, and the longest one after such."""
    main, stop = threading.main_thread().ident or 0, threading.Event()

    armed = False

    def on_signal(*args: object) -> None:
        nonlocal armed
        if armed:
            armed = False
            raise JobTimeoutError

    def interrupt() -> None:
        while not stop.is_set():
            time.sleep(random.uniform(0, 0.002))
            signal.pthread_kill(main, signal.SIGUSR1)

    interrupted, longest, end = 0, 0.0, time.monotonic() + seconds
    signal.signal(signal.SIGUSR1, on_signal)
    thread = threading.Thread(target=interrupt)
    thread.start()
    while time.monotonic() < end:
        try:
            began, armed = time.monotonic(), True
            call()
            armed = False
            longest = max(longest, time.monotonic() - began)
        except JobTimeoutError:
            interrupted += 1
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    stop.set()
    thread.join()
    return interrupted, longest


@fault(
    "Signals",
    "two seconds of signals whose handler raises, each call needing a new token",
    "no later call is held up",
)
@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_real_signals_at_random_moments_hold_nobody_up(sandbox: Sandbox) -> None:
    """Some hundred of them, while each call needs a new token."""
    source = source_of(sandbox)

    def call() -> None:
        source.invalidate(source.get_token())

    def run() -> str:
        interrupted, longest = _interrupt_often(2.0, call)
        source.get_token()
        return "fine" if interrupted > 20 and longest < AT_ONCE else f"{interrupted}, {longest}"

    said = forked(run)()
    assert said == "fine"
    saw(f"more than 20 interrupted calls, none after them slow: {yes(said == 'fine')}")
