"""Pictures as SVG, light or dark as the reader likes it: a card, and a plot of curves on it."""

import math
from html import escape

import attrs

WIDTH = 480  # so that a phone shows it large enough to be read
_LEFT, _TOP, _WIDTH, _HEIGHT = 88, 64, 364, 240
_LIGHT = (
    "--card:#fff;--title:#0f172a;--text:#334155;--grid:#e2e8f0;--axis:#94a3b8;"
    "--c0:#0f766e;--c1:#c2410c;--c2:#6d28d9"
)
_DARK = (
    "--card:#1e293b;--title:#f8fafc;--text:#cbd5e1;--grid:#334155;--axis:#64748b;"
    "--c0:#2dd4bf;--c1:#fb923c;--c2:#a78bfa"
)
_STYLE = (
    f"svg{{{_LIGHT}}}@media(prefers-color-scheme:dark){{svg{{{_DARK}}}}}"
    "text{font:13px system-ui,'DejaVu Sans',sans-serif;fill:var(--text)}"
    ".title{font-size:15px;font-weight:600;fill:var(--title)}"
    ".card,.on{fill:var(--card)}.grid{stroke:var(--grid)}.axis{stroke:var(--axis)}"
    ".c0{--c:var(--c0)}.c1{--c:var(--c1)}.c2{--c:var(--c2)}"
    ".area{fill:var(--c)}.line{fill:none;stroke:var(--c);stroke-width:2.5}"
)


@attrs.frozen
class Curve:
    """Points of one name, both coordinates positive."""

    name: str
    points: list[tuple[float, float]]


def card(title: str, height: float, parts: list[str]) -> str:
    """Return the picture that *parts* make on a card with a *title*."""
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:g}" role="img">',
            f"<title>{escape(title)}</title><style>{_STYLE}</style>",
            '<rect class="card" width="100%" height="100%" rx="8"/>',
            text(16, 28, title, "title"),
            *parts,
            "</svg>",
            "",
        ]
    )


def text(x: float, y: float, words: str, style: str = "", anchor: str = "start") -> str:
    """Return *words* at that place."""
    named = f' class="{style}"' if style else ""
    aligned = "" if anchor == "start" else f' text-anchor="{anchor}"'
    return f'<text x="{x:.1f}" y="{y:.1f}"{named}{aligned}>{escape(words)}</text>'


def key(y: float, colour: int, words: str) -> str:
    """Return a line of a legend: what a *colour* means."""
    return (
        f'<rect class="area c{colour}" x="16" y="{y - 10:.1f}" width="11" height="11" rx="2"/>'
        + text(34, y, words)
    )


def svg(title: str, x_name: str, y_name: str, curves: list[Curve]) -> str:
    """Return the plot; ticks of x stand where the points do, those of y at powers of ten."""
    xs = sorted({x for curve in curves for x, _ in curve.points})
    ys = [y for curve in curves for _, y in curve.points]
    low = math.floor(math.log10(min(ys)))
    high = max(low + 1, math.ceil(math.log10(max(ys))))

    def across(x: float) -> float:
        return _LEFT + _WIDTH * math.log(x / xs[0]) / math.log(xs[-1] / xs[0])

    def down(y: float) -> float:
        return _TOP + _HEIGHT * (high - math.log10(y)) / (high - low)

    bottom, right = _TOP + _HEIGHT, _LEFT + _WIDTH
    out = [text(16, 48, y_name)]
    for power in range(low, high + 1):
        y = down(10.0**power)
        out.append(f'<path class="grid" d="M{_LEFT} {y:.1f}H{right}"/>')
        out.append(text(_LEFT - 8, y + 4, f"{10**power:,}", anchor="end"))
    out.append(f'<path class="axis" d="M{_LEFT} {bottom}H{right}"/>')
    for x in xs:
        out.append(f'<path class="axis" d="M{across(x):.1f} {bottom}v5"/>')
        out.append(text(across(x), bottom + 20, f"{x:,g}", anchor="middle"))
    out.append(text(_LEFT + _WIDTH / 2, bottom + 42, x_name, anchor="middle"))
    # From the highest one down, as they end on the right.
    ordered = sorted(curves, key=lambda each: -each.points[-1][1])
    for number, curve in enumerate(ordered):
        line = " ".join(f"{across(x):.1f},{down(y):.1f}" for x, y in curve.points)
        out.append(f'<polyline class="line c{number}" points="{line}"/>')
        out.extend(
            f'<circle class="area c{number}" cx="{across(x):.1f}" cy="{down(y):.1f}" r="3.5"/>'
            for x, y in curve.points
        )
        out.append(key(bottom + 70 + 20 * number, number, curve.name))
    return card(title, bottom + 64 + 20 * len(curves), out)
