"""A `TicketSink` for the stand-in ERP, as small as can be: what a service without keys makes of the dispatcher."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import aiohttp
import orjson

from daemon.model import Reject, Retry
from daemon.outputs.sink import Ambiguity, Capability, Changes, OpenTicket
from daemon.store.outbox import Followed

SOON = Ambiguity(settle=timedelta(milliseconds=1), look_again=timedelta(milliseconds=1))


@dataclass
class ErpSink:
    """The key stands in the content; a busy answer comes back, any other refusal does not."""

    url: str
    capability: Capability = Capability.SEARCH
    ambiguity: Ambiguity = SOON
    patience: float = 2.0

    async def create(self, key: str, body: bytes) -> str:
        """See `TicketSink`; where no number is told, it is empty."""
        document = orjson.loads(body)
        content = f"{document.get('explanation', {}).get('zh', '')} {key}"
        data = await self._ask(
            "create",
            {
                "companyCode": "HY",
                "source": "IOT",
                "workClass": "050101",
                "urgency": "041001",
                "buildingCode": "HY-B1",
                "title": document["title"]["zh"],
                "workContent": content,
            },
        )
        return str(data["workNo"]) if data else ""

    async def find(self, key: str) -> str | None:
        """See `TicketSink`."""
        return next(iter(await self.find_all(key)), None)

    async def find_all(self, key: str) -> tuple[str, ...]:
        """See `TicketSink`."""
        data = await self._ask("page", {"keyword": key})
        return tuple(record["workNo"] for record in reversed(data["records"]))

    async def note(self, ref: str, key: str, body: bytes) -> None:
        """See `TicketSink`."""
        await self._ask("remark", {"workNo": ref, "content": orjson.loads(body)["text"]["zh"]})

    async def changes(self, since: str, followed: Sequence[Followed] = ()) -> Changes:
        """See `TicketSink`."""
        return Changes(since, ())

    async def open_tickets(self) -> tuple[OpenTicket, ...]:
        """See `TicketSink`."""
        return ()

    async def _ask(self, name: str, body: dict[str, Any]) -> Any:  # noqa: ANN401  JSON
        timeout = aiohttp.ClientTimeout(total=self.patience)
        try:
            async with (
                aiohttp.ClientSession(headers={"X-Access-Token": "t"}, timeout=timeout) as http,
                http.post(f"{self.url}/api/workorder/{name}", json=body) as response,
            ):
                answer = await response.json()
        except aiohttp.ClientConnectorError as error:
            raise Retry(str(error)) from error
        except (TimeoutError, aiohttp.ClientError) as error:
            raise Retry(f"no answer: {error}", ambiguous=True) from error
        if answer["code"] == "1999":
            raise Retry(answer["msg"])
        if answer["code"] != "0":
            raise Reject(f"{answer['code']} {answer['msg']}")
        return answer["data"]
