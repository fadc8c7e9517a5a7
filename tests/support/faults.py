"""
What a fault comes to, told by the tests that make it: the rows of ``docs/faults.md``.

A test carries `fault`, and tells by `saw` what it measured. `make faults` writes the page. Any
other session compares the rows of the tests that ran with the page, and fails where they differ.
"""

from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

import pytest

import setle
from tests.support.fault_page import Row, differences, merged, page, rows_of, tests_of

if TYPE_CHECKING:
    from setle.testing import Sandbox

Group: TypeAlias = Literal[
    "Answers",
    "Statuses",
    "Network",
    "Proxies",
    "TLS",
    "DNS",
    "Rejected tokens",
    "Clocks",
    "Suspends",
    "Forks",
    "Signals",
    "Kills",
    "Memory store",
    "File store",
    "Redis and Valkey",
    "Stores of your own",
    "Configuration",
    "Callables and foreign code",
    "Shutdown",
    "Secrets",
]
NARROWED = ("keyword", "deselect", "ignore", "ignore_glob", "lf", "stepwise")

_properties: list[tuple[str, object]] = []  # of the test that runs


def fault(group: Group, injected: str, promised: str) -> pytest.MarkDecorator:
    """Mark a test, or a case of it, that puts *injected* in. Cases may share a row."""
    return pytest.mark.fault(group, injected, promised)


def saw(*said: str) -> None:
    """
    Tell what came of the fault, once everything has been asserted.

    Args:
        *said: Made of what was measured, and the same each time: counts, types, yes or no. Of a
            time only whether it was kept.
    """
    _properties.append(("saw", "; ".join(said)))


def times(number: int, noun: str) -> str:
    """Return *number* with its *noun*, as in "1 token request" and "no calls"."""
    return f"{number or 'no'} {noun}{'' if number == 1 else 's'}"


def every(good: int, total: int, noun: str) -> str:
    """Return "every" *noun* if all were *good*, whose number may vary, or else how many were."""
    return f"every {noun}" if good == total else f"{good} of {times(total, noun)}"


def yes(condition: object) -> str:
    """Return whether *condition* holds."""
    return "yes" if condition else "no"


def naming(said: object, *words: str) -> str:
    """Return whether a message names what is to blame."""
    return f"names it: {yes(all(word in str(said) for word in words))}"


def asked(sandbox: "Sandbox") -> str:
    """Return how many token requests *sandbox* got."""
    return times(sandbox.token_requests, "token request")


def named(outcome: object) -> str:
    """Return *outcome* by its public type, an error with its status."""
    if isinstance(outcome, setle.AccessToken):
        return "a token"
    status = getattr(outcome, "status_code", None)
    kind = next(kind for kind in type(outcome).__mro__ if hasattr(setle, kind.__name__))
    return kind.__name__ + (f" ({status})" if status else "")


# The plugin.


def pytest_addoption(parser: pytest.Parser) -> None:
    about = "write the rows of the tests that run into docs/faults.md"
    parser.addoption("--write-faults", action="store_true", help=about)


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "fault(group, injected, promised): a row of docs/faults.md")
    if not hasattr(config, "workerinput"):  # what xdist's workers see comes to their controller
        config.pluginmanager.register(_Ledger(config), "faults")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for place, item in enumerate(items):
        if mark := item.get_closest_marker("fault"):
            assert mark.args[0] in get_args(Group)
            assert not any("|" in text for text in mark.args), "it would end its column"
            item.user_properties.append(("fault", [place, *mark.args]))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Any:
    _properties.clear()
    yield
    item.user_properties += _properties


def _is_whole(config: pytest.Config) -> bool:
    option = config.option
    return (
        config.args_source is pytest.Config.ArgsSource.TESTPATHS
        and option.markexpr in ("", "fault")
        and not any(getattr(option, name, None) for name in NARROWED)
    )


class _Ledger:
    """Gathers the rows of a session, and writes the page or compares them with it."""

    def __init__(self, config: pytest.Config) -> None:
        self._path = config.rootpath / "docs" / "faults.md"
        self._writes = config.option.write_faults
        self._is_whole = _is_whole(config)
        self._cases = dict[str, list[Any]]()  # place, group, injected, promised
        self._said = dict[str, list[str]]()
        self._failed = set[str]()
        self._complaints = list[str]()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        told: list[Any] = [value for name, value in report.user_properties if name == "fault"]
        if told:
            self._cases[report.nodeid] = told[0]
        if report.failed:
            self._failed.add(report.nodeid)
        elif report.when == "call" and report.passed:
            said = [value for name, value in report.user_properties if name == "saw"]
            self._said[report.nodeid] = [*map(str, said)]

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if not self._cases:
            return
        rows = self._rows()
        ended = session.exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED)
        whole = self._is_whole and ended and not (session.shouldstop or session.shouldfail)
        known = {(group, injected) for _, group, injected, _ in self._cases.values()}
        written = rows_of(self._path.read_text("utf-8")) if self._path.exists() else []
        if self._writes:
            silent = known - {row.key for row in rows}
            self._complaints += [f"{': '.join(key)}: no test told of it" for key in sorted(silent)]
            rows = merged(rows, written, known, whole=whole)
            self._path.write_text(page(rows, get_args(Group)), "utf-8")
        else:
            self._complaints += differences(rows, written, known, whole=whole)
        if self._complaints and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def _rows(self) -> list[Row]:
        """Return a row for each fault that a test told of, in the order of the tests."""
        cases = sorted((case, test) for test, case in self._cases.items())
        keys = dict.fromkeys((group, injected) for (_, group, injected, _), _ in cases)
        return [row for key in keys if (row := self._row(key, cases))]

    def _row(self, key: tuple[str, str], cases: list[tuple[list[Any], str]]) -> Row | None:
        mine = [(case[3], test) for case, test in cases if (case[1], case[2]) == key]
        tests = dict.fromkeys(test for _, test in mine)
        if self._failed & tests.keys():
            return None
        good = [test for test in tests if test in self._said]
        silent = [test for test in good if len(self._said[test]) != 1]
        self._complaints += [f"{test}: saw() is to be called once" for test in silent]
        seen = dict.fromkeys(self._said[test][0] for test in good if test not in silent)
        promised = dict.fromkeys(text for text, _ in mine)
        if len(promised) > 1 or len(seen) > 1:
            both = "".join(f"\n  {text}" for text in (*promised, *seen))
            self._complaints.append(f"{': '.join(key)}: its cases do not agree{both}")
            return None
        if not seen:
            return None
        return Row(*key, next(iter(promised)), next(iter(seen)), tests_of([*tests]))

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if self._complaints:
            terminalreporter.section("docs/faults.md", red=True)
            for line in self._complaints:
                terminalreporter.line(line)
            terminalreporter.line("Look at what was seen; if it is right, run `make faults`.")
