"""An SVG drawing under the pen: shapes, and texts as outlines that are written down once each."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from html import escape
from itertools import pairwise

from daemon.charts.glyphs import BOX, UPEM, glyph, width

#: What XML 1.0 cannot hold, and lone halves of surrogate pairs.
_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
INK, FAINT, RULE, PAPER = "#16202b", "#55606c", "#d5dbe1", "#fff"
_Point = tuple[float, float]


def clean(text: str) -> str:
    """Without what XML cannot hold, on one line."""
    return _NO_XML.sub("\ufffd", " ".join(text.split()))


def number(value: float) -> str:
    """A coordinate: a tenth of a unit is finer than any screen shows."""
    return f"{value:.1f}".removesuffix(".0").replace("-0.", "-.") if abs(value) >= 0.05 else "0"


class Canvas:
    """Collects elements; `svg` puts them together.

    Args:
        outlines: how many bytes of them there may be; a character that has no room any more is a box.
    """

    def __init__(self, outlines: int) -> None:
        self._parts: list[str] = []
        #: Outlines by the names under which they are used.
        self._glyphs: dict[str, str] = {}
        self._room = outlines

    def add(self, element: str) -> None:
        """Append an element as it stands: nothing foreign in it."""
        self._parts.append(element)

    def text(
        self,
        x: float,
        y: float,
        text: str,
        size: float = 11,
        *,
        colour: str = INK,
        anchor: str = "start",
        bold: bool = False,
    ) -> None:
        """One line, its base line at y; `anchor` says what x is of it: start, middle, end."""
        line = clean(text)
        left = x - {"start": 0.0, "middle": 0.5, "end": 1.0}[anchor] * width(line, size)
        uses: list[str] = []
        at = 0
        for character in line:
            shape = glyph(character)
            if shape.path:
                name = self._name(shape.path)
                uses.append(f'<use href="#{name}"' + (f' x="{at}"/>' if at else "/>"))
            at += shape.advance
        scale = f"{size / UPEM:.5f}".strip("0")
        weight = f' stroke="{colour}" stroke-width="14"' if bold else ""
        move = f"translate({number(left)} {number(y)})scale({scale})"
        self._parts.append(f'<g fill="{colour}"{weight} transform="{move}">{"".join(uses)}</g>')

    def _name(self, path: str) -> str:
        name = self._glyphs.get(path)
        if name is None:
            fits = len(path) <= self._room
            self._room -= len(path) if fits else 0
            name = f"g{len(self._glyphs)}" if fits else "b"
            self._glyphs[path] = name
        return name

    def line(self, a: _Point, b: _Point, colour: str, width: float = 1, dash: str = "") -> None:
        """A straight line."""
        dashed = f' stroke-dasharray="{dash}"' if dash else ""
        thick = f' stroke-width="{width:g}"' if width != 1 else ""
        path = f"M{number(a[0])} {number(a[1])}L{number(b[0])} {number(b[1])}"
        self._parts.append(f'<path d="{path}" stroke="{colour}"{thick}{dashed}/>')

    def box(self, x: float, y: float, wide: float, high: float, fill: str, more: str = "") -> None:
        """A filled rectangle."""
        size = f'width="{number(wide)}" height="{number(high)}"'
        self._parts.append(f'<rect x="{number(x)}" y="{number(y)}" {size} fill="{fill}"{more}/>')

    def runs(self, runs: Iterable[Sequence[_Point]], colour: str, width: float) -> None:
        """Lines through points; in tenths of a unit, each step from the one before."""
        path = "".join(_run(run) for run in runs if len(run) > 1)
        if path:
            self._parts.append(
                f'<path d="{path}" transform="scale(.1)" fill="none" stroke="{colour}" stroke-width="{width * 10:g}"'
                ' stroke-linejoin="round" stroke-linecap="round"/>'
            )

    def marks(self, points: Iterable[_Point], shape: str, more: str) -> None:
        """The same small shape (a path around 0, 0) at many places."""
        path = "".join(f"M{number(x)} {number(y)}{shape}" for x, y in points)
        if path:
            self._parts.append(f'<path d="{path}" {more}/>')

    def svg(self, wide: int, high: float, title: str, description: str) -> str:
        """The whole document; title and description are what it says to who cannot see it."""
        outlines = {name: BOX if name == "b" else path for path, name in self._glyphs.items()}
        defs = "".join(f'<path id="{name}" d="{path}"/>' for name, path in outlines.items())
        hatch = (
            '<pattern id="h" width="5" height="5" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
            '<path d="M0 0V5" stroke="#9aa5b1" stroke-width="1.2"/></pattern>'
        )
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide} {number(high)}" width="{wide}"'
            f' height="{number(high)}" role="img" aria-labelledby="t d">'
            f'<title id="t">{escape(clean(title))}</title><desc id="d">{escape(clean(description))}</desc>'
            f"<defs>{hatch}{defs}</defs>"
            f'<rect width="100%" height="100%" fill="{PAPER}"/>{"".join(self._parts)}</svg>'
        )


def _run(points: Sequence[_Point]) -> str:
    whole = [(round(x * 10), round(y * 10)) for x, y in points]
    steps = [f"M{whole[0][0]} {whole[0][1]}l"]
    first = True
    for (ax, ay), (bx, by) in pairwise(whole):
        dx, dy = bx - ax, by - ay
        steps.append(("" if first or dx < 0 else " ") + f"{dx}" + ("" if dy < 0 else " ") + f"{dy}")
        first = False
    return "".join(steps)
