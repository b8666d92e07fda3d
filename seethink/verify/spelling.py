"""One spelling for what people, models and data sets write in many: marks around an answer, and formulas.

Every pass is linear in the length of the text.
"""

from __future__ import annotations

import re
import unicodedata

from seethink.markup import SEEN_AS_ASCII, SPACING, text_of_object, unstyled, without_stop_tokens
from seethink.verify import units
from seethink.verify.number_words import in_digits
from seethink.verify.numerals import regrouped

_DOLLAR = re.compile(r"(?<!\\)\$")
_BLANK = re.compile(rf"{SPACING}|(?<!\\)\\>|\{{\s*\}}")
_BEFORE_BOX = re.compile(r"(?=\\boxed\s*\{)")
_COMMA = re.compile(r"(?<=[0-9])\s*(?:\{,\s*\}|,\\!)\s*")
_NEXT_BOX = re.compile(r"\}[\s$]*(?=\\boxed\b)")
_DEGREE = re.compile(
    r"\^\s*(?:\{\s*)?(?:\\circ(?![A-Za-z])|\\degree(?![A-Za-z])|°|o(?![A-Za-z]))(?:\s*\})?"
    r"|\\(?:text)?degree(?![A-Za-z])|[º˚]"
)
_TEMPERATURE = re.compile(r"° ([CF])(?![A-Za-z])")
_QUOTES = {'"': '"', "'": "'", "\u2018": "\u2019", "\u201c": "\u201d", "_": "_"}
_CLOSING = " .,;:*`\u3002\uff0c\uff1b\uff1a"


def unwrapped(text: str) -> str:
    """A short text without marks that only say how it is set.

    Dropped: delimiters of mathematics, `\\boxed{}`, `\\text{}` and fonts, LaTeX's blanks, markdown's stars,
    quotes around the whole, and a closing full stop. `^\\circ` becomes °, `\\%` %, `\\dfrac` `\\frac`, and
    `{,}` a comma. A JSON object is its answer. Things that stood apart stay apart: `$1$$2$` is `1 2`.
    """
    text = text_of_object(without_stop_tokens(text))
    if len(_DOLLAR.findall(text)) % 2 == 0:
        text = _DOLLAR.sub(" ", text)
    text = _NEXT_BOX.sub("}, ", text)
    text = unstyled(_BEFORE_BOX.sub(" ", _COMMA.sub(",", text)), "")
    text = _BLANK.sub(" ", text)
    text = _DEGREE.sub("°", text.replace("\\$", "$").replace("\\%", "%"))
    text = re.sub(r"\\[dtc]frac(?![A-Za-z])", r"\\frac", text)
    goes = goes_on(text)
    text = _TEMPERATURE.sub(r"°\1", " ".join(text.split())).rstrip(_CLOSING).lstrip(" *`")
    if len(text) > 1 and _QUOTES.get(text[0]) == text[-1]:
        text = text[1:-1].rstrip(_CLOSING).strip()
    return f"{text}, ..." if goes and not goes_on(text) else text


_GOES_ON = re.compile(r"[,;\u3001\uff0c]\s*(?:\.{3,}|\u2026+|\\[lc]?dots[a-z]?(?![A-Za-z]))(?=[\W_]*\Z)")


def without_dots(text: str) -> str:
    """A list without the dots with which it goes on."""
    return _GOES_ON.sub("", text)


def goes_on(text: str) -> re.Match[str] | None:
    """Where a list says that it goes on (`1, 2, 3, \\ldots`): it is another list than what it begins with."""
    return _GOES_ON.search(text)


_SPAN = re.compile(
    r"\$\$?([^$]+)\$\$?|\\\(((?:[^\\]|\\(?![()\[\]]))+)\\\)|\\\[((?:[^\\]|\\(?![()\[\]]))+)\\\]"
)


def spans(text: str) -> list[str]:
    """The formulas of a sentence, between the delimiters of mathematics; none if numbers stand elsewhere."""
    outside = _SPAN.sub(" ", text)
    return [] if re.search("[0-9]", outside) else [a or b or c for a, b, c in _SPAN.findall(text)]


# Formulas -------------------------------------------------------------------------------------------------

