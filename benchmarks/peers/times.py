"""What takes time, or memory."""

import subprocess
import sys
import timeit
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import cache

from .._measure import Effort, in_turn, rates, slowest_call
from ..sandbox import remote_sandbox
from .cell import NOISE, NONE, Case, Cell, spread
from .libraries import ESTATES, Peer

_LOOPS = 5_000
SLOW = 0.5
LOAD_LASTS = 2.0
# The largest part of memory that this process, and no other before it, ever held.
_IMPORT = """
import resource, sys, time
began = time.perf_counter()
exec(sys.argv[1])
print(time.perf_counter() - began)
try:
    lines = open("/proc/self/status").read().splitlines()
    print(next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")))
except OSError:
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


def warm(peers: Sequence[Peer], rounds: int) -> list[list[float]]:
    """Return what getting the token that is held takes, in seconds per call."""
    with remote_sandbox() as sandbox:
        return _per_call([peer.make(sandbox).get for peer in peers], rounds)


def flow(peers: Sequence[Peer], rounds: int) -> list[list[float]]:
    """Return what putting the token that is held on a request takes."""
    with remote_sandbox() as sandbox:
        return _per_call([peer.make(sandbox).to_header() for peer in peers], rounds)


def _per_call(calls: Sequence[Callable[[], object]], rounds: int) -> list[list[float]]:
    for call in calls:
        call()
    return in_turn(calls, lambda call: timeit.timeit(call, number=_LOOPS) / _LOOPS, rounds=rounds)


def roll_over(peers: Sequence[Peer], rounds: int) -> list[list[float]]:
    """Return the slowest wait for a token, in seconds, while one goes stale."""

    def wait(peer: Peer) -> float:
        get, before = peer.make_aged(sandbox), sandbox.token_requests()
        seconds = slowest_call(get, threads=4, lasts=LOAD_LASTS)
        if sandbox.token_requests() == before:
            raise RuntimeError(f"{peer.distribution}: no roll-over within the load")
        return seconds

    with remote_sandbox(delay=SLOW) as sandbox:
        return in_turn(peers, wait, rounds=rounds)


def calls(peers: Sequence[Peer], rounds: int, lasts: float) -> list[list[float]]:
    """Return calls per second over those of plain httpx; nothing where there is no client."""
    with remote_sandbox() as sandbox, ExitStack() as stack:
        token = sandbox.source().get_token().value
        plain = stack.enter_context(sandbox.client(token=token))
        made = [peer.make(sandbox).call for peer in peers]
        own = [call(stack) for call in made if call]
        for call in own:
            call()
        each = [
            rates(lambda: plain.get(ESTATES).raise_for_status(), *own, lasts=lasts)
            for _ in range(rounds)
        ]
    ratios = iter(zip(*([rate / plain for rate in own] for plain, *own in each), strict=True))
    return [list(next(ratios)) if call else [] for call in made]


@cache
def start(peers: tuple[Peer, ...], rounds: int) -> list[tuple[list[float], list[float]]]:
    """Return the seconds that the import takes in a fresh process, and its peak memory in MiB."""
    held: dict[str, list[float]] = {peer.distribution: [] for peer in peers}

    def seconds(peer: Peer) -> float:
        command = [sys.executable, "-c", _IMPORT, peer.imports]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        took, kilobytes = done.stdout.split()
        held[peer.distribution].append(int(kilobytes) / 1024)
        return float(took)

    return list(zip(in_turn(peers, seconds, rounds=rounds), held.values(), strict=True))


def _warm(peers: Sequence[Peer], effort: Effort) -> list[Cell]:
    return [spread(row, scale=1e9) for row in warm(peers, effort.rounds(31))]


def _flow(peers: Sequence[Peer], effort: Effort) -> list[Cell]:
    cells = [spread(row, scale=1e9) for row in flow(peers, effort.rounds(31))]
    return [
        cell if peer.on_requests else Cell(f"[{cell.text}]")
        for peer, cell in zip(peers, cells, strict=True)
    ]


def _roll_over(peers: Sequence[Peer], effort: Effort) -> list[Cell]:
    return [spread(row, scale=1e3) for row in roll_over(peers, effort.rounds(3))]


def _calls(peers: Sequence[Peer], effort: Effort) -> list[Cell]:
    rows = calls(peers, effort.rounds(5), effort.rounds(5))
    return [spread(row, best=-1) if row else NONE for row in rows]


def _import(peers: Sequence[Peer], effort: Effort) -> list[Cell]:
    return [spread(took, scale=1e3) for took, _ in start(tuple(peers), effort.rounds(7))]


def _memory(peers: Sequence[Peer], effort: Effort) -> list[Cell]:
    return [spread(held) for _, held in start(tuple(peers), effort.rounds(7))]


CASES = (
    Case("warm, ns", "a call that gets the token that is held", _warm, NOISE),
    Case(
        "request, ns",
        "the library's own way of putting the token that is held on a request, without sending "
        "it. In brackets, and out of the comparison: it has none, so the header is set by hand, "
        "as anybody can after a warm call",
        _flow,
        NOISE,
    ),
    Case(
        "roll-over, ms",
        "the slowest wait for a token of 4 threads that want one every few "
        f"milliseconds, while it goes stale and the token endpoint takes {SLOW * 1e3:g} ms",
        _roll_over,
        NOISE,
    ),
    Case(
        "calls, ratio",
        "API calls per second by the library's own HTTP client, one thread, over "
        "those of plain httpx with a fixed header, the most being the best; - where it has no "
        "client",
        _calls,
        NOISE,
    ),
    Case(
        "import, ms",
        "importing what is driven here, with all that it stands on, in a fresh process",
        _import,
        NOISE,
    ),
    Case("memory, MiB", "peak memory of that process, Python itself included", _memory, NOISE),
)
