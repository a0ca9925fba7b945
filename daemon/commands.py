"""What a person may ask of the running daemon over the control socket."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from daemon import __version__, control
from daemon.alarm_commands import AlarmCommands
from daemon.clock import SiteClock
from daemon.complaint_commands import ComplaintCommands
from daemon.disk import DiskGuard
from daemon.model import Input, Observation
from daemon.order_commands import OrderCommands
from daemon.outputs.forwarder import Forwarder
from daemon.pipeline import Pipeline
from daemon.rules_in_force import RulesInForce
from daemon.store import complaints, ledger, notices, outbox
from daemon.store.db import reader
from daemon.writer import Writer


@dataclass(slots=True)
class Intake:
    """Values that arrived since the start, rejected ones among them."""

    received: int = 0
    rejected: int = 0

    def count(self, numbered: Sequence[tuple[int, Input]]) -> None:
        """Count what was committed."""
        received = rejected = 0
        for _, item in numbered:
            if type(item) is Observation:
                received += len(item.readings)
                rejected += len(item.rejections)
        self.received += received + rejected
        self.rejected += rejected


@dataclass(frozen=True, slots=True)
class Commands:
    """Answers from what runs; what changes anything enters by `emit`, with user and reason."""

    file: Path
    clock: SiteClock
    pipeline: Pipeline
    writer: Writer
    rules: RulesInForce
    forwarder: Forwarder
    disk: DiskGuard
    intake: Intake
    alarms: AlarmCommands
    orders: OrderCommands
    complaints: ComplaintCommands

    def by_name(self) -> Mapping[str, control.Command]:
        """As the control socket takes them."""
        own: dict[str, control.Command] = {"status": self.status, "reload": self.reload}
        return own | dict(self.alarms.by_name()) | dict(self.orders.by_name()) | dict(self.complaints.by_name())

    async def status(self, _: dict[str, Any]) -> dict[str, Any]:
        """How everything is, as far as the gateway knows."""
        with reader(self.file) as db:
            counted, deliveries, told = ledger.counts(db), outbox.counts(db), notices.counts(db)
            complained = complaints.counts(db)
        return {
            "version": __version__,
            "site": self.rules.configuration.catalogue.site.id,
            "timezone": self.rules.configuration.catalogue.site.timezone,
            "at": self.clock.now().isoformat(),
            "clock": {"offset_s": self.clock.offset().total_seconds(), "steps": self.clock.steps_total},
            "readings": {"received": self.intake.received, "rejected": self.intake.rejected},
            "influx": self.forwarder.status()._asdict(),
            "alarms": counted["alarms"],
            "dispositions": counted["dispositions"],
            "orders": counted["orders"],
            "outbox": deliveries._asdict(),
            "notices": told,
            "complaints": complained,
            "rules": {
                "hash": self.rules.hash,
                "faulted": [f"{rule} on {asset}" for rule, asset in self.pipeline.engine.faulted],
            },
            "store": {
                "taking": self.disk.taking,
                "evicted": self.disk.rows_evicted,
                "lost": self.disk.rows_lost,
                "commits": self.writer.commits_total,
            },
        }

    async def reload(self, _: dict[str, Any]) -> dict[str, Any]:
        """Read the rules again; see `RulesInForce.reload` for what it raises."""
        return await self.rules.reload()
