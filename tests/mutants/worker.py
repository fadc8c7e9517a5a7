"""
A warm process with a copy of the repository: it puts in a mutant, forks, and runs tests of it.

What the tests need from elsewhere is imported once. The package and the tests are imported anew
for each mutant, as a mutant may change what happens then, and processes that a test starts find it
in the copy.
"""

import contextlib
import gc
import importlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Self, TextIO

import attrs
import pytest

from tests.mutants.tree import IMPORTED, OURS, environment

OPTIONS = [
    "-x",
    "--assert=plain",
    "--no-header",
    "--quiet",
    "--tb=no",
    "-pno:cacheprovider",
    "-pno:xdist",
]


@attrs.define
class Outcome:
    """What came of the tests of a mutant."""

    killed: bool
    by: str  # a test, or what else went wrong
    seconds: float


@attrs.define
class Worker:
    """The process, seen from outside."""

    tree: Path
    _process: Any = None

    def __enter__(self) -> Self:
        """Start it."""
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.mutants.worker"],
            cwd=self.tree,
            env=environment(self.tree),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        return self

    def __exit__(self, *error: object) -> None:
        """Let it end."""
        with self._process:
            self._process.stdin.close()

    def run(self, path: str, source: str, tests: list[str], limit: float) -> Outcome:
        """Run *tests*, in that order and until one fails, with *source* as the module at *path*."""
        module = self.tree / path
        original = module.read_text()
        module.write_text(source)
        try:
            self._process.stdin.write(json.dumps([tests, limit]) + "\n")
            self._process.stdin.flush()
            return Outcome(**json.loads(self._process.stdout.readline()))
        finally:
            module.write_text(original)


class _Chosen:
    """A plugin of pytest that runs what was chosen, in that order, and tells what failed first."""

    def __init__(self, tests: list[str], said: int) -> None:
        self._order = {test: place for place, test in enumerate(tests)}
        self._said = said

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(
        self, config: pytest.Config, items: list[pytest.Item]
    ) -> None:
        chosen = [item for item in items if item.nodeid in self._order]
        config.hook.pytest_deselected(items=[item for item in items if item not in chosen])
        if len(chosen) < len(self._order):
            self._tell("tests that are no more")
        items[:] = sorted(chosen, key=lambda item: self._order[item.nodeid])

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self._tell(report.nodeid)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self._tell(f"importing {report.nodeid}")

    def _tell(self, what: str) -> None:
        os.write(self._said, what.encode() + b"\n")


def _run(tests: list[str], limit: float) -> Outcome:
    """Fork, run *tests*, and wait for the outcome, for *limit* seconds at most."""
    began = time.monotonic()
    heard, said = os.pipe()
    child = os.fork()
    if not child:
        os.setsid()
        os.close(heard)
        with Path(".output").open("w") as nowhere:
            os.dup2(nowhere.fileno(), 1)
            os.dup2(nowhere.fileno(), 2)
        files = list(dict.fromkeys(test.partition("::")[0] for test in tests))
        each = max(10.0, limit / 2)
        limits = [f"--timeout={each}", f"--basetemp={Path.cwd() / '.tmp'}"]
        code = pytest.main([*OPTIONS, *limits, *files], [_Chosen(tests, said)])
        os._exit(code)
    os.close(said)
    status: int | None = None
    while status is None and time.monotonic() < began + limit:
        done, ended = os.waitpid(child, os.WNOHANG)
        if done:
            status = os.waitstatus_to_exitcode(ended)
        else:
            time.sleep(0.005)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)  # and what it has started
    if status is None:
        os.waitpid(child, 0)
    with os.fdopen(heard) as told:
        by = told.readline().strip()
    if status is None:
        by = f"no end ({by})" if by else "no end"
    if status and not by:
        by = f"exit code {status}"
    # Of tests that are no more, none has failed.
    killed = status not in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED)
    return Outcome(killed, by, time.monotonic() - began)


def main() -> None:
    """Serve what comes by standard input."""
    answers: TextIO = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    _warm_up()
    for line in sys.stdin:
        tests, limit = json.loads(line)
        answers.write(json.dumps(attrs.asdict(_run(tests, limit))) + "\n")
        answers.flush()


def _warm_up() -> None:
    """Import what the tests import, but for what is ours."""
    names = Path("..") / IMPORTED
    for name in names.read_text().splitlines() if names.exists() else ():
        with contextlib.suppress(Exception):  # some names are of no module
            importlib.import_module(name)
    for name in list(sys.modules):
        if name.partition(".")[0] in OURS:
            del sys.modules[name]
    gc.collect()
    gc.freeze()


if __name__ == "__main__":
    main()
