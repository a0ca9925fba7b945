"""Named SQL statements in `.sql` files beside this: `-- name: <name>`, a describing comment, the statement."""

from __future__ import annotations

import re
from importlib import resources

_HEADER = re.compile(r"^-- name: (\w+)$", re.MULTILINE)


def load(file: str) -> dict[str, str]:
    """The statements of `<file>.sql` by name."""
    text = (resources.files("daemon.store") / f"{file}.sql").read_text(encoding="utf-8")
    parts = _HEADER.split(text)[1:]
    return {name: body.strip() for name, body in zip(parts[::2], parts[1::2], strict=True)}
