"""
`make bench`: the hot path, the calls and the start, each against a baseline.

Every figure is the median of rounds that were measured in turn with its baseline: compare
ratios, as the times themselves are the machine's. What falls short stands at the end.
"""

import argparse
import json
import os
import platform
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks._run import run

_BY = "make bench"

if TYPE_CHECKING:
    from ._measure import Effort, Figure


def main() -> int:
    """Return 0: this measures, and fails nobody."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there, too")
    parser.add_argument("--quick", action="store_true", help="one round each, to see it work")
    parser.add_argument("--write", type=Path, metavar="PAGE", help="put all into this page, too")
    options = parser.parse_args()

    from rich.console import Console

    from ._measure import Effort

    effort = Effort(options.quick)
    print(f"measuring; this takes about {effort.takes}", file=sys.stderr)
    figures: list[Figure] = []
    with Console(stderr=True).status("measuring") as status:
        for figure in _measure(effort):
            figures.append(figure)
            status.update(f"measuring; last: {figure.what}")
    if options.json:
        options.json.write_text(json.dumps(_report(figures), indent=2) + "\n", "utf-8")
    _show(figures)
    if options.write:
        _write(options.write, figures, effort)
    return 0


def _measure(effort: "Effort") -> Iterator["Figure"]:
    from . import calls, cold, hot_path, stores

    yield from hot_path.measure(effort)
    yield from calls.measure(effort)
    yield from cold.measure(effort)
    yield from stores.measure(effort)


def _show(figures: list["Figure"]) -> None:
    from rich.console import Console
    from rich.text import Text

    from ._bench_page import short_of, with_unit

    console = Console(highlight=False, soft_wrap=True)
    style = {None: "", True: "green", False: "red"}
    console.print(_row("", "", "ours", "baseline", "ratio", "target"))
    for figure in figures:
        reached = {None: "-", True: "yes", False: "no"}[figure.reached]
        row = _row(
            reached,
            figure.what,
            with_unit(figure.ours, figure.unit),
            with_unit(figure.baseline, figure.unit),
            f"{figure.ratio:.2f} x",
            figure.target,
        )
        console.print(Text(row, style[figure.reached]))
        console.print(Text(f"     against {figure.against}\n     {figure.means}", "dim"))
    short = short_of(figures)
    console.print("\nNothing falls short." if not short else "\nFalls short:")
    for line in short:
        console.print(f"  {line}")


def _row(reached: str, what: str, *cells: str) -> str:
    ours, baseline, ratio, target = cells
    return f"{reached:4} {what:30}{ours:>9}{baseline:>9}{ratio:>9}  {target}".rstrip()


def _write(page: Path, figures: list["Figure"], effort: "Effort") -> None:
    from ._bench_page import as_markdown
    from ._limit import Limit
    from ._page import rewrite

    print("profiling a call; this takes another half minute", file=sys.stderr)
    limit = Limit.measure(effort)
    command = _BY + " (--quick: one round each)" * effort.quick
    rewrite(page, as_markdown(figures, limit, command), _BY)


def _report(figures: list["Figure"]) -> dict[str, object]:
    from importlib.metadata import version

    return {
        "python": platform.python_version(),
        "machine": platform.machine(),
        "system": platform.system(),
        "cpus": os.cpu_count(),
        "httpx": version("httpx"),
        "optimized": sys.flags.optimize > 0,
        "figures": [figure.as_dict() for figure in figures],
    }


if __name__ == "__main__":
    run(main)
