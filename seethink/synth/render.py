"""Texts as pictures of them, formulas included: the twin of a question that is asked in words.

Formulas are drawn by matplotlib's mathtext, or by a real TeX where one is installed. Equal texts give equal
pixels on one machine; size and font follow from a hash of the text.
"""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

import PIL.Image
import PIL.ImageDraw
import PIL.ImageFont
import PIL.ImageOps

from seethink.media import Image
from seethink.synth.latex import Piece, pieces

Tex = Literal["auto", "mathtext", "latex"]
WIDTH_PX, MARGIN_PX, TALLEST_PX = 640, 24, 2_400
LONGEST = 8_000
"""Characters of a text; a longer one fits no picture of `TALLEST_PX`."""
SIZES_PX = (16, 18, 20, 24)
FONTS = ("DejaVuSans.ttf", "DejaVuSerif.ttf", "DejaVuSansMono.ttf", "STIXGeneral.ttf")
_LATEX_S = 20.0


class Undrawable(ValueError):
    """The text cannot be drawn; the message names what in it."""


def picture(text: str, tex: Tex = "auto") -> Image:
    """The text in black on white, by "latex", by "mathtext", or by the first of them that is there and can.
    Raises Undrawable."""
    if not text.strip():
        raise Undrawable("there is no text to draw")
    if len(text) > LONGEST:
        raise Undrawable(f"{len(text):,} characters are more than fit a picture ({LONGEST:,})")
    if half := next((c for c in text if "\ud800" <= c <= "\udfff"), None):
        raise Undrawable(f"U+{ord(half):04X} is half a character")
    tries = [tex] if tex != "auto" else ["latex", "mathtext"] if _has_latex() else ["mathtext"]
    for way in tries:
        try:
            drawn = _DRAW[way](text)
        except Undrawable:
            if way == tries[-1]:
                raise
        else:
            break
    if drawn.height > TALLEST_PX:
        raise Undrawable(f"the text takes {drawn.height} pixels of height, more than {TALLEST_PX:,}")
    key = hashlib.sha256(f"{way}\n{text}".encode()).hexdigest()
    return Image.drawn(f"text/{key}", drawn.copy)


# mathtext -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Atom:
    """What is never broken: a word, or a formula. up, down: pixels above and below the line it stands on."""

    image: PIL.Image.Image
    up: int
    down: int
    own_line: bool = False


def _by_mathtext(text: str) -> PIL.Image.Image:
    rng = random.Random(text)
    size_px, name = rng.choice(SIZES_PX), rng.choice(FONTS)
    font = _font_for(text, name, size_px)
    lines = list(_lines(_atoms(text, font, size_px), font.getlength(" ")))
    gap = size_px // 3
    height = sum(max(a.up for a in line) + max(a.down for a in line) + gap for line in lines)
    page = PIL.Image.new("L", (WIDTH_PX, height + 2 * MARGIN_PX), 255)
    y = MARGIN_PX
    for line in lines:
        base = y + max(atom.up for atom in line)
        x = float(MARGIN_PX)
        for atom in line:
            page.paste(0, (round(x), base - atom.up), atom.image)
            x += atom.image.width + font.getlength(" ")
        y = base + max(atom.down for atom in line) + gap
    return page.convert("RGB")


def _atoms(text: str, font: PIL.ImageFont.FreeTypeFont, size_px: int) -> Iterator[_Atom | None]:
    """Words and formulas in their order; None where a line ends."""
    for piece in pieces(text):
        if piece.formula:
            yield from _formulas(piece, size_px)
            continue
        for number, line in enumerate(piece.text.split("\n")):
            if number:
                yield None
            for word in line.split():
                yield from _word(word, font)


def _word(word: str, font: PIL.ImageFont.FreeTypeFont) -> Iterator[_Atom]:
    """A word; one that is wider than the page, or of a script without spaces, in parts."""
    up, down = font.getmetrics()
    room = WIDTH_PX - 2 * MARGIN_PX
    while word:
        n = len(word)
        while n > 1 and font.getlength(word[:n]) > room:
            n = max(1, min(n - 1, int(n * room / font.getlength(word[:n]))))
        mask = PIL.Image.new("L", (max(1, round(font.getlength(word[:n]))), up + down), 0)
        PIL.ImageDraw.Draw(mask).text((0, 0), word[:n], 255, font)
        yield _Atom(mask, up, down)
        word = word[n:]


