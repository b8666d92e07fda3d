"""Robustness probes: the same questions about changed pictures, or with their options in another order.

A probe changes what should not change the answer, and the reference answer follows the picture: boxes and
points move with it. "blank" changes all: who still answers right did not need to look.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import PIL.Image

from seethink import identity
from seethink.boxes import Box, read_boxes, read_points, scale_written, write_boxes
from seethink.media import DrawnVideo, Frames, Image
from seethink.types import Example, InputError, Media, Task
from seethink.verify.choice import chosen
from seethink.verify.options import Options

PLAIN = "plain"
"""The arm of the questions as they are."""
RESIZED = 0.75
"""Scale of both sides in the probe "resize"."""
MARGIN = 0.04
"""Share of width and height cut off at each side in the probe "crop"; less where a reference box is near."""
JPEG_QUALITY = 30
GREY = (127, 127, 127)
_OPTION_LINE = re.compile(r"^([ \t]*[(\[]?)([A-Z])([)\].:][ \t]+)(.+?)([ \t]*)$", re.MULTILINE)
_ABOUT_OTHERS = re.compile(r"\b(?:above|below|both|all of|none of|neither|(?:[A-J] (?:and|or) [A-J]))\b")
"""In an option that says something of other options, whose letters change."""

PictureSize = tuple[int, int]
Change = Callable[[PIL.Image.Image], PIL.Image.Image]


@dataclass(frozen=True)
class Moved:
    """Where a change takes a point of the picture: (x, y) -> scale * (x, y) + shift."""

    scale: tuple[float, float] = (1.0, 1.0)
    shift: tuple[float, float] = (0.0, 0.0)

    def box(self, box: Box) -> Box:
        """The box after the change, its label kept."""
        scaled = box.scaled(*self.scale)
        dx, dy = self.shift
        return Box(scaled.x1 + dx, scaled.y1 + dy, scaled.x2 + dx, scaled.y2 + dy, box.label)

    def text(self, text: str) -> str:
        """The text with its named boxes and points after the change."""
        return scale_written(text, *self.scale, places=2, shift=self.shift)


def probed(task: Task, name: str) -> Task:
    """The task with the examples that a probe changes, each under its own id. Raises InputError where it
    changes none, and for an unknown name."""
    if name not in PROBES:
        raise InputError(f"unknown probe {name!r}; the probes are {', '.join(PROBES)}")
    answers = [example.answer for example in task.examples if example.answer is not None]
    places = bool(answers) and all(_is_place(answer) for answer in answers)
    changed = [PROBES[name](example, places) for example in task.examples]
    examples = tuple(example for example in changed if example is not None)
    if not examples:
        raise InputError(f"the probe {name} changes no question of {task.name}: {NEEDS[name]}; leave it out")
    return replace(task, examples=examples)


def applicable(task: Task) -> list[str]:
    """The probes that change at least one of the task's questions."""
    pictures = any(example.media for example in task.examples)
    options = any(_other_order(example, False) for example in task.examples)
    return [name for name in PROBES if (options if name == "options" else pictures)]


def _is_place(answer: str) -> bool:
    return read_boxes(answer) is not None or read_points(answer) is not None


# Pictures --------------------------------------------------------------------------------------------------


def _resized(example: Example, places: bool) -> Example | None:
    def size_of(picture: PIL.Image.Image) -> PictureSize:
        return max(1, round(picture.width * RESIZED)), max(1, round(picture.height * RESIZED))

    def change(picture: PIL.Image.Image) -> PIL.Image.Image:
        return picture.resize(size_of(picture), PIL.Image.Resampling.BICUBIC)

    moved = Moved()
    if first := _first_picture(example):
        width, height = size_of(first)
        moved = Moved((width / first.width, height / first.height))
    return _about(example, f"resize {RESIZED}", change, moved, places)


def _cropped(example: Example, places: bool) -> Example | None:
    """Without a margin; the reference boxes and points stay inside."""
    first = _first_picture(example)
    boxes = _boxes_of(example, places) if first else ()
    shares = [MARGIN] * 4
    if first and boxes:
        nearest = (
            min(box.x1 for box in boxes) / first.width,
            min(box.y1 for box in boxes) / first.height,
            1 - max(box.x2 for box in boxes) / first.width,
            1 - max(box.y2 for box in boxes) / first.height,
        )
        shares = [max(0.0, min(MARGIN, share)) for share in nearest]

    def cut(size: PictureSize) -> tuple[int, int, int, int]:
        left, top, right, bottom = (int(share * side) for share, side in zip(shares, size * 2, strict=True))
        return left, top, size[0] - right, size[1] - bottom

    def change(picture: PIL.Image.Image) -> PIL.Image.Image:
        return picture.crop(cut(picture.size))

    moved = Moved()
    if first:
        left, top, right, bottom = cut(first.size)
        moved = Moved(shift=(float(-left), float(-top)))
        if len(example.media) == 1 and (left, top, right, bottom) == (0, 0, *first.size):
            return None  # a box reaches every side
    return _about(example, f"crop {shares}", change, moved, places)


