"""Kinds of faults of a row, with their fixes, and the checks of texts, options and boxes, one function per
kind."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from seethink.boxes import Box, read_boxes
from seethink.formats import TAGS
from seethink.types import MEDIA_MARK, Example

Size = tuple[int, int]
"""(width, height) in pixels."""


@dataclass(frozen=True)
class Fault:
    """One fault of one row. kind: a key of `FAULTS` or `SUSPICIONS`. row: counted as in `row_reader.Row`.
    file: the medium that is missing, if that is the fault. mended: whether the message says what to do, so
    that the fix of its kind need not be added."""

    kind: str
    row: int
    id: str
    message: str
    file: str = ""
    mended: bool = False

    @classmethod
    def of_error(cls, kind: str, row: int, id: str, message: str, file: str = "") -> Fault:
        """The fault that an error reports: a sentence that names the fix after a semicolon, if it has one."""
        return cls(kind, row, id, message, file, mended="; " in message)

    @property
    def mend(self) -> str:
        """What to do about it: as its message says, else the fix of its kind."""
        return self.message.partition("; ")[2] if self.mended else {**FAULTS, **SUSPICIONS}[self.kind]

    @property
    def suspected(self) -> bool:
        """Whether it may be intended; then it does not make its row faulty."""
        return self.kind in SUSPICIONS


FAULTS = {
    "no row": "write one JSON object with named columns",
    "layout": "write the row as docs/data.md shows its dialect",
    "unknown column": "rename it, or move it into meta",
    "no question": "give a question",
    "no answer": "give the correct answer",
    "unreadable answer": "give a text, a number or boxes",
    "marks": "mark every picture and clip, or none",
    "missing picture": "correct the path, or set --media-root",
    "missing clip": "correct the path, or set --media-root",
    "broken picture": "replace the file",
    "broken clip": "replace the file",
    "still clip": "replace the file, choose other frames, or give one of them as a picture",
    "unreadable picture": "convert it as its message says",
    "several frames": "give an animation as a clip, or save the frame or page that is meant",
    "huge picture": "shrink it",
    "tiny picture": "enlarge it to 28 pixels a side, or remove the row",
    "narrow picture": "pad or crop it; processors reject aspect ratios above 200",
    "same id": "make ids unique, or leave the column out",
    "same row": "remove one of them",
    "two answers": "find out which one is correct",
    "tag leak": "remove the tags; the format adds them",
    "tag in question": "remove the tags; the format asks for them",
    "mark in answer": "remove the mark; an answer has no media",
    "broken text": "restore the lost characters",
    "answer in question": "remove the answer from the question",
    "letter without options": "give choices, or list the options in the question",
    "no such option": "make the answer the letter or the text of one of the choices",
    "same option": "make the choices differ",
    "box outside picture": "give corners in pixels of the original picture",
    "box of no size": "give corners with x1 < x2 and y1 < y2, from the top left",
    "box from 0 to 1": "multiply by width and height: boxes are in pixels of the original picture",
    "not writable": "change the answer or steps so that the format can represent them",
    "unknown method": "name a method of VLM-R1, or leave accu_reward_method out",
    "gold not judged": "choose a verifier that can read it, or correct the answer",
    "gold not paid": "choose another verifier, or correct the answer",
    "equal pair": "give a better and a worse response",
    "in the test data": "remove it from one of the two",
    "control token": "reword the text that is a special token of the model, such as the end of a turn",
    "refused by the processor": "follow its message",
    "tokens against features": "use another version of the model or processor; the two disagree",
    "prompt too long": "downscale pictures or shorten the question",
}
"""Kind of fault -> fix."""

SUSPICIONS = {
    "same picture": "one picture under several names; keep one file",
    "empty medium": "if a picture or clip is meant, give it, else leave the row out",
    "16-bit picture": "if another sample is meant to be white, convert it to 8 bits",
    "slow clip": "if that takes long, convert it to MP4, as with ffmpeg -i IN -c:v libx264 OUT.mp4",
    "answer named in question": "check whether the question gives the answer away",
    "lone letter": "if it names an option, give choices",
    "boxes from 0 to 1000": "if so, multiply by width/1000 and height/1000: boxes are in pixels",
    "one spelling": "if it is a number or a formula, write it as one, or choose another verifier",
    "response breaks the format": "rewrite it, or choose another format",
}
"""Kind of suspicion -> fix. A suspicion may be intended and does not make a row faulty."""


# Texts ----------------------------------------------------------------------------------------------------

_LOST = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffd\ud800-\udfff]")
_UNSEEN = re.compile("[\u200b-\u200f\u202a-\u202e\u2060\ufeff]")
_LONG = 24
"""Answers of at least this many characters do not occur in a question by chance."""


def tag_in_question(example: Example) -> Iterator[str]:
    """A format's tags in the question."""
    if tags := [tag for tag in TAGS if tag in example.question]:
        yield f"the question contains {' '.join(tags)}"


