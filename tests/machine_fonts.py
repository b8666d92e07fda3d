"""Fonts built in code, so that no test needs one that somebody installed."""

from __future__ import annotations

from pathlib import Path

from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from fontTools.ttLib import TTFont

UNITS = 1000


def box_font(file: Path, characters: str) -> str:
    """Write a TrueType font that draws `characters` as boxes of different heights; returns its path."""
    names = [".notdef", *(f"uni{ord(c):04X}" for c in characters)]
    builder = FontBuilder(UNITS, isTTF=True)
    builder.setupGlyphOrder(names)
    builder.setupCharacterMap({ord(c): name for c, name in zip(characters, names[1:], strict=True)})
    builder.setupGlyf({name: _box(UNITS - 20 * i) for i, name in enumerate(names)})
    builder.setupHorizontalMetrics(dict.fromkeys(names, (UNITS, 50)))
    builder.setupHorizontalHeader(ascent=UNITS, descent=-200)
    builder.setupOS2()
    builder.setupNameTable({"familyName": "Box", "styleName": "Regular"})
    builder.setupPost()
    builder.save(file)
    return str(file)


def without_outlines(file: Path, source: str) -> str:
    """Write the font `source` without its outlines, as a font of bitmaps alone is; returns its path."""
    with TTFont(source) as font:
        del font["glyf"], font["loca"]
        font.save(file)
    return str(file)


def _box(height: int) -> object:
    pen = TTGlyphPen(None)
    pen.moveTo((50, 0))
    for corner in ((50, height), (950, height), (950, 0)):
        pen.lineTo(corner)
    pen.closePath()
    return pen.glyph()
