"""Show what a new description changes before it takes the old one's place."""

import sys
from pathlib import Path
from typing import Any

from pipeline import PipelineError, overlay
from pipeline.diff import report
from pipeline.document import parse
from pipeline.merge import Place, label, parts
from pipeline.spec import OVERLAY, SPEC, read_text

__all__ = ["changes", "show"]


def show(root: Path, new: str) -> None:
    """
    Print how the description *new* differs from the one below *root*.

    Where *new* cannot be generated from, that is said on stderr: the overlay or
    the class overrides are to be adapted to it, and for that it has to be there.
    """
    old = read_text(root / SPEC) if (root / SPEC).exists() else ""
    print("\n".join(changes(old, new) or ["nothing but its wording or order changes"]))
    if old:
        try:
            print(report(root, old, new).render("text").rstrip())
        except PipelineError as error:
            print("note: no report on what it means for users:", error, file=sys.stderr)
    try:
        overlay.apply(new, read_text(root / OVERLAY))
    except PipelineError as error:
        print("note: make generate will stop:", *str(error).split(), file=sys.stderr)


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
