"""docs/traps.md names tests; they are there."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
ROWS = [line for line in (ROOT / "docs/traps.md").read_text("utf-8").splitlines() if line.startswith("| ")][2:]


def test_every_trap_names_tests_that_exist() -> None:
    """A row without a test, or with one that was renamed, is a promise that nobody keeps."""
    code = "\n".join(path.read_text("utf-8") for path in (ROOT / "tests").rglob("*.py"))
    known = set(re.findall(r"^(?:async )?def (test_\w+)", code, re.MULTILINE))
    rules = "\n".join(path.read_text("utf-8") for path in (ROOT / "config/rules").glob("*.test.yaml"))

    for row in ROWS:
        named = set(re.findall(r"`(test_\w+)`", row))
        title = row.rpartition(": ")[2].removesuffix(" |")

        assert named <= known, row
        assert named or title in rules, row
    assert len(ROWS) > 30
