"""Scripted failures of a service: what the outside world does to a client on a bad day.

A script is a list of steps, tried from the top; the first that matches the request, has turns left and whose
seeded die falls is played:

    - {match: create, kind: timeout_after_create, times: 2}
    - {match: any, kind: status_5xx, status: 503, retry_after: 7, probability: 0.05, seed: 1}

    - {match: create, kind: answer, body: {code: "1999", msg: busy}}        # status 200, and this JSON

`times` counts turns (1 when neither it nor `probability` is given; with a probability, for ever).
"""

from __future__ import annotations

import enum
import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable


class Kind(enum.StrEnum):
    """What happens to the request; `after` means that the work has been done and committed."""

    STATUS = "status"
    TIMEOUT_BEFORE = "timeout_before"
    TIMEOUT_AFTER = "timeout_after"
    RESET_BEFORE = "reset_before"
    RESET_AFTER = "reset_after"
    #: An answer that is not the service's own: `body` as JSON, with `status`.
    ANSWER = "answer"
    #: Done twice, as by a proxy that repeats what seemed lost; answered once.
    TWICE = "twice"


#: Shorter or more telling names in scripts, and the status they stand for.
_NAMES = {
    "status_5xx": (Kind.STATUS, 503),
    "refuse_422": (Kind.STATUS, 422),
    "timeout_after_create": (Kind.TIMEOUT_AFTER, 503),
    "reset": (Kind.RESET_BEFORE, 503),
    "reset_after_create": (Kind.RESET_AFTER, 503),
    **{kind.value: (kind, 503) for kind in Kind},
    "answer": (Kind.ANSWER, 200),
}
_FIELDS = {"match", "kind", "status", "retry_after", "hold", "times", "probability", "seed", "body"}


class Failure(NamedTuple):
    """One failure to be played now."""

    kind: Kind
    #: HTTP status of kind `status`.
    status: int
    #: Seconds for a Retry-After header; None: no such header.
    retry_after: int | None
    #: Seconds that a time-out keeps the socket open and mute.
    hold: float
    #: JSON of kind `answer`.
    body: object = None


@dataclass(slots=True)
class _Step:
    match: str
    failure: Failure
    #: Turns left; None: without end.
    times: int | None
    probability: float
    die: random.Random

    def falls(self, request: str) -> bool:
        """Take a turn if this step is for the request; the die is thrown only then, so that a seed tells all."""
        if self.match not in (request, "any") or self.times == 0:
            return False
        if self.probability < 1 and self.die.random() >= self.probability:
            return False
        if self.times is not None:
            self.times -= 1
        return True


@dataclass(slots=True)
class Script:
    """The failures a service is to play, replaceable at run time.

    Args:
        requests: names of the service's requests that a step may match, besides `any`.
    """

    requests: frozenset[str]
    #: How often each kind has been played.
    played: dict[str, int] = field(default_factory=dict)
    _steps: list[_Step] = field(default_factory=list)

    def replace(self, steps: object) -> None:
        """Play these steps from now on.

        Args:
            steps: a list of mappings as in the module's docstring.

        Raises:
            ValueError: naming the step (from 1) and what is wrong with it; the old script stays.
        """
        if not isinstance(steps, list):
            raise ValueError("a script is a list of steps")  # noqa: TRY004  one error for all faults of a script
        self._steps = [self._step(number, step) for number, step in enumerate(steps, 1)]

    def draw(self, request: str) -> Failure | None:
        """Name the failure to play for this request, or None."""
        for step in self._steps:
            if step.falls(request):
                self.played[step.failure.kind] = self.played.get(step.failure.kind, 0) + 1
                return step.failure
        return None

    def _step(self, number: int, step: object) -> _Step:
        if not isinstance(step, dict):
            raise ValueError(f"step {number}: must be a mapping")  # noqa: TRY004  see replace
        if unknown := set(step) - _FIELDS:
            raise ValueError(f"step {number}: unknown {_words(unknown)}; known are {_words(_FIELDS)}")
        match = step.get("match", "any")
        if match != "any" and match not in self.requests:
            known = _words({*self.requests, "any"})
            raise ValueError(f"step {number}: match must be one of {known}, not {match!r}")
        if step.get("kind") not in _NAMES:
            raise ValueError(f"step {number}: kind must be one of {_words(_NAMES)}, not {step.get('kind')!r}")
        kind, status = _NAMES[step["kind"]]
        try:
            failure = Failure(
                kind=kind,
                status=int(step.get("status", status)),
                retry_after=None if step.get("retry_after") is None else int(step["retry_after"]),
                hold=float(step.get("hold", 30)),
                body=step.get("body"),
            )
            probability = float(step.get("probability", 1))
            times = step.get("times", None if "probability" in step else 1)
            return _Step(
                match=match,
                failure=failure,
                times=None if times is None else int(times),
                probability=probability,
                die=random.Random(step.get("seed", 0)),
            )
        except (TypeError, ValueError) as error:
            raise ValueError(f"step {number}: {error}") from error


def _words(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))
