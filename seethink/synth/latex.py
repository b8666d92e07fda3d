"""Conversion of LaTeX to what matplotlib's mathtext supports: text and formulas are split, commands
replaced."""

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
"""Commands that mathtext has under another name, and substitutes that look alike."""
_LEFT_OUT = re.compile(
    r"\\(?:displaystyle|textstyle|scriptstyle|limits|nolimits|nonumber|large|Large|small|hline|mathstrut)(?![a-zA-Z])"
    r"|\\(?:label|tag)\{[^}]*\}"
)
_WRAPS = {"pmatrix": ("(", ")"), "bmatrix": ("[", "]"), "vmatrix": ("|", "|"), "matrix": ("(", ")")}
_TABLE = re.compile(r"\\begin\{(cases|pmatrix|bmatrix|vmatrix|matrix)\}(.*?)\\end\{\1\}", re.DOTALL)


@dataclass(frozen=True)
class TextPiece:
    """A piece of text, or a formula. line: whether it is on its own line."""

    text: str
    formula: bool = False
    line: bool = False


def pieces(text: str) -> Iterator[TextPiece]:
    """The text and the formulas of a LaTeX source, in order, without layout commands."""
    at = 0
    for match in _MATH.finditer(text):
        if match.start() > at:
            yield TextPiece(plain(text[at : match.start()]))
        at = match.end()
        inside = next(part for part in (match[name] for name in "abcde") if part)
        own_line = match["c"] is None and match["d"] is None
        for row in re.split(r"\\\\(?:\[[^\]]*\])?", _tables(inside)) if own_line else [_tables(inside)]:
            if (converted := formula(row)).strip():
                yield TextPiece(converted, formula=True, line=own_line)
    if at < len(text):
        yield TextPiece(plain(text[at:]))


def plain(text: str) -> str:
    """Text outside of formulas, without layout commands; unknown commands are kept."""
    text = _LAYOUT.sub(" ", text)
    text = re.sub(r"\\item(?![a-zA-Z])\s*(?:\[[^\]]*\])?", "\n• ", text)
    text = re.sub(r"\\\\(?:\[[^\]]*\])?", "\n", text)
    while (unstyled := _STYLED.sub(r"\1", text)) != text:
        text = unstyled
    for escape, character in _CHARACTERS.items():
        text = text.replace(escape, character)
    return text


def formula(text: str) -> str:
    """A formula in mathtext's commands, as far as it has equivalents."""
    text = _LEFT_OUT.sub("", _tables(text)).replace("&", "").replace("\n", " ")
    text = re.sub(r"\\(boxed|fbox|underbrace|overbrace)(?=\{)", "", text)
    text = re.sub(r"\\pmod\s*(?:\{([^{}]*)\}|(\d))", r"\\ (\\mathrm{mod}\\ \1\2)", text)
    text = re.sub(r"\\bmod(?![a-zA-Z])|\\mod(?![a-zA-Z])", r"\\ \\mathrm{mod}\\ ", text)
    text = re.sub(r"\\([dt]?frac)\s*(\d)\s*(\d|[a-zA-Z])", r"\\\1{\2}{\3}", text)
    text = re.sub(r"\\sqrt\s*(\d)", r"\\sqrt{\1}", text)
    text = re.sub(r"\\([a-zA-Z]+\*?)", lambda match: "\\" + _RENAMED.get(match[1], match[1]), text)
    return re.sub(r"(?<!\\)((?:\\\\)*)\\$", r"\1", re.sub(r"\\\\", "; ", text).strip())


def _tables(text: str) -> str:
    """Write cases and matrices on one line, since mathtext has no tables."""

    def inline_rows(match: re.Match[str]) -> str:
        rows = [line.replace("&", r",\ ").strip(" ,") for line in match[2].split(r"\\") if line.strip()]
        opening, closing = _WRAPS.get(match[1], (r"\{", ""))
        inline = r";\ ".join(rows)
        return rf"{opening}\ {inline}\ {closing}" if closing else rf"{opening}\ {inline}"

    return _TABLE.sub(inline_rows, text)
