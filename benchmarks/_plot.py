"""A plot of a few curves on logarithmic scales, as SVG."""

import math
from html import escape

import attrs

_LEFT, _TOP, _WIDTH, _HEIGHT = 74, 64, 470, 270
_COLOURS = ("#0f766e", "#c2410c", "#6d28d9", "#334155")
_STYLE = (
    "text{font:12px system-ui,'DejaVu Sans',sans-serif;fill:#334155}"
    ".title{font-size:15px;font-weight:600;fill:#0f172a}"
    ".grid{stroke:#e2e8f0}.axis{stroke:#94a3b8}"
)


@attrs.frozen
class Curve:
    """Points of one name, both coordinates positive."""

    name: str
    points: list[tuple[float, float]]


def svg(title: str, x_name: str, y_name: str, curves: list[Curve]) -> str:
    """Return the picture; ticks of x stand where the points do, those of y at powers of ten."""
    xs = sorted({x for curve in curves for x, _ in curve.points})
    ys = [y for curve in curves for _, y in curve.points]
    low, high = math.floor(math.log10(min(ys))), math.ceil(math.log10(max(ys)))

    def across(x: float) -> float:
        return _LEFT + _WIDTH * math.log(x / xs[0]) / math.log(xs[-1] / xs[0])

    def down(y: float) -> float:
        return _TOP + _HEIGHT * (high - math.log10(y)) / (high - low)

    bottom, right = _TOP + _HEIGHT, _LEFT + _WIDTH
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 760 {bottom + 62}" role="img">',
        f"<title>{escape(title)}</title><style>{_STYLE}</style>",
        '<rect width="100%" height="100%" rx="8" fill="#fff"/>',
        f'<text class="title" x="{_LEFT}" y="28">{escape(title)}</text>',
        f'<text x="{_LEFT}" y="48">{escape(y_name)}</text>',
    ]
    for power in range(low, high + 1):
        y = down(10.0**power)
        out.append(f'<path class="grid" d="M{_LEFT} {y:.1f}H{right}"/>')
        out.append(f'<text x="{_LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{10**power:,}</text>')
    out.append(f'<path class="axis" d="M{_LEFT} {bottom}H{right}"/>')
    for x in xs:
        out.append(f'<path class="axis" d="M{across(x):.1f} {bottom}v5"/>')
        out.append(
            f'<text x="{across(x):.1f}" y="{bottom + 20}" text-anchor="middle">{x:,g}</text>'
        )
    middle = _LEFT + _WIDTH / 2
    out.append(f'<text x="{middle}" y="{bottom + 44}" text-anchor="middle">{escape(x_name)}</text>')
    free_from = 0.0
    for colour, curve in sorted(
        zip(_COLOURS, curves, strict=False), key=lambda each: -each[1].points[-1][1]
    ):
        line = " ".join(f"{across(x):.1f},{down(y):.1f}" for x, y in curve.points)
        out.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2.5"/>')
        out.extend(
            f'<circle cx="{across(x):.1f}" cy="{down(y):.1f}" r="3.5" fill="{colour}"/>'
            for x, y in curve.points
        )
        # Names of curves that end at about the same height must not lie on each other.
        y = max(down(curve.points[-1][1]) + 4, free_from)
        free_from = y + 16
        name = escape(curve.name)
        out.append(f'<text x="{right + 12}" y="{y:.1f}" style="fill:{colour}">{name}</text>')
    return "\n".join([*out, "</svg>", ""])