_GREEK = (
    "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi o pi rho _ sigma tau upsilon"
)
_SIGNS = {
    **{chr(0x3B1 + i): f"\\{name} " for i, name in enumerate(_GREEK.split()) if len(name) > 1},
    **{"φ": "\\phi ", "ω": "\\omega ", "Δ": "\\Delta ", "△": "\\triangle ", "∠": "\\angle ", "∞": "\\infty "},
    **{"×": "\\times ", "✕": "\\times ", "÷": "\\div ", "±": "\\pm ", "≈": "\\approx ", "≒": "\\approx "},
    **dict.fromkeys("·∙⋅•", "\\cdot "),
    **{chr(code): chr(seen) if isinstance(seen, int) else seen for code, seen in SEEN_AS_ASCII.items()},
    **{"﹣": "-", "∗": "*", "⁄": "/", "∕": "/", "∶": ":", "\u00b5": "\\mu "},
    **{"≤": "\\le ", "≥": "\\ge ", "≠": "\\ne ", "⩽": "\\le ", "⩾": "\\ge "},
    **{"∥": "\\parallel ", "⊥": "\\perp ", "≌": "\\cong ", "≅": "\\cong ", "∽": "\\sim "},
    **{"∪": "\\cup ", "∩": "\\cap ", "∈": "\\in ", "∅": "\\emptyset ", "ℝ": "\\mathbb{R}"},
    **{"∛": "\\sqrt[3]", "根号": "√", "￥": "¥", "￡": "£", "\u200b": "", "\ufeff": ""},
}
_SIGN = re.compile("|".join(map(re.escape, _SIGNS)))
_RAISED = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ⁿ₀₁₂₃₄₅₆₇₈₉", "0123456789+-n0123456789")
_REWRITES = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"^(?:->|=>|→|⇒|\\(?:approx|to|[Rr]ightarrow)(?![A-Za-z]))\s*", ""),
        (r"^(?:=|[Tt]here (?:is|are)(?= [0-9]))\s*", ""),
        (r"^(?:[Mm]inus|[Nn]egative|负)\s*(?=[0-9])", "-"),
        (r"^(?:US\$|USD)\s*(?=[0-9])", "$"),
        (r"(?<=[0-9A-Za-z)}\]])\s*或者?\s*(?=[-0-9A-Za-z\\({\[])", " or "),
        (r"(?<=[0-9A-Za-z)}\]])\s*且\s*(?=[-0-9A-Za-z\\({\[])", " and "),
        (r"(?<=[0-9A-Za-z)}\]])\s*[和与]\s*(?=[-0-9A-Za-z\\({\[])", ", "),
        (r"(?<=[A-Z]{2})\s*//\s*(?=[A-Z]{2})", r"\\parallel "),
        (
            r"\s*\(\s*(?:≈|\\approx|about|approx(?:\.|imately)?|or\s+(?:about|approx(?:\.|imately)?))\s*"
            r"(-?[0-9][0-9.,]*)\s*\)$",
            r" \\approx \1",
        ),
        (r"\\varnothing(?![A-Za-z])", r"\\emptyset "),
        (r"(?:\\[cd]?dots[a-z]?(?![A-Za-z])|\.{3,}|\u2026+)", r"\\ldots "),
        (r"\\log\s*_\s*(?:e(?![A-Za-z])|\{\s*e\s*\})", r"\\ln "),
        (r"([0-9]{1,9})\.([0-9]{0,9})\\overline\s*\{\s*([0-9]{1,9})\s*\}", lambda m: _repeating(m)),
        (r"(?:>=|\\ge(?:q?slant|q)?(?![A-Za-z]))", r"\\ge "),
        (r"(?:<=|\\le(?:q?slant|q)?(?![A-Za-z]))", r"\\le "),
        (r"(?:!=|\\neq?(?![A-Za-z]))", r"\\ne "),
        (r"[⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ⁿ]+", lambda m: f"^{{{m[0].translate(_RAISED)}}}"),
        (r"[₀-₉]+", lambda m: f"_{{{m[0].translate(_RAISED)}}}"),
        (r"[¼-¾⅐-⅞↉]", lambda m: _vulgar(m)),
        (r"^\s*[–—]\s*(?=[0-9])", "-"),
        (r"(?<![\\A-Za-z])[Pp]i(?![A-Za-z])", r"\\pi "),
        (r"(?:√|(?<![A-Za-z\\])\\?sqrt)\s*(?:([0-9]+(?:\.[0-9]+)?)|([A-Za-z])(?![A-Za-z]))", r"\\sqrt{\1\2}"),
        (r"(?:√|(?<![A-Za-z\\])\\?sqrt)\s*\(([^()]*)\)", r"\\sqrt{\1}"),
        (r"√|(?<![A-Za-z\\])sqrt(?=\s*[{(\\])", r"\\sqrt"),
        (r"(\\sqrt\[[0-9]\])\s*([0-9]+|[A-Za-z])", r"\1{\2}"),
        (r"(?<![\\A-Za-z])(sin|cos|tan|cot|sec|csc|log|ln|exp)(?![A-Za-z])", r"\\\1 "),
        (r"\\log\s*_\s*([0-9]+)", r"\\log_{\1}"),
        (r"\*\*", "^"),
        (r"\*", r"\\cdot "),
        (r"\^\s*(-?[0-9]*\.[0-9]+|-?[0-9]{2,}|-[0-9])", r"^{\1}"),
        (r"\^\s*\(([^()]*)\)", r"^{(\1)}"),
        (r"(?<![0-9])([0-9]{1,3}(?: [0-9]{3})+)(?![0-9])", lambda m: m[0].replace(" ", "")),
        (r"(?<=[0-9])\s*[xX]\s*(?=10\^)", r"\\times "),
        (r"([0-9.])[eE]([-+]?[0-9]{1,3})(?![0-9A-Za-z.])", r"\1\\times 10^{\2}"),
        (r"\\frac\s*([0-9])(?=\s*[0-9{])", r"\\frac{\1}"),
        (r"(\\frac\s*\{[^{}]*\})\s*([0-9])", r"\1{\2}"),
        (r"(?<![0-9.^{/}])([0-9]{1,9}) ([0-9]{1,9})/([0-9]{1,9})(?![0-9.])", lambda m: _mixed(m)),
        (
            r"(?<![0-9.^{/}])([0-9]{1,9})\s*\\frac\s*\{([0-9]{1,9})\}\s*\{([0-9]{1,9})\}",
            lambda m: _mixed(m),
        ),
        (r"([0-9]+(?:\.[0-9]+)?)\s*(?:%|percent(?:age)?\b|per cent\b|pct\b)", r"\\frac{\1}{100}"),
    )
)


