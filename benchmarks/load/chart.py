"""Costs against load: measured side by side, as a table, a plot and a sentence."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from statistics import median

import attrs

from .._measure import Effort, in_turn
from .._plot import Curve, svg
from .._table import aligned, short, spread

Points = dict[int, list[float]]
"""A figure a round, in seconds or bytes, for each load."""


@attrs.frozen
class Chart:
    """
    What several things cost at each load.

    Attributes:
        name: Of its file.
        title: Of its picture.
        load: What there is ever more of.
        cost: What is measured, with the unit.
        scale: What the figures are multiplied with for that unit.
        means: What was done, in a sentence or two.
        lines: By name; the first is ours and the last the baseline.
        notes: What else was seen, a sentence each.
    """

    name: str
    title: str
    load: str
    cost: str
    scale: float
    means: str
    lines: dict[str, Points]
    notes: list[str] = attrs.Factory(list[str])

    def table(self, *, markdown: bool) -> str:
        """Return a row for each load."""
        *ours, (base, baseline) = self.lines.items()
        head = [self.load, *self.lines, *(f"{name} / {base}" for name, _ in ours)]
        rows = [
            [f"{load:,}"]
            + [spread(points[load], scale=self.scale) for points in self.lines.values()]
            + [f"{_ratio(points[load], baseline[load]):.2f}" for _, points in ours]
            for load in baseline
        ]
        return aligned([head, *rows], markdown=markdown, left=())

    def growth(self) -> str:
        """Return how many times each costs at the greatest load what it costs at the least."""
        first, *_, last = next(iter(self.lines.values()))
        grown = [
            f"{name} {short(median(points[last]) / median(points[first]))} x"
            for name, points in self.lines.items()
        ]
        return f"From {first:,} to {last:,} it grows: {', '.join(grown)}."

    def plot(self) -> str:
        """Return the medians as a picture."""
        curves = [
            Curve(name, [(load, median(seen) * self.scale) for load, seen in points.items()])
            for name, points in self.lines.items()
        ]
        return svg(self.title, self.load, self.cost, curves)


def measured(
    effort: Effort, loads: Sequence[int], runs: Mapping[str, Callable[[int], float]], *, rounds: int
) -> dict[str, Points]:
    """
    Return what each of *runs* costs at each of *loads*, in turn, after a round that does not count.

    A quick run has two loads and that round alone.
    """
    lines: dict[str, Points] = {name: {} for name in runs}
    for load in loads[:2] if effort.quick else loads:
        at_load = [partial(run, load) for run in runs.values()]
        seen = in_turn(at_load, lambda run: run(), rounds=effort.rounds(1 + rounds))
        for name, figures in zip(runs, seen, strict=True):
            lines[name][load] = figures[1:] or figures
    return lines


def requests_told(counted: Mapping[str, Mapping[int, Sequence[int]]]) -> list[str]:
    """Return a sentence for each name: how many token requests there were at each load."""
    return [
        f"Token requests, {name}: "
        + ", ".join(f"{_range(seen)} at {load:,}" for load, seen in by_load.items())
        + "."
        for name, by_load in counted.items()
    ]


def _range(counts: Sequence[int]) -> str:
    few, many = min(counts), max(counts)
    return f"{few:,}" if few == many else f"{few:,}-{many:,}"


def _ratio(ours: Sequence[float], baseline: Sequence[float]) -> float:
    return median(a / b for a, b in zip(ours, baseline, strict=True))
