"""What came of the mutants, and why some of them may live."""

import os
import platform
import tomllib
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import attrs

from tests.mutants.mutations import CORE, Mutant
from tests.mutants.worker import Outcome

COLUMNS = ("mutants", "killed", "never ended", "explained", "not explained")
BEGIN, END = "<!-- begin: written by `make mutants` -->", "<!-- end: written by `make mutants` -->"
EXPLAINED = Path(__file__).parent / "survivors.toml"


@attrs.frozen
class Result:
    """
    A mutant, and what came of it.

    Attributes:
        mutant: The mutant.
        outcome: What came of it.
        control: It was tried without the change.
        earlier: It was killed in an earlier run, when its function was as it is now.
    """

    mutant: Mutant
    outcome: Outcome
    control: bool = False
    earlier: bool = False


@attrs.frozen
class Explanation:
    """Why mutants of a line, found by its text, cannot or need not be killed."""

    module: str
    function: str
    line: str
    mutants: list[str]
    reason: str

    def fits(self, mutant: Mutant) -> bool:
        """Tell whether *mutant* is one of them."""
        return (
            (str(CORE / self.module), self.function, self.line)
            == (mutant.path, mutant.function, mutant.before)
        ) and mutant.after in self.mutants


def explanations() -> list[Explanation]:
    """Return those that are written down."""
    return [Explanation(**entry) for entry in tomllib.loads(EXPLAINED.read_text())["explained"]]


def told(result: Result, number: int, count: int) -> str:
    """Return a line about *result*, the mutant of that *number* of so many."""
    mutant, outcome = result.mutant, result.outcome
    verdict = "killed" if outcome.killed else "LIVES"
    what = "CONTROL " if result.control else ""
    return (
        f"{number}/{count} {what}{verdict} {outcome.seconds:.1f} s {_shown(mutant)} ({outcome.by})"
    )


def problems(results: Sequence[Result], *, whole: bool) -> list[str]:
    """
    Return what is to be done: survivors without a reason, reasons without a mutant.

    The latter only if the *whole* of the core was tried.
    """
    known = explanations()
    lives = [one.mutant for one in results if not one.control and not one.outcome.killed]
    said = [
        f"lives: {_shown(mutant)}" for mutant in lives if not any(one.fits(mutant) for one in known)
    ]
    said += [
        f"killed without a mutant: {one.mutant.path} ({one.outcome.by})"
        for one in results
        if one.control and one.outcome.killed
    ]
    tried = [one.mutant for one in results]
    there = {(mutant.path, mutant.function, mutant.before, mutant.after) for mutant in tried}
    said += [
        f"explained, but is no mutant: {one.module} {one.function}: {one.line} => {after}"
        for one in known
        for after in one.mutants
        if whole and (str(CORE / one.module), one.function, one.line, after) not in there
    ]
    return said


def page(results: Sequence[Result], *, minutes: float, untried: int) -> str:
    """Return what the page says that was measured."""
    known = explanations()
    counts: dict[str, Counter[str]] = {}
    for one in results:
        if not one.control:
            fate = "not explained"
            if any(why.fits(one.mutant) for why in known):
                fate = "explained"
            elif one.outcome.killed:
                fate = "never ended" if one.outcome.by.startswith("no end") else "killed"
            name = Path(one.mutant.path).relative_to(CORE).as_posix()
            counts.setdefault(name, Counter()).update(["mutants", fate])
    total = sum(counts.values(), Counter[str]())
    rows = [
        f"| {name} | " + " | ".join(f"{row[column]:,}" for column in COLUMNS) + " |"
        for name, row in [*sorted(counts.items()), ("**all**", total)]
    ]
    ends = total["killed"] + total["never ended"]
    earlier = sum(one.earlier for one in results)
    controls = [one.outcome.killed for one in results if one.control]
    versions = ", ".join(f"{name} {version(name)}" for name in ("mutmut", "pytest", "coverage"))
    parts = [
        f"Measured on {datetime.now(UTC):%Y-%m-%d}"
        + (f" in {minutes:.0f} minutes" if minutes >= 1 else "")
        + f", with Python {platform.python_version()} on {platform.system()} "
        f"{platform.machine()}, {os.cpu_count()} cores; {versions}."
        + (f" {untried:,} mutants were not tried." if untried else ""),
        f"**{ends:,} of {total['mutants']:,} mutants are killed, {ends / total['mutants']:.1%}**; "
        f"{total['explained']} live and are explained, {total['not explained']} live and are not. "
        f"{earlier:,} were tried in earlier runs, with their function as it is."
        + (
            f" The same tests failed {sum(controls)} times of {len(controls)} where nothing was"
            " changed."
            if controls
            else ""
        ),
        "\n".join([f"| module | {' | '.join(COLUMNS)} |", "|---" + "|--:" * 5 + "|", *rows]),
        "## Those that live",
        "\n".join(map(_reason, known)) or "None.",
    ]
    return "\n\n".join(parts)


def rewrite(path: Path, text: str) -> None:
    """Put *text* between the two marks of the page at *path*."""
    before, _, rest = path.read_text("utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    path.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{after}", "utf-8")


def _reason(one: Explanation) -> str:
    changes = "".join(f"\n    - `{after}`" for after in one.mutants)
    where = f"{one.module}, {one.function}" if one.function else one.module
    return f"- {where}: `{one.line}`; {one.reason}{changes}"


def _shown(mutant: Mutant) -> str:
    where = f"{mutant.path}:{mutant.first} {mutant.function}"
    return f"{where}: {mutant.before} => {mutant.after}"
