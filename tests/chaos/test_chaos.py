"""
Processes, stores and clocks fail at random instants, and no call does.

`make chaos` runs the long form of each test and prints the table.
"""

import os
import signal
import time
from collections.abc import Callable

import pytest

import setle
from setle.testing import Sandbox
from tests.chaos.conftest import LONG
from tests.chaos.fleet import Fleet, Report
from tests.support import source_of
from tests.support.faults import fault, saw, times, yes
from tests.support.processes import cold_processes
from tests.support.valkey import Valkey

Note = Callable[[Report], None]

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has neither fork nor SIGSTOP"),
    pytest.mark.timeout(300 if LONG else 60),
]

SIZES = [16, 32] if LONG else [8]
LIFETIME = 4.0 if LONG else 2.0  # less, and a busy machine alone outlasts a token
LEASE = 6.0 if LONG else 1.0
PACE = 0.15 if LONG else 0.1

# Where the short form has no time for both stores, it takes the one with more to go wrong.
file_in_the_long_form = pytest.mark.parametrize(
    "store", ["file", "redis"] if LONG else ["redis"], indirect=True
)
redis_in_the_long_form = pytest.mark.parametrize(
    "store", ["file", "redis"] if LONG else ["file"], indirect=True
)


@fault(
    "Kills",
    "processes that share a store are killed at random instants (`kill -9`)",
    "no call of the others fails",
)
@pytest.mark.parametrize("size", SIZES)
def test_kills_at_random(store: str, size: int, note: Note) -> None:
    """Processes that are killed at any instant cost neither calls nor many token requests."""
    lifetimes = 20 if LONG else 2
    with (
        Sandbox(lifetime=LIFETIME, delay=0.05) as sandbox,
        Fleet(sandbox, store, size, pace=PACE, lease=None if LONG else LEASE) as fleet,
    ):
        fleet.kill_at_random(0.3, time.monotonic() + lifetimes * LIFETIME)
    report = fleet.report()
    note(report)
    assert not report.failures
    # How fast and how often is for the long form: with tokens of two seconds, a busy machine alone
    # makes an answer stale before it is there.
    if LONG:
        assert report.renewals <= report.most_renewals
        assert report.per_lifetime <= 1.2
        assert not report.late
    saw(times(len(report.failures), "failed call"))


@fault(
    "Kills",
    "`kill -9` of the very process that asks for all",
    "the next one has its lock; no call fails",
)
@pytest.mark.parametrize("size", SIZES)
def test_kills_of_the_one_that_asks(store: str, size: int, note: Note) -> None:
    """The lock of a process that dies inside its token request is there for the next one."""
    with (
        Sandbox(lifetime=LIFETIME) as sandbox,
        Fleet(sandbox, store, size, pace=PACE, lease=LEASE) as fleet,
    ):
        for _ in range(8 if LONG else 1):
            with sandbox.hold():
                fleet.kill(fleet.next_to_ask())
                requests = sandbox.token_requests
            sandbox.wait_for(token_requests=requests + 1, timeout=30)
    report = fleet.report()
    note(report)
    assert not report.failures
    assert report.lost == report.killed
    if LONG:
        assert report.renewals <= report.most_renewals
        # The system frees a file's lock at once, a lease has to run out. A second for the rest.
        assert report.slowest < 1 + (LEASE if store.startswith("redis") else 0)
    saw(
        times(len(report.failures), "failed call"),
        f"its token request was lost: {yes(report.lost == report.killed)}",
    )


@fault(
    "Suspends",
    "SIGSTOP of the process that asks for all, beyond its lease",
    "the others get on without it; no call fails",
)
@file_in_the_long_form
def test_freezes_of_the_one_that_asks(store: str, note: Note) -> None:
    """A process frozen inside its token request for longer than the lease fails no call."""
    with (
        Sandbox(lifetime=LIFETIME) as sandbox,
        Fleet(sandbox, store, SIZES[-1], pace=PACE, lease=LEASE) as fleet,
    ):
        for _ in range(4 if LONG else 1):
            with sandbox.hold():
                frozen = fleet.next_to_ask()
                os.kill(frozen, signal.SIGSTOP)
                requests = sandbox.token_requests
            # Until somebody else gets on without it, which takes as long as the lock lasts.
            sandbox.wait_for(token_requests=requests + 1, timeout=30)
            os.kill(frozen, signal.SIGCONT)
            # It tries again at once; stopped for all of the 15 s that it has, no call can go well.
            sandbox.wait_for(api_requests=sandbox.api_requests + 3 * SIZES[-1], timeout=30)
    report = fleet.report()
    note(report)
    assert not report.failures
    # A lease runs out. A file's lock does not: those who wait for it do so for half of the
    # 15 s deadline, which is the longest that any process can hold up the others.
    if LONG:
        assert report.slowest < 1 + (LEASE if store.startswith("redis") else 7.5)
    saw(times(len(report.failures), "failed call"))


