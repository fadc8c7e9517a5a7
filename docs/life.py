"""
Draw the life of a token: ``python -m docs.life`` writes ``docs/life.svg``.

Every instant in it comes out of the package's own arithmetic.
"""

from pathlib import Path

from benchmarks._plot import WIDTH, card, key, text
from setle._time import refresh_after, stale_after

PICTURE = Path(__file__).with_name("life.svg")
_LEFT, _RIGHT = 16.0, WIDTH - 16.0
_WHOLE, _CLOSE, _NEXT, _BAR = 66.0, 146.0, 196.0, 30.0  # where the bars begin, and their height


def drawn(lifetime: float = 3600.0) -> str:
    """Return the picture of a token that lives for *lifetime* seconds."""
    first, last = refresh_after(lifetime, 1.0), refresh_after(lifetime, 0.0)
    stale, begin = stale_after(lifetime), refresh_after(lifetime, 1.0) - lifetime / 120
    shown = (_RIGHT - _LEFT) / (lifetime * 1.01 - begin)

    def across(seconds: float) -> float:
        return _LEFT + shown * (seconds - begin)

    def bar(colour: int, y: float, start: float, end: float, *, slope: float = 0.0) -> str:
        # On a slope, more and more processes have come to that point.
        corners = f"{across(start + slope):.1f} {y}H{across(end):.1f}v{_BAR}H{across(start):.1f}"
        return f'<path class="area c{colour}" d="M{corners}Z"/>'

    def tick(seconds: float, anchor: str = "middle") -> str:
        x = across(seconds)
        mark = f'<path class="axis" d="M{x:.1f} {_CLOSE - 6}v{_BAR + 6}"/>'
        return mark + text(x, _CLOSE - 11, f"{seconds:,.0f}", anchor=anchor)

    whole = (_RIGHT - _LEFT) / lifetime
    cut = _LEFT + whole * begin
    middle = (first + last) / 2
    parts = [
        text(_LEFT, 56, "0 s"),
        text(_RIGHT, 56, f"{lifetime:,.0f} s", anchor="end"),
        f'<path class="area c0" d="M{_LEFT} {_WHOLE}H{_RIGHT}v12H{_LEFT}Z"/>',
        f'<path class="grid" d="M{cut:.1f} {_WHOLE + 12}L{_LEFT} {_CLOSE - 30}'
        f'M{_RIGHT} {_WHOLE + 12}L{across(lifetime):.1f} {_CLOSE - 30}"/>',
        bar(0, _CLOSE, begin, stale),
        bar(2, _CLOSE, first, stale, slope=last - first),
        bar(1, _CLOSE, stale, lifetime),
        tick(first),
        tick(last),
        tick(stale, "end"),
        tick(lifetime, "start" if across(lifetime) < _RIGHT - 40 else "end"),
        bar(0, _NEXT, middle, lifetime * 1.01),
        text(across(middle) + 10, _NEXT + 20, f"the next token, if {middle:,.0f} was drawn", "on"),
    ]
    rows = (
        (0, "Calls get it at once: no lock, no I/O."),
        (2, "At once, too, while one refresh runs behind the calls. Each"),
        (None, "process draws the instant at which it begins."),
        (1, "Calls wait for that refresh. If it fails, they still get the token."),
    )
    for number, (colour, words) in enumerate(rows):
        y = _NEXT + _BAR + 30 + 20 * number
        parts.append(text(34, y, words) if colour is None else key(y, colour, words))
    return card("The life of a token of one hour", _NEXT + _BAR + 30 + 20 * len(rows), parts)


if __name__ == "__main__":
    PICTURE.write_text(drawn(), "utf-8")
