"""Promises of an order: made from the mechanism, kept by stamps, and told of when their time runs out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from daemon.workorders.course import Act, Course, Promise, Step
from daemon.workorders.sla import PromiseSpec

#: A deadline that is noticed that much later was missed while the gateway was down.
_NOTICED_LATE = timedelta(minutes=1)


def frozen(spec: PromiseSpec, *, of_procedure: bool = False) -> Promise:
    """What the mechanism promises, as an order keeps it."""
    within = int(spec.within.split()[0]) if isinstance(spec.within, str) else spec.within
    steps = tuple(Step(step.after, step.to) for step in spec.escalate)
    or_by = spec.or_by or ""
    return Promise(
        spec.id, spec.title, spec.since, spec.kept_by, within, spec.warn, steps, or_by, of_procedure=of_procedure
    )


def kept(course: Course, promises: Iterable[Promise]) -> Iterator[Promise]:
    """The same, those kept that a stamp of the order keeps."""
    for promise in promises:
        kept_at = promise.kept_at
        if kept_at is None:
            reached = (course.reached(stamp) for stamp in (promise.kept_by, promise.or_by) if stamp)
            kept_at = min((when for when in reached if when is not None), default=None)
        yield promise if kept_at is None else replace(promise, kept_at=kept_at)


def void(promise: Promise) -> Promise:
    """The order is closed: what was promised is not waited for any more, and was not missed."""
    return promise if promise.kept_at is not None else replace(promise, due=None)


def ring(promise: Promise, due: datetime, at: datetime) -> tuple[Promise, list[Act]]:
    """What of a promise is due by `due`: warning, missed deadline, steps up, each once."""
    acts: list[Act] = []
    deadline = promise.due
    while deadline is not None and (moment := promise.next_at) is not None and moment <= due:
        late = at - moment > _NOTICED_LATE
        about = Act("", moment, promise.id, promise.title, late=late, due=deadline)
        if moment < deadline:
            promise = replace(promise, warned=True)
            if not late or at < deadline:  # a warning after the deadline is noise
                acts.append(replace(about, occasion="warned"))
        elif not promise.missed:
            promise = replace(promise, missed=True)
            acts.append(replace(about, occasion="overdue"))
        else:
            acts.append(replace(about, occasion="overdue", to=promise.steps[promise.climbed].to))
            promise = replace(promise, climbed=promise.climbed + 1)
    return promise, _merged(acts)


def _merged(acts: list[Act]) -> list[Act]:
    """The missed deadline and a step that comes with it at once are one message."""
    merged: list[Act] = []
    for act in acts:
        last = merged[-1] if merged else None
        if last is not None and last.occasion == act.occasion == "overdue" and last.at == act.at:
            merged[-1] = replace(last, to=tuple(dict.fromkeys((*last.to, *act.to))))
        else:
            merged.append(act)
    return merged


def on_time(course: Course) -> Mapping[str, bool]:
    """For each promise that was kept or missed: whether it was kept in time."""
    return {promise.id: promise.in_time for promise in course.promises if promise.in_time is not None}
