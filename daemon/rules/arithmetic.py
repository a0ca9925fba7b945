"""What a formula measures, checked when it is loaded, and what it is right now.

Every part has dimensions: adding metres to megapascals is a fault, and so is a result that does not fit the unit it is
declared in. Temperatures know whether they are one or the difference of two.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

from daemon.model import Point, PointKind
from daemon.rules.formula_nodes import Formula, Mean, Negative, Number, Pair, Ref, Rise, Several, Square, Total
from daemon.units import measure

#: Digits of a result: what arithmetic adds beyond them is no measurement.
_DIGITS = 12


class _Kind(NamedTuple):
    """What a part measures."""

    #: Base dimension -> exponent, none of them zero.
    dimensions: Mapping[str, int]
    #: How many temperatures it is: 1 for one, 0 for a difference or anything else, 2 for the sum of two.
    zeros: Fraction
    constant: Decimal | None = None


def check(formula: Formula, unit: str, points: Mapping[str, Point]) -> None:
    """See that a placed formula makes sense and that its result can be told in `unit`.

    Raises:
        ValueError: it cannot.
    """
    found = _kind(formula, points)
    wanted = measure(unit)
    if found.dimensions != wanted.dimensions:
        raise ValueError(f"the result is a {_words(found.dimensions)}, but {unit or 'a bare number'} is declared")
    if found.zeros != wanted.zeros:
        raise ValueError("a temperature is in °C, the difference of two in K: the unit must say which it is")


def _kind(formula: Formula, points: Mapping[str, Point]) -> _Kind:
    match formula:
        case Number():
            its = measure(formula.unit)
            return _Kind(its.dimensions, Fraction(its.zeros), formula.value * its.factor)
        case Ref() | Rise() | Mean():
            point = points[formula.point]
            _see_to(formula, point)
            its = measure(point.unit)
            return _Kind(its.dimensions, Fraction(its.zeros))
        case Square():
            inner = _kind(formula.part, points)
            return _joined("*", inner, inner)
        case Negative():
            inner = _kind(formula.part, points)
            return _Kind(inner.dimensions, -inner.zeros, None if inner.constant is None else -inner.constant)
        case Pair():
            return _joined(formula.sign, _kind(formula.left, points), _kind(formula.right, points))
        case Several():
            first, *others = (_kind(part, points) for part in formula.parts)
            for other in others:
                first = _joined("+", first, other)
            return first
        case Total():
            raise ValueError("a sum over assets must be placed first")


def _see_to(part: Ref | Rise | Mean, point: Point) -> None:
    """Raise ValueError when the point is not of a kind that can be asked so."""
    if point.kind in (PointKind.STATE, PointKind.CODE):
        raise ValueError(f"{point.id} is a {point.kind}, which has no numbers")
    if isinstance(part, Rise) and (point.kind is not PointKind.COUNTER or not part.span):
        raise ValueError(f"rise asks by how much a counter went up over a span; {point.id} is a {point.kind}")
    if not isinstance(part, Mean):
        return
    if point.kind is not PointKind.GAUGE or not part.span:
        raise ValueError(f"mean asks for the mean of a gauge over a span; {point.id} is a {point.kind}")
    if point.interval is not None and not point.on_change and part.span < 2 * point.interval:
        raise ValueError(f"mean over a span that holds fewer than two readings of {point.id}; lengthen it")


def _joined(sign: str, left: _Kind, right: _Kind) -> _Kind:
    if sign in "+-":
        if left.dimensions != right.dimensions:
            word = "added to" if sign == "+" else "taken from"
            raise ValueError(f"a {_words(right.dimensions)} cannot be {word} a {_words(left.dimensions)}")
        return _Kind(left.dimensions, left.zeros + (right.zeros if sign == "+" else -right.zeros))
    turn = 1 if sign == "*" else -1
    names = {*left.dimensions, *right.dimensions}
    powers = {name: left.dimensions.get(name, 0) + turn * right.dimensions.get(name, 0) for name in names}
    dimensions = {name: power for name, power in powers.items() if power}
    if not left.zeros and not right.zeros:
        return _Kind(dimensions, Fraction(0))
    scale, other = (right.constant, left) if left.zeros else (left.constant, right)
    if scale is None or not scale or (left.zeros and right.zeros) or (right.zeros and sign == "/"):
        raise ValueError("a temperature in °C can only be multiplied or divided by a constant, as for a mean")
    return _Kind(dimensions, other.zeros * Fraction(scale) ** turn)


def _words(dimensions: Mapping[str, int]) -> str:
    above = [name if power == 1 else f"{name}^{power}" for name, power in sorted(dimensions.items()) if power > 0]
    below = [name if power == -1 else f"{name}^{-power}" for name, power in sorted(dimensions.items()) if power < 0]
    whole = "·".join(above) or "number"
    return whole + "".join(f"/{name}" for name in below)


# --- what it is right now ----------------------------------------------------------------------------------

#: A number in base units; None when it cannot be known.
Value = Callable[[], float | None]


def compile_formula(formula: Formula, unit: str, value_of: Callable[[Ref | Rise | Mean], tuple[Value, str]]) -> Value:
    """Make a checked formula computable.

    Args:
        formula: placed and checked.
        unit: of the result.
        value_of: gives, for a point, the rise of a counter or the mean of a gauge, its value and the unit of that.
    """
    inner = _compile(formula, value_of)
    factor = float(measure(unit).factor)

    def value() -> float | None:
        found = inner()
        return None if found is None else float(f"{found / factor:.{_DIGITS}g}")

    return value


def _compile(formula: Formula, value_of: Callable[[Ref | Rise | Mean], tuple[Value, str]]) -> Value:
    match formula:
        case Number():
            constant = float(formula.value * measure(formula.unit).factor)
            return lambda: constant
        case Ref() | Rise() | Mean():
            get, unit = value_of(formula)
            return _scaled(get, float(measure(unit).factor))
        case Negative():
            return _scaled(_compile(formula.part, value_of), -1.0)
        case Square():
            return _squared(_compile(formula.part, value_of))
        case Pair():
            return _pair(formula.sign, _compile(formula.left, value_of), _compile(formula.right, value_of))
        case Several():
            return _summed([_compile(part, value_of) for part in formula.parts])
        case Total():
            raise ValueError("a sum over assets must be placed first")


def _summed(parts: list[Value]) -> Value:
    def value() -> float | None:
        whole = 0.0
        for part in parts:
            found = part()
            if found is None:
                return None
            whole += found
        return whole

    return value


def _scaled(get: Value, factor: float) -> Value:
    if factor == 1.0:
        return get

    def scaled() -> float | None:
        found = get()
        return None if found is None else found * factor

    return scaled


def _squared(get: Value) -> Value:
    def squared() -> float | None:
        found = get()
        return None if found is None else found * found

    return squared


def _pair(sign: str, left: Value, right: Value) -> Value:
    def value() -> float | None:
        first, second = left(), right()
        if first is None or second is None or (sign == "/" and not second):
            return None
        if sign == "+":
            return first + second
        if sign == "-":
            return first - second
        return first * second if sign == "*" else first / second

    return value
