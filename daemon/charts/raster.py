"""A chart as PNG, for peers that take no SVG: by resvg, which is an extra (`pip install precomplaint[png]`)."""

from __future__ import annotations

from daemon.model import PrecomplaintError

#: Pixels to a unit of the drawing: 1 080 wide, sharp on a telephone.
ZOOM = 3


class PngUnavailable(PrecomplaintError):
    """The extra is not installed; the text says what to do."""


def png(svg: str) -> bytes:
    """The picture, `ZOOM` times as wide as the drawing says. It reads no font and no file.

    Raises:
        PngUnavailable: resvg is not installed.
    """
    try:
        import resvg_py  # noqa: PLC0415  an extra
    except ImportError as error:
        raise PngUnavailable("no PNG without resvg; install precomplaint[png], or ask for an .svg") from error
    return bytes(resvg_py.svg_to_bytes(svg_string=svg, zoom=ZOOM, skip_system_fonts=True))
