"""Find the links in a line of markdown, in every form they have."""

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from pipeline import PipelineError

__all__ = ["Link", "definitions", "links"]

_DEFINITION = re.compile(r" {0,3}\[((?:\\.|[^\]\\])+)\]:\s*<?([^\s>]+)")
_TARGET = re.compile(
    r"\(\s*(?:<([^<>\n]*)>|((?:\\.|[^\s()\\]|\([^\s()]*\))+))(?:\s+[\"'(].*?[\"')])?\s*\)"
)
_BARE = re.compile(r"<?(https?://[^\s<>\[\]]*[^\s<>\[\].,;:!?\"')])>?")


class Link(NamedTuple):
    """A link: what it is called, and where it leads."""

    title: str
    target: str


def definitions(text: str) -> dict[str, str]:
    """Return where the references that *text* defines lead, by their names."""
    found = (_DEFINITION.match(line) for line in text.splitlines())
    return {_key(match[1]): match[2] for match in found if match}


def links(line: str, known: Mapping[str, str]) -> Iterator[Link]:
    """
    Yield the links in *line*; *known* says where references lead.

    Raises:
        PipelineError: It holds what may be a link, but leads nowhere.
    """
    if _DEFINITION.match(line):
        return
    place = 0
    while place < len(line):
        if line[place] == "\\":
            place += 2
        elif line[place] == "[" and (end := _closing(line, place)):
            title = line[place + 1 : end]
            target, place_after = _target(line, end + 1, title, known)
            if target is None:
                # No link, or one further in.
                place += 1
            else:
                yield Link(re.sub(r"\\(.)", r"\1", title), target)
                place = place_after
        elif match := _BARE.match(line, place):
            yield Link("", match[1])
            place = match.end()
        elif line.startswith("](", place) or line.startswith("][", place):
            raise PipelineError(
                f"the line {line.strip()!r} holds a link that cannot be read; "
                "vendor the pages or the file by themselves"
            )
        else:
            place += 1


def _closing(line: str, start: int) -> int:
    """Return where the bracket that opens at *start* is closed, or 0."""
    depth, place = 0, start
    while place < len(line):
        if line[place] == "\\":
            place += 1
        elif line[place] in "[]":
            depth += 1 if line[place] == "[" else -1
            if not depth:
                return place
        place += 1
    return 0


def _target(line: str, after: int, title: str, known: Mapping[str, str]) -> tuple[str | None, int]:
    if match := _TARGET.match(line, after):
        return re.sub(r"\\(.)", r"\1", match[1] or match[2]), match.end()
    name, end = title, after
    if line.startswith("[", after) and (end := _closing(line, after)):
        name, end = line[after + 1 : end] or title, end + 1
        if _key(name) not in known:
            raise PipelineError(
                f"the line {line.strip()!r} refers to {name!r}, which the index does not define; "
                "vendor the pages or the file by themselves"
            )
    return known.get(_key(name)), end or after


def _key(name: str) -> str:
    return " ".join(name.split()).casefold()
