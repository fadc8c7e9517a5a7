"""The tables and plots of a soak."""

import os
import platform
import traceback
from collections import Counter
from datetime import UTC, datetime
from importlib.metadata import version
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING

import setle
from benchmarks._plot import WIDTH, card, key, text
from benchmarks._table import aligned
from tests.soak.faults import LANES
from tests.soak.samples import RESOURCES
from tests.soak.verdicts import Verdict

if TYPE_CHECKING:
    from tests.soak.soak import Soak

COMMAND = "make soak"
_LANES = {
    "endpoint": "token endpoint, network, credentials",
    "tokens": "tokens",
    "stores": "stores",
    "processes": "processes, signals, clocks",
}
_LEFT, _TOP, _WIDTH, _HEIGHT = 56, 64, 396, 200
_SHOWN = 10


def failures(soak: "Soak", verdicts: list[Verdict]) -> str:
    """Return what did not hold, and where; nothing if all did."""
    lines = ["".join(traceback.format_exception(error)) for error in soak.failures]
    for verdict in verdicts:
        if verdict.violations:
            lines.append(f"{verdict.name}: {len(verdict.violations)} times not")
            lines += [f"  {each[:2_000]}" for each in verdict.violations[:_SHOWN]]
    return "\n".join(lines)


def faults(soak: "Soak", *, markdown: bool) -> str:
    """Return how often each fault was injected."""
    counts = soak.ledger.counts()
    rows = [
        (_LANES[lane], name, f"{counts[lane, name]:,}") for lane in LANES for name in LANES[lane]
    ]
    return aligned([("where", "fault", "times"), *rows], markdown=markdown, left=(0, 1))


def invariants(verdicts: list[Verdict], *, markdown: bool) -> str:
    """Return what was promised and what was seen."""
    rows = [(each.name, each.promised, each.seen) for each in verdicts]
    head = ("invariant", "promised: how it is judged", "seen")
    return aligned([head, *rows], markdown=markdown, left=range(3))


def as_text(soak: "Soak", verdicts: list[Verdict]) -> str:
    """Return the tables for a terminal."""
    said = "\n".join(f"{each.name} ({each.promised}):\n    {each.seen}" for each in verdicts)
    return f"{faults(soak, markdown=False)}\n\n{said}"


def write(page: Path, soak: "Soak", verdicts: list[Verdict], command: str) -> None:
    """Write *page*, and its plots beside it; *command* is what was typed."""
    plots = []
    for number, resource in enumerate(RESOURCES):
        curves = {
            pid: [sample[number] for sample in taken] for pid, taken in soak.samples.taken.items()
        }
        name = f"{page.stem}-{resource.name}.svg"
        title = f"Long-lived workers: {resource.name}"
        of_all = (soak.seconds, soak.samples.times, curves, soak.crew.lasting)
        drawn = plot(title, resource.unit, *of_all)
        (page.parent / name).write_text(drawn, "utf-8")
        plots.append(f"![{title}: {resource.unit}, over the time of the soak]({name})")
    stores = Counter([*soak.crew.lasting.values(), *soak.crew.mortal.values()])
    counts = (
        f"{stores['memory']} with a store of their own in memory, {stores['file']} with one file"
        f" store, {stores['Valkey']} with one Valkey"
    )
    lines = [
        "# A soak of faults",
        "",
        f"{len(soak.ledger.faults):,} faults at random in {soak.seconds:g} seconds, while"
        f" {len(soak.crew.pids)} processes call the API; run and written by",
        "",
        f"    {COMMAND}",
        "",
        "It fails, and leaves this page as it is, if one of the invariants below does not hold.",
        f"`{COMMAND} SEED={soak.seed}` draws the same faults again, and `SECONDS=60` makes it a"
        " minute.",
        "",
        f"Run on {datetime.now(UTC):%Y-%m-%d} by `{command}`: {soak.seconds:g} s, seed"
        f" {soak.seed}; setle-client {setle.__version__},",
        f"httpx {version('httpx')}, redis-py {version('redis')}, Python"
        f" {platform.python_version()} on {platform.system()} {platform.machine()},"
        f" {os.cpu_count()} cores.",
        "",
        "## Who calls",
        "",
        f"Of the processes there are {counts}. Each has one client of `setle.connect()`, which two",
        "threads, two asyncio tasks and two trio tasks call twice a second, and forked children.",
        f"Handlers of signals ask its `TokenSource`. {len(soak.crew.mortal)} of the processes are"
        " killed now and then, and replaced;",
        f"the others live as long as the soak. A token lives for {soak.ledger.lifetime:g} s.",
        "",
        "Endpoint, stores, network and processes are real ones, on one machine. What is not: a",
        "process's wall clock is set by time-machine, and the machine's own by nobody.",
        "",
        "## What must hold",
        "",
        invariants(verdicts, markdown=True),
        "",
        "A process that is suspended between getting a token and sending it cannot know, so that",
        "is left out of the first row; so is, in the second, a token that the process's own clock",
        "may have ended.",
        "",
        "Between two threads, httpcore may take the answer on a connection that it has just given",
        "to one of them for the server's end of it, and closes it (encode/httpcore#1110). Plain",
        "httpx loses such calls as well, as `tests/soak/test_httpcore.py` shows; setle sends none",
        "again, as it may have arrived. [A transport that retries](recipes.md) does, where it may.",
        "",
        *plots,
        "",
        "## What went wrong",
        "",
        faults(soak, markdown=True),
        "",
    ]
    page.write_text("\n".join(lines), "utf-8")


def plot(
    title: str,
    unit: str,
    seconds: float,
    times: list[float],
    curves: dict[int, list[float]],
    names: dict[int, str],
) -> str:
    """Return a plot of *curves* over *times*, one for each process, coloured by its name."""
    most = max(map(max, curves.values()))
    step = next(step for step in (1, 2, 5, 10, 20, 50, 100, 1_000) if most <= 6 * step)
    ticks, bottom, kinds = ceil(most / step), _TOP + _HEIGHT, list(dict.fromkeys(names.values()))
    parts = [text(16, 48, unit)]
    for tick in range(ticks + 1):
        y = bottom - _HEIGHT * tick / ticks
        parts.append(f'<path class="grid" d="M{_LEFT} {y:.1f}H{_LEFT + _WIDTH}"/>')
        parts.append(text(_LEFT - 8, y + 4, f"{tick * step:,}", anchor="end"))
    for tick in range(6):
        x = _LEFT + _WIDTH * tick / 5
        parts.append(text(x, bottom + 20, f"{seconds * tick / 5:,.0f}", anchor="middle"))
    parts.append(text(WIDTH / 2, bottom + 42, "seconds", anchor="middle"))
    for pid, values in curves.items():
        points = " ".join(
            f"{_LEFT + _WIDTH * at / seconds:.1f},{bottom - _HEIGHT * value / ticks / step:.1f}"
            for at, value in zip(times, values, strict=False)  # the last may be of some only
        )
        parts.append(f'<polyline class="line c{kinds.index(names[pid])}" points="{points}"/>')
    parts += [key(bottom + 66 + 20 * n, n, f"store: {kind}") for n, kind in enumerate(kinds)]
    return card(title, bottom + 60 + 20 * len(kinds), parts)
