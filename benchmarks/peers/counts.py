"""What can be counted: token requests."""

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import ExitStack
from functools import cache, partial

from .._measure import Effort, in_threads, in_turn
from ..sandbox import RemoteSandbox, remote_sandbox
from .cell import NOISE, Case, Cell, count, spread
from .libraries import Peer

THREADS = 20
CALLS = 10
DELAY = 0.1
REJECTED = 50


def cold(peers: Sequence[Peer], rounds: int) -> list[list[int]]:
    """Return the token requests of threads that want the first token together."""
    with remote_sandbox(delay=DELAY) as sandbox:
        return in_turn(peers, partial(_together, sandbox, fail=False), rounds=rounds)


def down(peers: Sequence[Peer], rounds: int) -> list[list[int]]:
    """Return those made until all threads have failed, as the token endpoint does."""
    with remote_sandbox(delay=DELAY, down=True) as sandbox:
        return in_turn(peers, partial(_together, sandbox, fail=True), rounds=rounds)


def short(peers: Sequence[Peer], rounds: int) -> list[list[int]]:
    """Return the token requests of calls one after another, with a token that lives 30 s."""

    def requests(peer: Peer) -> int:
        get, before = peer.make(sandbox).get, sandbox.token_requests()
        for _ in range(CALLS):
            get()
            time.sleep(0.05)  # for a refresh in the background to end, and be counted
        return sandbox.token_requests() - before

    with remote_sandbox() as sandbox:
        sandbox.set(lifetime=30.0)
        return in_turn(peers, requests, rounds=rounds)


@cache
def tasks(peers: tuple[Peer, ...], rounds: int, number: int) -> list[tuple[list[int], list[float]]]:
    """Return the token requests, and the last one's seconds, of tasks that want the first."""
    requests: dict[str, list[int]] = {peer.distribution: [] for peer in peers}

    def last(peer: Peer) -> float:
        driver, before = peer.make(sandbox), sandbox.token_requests()
        # Where there is no async API, this is what its users do.
        aget = driver.aget() if driver.aget else partial(asyncio.to_thread, driver.get)
        seconds = asyncio.run(_gathered(aget, number))
        requests[peer.distribution].append(sandbox.token_requests() - before)
        return seconds

    with remote_sandbox(delay=DELAY) as sandbox:
        seconds = in_turn(peers, last, rounds=rounds)
    return list(zip(requests.values(), seconds, strict=True))


async def _gathered(aget: Callable[[], Awaitable[object]], number: int) -> float:
    async def one() -> None:
        await aget()

    began = time.perf_counter()
    await asyncio.gather(*(one() for _ in range(number)))
    return time.perf_counter() - began


def rejected(peers: Sequence[Peer], rounds: int) -> list[list[int]]:
    """Return the token requests of threads whose calls are answered 401 together; -1 for none."""

    def requests(peer: Peer) -> int:
        driver = peer.make(sandbox)
        if driver.call is None:
            return -1
        with ExitStack() as stack:
            call = driver.call(stack)
            call()
            before = sandbox.token_requests()
            sandbox.set(revoke=1)
            failed = _failures(call, REJECTED)
            made = sandbox.token_requests() - before
        if failed and made:
            raise RuntimeError(f"{peer.distribution}: {failed} of {REJECTED} calls failed")
        return made or -1

    with remote_sandbox(delay=DELAY) as sandbox:
        return in_turn(peers, requests, rounds=rounds)


def _together(sandbox: RemoteSandbox, peer: Peer, *, fail: bool) -> int:
    """Return how many token requests threads cost that set off together."""
    get, before = peer.make(sandbox).get, sandbox.token_requests()
    failed = _failures(get, THREADS)
    if failed != fail * THREADS:
        raise RuntimeError(f"{peer.distribution}: {failed} of {THREADS} calls failed")
    return sandbox.token_requests() - before


def _failures(call: Callable[[], object], threads: int) -> int:
    barrier, failed = threading.Barrier(threads), list[Exception]()

    def run() -> None:
        barrier.wait()
        try:
            call()
        except Exception as error:  # noqa: BLE001 - each library has its own
            failed.append(error)

    in_threads(run, threads)
    return len(failed)


def _counted(
    measure: Callable[[Sequence[Peer], int], list[list[int]]],
) -> Callable[[Sequence[Peer], Effort], list[Cell]]:
    def cells(peers: Sequence[Peer], effort: Effort) -> list[Cell]:
        rows = measure(peers, effort.rounds(3))
        return [Cell("none") if min(row) < 0 else count(row) for row in rows]

    return cells


def _of_tasks(number: int) -> tuple[Case, Case]:
    def requests(peers: Sequence[Peer], effort: Effort) -> list[Cell]:
        return [count(made) for made, _ in tasks(tuple(peers), effort.rounds(5), number)]

    def last(peers: Sequence[Peer], effort: Effort) -> list[Cell]:
        rows = tasks(tuple(peers), effort.rounds(5), number)
        return [spread(seconds, scale=1e3) for _, seconds in rows]

    return (
        Case(
            f"{number:,} tasks",
            f"token requests of {number:,} tasks that want the first token together, by the async "
            "API where there is one, else by `asyncio.to_thread`, which has cores + 4 threads",
            requests,
        ),
        Case(
            f"{number:,} tasks, ms",
            f"when the last of them has it; the token endpoint takes {DELAY * 1e3:g} ms of that. "
            "httpx-auth stops the event loop as long",
            last,
            NOISE,
        ),
    )


CASES = (
    Case(
        "cold",
        f"token requests of {THREADS} threads that want the first token together",
        _counted(cold),
    ),
    Case(
        "down",
        "likewise, until all have failed, with a token endpoint that answers 503",
        _counted(down),
    ),
    Case(
        "30 s",
        f"token requests of {CALLS} calls in a row, with a token that lives 30 s",
        _counted(short),
    ),
    *_of_tasks(1_000),
    *_of_tasks(10_000),
    Case(
        f"{REJECTED} x 401",
        f"token requests of {REJECTED} threads whose calls, by the "
        "library's HTTP client, are answered 401 together; none where all these calls fail, or "
        "where it has no client",
        _counted(rejected),
    ),
)
