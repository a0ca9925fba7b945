"""The daemon as the crash run starts it: `python -m tests.crash.child MUTATION run -c DIRECTORY`.

It is `precomplaint` itself, with a snapshot every few seconds, so that those moments too come round often enough to be
killed at. A MUTATION other than `none` builds a fault into it that the crash run must find: the test of the test.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from datetime import timedelta

from typing_extensions import override

import daemon.app
import daemon.pipeline
from daemon.cli import main
from daemon.model import Emit, Input, OutboxAction, Taken
from daemon.outputs.dispatcher import Dispatcher
from daemon.sensors.mqtt import MqttSource
from daemon.sensors.mqtt_link import Link
from daemon.sensors.mqtt_wire import Publish
from daemon.store import outbox
from daemon.store.outbox import Delivery


class AutomaticAck(MqttSource):
    """Acknowledges each message when it arrives, as the client library does when it is left alone."""

    @override
    def _received(self, message: Publish) -> None:
        super()._received(message)
        if message.qos and self._link is not None:
            self._link.acknowledge([message.mid])


class AckBeforeCommit(MqttSource):
    """Acknowledges a batch and commits it afterwards."""

    @override
    async def _commit(self, link: Link, emit: Emit) -> None:
        async def hasty(inputs: Sequence[Input], *, urgent: bool = False, taken: Taken | None = None) -> None:
            link.acknowledge([mid for mid, _ in taken.packets] if taken else [])
            await emit(inputs, urgent=urgent, taken=taken)

        await super()._commit(link, hasty)


class ReceiptBeforeCommit(Dispatcher):
    """Writes the receipt of an order before the service has committed it."""

    @override
    async def _send(self, delivery: Delivery) -> str | None:
        if delivery.action is OutboxAction.CREATE:
            now = self._clock.now()
            await self._run_job(lambda db: outbox.delivered(db, delivery.id, "early", now))
        return await super()._send(delivery)


def _use(name: str, part: type) -> Callable[[], None]:
    return lambda: setattr(daemon.app, name, part)


#: What can be built in, by name.
MUTATIONS: dict[str, Callable[[], None]] = {
    "none": lambda: None,
    "automatic-ack": _use("MqttSource", AutomaticAck),
    "ack-before-commit": _use("MqttSource", AckBeforeCommit),
    "receipt-before-commit": _use("Dispatcher", ReceiptBeforeCommit),
}

if __name__ == "__main__":
    MUTATIONS[sys.argv.pop(1)]()
    daemon.pipeline.SNAPSHOT_EVERY = timedelta(seconds=2)
    main()
