"""The timeline: one row per token, from left to right the time it served."""

from collections.abc import Iterator
from typing import NamedTuple

from rich.text import Text

from .story import Story, Token

_COLOURS = ("cyan", "green", "magenta", "blue", "yellow")
_LABEL = 8
_COUNT = 7
_NARROWEST = 20


class Glyphs(NamedTuple):
    """What the picture is made of; each one column wide."""

    served: str
    asking: str
    early: str
    waited: str
    refused: str
    revoked: str
    tick: str
    good: str
    bad: str


UNICODE = Glyphs("━", "┄", "◇", "○", "✗", "▼", "╵", "✓", "✗")
ASCII = Glyphs("=", ".", "^", "o", "x", "!", "'", "OK", "!!")


class _Line:
    """One line of the chart, as wide as the time shown."""

    def __init__(self, width: int, seconds: float) -> None:
        self._cells = [(" ", "")] * width
        self._seconds = seconds

    def _column(self, at: float) -> int:
        last = len(self._cells) - 1
        return max(0, min(last, int(at / self._seconds * len(self._cells))))

    def fill(self, start: float, end: float, glyph: str, style: str) -> None:
        for column in range(self._column(start), self._column(end) + 1):
            self._cells[column] = (glyph, style)

    def mark(self, at: float, glyph: str, style: str) -> None:
        """Put a mark at its instant, or to the right of the marks that are there."""
        column = self._column(at)
        marks = UNICODE[2:6] + ASCII[2:6]
        while self._cells[column][0] in marks and column < len(self._cells) - 1:
            column += 1
        self._cells[column] = (glyph, style)

    def text(self) -> Text:
        return Text.assemble(*self._cells)


def timeline(story: Story, *, seconds: float, width: int, glyphs: Glyphs) -> Text:
    """
    Return the picture.

    Args:
        story: What has happened so far.

        seconds: How much time the picture is wide.

        width: Columns that there are.

        glyphs: What to draw with.
    """
    chart = max(_NARROWEST, width - _LABEL - _COUNT - 4)
    rows = [_row("token", _axis(seconds, chart, glyphs), "calls", "dim")]
    for number, token in enumerate(story.tokens):
        colour = _COLOURS[number % len(_COLOURS)]
        bar = _bar(token, story, _Line(chart, seconds), colour, glyphs)
        rows.append(_row(token.fingerprint, bar, f"{len(token.served):,}", colour))
    if story.refused:
        line = _Line(chart, seconds)
        for at in story.refused:
            line.mark(at, glyphs.refused, "bold red")
        rows.append(_row("none", line.text(), "", "red"))
    return Text("\n").join([*rows, Text(), *_legend(glyphs, width)])


def _row(label: str, chart: Text, count: str, style: str) -> Text:
    return Text.assemble((f"{label:<{_LABEL}}  ", style), chart, (f"  {count:>{_COUNT}}", style))


def _bar(token: Token, story: Story, line: _Line, colour: str, glyphs: Glyphs) -> Text:
    line.fill(token.asked, token.issued, glyphs.asking, "dim")
    for at in token.served:
        line.fill(at, at, glyphs.served, colour)
    line.mark(token.asked, glyphs.early if token.early else glyphs.waited, "bold")
    for at in token.refused:
        line.mark(at, glyphs.refused, "bold red")
    if story.revoked is not None and token is _in_use(story, story.revoked):
        line.mark(story.revoked, glyphs.revoked, "bold red")
    return line.text()


def _in_use(story: Story, at: float) -> Token:
    return max(
        (token for token in story.tokens if token.issued <= at), key=lambda token: token.issued
    )


def _axis(seconds: float, width: int, glyphs: Glyphs) -> Text:
    step = next((s for s in (1, 2, 5, 10, 20, 60) if s / seconds * width >= 10), 300)
    line = [" "] * width
    for at in range(0, int(seconds) + 1, step):
        label = f"{glyphs.tick}{at} s"
        column = int(at / seconds * width)
        if column + len(label) <= width:
            line[column : column + len(label)] = label
    return Text("".join(line), "dim")


def _legend(glyphs: Glyphs, width: int) -> Iterator[Text]:
    """Yield the legend in as many lines as it needs."""
    entries = (
        (glyphs.served, "serves calls"),
        (glyphs.early, "asked for early, calls go on"),
        (glyphs.waited, "asked for while calls wait"),
        (glyphs.refused, "503"),
        (glyphs.revoked, "revoked"),
    )
    line = Text()
    for glyph, meaning in entries:
        if line and len(line) + len(meaning) + 5 > width:
            yield line
            line = Text()
        line.append("   " if line else "").append(glyph, "bold").append(f" {meaning}", "dim")
    yield line
