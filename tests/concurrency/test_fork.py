"""A forked child starts clean, whatever its parent was in the middle of."""

import os
import random
import threading
from types import FrameType

import pytest

import setle
from setle.testing import Sandbox
from tests.support import (
    Clock,
    LockedByNobody,
    all_at_once,
    credentials_of,
    held_up,
    join_refreshes,
    source_of,
)
from tests.support.faults import asked, fault, saw, yes
from tests.support.processes import forked

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")


@fault("Forks", "workers are forked after the first call", "they have the token, without a request")
def test_a_child_inherits_the_token(sandbox: Sandbox) -> None:
    """Workers forked after the first call cost no request of their own."""
    source = source_of(sandbox)
    token = source.get_token()
    child = yes(forked(lambda: source.get_token().value == token.value, measured=True)() == "True")
    assert child == "yes"
    assert sandbox.token_requests == 1
    saw(f"the same token: {child}", asked(sandbox))


@fault(
    "Forks",
    "a fork in the middle of the first token request",
    "the child asks for itself, and does not wait for a thread it lacks",
)
def test_a_child_forked_during_a_refresh_does_not_wait_for_it(sandbox: Sandbox) -> None:
    """The refresh's thread stays behind in the parent; the child's threads ask once."""
    source = source_of(sandbox, store=LockedByNobody())
    with sandbox.hold():
        waiting = threading.Thread(target=source.get_token)
        waiting.start()
        sandbox.wait_for(token_requests=1)
        child = forked(
            lambda: all(one.result().value for one in all_at_once(4, source.get_token)),
            measured=True,
        )
        sandbox.wait_for(token_requests=2)
    said = child()
    assert said == "True"
    waiting.join(30)
    assert sandbox.token_requests == 2
    saw(f"a token in the child: {yes(said == 'True')}", f"{asked(sandbox)} for both")


def test_a_child_has_none_of_the_threads_that_hang_in_its_parent(
    sandbox: Sandbox, clock: Clock
) -> None:
    """Two that hang in the parent let it start no third one; a child starts its own."""
    parent, release = os.getpid(), threading.Event()

    def hanging() -> setle.ClientCredentials:
        if os.getpid() == parent:
            release.wait(30)
        return credentials_of(sandbox)

    source = source_of(sandbox, credentials=hanging, timeout=1)
    for _ in range(2):
        with pytest.raises(setle.TokenUnavailableError):
            source.get_token()
        clock.go_on(61)
    said = forked(lambda: bool(source.get_token().value), measured=True)()
    release.set()
    assert said == "True"
    join_refreshes()


def _seconds_until_a_refresh(
    source: setle.TokenSource, old: setle.AccessToken, clock: Clock, stale: int
) -> int:
    """Return after how many seconds, of those until it is *stale*, *old* is replaced early."""
    for second in range(stale):
        assert source.get_token() == old, "a call that waited"
        join_refreshes()
        if source.get_token() != old:
            return second
        clock.go_on(1)
    return stale


def test_a_child_forked_during_an_early_refresh_has_its_own(
    sandbox: Sandbox, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The child lacks the thread of its parent's, and does not wait for the stale point either."""
    monkeypatch.setattr(random, "random", lambda: 0.5)  # not in the very last second
    source = source_of(sandbox)
    old = source.get_token()
    clock.go_on(3600 - 30 - 149)
    with sandbox.hold():
        assert source.get_token() == old
        sandbox.wait_for(token_requests=2)
        child = forked(lambda: _seconds_until_a_refresh(source, old, clock, 149), measured=True)
        sandbox.wait_for(token_requests=3)
    assert 20 <= int(child()) < 149
    assert sandbox.token_requests == 3


@pytest.mark.usefixtures("unmeasured")
def test_children_of_one_parent_draw_instants_of_their_own(sandbox: Sandbox, clock: Clock) -> None:
    """Workers that were forked from a warm parent do not refresh all at once."""
    source = source_of(sandbox)
    old = source.get_token()
    clock.go_on(3600 - 30 - 300)

    def run() -> int:
        return _seconds_until_a_refresh(source, old, clock, 300)

    said = [int(forked(run)()) for _ in range(8)]
    assert len(set(said)) > 4
    assert max(said) <= 300  # there it is stale


def test_a_short_job_that_was_forked_in_the_window_starts_no_refresh(
    sandbox: Sandbox, clock: Clock
) -> None:
    """It would end before the answer, and leave a request without any use behind."""
    source = source_of(sandbox)
    source.get_token()
    clock.go_on(3600 - 30 - 150 + 1)

    def job() -> bool:
        before = source.get_token()
        clock.go_on(4.9)
        same = source.get_token() == before
        join_refreshes()
        return same

    for _ in range(5):
        assert forked(job)() == "True"
    assert sandbox.token_requests == 1


def test_a_job_that_comes_to_the_token_by_a_callable_of_its_own_starts_none_either(
    sandbox: Sandbox, clock: Clock
) -> None:
    """Its refresh, to learn the key, is the first in the child that sees the parent's token."""
    store = setle.MemoryTokenStore()
    token = source_of(sandbox, store=store).get_token()
    clock.go_on(3600 - 30 - 150 + 1)

    def job() -> bool:
        source = source_of(sandbox, store=store, credentials=lambda: credentials_of(sandbox))
        return source.get_token() == token

    assert forked(job, measured=True)() == "True"
    assert sandbox.token_requests == 1


def test_a_child_is_not_kept_out_by_a_thread_that_it_lacks(sandbox: Sandbox) -> None:
    """A thread of the parent holds the mutex at the moment of the fork, and for ever after."""
    source = source_of(sandbox)

    def inside(frame: FrameType) -> bool:
        called_by = frame.f_back.f_code.co_qualname if frame.f_back else ""
        return called_by.startswith("exclusive.") and frame.f_code.co_name != "process"

    with held_up(inside, source.get_token):
        assert forked(lambda: source.get_token().lifetime)() == "3600.0"


@fault(
    "Forks",
    "20 forks while four threads refresh all the time",
    "no child waits for a lock that its parent's threads held",
)
@pytest.mark.usefixtures("unmeasured")
def test_forking_while_threads_come_and_go_never_locks_up(sandbox: Sandbox) -> None:
    """A child has a lock of its own, whatever a thread that it lacks did with the parent's."""
    source = source_of(sandbox)
    stop = threading.Event()

    def churn() -> None:
        while not stop.is_set():
            source.invalidate(source.get_token())

    threads = [threading.Thread(target=churn) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        said = [forked(lambda: bool(source.get_token().value))() for _ in range(20)]
    finally:
        stop.set()
        for thread in threads:
            thread.join(30)
    assert said == ["True"] * 20
    saw(f"{said.count('True')} of {len(said)} children got a token")


@fault("Forks", "a fork after 401", "the child does not start the hammering again")
def test_a_child_shares_the_back_off_of_its_parent(sandbox: Sandbox) -> None:
    """Forking after a failure does not start the hammering again."""
    source = source_of(sandbox)
    sandbox.rotate_secret()
    with pytest.raises(setle.TokenRejectedError):
        source.get_token()
    said = forked(source.get_token)()
    assert "TokenRejectedError" in said
    assert sandbox.token_requests == 1
    saw(f"refused without asking: {yes('TokenRejectedError' in said)}", asked(sandbox))
