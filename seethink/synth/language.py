"""Language and scripts of a text, detected from its letters."""

from __future__ import annotations

import unicodedata
from collections import Counter
from typing import Literal

Language = Literal["en", "zh"]


def language_of(text: str) -> Language:
    """ "zh" if most letters are Chinese characters, otherwise "en"."""
    letters = scripts_of(text)
    return "zh" if 2 * letters["CJK"] > letters.total() else "en"


def scripts_of(text: str) -> Counter[str]:
    """Number of letters of each script, by Unicode's names: "LATIN", "CJK", "CYRILLIC"."""
    letters = (c for c in unicodedata.normalize("NFKC", text) if c.isalpha())
    return Counter(unicodedata.name(letter, "UNNAMED").split()[0] for letter in letters)
