"""A process that was stopped in the middle of a refresh: a suspended function, or a container."""

import os
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

import setle
from setle.testing import Answer, Sandbox
from tests.support import Clock, LockedByNobody, join_refreshes, source_of
from tests.support.faults import asked, fault, saw, yes
from tests.support.processes import forked

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")

LIFETIME = 1.0  # seconds; refreshed early from 0.85 s on, stale after 0.95 s


def _stopped_in_early_refresh(
    sandbox: Sandbox,
    until: Callable[[], object],
    timeout: float = 15.0,
    store: setle.TokenStore | None = None,
) -> str:
    """
    Return what calls in a child came to that was stopped in its early refresh, until *until* ends.

    The child calls all the time, and once more after a new token has come.
    """
    store = store or setle.MemoryTokenStore()
    # The first token is got by a source that waits, however busy the machine is.
    source = source_of(sandbox, store=store, timeout=timeout)
    patient = source_of(sandbox, store=store)
    reading, writing = os.pipe()

    def call() -> str:
        first, end = patient.get_token(), time.monotonic() + 20
        os.write(writing, b"%d" % os.getpid())
        while time.monotonic() < end:
            try:
                if source.get_token() != first:
                    return "another token"
            except setle.SetleError as error:
                return repr(error)
            time.sleep(0.001)
        return "no other token"

    outcome = forked(call, measured=True)
    child = int(os.read(reading, 20))
    os.close(reading)
    os.close(writing)
    try:
        with sandbox.hold():  # or else the child may have its answer before it is stopped
            sandbox.wait_for(token_requests=2)
            os.kill(child, signal.SIGSTOP)
            os.waitpid(child, os.WUNTRACED)
        until()
    finally:
        os.kill(child, signal.SIGCONT)
    return outcome()


def _wait(seconds: float) -> Callable[[], None]:
    return lambda: time.sleep(seconds)  # that a process is stopped for some time is the point


@fault(
    "Suspends",
    "SIGSTOP during an early refresh; the answer comes meanwhile",
    "it is taken when the process goes on, however late",
)
@pytest.mark.parametrize("timeout", [0.4, 15.0])
def test_an_answer_that_came_meanwhile_is_taken(sandbox: Sandbox, timeout: float) -> None:
    """Past the deadline or not, it is there when the process goes on."""
    sandbox.lifetime = LIFETIME
    said = _stopped_in_early_refresh(sandbox, _wait(0.8), timeout)
    assert said == "another token"
    assert sandbox.token_requests <= 3
    saw(f"{said}, no error", f"at most 3 token requests: {yes(sandbox.token_requests <= 3)}")


def test_an_early_refresh_that_fails_after_a_stop_is_asked_anew(
    sandbox: Sandbox, clock: Clock
) -> None:
    """Its token has ended meanwhile, and the failure tells of a time long ago."""
    source = source_of(sandbox)
    source.get_token()
    clock.go_on(3500)
    sandbox.script_token(Answer(404))
    with ThreadPoolExecutor(1) as pool:
        with sandbox.hold():
            source.get_token()
            sandbox.wait_for(token_requests=2)
            clock.go_on(3600)
            call = pool.submit(source.get_token)
        assert call.result(30).lifetime == 3600
    assert sandbox.token_requests == 3


def test_an_early_refresh_that_is_past_its_deadline_after_a_stop_is_asked_anew(
    sandbox: Sandbox, clock: Clock
) -> None:
    """Nobody has waited for it while the process was stopped."""
    hangs, goes_on = threading.Event(), threading.Event()

    class Hanging(httpx.HTTPTransport):
        def handle_request(self, request: httpx.Request) -> httpx.Response:
            if clock.monotonic == early:
                hangs.set()
                goes_on.wait(30)
            return super().handle_request(request)

    early = clock.monotonic + 3500
    source = source_of(sandbox, store=LockedByNobody(), timeout=1.5, transport=Hanging)
    source.get_token()
    clock.go_on(3500)
    source.get_token()
    assert hangs.wait(30)
    time.sleep(0.7)  # a call that begins later has some time left at the refresh's deadline
    clock.go_on(3600)
    try:
        assert source.get_token().lifetime == 3600
    finally:
        goes_on.set()
        join_refreshes()


@fault(
    "Suspends",
    "SIGSTOP beyond the token's end, while another process saves a new one",
    "the new one is taken",
)
def test_what_another_process_has_saved_meanwhile_is_taken(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    """Also if the early refresh that was stopped fails afterwards."""
    sandbox.lifetime = LIFETIME
    store = setle.FileTokenStore(tmp_path)
    other = source_of(sandbox, store=store, timeout=1.5)
    first = Answer(
        json={"access_token": "the-first", "expires_in": LIFETIME, "token_type": "Bearer"}
    )
    sandbox.script_token(first, Answer(hang_up=True, delay=0.2))

    def until() -> None:
        time.sleep(0.4)  # till the token has ended
        other.get_token()  # asks after two thirds of its deadline, as the lock is taken

    said = _stopped_in_early_refresh(sandbox, until, store=store)
    assert said == "another token"
    assert sandbox.token_requests == 3
    saw(f"{said}, no error", asked(sandbox))
