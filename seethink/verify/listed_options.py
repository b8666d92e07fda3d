"""Options that a question lists in its text."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from string import ascii_uppercase
from typing import Any

from seethink.types import Example
from seethink.verify.choice import chosen
from seethink.verify.options import LETTER_GOLD, Options

_LINE = re.compile(r"\s*(?:\(([A-Z])\)|([A-Z])\s*[.:)．：）、])\s*(\S.*)")
_MARKED = re.compile(r"(?:Options|Choices)\s*[:：]")
_LETTERS = re.compile(r"\W*[A-Z](?:(?:\W|\band\b)+[A-Z])*\W*")
"""A gold of letters alone, "B", "(B)" or "A, C"."""


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


def options_in(question: str) -> tuple[str, ...]:
    """The options listed in a question's text as A, B, ... in order (`A. four`, `(B) five`, `C: six, `)."""
    starts: list[re.Match[str]] = []
    for letter in ascii_uppercase:
        begins = re.compile(rf"(?:^|(?<=[\s(])){letter}[.:)]\s*", re.MULTILINE)
        match = begins.search(question, starts[-1].end() if starts else 0)
        if match is None:
            break
        starts.append(match)
    if len(starts) < 2:
        return ()
    ends = [match.start() for match in starts[1:]] + [len(question)]
    options = [question[match.end() : end] for match, end in zip(starts, ends, strict=True)]
    options[-1] = options[-1].split("\n")[0]
    return tuple(option.strip(" \n,;(") for option in options)


def letter_gold(options: Sequence[str]) -> dict[str, Any]:
    """Meta that says that the gold is the letter of an option's place, for options of which one is a letter
    itself; empty for others."""
    return {LETTER_GOLD: True} if any(re.fullmatch(r"\W*[A-Za-z]\W*", option) for option in options) else {}


def is_lettered(gold: str | None) -> bool:
    """Whether a gold is a letter, or several."""
    return gold is not None and _LETTERS.fullmatch(gold) is not None
