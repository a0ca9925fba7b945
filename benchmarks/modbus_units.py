"""The other end of the bus: units with a block of 125 registers each, whose words change with every read.

`python -m benchmarks.modbus_units UNITS [DEAD]` prints a JSON line with its port; unit DEAD never answers.
"""

from __future__ import annotations

import sys

import uvloop

from simulators.lifetime import announce, told_to_stop
from simulators.modbus_server import HOLDING, ModbusServer, WireFaults

REGISTERS = 125


class Bank:
    """Registers 0 to 124: numbers of f32 whose lower words count, then numbers of u16."""

    def __init__(self) -> None:
        self._reads = 0

    def read(self, function: int, address: int, count: int) -> list[int] | None:
        """A stretch of the holding registers."""
        if function != HOLDING or address + count > REGISTERS:
            return None
        self._reads = (self._reads + 1) % 1000
        # 0x4148 is the upper word of 12.5: whatever the lower one is, the number is about that
        words = [0x4148, self._reads] * 25 + [500 + self._reads] * 75
        return words[address : address + count]


async def serve(units: int, dead: int) -> None:
    """Answer until told to stop."""
    server = ModbusServer({unit: Bank() for unit in range(1, units + 1)})
    server.faults[dead] = WireFaults(silent=True)
    async with server.serving(), told_to_stop() as over:
        announce(port=server.port)
        await over.wait()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0))
