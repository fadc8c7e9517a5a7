"""`docs/faults.md` says what the tests saw: drift, gaps and idle rows fail the session."""

import re

import pytest

from tests.support.fault_page import rows_of

pytest_plugins = ["pytester"]

TESTS = """
import pytest
from tests.support.faults import fault, saw, times

calls = 3

@fault("Network", "nobody listens", "an error in time")
@pytest.mark.parametrize("place", range(2))
def test_nobody_listens(place):
    saw(times(calls, "call"))

@pytest.mark.parametrize(
    "case", [pytest.param(1, marks=fault("Clocks", "a step", "one request")), pytest.param(2)]
)
def test_clock(case):
    saw(times(case, "request"))
"""
Session = pytest.Pytester


WRITTEN = list[str]()


@pytest.fixture
def session(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Session:
    """A project of two faults, whose page is written; once for all tests, which is quicker."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")  # each takes its time to load
    pytester.makepyprojecttoml('[tool.pytest.ini_options]\ntestpaths = ["tests"]')
    for name in ("docs", "tests"):
        pytester.mkdir(name)
    (pytester.path / "tests" / "test_it.py").write_text(TESTS)
    page = pytester.path / "docs" / "faults.md"
    if not WRITTEN:
        assert run(pytester, "--write-faults", "-m", "fault").ret == pytest.ExitCode.OK
        WRITTEN.append(page.read_text())
    page.write_text(WRITTEN[0])
    return pytester


def run(session: Session, *options: str) -> pytest.RunResult:
    return session.runpytest_inprocess("-p", "tests.support.faults", *options)


def page_of(session: Session) -> str:
    return (session.path / "docs" / "faults.md").read_text()


def change(session: Session, old: str, new: str, path: str = "tests/test_it.py") -> None:
    file = session.path / path
    assert old in file.read_text()
    file.write_text(file.read_text().replace(old, new))


def test_the_page_is_written_by_the_tests(session: Session) -> None:
    """A row for each fault, with what was seen and by how many cases of which test."""
    text = (session.path / "docs" / "faults.md").read_text()
    assert [(row.group, row.seen, row.tests) for row in rows_of(text)] == [
        ("Network", "3 calls", "`test_it.py::test_nobody_listens`, 2 cases"),
        ("Clocks", "1 request", "`test_it.py::test_clock`"),
    ]
    assert "make faults" in text


@pytest.mark.parametrize("options", [(), ("-k", "clock")], ids=["all", "some"])
def test_a_page_that_is_true_passes(session: Session, options: tuple[str, ...]) -> None:
    """Whichever of its tests run."""
    assert run(session, *options).ret == pytest.ExitCode.OK


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("calls = 3", "calls = 4"),
        ("an error in time", "no error"),
        ("nobody listens", "nobody answers"),
        ('saw(times(calls, "call"))', "pass"),
        ('saw(times(calls, "call"))', 'saw(times(place, "call"))'),
    ],
    ids=["seen", "promised", "injected", "silent", "cases that differ"],
)
def test_a_row_that_drifts_fails_the_session(session: Session, old: str, new: str) -> None:
    """Though each test passes; the message names the fault and the remedy."""
    change(session, old, new)
    result = run(session, "-k", "listens")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert "failed" not in result.parseoutcomes()
    result.stdout.re_match_lines([".*(nobody|test_nobody)", ".*run `make faults`"])


def test_a_row_of_no_test_fails_a_whole_session(session: Session) -> None:
    """Part of the tests cannot know."""
    change(session, "@fault(", "@(lambda *texts: lambda test: test)(")
    assert run(session, "tests/test_it.py").ret == pytest.ExitCode.OK
    result = run(session)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.re_match_lines([".*nobody listens", ".*is of no test any more"])


def test_a_case_that_comes_or_goes_fails_a_whole_session(session: Session) -> None:
    """The number of cases is on the page."""
    change(session, "range(2)", "range(3)")
    assert run(session).ret == pytest.ExitCode.TESTS_FAILED


@pytest.mark.parametrize("failing", ["assert place", "pytest.skip('no such thing here')"])
def test_a_test_that_fails_or_is_skipped_writes_no_row(session: Session, failing: str) -> None:
    """The old one stays, if there is one, and the session fails."""
    page = session.path / "docs" / "faults.md"
    change(session, "    saw(times(calls", f"    {failing}\n    saw(times(4 * calls")
    for there, seen in ((True, "3 calls"), (False, None)):
        if not there:
            page.unlink()
        result = run(session, "--write-faults", "-m", "fault")
        assert result.ret == pytest.ExitCode.TESTS_FAILED
        assert {row.group: row.seen for row in rows_of(page.read_text())}.get("Network") == seen


def test_an_interrupted_session_takes_no_row_away(session: Session) -> None:
    """Whatever it had not come to is still there."""
    change(session, "    saw(times(calls", "    raise KeyboardInterrupt\n    saw(times(calls")
    with pytest.raises(KeyboardInterrupt):
        run(session, "--write-faults", "-m", "fault")
    assert len(rows_of(page_of(session))) == 2


def test_part_of_the_tests_writes_its_own_rows(session: Session) -> None:
    """Those of the others stay as they are, until all of them run."""
    change(session, "calls = 3", "calls = 4")
    change(session, "a step", "a jump")
    assert run(session, "--write-faults", "-k", "clock").ret == pytest.ExitCode.OK
    rows = {row.injected: row.seen for row in rows_of(page_of(session))}
    assert rows == {"nobody listens": "3 calls", "a step": "1 request", "a jump": "1 request"}
    assert run(session, "--write-faults", "-m", "fault").ret == pytest.ExitCode.OK
    rows = {row.injected: row.seen for row in rows_of(page_of(session))}
    assert rows == {"nobody listens": "4 calls", "a jump": "1 request"}


def test_it_holds_for_workers_as_well(session: Session) -> None:
    """With xdist, what they see is judged once, by their controller."""
    change(session, "calls = 3", "calls = 4")
    result = run(session, "-p", "xdist.plugin", "--numprocesses", "1", "--dist", "worksteal")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert re.search("now: 4 calls\n *page: 3 calls", result.stdout.str())
