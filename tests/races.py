"""
What `make races` adds to pytest: the same tests over and over, while threads change places.

Python lets another thread go on after a microsecond, instead of 5,000. Rounds are shared out to
the processes of pytest-xdist, each of which runs all tests; only failures are told one by one.
"""

import os
import platform
import sys
import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from _pytest.runner import runtestprotocol  # as other plugins that repeat tests do

PAGE = Path(__file__).parent.parent / "docs" / "races.md"

_began = time.monotonic()
_spent: Counter[str] = Counter()  # microseconds of each test
_runs: Counter[str] = Counter()
_failures: Counter[str] = Counter()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--rounds", type=int, default=500, help="how often each test is run")
    parser.addoption("--seconds", type=float, default=60, help="one test may take in all")
    parser.addoption("--minutes", type=float, default=60, help="all of them may take")
    parser.addoption("--page", action="store_true", help=f"write a row into {PAGE.name}")


def pytest_configure() -> None:
    sys.setswitchinterval(1e-6)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    items *= -(-config.getoption("rounds") // _processes(config))


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> bool:
    option, now = item.config.getoption, time.monotonic()
    is_over = now - _began > option("minutes") * 60
    if is_over or _spent[item.nodeid] > option("seconds") * 1e6 / _processes(item.config):
        item.session._setupstate.teardown_exact(nextitem)  # what was kept for this one
        return True
    # What was set up for one run of a test is not for the next one.
    after = None if nextitem is item else nextitem
    reports = runtestprotocol(item, log=False, nextitem=after)
    _spent[item.nodeid] += int((time.monotonic() - now) * 1e6)
    _runs[item.nodeid] += not any(report.skipped for report in reports)
    _failures[item.nodeid] += any(report.failed for report in reports)
    for report in reports:
        if report.failed:
            item.ihook.pytest_runtest_logreport(report=report)
    return True


def pytest_sessionfinish(session: pytest.Session) -> None:
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["races"] = [dict(_runs), dict(_failures)]


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    its = getattr(node, "workeroutput", {})  # of one that crashed there is none
    for mine, one in zip((_runs, _failures), its.get("races", ({}, {})), strict=True):
        mine.update(one)


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    rounds = config.getoption("rounds")
    often = [times for times in _runs.values() if times]
    free = "" if getattr(sys, "_is_gil_enabled", lambda: True)() else ", free-threaded"
    cells = {
        "Python": platform.python_version() + free,
        "tests": f"{len(often)} of {', '.join(sorted({_folder(test) for test in _runs}))}",
        f"of which {rounds} times": sum(times >= rounds for times in often),
        "the slowest": min(often, default=0),
        "runs": f"{sum(often):,}",
        "failures": sum(_failures.values()),
        "on": f"{datetime.now(UTC):%Y-%m-%d}, {platform.system()} {platform.machine()},"
        f" {os.cpu_count()} cores",
    }
    row = f"| {' | '.join(map(str, cells.values()))} |"
    terminalreporter.write_line(f"| {' | '.join(cells)} |\n{row}")
    if config.getoption("page"):
        lines = PAGE.read_text("utf-8").splitlines()
        lines = [line for line in lines if not line.startswith(f"| {cells['Python']} |")]
        ruler = next(number for number, line in enumerate(lines) if line.startswith("|--"))
        lines.insert(ruler + 1, row)
        PAGE.write_text("\n".join(lines) + "\n", "utf-8")


def _folder(test: str) -> str:
    return Path(test).parts[1]


def _processes(config: pytest.Config) -> int:
    return int(getattr(config, "workerinput", {}).get("workercount", 1))
