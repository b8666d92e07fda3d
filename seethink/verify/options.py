"""The options of a multiple-choice question, found by letter or by text."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from string import ascii_uppercase

from rapidfuzz.distance import Indel

from seethink.markup import plain, seen_as_ascii
from seethink.types import Example
from seethink.verify.spelling import formula
from seethink.verify.text import bare, computed, read_quantity

LETTERS = "ABCDEFGHIJ"
"""Letters of options where the options are unknown; known options have as many letters as there are."""

LETTER_GOLD = "answer_is_letter"
"""In an example's meta, true: the gold is the letter of an option's place, and so is every lone letter of an
answer, even where an option's text is another letter."""

Chosen = frozenset[int]
"""Indices of options: one where an option is chosen, several where the text may be either, none otherwise."""

NONE: Chosen = frozenset()

_ARTICLE = re.compile(r"(?:an?|the)\s+(?=\w)")
_OWN_LETTER = re.compile(
    r"\s*(?:[(\[]([A-Za-z])[)\]][.:]?|([A-Za-z])(?:[.):,]|\s+[\u2013\u2014-]\s))\s*(?=\S)"
)
_NAMED = re.compile(r"\A[A-Za-z]\s*=\s*(?=[-0-9.])")
"""The unknown before an option's value ("x = 3")."""
_BLANK = re.compile(r"(?<![^\W\d]) (?![0-9])|(?<![0-9]) (?![^\W\d])")
"""A blank that is neither between two letters nor between two digits."""

_TEX = re.compile(r"[{}\\$\s]+")
_NUMBERS = re.compile(r"[-+]?[0-9]+|[<>=\u2260\u2264\u2265\u0338]")
"""Numbers and relations."""


@dataclass(frozen=True)
class Options:
    """Options in order. by_place: a lone letter is never an option's text, always its place."""

    texts: tuple[str, ...]
    by_place: bool = False

    @classmethod
    def of(cls, example: Example) -> Options:
        """The example's options, without their letters if each begins with its own ("A. cat")."""
        texts = example.choices
        led = [_OWN_LETTER.match(text) for text in texts]
        letters = "".join((match[1] or match[2]).upper() if match else "-" for match in led)
        if letters == ascii_uppercase[: len(texts)]:
            texts = tuple(text[match.end() :] for text, match in zip(texts, led, strict=True) if match)
        return cls(texts, bool(example.meta.get(LETTER_GOLD)))

    def at(self, letter: str) -> frozenset[int]:
        """The option with this letter, in either case; empty if there is none."""
        place = ascii_uppercase.index(letter.upper())
        return frozenset({place} if place < (len(self.texts) or len(LETTERS)) else ())

    def called(self, text: str) -> frozenset[int]:
        """The options whose text this is. Signs, case and accents are compared first and folded only where
        no option has exactly that text; last, two ways to write one number are equal."""
        return _called(self.texts, text)

    def beginning(self, text: str) -> tuple[frozenset[int], str]:
        """The options with the longest text that the text begins with, and what comes after it."""
        text = _readable(text)
        folded, found, end = text.casefold(), frozenset[int](), 0
        for key, options in self._keys():
            at = folded.find(key, 0, len(key) + _MOST_BEFORE)
            if (
                at >= 0
                and at + len(key) > end
                and _leads_nothing(folded[:at])
                and not _inside(folded, at + len(key))
            ):
                found, end = options, at + len(key)
        return found, text[end:]

    def ending(self, text: str) -> frozenset[int]:
        """The options with the longest text that the text ends with."""
        folded = _readable(text).casefold()
        found = {
            len(key): options
            for key, options in self._keys()
            if folded.endswith(key) and not _inside(folded, len(folded) - len(key))
        }
        return found[max(found)] if found else frozenset()

    def like(self, text: str, least: float) -> frozenset[int]:
        """The options whose text is most alike, by Indel similarity of at least `least`, with the same
        numbers, signs and relations."""
        text, alike = _squeezed(text), dict[frozenset[int], float]()
        for key, options in _by_form(self.texts)[_FORMS.index(_squeezed)].items():
            if _NUMBERS.findall(key) == _NUMBERS.findall(text) and not _opposite(key, text):
                alike[options] = Indel.normalized_similarity(key, text, score_cutoff=least)
        best = max(alike.values(), default=0.0)
        return frozenset().union(*(options for options, ratio in alike.items() if ratio == best > 0))

    def inside(self, text: str) -> frozenset[int]:
        """The options whose text occurs in the text, in whole words. Texts of one letter do not count."""
        text = _readable(text).casefold()
        return frozenset().union(*(options for key, options in self._keys() if _occurs(key, text)))

    def _keys(self) -> Iterable[tuple[str, frozenset[int]]]:
        """The texts as they are found in others, each with its options."""
        return _keys_of(self.texts).items()


_OPPOSITE = {"un", "in", "im", "il", "ir", "non", "dis", "mis", "a", "anti", "non-", "non ", "no ", "not "}
_LACKING = {"less", "-less", "-free", " free", "-proof"}


