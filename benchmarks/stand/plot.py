"""Curves as SVG, written by hand: no library draws them, and one file looks right on light pages and on dark ones.

There is no background; words and lines are of a grey that both can bear, and curves of colours of middling lightness.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 640, 380
LEFT, RIGHT, TOP, BOTTOM = 64, 18, 34, 48
GREY = "#808890"
GRID = f'stroke="{GREY}" stroke-opacity="0.25"'
COLOURS = ("#3d8bfd", "#e8833a", "#2fa36b", "#b070e0", "#d95c79")


@dataclass(frozen=True, slots=True)
class Curve:
    """A line through points, or a dashed one that is only there to compare with."""

    name: str
    points: Sequence[tuple[float, float]]
    dashed: bool = False


@dataclass(frozen=True, slots=True)
class Axis:
    """A direction of the picture: what it shows, from where to where, and the numbers written at it."""

    name: str
    first: float
    last: float
    marks: Sequence[float]
    log: bool = False

    def at(self, value: float) -> float:
        """Where a value lies, from 0 to 1."""
        if self.log:
            return math.log(value / self.first) / math.log(self.last / self.first)
        return (value - self.first) / (self.last - self.first)


def drawing(title: str, x: Axis, y: Axis, curves: Sequence[Curve]) -> str:
    """The text of an SVG file."""
    wide, high = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM

    def place(a: float, b: float) -> tuple[float, float]:
        return LEFT + wide * x.at(a), TOP + high * (1.0 - y.at(b))

    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" '
        f'font-family="sans-serif" font-size="12" fill="{GREY}">',
        f"<title>{escape(title)}</title>",
        f'<text x="{LEFT}" y="20" font-size="14">{escape(title)}</text>',
    ]
    for value in x.marks:
        at = place(value, y.first)[0]
        out.append(f'<path d="M{at:.1f} {TOP}V{TOP + high}" {GRID}/>')
        out.append(f'<text x="{at:.1f}" y="{TOP + high + 17}" text-anchor="middle">{value:,g}</text>')
    for value in y.marks:
        at = place(x.first, value)[1]
        out.append(f'<path d="M{LEFT} {at:.1f}H{LEFT + wide}" {GRID}/>')
        out.append(f'<text x="{LEFT - 7}" y="{at + 4:.1f}" text-anchor="end">{value:,g}</text>')
    out.append(f'<text x="{LEFT + wide / 2}" y="{HEIGHT - 10}" text-anchor="middle">{escape(x.name)}</text>')
    middle = TOP + high / 2
    out.append(f'<text transform="translate(14 {middle}) rotate(-90)" text-anchor="middle">{escape(y.name)}</text>')
    for number, curve in enumerate(curves):
        colour = GREY if curve.dashed else COLOURS[number % len(COLOURS)]
        path = " ".join("{:.1f},{:.1f}".format(*place(*point)) for point in curve.points)
        dash = ' stroke-dasharray="5 4"' if curve.dashed else ""
        out.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"{dash}/>')
        if not curve.dashed:
            dots = (place(*point) for point in curve.points)
            out += [f'<circle cx="{a:.1f}" cy="{b:.1f}" r="3" fill="{colour}"/>' for a, b in dots]
        line = TOP + 14 + 18 * number
        out.append(f'<path d="M{LEFT + 12} {line - 4}h22" stroke="{colour}" stroke-width="2"{dash}/>')
        out.append(f'<text x="{LEFT + 40}" y="{line}">{escape(curve.name)}</text>')
    return "\n".join([*out, "</svg>", ""])
