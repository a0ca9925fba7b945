"""The rules in force: those of the configuration, taken up at the start and at each reload."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import structlog

from daemon import settings
from daemon.clock import Clock
from daemon.model import ConfigError, Reload, Tick
from daemon.pipeline import Pipeline
from daemon.rules.schema import Ruleset
from daemon.settings import Configuration
from daemon.writer import Writer

log = structlog.get_logger(__name__)


class RulesInForce:
    """Brings the rules of a configuration into force; unchanged ones keep their timers."""

    def __init__(
        self, configuration: Configuration, path: Path, pipeline: Pipeline, writer: Writer, clock: Clock
    ) -> None:
        #: As it was read last, without a fault.
        self.configuration = configuration
        self._path = path
        self._pipeline = pipeline
        self._writer = writer
        self._clock = clock
        #: One at a time: of two reloads the later one is to stand.
        self._turn = asyncio.Lock()

    @property
    def hash(self) -> str:
        """Of the rules that the engine goes by; empty before the first were taken up."""
        return self._pipeline.ruleset.hash if self._pipeline.ruleset is not None else ""

    async def take_up(self) -> None:
        """At the start: the rules on disk come into force, or, with an error in the log, those of before go on.

        Raises:
            ConfigError: they cannot be taken up, and there are none of before.
        """
        async with self._turn:
            try:
                await self._bring_in(self.configuration.ruleset)
            except ConfigError as error:
                if self._pipeline.ruleset is None:
                    raise
                log.error("rules_not_taken_up", faults=error.faults, advice="the old rules go on")  # noqa: TRY400

    async def reload(self) -> dict[str, Any]:
        """Read the configuration again; what has a fault leaves what runs running.

        Raises:
            ConfigError: the new configuration has faults.
            ValueError: more than rules has changed.
        """
        async with self._turn:
            new = await asyncio.to_thread(settings.load, self._path)
            old = self.configuration
            if (new.catalogue, new.bindings, new.gateway) != (old.catalogue, old.bindings, old.gateway):
                raise ValueError("assets, profiles or gateway.yaml have changed as well: restart to take them up")
            await self._bring_in(new.ruleset)
            await self._writer.run(lambda _: self._pipeline.respond_by(new.sla))
            self.configuration = new
            return {"rules": len(new.ruleset.rules), "hash": new.ruleset.hash}

    async def reload_by_signal(self) -> None:
        """`reload`, for whoever waits for no answer: it is in the log."""
        try:
            done = await self.reload()
        except ConfigError as error:
            log.error("reload_refused", faults=error.faults, advice="the old rules go on")  # noqa: TRY400  told whole
        except ValueError as error:
            log.error("reload_refused", error=str(error), advice="the old rules go on")  # noqa: TRY400  told whole
        else:
            log.info("reloaded", **done)

    async def _bring_in(self, ruleset: Ruleset) -> None:
        await self._writer.emit([Tick(self._clock.now())], urgent=True)
        if self.hash == ruleset.hash:
            return
        now = self._clock.now()
        await self._writer.run(lambda _: self._pipeline.journal.add_ruleset(ruleset.hash, ruleset.to_json(), now))
        await self._writer.emit([Reload(now, ruleset.hash)], urgent=True)
        if self.hash != ruleset.hash:  # set aside, as any input is at which processing died again and again
            raise ConfigError(
                [f"{self._path}: taking up these rules has ended the daemon before; change or remove them"]
            )
        log.info("rules_loaded", rules=len(ruleset.rules), hash=ruleset.hash)
