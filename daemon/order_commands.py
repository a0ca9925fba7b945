"""What a person may ask about work orders over the control socket, and do about them: each deed enters by `emit`.

An order is named by its key, or by the number of its alarm.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from daemon import control
from daemon.charts.drawing import draw
from daemon.clock import Clock
from daemon.desks import orders as desk
from daemon.model import Command, Emit, Input, OrderStatus, OutboxAction, TicketUpdate, from_ms
from daemon.outputs import illustrator
from daemon.store import charts, complaints, courses, ledger
from daemon.store.courses import Going
from daemon.store.db import RECONCILE, reader, set_fact
from daemon.store.jobs import RunJob
from daemon.workorders.course import Promise

_MOST_LISTED = 1000
#: Digits; no ledger has given away that many.
_LONGEST_NUMBER = 18
_LONGEST_REF = 200
#: How far the work is: said here where the ticketing service cannot tell.
_STAGES = frozenset({"accepted", "arrived", "done", "verified", "rejected"})
Arguments = dict[str, Any]


class TicketingPeer(NamedTuple):
    """What is asked of those who serve the ticketing service."""

    #: Deliveries that were given up wait again.
    waits_again: Callable[[], None]
    #: The site's open tickets are to be looked over for those of a lost ledger.
    look_over: Callable[[], None]
    #: Orders in hand held against its tickets, see `Comparing.compare`.
    compare: Callable[[], Awaitable[dict[str, Any]]]


@dataclass(frozen=True, slots=True)
class OrderCommands:
    """Reads the file, checks the wish, emits the Command."""

    file: Path
    clock: Clock
    emit: Emit
    run_job: RunJob
    peer: TicketingPeer

    def by_name(self) -> Mapping[str, control.Command]:
        """As the control socket takes them."""
        return {
            "orders": self.orders,
            "order": self.order,
            "order_chart": self.chart,
            desk.STAMP: self.stamp,
            desk.CANCEL: self.cancel,
            desk.RETRY: self.retry,
            desk.FOUND: self.found,
            "orders_reconcile": self.reconcile,
        }

    async def orders(self, arguments: Arguments) -> dict[str, Any]:
        """Orders in hand, or with `all` the newest `limit` whatever has become of them, the newest first."""
        limit = min(int(arguments.get("limit", 100)), _MOST_LISTED)
        with reader(self.file) as db:
            if arguments.get("all"):
                newest = [courses.find(db, row.key) for row in ledger.orders(db, limit)]
                found = [going for going in newest if going is not None]
            else:
                found = courses.unfinished(db, limit)
        return {"orders": [_row(going) for going in found]}

    async def order(self, arguments: Arguments) -> dict[str, Any]:
        """Everything about one order.

        Raises:
            ValueError: there is no such order.
        """
        with reader(self.file) as db:
            going = _find(db, arguments)
            told, deliveries = courses.events(db, going.key), courses.deliveries(db, going.key)
            drawn = [chart.plan for chart in charts.of_order(db, going.key)]
            complained, lost = complaints.count_of_order(db, going.key), courses.data_losses(db, going.alarm_no)
        return {
            **_row(going),
            "explanation": going.document["explanation"],
            "priority": going.document["priority"],
            "previous": going.document["previous"],
            "complaints": complained,
            "data_losses": lost,
            "stamps": {name: _iso(when) for name, when in going.course.stamps.items()},
            "promises": [_promise(promise) for promise in going.course.promises],
            "charts": [{"occasion": plan.occasion, "at": _iso(from_ms(plan.to_ms))} for plan in drawn],
            "timeline": [{**event._asdict(), "at": _iso(event.at)} for event in told],
            "deliveries": [
                {
                    **one._asdict(),
                    "created_at": _iso(one.created_at),
                    "delivered_at": _iso(one.delivered_at),
                    "tried_at": _iso(one.tried_at),
                }
                for one in deliveries
            ],
        }

    async def chart(self, arguments: Arguments) -> dict[str, Any]:
        """The order's newest chart as SVG, or the newest of an `occasion`.

        Raises:
            ValueError: there is no such order, it has no such chart, or that could not be drawn.
        """
        return await asyncio.to_thread(self._chart, arguments)

    def _chart(self, arguments: Arguments) -> dict[str, Any]:
        with reader(self.file) as db:
            going = _find(db, arguments)
            found = charts.of_order(db, going.key)
            known = ", ".join(dict.fromkeys(chart.plan.occasion for chart in found)) or "none"
            wanted = arguments.get("occasion") or (found[-1].plan.occasion if found else "")
            chart = next((one for one in reversed(found) if one.plan.occasion == wanted), None)
            if chart is None:
                raise ValueError(f"this order has no such chart; it has {known}")
            if chart.series is None:
                raise ValueError("it is being drawn; ask again in a moment")
            svg = draw(chart.plan, illustrator.picture(db, chart))
        return {"occasion": chart.plan.occasion, "at": _iso(from_ms(chart.plan.to_ms)), "svg": svg}

    async def stamp(self, arguments: Arguments) -> dict[str, Any]:
        """A person says that something promised was done, or how far the work is, as a ticketing service would tell.

        Raises:
            ValueError: there is no such order, it waits for no such stamp, or nobody said who.
        """
        name, said = str(arguments.get("stamp", "")), str(arguments.get("note", "")).strip()
        going = self._wanted(arguments)
        if name in _STAGES:
            if not going.course.in_hand:
                raise ValueError(f"this order is {going.course.status}; it is over")
            user, now = _user(arguments), self.clock.now()
            return await self._enter(going, TicketUpdate(now, going.key, OrderStatus(name), user, said, now))
        known = sorted({*_STAGES, *(promise.kept_by for promise in going.course.promises)} - {"created", "sent"})
        if name not in known:
            raise ValueError(f"this order has no stamp {name!r}; it knows {', '.join(known)}")
        return await self._do(desk.STAMP, going, arguments, f"{name} {said}".strip())

    async def cancel(self, arguments: Arguments) -> dict[str, Any]:
        """Nothing more is due, nobody is told any more; the ticket is told so.

        Raises:
            ValueError: there is no such order in hand, or nobody said who and why.
        """
        going = self._wanted(arguments)
        if not going.course.in_hand:
            raise ValueError(f"this order is {going.course.status}; nothing is left to cancel")
        reason = str(arguments.get("reason", "")).strip()
        if not reason:
            raise ValueError("say why, with --reason: it stands in the audit and on the ticket")
        return await self._do(desk.CANCEL, going, arguments, reason)

    async def retry(self, arguments: Arguments) -> dict[str, Any]:
        """Have what the ticketing service refused asked again.

        Raises:
            ValueError: there is no such order, nothing of it was given up, or nobody said who.
        """
        going = self._wanted(arguments)
        with reader(self.file) as db:
            parked = [one for one in courses.deliveries(db, going.key) if one.state == "parked"]
        if not parked:
            raise ValueError("nothing of this order was given up")
        answer = await self._do(desk.RETRY, going, arguments, "")
        self.peer.waits_again()
        return answer

    async def found(self, arguments: Arguments) -> dict[str, Any]:
        """A person has looked: the ticket of an order that was given up is there, under this reference.

        Raises:
            ValueError: there is no such order, its ticket is known or still being asked for, or nobody said who.
        """
        going, ref = self._wanted(arguments), str(arguments.get("ref", "")).strip()
        if not 0 < len(ref) <= _LONGEST_REF:
            raise ValueError(f"give the ticket's reference as the service shows it, at most {_LONGEST_REF} characters")
        with reader(self.file) as db:
            creates = [one for one in courses.deliveries(db, going.key) if one.action == OutboxAction.CREATE]
        if not any(one.state == "parked" for one in creates):
            told = next(
                (f"its ticket is {one.ref}" for one in creates if one.ref), "its ticket is still being asked for"
            )
            raise ValueError(f"{told}; only what was given up can be found")
        answer = await self._do(desk.FOUND, going, arguments, ref)
        self.peer.waits_again()
        return answer

    async def reconcile(self, _: Arguments) -> dict[str, Any]:
        """Hold the orders in hand against the service's tickets; have those of a lost ledger told so meanwhile."""
        now = str(int(self.clock.now().timestamp() * 1000))
        await self.run_job(lambda db: set_fact(db, RECONCILE, now))
        self.peer.look_over()
        told = await self.peer.compare()
        self.peer.waits_again()
        return told

    def _wanted(self, arguments: Arguments) -> Going:
        with reader(self.file) as db:
            return _find(db, arguments)

    async def _do(self, name: str, going: Going, arguments: Arguments, reason: str) -> dict[str, Any]:
        return await self._enter(going, Command(self.clock.now(), name, going.key, _user(arguments), reason))

    async def _enter(self, going: Going, item: Input) -> dict[str, Any]:
        await self.emit([item], urgent=True)
        with reader(self.file) as db:
            after = courses.find(db, going.key)
        return _row(after or going)


