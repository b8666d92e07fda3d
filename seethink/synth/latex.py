"""LaTeX cut down to what matplotlib's mathtext draws: text and formulas apart, and its commands rewritten."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_MATH = re.compile(
    r"(?<!\\)\$\$(?P<a>.+?)(?<!\\)\$\$|\\\[(?P<b>.+?)\\\]|(?<!\\)\$(?P<c>[^$]+?)(?<!\\)\$|\\\((?P<d>.+?)\\\)"
    r"|\\begin\{(?P<env>equation|align|aligned|gather|multline|displaymath)(?P<star>\*?)\}(?P<e>.+?)"
    r"\\end\{(?P=env)(?P=star)\}",
    re.DOTALL,
)
_LAYOUT = re.compile(
    r"\\(?:begin|end)\{(?:center|document|figure|flushleft|flushright|itemize|enumerate|minipage|quote|problem"
    r"|solution|question|aligned|split)\*?\}(?:\[[^\]]*\])?|\\(?:label|tag|vspace|hspace|cite|ref|includegraphics"
    r"|documentclass|usepackage)\*?(?:\[[^\]]*\])?\{[^}]*\}"
    r"|\\(?:nonumber|noindent|newline|centering|displaystyle|textstyle|limits|nolimits|par|hfill|maketitle)(?![a-zA-Z])"
)
_STYLED = re.compile(r"\\(?:textbf|textit|emph|underline|texttt|textrm|mbox|text)\{([^{}]*)\}")
_CHARACTERS = {r"\%": "%", r"\$": "$", r"\&": "&", r"\#": "#", r"\_": "_", r"\{": "{", r"\}": "}", "~": " "}
_RENAMED = {
    "le": "leq", "ge": "geq", "ne": "neq", "tfrac": "frac", "cfrac": "dfrac", "implies": "Longrightarrow",
    "iff": "Longleftrightarrow", "land": "wedge", "lor": "vee", "lnot": "neg", "to": "rightarrow",
    "gets": "leftarrow", "Bigl": "Big", "Bigr": "Big", "bigl": "big", "bigr": "big", "mbox": "text",
    "textrm": "text", "textbf": "mathbf", "textit": "mathit", "lvert": "vert", "rvert": "vert",
    "lVert": "Vert", "rVert": "Vert", "dots": "ldots", "dotsc": "ldots", "dotsb": "cdots", "thinspace": ",",
    "tbinom": "binom", "dbinom": "binom", "square": "boxdot", "boldsymbol": "mathbf", "bm": "mathbf",
    "operatorname*": "operatorname", "varnothing": "emptyset", "colon": ":",
}  # fmt: skip
"""Commands that mathtext knows by another name, or one that looks alike."""
_LEFT_OUT = re.compile(
    r"\\(?:displaystyle|textstyle|scriptstyle|limits|nolimits|nonumber|large|Large|small|hline|mathstrut)(?![a-zA-Z])"
    r"|\\(?:label|tag)\{[^}]*\}"
)
_WRAPS = {"pmatrix": ("(", ")"), "bmatrix": ("[", "]"), "vmatrix": ("|", "|"), "matrix": ("(", ")")}
_TABLE = re.compile(r"\\begin\{(cases|pmatrix|bmatrix|vmatrix|matrix)\}(.*?)\\end\{\1\}", re.DOTALL)


@dataclass(frozen=True)
class Piece:
    """Some text, or a formula. line: it stands on a line of its own."""

    text: str
    formula: bool = False
    line: bool = False


def pieces(text: str) -> Iterator[Piece]:
    """Text and formulas in their order, without layout that says nothing to a reader."""
    at = 0
    for found in _MATH.finditer(text):
        if found.start() > at:
            yield Piece(plain(text[at : found.start()]))
        at = found.end()
        inside = next(part for part in (found[name] for name in "abcde") if part)
        own_line = found["c"] is None and found["d"] is None
        for row in re.split(r"\\\\(?:\[[^\]]*\])?", _tables(inside)) if own_line else [_tables(inside)]:
            if (drawn := formula(row)).strip():
                yield Piece(drawn, formula=True, line=own_line)
    if at < len(text):
        yield Piece(plain(text[at:]))


def plain(text: str) -> str:
    """Text outside of formulas, without commands of layout; an unknown command stands as it is."""
    text = _LAYOUT.sub(" ", text)
    text = re.sub(r"\\item(?![a-zA-Z])\s*(?:\[[^\]]*\])?", "\n• ", text)
    text = re.sub(r"\\\\(?:\[[^\]]*\])?", "\n", text)
    while (styled := _STYLED.sub(r"\1", text)) != text:
        text = styled
    for written, meant in _CHARACTERS.items():
        text = text.replace(written, meant)
    return text


def formula(text: str) -> str:
    """A formula in the commands that mathtext knows, as far as there are such."""
    text = _LEFT_OUT.sub("", _tables(text)).replace("&", "").replace("\n", " ")
    text = re.sub(r"\\(boxed|fbox|underbrace|overbrace)(?=\{)", "", text)
    text = re.sub(r"\\pmod\s*(?:\{([^{}]*)\}|(\d))", r"\\ (\\mathrm{mod}\\ \1\2)", text)
    text = re.sub(r"\\bmod(?![a-zA-Z])|\\mod(?![a-zA-Z])", r"\\ \\mathrm{mod}\\ ", text)
    text = re.sub(r"\\([dt]?frac)\s*(\d)\s*(\d|[a-zA-Z])", r"\\\1{\2}{\3}", text)
    text = re.sub(r"\\sqrt\s*(\d)", r"\\sqrt{\1}", text)
    text = re.sub(r"\\([a-zA-Z]+\*?)", lambda found: "\\" + _RENAMED.get(found[1], found[1]), text)
    return re.sub(r"(?<!\\)((?:\\\\)*)\\$", r"\1", re.sub(r"\\\\", "; ", text).strip())


def _tables(text: str) -> str:
    """Cases and matrices in a row, since mathtext has no tables."""

    def row(found: re.Match[str]) -> str:
        rows = [line.replace("&", r",\ ").strip(" ,") for line in found[2].split(r"\\") if line.strip()]
        opening, closing = _WRAPS.get(found[1], (r"\{", ""))
        told = r";\ ".join(rows)
        return rf"{opening}\ {told}\ {closing}" if closing else rf"{opening}\ {told}"

    return _TABLE.sub(row, text)
