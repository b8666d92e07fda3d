"""The options of an answer's own row, which may be in another order than the question's."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from string import ascii_uppercase

from seethink.types import Example
from seethink.verify.listed_options import is_lettered, letter_gold, listed_options, with_listed_options
from seethink.verify.options import Options

OTHER_OPTIONS = "its options are not those that the data have for its question"


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


def has_letter_alone(example: Example) -> bool:
    """Whether the gold is a letter, and nothing tells of which option."""
    return not example.choices and is_lettered(example.answer)
