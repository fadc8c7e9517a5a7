"""What `make mutants` does, in short."""

from pathlib import Path

import pytest

from tests.mutants import baseline
from tests.mutants.mutations import CORE, changes_of
from tests.mutants.report import explanations
from tests.mutants.tree import TEXTS, copied
from tests.mutants.worker import Worker

NEEDED = (
    "benchmarks",
    "docs/faults.md",
    "generated",
    "wrapper",
    "pyproject.toml",
    "tests/conftest.py",
    "tests/support",
    "tests/mutants",
)


def test_what_is_explained_is_there() -> None:
    """Each line of which a change may live is in the code as it is."""
    for one in explanations():
        code = (CORE / one.module).read_text("utf-8")
        assert one.line in " ".join(code.split()), one.line


@pytest.mark.usefixtures("unmeasured")
def test_a_baseline_tells_which_tests_reach_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those of a folder that is not measured count by their name and their time alone."""
    points = "tests/core/test_time.py"
    monkeypatch.setattr(baseline, "TESTS", [points, TEXTS])
    copied(tmp_path / "tree", *NEEDED, points, "tests/docs", "docs", "README.md")
    found = baseline.measured(tmp_path / "tree", tmp_path / "measured", jobs=1)
    reached = {test for tests in found.reached[str(CORE / "_time.py")].values() for test in tests}
    assert f"{points}::test_points[1.0-0.95-0.85-0.9]" in reached
    assert {test.partition("::")[0] for test in found.seconds} == {points, TEXTS}


@pytest.mark.usefixtures("unmeasured")
def test_a_mutant_is_killed(tmp_path: Path) -> None:
    """The tests of a module find what is changed in it; they, and no test that is no more."""
    test = "tests/core/test_time.py"
    copied(tmp_path / "tree", *NEEDED, test)
    module = CORE / "_time.py"
    mutant = next(
        one for one in changes_of(module) if one.after == "return lifetime + margin(lifetime)"
    )
    with Worker(tmp_path / "tree") as worker:
        outcomes = [
            worker.run(str(module), source, [f"{test}::{name}"], 300.0)
            for source, name in (
                (module.read_text(), "test_points[1.0-0.95-0.85-0.9]"),
                (mutant.source(module.read_text()), "test_points[1.0-0.95-0.85-0.9]"),
                (mutant.source(module.read_text()), "test_that_is_no_more"),
            )
        ]
    assert [outcome.killed for outcome in outcomes] == [False, True, False]
