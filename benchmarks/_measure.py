"""Measure two things side by side, and keep what came of it."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from statistics import median
from typing import Any, TypeVar

import attrs

from ._table import middle_half

T = TypeVar("T")
F = TypeVar("F", int, float)


@attrs.frozen
class Pairs:
    """
    The same two things, measured in turn: what disturbs one round disturbs both.

    Attributes:
        ours: One figure per round.

        baseline: Likewise.
    """

    ours: list[float]
    baseline: list[float]

    @property
    def ratios(self) -> list[float]:
        """Ours over baseline, round by round."""
        return [a / b for a, b in zip(self.ours, self.baseline, strict=True)]


def interleaved(ours: Callable[[], float], baseline: Callable[[], float], *, rounds: int) -> Pairs:
    """Return *rounds* figures of each; before several, one round does not count."""
    pairs = Pairs([], [])
    if rounds > 1:
        ours(), baseline()
    for number in range(rounds):
        # By turns, so that neither is always the one that finds the caches cold.
        if number % 2:
            pairs.baseline.append(baseline())
            pairs.ours.append(ours())
        else:
            pairs.ours.append(ours())
            pairs.baseline.append(baseline())
    return pairs


def in_turn(things: Sequence[T], measured: Callable[[T], F], *, rounds: int) -> list[list[F]]:
    """Return *rounds* figures of each of *things*; who is first changes from round to round."""
    figures: list[list[F]] = [[] for _ in things]
    for number in range(rounds):
        for turn in range(len(things)):
            index = (number + turn) % len(things)
            figures[index].append(measured(things[index]))
    return figures


def best(run: Callable[[], float], *, of: int = 5) -> float:
    """Return the least of several figures in a row: what disturbs can only add to a short one."""
    return min(run() for _ in range(of))


def rates(*calls: Callable[[], object], lasts: float) -> list[float]:
    """Return how often per second each of *calls* is done, of which each has its turn."""
    took = [0.0] * len(calls)
    order = list(range(len(calls)))
    turns, end = 0, time.perf_counter() + lasts
    while time.perf_counter() < end:
        # Back and forth: in one place of every turn, a client came out 3 % slower than itself.
        for number in order:
            began = time.perf_counter()
            calls[number]()
            took[number] += time.perf_counter() - began
        turns += 1
        order.reverse()
    return [turns / seconds for seconds in took]


def slowest_call(call: Callable[[], object], *, threads: int, lasts: float) -> float:
    """Return the slowest *call* of a steady load that *lasts* so many seconds, in seconds."""
    seconds: list[float] = []
    end = time.perf_counter() + lasts

    def load() -> None:
        while (began := time.perf_counter()) < end:
            call()
            seconds.append(time.perf_counter() - began)
            time.sleep(0.005)

    in_threads(load, threads)
    return max(seconds)


def in_threads(run: Callable[[], None], count: int) -> None:
    """Run it in *count* threads at once, and raise what any of them does."""
    with ThreadPoolExecutor(count) as pool:
        for ended in [pool.submit(run) for _ in range(count)]:
            ended.result()


@attrs.frozen
class Figure:
    """
    One line of the result.

    Attributes:
        what: Was measured.

        against: What it was measured against, in the same run.

        means: What the figure says, in one line.

        ours: Median, in *unit*.

        baseline: Median, in *unit*.

        unit: ``s`` or ``calls/s``.

        ratio: Median of the rounds' ratios.

        between: What the middle half of them lies between.

        target: What was set out to be reached; empty where there is nothing to reach.

        reached: Whether it was; None where there is no target.

        rounds: How often both were measured.
    """

    what: str
    against: str
    means: str
    ours: float
    baseline: float
    unit: str
    ratio: float
    between: tuple[float, float]
    target: str
    reached: bool | None
    rounds: int

    @classmethod
    def of(
        cls,
        pairs: Pairs,
        what: str,
        against: str,
        means: str,
        *,
        target: str = "",
        reached: Callable[["Figure"], bool] | None = None,
        unit: str = "s",
    ) -> "Figure":
        """Return what *pairs* amount to; *reached* is told everything but itself."""
        figure = cls(
            what,
            against,
            means,
            median(pairs.ours),
            median(pairs.baseline),
            unit,
            median(pairs.ratios),
            middle_half(pairs.ratios),
            target,
            None,
            len(pairs.ours),
        )
        return attrs.evolve(figure, reached=reached(figure)) if reached else figure

    def as_dict(self) -> dict[str, Any]:
        """Return it for machines."""
        return attrs.asdict(self)


@attrs.frozen
class Effort:
    """How thoroughly to measure; *quick* shows that it works, and little more."""

    quick: bool

    @property
    def takes(self) -> str:
        """How long `make bench` takes, as seen on two quiet cores."""
        return "a quarter of a minute" if self.quick else "five minutes"

    def fastest(self, rate: Callable[[], float]) -> float:
        """Return the highest of a few rates in a row: what disturbs can only lower one."""
        return max(rate() for _ in range(1 if self.quick else 3))

    def rounds(self, thorough: int) -> int:
        """Return how many rounds to measure where *thorough* is what it takes."""
        return 1 if self.quick else thorough
