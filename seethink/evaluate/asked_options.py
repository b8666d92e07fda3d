"""The options that a question was asked with: those of the answer's own row, or those that the question
lists."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from string import ascii_uppercase

from seethink.sources.published.columns import letter_gold, options_in
from seethink.types import Example
from seethink.verify.choice import chosen
from seethink.verify.options import Options

OTHER_OPTIONS = "its options are not those that the data have for its question"

_LINE = re.compile(r"\s*(?:\(([A-Z])\)|([A-Z])\s*[.:)．：）、])\s*(\S.*)")
_MARKED = re.compile(r"(?:Options|Choices)\s*[:：]")
_LETTERS = re.compile(r"\W*[A-Z](?:(?:\W|\band\b)+[A-Z])*\W*")
"""A gold of letters alone, "B", "(B)" or "A, C"."""


def in_own_order(example: Example, options: Sequence[str], prompt: str = "") -> Example | None:
    """The question with the options of the row that answers it, in their order, in which the gold's letter is
    another; the question as it is where the row has none or the same order. None for other options.

    prompt: what the model was sent, whose list holds where the row has no options and the list has those of
    the question. Options are the same if `Options.called` finds each among the others.
    """
    example = with_listed_options(example, prompt)
    own = options or listed_options(prompt)
    if not own:
        return example
    if not example.choices:
        meta = {**letter_gold(options), **example.meta}
        return replace(example, choices=tuple(options), meta=meta) if options else example
    asked, texts = (Options.of(replace(example, choices=tuple(c))).texts for c in (own, example.choices))
    places = _places(asked, texts)
    if places is None:
        return None if options else example
    if places == [*range(len(texts))]:
        return example
    letters = {ascii_uppercase[place]: ascii_uppercase[i] for i, place in enumerate(places)}
    return replace(
        example,
        choices=tuple(texts[place] for place in places),
        answer=_translated(example, letters),
        meta={**example.meta, **letter_gold(texts)},
    )


def _places(own: Sequence[str], texts: Sequence[str]) -> list[int] | None:
    """The place among `texts` of each own option; None unless each has one of its own."""
    if len(own) != len(texts):
        return None
    left, known, places = {*range(len(texts))}, Options(tuple(texts)), list[int]()
    for i, option in enumerate(own):
        found = known.called(option) & left
        if not found:
            return None
        places.append(i if i in found else min(found))
        left.discard(places[-1])
    return places


def _translated(example: Example, letters: dict[str, str]) -> str | None:
    """The gold in the letters of the new order; a gold that is a text stays."""
    gold = example.answer
    if gold is None or not is_lettered(gold) or not {*re.findall("[A-Z]", gold)} <= {*letters}:
        return gold
    return ", ".join(sorted(letters[letter] for letter in re.findall("[A-Z]", gold)))


def is_lettered(gold: str | None) -> bool:
    """Whether a gold is a letter, or several."""
    return gold is not None and _LETTERS.fullmatch(gold) is not None


def has_letter_alone(example: Example) -> bool:
    """Whether the gold is a letter, and nothing tells of which option."""
    return not example.choices and is_lettered(example.answer)


def with_listed_options(example: Example, prompt: str = "") -> Example:
    """The question with the options that its text lists, else the prompt, if it has no others and the gold is
    one of them or their letters."""
    if example.choices or example.answer is None:
        return example
    options = listed_options(example.question) or listed_options(prompt)
    if not options:
        return example
    asked = replace(example, choices=options, meta={**letter_gold(options), **example.meta})
    letters = re.findall("[A-Z]", example.answer) if is_lettered(example.answer) else []
    known = {*letters} <= {*ascii_uppercase[: len(options)]}
    named = known if letters else len(chosen(example.answer, Options.of(asked))) == 1
    return asked if named else example


def listed_options(question: str) -> tuple[str, ...]:
    """The options that a question lists: the last lines that begin with A, B, ... (`A. four`, `(B) five`),
    else those within its text, behind "Options:" where it says so."""
    found, run = list[str](), list[str]()
    for line in question.splitlines():
        match = _LINE.fullmatch(line)
        letter = (match[1] or match[2]) if match else ""
        if match and letter == ascii_uppercase[len(run) % 26]:
            run.append(match[3].strip())
        elif line.strip():
            run = [match[3].strip()] if match and letter == "A" else []
        found = [*run] if len(run) > 1 else found
    if found:
        return tuple(found)
    return options_in(_MARKED.split(question)[-1]) if _MARKED.search(question) else options_in(question)
