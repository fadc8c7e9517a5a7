"""Generate from each of two descriptions, whatever state they are in."""

from pathlib import Path

from attrs import frozen

from pipeline import PipelineError, names, overlay, rules
from pipeline.faults import reasons
from pipeline.generate import inspect
from pipeline.generator import render
from pipeline.spec import OVERLAY, load, read_text
from pipeline.validate import faults

__all__ = ["Side", "build_side"]


@frozen
class Side:
    """What came of one of the two descriptions; without a *package* there are its *names* yet."""

    package: Path | None
    names: set[str]
    notes: tuple[str, ...]


def build_side(side: str, root: Path, text: str, aside: Path) -> Side:
    """Generate from the description *text*, below *aside*, as far as can be; *side* is its name."""
    unfit: list[str] = []
    spec = load(text, f"the {side} description", remedy="correct it")
    overlay.apply(spec, read_text(root / OVERLAY), unfit=unfit)
    notes = [f"compared without a correction, on the {side} description: {one}" for one in unfit]
    found = list(faults(spec))
    if side == "new":
        notes += [f"make generate will stop: {one}" for one in reasons(found)]
    try:
        ruled, _ = rules.apply(spec)
        package, left = render(root, ruled, aside, strict=False)
        notes += [f"compared without a part, on the {side} description: {one}" for one in left]
        if side == "new" and not unfit and not found:
            try:
                inspect(root, ruled, package)
            except PipelineError as error:
                notes.append(f"make generate will stop: {error}")
    except PipelineError as error:
        notes.append(f"the {side} description cannot be generated from: {error}")
        return Side(None, names.listed(spec), tuple(notes))
    return Side(package, names.listed(ruled), tuple(notes))
