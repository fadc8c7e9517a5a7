"""
Prove that a generated client calls every operation as it is described.

Every module is imported and every operation called, sync and async, through
``setle.connect()``, with the least, the most, and nulls, in processes of their
own. What was sent is compared with the description, value by value, and what
was parsed with what was answered. The description is the published one with
the overlay: what the rules make of it has no say here, nor has generated code.
"""

import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress

from pipeline import PipelineError
from pipeline.faults import Fault, jsonpath, stop
from pipeline.overlay import OVERLAY
from pipeline.processes import processes
from pipeline.roundtrip.compare import Difference
from pipeline.roundtrip.worker import begin, described, differences, look_over
from pipeline.rules import Outcome

__all__ = ["check", "faults"]

SMALL = 20
"""From how many operations on a process more is worth its start."""


def check(spec: dict[str, Any], package: Path, wrapper: Path, outcomes: Iterable[Outcome]) -> str:
    """
    Call all operations of *spec* with the client *package* and the ``setle`` below *wrapper*.

    Returns:
        What to tell of it.

    Raises:
        PipelineError: Something differs, all of which is named.
    """
    stop(faults(spec, package, wrapper, outcomes))
    count = len(described(spec))
    who = "its one operation does" if count == 1 else f"its {count} operations do"
    return f"{who} as described"


def faults(
    spec: dict[str, Any], package: Path, wrapper: Path, outcomes: Iterable[Outcome] = ()
) -> list[Fault]:
    """Return where the client *package* differs from *spec*."""
    raised = [note.left_out for outcome in outcomes for note in outcome.notes if note.left_out]
    operations = described(spec)
    count = len(operations)
    paths = [str(package.parent), str(wrapper)]
    with (
        Progress(
            console=Console(stderr=True),
            transient=True,
            disable=count < SMALL or not sys.stderr.isatty(),
        ) as progress,
        processes(min(os.cpu_count() or 1, 1 + count // SMALL), begin, spec, raised, paths) as pool,
    ):
        bar = progress.add_task("calling", total=count)
        found = list[Fault]()
        try:
            whole = pool.submit(look_over)
            for told in pool.map(differences, operations):
                progress.update(bar, advance=1)
                found += _faults(spec, *told)
            return [fault for one in whole.result() for fault in _faults(spec, *one)] + found
        except Exception as error:  # whatever a process of the pool raised, or died of
            raise PipelineError(
                f"the round trip: {type(error).__name__}: {error}; "
                f"the client cannot be imported: correct the spec in {OVERLAY}"
            ) from error


def _faults(spec: dict[str, Any], operation: str, found: list[Difference]) -> Iterator[Fault]:
    for place, wanted, seen in found:
        if not operation:
            remedy = "adapt wrapper/setle as tests/pipeline/test_contract.py says"
            print(f"warning: {seen}; {remedy}", file=sys.stderr)
            continue
        action = _action(spec, operation, place)
        remedy = f"mend it in {OVERLAY}" + (", as below" if action else "")
        reason = f"described is {wanted}, seen was {seen}"
        yield Fault(f"{operation}, {place}", reason, remedy, action)


def _action(spec: dict[str, Any], operation: str, place: str) -> dict[str, Any] | None:
    """Return the action that takes away what the client cannot do at *place*."""
    method, _, path = operation.partition(" ")
    called = spec["paths"].get(path, {}).get(method.lower())
    if called is None:
        return None
    where = ("paths", path, method.lower())
    kind, _, name = place.partition(" ")
    if kind == "answer":
        status = name.partition(".")[0].partition("[")[0]
        answers = called.get("responses") or {}
        if "content" in answers.get(status, {}):
            target = jsonpath((*where, "responses", status, "content"))
            return {"target": f"{target}.*.schema", "remove": True}
    for number, one in enumerate(called.get("parameters") or ()):
        is_it = one.get("in") == kind and one.get("name") in {name, name.partition("[")[0]}
        if is_it and not one.get("required"):
            return {"target": jsonpath((*where, "parameters", number)), "remove": True}
    return None
