"""The yardstick: what receiving alone costs with aiomqtt, written the way its documentation does.

`python -m benchmarks.bare_loop PORT COUNT…` prints a JSON line when it has subscribed and another each time it has
counted so many messages more. Nothing is parsed, kept or checked.
"""

from __future__ import annotations

import asyncio
import json
import sys

import aiomqtt
import uvloop


async def receive(port: int, counts: list[int]) -> None:
    """Count messages until the last count is full, then wait for SIGTERM."""
    async with aiomqtt.Client("127.0.0.1", port) as client:
        await client.subscribe("lifts/#", qos=1)
        print(json.dumps({"ready": True}), flush=True)
        for count in counts:
            n = 0
            async for _ in client.messages:
                n += 1
                if n == count:
                    break
            print(json.dumps({"counted": n}), flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(receive(int(sys.argv[1]), [int(count) for count in sys.argv[2:]]))