def _opposite(a: str, b: str) -> bool:
    """Whether one text is the other with a prefix or an ending that denies it ("unhappy", "dogless")."""
    short, long = sorted((a, b), key=len)
    if long.startswith(short) and long[len(short) :] in _LACKING:
        return True
    return long.endswith(short) and long[: len(long) - len(short)] in _OPPOSITE


_MOST_BEFORE = 8
"""Characters of an article and an opening bracket or quote."""


def _leads_nothing(text: str) -> bool:
    """Whether a text is an article, brackets or quotes at most."""
    return _without_article(text + "x") == "x"


def _occurs(key: str, text: str) -> bool:
    if len(key) < 2 and key.isascii() and not key.isdigit():
        return False
    at = text.find(key)
    while at >= 0:
        if not _inside(text, at) and not _inside(text, at + len(key)):
            return True
        at = text.find(key, at + len(key))
    return False


def _inside(text: str, at: int) -> bool:
    """Whether a word or a number continues across this position. Scripts without blanks have no words."""
    if not 0 < at < len(text):
        return False
    before, after = text[at - 1], text[at]
    if before.isdigit() and after in ".,/":
        return text[at + 1 : at + 2].isdigit()
    if before in ".,/-" and after.isdigit():
        return True
    return all(character.isalnum() and character < "\u2e80" for character in (before, after))


# Forms of a text, from the strictest ----------------------------------------------------------------------


def _collapsed(text: str) -> str:
    return " ".join(text.split())


@lru_cache(maxsize=256)
def _readable(text: str) -> str:
    """Without markup, and without a full stop at the end."""
    return _collapsed(plain(seen_as_ascii(text))).removesuffix(".")


def _folded(text: str) -> str:
    return _readable(text).casefold()


def _bare(text: str) -> str:
    return bare(_readable(text))


def _without_article(text: str) -> str:
    return _ARTICLE.sub("", _bare(text).strip("$"), count=1)


_STROKE = "\u0338"
"""What makes an equals sign ≠: no accent."""


def _without_accents(text: str) -> str:
    characters = unicodedata.normalize("NFKD", _without_article(text))
    kept = (c for c in characters if not unicodedata.combining(c) or c == _STROKE)
    return "".join(kept)


def _squeezed(text: str) -> str:
    return _BLANK.sub("", _TEX.sub(" ", _without_accents(text).replace("\\times", " x "))).strip()


def _as_formula(text: str) -> str:
    """`√2`, `sqrt(2)` and `\\sqrt{2}` are one; so are `x>=2` and `$x \\ge 2$`. No long text is a formula."""
    return _squeezed(_with_slash(formula(text))) if len(text) <= _MOST_FORMULA else ""


_BRACED = r"\{\s*((?:[^{}]|\{[^{}]*\})*?)\s*\}"
_FRACTION = re.compile(rf"\\frac\s*(?:{_BRACED}|([0-9a-z]))\s*(?:{_BRACED}|([0-9a-z]))")
_PRODUCT = re.compile(r"\(([^()+,-]*)\)(?=/)|(?<=/)\((\s*(?:[0-9]+|[A-Za-z]|\\[a-z]+(?:\{[^{}]*\})?)\s*)\)")


def _with_slash(text: str) -> str:
    """The formula with `a/b` for `\\frac{a}{b}`; a fraction before a factor keeps its brackets."""
    text = _FRACTION.sub(lambda f: f"({f[1] or f[2]})/({f[3] or f[4]})", text)
    return _PRODUCT.sub(lambda p: p[1] or p[2] or "", text)


_MOST_FORMULA = 200

_FORMS: tuple[Callable[[str], str], ...] = (
    _collapsed,
    _readable,
    _folded,
    _bare,
    _without_article,
    _without_accents,
    _squeezed,
    _as_formula,
)


@lru_cache(maxsize=512)
def _called(texts: tuple[str, ...], text: str) -> frozenset[int]:
    for form, options in zip(_FORMS, _by_form(texts), strict=True):
        if (key := form(text)) in options:
            return options[key]
    number = read_quantity(computed(_readable(text)), "\n".join(texts))
    others = [read_quantity(_NAMED.sub("", _readable(option))) for option in texts] if number else []
    return frozenset(
        i
        for i, other in enumerate(others)
        if number and other and other.value == number.value and number.in_unit_of(other) == 1
    )


@lru_cache(maxsize=512)
def _keys_of(texts: tuple[str, ...]) -> Mapping[str, frozenset[int]]:
    """The options of each text without the article that it begins with."""
    table: dict[str, frozenset[int]] = {}
    for i, text in enumerate(texts):
        whole = _bare(text).strip("$")
        led = _ARTICLE.match(whole)
        if key := whole[led.end() :] if led else whole:
            table[key] = table.get(key, frozenset()) | {i}
    return table


@lru_cache(maxsize=512)
def _by_form(texts: tuple[str, ...]) -> tuple[Mapping[str, frozenset[int]], ...]:
    """For each form, the options of each text in that form."""
    tables: list[dict[str, frozenset[int]]] = [{} for _ in _FORMS]
    for form, table in zip(_FORMS, tables, strict=True):
        for i, text in enumerate(texts):
            if key := form(text):
                table[key] = table.get(key, frozenset()) | {i}
    return tuple(tables)
