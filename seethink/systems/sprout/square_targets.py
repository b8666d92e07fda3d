"""What each square of a drawn picture holds, and where it is: the targets of the vision tower's pretraining.

A square is what one feature stands for. The targets say in small classes what the language model is to write
later: the name of an object and its corners, the tokens of a word, the value of a label.
"""

from __future__ import annotations

import random
import string
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import PIL.Image
import torch
from torch import Tensor

from seethink.media import Image
from seethink.sources.drawn import clips, shapes
from seethink.sources.drawn.page_style import WrittenText
from seethink.sources.drawn.screens import CONTROLS
from seethink.sources.drawn.world import Scene
from seethink.systems.sprout.curriculum import CELL_NAMES, cells
from seethink.systems.sprout.readings import MARKS
from seethink.systems.sprout.rows import IGNORED
from seethink.types import Example, Media

CHARACTERS = string.digits + string.ascii_letters + string.punctuation + "°"
LETTER_SLOTS, WORD_SLOTS, VALUE_SLOTS = 10, 6, 4
"""Characters and parts of a value, in reading order, and tokens that are named for each square; more are not
asked for."""
VALUES = ("", *string.digits, "on", "off")
"""Parts of a value."""
_NAMES = {name: i for i, name in enumerate(CELL_NAMES)}
_LETTERS = {character: i for i, character in enumerate(CHARACTERS, 1)}
_VALUES = {part: i for i, part in enumerate(VALUES)}


class SquareTargets(NamedTuple):
    """Targets of S squares in reading order; `IGNORED` where nothing is to be learned.

    names: (S,) in `CELL_NAMES`, of the digit or object whose centre lies in the square. corners: (S, 4) left,
    top, right and bottom of its box, 0 to `MARKS`. letters: (S, LETTER_SLOTS) in `CHARACTERS` from 1; 0 is
    none. words: (S, WORD_SLOTS) the set of tokens of the words, digits, names and values that belong to it.
    values: (S, VALUE_SLOTS) in `VALUES`, of the label or figure that begins there. centres: (S, 2) of the
    square itself, as shares of the picture's width and height; NaN outside of pictures.
    """

    names: Tensor
    corners: Tensor
    letters: Tensor
    words: Tensor
    values: Tensor
    centres: Tensor

    @classmethod
    def none(cls, n: int) -> SquareTargets:
        """`n` empty squares."""
        corners, words, values = (torch.full((n, slots), IGNORED) for slots in (4, WORD_SLOTS, VALUE_SLOTS))
        names, letters = (torch.zeros(shape, dtype=torch.int64) for shape in ((n,), (n, LETTER_SLOTS)))
        return cls(names, corners, letters, words, values, torch.full((n, 2), torch.nan))


