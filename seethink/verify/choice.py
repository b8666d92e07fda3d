"""Verifiers of multiple-choice and yes/no answers."""

from __future__ import annotations

import re

from seethink.types import Example, Response, Score
from seethink.verify.text import bare, shown, unjudged, verdict

LETTERS = "ABCDEFGHIJ"

_WRAPPED = re.compile(r"\\(?:boxed|text|mathrm|textbf)\{([^{}]*)\}")
_LEAD = re.compile(
    r"(?:(?:so|thus|hence|therefore),?\s+)?(?:(?:the|my)\s+)?(?:(?:correct|right|best|final)\s+)?"
    r"(?:answer|option|choice)\b\s*(?:is\b)?\s*[:=]?\s*",
    re.IGNORECASE,
)
_TAIL = re.compile(
    r"(?<!\s)\s+is\s+(?:correct|right|(?:the\s+)?(?:(?:correct|right|best|final)\s+)?(?:answer|option|choice))"
    r"[\s.!]*$",
    re.IGNORECASE,
)
_LONE = re.compile(r"[\s\"'`*_(\[{$]*(?P<letter>[A-Ja-j])[\s\"'`*_)\]}$.,;:!]*")
_WITH_TEXT = re.compile(
    r"[\"'`*_]*(?:[(\[]\s*(?P<closed>[A-Ja-j])\s*[)\]][*_]*\s*[.:,\u2013\u2014-]?|"
    r"(?P<open>[A-Ja-j])(?:[*_]*[.):,][*_]*|\s+[\u2013\u2014-]|\s*\n))\s*(?P<text>\S.*)",
    re.DOTALL,
)
_OTHER = re.compile(
    r"(?<![A-Za-z])[A-HJ](?![A-Za-z'])(?!\s+[a-z])|(?<![A-Za-z'])[a-hj](?=[\s)]*(?:[,.;:/&]|$))"
    r"|\b(?:not|or|nor|either|neither|maybe)\b"
)
"""In the text after a letter, when the options' texts are unknown: another letter, or doubt."""
_ARTICLE = re.compile(r"(?:an?|the)\s+")


def same_choice(example: Example, response: Response) -> Score:
    """1 if the answer names the gold's option and no other, else 0.

    Formula: equality of options. An option is named by its letter (A to J in either case: `B`, `(B)`, `B.`,
    "option B", "the answer is B", `\\boxed{B}`), by its text, or by both when they agree; the whole answer
    must be that, so the article in "a dog" is never option A. An answer that names two options, or a letter
    that is another option's text, is ambiguous and earns 0, with the reason. Range: {0, 1}; None if the
    gold is no option or could be two. Source: the letter rewards of VLM-R1, R1-Onevision and Open-R1-Video
    and CV-Bench's evaluation, without their defects.
    """
    if missing := unjudged(example, response):
        return missing
    options = _option_texts(example.choices)
    gold, answer = _named(str(example.answer), options), _named(str(response.answer), options)
    if len(gold) != 1:
        return Score(None, f"the gold {shown(example.answer)} is not one of the options")
    if not answer:
        return Score(0.0, f"read {shown(response.answer)}, which is no option")
    if len(answer) > 1:
        names = " and ".join(_letter(option) for option in sorted(answer))
        return Score(0.0, f"read {shown(response.answer)}, which may be {names}")
    return verdict(answer == gold, example, response)


def _named(text: str, options: list[str]) -> set[int]:
    """Indices of the options that the whole text may name; without option texts, by letter only."""
    core = text
    for _ in range(2):  # \boxed{\text{B}}
        core = _WRAPPED.sub(r"\1", core)
    core = _TAIL.sub("", core.strip())
    for _ in range(2):  # "the answer is option B"
        core = _LEAD.sub("", core, count=1) if _LEAD.match(core) else core
    named = _by_text(text, options) or _by_text(core, options)
    if match := _LONE.fullmatch(core):
        return named | _lettered(match["letter"], options)
    if match := _WITH_TEXT.fullmatch(core):
        by_letter, by_text = (
            _lettered(match["closed"] or match["open"], options),
            _by_text(match["text"], options),
        )
        if by_text if options else not _OTHER.search(match["text"]):
            return named | by_letter | by_text
    return named


def _lettered(letter: str, options: list[str]) -> set[int]:
    i = LETTERS.index(letter.upper())
    return {i} if not options or i < len(options) else set()


def _by_text(text: str, options: list[str]) -> set[int]:
    for same in (bare, _plain):
        normalised = same(text)
        if normalised and (found := {i for i, option in enumerate(options) if same(option) == normalised}):
            return found
    return set()


def _plain(text: str) -> str:
    return _ARTICLE.sub("", bare(text).strip("$"), count=1)


def _option_texts(choices: tuple[str, ...]) -> list[str]:
    """The options' texts, without their letters if each begins with its own ("A. cat")."""
    led = [_WITH_TEXT.fullmatch(choice.strip()) for choice in choices]
    letters = [(match["closed"] or match["open"]).upper() if match else "" for match in led]
    if "".join(letters) == LETTERS[: len(choices)]:
        return [match["text"] for match in led if match]
    return list(choices)


def _letter(option: int) -> str:
    return LETTERS[option] if option < len(LETTERS) else f"option {option + 1}"


_YES_NO = re.compile(
    r"(?:(?:so|thus|hence|therefore),?\s+)?(?:(?:the|my)\s+)?(?:(?:final|correct)\s+)?(?:answer\b\s*(?:is\b)?\s*:?\s*)?"
    r"[\"'`*_(\[]*(?P<word>yes|no)\b[\"'`*_)\]]*(?:\s*$|\s*[.,;:!\n\u2013\u2014-]|\s+(?=(?:it|he|she|they|there|"
    r"this|that|these|those|the|i|we|you)\b))(?P<rest>.*)",
    re.IGNORECASE | re.DOTALL,
)
_YES = re.compile(r"\byes\b", re.IGNORECASE)
_ALONE_NO = re.compile(r"\bno\b(?!\s+\w)", re.IGNORECASE)


def yes_no(example: Example, response: Response) -> Score:
    """1 if answer and gold are both yes, or both no, else 0.

    Formula: equality of the word with which a text begins, which must be `yes` or `no` as a whole word
    ("know" and "not" hold none) and be followed by the end, punctuation or a clause ("yes it is"). A
    contradiction is ambiguous and earns 0: a "yes" after no, or a "no" after yes that determines no noun
    ("yes, there is no dog" is a yes). Range: {0, 1}; None if the gold is neither. Source: VLM-R1's yes_no
    reward, which takes the first such letters anywhere.
    """
    if missing := unjudged(example, response):
        return missing
    gold, answer = _yes_or_no(str(example.answer)), _yes_or_no(str(response.answer))
    if gold is None:
        return Score(None, f"the gold {shown(example.answer)} is neither yes nor no")
    if answer is None:
        return Score(0.0, f"read {shown(response.answer)}, which is neither yes nor no")
    return verdict(gold == answer, example, response)


def _yes_or_no(text: str) -> str | None:
    match = _YES_NO.match(text.strip())
    if not match:
        return None
    word = match["word"].lower()
    other = _ALONE_NO if word == "yes" else _YES
    return None if other.search(match["rest"]) else word
