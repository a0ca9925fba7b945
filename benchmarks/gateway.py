"""The daemon under test: `precomplaint run` as a process, between a broker, a store and a ticketing service."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import aiohttp
import aiomqtt

from benchmarks.processes import Child, running, stand_in
from benchmarks.site import Site
from benchmarks.work import Work
from daemon import control, settings

_START_WITHIN = 60.0
_LOOK_EVERY = 0.1


@dataclass(frozen=True, slots=True)
class Gateway:
    """A running daemon and its peers."""

    child: Child
    site: Site
    #: Where a publisher of version 3.1.1 finds the broker.
    broker: int
    socket: Path
    http: aiohttp.ClientSession

    async def status(self) -> dict[str, Any]:
        """What `precomplaint status` tells."""
        return await control.ask(self.socket, "status")

    async def tally(self) -> dict[str, int]:
        """What the time series store has counted since it was started."""
        found: dict[str, int] = await self._get(f"{self.site.influx}/_tally")
        return found

    async def orders(self) -> list[dict[str, Any]]:
        """The records of the ticketing service."""
        found: list[dict[str, Any]] = (await self._get(f"{self.site.ticketing}/v1/orders"))["orders"]
        return found

    async def stored(self, work: Work, messages: int) -> dict[str, int]:
        """Wait until the store holds every value of so many messages, and check that it holds nothing else.

        Raises:
            RuntimeError: it holds something else, or not all in time.
        """
        wanted = messages * work.fields
        tally = await self.tally()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(work.within):
                while tally["field_values_distinct"] < wanted:
                    await asyncio.sleep(_LOOK_EVERY)
                    tally = await self.tally()
        found = {name: tally[name] for name in ("points_distinct", "field_values_distinct", "field_values_received")}
        expected = {"points_distinct": messages, "field_values_distinct": wanted, "field_values_received": wanted}
        if found != expected or tally["refused"] or tally["quality_fields"]:
            raise RuntimeError(f"the store should hold {expected}, and good values only; it holds {tally}")
        return tally

    async def _get(self, url: str) -> Any:  # noqa: ANN401  whatever JSON holds
        async with self.http.get(url) as response:
            return await response.json()


@contextlib.asynccontextmanager
async def gateway(lifts: int, *, directory: Path | None = None, **site: Any) -> AsyncIterator[Gateway]:  # noqa: ANN401  of Site
    """Run everything while the context is open; the daemon hears its lifts by then.

    Args:
        lifts: on the site.
        directory: for configuration and state, kept; default: a temporary one.
        site: other fields of Site.
    """
    place = directory or Path(tempfile.mkdtemp(prefix="precomplaint-bench-"))
    try:
        async with (
            stand_in("broker") as broker,
            stand_in("influx") as influx,
            stand_in("ticketing") as ticketing,
            aiohttp.ClientSession() as http,
        ):
            described = replace(Site(broker["v5_port"], influx["url"], ticketing["url"], lifts), **site)
            config = described.write(place)
            command = (str(Path(sys.executable).with_name("precomplaint")), "run", "-c", str(config))
            async with running(*command, log=place / "daemon.log") as child:
                running_one = Gateway(child, described, broker["port"], settings.control_socket(config), http)
                try:
                    await _hears(broker["port"], described)
                except TimeoutError as error:
                    said = (place / "daemon.log").read_text(encoding="utf-8")[-2000:]
                    raise RuntimeError(f"the daemon did not come up: {said or 'it said nothing'}") from error
                yield running_one
    finally:
        if directory is None:
            shutil.rmtree(place, ignore_errors=True)


async def _hears(port: int, site: Site) -> None:
    """Wait until the daemon says that it is online: it does so after it has subscribed."""
    async with asyncio.timeout(_START_WITHIN), aiomqtt.Client("127.0.0.1", port) as client:
        await client.subscribe(f"precomplaint/{site.id}/status", qos=1)
        async for message in client.messages:
            if message.payload == b"online":
                return