def mark_in_answer(example: Example) -> Iterator[str]:
    """A mark of a medium in the answer or a step."""
    if match := MEDIA_MARK.search(" ".join((str(example.answer), *example.steps))):
        yield f"the answer or a step contains {match[0]}"


def broken_text(example: Example) -> Iterator[str]:
    """Control, replacement or surrogate characters; in the answer, invisible ones as well."""
    answer = str(example.answer)
    for name, text, pattern in (
        *(("conversation", turn.text, _LOST) for turn in example.history),
        ("question", example.question, _LOST),
        ("answer", answer, _LOST),
        ("answer", answer, _UNSEEN),
    ):
        if match := pattern.search(text):
            yield f"the {name} contains the character U+{ord(match[0]):04X}"


def answer_in_question(example: Example) -> Iterator[str]:
    """ "Answer: 5", a typical leftover of rewriting models."""
    gold = re.escape(str(example.answer))
    pattern = rf"\b(?:answer|solution)\s*(?:is|:|=)\s*{gold}(?!\w)"
    if match := re.search(pattern, example.question, re.IGNORECASE):
        yield f"the question contains {match[0]!r:.60}"


def answer_named_in_question(example: Example) -> Iterator[str]:
    """A long answer that occurs in the question."""
    answer = str(example.answer).casefold()
    if len(answer) >= _LONG and not example.choices and answer in example.question.casefold():
        yield f"the question contains the answer {example.answer!r:.60}"


# Options --------------------------------------------------------------------------------------------------

_LETTER = re.compile(r"\(?([A-J])[).:]?")
_LISTED = re.compile(r"(?:^|[\s(])B[.):,\s]", re.MULTILINE)
_CHOOSING = re.compile(r"\b(?:options?|choices?|choose|which of the following)\b", re.IGNORECASE)


def letter_without_options(example: Example) -> Iterator[str]:
    """A letter as the answer to a question that speaks of options but lists none."""
    if _lone_letter(example) and _CHOOSING.search(example.question):
        yield f"the answer is the letter {example.answer}, but there are no options"


def lone_letter(example: Example) -> Iterator[str]:
    """A letter as the answer to a question that does not speak of options."""
    if _lone_letter(example) and not _CHOOSING.search(example.question):
        yield f"the answer is the letter {example.answer}, and there are no options"


def _lone_letter(example: Example) -> bool:
    lettered = _LETTER.fullmatch(str(example.answer)) is not None
    return lettered and not example.choices and not _LISTED.search(example.question)


def no_such_option(example: Example) -> Iterator[str]:
    """An answer that is neither the letter nor the text of a choice."""
    if not example.choices:
        return
    answer, options = str(example.answer), [_folded(option) for option in example.choices]
    letter = _LETTER.fullmatch(answer)
    is_letter = letter is not None and ord(letter[1]) - ord("A") < len(options)
    prefix = re.match(r"\(?[A-J][).:]\s*", answer)
    texts = {_folded(answer), _folded(answer[prefix.end() :]) if prefix else ""}
    if not is_letter and not texts & {*options}:
        yield f"the answer {answer!r:.40} is none of the {len(options)} choices"


def same_option(example: Example) -> Iterator[str]:
    """Two equal choices."""
    options = [_folded(option) for option in example.choices]
    if twice := next((option for option in options if options.count(option) > 1), None):
        yield f"the choice {twice!r:.40} occurs twice"


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

QUESTION_CHECKS = ("tag in question", "broken text")
"""Those that need no answer."""


# Boxes ----------------------------------------------------------------------------------------------------


def boxes_of(example: Example) -> tuple[Box, ...]:
    """The boxes of an answer about pictures; they refer to the first picture."""
    pictured = any(medium.kind == "image" for medium in example.media)
    return (read_boxes(str(example.answer)) or ()) if pictured else ()


def box_from_0_to_1(boxes: tuple[Box, ...], size: Size) -> Iterator[str]:
    """Boxes that are fractions of the sides."""
    if _unit(boxes):
        yield f"all coordinates are at most 1 in a picture of {size[0]} x {size[1]}; are they fractions?"


def box_outside_picture(boxes: tuple[Box, ...], size: Size) -> Iterator[str]:
    """A box with a corner outside the picture; the edge is inside."""
    width, height = size
    for box in boxes:
        if min(box.corners) < 0 or max(box.x1, box.x2) > width or max(box.y1, box.y2) > height:
            thousandths = all(0 <= x <= 1000 for other in boxes for x in other.corners)
            hint = "; are they thousandths?" if thousandths else ""
            yield f"{_corners(box)} is not inside {width} x {height}{hint}"
            return


def box_of_no_size(boxes: tuple[Box, ...], size: Size) -> Iterator[str]:
    """A box whose second corner is not below and right of the first."""
    for box in boxes:
        if box.x2 <= box.x1 or box.y2 <= box.y1:
            yield f"{_corners(box)} has no size; are the corners swapped, or are these width and height?"
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