def _vulgar(match: re.Match[str]) -> str:
    above, below = unicodedata.normalize("NFKC", match[0]).split("⁄")
    return rf" \frac{{{above}}}{{{below}}}"


def _repeating(match: re.Match[str]) -> str:
    """`0.1\\overline{6}` as a fraction: 16 less 1, over 90."""
    whole, fixed, repeated = match.groups()
    above = int(whole + fixed + repeated) - int(whole + fixed)
    return rf"\frac{{{above}}}{{{'9' * len(repeated) + '0' * len(fixed)}}}"


def _mixed(match: re.Match[str]) -> str:
    """`2 1/2` and `2\\frac{1}{2}` as a sum; a factor before an improper fraction stays one."""
    whole, above, below = match.groups()
    return rf"({whole}+\frac{{{above}}}{{{below}}})" if int(above) < int(below) else match[0]


def _figures(text: str) -> str:
    """A number in words, or grouped as in Europe, with a unit of measure or none, in plain digits. With a
    noun, words may be a name."""
    digits = in_digits(text) or regrouped(text)
    number, unit = units.split(digits or "")
    return digits if digits and _FIGURES.fullmatch(number) and (not unit or units.is_known(unit)) else text


_FIGURES = re.compile(r"-?[$€£¥]?[0-9.]+(?:/[0-9]+)?%?")


def formula(text: str) -> str:
    """A short text as LaTeX: `unwrapped`, with signs as commands (√ π × ½ ²), full-width characters and plain
    `sqrt( )` and `pi` included; numbers in words as digits, mixed numbers as sums, exponents of ten as
    powers, percents as hundredths."""
    text = _SIGN.sub(lambda sign: _SIGNS[sign[0]], text)
    text = _figures(units.merged(unwrapped(text)))
    for pattern, replacement in _REWRITES:
        text = pattern.sub(replacement, text)
    return " ".join(text.split())
