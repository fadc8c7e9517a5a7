"""
Tell what a new description means for users: ``python -m pipeline.diff [--old PATH]``.

Two parts: the Python names of the generated package, and the wire. Exit status
1 when something breaks, 2 when something could not be compared.
"""

import argparse
import shutil
import subprocess
import sys
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

from attrs import frozen

from pipeline import PipelineError, names, run, wire
from pipeline.generator import CONFIG
from pipeline.sides import Side, build_side
from pipeline.spec import OVERLAY, SPEC, load, read_text

__all__ = ["Line", "Report", "report"]

_PARTS = {"python": "Python names", "wire": "The wire"}


@frozen
class Line:
    """One change, for users' eyes."""

    kind: Literal["breaking", "compatible"]
    part: Literal["python", "wire"]
    text: str


@frozen
class Report:
    """What changes; *notes* say what was not compared, and what stands in the way."""

    lines: tuple[Line, ...]
    notes: tuple[str, ...] = ()
    is_complete: bool = True

    @property
    def breaking(self) -> bool:
        """Whether any change is breaking."""
        return any(line.kind == "breaking" for line in self.lines)

    def render(self, format: str) -> str:  # noqa: A002 - as on the command line
        """Return the report as ``text`` or ``markdown``, breaking lines first."""
        is_markdown = format == "markdown"
        blocks = []
        for part, title in _PARTS.items():
            lines = [line for line in self.lines if line.part == part]
            lines.sort(key=lambda line: line.kind)
            if lines:
                blocks.append(f"### {title}\n" if is_markdown else f"{title}:")
                blocks += [
                    f"- {f'**{line.kind}**' if is_markdown else f'{line.kind:10}'} {line.text}"
                    for line in lines
                ]
                blocks.append("")
        if not self.lines:
            blocks += ["Nothing changes for users.", ""]
        blocks += [f"{'> ' if is_markdown else 'note: '}{note}" for note in self.notes]
        return "\n".join(blocks).rstrip() + "\n"


def report(root: Path, old_spec: str, new_spec: str, *, old_root: Path | None = None) -> Report:
    """
    Compare two descriptions; nothing below *root* is written.

    Python names are compared as corrected, because that is what users import,
    and the wire as published: what a correction hides may change as well. A
    correction that fits no longer is left out, and noted; so is what cannot be
    generated.

    Args:
        root: Where overlay and configuration stand.
        old_spec: The text of the description so far.
        new_spec: The text of the one to come.
        old_root: As *root*, for the old description.

    Raises:
        PipelineError: One of the two is no description.
    """
    load(old_spec, "the old description", remedy="give another one")
    load(new_spec, "the new description", remedy="correct it, or vendor it anew")
    if old_spec == new_spec and old_root is None:
        return Report(())
    with TemporaryDirectory() as folder, ThreadPoolExecutor() as pool:
        aside = {name: Path(folder, name) for name in ("old", "new", "wire")}
        for path in aside.values():
            path.mkdir()
        wire_part = pool.submit(_wire, old_spec, new_spec, aside["wire"])
        old = pool.submit(build_side, "old", old_root or root, old_spec, aside["old"])
        new = pool.submit(build_side, "new", root, new_spec, aside["new"])
        before, after = old.result(), new.result()
        python = _names(before, after)
        rest = wire_part.result()
    is_complete = python.is_complete and rest.is_complete
    return Report(python.lines + rest.lines, python.notes + rest.notes, is_complete)


def main() -> None:
    """Read the command line and print the report."""
    parser = argparse.ArgumentParser(prog="python -m pipeline.diff", description=__doc__)
    parser.add_argument("--old", type=Path, help="the description so far; git's last version")
    parser.add_argument("--format", choices=["text", "markdown"], default="text")
    parser.add_argument(
        "--root", type=Path, default=Path(__file__).parents[1], help="the repository to work on"
    )
    arguments = parser.parse_args()
    root = arguments.root
    new = read_text(root / SPEC)
    if arguments.old:
        outcome = report(root, read_text(arguments.old), new)
    else:
        with TemporaryDirectory() as folder:
            last = _last_version(root, Path(folder))
            outcome = report(root, read_text(last / SPEC), new, old_root=last)
    print(outcome.render(arguments.format), end="")
    if arguments.format == "text":
        print(_next(outcome))
    if outcome.breaking or not outcome.is_complete:
        sys.exit(1 if outcome.breaking else 2)


def _next(outcome: Report) -> str:
    if not outcome.is_complete:
        return "\nnot all could be compared: mend what the notes name, and run make diff again"
    told = "what breaks, and what is new," if outcome.breaking else "what is new"
    return f"\ngo on with make test check; {told} goes into CHANGELOG.md" if outcome.lines else ""


def _wire(old: str, new: str, aside: Path) -> Report:
    try:
        return Report(_lines("wire", wire.compare(old, new, aside) if old != new else ()))
    except wire.WireSkippedError as error:
        return Report((), (f"wire part skipped: {error}",))
    except PipelineError as error:
        return Report((), (f"the wire could not be compared: {error}",), False)


def _lines(
    part: Literal["python", "wire"], changes: Iterable[tuple[bool, str]]
) -> tuple[Line, ...]:
    # One line each: what the description holds may run over several.
    return tuple(
        Line("breaking" if breaks else "compatible", part, " ".join(text.split()))
        for breaks, text in changes
    )


def _names(before: Side, after: Side) -> Report:
    notes = (*before.notes, *after.notes)
    if before.package and after.package:
        return Report(_lines("python", names.compare(before.package, after.package)), notes)
    note = "Python names are compared as far as the descriptions tell them: endpoints and models"
    gone = [(True, f"`{name}` is gone") for name in sorted(before.names - after.names)]
    new = [(False, f"`{name}` is new") for name in sorted(after.names - before.names)]
    return Report(_lines("python", [*gone, *new]), (*notes, note), False)


def _last_version(root: Path, folder: Path) -> Path:
    # The generator is today's on both sides: only the description is compared.
    shutil.copy(root / "pyproject.toml", folder)
    for name in (SPEC, OVERLAY, CONFIG):
        result = subprocess.run(
            ["git", "-C", root, "show", f"HEAD:./{name}"], capture_output=True, check=False
        )
        if result.returncode:
            said = result.stderr.decode(errors="replace").strip()
            raise PipelineError(f"git has no {name}: {said}; give the old one with --old")
        (folder / name).write_bytes(result.stdout)
    return folder


if __name__ == "__main__":
    # 1 is taken: it says that something breaks.
    sys.exit(2 if (status := run(main)) == 1 else status)
