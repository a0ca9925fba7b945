"""The outside world as child processes: each says that it is ready, and ends when its stdin does."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

ROOT = Path(__file__).parents[2]
_LEAVES_WITHIN = 60.0


class Simulator:
    """One running simulator; `facts` is what it told when it was ready."""

    def __init__(self, process: subprocess.Popen[str], facts: dict[str, Any]) -> None:
        self.process = process
        self.facts = facts

    def finish(self) -> str:
        """End its stdin and wait; gives what it printed after it was ready."""
        rest, _ = self.process.communicate(timeout=_LEAVES_WITHIN)
        return rest


@contextlib.contextmanager
def simulator(*arguments: object, log: IO[str]) -> Iterator[Simulator]:
    """Run `python -m simulators …` inside the block.

    Raises:
        RuntimeError: it ended before it was ready; its own words are in the log.
    """
    command = [sys.executable, "-m", "simulators", *map(str, arguments)]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True
    ) as process:
        assert process.stdout is not None
        try:
            line = process.stdout.readline()
            if not line:
                raise RuntimeError(f"{' '.join(command)} did not start; see {log.name}")
            yield Simulator(process, json.loads(line))
        finally:
            if process.poll() is None:
                process.terminate()
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(_LEAVES_WITHIN)
                process.kill()
