"""The option that an answer means without calling it by letter or by its text alone."""

from __future__ import annotations

import re
from collections.abc import Iterable

from seethink.markup import plain, seen_as_ascii
from seethink.types import Example, Response
from seethink.verify.options import NONE, Chosen, Options
from seethink.verify.rejected import DOUBT, HEDGE, OPTION_LETTER, denied, without_denials
from seethink.verify.symbolic import same_math
from seethink.verify.yes_or_no import said_yes_or_no

_MOST_WORDS = 40
_MOST_VALUE = 80
_MOST_OPTIONS = 12
_ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth")
_PLACE = re.compile(
    rf"(?:the\s+)?(?P<place>{'|'.join(_ORDINALS)})\s+(?:option|choice|answer)\b[\s,.:]*(?P<rest>.*)",
    re.IGNORECASE | re.DOTALL,
)
_NAMED_LETTER = re.compile(r"(?:the\s+)?[a-z]+\s+\(?(?P<letter>(?-i:[A-Z]))\)?[\s.]*", re.IGNORECASE)
_COMPARES = re.compile(
    r"\b(?:no|non|never|without|unlike|except|only\s+if|than|different|differs?|similar|resembles?|compared|"
    r"cannot|neither|nobody|nothing|hardly|lacks?|against|whether|if|could|may|might)\b|n't\b|[不没无]",
    re.IGNORECASE,
)
"""In a sentence that may name an option to say something else of it."""
_WORDY = re.compile(r"[^\W\d_]{2}|[\u4e00-\u9fff]")


def implied(response: Response, options: Options, question: str) -> Chosen:
    """The option that a short answer means: by yes or no, by its place ("the second option"), by the only
    text of an option in a sentence ("The cup is to the right of the plate."), or by an equal value
    (`\\sqrt{48}` is `4\\sqrt{3}`). None for doubts, comparisons, and an option that the question names."""
    text = str(response.answer)
    said = plain(seen_as_ascii(text)).strip()
    if len(options.texts) < 2 or len(said.split()) > _MOST_WORDS:
        return NONE
    whole = plain(seen_as_ascii(response.text)).strip()
    is_sentence = len(whole.split()) <= _MOST_WORDS and not re.search(r"[<\n]|[.!?]\s+\S", whole)
    sentences = dict.fromkeys((said, whole) if is_sentence else (said,))
    return (
        _by_word(sentences, options, question)
        or _by_place(said, options)
        or next(filter(None, (_in_sentence(sentence, options, question) for sentence in sentences)), NONE)
        or _by_value(text, options)
    )


def _by_word(sentences: Iterable[str], options: Options, question: str) -> Chosen:
    for words in (("yes", "no"), ("true", "false")):
        places = [options.called(word) for word in words]
        if all(places) and places[0] != places[1]:
            said = next(filter(None, (said_yes_or_no(sentence, question) for sentence in sentences)), None)
            return places[said == "no"] if said else NONE
    return NONE


def _by_place(said: str, options: Options) -> Chosen:
    if (named := _NAMED_LETTER.fullmatch(said)) and options.called(named["letter"]):
        at = options.at(named["letter"])
        return at if at == options.called(named["letter"]) else NONE  # "Image B" beside the option B
    if not (found := _PLACE.fullmatch(said)):
        return NONE
    place = _ORDINALS.index(found["place"].lower())
    at = frozenset({place} if place < len(options.texts) else ())
    return at if not found["rest"] or options.called(found["rest"]) == at else NONE


def _in_sentence(said: str, options: Options, question: str) -> Chosen:
    if OPTION_LETTER.search(said) or not all(map(_WORDY.search, options.texts)):
        return NONE
    rejected = denied(said, options)
    said = without_denials(said, options)
    if not (found := options.inside(said) - rejected):
        return NONE
    place = max(found, key=lambda i: len(options.texts[i]))
    text = re.escape(_ARTICLE.sub("", options.texts[place].strip(" .")))
    rest = re.sub(rf"(?<![\w-]){text}(?![\w-])", " \x00 ", said, count=1, flags=re.IGNORECASE)
    asked = options.inside(question)
    others = options.inside(rest) or (place in asked and len(asked) == 1)
    if others or any(pattern.search(rest) for pattern in (DOUBT, HEDGE, _COMPARES)):
        return NONE
    words = set(_WORD.findall(rest.lower())) - set(_WORD.findall(question.lower())) - _SMALL_WORDS
    return frozenset({place}) if "\x00" in rest and (not words or _SAYS.search(rest)) else NONE


_ARTICLE = re.compile(r"^(?:an?|the)\s+", re.IGNORECASE)
_WORD = re.compile(r"[^\W_]+")
_SMALL_WORDS = {
    *("a", "an", "the", "is", "are", "was", "were", "it", "this", "that", "there"),
    *("in", "on", "at", "of", "to", "by", "side", "image", "picture"),
}
_SAYS = re.compile(
    r"\b(?:is|are|was|were|be|shows?|depicts?|contains?|features?|represents?|illustrates?|displays?|says?|will|reads?)"
    r"\s+(?:(?:an?|the|to|on|in|at|by|of|be|likely|most|clearly|located|placed|positioned)\s+){0,4}\x00"
    r"(?=\s*(?:$|[.,;:!()])|\s+(?:of|in|on|at|to|side|the|an?|that|which|who|from|with|as|by|is|because|since)\b)",
    re.IGNORECASE,
)
"""A verb, then the option (NUL), then what does not make another word of it ("cat tree")."""


_MATHEMATICS = re.compile(r"[0-9\u03c0\u221a\\]")
_COMPUTES = re.compile(r"[0-9)]\s*(?:[+*×·-]|\\(?:times|cdot)\s?)\s*[0-9(]")
"""What is still to be computed is no option's value."""


def _by_value(text: str, options: Options) -> Chosen:
    is_short = len(text) <= _MOST_VALUE and len(options.texts) <= _MOST_OPTIONS
    if not is_short or not _MATHEMATICS.search(text) or _COMPUTES.search(text):
        return NONE
    equal = [
        i
        for i, option in enumerate(options.texts)
        if same_math(Example("", "", answer=option), Response(text, answer=text)).value == 1.0
    ]
    return frozenset(equal) if len(equal) == 1 else NONE
