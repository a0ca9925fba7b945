"""One line on a terminal that says what is being done; nothing where nobody watches."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import Self


class Progress:
    """Use as `with Progress() as progress`; the line is gone afterwards."""

    def __init__(self) -> None:
        self._watched = sys.stderr.isatty()
        self._shown = 0

    def __enter__(self) -> Self:
        """Show nothing yet."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Take the line away."""
        if self._shown:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()

    def tell(self, what: str) -> None:
        """Replace the line."""
        if self._watched:
            sys.stderr.write(f"\r\x1b[K{what[:78]}")
            sys.stderr.flush()
            self._shown = 1
