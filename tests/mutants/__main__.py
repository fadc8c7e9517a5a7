"""
`make mutants`: change the core in one place at a time, and see whether the tests notice.

For each mutant the tests that reach its line are run, the quickest and narrowest first, until one
fails. What each test reaches is measured first. Which test killed a mutant is kept in `.mutants/`
and tried first the next time.
"""

import argparse
import json
import os
import queue
import shutil
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import attrs

from tests.mutants.baseline import Baseline, measured
from tests.mutants.mutations import Mutant, modules, mutants_of
from tests.mutants.report import Result, page, problems, rewrite, told
from tests.mutants.tree import copied, imported
from tests.mutants.versions import version_of
from tests.mutants.worker import Outcome, Worker

FOLDER = Path(".mutants").absolute()
KNOWN = FOLDER / "known"
FIRST = 24  # tests that are tried on their own, before all the others are imported
CONTROL = 50  # of so many mutants, one is run without its change


class Hunt:
    """
    A run over mutants.

    Args:
        baseline: What the tests are chosen by.
        budget: Seconds of tests, as they took without a mutant, that a mutant gets at most.
    """

    def __init__(self, baseline: Baseline, budget: float) -> None:
        self._baseline, self._budget = baseline, budget
        self._workers: queue.SimpleQueue[Worker] = queue.SimpleQueue()
        self._killers: dict[str, str] = {}
        self._lately: dict[str, list[str]] = {}
        self._known: dict[tuple[str, str], Outcome] = {}
        if KNOWN.exists():
            for line in KNOWN.read_text().splitlines():
                place, mutant, version, outcome = json.loads(line)
                self._note(place, mutant, outcome["by"])
                self._known[mutant, version] = Outcome(**outcome)

    def _note(self, place: str, mutant: str, test: str) -> None:
        if test in self._baseline.seconds:
            self._killers[mutant] = test
            lately = self._lately.setdefault(place, [])
            lately[:] = [test, *(other for other in lately if other != test)][:6]

    def known(self, mutant: Mutant) -> Outcome | None:
        """Return what came of *mutant* before, with the function as it is."""
        return self._known.get((mutant.key, _version(mutant)))

    @contextmanager
    def working(self, jobs: int) -> Iterator[None]:
        """Have as many processes that run tests."""
        copied(FOLDER / "tree0")
        with ExitStack() as stack:
            for number in range(jobs):
                tree = FOLDER / f"tree{number}"
                if number:
                    shutil.rmtree(tree, ignore_errors=True)
                    shutil.copytree(FOLDER / "tree0", tree)  # with what was compiled of it
                self._workers.put(stack.enter_context(Worker(tree)))
            yield

    def outcome(self, mutant: Mutant, *, control: bool = False) -> Outcome:
        """Return what came of *mutant*, or of the module as it is."""
        source = Path(mutant.path).read_text()
        changed = source if control else mutant.source(source)
        likely, others = self._tests_of(mutant)
        worker = self._workers.get()
        try:
            for some in filter(None, (likely, others[:FIRST], self._by_file(others[FIRST:]))):
                limit = 20 + 8 * sum(self._baseline.seconds[test] for test in some)
                outcome = worker.run(mutant.path, changed, some, limit)
                if outcome.killed and outcome.by.startswith("no end"):  # the machine may be busy
                    outcome = worker.run(mutant.path, changed, some, 2 * limit)
                if outcome.killed:
                    break
        finally:
            self._workers.put(worker)
        if not control:
            self._note(mutant.place, mutant.key, outcome.by)
            with KNOWN.open("a") as file:  # at once, as it takes long to find out
                noted = [mutant.place, mutant.key, _version(mutant), attrs.asdict(outcome)]
                file.write(json.dumps(noted) + "\n")
        return outcome

    def _tests_of(self, mutant: Mutant) -> tuple[list[str], list[str]]:
        """Return what is likely to kill *mutant*, and what else may, half of it slow ones."""
        found = self._baseline.tests_of(mutant)
        killer = self._killers.get(mutant.key)
        lately = [test for test in self._lately.get(mutant.place, []) if test in found]
        likely, others = [killer] if killer else lately, list[str]()
        for slow in (False, True):
            left = self._budget / 2
            for test in found:
                if left > 0 and self._baseline.is_slow(test) is slow:
                    left -= self._baseline.seconds[test]
                    others.append(test)
        others = [test for test in others if test not in likely]
        return likely, others

    def _by_file(self, tests: list[str]) -> list[str]:
        """Keep what a file's tests share as long as may be, and still run the slow ones last."""
        files = list(dict.fromkeys(test.partition("::")[0] for test in tests))
        return sorted(
            tests,
            key=lambda test: (
                self._baseline.seconds[test] > 0.3,
                files.index(test.partition("::")[0]),
            ),
        )


def _version(mutant: Mutant) -> str:
    return version_of(Path(mutant.path).read_text(), mutant.function)


def main() -> int:
    """Return 0 if every survivor is explained, and every explanation is of a mutant."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("modules", nargs="*", type=Path, help="all of the core, if none is named")
    parser.add_argument("--jobs", type=int, default=(os.cpu_count() or 1) + 1)
    parser.add_argument("--budget", type=float, default=60.0, help="seconds of tests per mutant")
    parser.add_argument("--again", action="store_true", help="try only what was not killed yet")
    parser.add_argument("--report", action="store_true", help="try nothing; tell what is known")
    parser.add_argument("--known", action="store_true", help="measure no baseline anew")
    parser.add_argument("--write", type=Path, help="write what came of it to that page")
    options = parser.parse_args()
    began = time.monotonic()
    FOLDER.mkdir(exist_ok=True)
    kept = FOLDER / "baseline.json"
    if options.known or options.report:
        baseline = Baseline(**json.loads(kept.read_text()))
        for lines in baseline.reached.values():  # JSON has no numbers for names
            lines.update({int(line): lines.pop(line) for line in list(lines)})
    else:
        copied(FOLDER / "tree0")
        baseline = measured(FOLDER / "tree0", FOLDER / "measured", options.jobs)
        kept.write_text(json.dumps(attrs.asdict(baseline, filter=lambda field, _: field.init)))
        imported(FOLDER)
    mutants = [mutant for path in options.modules or modules() for mutant in mutants_of(path)]
    hunt = Hunt(baseline, options.budget)
    results: list[Result] = []
    if options.again or options.report:
        known = [(mutant, hunt.known(mutant)) for mutant in mutants]
        results = [
            Result(mutant, outcome, earlier=True)
            for mutant, outcome in known
            if outcome and (outcome.killed or options.report)
        ]
        done = {id(result.mutant) for result in results}
        mutants = [mutant for mutant in mutants if id(mutant) not in done]
    untried = len(mutants) if options.report else 0

    def work(number: int) -> None:
        mutant = mutants[number]
        for control in (False, *[True] * (number % CONTROL == 0)):
            result = Result(mutant, hunt.outcome(mutant, control=control), control=control)
            results.append(result)
            print(told(result, number, len(mutants)), flush=True)

    if not options.report:
        with hunt.working(options.jobs), ThreadPoolExecutor(options.jobs) as pool:
            list(pool.map(work, range(len(mutants))))
    text = page(results, minutes=(time.monotonic() - began) / 60, untried=untried)
    if options.write:
        rewrite(options.write, text)
    todo = problems(results, whole=not options.modules)
    print(text, *todo, sep="\n")
    return bool(todo)


if __name__ == "__main__":
    sys.exit(main())
