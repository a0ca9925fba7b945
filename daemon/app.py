"""Composition root: the only file that names concretions.

    store (lock, file, writer)
      └─ outputs (forwarder, dispatcher, ticker, control, disk)
           └─ sources (mqtt, modbus; each kept alive)

Leaving unwinds from the inside: sources stop, the last commit is made, outputs flush with a deadline, the file closes.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import signal
from collections.abc import Iterator, Sequence
from datetime import timedelta
from functools import partial
from pathlib import Path

import aiohttp
import structlog

from daemon import __version__, control
from daemon.alarm_commands import AlarmCommands
from daemon.clock import SiteClock
from daemon.commands import Commands, Intake
from daemon.complaint_commands import ComplaintCommands
from daemon.disk import DiskGuard
from daemon.model import Input, Tick
from daemon.order_commands import OrderCommands, TicketingPeer
from daemon.outputs.comparing import Comparing
from daemon.outputs.complaints import ComplaintPolling, ComplaintSink
from daemon.outputs.dispatcher import Dispatcher, Effort
from daemon.outputs.forwarder import Forwarder, Pace
from daemon.outputs.illustrator import Illustrator
from daemon.outputs.influx import InfluxSink
from daemon.outputs.line import LineProtocol
from daemon.outputs.notify.channels import routes
from daemon.outputs.notify.courier import Courier
from daemon.outputs.polling import Rhythm
from daemon.outputs.reconcile import Reconciling
from daemon.outputs.sink import TicketSink, ToldSink
from daemon.outputs.ticketing.contract import TicketingConfig
from daemon.outputs.ticketing.opening import open_sink
from daemon.outputs.ticketing.webhook import Webhook
from daemon.pipeline import Pipeline
from daemon.rules_in_force import RulesInForce
from daemon.sensors.modbus import ModbusBus
from daemon.sensors.mqtt import MqttSource
from daemon.sensors.source import Source
from daemon.sensors.sparkplug import nodes_of
from daemon.settings import Configuration
from daemon.store import journal
from daemon.store.db import FILE, Progress, fact, open_db, reader, set_fact
from daemon.supervisor import Backoff, ServiceManager, keep_alive
from daemon.upkeep import Upkeep
from daemon.writer import Writer

log = structlog.get_logger(__name__)

#: A Tick at least this often: the watchdog is fed after it was committed.
_TICK_EVERY = timedelta(seconds=10)
_LOOK_EVERY = 1.0
_FLUSH_WITHIN = timedelta(seconds=10)


class App:
    """The daemon: holds what runs, and as little behaviour of its own as can be."""

    writer: Writer
    rules: RulesInForce
    forwarder: Forwarder
    courier: Courier
    illustrator: Illustrator
    pipeline: Pipeline
    clock: SiteClock

    def __init__(self, configuration: Configuration, path: Path) -> None:
        """Compose for a configuration; `path` is where a reload reads it again."""
        self._begun_with = configuration
        self.intake = Intake()
        #: The store is open and the rules are in force; peers may still be away.
        self.ready = False
        self._path = path
        self._file = configuration.state_dir / FILE
        self._manager = ServiceManager()
        self._stop = asyncio.Event()

    @property
    def configuration(self) -> Configuration:
        """As it was read last."""
        return self.rules.configuration if self.ready else self._begun_with

    def stop(self) -> None:
        """Begin an orderly end."""
        self._stop.set()

    async def run(self) -> None:
        """Run until `stop()` or a signal.

        Raises:
            ConfigError: the state directory is held by another process.
            BaseException: whatever ended the spine; the first failure, not one that followed from it.
        """
        try:
            with contextlib.ExitStack() as held:
                await self._store(held)
        except BaseExceptionGroup as group:
            raise _first(group) from group
        finally:
            self._manager.tell(STOPPING="1")

    # --- store -------------------------------------------------------------------------------------------

    async def _store(self, held: contextlib.ExitStack) -> None:
        state_dir = self.configuration.state_dir
        held.enter_context(control.exclusive(state_dir))
        held.enter_context(self._signals())
        progress = held.enter_context(Progress(state_dir))
        opened = open_db(state_dir, SiteClock(not_before=progress.at).now())
        held.callback(opened.db.close)
        self.pipeline = Pipeline(opened.db, not_before_seq=progress.seq)
        # the progress file is never flushed: after a power cut the journal may know of a later time
        known_at = max(progress.at, self.pipeline.journal.last_at)
        self.clock = SiteClock(not_before=known_at, on_step=_report_step)
        self.pipeline.respond_by(self.configuration.sla)
        replayed = self.pipeline.restore(self._ask_for_patience)
        log.info("store_opened", file=str(self._file), replayed=replayed, ledger=self.pipeline.ledger.id)
        self.writer = Writer(self.pipeline, on_commit=self._committed, progress=progress)
        self.rules = RulesInForce(self.configuration, self._path, self.pipeline, self.writer, self.clock)
        try:
            await self._outputs()
        finally:
            await self.writer.close()
        log.info("stopped")

    def _committed(self, numbered: Sequence[tuple[int, Input]]) -> None:
        self.intake.count(numbered)
        self.forwarder.offer(numbered)
        self.dispatcher.wake()
        self.courier.wake()
        self.illustrator.wake()

    # --- outputs -----------------------------------------------------------------------------------------

    async def _outputs(self) -> None:
        gateway, site = self.configuration.gateway, self.configuration.catalogue.site
        async with (
            InfluxSink(gateway.influx) as influx,
            open_sink(gateway.ticketing, site, self.clock) as ticketing,
            contextlib.AsyncExitStack() as held,
        ):
            self.forwarder = Forwarder(
                influx,
                LineProtocol(self.configuration.catalogue),
                self._file,
                run_job=self.writer.run,
                clock=self.clock,
                pace=Pace(batch_lines=gateway.influx.batch_lines, flush_interval=gateway.influx.flush_interval),
            )
            self.dispatcher = Dispatcher(
                ticketing,
                self._file,
                run_job=self.writer.run,
                emit=self.writer.emit,
                clock=self.clock,
                effort=Effort(poll_interval=gateway.ticketing.poll_interval),
            )
            self.reconciling = Reconciling(ticketing, self._file, run_job=self.writer.run, clock=self.clock)
            self.disk = DiskGuard(
                self.configuration.state_dir,
                self.writer.emit,
                self.writer.run,
                self.clock,
                max_size=gateway.store.max_size,
                reserve=gateway.store.reserve,
            )
            http = await held.enter_async_context(aiohttp.ClientSession())
            channels = routes(gateway.notify, http, self.clock)
            self.courier = Courier(channels, self._file, run_job=self.writer.run, clock=self.clock)
            self.illustrator = Illustrator(self._file, run_job=self.writer.run, clock=self.clock)
            await self.rules.take_up()
            _calm_collector()
            sources = list(self._build_sources())
            commands = Commands(
                self._file,
                self.clock,
                self.pipeline,
                self.writer,
                self.rules,
                self.forwarder,
                self.disk,
                self.intake,
                AlarmCommands(self._file, self.clock, self.writer.emit, self.pipeline.known),
                OrderCommands(self._file, self.clock, self.writer.emit, self.writer.run, self._peer(ticketing)),
                ComplaintCommands(self._file, self.clock, self.writer.emit),
            )
            async with (
                control.serving(self.configuration.control_socket, commands.by_name()),
                asyncio.TaskGroup() as group,
            ):
                forwarding = group.create_task(self.forwarder.run(), name="forwarder")
                others = [
                    group.create_task(self.dispatcher.run(), name="dispatcher"),
                    group.create_task(self.reconciling.run(), name="reconcile"),
                    *self._listen(group, ticketing),
                    group.create_task(self.courier.run(), name="courier"),
                    group.create_task(self.illustrator.run(), name="illustrator"),
                    group.create_task(self._tick(), name="ticker"),
                    group.create_task(self.disk.run(), name="disk"),
                    group.create_task(
                        Upkeep(self.writer.run, self.clock, gateway.store.keep_decisions).run(), name="upkeep"
                    ),
                ]
                self.ready = True
                self._manager.tell(READY="1", STATUS=self._summary())
                log.info("started", version=__version__, site=site.id)
                await self._sources(sources)
                await self._flush(forwarding)
                for task in others:
                    task.cancel()

    def _peer(self, sink: TicketSink) -> TicketingPeer:
        comparing = Comparing(
            sink, self._file, self.writer.run, self.writer.emit, self.clock, self.dispatcher.duplicates
        )
        return TicketingPeer(self.dispatcher.look, self.reconciling.wake, comparing.compare)

    def _listen(self, group: asyncio.TaskGroup, sink: ToldSink) -> Iterator[asyncio.Task[None]]:
        """What the ticketing service tells besides: complaints, if it has them; changes, if it was given a place."""
        ticketing = self.configuration.gateway.ticketing
        if isinstance(ticketing, TicketingConfig) and ticketing.complaints and isinstance(sink, ComplaintSink):
            rhythm = Rhythm(ticketing.poll_interval.total_seconds(), Backoff(1.0, 60.0))
            polling = ComplaintPolling(
                sink, self._file, run_job=self.writer.run, emit=self.writer.emit, clock=self.clock, rhythm=rhythm
            )
            yield group.create_task(polling.run(), name="complaints")
        config = ticketing.webhook
        if config is not None:
            webhook = Webhook(config, sink, self._file, emit=self.writer.emit, clock=self.clock)
            yield group.create_task(webhook.run(), name="webhook")

    async def _flush(self, forwarding: asyncio.Task[None]) -> None:
        """Sources are silent: commit what they left, and give the peers a while to take what is there."""
        await self.writer.run(lambda _: None)
        forwarding.cancel()
        await asyncio.wait([forwarding])
        async with asyncio.TaskGroup() as group:
            group.create_task(self.forwarder.finish(_FLUSH_WITHIN), name="last readings")
            group.create_task(self.dispatcher.idle(_FLUSH_WITHIN), name="last deliveries")

    async def _tick(self) -> None:
        """A Tick when a deadline has run out, and now and then for the watchdog."""
        last = self.clock.now()
        while True:
            await self.clock.sleep(_LOOK_EVERY)
            now, due = self.clock.now(), self.writer.next_deadline
            if now - last >= _TICK_EVERY or (due is not None and due <= now):
                await self.writer.emit([Tick(now)], urgent=True)
                self._manager.tell(WATCHDOG="1", STATUS=self._summary())
                last = now

    # --- sources -----------------------------------------------------------------------------------------

    async def _sources(self, sources: Sequence[Source]) -> None:
        """Until a stop is asked for, or the writer has ended."""
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(
                    keep_alive(source.name, partial(source.run, self.disk.emit), self.clock),
                    name=f"source {source.name}",
                )
                for source in sources
            ]
            self.writer.ended.add_done_callback(lambda _: self.stop())
            await self._stop.wait()
            log.info("stopping")
            for task in tasks:
                task.cancel()

    def _build_sources(self) -> Iterator[Source]:
        site = self.configuration.catalogue.site
        for name, config in self.configuration.gateway.sources.items():
            bindings = self.configuration.bindings[name]
            if not bindings:
                log.warning("source_unused", source=name, advice="no device of assets.yaml speaks over it")
            elif config.mqtt is not None:
                with reader(self._file) as db:
                    session, packets = journal.remembered(db, name)
                    subscribed = fact(db, f"subscribed {name}").split("\n")
                    births = {node: fact(db, f"births {name} {node}") for node in nodes_of(bindings)}
                yield MqttSource(
                    config.mqtt,
                    bindings,
                    self.clock,
                    site=site,
                    name=name,
                    remembered=packets,
                    session=session,
                    subscribed=[topic for topic in subscribed if topic],
                    on_subscribed=partial(self._remember_subscribed, name),
                    births=births,
                    on_birth=partial(self._remember_births, name),
                )
            elif config.modbus is not None:
                yield ModbusBus(config.modbus, bindings, self.clock, name=name)

    def _remember_subscribed(self, source: str, topics: Sequence[str]) -> None:
        self.writer.post(lambda db: set_fact(db, f"subscribed {source}", "\n".join(topics)))

    def _remember_births(self, source: str, node: str, births: str) -> None:
        self.writer.post(lambda db: set_fact(db, f"births {source} {node}", births))

    # --- signals, and what the service manager is told ---------------------------------------------------

    @contextlib.contextmanager
    def _signals(self) -> Iterator[None]:
        """SIGTERM and SIGINT end, SIGHUP reloads."""
        loop = asyncio.get_running_loop()
        reloads: set[asyncio.Task[None]] = set()

        def reload() -> None:
            if not self.ready:
                log.warning("reload_refused", error="still starting, with the rules that are on disk")
                return
            task = loop.create_task(self.rules.reload_by_signal(), name="reload")
            reloads.add(task)
            task.add_done_callback(reloads.discard)

        handlers = {signal.SIGTERM: self.stop, signal.SIGINT: self.stop, signal.SIGHUP: reload}
        for number, handler in handlers.items():
            loop.add_signal_handler(number, handler)
        try:
            yield
        finally:
            for number in handlers:
                loop.remove_signal_handler(number)

    def _ask_for_patience(self, replayed: int) -> None:
        """Work is being done, if not yet the usual: the service manager is not to end us for it."""
        self._manager.tell(EXTEND_TIMEOUT_USEC="60000000", STATUS=f"replaying the journal: {replayed} rows")

    def _summary(self) -> str:
        return f"{self.intake.received} readings received, {self.forwarder.status().values_written} written"


def _calm_collector() -> None:
    """What stands now stands to the end, and readings make no cycles: look for cycles seldom, and not in all of it."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


def _report_step(step: timedelta) -> None:
    log.warning("wall_clock_stepped", seconds=step.total_seconds(), advice="site time goes on; check NTP")


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The first failure in a group of groups."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
