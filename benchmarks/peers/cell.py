"""What stands in a table, and which of a row is the best."""

from collections.abc import Callable, Sequence
from statistics import median

import attrs

from .. import _table
from .._measure import Effort
from .libraries import Peer


@attrs.frozen
class Cell:
    """
    What came of one library in one case.

    Attributes:
        text: As shown.
        rank: Lower is better; None where there is nothing to compare.
    """

    text: str
    rank: float | None = None


@attrs.frozen
class Case:
    """
    A row.

    Attributes:
        name: With the unit.
        means: What is measured; a sentence of the page.
        measure: Returns a cell for each library.
        tolerance: Whoever is worse than the best by no more than this share is as good.
    """

    name: str
    means: str
    measure: Callable[[Sequence[Peer], Effort], list[Cell]]
    tolerance: float = 0.0


NONE = Cell("-")
NOISE = 0.05
"""The tolerance of what is measured in times or bytes."""


def count(counts: Sequence[int]) -> Cell:
    """Return a count that is exact, or a range where rounds differed."""
    few, many = min(counts), max(counts)
    return Cell(str(few) if few == many else f"{few}-{many}", many)


def spread(figures: Sequence[float], *, scale: float = 1.0, best: int = 1) -> Cell:
    """
    Return the median, and the middle half of the rounds behind it, or all of less than four.

    Args:
        figures: One per round.
        scale: What to multiply them with before they are shown.
        best: 1 if the least is the best, -1 if the most is.
    """
    return Cell(_table.spread(figures, scale=scale), median(figures) * scale * best)


def best(cells: Sequence[Cell], tolerance: float = 0.0) -> set[int]:
    """Return which of *cells* are the best; none if all are equal."""
    ranks = {number: cell.rank for number, cell in enumerate(cells) if cell.rank is not None}
    least = min(ranks.values(), default=0.0)
    winners = {n for n, rank in ranks.items() if rank <= least + abs(least) * tolerance}
    return set() if len(winners) == len(ranks) else winners
