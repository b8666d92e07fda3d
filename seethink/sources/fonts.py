"""Fonts: those that ship with matplotlib, equal everywhere, and the installed ones for other scripts."""

from __future__ import annotations

import logging
from functools import cache
from pathlib import Path

import PIL.ImageFont

BUNDLED = ("DejaVuSans.ttf", "DejaVuSerif.ttf", "DejaVuSansMono.ttf", "STIXGeneral.ttf")
"""Font files of matplotlib for running text."""
_OUTLINES = {"glyf", "CFF ", "CFF2"}
_LOG = logging.getLogger(__name__)


class MissingGlyph(ValueError):
    """No font on this machine has the characters of a text."""


@cache
def font(name: str, size_px: int) -> PIL.ImageFont.FreeTypeFont:
    """One of matplotlib's fonts, by its file name."""
    return PIL.ImageFont.truetype(_bundled(name), size_px)


def font_for(text: str, preferred: str, size_px: int) -> PIL.ImageFont.FreeTypeFont:
    """The first font that has all of `text`: the bundled font `preferred`, the other bundled ones, then the
    machine's in the order of their paths. Raises MissingGlyph."""
    wanted = {ord(c) for c in text if not c.isspace()}
    files = dict.fromkeys([*map(_bundled, (preferred, *BUNDLED)), *system_fonts()])
    for file in files:
        if wanted <= characters(file):
            return PIL.ImageFont.truetype(file, size_px)
    if missing := sorted(wanted.difference(*map(characters, files))):
        raise MissingGlyph(f"no font on this machine has U+{missing[0]:04X}")
    raise MissingGlyph("no font on this machine has all characters of the text")


@cache
def system_fonts() -> tuple[str, ...]:
    """Paths of the fonts that are installed on this machine, sorted."""
    from matplotlib.font_manager import findSystemFonts

    return tuple(sorted(findSystemFonts()))


@cache
def characters(file: str) -> frozenset[int]:
    """Code points that a font file has outlines for; none, with a warning, if it cannot be read.

    Fonts of bitmaps alone, such as coloured emoji, have no outlines to scale.
    """
    from fontTools.ttLib import TTFont

    try:
        with TTFont(file, fontNumber=0, lazy=True) as opened:
            return frozenset(opened.getBestCmap() or ()) if _OUTLINES & {*opened.keys()} else frozenset()
    except Exception as error:  # a broken table shows as almost any type of error
        _LOG.warning("the font %s cannot be read and is left out: %s", file, error or type(error).__name__)
        return frozenset()


def bundled_characters(name: str) -> frozenset[int]:
    """Code points of one of matplotlib's fonts, by its file name."""
    return characters(_bundled(name))


@cache
def _bundled(name: str) -> str:
    import matplotlib

    return str(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / name)
