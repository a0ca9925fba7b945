"""Small typed arithmetic over points: `outlet_pressure - 0.0098 MPa/m * 24 m - 0.02 MPa`.

    sum     = product {("+" | "-") product}
    product = factor {("*" | "/") factor}
    factor  = number [unit] | "-" factor | "(" sum ")" | point | function
    function = rise(point, span) | mean(point, span) | square(sum) | sum(kind, point)
    point   = name of the same asset | [asset.name]

Here is its grammar; `arithmetic` checks and computes it. Nothing is ever `eval`ed.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

from daemon.documents import format_span, parse_span
from daemon.rules.formula_nodes import Formula, Mean, Negative, Number, Pair, Ref, Rise, Several, Square, Total
from daemon.units import measure

_TOKEN = re.compile(
    r"\s*(?:(?P<number>(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?)\s*(?P<unit>(?:1/)?[A-Za-z°%‰℃％][^\s()*+,\[\]-]*(?:\(A\))?)?"
    r"|\[(?P<there>[^\[\]\s]+)\]|(?P<name>[A-Za-z_]\w*)|(?P<sign>[-+*/(),]))"
)
_MOST_CHARACTERS = 100_000
_MOST_DEPTH = 40
#: Joined by signs; a sum over assets counts as one.
_MOST_PARTS = 200


#: What is offered when somebody asks for another.
_FUNCTIONS = "rise(counter, span), mean(gauge, span), square(value) and sum(kind, point)"


class _Parser:
    def __init__(self, text: str) -> None:
        if len(text) > _MOST_CHARACTERS:
            raise ValueError(f"a formula has at most {_MOST_CHARACTERS} characters")
        self.text = text
        self.at = 0
        self.depth = 0
        self.parts = 0
        self.token = self._next()

    def _next(self) -> re.Match[str] | None:
        if not self.text[self.at :].strip():
            return None
        match = _TOKEN.match(self.text, self.at)
        if match is None:
            raise ValueError(f"{self.text[self.at :].strip()[:20]!r} is no part of a formula")
        self.at = match.end()
        return match

    def whole(self) -> Formula:
        found = self.sum()
        if self.token is not None:
            raise ValueError(f"{self.token[0].strip()!r} is left over; put one of + - * / before it")
        return found

    def sign(self, *signs: str) -> str | None:
        """Take the next sign if it is one of these."""
        if self.token is None or self.token["sign"] not in signs:
            return None
        found: str = self.token["sign"]
        self.token = self._next()
        return found

    def need(self, sign: str) -> None:
        if self.sign(sign) is None:
            found = "the end" if self.token is None else repr(self.token[0].strip())
            raise ValueError(f"{sign!r} is expected, not {found}")

    def sum(self) -> Formula:
        found = self.product()
        while (sign := self.sign("+", "-")) is not None:
            found = Pair(sign, found, self.product())
        return found

    def product(self) -> Formula:
        found = self.factor()
        while (sign := self.sign("*", "/")) is not None:
            found = Pair(sign, found, self.factor())
        return found

    def factor(self) -> Formula:
        self.depth += 1
        self.parts += 1
        if self.depth > _MOST_DEPTH or self.parts > _MOST_PARTS:
            raise ValueError(f"a formula has at most {_MOST_PARTS} parts, nested {_MOST_DEPTH} deep")
        try:
            if self.sign("-"):
                return Negative(self.factor())
            if self.sign("("):
                found = self.sum()
                self.need(")")
                return found
            return self.leaf()
        finally:
            self.depth -= 1

    def leaf(self) -> Formula:
        token = self.token
        if token is None or token["sign"]:
            found = "the end" if token is None else repr(token["sign"])
            raise ValueError(f"a number, a point or a bracket is expected, not {found}")
        self.token = self._next()
        if token["number"]:
            unit = token["unit"] or ""
            measure(unit)
            return Number(Decimal(token["number"]), unit)
        if token["there"]:
            return Ref(token["there"])
        name = token["name"]
        if not self.sign("("):
            return Ref(name)
        inside = self._function(name)
        self.need(")")
        return inside

    def _function(self, name: str) -> Formula:
        match name:
            case "rise":
                return Rise(*self._over())
            case "mean":
                return Mean(*self._over())
            case "square":
                return Square(self.sum())
            case "sum":
                return self._total()
            case _:
                raise ValueError(f"there is no function {name!r}; there are {_FUNCTIONS}")

    def _point(self) -> str:
        token = self.token
        if token is None or not (token["name"] or token["there"]):
            raise ValueError("the name of a point is expected")
        self.token = self._next()
        return str(token["name"] or token["there"])

    def _over(self) -> tuple[str, timedelta]:
        """A point and a span."""
        point = self._point()
        self.need(",")
        span = ""
        while self.token is not None and self.token["number"]:  # 1h30m
            span += self.token[0].strip()
            self.token = self._next()
        return point, parse_span(span)

    def _total(self) -> Formula:
        if self.token is not None and self.token["there"]:
            parts = [Ref(self._point())]
            while self.sign(",") is not None:
                parts.append(Ref(self._point()))
            return Several(tuple(parts))
        kind = self._point()
        self.need(",")
        return Total(kind, self._point())


def parse(text: str) -> Formula:
    """Read a formula.

    Raises:
        ValueError: it is none, or names an unknown unit.
    """
    return _Parser(text).whole()


def render(formula: Formula) -> str:  # noqa: C901, PLR0911  one a node
    """The text that `parse` reads back as the same formula, its points named in full."""
    match formula:  # a node a case
        case Number():
            return f"{formula.value} {formula.unit}".strip()
        case Ref():
            return f"[{formula.point}]"
        case Rise() | Mean():
            word = "rise" if isinstance(formula, Rise) else "mean"
            return f"{word}([{formula.point}], {format_span(formula.span)})"
        case Square():
            return f"square({render(formula.part)})"
        case Total():
            return f"sum({formula.kind}, {formula.name})"
        case Negative():
            inner = render(formula.part)
            return f"-({inner})" if isinstance(formula.part, Pair) else f"-{inner}"
        case Several():
            return f"sum({', '.join(map(render, formula.parts))})"
        case Pair():
            left, right = render(formula.left), render(formula.right)
            if formula.sign in "*/" and isinstance(formula.left, Pair) and formula.left.sign in "+-":
                left = f"({left})"
            if isinstance(formula.right, Pair):
                right = f"({right})"
            return f"{left} {formula.sign} {right}"


def references(formula: Formula) -> Iterator[str]:
    """The points it looks at, in order, each as often as it stands there."""
    match formula:
        case Ref() | Rise() | Mean():
            yield formula.point
        case Several():
            yield from (part.point for part in formula.parts)
        case Negative() | Square():
            yield from references(formula.part)
        case Pair():
            yield from references(formula.left)
            yield from references(formula.right)
        case Number() | Total():
            pass


def place(formula: Formula, asset: str, points: Container[str], kinds: Mapping[str, list[str]]) -> Formula:
    """The formula with every point named in full and every sum written out.

    Args:
        formula: as written for `asset`.
        asset: whose points need no brackets.
        points: the ids of all points that a formula may look at.
        kinds: the assets of each kind.

    Raises:
        ValueError: there is no such point, or none of that kind.
    """

    def named(point: str) -> str:
        full = point if "." in point else f"{asset}.{point}"
        if full not in points:
            raise ValueError(f"there is no point {full!r}")
        return full

    def placed(part: Formula) -> Formula:
        match part:
            case Ref() | Rise() | Mean():
                return replace(part, point=named(part.point))
            case Total() | Several():
                return _written_out(part, points, kinds)
            case Negative() | Square():
                return replace(part, part=placed(part.part))
            case Pair():
                return Pair(part.sign, placed(part.left), placed(part.right))
            case Number():
                return part

    return placed(formula)


def _written_out(total: Total | Several, points: Container[str], kinds: Mapping[str, list[str]]) -> Several:
    if isinstance(total, Several):
        for part in total.parts:
            if part.point not in points:
                raise ValueError(f"there is no point {part.point!r}")
        return total
    found = [f"{asset}.{total.name}" for asset in kinds.get(total.kind, ())]
    parts = tuple(Ref(point) for point in found if point in points)
    if not parts:
        raise ValueError(f"no asset of kind {total.kind!r} has a point {total.name!r}")
    return Several(parts)