def _user(arguments: Arguments) -> str:
    user = str(arguments.get("user", "")).strip()
    if not user:
        raise ValueError("say who does it, with --user")
    return user


def _find(db: sqlite3.Connection, arguments: Arguments) -> Going:
    named = str(arguments.get("order", ""))
    key = named
    if named.isdecimal() and len(named) < _LONGEST_NUMBER:
        alarm = ledger.find_alarm(db, int(named))
        if alarm is not None and alarm.order_key is None and alarm.parent is not None:
            alarm = ledger.find_alarm(db, alarm.parent)
        key = alarm.order_key or "" if alarm is not None else ""
    going = courses.find(db, key)
    if going is None:
        raise ValueError(f"there is no order {named!r}; `precomplaint orders list --all` shows them")
    return going


def _row(going: Going) -> dict[str, Any]:
    course, document = going.course, going.document
    return {
        "key": going.key,
        "alarm": going.alarm_no,
        "asset": going.asset,
        "asset_name": document["asset_name"],
        "building": document["building"],
        "rule": going.rule,
        "title": document["title"],
        "type": document["type"],
        "level": course.level.name,
        "status": course.status,
        "rounds": course.rounds,
        "undecided": course.undecided,
        "clear_since": _iso(course.clear_since),
        "created_at": document["created_at"],
        "next_at": _iso(course.next_at),
        "overdue": [p.id for p in course.promises if p.missed and p.kept_at is None],
    }


def _promise(promise: Promise) -> dict[str, Any]:
    return {
        "id": promise.id,
        "title": {"zh": promise.title.zh, "en": promise.title.en},
        "due": _iso(promise.due),
        "kept_at": _iso(promise.kept_at),
        "missed": promise.missed,
        "kept_by": promise.kept_by,
    }


def _iso(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat(timespec="milliseconds")
