"""The connection between a simulated device and its peer: cut, or dead without a word, while a script says so."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from simulators.proxy import FaultProxy


class LineFaults:
    """Lets a proxy suffer `line_disconnect` and `line_half_open`."""

    def __init__(self, proxy: FaultProxy) -> None:
        self._proxy = proxy
        self._state = ""

    async def follow(self, faults: Iterable[str]) -> None:
        """Bring the proxy to what is in force now."""
        wanted = next((name for name in ("line_disconnect", "line_half_open") if name in faults), "")
        if wanted == self._state:
            return
        self._state = wanted
        await self._proxy.heal()
        if wanted == "line_disconnect":
            await self._proxy.refuse()
        elif wanted == "line_half_open":
            self._proxy.half_open()
        else:
            # What was held back belongs to connections that the other side has long given up.
            self._proxy.reset()
