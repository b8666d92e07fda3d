"""What can be wrong with a row: each kind of fault by name, with its mend; and the checks of texts, options
and boxes, one short function for each kind."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from seethink.boxes import Box, read_boxes
from seethink.formats import TAGS
from seethink.types import MEDIA_MARK, Example

Size = tuple[int, int]
"""Width and height in pixels."""


@dataclass(frozen=True)
class Fault:
    """One fault of one row; `row` counts as in its file. suspected: may be meant so."""

    kind: str
    row: int
    id: str
    told: str

    @property
    def suspected(self) -> bool:
        return self.kind in SUSPICIONS


FAULTS = {
    "no row": "write one JSON object with named columns",
    "layout": "write the row as docs/data.md shows its dialect",
    "unknown column": "rename it, or move it into meta",
    "no question": "give a question",
    "no answer": "give the answer that is right",
    "unreadable answer": "give a text, a number or boxes",
    "marks": "mark every picture and clip, or none",
    "missing picture": "mend the path, or say --images",
    "missing clip": "mend the path, or say --images",
    "broken picture": "replace the file",
    "broken clip": "replace the file",
    "huge picture": "shrink it",
    "tiny picture": "enlarge it to 28 pixels a side, or remove the row",
    "narrow picture": "pad or cut it; processors refuse sides beyond 200 to 1",
    "same id": "make ids differ, or leave the column out",
    "same row": "remove one of them",
    "two answers": "find out which one is right",
    "tag leak": "leave tags to the format",
    "tag in question": "leave tags to the format, which asks for them",
    "mark in answer": "an answer holds no medium; remove the mark",
    "broken text": "restore the characters that were lost",
    "answer in question": "take the answer out of the question",
    "letter without options": "give choices, or list the options in the question",
    "no such option": "make the answer a letter or text of one of the choices",
    "same option": "make the choices differ",
    "box outside picture": "give corners in pixels of the original picture",
    "box of no size": "x1 < x2 and y1 < y2, from the top left",
    "box from 0 to 1": "multiply with width and height: boxes are in pixels of the original picture",
    "not writable": "make the answer and steps such that the format can hold them",
    "unknown method": "name a method of VLM-R1, or leave accu_reward_method out",
    "gold not judged": "choose a verifier that can read it, or mend the answer",
    "gold not paid": "choose another verifier, or mend the answer",
    "equal pair": "a pair needs a better and a worse response",
    "in the test data": "remove it from one of the two",
    "control token": "reword what the model would take for a picture or the end of a turn",
    "refused by the processor": "see what it says",
    "tokens against features": "the processor and the model disagree; take another version of one",
    "prompt too long": "shrink pictures or shorten the question",
}
"""Kind -> mend."""

SUSPICIONS = {
    "same picture": "one picture under several names; keep one file",
    "answer named in question": "see whether the question gives it away",
    "lone letter": "if it names an option, give choices",
    "boxes from 0 to 1000": "multiply with width and height over 1000, if so: boxes are in pixels",
    "response breaks the format": "rewrite it, or choose another format",
}
"""The same for what may be meant so; it is said, and makes no row faulty."""


# Texts ----------------------------------------------------------------------------------------------------

_LOST = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffd\ud800-\udfff]")
_UNSEEN = re.compile("[\u200b-\u200f\u202a-\u202e\u2060\ufeff]")
_LONG = 24
"""Characters of an answer that no question names by chance."""


def tag_in_question(example: Example) -> Iterator[str]:
    if found := [tag for tag in TAGS if tag in example.question]:
        yield f"the question holds {' '.join(found)}"


def mark_in_answer(example: Example) -> Iterator[str]:
    if found := MEDIA_MARK.search(" ".join((str(example.answer), *example.steps))):
        yield f"the answer or a step holds {found[0]}"


def broken_text(example: Example) -> Iterator[str]:
    answer = str(example.answer)
    for name, text, pattern in (
        ("question", example.question, _LOST),
        ("answer", answer, _LOST),
        ("answer", answer, _UNSEEN),
    ):
        if found := pattern.search(text):
            yield f"the {name} holds the character U+{ord(found[0]):04X}"


def answer_in_question(example: Example) -> Iterator[str]:
    """ "Answer: 5", as rewriting models leave it."""
    gold = re.escape(str(example.answer))
    told = rf"\b(?:answer|solution)\s*(?:is|:|=)\s*{gold}(?!\w)"
    if found := re.search(told, example.question, re.IGNORECASE):
        yield f"the question says {found[0]!r:.60}"


def answer_named_in_question(example: Example) -> Iterator[str]:
    answer = str(example.answer).casefold()
    if len(answer) >= _LONG and not example.choices and answer in example.question.casefold():
        yield f"the question names {example.answer!r:.60}"


# Options --------------------------------------------------------------------------------------------------

_LETTER = re.compile(r"\(?([A-J])[).:]?")
_LISTED = re.compile(r"(?:^|[\s(])B[.):,\s]", re.MULTILINE)
_CHOOSING = re.compile(r"\b(?:options?|choices?|choose|which of the following)\b", re.IGNORECASE)


def letter_without_options(example: Example) -> Iterator[str]:
    if _lone_letter(example) and _CHOOSING.search(example.question):
        yield f"the answer is the letter {example.answer}, but there are no options"


def lone_letter(example: Example) -> Iterator[str]:
    if _lone_letter(example) and not _CHOOSING.search(example.question):
        yield f"the answer is the letter {example.answer}, and there are no options"


def _lone_letter(example: Example) -> bool:
    lettered = _LETTER.fullmatch(str(example.answer)) is not None
    return lettered and not example.choices and not _LISTED.search(example.question)


def no_such_option(example: Example) -> Iterator[str]:
    if not example.choices:
        return
    answer, options = str(example.answer), [_folded(option) for option in example.choices]
    letter = _LETTER.fullmatch(answer)
    among = letter is not None and ord(letter[1]) - ord("A") < len(options)
    led = re.match(r"\(?[A-J][).:]\s*", answer)
    if not among and not {_folded(answer), _folded(answer[led.end() :]) if led else ""} & {*options}:
        yield f"the answer {answer!r:.40} is none of the {len(options)} choices"


def same_option(example: Example) -> Iterator[str]:
    options = [_folded(option) for option in example.choices]
    if twice := next((option for option in options if options.count(option) > 1), None):
        yield f"the choice {twice!r:.40} is there twice"


def _folded(text: str) -> str:
    return " ".join(text.casefold().split()).rstrip(".")


TEXT_CHECKS: dict[str, Callable[[Example], Iterator[str]]] = {
    "tag in question": tag_in_question,
    "mark in answer": mark_in_answer,
    "broken text": broken_text,
    "answer in question": answer_in_question,
    "answer named in question": answer_named_in_question,
    "letter without options": letter_without_options,
    "lone letter": lone_letter,
    "no such option": no_such_option,
    "same option": same_option,
}


# Boxes ----------------------------------------------------------------------------------------------------


def boxes_of(example: Example) -> tuple[Box, ...]:
    """The boxes of an answer about pictures; boxes are those of its first."""
    pictured = any(medium.kind == "image" for medium in example.media)
    return (read_boxes(str(example.answer)) or ()) if pictured else ()


def box_from_0_to_1(boxes: tuple[Box, ...], size: Size) -> Iterator[str]:
    if _unit(boxes):
        yield f"all coordinates are at most 1 in a picture of {size[0]} x {size[1]}; are they parts of 1?"


def box_outside_picture(boxes: tuple[Box, ...], size: Size) -> Iterator[str]:
    """A corner may lie on the edge."""
    width, height = size
    for box in boxes:
        if min(box.corners) < 0 or max(box.x1, box.x2) > width or max(box.y1, box.y2) > height:
            within = all(0 <= x <= 1000 for other in boxes for x in other.corners)
            hint = "; are they parts of 1000?" if within else ""
            yield f"{_corners(box)} is not inside {width} x {height}{hint}"
            return


def box_of_no_size(boxes: tuple[Box, ...], size: Size) -> Iterator[str]:
    for box in boxes:
        if box.x2 <= box.x1 or box.y2 <= box.y1:
            yield f"{_corners(box)} has no size; are corners swapped, or are these width and height?"
            return


def _unit(boxes: tuple[Box, ...]) -> bool:
    return all(0 <= x <= 1 for box in boxes for x in box.corners)


def _corners(box: Box) -> str:
    return f"[{', '.join(f'{x:g}' for x in box.corners)}]"


BOX_CHECKS: dict[str, Callable[[tuple[Box, ...], Size], Iterator[str]]] = {
    "box from 0 to 1": box_from_0_to_1,
    "box outside picture": box_outside_picture,
    "box of no size": box_of_no_size,
}
