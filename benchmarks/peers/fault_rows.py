"""What goes wrong, as rows of the table."""

import atexit
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache

from .._measure import Effort
from . import faults
from .alone import HANGS
from .answers import COUNTED
from .cell import Case, Cell, count
from .libraries import Peer

CALLERS = Cell("caller's")


@cache
def _fleet(peers: tuple[Peer, ...]) -> faults.Fleet:
    # Starting them takes longer than most of what they are for.
    fleet = faults.Fleet(peers)
    atexit.register(fleet.close)
    return fleet


@cache
def answers_to(peers: tuple[Peer, ...]) -> list[list[str]]:
    """Return `answers` of *peers*, measured once."""
    return faults.answers(_fleet(peers))


def _answers(peers: Sequence[Peer], _: Effort) -> list[Cell]:
    cells = []
    for peer, outcomes in zip(peers, answers_to(tuple(peers)), strict=True):
        kinds = [outcome.partition(":")[0] for outcome in outcomes[:COUNTED]]
        numbers = [kinds.count(kind) for kind in faults.KINDS]
        text = " / ".join(map(str, numbers))
        cells.append(Cell(text, -numbers[0]) if peer.reads else CALLERS)
    return cells


def _redirect(peers: Sequence[Peer], _: Effort) -> list[Cell]:
    return [
        Cell("yes" if arrived else "no", arrived) if peer.sends else CALLERS
        for peer, arrived in zip(peers, faults.redirect(_fleet(tuple(peers))), strict=True)
    ]


def _fork(peers: Sequence[Peer], _: Effort) -> list[Cell]:
    with ThreadPoolExecutor(5) as pool:  # most of the time is waiting for those that hang
        return [
            Cell(f"{child}; {requests}", ("token", "fails", "hangs").index(child))
            for child, requests in pool.map(faults.fork, peers)
        ]


def _ended(wall: float, monotonic: float) -> Callable[[Sequence[Peer], Effort], list[Cell]]:
    order = ("replaced", "fails", "handed out")

    def cells(peers: Sequence[Peer], _: Effort) -> list[Cell]:
        rows = faults.ended(_fleet(tuple(peers)), wall=wall, monotonic=monotonic)
        return [Cell(outcome, order.index(outcome)) for outcome in rows]

    return cells


def _lifetime(seconds: float) -> Case:
    def cells(peers: Sequence[Peer], _: Effort) -> list[Cell]:
        return [count([requests]) for requests in faults.lifetime(_fleet(tuple(peers)), seconds)]

    return Case(
        f"{seconds:g} s",
        f"token requests of {faults.PARTS} calls spread evenly over the {seconds:g} s that a token "
        "lives, both clocks being put forward; the second may be the next token, before the end",
        cells,
    )


ANSWERS = Case(
    "bad answers",
    f"of {COUNTED}: refused by an error of the library's own / crashed with another "
    "exception / accepted / accepted for ever; the most refused is the best. Accepted is what the "
    "library puts on a request, whether or not that can be sent",
    _answers,
)
LIFETIMES = (_lifetime(5.0), _lifetime(300.0))
CASES = (
    ANSWERS,
    Case(
        "redirect",
        "whether the secret's header arrives where a redirect of the token endpoint (307) to "
        "another host points",
        _redirect,
    ),
    Case(
        "fork",
        "what a child gets that is forked in mid-refresh: a token, a failure, or nothing within "
        f"{HANGS:g} s; and the token requests of both",
        _fork,
    ),
    Case(
        "all clocks",
        "the control: what becomes of a token after its end, as both clocks have it",
        _ended(faults.LIFETIME + 1, faults.LIFETIME + 1),
    ),
    Case(
        "set back",
        "likewise, the wall clock having been set back by an hour meanwhile",
        _ended(faults.LIFETIME + 1 - 3_600, faults.LIFETIME + 1),
    ),
    Case(
        "suspend",
        "likewise, the machine having been suspended meanwhile: the monotonic clock stood still",
        _ended(faults.LIFETIME + 1, 0.0),
    ),
)