class Squares:
    """A picture's squares, to be filled in. grid: rows and columns; size: of the picture in pixels."""

    def __init__(self, grid: tuple[int, int], size: Sequence[int]) -> None:
        rows, self.columns = grid
        self.size, self.n = size, rows * self.columns
        self.width, self.height = size[0] / self.columns, size[1] / rows
        self.targets = SquareTargets.none(self.n)
        square = torch.arange(self.n)
        across = (square % self.columns + 0.5) / self.columns
        self.targets.centres[:] = torch.stack([across, (square // self.columns + 0.5) / rows], 1)
        self._used: dict[tuple[str, int], int] = {}

    def at(self, x: float, y: float) -> int | None:
        """The square around a point; None outside of the picture."""
        inside = 0 <= x < self.size[0] and 0 <= y < self.size[1]
        return int(y / self.height) * self.columns + int(x / self.width) if inside else None

    def put_object(self, name: str, box: Sequence[float], tokenizer: Any) -> None:
        square = self.at((box[0] + box[2]) / 2, (box[1] + box[3]) / 2)
        assert square is not None, f"the {name} at {box} lies in the picture"
        self.put_words(square, name, tokenizer)
        self.targets.names[square] = _NAMES[name]
        corners = [round(MARKS * at / self.size[i % 2]) for i, at in enumerate(box)]
        self.targets.corners[square] = torch.tensor(corners)

    def put_line(self, line: WrittenText, tokenizer: Any) -> None:
        for character, x, y in line.centres():
            self.put("letters", self.at(x, y), [_LETTERS[character]])
        for word, x, y in _words(line):
            self.put_words(self.at(x, y), word, tokenizer)

    def put_value(self, value: Sequence[str], x: float, y: float, tokenizer: Any) -> None:
        square = self.at(x, y)
        if square is not None:
            parts = [_VALUES[part] for part in value] + [0] * VALUE_SLOTS
            self.targets.values[square] = torch.tensor(parts[:VALUE_SLOTS])
            self.put_words(square, "".join(value), tokenizer)

    def put_words(self, square: int | None, words: str, tokenizer: Any) -> None:
        """Add the tokens of words to a square's set; None is outside of the picture."""
        if square is not None:
            there = set(self.targets.words[square].tolist())
            ids = tokenizer(f" {words}", add_special_tokens=False).input_ids
            self.put("words", square, [token for token in dict.fromkeys(ids) if token not in there])

    def put(self, kind: str, square: int | None, ids: Sequence[int]) -> None:
        """Name `ids` in the next free slots of a square; None is outside of the picture."""
        if square is None:
            return
        slots, used = getattr(self.targets, kind)[square], self._used.get((kind, square), 0)
        some = ids[: len(slots) - used]
        slots[used : used + len(some)] = torch.tensor(some, dtype=torch.int64)
        self._used[kind, square] = used + len(some)


def of_example(
    example: Example, grids: Mapping[str, Tensor], merge: int, tokenizer: Any
) -> Iterator[SquareTargets]:
    """The targets of each picture of an example, or of the frames of its clip that share patches. grids:
    `image_grid_thw` or `video_grid_thw` of the processed media."""
    if "video_grid_thw" in grids:
        times, high, wide = grids["video_grid_thw"][0].tolist()
        scene = example.meta["formal"]
        together = scene["frames"] // times
        for i in range(times):
            shown = range(i * together, (i + 1) * together)
            yield _of_frames(scene, shown, (high // merge, wide // merge), tokenizer)
        return
    for i, (medium, (_, high, wide)) in enumerate(
        zip(example.media, grids["image_grid_thw"].tolist(), strict=True)
    ):
        yield _of_picture(example, i, drawn(medium), (high // merge, wide // merge), tokenizer)


def drawn(medium: Media) -> PIL.Image.Image:
    """A drawn picture as its world drew it, with the list of what is written on it."""
    assert isinstance(medium, Image) and callable(medium.source)
    return medium.source()


def token_names(targets: SquareTargets, rng: random.Random) -> list[int]:
    """A token for each square, drawn from the set that names what it holds; `IGNORED` for an empty one."""
    sets = [[word for word in words if word != IGNORED] for words in targets.words.tolist()]
    return [rng.choice(words) if words else IGNORED for words in sets]


def _of_picture(
    example: Example, i: int, picture: PIL.Image.Image, grid: tuple[int, int], tokenizer: Any
) -> SquareTargets:
    """The targets of the example's picture `i`, as drawn. grid: rows and columns of squares."""
    squares = Squares(grid, picture.size)
    if "grid" in example.meta:
        names = cells(example)
        squares.targets.names[:] = torch.tensor([_NAMES[name] for name in names])
        for square, name in enumerate(names):
            squares.put_words(square, name, tokenizer)
        return squares.targets
    scene = example.meta["formal"]
    for layer, thing in enumerate(scene.get("things", ()), 1):
        squares.put_object(shapes.name(thing), thing["box"], tokenizer)
        said = str(layer) if "piled" in scene else thing["size"]
        squares.put_words(squares.at(*shapes.centre(thing)), said, tokenizer)
    lines = sorted(picture.info.get("written", ()), key=lambda line: (round(line.middle), line.left))
    values = dict(_labelled(scene, i))
    for line in lines:
        squares.put_line(line, tokenizer)
        if line.text in values:
            _, x, y = next(_words(line))
            squares.put_value(values[line.text], x, y, tokenizer)
    for value, (x, y) in _measured(scene):
        squares.put_value(value, x, y, tokenizer)
    return squares.targets


def _of_frames(scene: Scene, frames: Sequence[int], grid: tuple[int, int], tokenizer: Any) -> SquareTargets:
    """The targets of frames of a clip that share patches: every object, in the last frame that shows it."""
    squares, side = Squares(grid, scene["size"]), clips.side_px(scene["size"])
    for thing in scene["things"]:
        if seen := [i for i in frames if thing["shown"][i]]:
            x, y = thing["path"][seen[-1]]
            squares.put_object(shapes.name(thing), (x, y, x + side, y + side), tokenizer)
    return squares.targets


def _words(line: WrittenText) -> Iterator[tuple[str, float, float]]:
    """(word, x, y of its centre)"""
    start = 0
    for word in line.text.split():
        start = line.text.index(word, start)
        ends = [line.left + line.font.getlength(line.text[:i]) for i in (start, start + len(word))]
        yield word, sum(ends) / 2, line.middle
        start += len(word)


def _labelled(scene: Scene, i: int) -> Iterator[tuple[str, Sequence[str]]]:
    """(label, value) of what is written on picture `i` of a scene."""
    if "chart" in scene:
        yield from zip(scene["names"], map(str, scene["values"]), strict=True)
    if scene.get("page") == "prices":
        yield from scene["lines"]
    if "before" in scene:
        yield from _controls(scene["after" if i else "before"])


def _controls(screen: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, Sequence[str]]]:
    of_row = {element["row"]: element for element in screen if element["role"] in CONTROLS}
    for label in screen:
        if label["role"] == "label" and label["row"] in of_row:
            value = of_row[label["row"]][CONTROLS[of_row[label["row"]]["role"]]]
            yield label["text"], (["on" if value else "off"] if isinstance(value, bool) else str(value))


def _measured(scene: Scene) -> Iterator[tuple[str, Sequence[float]]]:
    """(digits, the point that they belong to) of what no label says of a figure."""
    if scene.get("figure") == "angle":
        yield str(scene["degrees"]), scene["points"][1]
    if "cells" in scene:
        yield "".join(map(str, (*scene["cells"], *scene["cut"]))), scene["points"][0]
