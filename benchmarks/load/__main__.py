"""
`make load`: what a token costs as there is more of everything.

Tasks, threads, processes, tenants, operations of the description: each against a baseline
that does the same without the package.
"""

import argparse
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks._run import run

if TYPE_CHECKING:
    from benchmarks._measure import Effort
    from benchmarks.load.chart import Chart

_PARTS = ("tasks", "threads", "processes", "tenants", "operations")


def main() -> int:
    """Return 0: this measures, and fails nobody."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.load",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--write", type=Path, metavar="PAGE", help="put all into this page")
    parser.add_argument("--quick", action="store_true", help="one round of little load")
    parser.add_argument("--only", choices=_PARTS, action="append", help="only this part")
    options = parser.parse_args()
    if options.only and options.write:
        parser.error("the page is made of all parts, not --only some")

    from benchmarks._measure import Effort
    from benchmarks.load import page

    takes = "half a minute" if options.quick else "six minutes"
    print(f"measuring; this takes about {takes}", file=sys.stderr)
    charts = []
    for chart in measure(options.only or _PARTS, Effort(options.quick)):
        charts.append(chart)
        print(page.as_text(chart), end="\n\n", flush=True)
    if options.write:
        command = page.BY + " (--quick: one round of little load)" * options.quick
        page.write(options.write, charts, command)
    return 0


def measure(parts: "tuple[str, ...] | list[str]", effort: "Effort") -> "Iterator[Chart]":
    """Yield the charts of *parts*."""
    from benchmarks.load import operations, processes, tasks, tenants, threads

    measures = {
        "tasks": tasks.measure,
        "threads": threads.measure,
        "processes": processes.measure,
        "tenants": tenants.measure,
        "operations": operations.measure,
    }
    for part in parts:
        began = time.perf_counter()
        yield from measures[part](effort)
        print(f"{part}: {time.perf_counter() - began:.0f} s", file=sys.stderr)


if __name__ == "__main__":
    run(main)