def _compressed(example: Example, places: bool) -> Example | None:
    def change(picture: PIL.Image.Image) -> PIL.Image.Image:
        file = io.BytesIO()
        picture.save(file, "JPEG", quality=JPEG_QUALITY)
        return PIL.Image.open(file).convert("RGB")

    return _about(example, f"jpeg {JPEG_QUALITY}", change, Moved(), places)


def _blank(example: Example, places: bool) -> Example | None:
    return _about(example, "blank", lambda picture: PIL.Image.new("RGB", picture.size, GREY), Moved(), places)


def _first_picture(example: Example) -> PIL.Image.Image | None:
    """The picture that boxes refer to, where the example has boxes or points."""
    first = next((medium for medium in example.media if isinstance(medium, Image)), None)
    return None if first is None else PIL.Image.new("L", first.size())


def _boxes_of(example: Example, places: bool) -> tuple[Box, ...]:
    """The reference boxes, and points as boxes without area."""
    answer = example.answer or ""
    if not places and '"' not in answer:
        return ()
    points = read_points(answer) or ()
    return (*(read_boxes(answer) or ()), *(Box(x, y, x, y) for x, y in points))


def _about(example: Example, name: str, change: Change, moved: Moved, places: bool) -> Example | None:
    """The example about changed media; None without any."""
    if not example.media:
        return None
    return replace(
        example,
        media=tuple(_changed(medium, name, change) for medium in example.media),
        question=moved.text(example.question),
        answer=None if example.answer is None else _answer(example.answer, moved, places),
        steps=tuple(map(moved.text, example.steps)),
    )


def _answer(answer: str, moved: Moved, places: bool) -> str:
    if moved == Moved():
        return answer
    if places and '"' not in answer:  # lists of numbers alone
        if boxes := read_boxes(answer):
            return write_boxes(map(moved.box, boxes))
        corners = [moved.box(Box(x, y, x, y)).corners[:2] for x, y in read_points(answer) or ()]
        return json.dumps(corners) if corners else answer
    return moved.text(answer)


def _changed(medium: Media, name: str, change: Change) -> Media:
    key = f"{medium.key}|{name}"
    if medium.kind == "image":
        return Image.drawn(key, lambda: change(medium.load()))

    def frames() -> Frames:
        loaded: Frames = medium.load()
        return replace(loaded, pictures=tuple(map(change, loaded.pictures)))

    return DrawnVideo(key, frames)


# Options ---------------------------------------------------------------------------------------------------


def _other_order(example: Example, places: bool) -> Example | None:
    """The example with its options rotated, in the question too; None where the options do not stand in it by
    letters, where one speaks of others, or where the reference answer is not one of them."""
    options = Options.of(example)
    n = len(options.texts)
    gold = chosen(str(example.answer), options)
    lines = [*_OPTION_LINE.finditer(example.question)]
    listed = [match[4].strip() for match in lines] == [text.strip() for text in options.texts]
    if n < 2 or len(gold) != 1 or not listed or any(map(_ABOUT_OTHERS.search, options.texts)):
        return None
    by = rotation(example, n)
    turned = [options.texts[(i + by) % n] for i in range(n)]
    texts = iter(turned)
    question = _OPTION_LINE.sub(lambda m: "".join((m[1], m[2], m[3], next(texts), m[5])), example.question)
    (place,) = gold
    is_text = bool(options.called(str(example.answer))) and not options.by_place
    answer = example.answer if is_text else chr(65 + (place - by) % n)
    return replace(example, question=question, choices=tuple(turned), answer=answer, steps=())


def rotation(example: Example, n: int) -> int:
    """By how many places the probe "options" rotates the n options of an example."""
    return 1 + identity.seed_of("options", example.id) % (n - 1)


PROBES: Mapping[str, Callable[[Example, bool], Example | None]] = {
    "resize": _resized,
    "crop": _cropped,
    "jpeg": _compressed,
    "options": _other_order,
    "blank": _blank,
}
"""{name: (example, whether all answers of its task are places) -> the changed example, or None}."""
NEEDS = {
    **dict.fromkeys(PROBES, "it has no pictures"),
    "options": "it has no questions with options in lines such as `A. cat`",
}


def said_of(task: Task, rows: Mapping[str, str | None]) -> dict[str, object]:
    """{id: what an answer says}: the text of the option that it chooses, else the answer. rows: {id:
    answer}."""
    from seethink.evaluate.voting import ballot

    found: dict[str, object] = {}
    for example in task.examples:
        said = rows.get(example.id)
        options = Options.of(example)
        picked = chosen(said, options) if said and options.texts else frozenset()
        if len(picked) == 1:
            found[example.id] = options.texts[next(iter(picked))]
        else:
            found[example.id] = None if said is None else ballot(said)
    return found


def same_answers(tasks: Sequence[tuple[Task, Mapping[str, str | None]]]) -> float | None:
    """The share of questions of both evaluations whose answers say the same; answers that could not be read
    are the same as no other. tasks: (task, {id: said}) of each."""
    first, second = (said_of(task, rows) for task, rows in tasks)
    both = [(first[key], second[key]) for key in second if key in first]
    return sum(a is not None and a == b for a, b in both) / len(both) if both else None
