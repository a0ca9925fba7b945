"""Characters as outlines: the same on every screen and printer, whatever fonts are there."""

from __future__ import annotations

import zipfile
from functools import lru_cache
from importlib import resources
from typing import NamedTuple

#: As `make_glyphs` writes them.
UPEM = 400
_BLOCK = 128
#: For a character without an outline.
BOX = "m30-300h340v340h-340zm24 24v292h292v-292z"
_MOST_LETTERS = 4000


class Glyph(NamedTuple):
    """One character."""

    #: In 400ths of an em.
    advance: int
    #: An SVG path from the base line; empty for a space.
    path: str


@lru_cache(maxsize=_MOST_LETTERS)
def glyph(character: str) -> Glyph:
    """The outline of a character; a box when there is none, which is as wide as a Chinese one."""
    code = ord(character)
    if character.isspace():
        return Glyph(UPEM if character == "\u3000" else 90, "")
    return _block(code // _BLOCK).get(code) or Glyph(UPEM, BOX)


@lru_cache(maxsize=8)
def _block(number: int) -> dict[int, Glyph]:
    file = resources.files("daemon.charts") / "glyphs.zip"
    with file.open("rb") as raw, zipfile.ZipFile(raw) as archive:
        try:
            text = archive.read(f"{number:x}").decode("ascii")
        except KeyError:
            return {}
    lines = (line.split(" ", 2) for line in text.split("\n"))
    return {int(code, 16): Glyph(int(advance), path) for code, advance, path in lines}


def width(text: str, size: float) -> float:
    """How wide a text is at a type size, in the same unit."""
    return sum(glyph(character).advance for character in text) * size / UPEM


def cut(text: str, size: float, most: float) -> str:
    """The beginning of a text that is at most so wide, marked when something is missing."""
    if width(text, size) <= most:
        return text
    while text and width(f"{text}…", size) > most:
        text = text[:-1]
    return f"{text.rstrip()}…"


def wrap(text: str, size: float, most: float, lines: int) -> list[str]:
    """At most so many lines, each at most so wide; broken at spaces, or before any Chinese character."""
    found = [""]
    for piece in _pieces(text):
        if len(found) == lines or width(found[-1] + piece.rstrip(), size) <= most:
            found[-1] += piece
        elif found[-1].strip():
            found.append(piece)
        else:
            found[-1] = piece
    return [cut(line.strip(), size, most) for line in found if line.strip()]


def _pieces(text: str) -> list[str]:
    """Words with the space behind them; every Chinese character is one, with what may not begin a line."""
    pieces: list[str] = []
    for character in text:
        wide = ord(character) > 0x2E80 and character not in "，。；：、）》”’！？…"
        if not pieces or wide or pieces[-1].endswith(" ") or _is_wide(pieces[-1]):
            joins = (
                pieces and not wide and not character.isalnum() and not character.isspace() and ord(character) > 0x7F
            )
            if joins:
                pieces[-1] += character
            else:
                pieces.append(character)
        else:
            pieces[-1] += character
    return pieces


def _is_wide(piece: str) -> bool:
    return ord(piece[0]) > 0x2E80
