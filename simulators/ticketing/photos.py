"""Photographs beside the SQLite file: only what is an image by its first bytes, served as that and nothing else."""

from __future__ import annotations

import hashlib
import re
import tempfile
from pathlib import Path

#: Bytes of one photograph, photographs of one message.
MOST_BYTES = 5 * 1024 * 1024
MOST_PHOTOS = 6
TYPES = {"jpg": "image/jpeg", "png": "image/png", "webp": "image/webp"}

_NAME = re.compile(r"[0-9a-f]{40}\.(jpg|png|webp)")


class NoPhoto(Exception):
    """What was sent is no photograph that we keep; the text says why: `type`, `size` or `number`."""


class Photos:
    """A directory of photographs, each under the digest of its content.

    Args:
        path: the SQLite file beside which they lie; with `:memory:` they are forgotten at the end.
    """

    def __init__(self, path: str | Path) -> None:
        self._own: tempfile.TemporaryDirectory[str] | None = None
        self._folder = None if str(path) == ":memory:" else Path(f"{path}.photos")

    def close(self) -> None:
        """Forget what was not to be kept."""
        if self._own is not None:
            self._own.cleanup()

    def keep(self, content: bytes) -> str:
        """Keep one photograph; returns its name.

        Raises:
            NoPhoto: it is too large, or neither JPEG nor PNG nor WebP.
        """
        if len(content) > MOST_BYTES:
            raise NoPhoto("size")
        ending = ending_of(content)
        if ending is None:
            raise NoPhoto("type")
        name = f"{hashlib.sha256(content).hexdigest()[:40]}.{ending}"
        kept = self._there() / name
        if not kept.exists():
            half = kept.with_suffix(".part")
            half.write_bytes(content)
            half.replace(kept)
        return name

    def find(self, name: str) -> tuple[bytes, str]:
        """A photograph and its media type.

        Raises:
            KeyError: there is none of that name.
        """
        if not _NAME.fullmatch(name):
            raise KeyError(name)
        try:
            return (self._there() / name).read_bytes(), TYPES[name.rpartition(".")[2]]
        except FileNotFoundError as error:
            raise KeyError(name) from error

    def _there(self) -> Path:
        if self._folder is None:
            self._own = tempfile.TemporaryDirectory(prefix="precomplaint-photos-")
            self._folder = Path(self._own.name)
        self._folder.mkdir(mode=0o700, exist_ok=True)
        return self._folder


def ending_of(content: bytes) -> str | None:
    """What the first bytes say it is; None: none of ours."""
    if content.startswith(b"\xff\xd8\xff"):
        return "jpg"
    if content.startswith(b"\x89PNG\r\n\x1a\n"):
        return "png"
    return "webp" if content[:4] == b"RIFF" and content[8:12] == b"WEBP" else None
