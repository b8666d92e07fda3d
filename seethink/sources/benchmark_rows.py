"""Rows of published benchmarks: options beside the question, letters as answers, pictures in cells."""

from __future__ import annotations

import re
from typing import Any

from seethink.sources.cells import listed
from seethink.sources.parsed_row import ParsedRow
from seethink.sources.row_reader import Row

LETTERS = "ABCDEFGHIJ"
_LETTER = re.compile(r"\(?([A-J])[).:]?")
_OPTION = re.compile(r"\(?[A-J][).:]\s*(.*)")


def cv_bench(row: Row) -> ParsedRow:
    """`prompt` is `question` followed by its options."""
    get = row.values.get
    return ParsedRow(get("prompt"), _letter(get("answer")), choices=_options(row))


def vrc(row: Row) -> ParsedRow:
    get = row.values.get
    return ParsedRow(get("question"), _letter(get("final_answer")), get("steps"), _options(row))


def truth(row: Row) -> ParsedRow:
    get = row.values.get
    if get("image_path") is not None and (get("image") is not None or get("images") is not None):
        row.refuse("both 'image_path' and another column of pictures are given; keep one")
    return ParsedRow(get("question"), get("ground_truth"), images=get("image_path"))


def llava_questions(row: Row) -> ParsedRow:
    """A question of an evaluation, without a reference answer."""
    return ParsedRow(row.values.get("text"), None)


def vlmevalkit(row: Row) -> ParsedRow:
    """Pictures are base64, one or a list, or paths in `image_path`. Options in the columns A, B, ... are put
    below the question, which may begin with a hint, as VLMEvalKit's prompts do; a question that lists them
    itself is left as it is."""
    get = row.values.get
    images = listed(get("image") if get("image") is not None else get("image_path"))
    question, lettered = get("question"), [get(letter) for letter in LETTERS]
    options = [str(option) for option in lettered if option is not None]
    if lettered[: len(options)] != [option for option in lettered if option is not None]:
        row.refuse(f"the options {LETTERS[: len(options)]} have a gap; name them from A on without one")
    if isinstance(question, str):
        if get("hint"):
            question = f"Hint: {get('hint')}\n{question}"
        if options and options_block(options) not in question:
            question = f"{question}\n{options_block(options)}"
    choices = options or _options(row)
    return ParsedRow(question, _letter(get("answer")), listed(get("steps")), choices, images)


def options_block(options: list[str] | tuple[str, ...]) -> str:
    """The options as lines, `A. four`."""
    return "\n".join(f"{letter}. {option}" for letter, option in zip(LETTERS, options, strict=False))


def _letter(answer: Any) -> Any:
    """The letter of `(A)`, `A.` or `A`; anything else unchanged."""
    match = _LETTER.fullmatch(answer.strip()) if isinstance(answer, str) else None
    return match[1] if match else answer


def _options(row: Row) -> Any:
    """A list, a list as JSON or Python source, or lines that start with A, B, ..."""
    choices = listed(row.values.get("choices"))
    if not isinstance(choices, str) or not choices.strip():
        return choices
    lines = [_OPTION.fullmatch(line.strip()) for line in choices.strip().splitlines()]
    if not all(lines):
        row.refuse(f"choices must be a list, or lines that start with A., B., ..., not {choices!r:.40}")
    return [line[1] for line in lines if line]
