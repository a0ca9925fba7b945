"""Outlines of the characters that charts are written in, from Debian's fonts-noto-cjk: run by hand, and seldom.

    apt-get install fonts-noto-cjk; pip install fonttools
    python -m daemon.charts.make_glyphs /usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc

Writes `glyphs.zip` beside this file: GB 2312 and Latin, 128 characters to a block, one a line: code point (hex),
advance, outline as an SVG path of whole 400ths of an em, the base line at y = 0. What bends less than can be seen at
reading size is drawn straight, which takes a third off. The same font gives the same bytes.
"""

from __future__ import annotations

import sys
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

#: Units to an em; at 14 px one of them is a 28th of a pixel.
UPEM = 400
#: A third of a hundredth of an em: what bends less is straight.
_TOLERANCE = 5.0
_FACE = "Noto Sans CJK SC"
_BLOCK = 128
#: Signs of charts and units; characters of names of estates and people that GB 2312 has not.
_MORE = (
    "≤≥−–—…·→←↑↓▲▼△▽◀▶✓✗°℃℉µΩ²³‰㎡㎥"
    "堃喆玥垚昇峯犇旻珺赟祎璟甯瑀濛翀韡頔镕晞曈昉煊璠珅琤琰玘沄湉骉叕炘垟畲栟塱湴埗氹廍圳啫"
)
_XY = tuple[float, float]


def characters() -> set[str]:
    """GB 2312 (rows 1-9 hold punctuation, Greek, numerals), ASCII, Latin-1 and Latin Extended-A."""
    found = {chr(code) for code in (*range(0x20, 0x7F), *range(0xA0, 0x180))}
    for row in range(0xA1, 0xF8):
        for cell in range(0xA1, 0xFF):
            found.add(bytes((row, cell)).decode("gb2312", "ignore"))
    return found - {""} | set(_MORE)


def path_of(pen: Sequence[tuple[str, Sequence[_XY]]], upem: int) -> str:
    """A recorded outline (of `upem` units to an em, y upwards) as a path with relative steps."""
    written: list[str] = []
    last = ""
    for command, numbers in _steps(pen, UPEM / upem):
        text = "".join(f"{n}" if i == 0 or n < 0 else f" {n}" for i, n in enumerate(numbers))
        if command == last and command not in "mz":
            written.append(text if text.startswith("-") else f" {text}")
        else:
            written.append(command + text)
        last = command
    return "".join(written)


def _steps(pen: Sequence[tuple[str, Sequence[_XY]]], scale: float) -> Iterator[tuple[str, list[int]]]:
    at = begun = (0, 0)
    exact = (0.0, 0.0)

    def whole(point: _XY) -> tuple[int, int]:
        return round(point[0] * scale), round(-point[1] * scale)

    for verb, points in pen:
        if verb in ("closePath", "endPath"):
            yield "z", []
            at = begun
            continue
        shape = "m" if verb == "moveTo" else "l"
        given = list(points)
        if verb == "curveTo":
            shape, given = _simpler(exact, given)
        ends = [whole(point) for point in given]
        exact = points[-1]
        if shape == "l" and ends[-1] == at:
            continue
        yield _straight(at, ends[0]) if shape == "l" else (shape, [n for x, y in ends for n in (x - at[0], y - at[1])])
        at = ends[-1]
        begun = at if shape == "m" else begun


def _straight(a: tuple[int, int], b: tuple[int, int]) -> tuple[str, list[int]]:
    if a[1] == b[1]:
        return "h", [b[0] - a[0]]
    if a[0] == b[0]:
        return "v", [b[1] - a[1]]
    return "l", [b[0] - a[0], b[1] - a[1]]


def _simpler(start: _XY, curve: Sequence[_XY]) -> tuple[str, list[_XY]]:
    """A cubic as a line or a quadratic where that is as good."""
    one, two, end = curve
    dx, dy = end[0] - start[0], end[1] - start[1]
    length = (dx * dx + dy * dy) ** 0.5 or 1.0
    bow = max(abs(dx * (p[1] - start[1]) - dy * (p[0] - start[0])) / length for p in (one, two))
    if bow * 0.75 < _TOLERANCE:
        return "l", [end]
    wave = [end[i] - 3 * two[i] + 3 * one[i] - start[i] for i in (0, 1)]
    if (wave[0] ** 2 + wave[1] ** 2) ** 0.5 * 3**0.5 / 36 < _TOLERANCE:
        middle = [(3 * (one[i] + two[i]) - start[i] - end[i]) / 4 for i in (0, 1)]
        return "q", [(middle[0], middle[1]), end]
    return "c", list(curve)


def make(font: Path, to: Path) -> int:
    """Write the outlines of `font` (a TrueType collection with the face for Simplified Chinese); how many."""
    from fontTools.pens.recordingPen import RecordingPen  # noqa: PLC0415  only whoever makes the file needs it
    from fontTools.ttLib import TTCollection  # noqa: PLC0415

    fonts: list[Any] = TTCollection(font, lazy=True).fonts
    face = next(one for one in fonts if one["name"].getDebugName(4) == _FACE)
    upem, names, shapes = face["head"].unitsPerEm, face.getBestCmap(), face.getGlyphSet()
    blocks: dict[int, list[str]] = {}
    for character in sorted(characters()):
        code = ord(character)
        if code in names:
            pen = RecordingPen()
            shapes[names[code]].draw(pen)
            advance = round(shapes[names[code]].width * UPEM / upem)
            blocks.setdefault(code // _BLOCK, []).append(f"{code:x} {advance} {path_of(pen.value, upem)}")
    with zipfile.ZipFile(to, "w") as archive:
        for number, lines in blocks.items():
            entry = zipfile.ZipInfo(f"{number:x}", (1980, 1, 1, 0, 0, 0))
            archive.writestr(entry, "\n".join(lines), zipfile.ZIP_DEFLATED, 9)
    return sum(map(len, blocks.values()))


if __name__ == "__main__":
    make(Path(sys.argv[1]), Path(__file__).with_name("glyphs.zip"))
