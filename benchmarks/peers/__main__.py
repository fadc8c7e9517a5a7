"""
`make peers`: what peers do with a short-lived token, side by side with setle.

One row per case, one column per library. Counts are exact; times are the machine's, so read
one next to the other.
"""

import argparse
import json
import logging
import os
import sys
import time
import traceback
from collections.abc import Iterator, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from .._measure import Effort
from .._page import circumstances, rewrite
from .._run import run
from . import counts, fault_rows, page, times
from .all import PEERS
from .cell import Case, Cell
from .libraries import SETLE, Peer

_BY = "make peers"
CASES = (*times.CASES, *counts.CASES, *fault_rows.LIFETIMES, *fault_rows.CASES)


def main() -> int:
    """Return 0, or 1 if a case could not be measured: slower or worse fails nobody."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.peers",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there, too")
    parser.add_argument("--markdown", action="store_true", help="print what --write writes")
    parser.add_argument("--write", type=Path, metavar="PAGE", help="put the tables into this page")
    parser.add_argument("--quick", action="store_true", help="one round each, to see it work")
    parser.add_argument("--only", metavar="CASE", action="append", help="only this case")
    options = parser.parse_args()
    if options.only and (options.write or options.markdown):
        parser.error("the page is made of all cases, not --only some")

    # Some libraries have no other way to be told; nothing here goes further than loopback.
    os.environ.update(NO_PROXY="127.0.0.1,localhost", no_proxy="127.0.0.1,localhost")
    logging.getLogger("databricks.sdk").setLevel(logging.ERROR)  # it asks for what is not there
    takes = "a minute or two" if options.quick else "some minutes"
    print(f"measuring, for {takes}", file=sys.stderr)
    libraries = (SETLE, *_installed())
    cases = [case for case in CASES if not options.only or case.name in options.only]
    rows = list(measure(libraries, Effort(options.quick), cases))
    has_answers = any(case is fault_rows.ANSWERS for case in cases)
    outcomes = fault_rows.answers_to(libraries) if has_answers else []
    if options.json:
        options.json.write_text(json.dumps(_report(libraries, rows), indent=2) + "\n", "utf-8")
    command = _BY + " (--quick: one round each)" * options.quick
    if options.write:
        rewrite(options.write, page.as_markdown(libraries, rows, outcomes, command), _BY)
    if options.markdown:
        print(page.as_markdown(libraries, rows, outcomes, command))
    else:
        print(page.as_text(libraries, rows, outcomes))
    return int(len(rows) < len(cases))  # what is lost is told


def _installed() -> Iterator[Peer]:
    for peer in PEERS:
        try:
            version(peer.distribution)
        except PackageNotFoundError:
            print(f"{peer.distribution} is left out: `make peers` installs it", file=sys.stderr)
        else:
            yield peer


def measure(
    libraries: Sequence[Peer], effort: Effort, cases: Sequence[Case]
) -> Iterator[tuple[Case, list[Cell]]]:
    """Yield the row of each case; what could not be measured is told, and left out."""
    for case in cases:
        began = time.perf_counter()
        try:
            yield case, case.measure(libraries, effort)
        except Exception:  # noqa: BLE001 - the others are worth having all the same
            print(f"{case.name} is left out:", file=sys.stderr)
            traceback.print_exc()
        else:
            took = time.perf_counter() - began
            print(f"{case.name}: {took:.0f} s", file=sys.stderr)


def _report(
    libraries: Sequence[Peer], rows: Sequence[tuple[Case, list[Cell]]]
) -> dict[str, object]:
    names = [peer.distribution for peer in libraries]
    return {
        "circumstances": circumstances(_BY, *page.VERSIONS),
        "versions": {name: version(name) for name in names},
        "cases": {
            case.name: dict(zip(names, [cell.text for cell in cells], strict=True))
            for case, cells in rows
        },
    }


if __name__ == "__main__":
    run(main)
