"""Images of texts with formulas, used as twins of text-only questions.

Formulas are drawn by matplotlib's mathtext, or by LaTeX if it is installed. Equal texts give equal pixels on
one machine; size and font are chosen with a hash of the text.
"""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

import PIL.Image
import PIL.ImageDraw
import PIL.ImageFont
import PIL.ImageOps

from seethink.media import Image
from seethink.sources.fonts import BUNDLED, MissingGlyph, bundled_characters, font_for
from seethink.synth.latex import TextPiece, pieces

TexRenderer = Literal["auto", "mathtext", "latex"]
WIDTH_PX, MARGIN_PX, MAX_HEIGHT_PX = 640, 24, 2_400
MAX_CHARACTERS = 8_000
"""Longest text; anything longer cannot fit an image of height `MAX_HEIGHT_PX`."""
SIZES_PX = (16, 18, 20, 24)
_LATEX_S = 20.0


class UndrawableText(ValueError):
    """The text cannot be drawn; the message says why."""


def render_text(text: str, tex: TexRenderer = "auto") -> Image:
    """Draw a text in black on white, with "latex", with "mathtext", or ("auto") with the first of them that
    is installed and succeeds. Raises UndrawableText."""
    if not text.strip():
        raise UndrawableText("there is no text to draw")
    if len(text) > MAX_CHARACTERS:
        raise UndrawableText(f"{len(text):,} characters are more than fit an image ({MAX_CHARACTERS:,})")
    if half := next((c for c in text if "\ud800" <= c <= "\udfff"), None):
        raise UndrawableText(f"U+{ord(half):04X} is a lone surrogate")
    renderers = [tex] if tex != "auto" else ["latex", "mathtext"] if has_latex() else ["mathtext"]
    for renderer in renderers:
        try:
            drawn = _DRAW[renderer](text)
        except UndrawableText:
            if renderer == renderers[-1]:
                raise
        else:
            break
    if drawn.height > MAX_HEIGHT_PX:
        raise UndrawableText(f"the text is {drawn.height} pixels high, more than {MAX_HEIGHT_PX:,}")
    key = hashlib.sha256(f"{renderer}\n{text}".encode()).hexdigest()
    return Image.drawn(f"text/{key}", drawn.copy)


# mathtext -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Atom:
    """A unit that is not broken across lines: a word or a formula. up, down: pixels above and below the
    baseline. own_line: whether it gets its own line."""

    image: PIL.Image.Image
    up: int
    down: int
    own_line: bool = False


def _by_mathtext(text: str) -> PIL.Image.Image:
    rng = random.Random(text)
    size_px, name = rng.choice(SIZES_PX), rng.choice(BUNDLED)
    parts = list(pieces(text))
    try:
        font = font_for("".join(part.text for part in parts if not part.formula), name, size_px)
    except MissingGlyph as error:
        raise UndrawableText(str(error)) from error
    with _default_rc():
        lines = list(_lines(_atoms(parts, font, size_px), font.getlength(" ")))
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


def _atoms(
    parts: Sequence[TextPiece], font: PIL.ImageFont.FreeTypeFont, size_px: int
) -> Iterator[_Atom | None]:
    """Words and formulas in order; None at the end of a line."""
    for piece in parts:
        if piece.formula:
            yield from _formulas(piece, size_px)
            continue
        for number, line in enumerate(piece.text.split("\n")):
            if number:
                yield None
            for word in line.split():
                yield from _word(word, font)


def _word(word: str, font: PIL.ImageFont.FreeTypeFont) -> Iterator[_Atom]:
    """A word, split into parts if it is wider than the page (such as text of a script without spaces)."""
    up, down = font.getmetrics()
    width_px = WIDTH_PX - 2 * MARGIN_PX
    while word:
        n = len(word)
        while n > 1 and font.getlength(word[:n]) > width_px:
            n = max(1, min(n - 1, int(n * width_px / font.getlength(word[:n]))))
        mask = PIL.Image.new("L", (max(1, round(font.getlength(word[:n]))), up + down), 0)
        PIL.ImageDraw.Draw(mask).text((0, 0), word[:n], 255, font)
        yield _Atom(mask, up, down)
        word = word[n:]


def _formulas(piece: TextPiece, size_px: int) -> Iterator[_Atom]:
    import numpy

    if missing := next((c for c in piece.text if ord(c) not in bundled_characters(BUNDLED[0])), None):
        raise UndrawableText(f"mathtext has no glyph for U+{ord(missing):04X} in ${piece.text[:60]}$")
    try:
        raster = _parser().parse(f"${piece.text}$", 72, _properties(size_px))
    except (ValueError, RecursionError) as error:
        reason = str(error).strip().splitlines()[-1] if str(error).strip() else type(error).__name__
        raise UndrawableText(f"mathtext cannot draw ${piece.text[:60]}$: {reason[:120]}") from error
    ink = PIL.Image.fromarray(numpy.asarray(raster.image, dtype=numpy.uint8))
    down = round(raster.depth)
    if ink.width > WIDTH_PX - 2 * MARGIN_PX:
        scale = (WIDTH_PX - 2 * MARGIN_PX) / ink.width
        if scale < 0.5:
            raise UndrawableText(f"the formula ${piece.text[:60]}$ is {ink.width} pixels wide")
        ink, down = ink.resize((int(ink.width * scale), max(1, int(ink.height * scale)))), round(down * scale)
    yield _Atom(ink, ink.height - down, down, piece.line)


def _lines(atoms: Iterator[_Atom | None], space: float) -> Iterator[list[_Atom]]:
    """Atoms broken into lines. space: width of a space, in pixels."""
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


@contextmanager
def _default_rc() -> Iterator[None]:
    """Use matplotlib's default settings for text, regardless of any `matplotlibrc`."""
    import matplotlib

    prefixes = ("mathtext.", "font.", "text.")
    defaults: dict[Any, Any] = {k: v for k, v in matplotlib.rcParamsDefault.items() if k.startswith(prefixes)}
    with matplotlib.rc_context(defaults):
        yield


@cache
def _parser() -> Any:
    from matplotlib.mathtext import MathTextParser

    return MathTextParser("agg")


@cache
def _properties(size_px: int) -> Any:
    from matplotlib.font_manager import FontProperties

    return FontProperties(size=size_px)


# TeX ------------------------------------------------------------------------------------------------------

_PAGE = r"""\documentclass[12pt]{article}
\usepackage{amsmath,amssymb}\pagestyle{empty}
\setlength{\parindent}{0pt}\setlength{\textwidth}{13cm}\setlength{\textheight}{100cm}
\begin{document}\raggedright
%s
\end{document}
"""


@cache
def has_latex() -> bool:
    """Whether `latex` and `dvipng` are installed."""
    return all(shutil.which(program) for program in ("latex", "dvipng"))


def _by_latex(text: str) -> PIL.Image.Image:
    """Draw with LaTeX, which may neither run programs nor access files outside its folder."""
    if not has_latex():
        raise UndrawableText("latex and dvipng are not installed; set tex=mathtext")
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
        raise UndrawableText(f"{command[0]} took more than {_LATEX_S:g} s") from error
    if done.returncode:
        output = done.stdout.decode(errors="replace").splitlines()
        reason = next((line for line in output if line.startswith("!")), "there is no error message")
        raise UndrawableText(f"{command[0]} cannot draw it: {reason[:120]}")


_DRAW = {"latex": _by_latex, "mathtext": _by_mathtext}
