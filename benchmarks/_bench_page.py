"""What `make bench` writes: every figure, what falls short, and the limit."""

from collections.abc import Sequence

from ._limit import Limit
from ._limit_page import as_markdown as profile
from ._limit_page import how_far
from ._measure import Figure
from ._page import circumstances
from ._table import aligned

_HEAD = ("what", "against", "ours", "baseline", "ratio", "target", "reached")
_REACHED = {None: "-", True: "yes", False: "**no**"}


def as_markdown(figures: Sequence[Figure], limit: Limit, by: str) -> str:
    """Return everything for the page."""
    return "\n\n".join(
        [
            circumstances(by, "setle-client", "httpx", "httpcore", "h11", "anyio"),
            _table(figures),
            "Ours, baseline and ratio are medians of rounds that were measured in turn; the "
            "middle half of the ratios stands in brackets. Compare ratios: the times are the "
            "machine's.",
            _legend(figures),
            "## What falls short",
            "\n".join(f"- {line}." for line in short_of(figures)) or "Nothing.",
            "## The limit",
            how_far(figures),
            *profile(limit),
        ]
    )


def short_of(figures: Sequence[Figure]) -> list[str]:
    """Return a line for each figure that missed its target."""
    return [
        f"{figure.what}: {figure.ratio:.2f} x, wanted {figure.target}"
        for figure in figures
        if figure.reached is False
    ]


def with_unit(value: float, unit: str) -> str:
    """Return *value*, in seconds or calls per second, as a reader wants it."""
    if unit != "s":
        return f"{value:,.0f}/s"
    for factor, name in ((1e9, "ns"), (1e6, "us"), (1e3, "ms")):
        if value * factor < 1000:
            return f"{value * factor:.3g} {name}"
    return f"{value:.2f} s"


def _table(figures: Sequence[Figure]) -> str:
    rows = [
        (
            figure.what,
            figure.against,
            with_unit(figure.ours, figure.unit),
            with_unit(figure.baseline, figure.unit),
            f"{figure.ratio:.2f} ({figure.between[0]:.2f}-{figure.between[1]:.2f})",
            figure.target or "-",
            _REACHED[figure.reached],
        )
        for figure in figures
    ]
    return aligned([_HEAD, *rows], markdown=True, left=(0, 1))


def _legend(figures: Sequence[Figure]) -> str:
    means = {f"{figure.what}, against {figure.against}": figure.means for figure in figures}
    return "\n".join(f"- **{what}**: {said}" for what, said in means.items())
