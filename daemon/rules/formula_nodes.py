"""What a formula of a derived point consists of."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class Number:
    """A constant with its unit."""

    value: Decimal
    unit: str


@dataclass(frozen=True, slots=True)
class Ref:
    """The latest value of a point."""

    point: str


@dataclass(frozen=True, slots=True)
class Rise:
    """By how much a counter has gone up over the span before its latest reading."""

    point: str
    span: timedelta


@dataclass(frozen=True, slots=True)
class Mean:
    """The mean of a gauge's readings over the span before its latest one."""

    point: str
    span: timedelta


@dataclass(frozen=True, slots=True)
class Total:
    """The sum of a point over all assets of a kind."""

    kind: str
    name: str


@dataclass(frozen=True, slots=True)
class Several:
    """The same, written out."""

    parts: tuple[Ref, ...]


@dataclass(frozen=True, slots=True)
class Negative:
    """The opposite."""

    part: Formula


@dataclass(frozen=True, slots=True)
class Square:
    """A part times itself."""

    part: Formula


@dataclass(frozen=True, slots=True)
class Pair:
    """Two parts, joined by one of + - * /."""

    sign: str
    left: Formula
    right: Formula


Formula = Number | Ref | Rise | Mean | Total | Several | Negative | Square | Pair
