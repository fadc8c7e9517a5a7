"""
`make peers`: what peers do with a short-lived token, side by side with setle.

One row per library. Counts are exact, and are ranges where rounds differed; times are the
machine's, so read the ratios next to them.
"""

import argparse
import json
import os
import platform
import sys
import threading
import time
import timeit
from collections.abc import Iterator, Sequence
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median

import attrs

from benchmarks._measure import Effort, in_threads, in_turn, slowest_call
from benchmarks._peers import PEERS, SETLE, Get, Peer
from benchmarks._run import run
from benchmarks._table import aligned
from benchmarks.sandbox import RemoteSandbox, remote_sandbox

_LOOPS = 5_000
_THREADS = 20
_CALLS = 10
_DELAY = 0.1
_SLOW = 0.5
_LOAD_LASTS = 2.0
_HEAD = ("library", "version", "warm ns", "ratio", "cold", "down", "30 s", "roll-over ms", "ratio")
_NOTES = f"""\
warm       getting the token that is held; ratio to setle's
cold       token requests of {_THREADS} threads that want the first token together
down       likewise, until all have failed, with a token endpoint that answers 503
30 s       token requests of {_CALLS} calls one after another, with a token that lives 30 s
roll-over  slowest wait for a token of 4 threads, while one goes stale and the token
           endpoint takes {_SLOW * 1e3:g} ms; ratio to these"""


@attrs.frozen
class Row:
    """
    What came of one library.

    Attributes:
        warm: Seconds per call, median.
        ratio: Median of the rounds' ratios to the first library.
        cold: Token requests, one figure per round.
        down: Likewise.
        short: Likewise.
        slowest: Seconds, median.
    """

    library: str
    version: str
    warm: float
    ratio: float
    cold: list[int]
    down: list[int]
    short: list[int]
    slowest: float

    def cells(self) -> tuple[str, ...]:
        """Return what the table shows."""
        return (
            self.library,
            self.version,
            f"{self.warm * 1e9:,.0f}",
            f"{self.ratio:.1f}",
            *map(_span, (self.cold, self.down, self.short)),
            f"{self.slowest * 1e3:,.0f}",
            f"{self.slowest / _SLOW:.2f}",
        )


def main() -> int:
    """Return 0: this measures, and fails nobody."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.peers",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there, too")
    parser.add_argument("--markdown", action="store_true", help="print the table as Markdown")
    parser.add_argument("--quick", action="store_true", help="one round each, to see it work")
    options = parser.parse_args()

    # Some libraries have no other way to be told; nothing here goes further than loopback.
    os.environ.update(NO_PROXY="127.0.0.1", no_proxy="127.0.0.1")
    print("measuring, for some minutes", file=sys.stderr)
    rows = measure([SETLE, *_installed()], Effort(options.quick))
    if options.json:
        report = {"python": platform.python_version(), "machine": platform.machine()}
        figures = [attrs.asdict(row) for row in rows]
        options.json.write_text(json.dumps(report | {"rows": figures}, indent=2) + "\n", "utf-8")
    table = [_HEAD, *(row.cells() for row in rows)]
    print(aligned(table, markdown=options.markdown, left=(0, 1)))
    if not options.markdown:
        print(f"\n{_NOTES}")
    return 0


def _installed() -> Iterator[Peer]:
    for peer in PEERS:
        try:
            version(peer.distribution)
        except PackageNotFoundError:
            print(f"{peer.distribution} is left out: `make peers` installs it", file=sys.stderr)
        else:
            yield peer


def measure(peers: Sequence[Peer], effort: Effort) -> list[Row]:
    """Return a row for each of *peers*; ratios are to the first one."""
    times = warm(peers, effort.rounds(31))
    rounds = effort.rounds(3)
    counts = zip(cold(peers, rounds), down(peers, rounds), short(peers, rounds), strict=True)
    return [
        Row(
            peer.distribution,
            version(peer.distribution),
            median(seconds),
            median(a / b for a, b in zip(seconds, times[0], strict=True)),
            *requests,
            median(waits),
        )
        for peer, seconds, requests, waits in zip(
            peers, times, counts, roll_over(peers, rounds), strict=True
        )
    ]


def warm(peers: Sequence[Peer], rounds: int) -> list[list[float]]:
    """Return what getting the token that is held takes, in seconds per call."""

    def per_call(get: Get) -> float:
        return timeit.timeit(get, number=_LOOPS) / _LOOPS

    with remote_sandbox() as sandbox:
        gets = [peer.make(sandbox) for peer in peers]
        for get in gets:
            get()
        return in_turn(gets, per_call, rounds=rounds)


def cold(peers: Sequence[Peer], rounds: int) -> list[list[int]]:
    """Return the token requests of threads that want the first token together."""
    with remote_sandbox(delay=_DELAY) as sandbox:
        return in_turn(peers, partial(_together, sandbox, fail=False), rounds=rounds)


def down(peers: Sequence[Peer], rounds: int) -> list[list[int]]:
    """Return those made until all threads have failed, as the token endpoint does."""
    with remote_sandbox(delay=_DELAY, down=True) as sandbox:
        return in_turn(peers, partial(_together, sandbox, fail=True), rounds=rounds)


def short(peers: Sequence[Peer], rounds: int) -> list[list[int]]:
    """Return the token requests of calls one after another, with a token that lives 30 s."""

    def requests(peer: Peer) -> int:
        get, before = peer.make(sandbox), sandbox.token_requests()
        for _ in range(_CALLS):
            get()
            time.sleep(0.05)  # for a refresh in the background to end, and be counted
        return sandbox.token_requests() - before

    with remote_sandbox() as sandbox:
        sandbox.set(lifetime=30.0)
        return in_turn(peers, requests, rounds=rounds)


def roll_over(peers: Sequence[Peer], rounds: int) -> list[list[float]]:
    """Return the slowest wait for a token, in seconds, while one goes stale."""

    def wait(peer: Peer) -> float:
        get, before = peer.make_aged(sandbox), sandbox.token_requests()
        seconds = slowest_call(get, threads=4, lasts=_LOAD_LASTS)
        if sandbox.token_requests() == before:
            raise RuntimeError(f"{peer.distribution}: no roll-over within the load")
        return seconds

    with remote_sandbox(delay=_SLOW) as sandbox:
        return in_turn(peers, wait, rounds=rounds)


def _together(sandbox: RemoteSandbox, peer: Peer, *, fail: bool) -> int:
    """Return how many token requests threads cost that set off together."""
    get, before = peer.make(sandbox), sandbox.token_requests()
    barrier, failed = threading.Barrier(_THREADS), list[bool]()

    def call() -> None:
        barrier.wait()
        try:
            get()
        except Exception:  # noqa: BLE001 - each library has its own
            failed.append(True)
        else:
            failed.append(False)

    in_threads(call, _THREADS)
    if failed != [fail] * _THREADS:
        raise RuntimeError(f"{peer.distribution}: {sum(failed)} of {len(failed)} calls failed")
    return sandbox.token_requests() - before


def _span(counts: Sequence[int]) -> str:
    few, many = min(counts), max(counts)
    return str(few) if few == many else f"{few}-{many}"


if __name__ == "__main__":
    run(main)
