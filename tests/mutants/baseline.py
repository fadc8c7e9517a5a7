"""
Which test reaches which line of the core, and how long it takes.

As a plugin of pytest it writes down, while coverage measures, what a mutant's tests are chosen by.
"""

import ast
import json
import os
import re
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Generator
from contextlib import suppress
from itertools import chain, zip_longest
from pathlib import Path

import attrs
import coverage
import pytest

from tests.mutants.mutations import Mutant, modules
from tests.mutants.tree import NAMES, TESTS, TEXTS, UNFIT, environment

SLOW = 0.3  # seconds
SETTINGS = """
[run]
parallel = true
source_pkgs = setle
patch = _exit, fork, subprocess
data_file = {folder}/coverage
"""


@attrs.define
class Baseline:
    """
    What was measured without a mutant.

    Attributes:
        seconds: Of each test, by its id; what it sets up and tears down included.
        reached: The tests that reach a line, by path and line.
        breadth: How many lines each test reaches.
    """

    seconds: dict[str, float]
    reached: dict[str, dict[int, list[str]]]
    breadth: dict[str, int]
    _words: dict[str, set[str]] = attrs.field(factory=dict, init=False, repr=False)
    _case: dict[str, int] = attrs.field(factory=dict, init=False, repr=False)
    _frequent: Counter[str] = attrs.field(factory=Counter, init=False, repr=False)

    def tests_of(self, mutant: Mutant) -> list[str]:
        """Return the tests that reach *mutant*, those first that are likely to fail soon."""
        lines = [(mutant.path, line) for line in range(mutant.first, mutant.last + 1)]
        if mutant.constant:  # who reads it
            constant = re.compile(rf"\b{mutant.constant}\b")
            lines = [
                (str(path), line)
                for path in modules()
                for line, text in enumerate(path.read_text().splitlines(), 1)
                if constant.search(text) and line != mutant.first
            ]
        found = {test for path, line in lines for test in self.reached.get(path, {}).get(line, ())}
        is_seen = mutant.constant == "_MODULES" or mutant.before.startswith("@")
        files = [TEXTS] * mutant.is_message + [NAMES] * is_seen
        knows = [test for test in self.seconds if test.startswith(tuple(files))]
        words = words_of(f"{mutant.path} {mutant.function} {mutant.before}")
        narrow = sorted(found & self.seconds.keys(), key=self._width)
        # Of all: nobody saw what is run by an import, or in a child that is not measured.
        alike = sorted(self.seconds, key=lambda test: -self._likeness(test, words))
        pairs = zip_longest(narrow, alike[: max(len(narrow), 200)])
        return list(dict.fromkeys([*knows, *filter(None, chain.from_iterable(pairs))]))

    def is_slow(self, test: str) -> bool:
        """Whether *test* is to come after the quick ones."""
        return self.seconds[test] > 3 * SLOW

    def _width(self, test: str) -> tuple[bool, float]:
        """Return how late *test* comes by itself: narrow ones first, and not all its cases."""
        return self.seconds[test] > SLOW, self.breadth[test] * (1 + self._case[test] / 4)

    def _likeness(self, test: str, words: set[str]) -> float:
        """Return how much *test* is about what *words* name, rare ones above all."""
        shared = sum(1 / self._frequent[word] for word in self._words[test] & words)
        return shared / (1 + self._case[test])

    def __attrs_post_init__(self) -> None:
        texts: dict[str, str] = {}
        for file in {test.partition("::")[0] for test in self.seconds}:
            text = Path(file).read_text()
            for node in ast.walk(ast.parse(text)):
                if isinstance(node, ast.FunctionDef):
                    heads = [node.lineno, *(one.lineno for one in node.decorator_list)]
                    lines = text.splitlines()[min(heads) - 1 : node.end_lineno]
                    texts[f"{file}::{node.name}"] = "\n".join(lines)
        cases: Counter[str] = Counter()
        for test in self.seconds:
            name = test.partition("[")[0]
            self._case[test] = cases[name]
            cases[name] += 1
            self._words[test] = words_of(test + texts.get(name, ""))
            self._frequent.update(self._words[test])


def words_of(text: str) -> set[str]:
    """Return the words of three letters and more in *text*."""
    return {word.lower() for word in re.findall(r"[A-Za-z][A-Za-z0-9]{2,}", text)}


def measured(tree: Path, folder: Path, jobs: int) -> Baseline:
    """Run the tests in *tree*, write down in *folder* what they reach, and return it."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("coverage*"):
        old.unlink()
    settings = folder / "coveragerc"
    settings.write_text(SETTINGS.format(folder=folder.absolute()))
    run = ["-m", "coverage", "run", f"--rcfile={settings.absolute()}"]
    ignored = [f"--ignore={path}" for path in UNFIT]
    options = ["-p", "tests.mutants.baseline", "-p", "no:cacheprovider", "-q", "-n", str(jobs)]
    done = subprocess.run(
        [sys.executable, *run, "-m", "pytest", *options, "--dist=loadfile", *TESTS, *ignored],
        cwd=tree,
        env={**environment(tree), "MUTANTS_SECONDS": str((folder / "seconds").absolute())},
        check=False,
    )
    if done.returncode:
        raise SystemExit("the tests do not pass without a mutant")
    return _read(tree, folder)


def _read(tree: Path, folder: Path) -> Baseline:
    data = coverage.Coverage(data_file=str(folder / "coverage"), config_file=False)
    data.combine([str(folder)], keep=True)
    found = data.get_data()
    reached: dict[str, dict[int, list[str]]] = {}
    breadth: dict[str, int] = defaultdict(int)
    for file in found.measured_files():
        if not Path(file).is_relative_to(tree):
            continue  # of a process that was told where to look, and so finds no mutant
        path = str(Path(file).relative_to(tree))
        reached[path] = {
            line: tests
            for line, contexts in found.contexts_by_lineno(file).items()
            if (tests := sorted({context.split("|")[0] for context in contexts} - {""}))
        }
        for tests in reached[path].values():
            for test in tests:
                breadth[test] += 1
    seconds: dict[str, float] = defaultdict(float)
    for part in folder.glob("seconds*"):
        for line in part.read_text().splitlines():
            test, took = json.loads(line)
            seconds[test] += took
        part.unlink()
    return Baseline(dict(seconds), reached, {test: breadth.get(test, 0) for test in seconds})


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, bool, bool]:
    """Let coverage know which test runs, here and in the processes that it starts."""
    measuring = coverage.Coverage.current()
    if measuring is None:
        return (yield)
    measuring.config.context = item.nodeid
    os.environ["COVERAGE_PROCESS_CONFIG"] = measuring.config.serialize()
    with suppress(coverage.CoverageException):  # a folder that is not measured
        measuring.switch_context(item.nodeid)
    done = yield
    with suppress(coverage.CoverageException):  # as above
        measuring.switch_context("")
    return done


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Write down how long it took."""
    worker = os.environ.get("PYTEST_XDIST_WORKER")
    if worker:
        with Path(f"{os.environ['MUTANTS_SECONDS']}-{worker}").open("a") as file:
            file.write(json.dumps([report.nodeid, report.duration]) + "\n")
