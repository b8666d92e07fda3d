"""What a text says of options that it does not choose."""

from __future__ import annotations

import re
from collections.abc import Callable

from seethink.verify.options import NONE, Chosen, Options

_FALSE = r"(?:wrong|incorrect|false|invalid|not\s+(?:correct|right))\b|错|不对|不正确"
_UNFIT = r"(?:impossible|irrelevant|absent|missing|excluded|eliminated|ruled\s+out|too\s+[a-z]+)\b"
_FAILS = (
    r"(?!(?:be\s+)?(?:wrong|incorrect|false|bad|too|only|just|fail|lack|miss|excluded?|eliminated?|ruled?|un|im|in))"
    r"[a-z]+\b"
)
_WRONG = re.compile(
    r"(?:(?<![A-Za-z])(?:(?:[Oo]ptions?|选项)\s*)?([A-HJ-Z](?:\s*(?:,|[和与及]|\band\b|\bor\b)\s*(?:(?:and|or)\s+)?"
    r"[A-Z](?![A-Za-z])){0,8})|\b(?:[Tt]he\s+)?(?:[Oo]ther|[Rr]emaining)s?(?:\s+(?:options|choices|answers|ones))?)"
    rf"(?:\s+(?:is|are)(?:\s+(?:all|both|clearly|simply|much|far))?\s+(?:{_FALSE}|{_UNFIT}|not\s+{_FAILS})"
    rf"|\s+(?:(?:is|are|do|does|can|could)n't|(?:do|does|can|could)\s+not|cannot)\s+{_FAILS}"
    rf"|项?\s*[都均]?(?:明显)?(?:[太过][\u4e00-\u9fff]了?|是?(?:{_FALSE}|不符合?(?:题意)?)的?))",
)
"""`C and D are too small`, `the others are wrong`; group 1 is the letters, I none of them."""


def without_rejected(said: str, is_kept: Callable[[str], bool]) -> str:
    """The text without clauses that other options are wrong or unfit; is_kept: whether a clause is about
    the chosen one, by the letters that it names, and stays."""
    return _WRONG.sub(lambda wrong: wrong[0] if is_kept(wrong[1] or "") else " ", said)


def calls_wrong(said: str) -> bool:
    """Whether a clause says of an option that it is wrong."""
    return any(re.search(_FALSE, wrong[0]) for wrong in _WRONG.finditer(said))


def denied(said: str, options: Options) -> Chosen:
    """The options whose letter or text stands after a negation ("no dog", "not B"), or whose text stands
    before one ("dog-free", "dogless")."""
    ends = (match.end() for match in _NEGATES.finditer(said))
    starts = (match.start() for match in _LACKS.finditer(said))
    after = {said[end : end + _LONGEST_DENIED] for end in ends}
    before = {said[max(0, start - _LONGEST_DENIED) : start] for start in starts}
    by_text = NONE.union(*(options.beginning(text)[0] for text in after), *map(options.ending, before))
    letters = (OPTION_LETTER.match(said, match.end("lead")) for match in _NEGATED_LETTER.finditer(said))
    return by_text.union(*(options.at(letter[0]) for letter in letters if letter))


def without_denials(said: str, options: Options) -> str:
    """The text without negations of options ("dog, not a cat" is "dog")."""
    kept = said
    for match in reversed([*_NEGATED_LETTER.finditer(said)][:_MOST_DENIALS]):
        if options.beginning(kept[match.start() : match.start() + _LONGEST_DENIED])[0]:  # "no dog" is one
            continue
        found, rest = options.beginning(kept[match.end() : match.end() + _LONGEST_DENIED])
        if letter := OPTION_LETTER.match(kept, match.end()):
            kept = kept[: match.start()].rstrip(" ,(") + kept[letter.end() :].lstrip("\"')]*")
        elif found:
            kept = kept[: match.start()].rstrip(" ,(") + rest + kept[match.end() + _LONGEST_DENIED :]
    return _JOINS_NOTHING.sub("", kept)


def mentioned(said: str, options: Options) -> Chosen:
    """The options that a text names anywhere, by letter or by text."""
    letters = {match[0] for match in OPTION_LETTER.finditer(said)}
    return options.inside(said).union(*map(options.at, letters))


_NEGATES = re.compile(
    r"(?:\b(?:not|no|non|without|never|hardly|cannot|lacks?|lacking|except|unlike|instead\s+of|"
    r"(?:rather|other)\s+than|(?:anything|all)\s+but)\b|n't\b|不是|没有|并非|不选|无)[\s-]*",
    re.IGNORECASE,
)
_NEGATED_LETTER = re.compile(rf"{_NEGATES.pattern}(?P<lead>(?:option\s*)?[(\[\"'*]*)", re.IGNORECASE)
_LACKS = re.compile(r"(?:[\s-]?free|-?less|-proof)\b(?!\s+(?:to|than)\b)", re.IGNORECASE)
_JOINS_NOTHING = re.compile(r"[\s,(]*(?:\b(?:and|but)\b|[而但])?[\s)]*\Z", re.IGNORECASE)
_LONGEST_DENIED = 200
_MOST_DENIALS = 8
OPTION_LETTER = re.compile(
    r"(?<![A-Za-z0-9'_^{\\])(?:[B-HJ](?![A-Za-z'_^])(?!\s*=)|[AI](?![A-Za-z'_^])(?!\s*=)(?!\s+(?!is\b)[a-z])"
    r"|(?<![/\-])[a-hj](?=[\s)]*(?:[,;:/&.](?![A-Za-z])|$)))"
)
"""A letter that may be an option: no article, no pronoun, no part of a word."""
HEDGE = re.compile(r"\b(?:maybe|perhaps|possibly|unsure|not\s+sure|wait)\b|\?|吗", re.IGNORECASE)
_DOUBTS = (
    r"or|nor|n?either|maybe|perhaps|possibly|unsure|wrong|incorrect|unless|except|instead|rather|however|wait"
)
_UNKNOWN = (
    r"\bI\s+(?:can(?:not|'t)|do(?:n't|\s+not)|am\s+not)\s+(?:be\s+)?(?:sure|certain|tell|know|think|say)\b"
)
_OTHER_DOUBTS = rf"{_UNKNOWN}|\?|不对|不是|不选|不正确|错误|错的|或|吗|除了|除外|并非"
DOUBT = re.compile(rf"\b(?:not|but|{_DOUBTS})\b|{_OTHER_DOUBTS}", re.IGNORECASE)
DENIAL = re.compile(
    rf"\b(?:{_DOUBTS})\b|{_OTHER_DOUBTS}|\A\W*(?:not|but)\b"
    r"|(?:\bnot|n't)\s+(?:\w+\s+)?(?:correct|right|true|answer|option|choice|sure)\b",
    re.IGNORECASE,
)
"""In a sentence after a letter: it may say what is not the case, but not that the letter is wrong."""
