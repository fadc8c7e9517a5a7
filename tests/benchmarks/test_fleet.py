"""`make fleet`: a simulation is worth what its small cases, which can be told by hand, are."""

import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from benchmarks._fleet_store import Assumed
from benchmarks.fleet import SPREADS, cold_start, plot, roll_overs, simulate, table


def test_one_process_alone() -> None:
    """It looks, locks, looks again, extends, saves and unlocks, and nothing else."""
    seen = cold_start(1, Assumed()).seen
    assert seen.requests == 1
    assert seen.commands == {"load": 2, "lock": 1, "extend": 1, "save": 1, "unlock": 1}
    assert seen.worst_wait == pytest.approx(0.2 + 6 * 0.00051)


@pytest.mark.parametrize("spread", SPREADS)
def test_one_request_per_lifetime(spread: str) -> None:
    """However many processes there are, and each looks once or little more."""
    line = roll_overs(1_000, 60.0, spread, Assumed())
    assert line.seen.requests == line.lives
    assert 1_000 * line.lives <= line.seen.commands["load"] < 1.5 * 1_000 * line.lives
    assert line.seen.unanswered == 0


def test_an_early_refresh_delays_nobody() -> None:
    """And without one, somebody waits for the whole token request."""
    assert roll_overs(1_000, 300.0, "as the package", Assumed()).seen.worst_wait == 0.0
    assert roll_overs(1_000, 300.0, "none", Assumed()).seen.worst_wait > 0.2


def test_a_store_that_cannot_keep_up_costs_token_requests() -> None:
    """Its client gives up after half a second, and the process asks for itself."""
    seen = cold_start(1_000, Assumed(service=0.01)).seen
    assert seen.unanswered > 0
    assert seen.requests > 1


def test_the_same_every_time() -> None:
    """The seed is fixed."""
    assert cold_start(100, Assumed()) == cold_start(100, Assumed())


def test_plot_and_table() -> None:
    """The plot is well-formed and the table has a row for each run."""
    lines = list(simulate(10, Assumed()))
    assert ET.fromstring(plot(lines)).tag.endswith("svg")
    assert len(table(lines, markdown=True).splitlines()) == len(lines) + 2


def test_command(tmp_path: Path) -> None:
    """It prints the table and writes the plot."""
    plot_file = tmp_path / "fleet.svg"
    command = [sys.executable, "-W", "error", "-m", "benchmarks.fleet", "--largest", "10"]
    done = subprocess.run(
        [*command, "--svg", str(plot_file)], capture_output=True, text=True, check=True
    )
    assert len(done.stdout.splitlines()) == 1 + 1 + 4 * 3
    assert plot_file.read_text().startswith("<svg")
