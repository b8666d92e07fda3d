"""In which language and which scripts a text is written, as far as its letters tell."""

from __future__ import annotations

import unicodedata
from collections import Counter
from typing import Literal

Tongue = Literal["en", "zh"]


def tongue_of(text: str) -> Tongue:
    """ "zh" where most letters are Chinese characters, and "en", the common tongue, everywhere else."""
    letters = scripts_of(text)
    return "zh" if 2 * letters["CJK"] > letters.total() else "en"


def scripts_of(text: str) -> Counter[str]:
    """How many letters of a text are of which script, by Unicode's names: "LATIN", "CJK", "CYRILLIC"."""
    letters = (c for c in unicodedata.normalize("NFKC", text) if c.isalpha())
    return Counter(unicodedata.name(letter, "UNNAMED").split()[0] for letter in letters)
