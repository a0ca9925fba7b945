from __future__ import annotations

import re
from pathlib import Path

import daemon

#: Function codes that write, and what libraries call them.
WRITES = re.compile(
    r"write_(coil|register|registers|coils|file)|mask_write|WriteSingle|WriteMultiple|readwrite_registers"
)


def test_no_code_can_write_to_a_device() -> None:
    """No write function of Modbus is named anywhere in the daemon: what cannot be called cannot go wrong."""
    sources = list(Path(daemon.__file__).parent.rglob("*.py"))
    found = [
        f"{path}:{n}"
        for path in sources
        for n, line in enumerate(path.read_text("utf-8").splitlines(), 1)
        if WRITES.search(line)
    ]

    assert sources
    assert found == []
