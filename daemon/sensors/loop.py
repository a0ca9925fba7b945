"""4-20 mA current loops: a broken or shorted wire tells itself by a current that no measurement has."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import AfterValidator, Field, WithJsonSchema, model_validator

from daemon.documents import Strict
from daemon.units import convert, parse

#: What the current says at the two ends of the measured span.
_LIVE_ZERO_MA, _FULL_MA = 4.0, 20.0
#: Ends made by arithmetic are met by what prints the same.
_SLACK = 1e-9


def _current(text: str) -> str:
    if convert(parse(text), "mA") < 0:
        raise ValueError(f"{text!r} is less than no current")
    return text


Current = Annotated[str, AfterValidator(_current), WithJsonSchema({"type": "string", "examples": ["3.6 mA"]})]


class Loop(Strict):
    """Where a point's loop current is seen, and between which currents the loop is sound.

    The limits are those of NAMUR NE 43 for a failure signal: below 3.6 mA or above 21 mA.
    """

    #: The point of the same profile that is the current, in mA; it may be the point itself.
    current: str | None = None
    #: The value at 4 mA and at 20 mA, in the point's unit: the current is worked out from the value.
    span: tuple[float, float] | None = None
    low: Current = Field(default="3.6 mA")
    high: Current = Field(default="21 mA")

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.current is None) == (self.span is None):
            raise ValueError("a loop has exactly one of current (the point that is it) and span ([at 4 mA, at 20 mA])")
        if self.span is not None and self.span[0] == self.span[1]:
            raise ValueError("the span has no extent; write the values at 4 mA and at 20 mA")
        low, high = self.sound("mA")
        if low >= high:
            raise ValueError(f"low ({self.low}) must be less than high ({self.high})")
        return self

    def sound(self, unit: str) -> tuple[float, float]:
        """The lowest and highest value of a sound loop: as currents in `unit`, or within the span as values.

        Raises:
            ValueError: `unit` is no unit of current, and the loop has no span.
        """
        if self.span is None:
            return convert(parse(self.low), unit), convert(parse(self.high), unit)
        zero, full = self.span
        slope = (full - zero) / (_FULL_MA - _LIVE_ZERO_MA)
        ends = [zero + slope * (convert(parse(end), "mA") - _LIVE_ZERO_MA) for end in (self.low, self.high)]
        slack = _SLACK * abs(full - zero)
        return min(ends) - slack, max(ends) + slack