def _formulas(piece: Piece, size_px: int) -> Iterator[_Atom]:
    import numpy

    if strange := next((c for c in piece.text if ord(c) not in _characters(_files(FONTS[0])[0])), None):
        raise Undrawable(f"mathtext has no glyph for U+{ord(strange):04X} in ${piece.text[:60]}$")
    try:
        raster = _parser().parse(f"${piece.text}$", 72, _properties(size_px))
    except (ValueError, RecursionError) as error:
        told = str(error).strip().splitlines()[-1] if str(error).strip() else type(error).__name__
        raise Undrawable(f"mathtext cannot draw ${piece.text[:60]}$: {told[:120]}") from error
    ink = PIL.Image.fromarray(numpy.asarray(raster.image, dtype=numpy.uint8))
    down = round(raster.depth)
    if ink.width > WIDTH_PX - 2 * MARGIN_PX:
        share = (WIDTH_PX - 2 * MARGIN_PX) / ink.width
        if share < 0.5:
            raise Undrawable(f"the formula ${piece.text[:60]}$ is {ink.width} pixels wide")
        ink, down = ink.resize((int(ink.width * share), max(1, int(ink.height * share)))), round(down * share)
    yield _Atom(ink, ink.height - down, down, piece.line)


def _lines(atoms: Iterator[_Atom | None], space: float) -> Iterator[list[_Atom]]:
    line: list[_Atom] = []
    width = 0.0
    for atom in atoms:
        full = atom is not None and width + atom.image.width > WIDTH_PX - 2 * MARGIN_PX
        if line and (atom is None or full or atom.own_line or line[-1].own_line):
            yield line
            line, width = [], 0.0
        if atom is not None:
            line.append(atom)
            width += atom.image.width + space
    if line:
        yield line


@cache
def _parser() -> Any:
    from matplotlib.mathtext import MathTextParser

    return MathTextParser("agg")


@cache
def _properties(size_px: int) -> Any:
    from matplotlib.font_manager import FontProperties

    return FontProperties(size=size_px)


# Fonts ----------------------------------------------------------------------------------------------------


def _font_for(text: str, name: str, size_px: int) -> PIL.ImageFont.FreeTypeFont:
    """The font of that name, or the first on this machine that has every character of the text."""
    wanted = {ord(c) for c in text if not c.isspace()}
    for file in _files(name):
        if wanted <= _characters(file):
            return PIL.ImageFont.truetype(file, size_px)
    lost = sorted(wanted - set().union(*map(_characters, _files(name))))
    told = f"has U+{lost[0]:04X}" if lost else "has all characters of the text"
    raise Undrawable(f"no font on this machine {told}")


@cache
def _files(first: str) -> tuple[str, ...]:
    """The first font's file, then all others: matplotlib's own, and then by name those of the machine."""
    import matplotlib
    from matplotlib.font_manager import findSystemFonts

    own = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    names = dict.fromkeys([first, *FONTS])
    return (*(str(own / name) for name in names), *sorted(findSystemFonts()))


@cache
def _characters(file: str) -> frozenset[int]:
    from fontTools.ttLib import TTFont

    with TTFont(file, fontNumber=0, lazy=True) as font:
        return frozenset(font.getBestCmap() or ())


# TeX ------------------------------------------------------------------------------------------------------

_PAGE = r"""\documentclass[12pt]{article}
\usepackage{amsmath,amssymb}\pagestyle{empty}
\setlength{\parindent}{0pt}\setlength{\textwidth}{13cm}\setlength{\textheight}{100cm}
\begin{document}\raggedright
%s
\end{document}
"""


@cache
def _has_latex() -> bool:
    return all(shutil.which(program) for program in ("latex", "dvipng"))


def _by_latex(text: str) -> PIL.Image.Image:
    """By a real TeX, which may neither start programs nor read files outside of its folder."""
    if not _has_latex():
        raise Undrawable("latex and dvipng are not installed; say tex=mathtext")
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "page.tex").write_text(_PAGE.replace("%s", text), encoding="utf-8", errors="replace")
        _run(["latex", "-no-shell-escape", "-interaction=nonstopmode", "-halt-on-error", "page.tex"], folder)
        _run(["dvipng", "-D", "110", "-T", "tight", "-o", "page.png", "page.dvi"], folder)
        with PIL.Image.open(Path(folder) / "page.png") as drawn:
            return PIL.ImageOps.expand(drawn.convert("RGB"), MARGIN_PX, "white")


def _run(command: Sequence[str], folder: str) -> None:
    limits = {"openin_any": "p", "openout_any": "p"}
    environment = {"PATH": os.environ.get("PATH", os.defpath), "HOME": folder, **limits}
    try:
        done = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, timeout=_LATEX_S, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise Undrawable(f"{command[0]} takes more than {_LATEX_S:g} s") from error
    if done.returncode:
        said = done.stdout.decode(errors="replace").splitlines()
        told = next((line for line in said if line.startswith("!")), "it says nothing about why")
        raise Undrawable(f"{command[0]} cannot draw it: {told[:120]}")


_DRAW = {"latex": _by_latex, "mathtext": _by_mathtext}
