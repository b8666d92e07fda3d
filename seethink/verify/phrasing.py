"""Short texts that differ in small words and marks only, which say nothing of their own."""

from __future__ import annotations

import re

_BULLET = re.compile(r"(?<=\S)[ \t,;]*\n\s*[-*\u2022]\s+|\A\s*[-*\u2022]\s+(?=[^\W\d])")
_SMALL = str.maketrans("₀₁₂₃₄₅₆₇₈₉", "0123456789")
_ARTICLE = re.compile(r"(?:an?|the)\s+(?=[^\W\d_]{2})")
_BETWEEN = re.compile(
    r",\s+(?:and\s+)?|\s+(?:and|&)\s+|;\s*|\s*(?:、|，|；)\s*|(?<=[\u4e00-\u9fff])[和与及](?=[\u4e00-\u9fff])"
)
_ORDINALS = {
    **{"1st": "first", "2nd": "second", "3rd": "third", "4th": "fourth", "5th": "fifth"},
    **{"6th": "sixth", "7th": "seventh", "8th": "eighth", "9th": "ninth", "10th": "tenth"},
}
_MARKS = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"_\{?([0-9]+)\}?", r"\1"),  # H_2O
        (r"(?<=\w)\s*[\u2010-\u2015]\s*(?=\w)", "-"),
        (r"(?<=[0-9%])\s*(?:-|\bto\b)\s*(?=[0-9])", "-"),
        (r"\b([a-z])\.\s*(?=[a-z]\.|[a-z]{2})", r"\1. "),  # initials
        (r"(?<=[\u4e00-\u9fff])的\Z", ""),
        *((rf"\b{digits}\b", word) for digits, word in _ORDINALS.items()),
    )
)
_LEAD = re.compile(
    r"(?:(?:it|this|that|these|those|they|there)(?:'s|'re|\s+(?:is|are|was|were))\s+|[它这那](?:是|为)\s*)?"
    r"(?:(?:only|just|about|approximately|around|roughly|in|on|at|by|to|from|of)\s+)?"
)
"""Before an answer that is a part of a sentence; it may be missing on one side, and not differ."""
_ASKED_NOUN = re.compile(
    r"\b(?:which|what)\s+(?:(?:kind|type|sort)s?\s+of\s+(?:an?\s+)?|of\s+the\s+(?:\w+\s+)??)?([a-z]{3,})\b",
    re.IGNORECASE,
)
_MOST_CHARACTERS = 300


def in_one_line(text: str) -> str:
    """A text whose list has no bullets but commas."""
    return _BULLET.sub(lambda bullet: ", " if "\n" in bullet[0] else "", text.strip())


def alike(gold: str, answer: str, question: str) -> bool:
    """Whether two texts, stripped and in lower case, are the same but for articles, "and" or commas in lists,
    dashes, small digits, the noun that the question asks for ("Which point?": "Point A" is A), and a
    beginning that only one of them has ("it is", "in", "about")."""
    if max(len(gold), len(answer)) > _MOST_CHARACTERS:
        return False
    nouns = set(_ASKED_NOUN.findall(question.lower()))
    nouns |= {noun.removesuffix("s") for noun in nouns}
    answer = _without_echo(answer, question.lower())
    one, other = _items(gold, nouns), _items(answer, nouns)
    led, bare = (_items(_LEAD.sub("", text, count=1), nouns) for text in (gold, answer))
    return any(a == b != [""] for a, b in ((one, other), (led, other), (one, bare)))


def _without_echo(answer: str, question: str) -> str:
    """The subject of a sentence that goes on as the question does ("X has the largest share")."""
    for verb in _VERB.finditer(answer):
        if answer[verb.start() :] in question:
            return answer[: verb.start()].rstrip()
    return answer


_VERB = re.compile(r"(?<=\s)(?:has|have|had|is|are|was|were|does|did|will|can|[a-z]{2,}(?:s|ed))\s+(?=\S)")


def _items(text: str, nouns: set[str]) -> list[str]:
    """The items of a list, or the one text, without articles and asked nouns."""
    text = text.translate(_SMALL)
    for mark, replacement in _MARKS:
        text = mark.sub(replacement, text)
    return [_without_noun(_ARTICLE.sub("", item.strip(), count=1), nouns) for item in _BETWEEN.split(text)]


def _without_noun(text: str, nouns: set[str]) -> str:
    first, _, rest = text.partition(" ")
    if rest and first in nouns:
        return rest
    before, _, last = text.rpartition(" ")
    return before if before and last in nouns else text
