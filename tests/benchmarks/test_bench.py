"""`make bench`: it has to run and to be read by machines; what it measures is no test."""

import json
import os
import subprocess
import sys
from pathlib import Path

import attrs
import pytest

from benchmarks._measure import Figure, Pairs, in_turn, interleaved

COMMAND = [sys.executable, "-W", "error", "-m", "benchmarks"]


@pytest.mark.timeout(120)
def test_measures_everything_against_a_baseline(tmp_path: Path) -> None:
    """A quick run prints the table in 80 plain columns, writes the figures, and exits 0."""
    foreign = ("SETLE_", "COLUMNS", "COVERAGE_", "FORCE_COLOR", "TTY_")
    env = {n: v for n, v in os.environ.items() if not n.startswith(foreign)}
    done = subprocess.run(
        [*COMMAND, "--quick", "--json", str(tmp_path / "figures.json")],
        env=env | {"PYTHONIOENCODING": "ascii"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "\x1b" not in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80
    figures = json.loads((tmp_path / "figures.json").read_text())["figures"]
    assert len(figures) == 11
    for figure in figures:
        assert figure.keys() == {field.name for field in attrs.fields(Figure)}
        assert figure["ours"] > 0
        assert figure["baseline"] > 0
        assert figure["rounds"] == 2


def test_takes_turns_and_leaves_the_first_round_out() -> None:
    """Neither side always goes first, and the warm-up is not among the figures."""
    order: list[str] = []

    def ours() -> float:
        order.append("ours")
        return len(order)

    def baseline() -> float:
        order.append("baseline")
        return len(order)

    pairs = interleaved(ours, baseline, rounds=2)
    assert order == ["ours", "baseline", "ours", "baseline", "baseline", "ours"]
    assert (pairs.ours, pairs.baseline) == ([3, 6], [4, 5])


def test_who_is_first_changes() -> None:
    """Nothing is always the one that finds the caches cold."""
    order: list[str] = []

    def measured(name: str) -> int:
        order.append(name)
        return len(order)

    assert in_turn("ab", measured, rounds=2) == [[1, 4], [2, 3]]
    assert order == ["a", "b", "b", "a"]


def test_ratio_is_the_median_of_the_rounds() -> None:
    """One disturbed round changes neither the ratio nor the answer."""
    pairs = Pairs([2.0, 2.0, 90.0], [1.0, 1.0, 1.0])
    figure = Figure.of(pairs, "this", "that", "<= 2 x", lambda figure: figure.ratio <= 2.0)
    assert (figure.ours, figure.baseline, figure.ratio, figure.reached) == (2.0, 1.0, 2.0, True)