@file_in_the_long_form
def test_freezes_at_random(store: str, note: Note) -> None:
    """Processes that are frozen at any instant, for longer than a token lives, go on calling."""
    with (
        Sandbox(lifetime=LIFETIME, delay=0.05) as sandbox,
        Fleet(sandbox, store, SIZES[-1], pace=PACE, lease=LEASE) as fleet,
    ):
        for _ in range(10 if LONG else 1):
            frozen = fleet.chance.sample(fleet.pids, len(fleet.pids) // 4)
            for pid in frozen:
                os.kill(pid, signal.SIGSTOP)
            time.sleep(LIFETIME * fleet.chance.uniform(1.1, 1.5))
            for pid in frozen:
                os.kill(pid, signal.SIGCONT)
    report = fleet.report()
    note(report)
    assert not report.failures


@fault(
    "Redis and Valkey",
    "flushed, frozen, killed and restarted under eight calling processes",
    "no call fails",
)
@pytest.mark.parametrize("size", SIZES)
def test_trouble_with_the_server(valkey: Valkey, size: int, note: Note) -> None:
    """A Redis that is frozen, killed, started again or flushed costs token requests only."""
    with (
        Sandbox(lifetime=LIFETIME, delay=0.05) as sandbox,
        Fleet(sandbox, valkey.url, size, pace=PACE, lease=LEASE) as fleet,
    ):
        for _ in range(3 if LONG else 1):
            for trouble in (valkey.flush, valkey.freeze, valkey.thaw, valkey.kill, valkey.start):
                trouble()
                # Flushed again inside a request, when the lease is lost along with the token.
                if trouble == valkey.flush:
                    with sandbox.hold():
                        fleet.next_to_ask()
                        valkey.flush()
                else:
                    time.sleep(LIFETIME * fleet.chance.uniform(0.4, 1.0))
    report = fleet.report()
    note(report)
    assert not report.failures
    if LONG:
        assert report.slowest < 3
        # Alone, each process asks once in 0.85 lives at most, and that is the worst of it.
        assert report.renewals <= size * (1 + report.lifetimes / 0.84) + report.rejections
    saw(times(len(report.failures), "failed call"))


def test_an_endpoint_slower_than_a_lease(store: str) -> None:
    """Eight cold processes all get their token, for three token requests at most."""
    lease, delay = (6.0, 9.0) if LONG else (1.0, 1.5)
    with Sandbox(delay=delay) as sandbox:

        def run() -> str:
            shared: setle.TokenStore | str = store
            if store.startswith("redis"):
                shared = setle.RedisTokenStore.from_url(store, lease=lease)
            return f"ok {source_of(sandbox, store=shared).get_token().fingerprint}"

        said = cold_processes(8, run)
        assert [outcome.split()[0] for outcome in said] == ["ok"] * 8
        assert sandbox.token_requests <= 3
        print(
            f"\n{store.partition(':')[0]}: 8 cold processes, an endpoint that takes {delay} s:"
            f" {sandbox.token_requests} token requests, no call failed"
        )


@fault(
    "Clocks",
    "one of nine processes has its wall clock stepped by hours, ahead and back",
    "no call fails, its own or another's",
)
@redis_in_the_long_form
def test_a_wall_clock_is_stepped(store: str, note: Note) -> None:
    """One process whose clock jumps ahead and back by hours fails no call, its own or another's."""
    hours = [(4, 1.0), (8, -2.0), (12, 24.0), (16, -24.0)]
    with (
        Sandbox(lifetime=LIFETIME, delay=0.05) as sandbox,
        Fleet(sandbox, store, SIZES[-1], pace=PACE, lease=LEASE) as fleet,
    ):
        fleet.add(steps=hours)
        sandbox.wait_for(api_requests=(len(fleet.pids) + 1) * (250 if LONG else 18), timeout=200)
    report = fleet.report()
    note(report)
    assert not report.failures
    if LONG:
        assert report.slowest < 3
    saw(times(len(report.failures), "failed call"))
