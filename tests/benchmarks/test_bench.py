"""`make bench`: it has to run and to be read by machines; what it measures is no test."""

import json
import os
import subprocess
import sys
from pathlib import Path

import attrs
import pytest

from benchmarks._measure import Figure, Pairs, best, in_turn, interleaved, rates

COMMAND = [sys.executable, "-W", "error", "-m", "benchmarks"]


@pytest.mark.timeout(120)
def test_measures_everything_against_a_baseline(tmp_path: Path) -> None:
    """A quick run says how long it takes, prints 80 plain columns, writes the figures, exits 0."""
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
    assert len(figures) == 21
    assert done.stderr.startswith("measuring; this takes about ")
    short = [figure for figure in figures if figure["reached"] is False]
    *_, end = done.stdout.split("\n\n")
    if short:
        assert [line.partition(":")[0].strip() for line in end.splitlines()[1:]] == [
            figure["what"] for figure in short
        ]
    else:
        assert end == "Nothing falls short.\n"
    for figure in figures:
        assert figure.keys() == {field.name for field in attrs.fields(Figure)}
        assert figure["ours"] > 0
        assert figure["baseline"] > 0
        assert figure["rounds"] >= 1
        assert figure["means"] in done.stdout
        assert figure["target"] in done.stdout
        assert (figure["reached"] is None) == (not figure["target"])


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
    figure = Figure.of(
        pairs, "this", "that", "much", target="<= 2 x", reached=lambda figure: figure.ratio <= 2.0
    )
    assert (figure.ours, figure.baseline, figure.ratio, figure.reached) == (2.0, 1.0, 2.0, True)


def test_a_figure_without_a_target_is_neither_reached_nor_missed() -> None:
    """It is told, and no more."""
    figure = Figure.of(Pairs([2.0], [1.0]), "this", "that", "much")
    assert (figure.target, figure.reached) == ("", None)


def test_a_short_figure_is_the_least_of_several() -> None:
    """Whatever disturbs one of them adds to it, and is left out."""
    figures = iter([3.0, 1.0, 9.0])
    assert best(lambda: next(figures), of=3) == 1.0


def test_rates_are_measured_call_by_call_in_turn() -> None:
    """Each is called as often as the other, and neither always first."""
    order: list[str] = []
    assert len(rates(lambda: order.append("a"), lambda: order.append("b"), lasts=0.01)) == 2
    assert order[:4] == ["a", "b", "b", "a"]
    assert order.count("a") == order.count("b")
