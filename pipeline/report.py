"""Show what a new description changes before it takes the old one's place."""

import sys
from pathlib import Path
from typing import Any

from pipeline import PipelineError, overlay
from pipeline.diff import report
from pipeline.document import parse
from pipeline.faults import actions_of, pasted, reasons
from pipeline.merge import Place, label, parts
from pipeline.spec import OVERLAY, SPEC, load, read_text
from pipeline.validate import faults

__all__ = ["changes", "show"]


def show(root: Path, new: str) -> str:
    """
    Print how the description *new* differs from the one below *root*.

    Returns:
        The files to mend before *new* can be generated from, with what is to be
        mended told on stderr; empty if there is nothing.
    """
    old = read_text(root / SPEC) if (root / SPEC).exists() else ""
    print("\n".join(changes(old, new) or ["nothing but its wording or order changes"]))
    if old:
        try:
            print(report(root, old, new).render("text").rstrip())
        except PipelineError as error:
            print("note: no report on what it means for users:", error, file=sys.stderr)
    spec = load(new, SPEC, remedy="vendor another one")
    unfit: list[str] = []
    try:
        overlay.apply(spec, read_text(root / OVERLAY), unfit=unfit)
    except PipelineError as error:  # it is no overlay at all
        unfit.append(str(error))
    found = list(faults(spec))
    for line in [*unfit, *reasons(found)]:
        print("to mend:", line, file=sys.stderr)
    if actions := actions_of(found):
        print(pasted(actions), file=sys.stderr)
    return OVERLAY if unfit or found else ""


def changes(old: str, new: str) -> list[str]:
    """Return a line for each part of *old* and *new* that was added, removed or changed."""
    before, after = _parts(old), _parts(new)
    lines = []
    for place in sorted(before.keys() | after.keys(), key=_operations_first):
        if place not in before:
            lines.append(f"+ {label(place)}")
        elif place not in after:
            lines.append(f"- {label(place)}")
        elif before[place] != after[place]:
            lines.append(f"~ {label(place)}")
    return lines


def _operations_first(place: Place) -> tuple[bool, Place]:
    return place[0] != "paths", place


def _parts(text: str) -> dict[Place, Any]:
    try:
        return parts(parse(text, SPEC))
    except PipelineError:  # the one to be replaced may be anything
        return {}
