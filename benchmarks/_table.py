"""Tables, for people and for the documents."""

from collections.abc import Collection, Sequence
from statistics import median, quantiles


def aligned(rows: Sequence[Sequence[str]], *, markdown: bool, left: Collection[int]) -> str:
    """Return *rows*, of which the first is the head, with the columns *left* flush left."""
    if markdown:
        ruler = ["---" if number in left else "--:" for number in range(len(rows[0]))]
        return "\n".join(f"| {' | '.join(row)} |" for row in (rows[0], ruler, *rows[1:]))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if number in left else cell.rjust(width)
            for number, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )


def middle_half(figures: Sequence[float]) -> tuple[float, float]:
    """Return between what the middle half of *figures* lies, or all of less than four."""
    if len(figures) < 4:
        return min(figures), max(figures)
    low, _, high = quantiles(figures, n=4)
    return low, high


def spread(figures: Sequence[float], *, scale: float = 1.0) -> str:
    """Return the median of *figures*, times *scale*, with the middle half behind it."""
    middle = short(median(figures) * scale)
    if len(figures) == 1:
        return middle
    low, high = middle_half(figures)
    return f"{middle} ({short(low * scale)}-{short(high * scale)})"


def short(figure: float) -> str:
    """Return no more digits of *figure* than a reader wants."""
    return f"{figure:,.0f}" if abs(figure) >= 10 else f"{figure:.2f}"
