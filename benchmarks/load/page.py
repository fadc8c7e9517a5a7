"""The charts for a terminal, or as a part of a page with its pictures."""

from collections.abc import Sequence
from pathlib import Path

from .._page import circumstances, rewrite
from .chart import Chart

BY = "make load"
_VERSIONS = ("setle-client", "httpx", "httpcore", "anyio", "redis", "openapi-python-client")


def as_text(chart: Chart) -> str:
    """Return the table and what is to be said of it."""
    lines = [f"{chart.title}: {chart.cost}", chart.table(markdown=False), chart.growth()]
    return "\n".join([*lines, *chart.notes])


def as_markdown(charts: Sequence[Chart], command: str) -> str:
    """Return everything for the page."""
    parts = [
        circumstances(command, *_VERSIONS),
        "Figures are medians of rounds that were measured in turn, with the middle half of the "
        "rounds in brackets, or all where there are less than four. The last columns are the "
        "medians of the rounds' ratios.",
    ]
    for chart in charts:
        parts += [
            f"## {chart.title}",
            chart.means,
            f"![{chart.title}, {chart.cost}](load-{chart.name}.svg)",
            f"In {chart.cost}:",
            chart.table(markdown=True),
            " ".join([chart.growth(), *chart.notes]),
        ]
    return "\n\n".join(parts)


def write(page: Path, charts: Sequence[Chart], command: str) -> None:
    """Rewrite the part of *page*, and the pictures beside it."""
    for chart in charts:
        page.with_name(f"load-{chart.name}.svg").write_text(chart.plot(), "utf-8")
    rewrite(page, as_markdown(charts, command), BY)
