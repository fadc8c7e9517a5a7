"""
`make fleet`: what a fleet of processes costs the token endpoint and the store.

Simulated, in virtual time and with a fixed seed: the figures are the same everywhere.
"""

import argparse
import random
import sys
from collections.abc import Iterator
from pathlib import Path

import attrs

from benchmarks._fleet import Fleet, Spread, jittered, late, together
from benchmarks._fleet_store import Assumed, Seen
from benchmarks._plot import Curve, svg
from benchmarks._run import run
from benchmarks._table import aligned

SIZES = (10, 1_000, 100_000)
LIFETIMES = (5.0, 60.0, 300.0, 3600.0)
SPREADS: dict[str, Spread] = {"as the package": jittered, "all at once": together, "none": late}
_LIVES = 2
_HEAD = (
    "processes",
    "lifetime s",
    "early refresh",
    "token req.",
    "load",
    "lock",
    "other",
    "busiest s",
    "at once",
    "worst wait s",
)


@attrs.frozen
class Line:
    """One run; all counts are per lifetime, but the busiest second and the most at once."""

    size: int
    lifetime: float
    spread: str
    lives: int
    seen: Seen

    def cells(self) -> tuple[str, ...]:
        """Return what the table shows."""
        commands = self.seen.commands
        other = commands["extend"] + commands["save"] + commands["unlock"]
        return (
            f"{self.size:,}",
            f"{self.lifetime:g}" if self.lives else "cold start",
            self.spread,
            *(
                f"{count / max(self.lives, 1):,.10g}"
                for count in (self.seen.requests, commands["load"], commands["lock"], other)
            ),
            f"{max(self.seen.seconds.values(), default=0):,}",
            f"{self.seen.at_once:,}",
            f"{self.seen.worst_wait:.3f}",
        )


def cold_start(size: int, assumed: Assumed) -> Line:
    """Simulate processes that start together and find no token."""
    random.seed(1)
    fleet = Fleet(size, 3600.0, jittered, assumed)
    fleet.run(20.0)
    return Line(size, 3600.0, "as the package", 0, fleet.seen)


def roll_overs(size: int, lifetime: float, spread: str, assumed: Assumed) -> Line:
    """Simulate processes that all begin with the same new token."""
    random.seed(1)
    fleet = Fleet(size, lifetime, SPREADS[spread], assumed)
    fleet.warm_up()
    fleet.run(_LIVES * lifetime)
    return Line(size, lifetime, spread, _LIVES, fleet.seen)


def simulate(largest: int, assumed: Assumed) -> Iterator[Line]:
    """Yield all runs of up to *largest* processes."""
    sizes = [size for size in SIZES if size <= largest]
    for size in sizes:
        yield cold_start(size, assumed)
    for size in sizes:
        for lifetime in LIFETIMES:
            for spread in SPREADS:
                yield roll_overs(size, lifetime, spread, assumed)


def main() -> int:
    """Return 0: this measures, and fails nobody."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.fleet",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--markdown", action="store_true", help="print the table as Markdown")
    parser.add_argument("--svg", type=Path, metavar="FILE", help="write a plot there, too")
    parser.add_argument("--largest", type=int, default=SIZES[-1], help="size of the largest fleet")
    parser.add_argument("--rate", type=float, default=1.0, help="calls per second and process")
    parser.add_argument("--request", type=float, default=0.2, help="seconds a token request takes")
    options = parser.parse_args()

    lines: list[Line] = []
    for line in simulate(options.largest, Assumed(rate=options.rate, request=options.request)):
        lines.append(line)
        print(f"\r{len(lines)} runs", end="", file=sys.stderr, flush=True)
    print("\r", end="", file=sys.stderr)
    print(table(lines, markdown=options.markdown))
    if options.svg:
        options.svg.write_text(plot(lines), "utf-8")
    return 0


def table(lines: list[Line], *, markdown: bool) -> str:
    """Return a table of *lines*."""
    return aligned([_HEAD, *(line.cells() for line in lines)], markdown=markdown, left=(2,))


def plot(lines: list[Line]) -> str:
    """Return the busiest second of the largest fleet, over the lifetime."""
    largest = max(line.size for line in lines)
    names = {
        "as the package": "early, jittered (as is)",
        "all at once": "early, all at once",
        "none": "no early refresh",
    }
    curves = [
        Curve(
            name,
            [
                (line.lifetime, max(line.seen.seconds.values()))
                for line in lines
                if line.lives and (line.size, line.spread) == (largest, spread)
            ],
        )
        for spread, name in names.items()
    ]
    return svg(
        f"A roll-over of {largest:,} processes",
        "lifetime of a token, seconds",
        "store commands in the busiest second",
        curves,
    )


if __name__ == "__main__":
    run(main)
