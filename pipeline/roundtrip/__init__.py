"""
Prove that a generated client calls every operation as it is described.

Every module is imported and every operation called, sync and async, through
``setle.connect()``, with the least, the most, and nulls, in processes of their
own. What was sent is compared with the description, value by value, and what
was parsed with what was answered. The description is the published one with
the overlay: what the rules make of it has no say here, nor has generated code.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress

from pipeline import PipelineError
from pipeline.faults import Fault, jsonpath, stop
from pipeline.overlay import OVERLAY
from pipeline.rules import Outcome

__all__ = ["check", "faults"]

SMALL = 20
"""From how many operations on a process more is worth its start."""
_HERE = Path(__file__).parents[2]


def check(spec: dict[str, Any], package: Path, wrapper: Path, outcomes: Iterable[Outcome]) -> str:
    """
    Call all operations of *spec* with the client *package* and the ``setle`` below *wrapper*.

    Returns:
        What to tell of it.

    Raises:
        PipelineError: Something differs, all of which is named.
    """
    stop(faults(spec, package, wrapper, outcomes))
    count = len(_operations(spec))
    who = "its one operation does" if count == 1 else f"its {count} operations do"
    return f"{who} as described"


def faults(
    spec: dict[str, Any], package: Path, wrapper: Path, outcomes: Iterable[Outcome] = ()
) -> list[Fault]:
    """Return where the client *package* differs from *spec*."""
    raised = [note.left_out for outcome in outcomes for note in outcome.notes if note.left_out]
    count = len(_operations(spec))
    shares = min(os.cpu_count() or 1, 1 + count // SMALL)
    task = {"spec": spec, "raised": raised, "shares": shares}
    paths = os.pathsep.join(map(str, (package.parent, wrapper, _HERE)))
    with (
        Progress(
            console=Console(stderr=True),
            transient=True,
            disable=count < SMALL or not sys.stderr.isatty(),
        ) as progress,
        ThreadPoolExecutor(shares) as pool,
    ):
        bar = progress.add_task("calling", total=count)

        def run(share: int) -> list[Fault]:
            found = list[Fault]()
            for told in _share({**task, "share": share}, paths):
                progress.update(bar, advance=1)
                found += _faults(spec, *told)
            return found

        return [fault for found in pool.map(run, range(shares)) for fault in found]


def _share(task: dict[str, Any], paths: str) -> Iterator[tuple[str, list[list[str]]]]:
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("SETLE_", "COV"))
    }
    with (
        subprocess.Popen(
            [sys.executable, "-m", "pipeline.roundtrip.worker"],
            env={
                **environment,
                "PYTHONPATH": paths,
                "PYTHONUTF8": "1",
                "PYTHONDONTWRITEBYTECODE": "1",
            },
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
        ) as process,
        ThreadPoolExecutor() as pool,
    ):
        errors = pool.submit(process.stderr.read)  # type: ignore[union-attr]  # a pipe
        json.dump(task, process.stdin)  # type: ignore[arg-type]  # a pipe
        process.stdin.close()  # type: ignore[union-attr]  # a pipe
        for line in process.stdout or ():
            yield tuple(json.loads(line))
        said = errors.result().strip().splitlines()
    if process.returncode:
        raise PipelineError(
            f"the round trip: {said[-1] if said else f'status {process.returncode}'}; "
            f"the client cannot be imported: correct the spec in {OVERLAY}"
        )


def _faults(spec: dict[str, Any], operation: str, found: list[list[str]]) -> Iterator[Fault]:
    for place, described, seen in found:
        if not operation:
            remedy = "adapt wrapper/setle as tests/pipeline/test_contract.py says"
            print(f"warning: {seen}; {remedy}", file=sys.stderr)
            continue
        action = _action(spec, operation, place)
        remedy = f"mend it in {OVERLAY}" + (", as below" if action else "")
        reason = f"described is {described}, seen was {seen}"
        yield Fault(f"{operation}, {place}", reason, remedy, action)


def _action(spec: dict[str, Any], operation: str, place: str) -> dict[str, Any] | None:
    """Return the action that takes away what the client cannot do at *place*."""
    method, _, path = operation.partition(" ")
    described = spec["paths"].get(path, {}).get(method.lower())
    if described is None:
        return None
    where = ("paths", path, method.lower())
    kind, _, name = place.partition(" ")
    if kind == "answer":
        status = name.partition(".")[0].partition("[")[0]
        answers = described.get("responses") or {}
        if "content" in answers.get(status, {}):
            target = jsonpath((*where, "responses", status, "content"))
            return {"target": f"{target}.*.schema", "remove": True}
    for number, one in enumerate(described.get("parameters") or ()):
        is_it = one.get("in") == kind and one.get("name") in {name, name.partition("[")[0]}
        if is_it and not one.get("required"):
            return {"target": jsonpath((*where, "parameters", number)), "remove": True}
    return None


def _operations(spec: dict[str, Any]) -> list[str]:
    return [
        f"{method.upper()} {path}"
        for path, item in spec["paths"].items()
        for method in item
        if method in {"get", "put", "post", "delete", "options", "head", "patch", "trace"}
    ]
