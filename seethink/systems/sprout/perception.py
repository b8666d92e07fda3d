"""Pretraining of the vision tower: each feature names what its square of the picture holds, and where it is.

Linear heads, dropped afterwards, name the digit or object whose centre lies in the square, its box, the
characters, and the place of the square. Rotary positions tell the tower only how far squares are from each
other, so where a square lies in the picture is learned here; the language model has no better way to know a
column. Other models begin with towers trained on millions of captions.
"""

from __future__ import annotations

import itertools
import string
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import PIL.Image
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, smooth_l1_loss

from seethink.media import Image
from seethink.sources.drawn import shapes
from seethink.systems.sprout.curriculum import CELL_NAMES, CurriculumExamples, cells
from seethink.systems.sprout.growth import (
    PICTURES_A_STEP,
    Losses,
    PackedTower,
    PictureBatches,
    load,
    save,
    train,
)
from seethink.systems.sprout.growth_config import GrowthConfig
from seethink.systems.sprout.rows import Batch, FrameRows, frames_of
from seethink.train.methods import OnStep
from seethink.types import Example, Media

CHARACTERS = string.digits + string.ascii_letters + string.punctuation + "°"
SLOTS = 10
"""Characters named for each square, in reading order; more are not asked for."""
_NAMES = {name: i for i, name in enumerate(CELL_NAMES)}
_LETTERS = {character: i for i, character in enumerate(CHARACTERS, 1)}


class SquareTargets(NamedTuple):
    """Targets of the squares of a picture, in reading order.

    names: (S,) in `CELL_NAMES`. boxes: (S, 4) centre, width and height of the object in units of the square,
    from its corner; NaN without one. letters: (S, SLOTS) in `CHARACTERS` from 1; 0 is none. centres: (S, 2)
    of the square itself, as shares of the picture's width and height; NaN outside of pictures.
    """

    names: Tensor
    boxes: Tensor
    letters: Tensor
    centres: Tensor

    @classmethod
    def none(cls, n: int) -> SquareTargets:
        """`n` empty squares."""
        names, letters = torch.zeros(n, dtype=torch.int64), torch.zeros((n, SLOTS), dtype=torch.int64)
        return cls(names, torch.full((n, 4), torch.nan), letters, torch.full((n, 2), torch.nan))

    @classmethod
    def of(cls, example: Example, picture: PIL.Image.Image, grid: tuple[int, int]) -> SquareTargets:
        """grid: rows and columns of squares."""
        rows, columns = grid
        n, width, height = rows * columns, picture.width / columns, picture.height / rows
        targets = cls.none(n)
        down, across = (torch.arange(n) // columns + 0.5) / rows, (torch.arange(n) % columns + 0.5) / columns
        targets.centres[:] = torch.stack([across, down], 1)
        if "grid" in example.meta:
            targets.names[:] = torch.tensor([_NAMES[name] for name in cells(example)])
            return targets
        for thing in example.meta["formal"].get("things", ()):
            x, y = shapes.centre(thing)
            square = int(y / height) * columns + int(x / width)
            x1, y1, x2, y2 = thing["box"]
            targets.names[square] = _NAMES[shapes.name(thing)]
            targets.boxes[square] = torch.tensor(
                [x / width % 1, y / height % 1, (x2 - x1) / width, (y2 - y1) / height]
            )
        used = [0] * n
        for character, x, y in _characters(picture):
            square = int(y / height) * columns + int(x / width)
            if 0 <= square < n and used[square] < SLOTS:
                targets.letters[square, used[square]] = _LETTERS[character]
                used[square] += 1
        return targets


def _characters(picture: PIL.Image.Image) -> Iterator[tuple[str, float, float]]:
    written = sorted(picture.info.get("written", ()), key=lambda line: (round(line.middle), line.left))
    for line in written:
        yield from line.centres()


def drawn(medium: Media) -> PIL.Image.Image:
    """A drawn picture as its world drew it, with the list of what is written on it."""
    assert isinstance(medium, Image) and callable(medium.source)
    return medium.source()


class SquareBatches(PictureBatches):
    """Batch s: as many still pictures, from picture `s * PICTURES_A_STEP` on, as fit rows of patches, with
    the targets of all squares."""

    def __getitem__(self, step: int) -> Batch:
        encoder, model = self.skeleton()
        merge = model.config.vision_config.spatial_merge_size
        rows = FrameRows(self.config.shape)
        squares = len(rows.rows) * rows.width // merge**2
        targets = SquareTargets.none(squares)
        pictures = 0
        for page in itertools.count(step * PICTURES_A_STEP):
            example = self.course.picture(page)
            for medium in example.media:
                picture = drawn(medium)
                media = dict(encoder.processor.image_processor(images=[picture], return_tensors="pt"))
                starts = rows.place(frames_of(media, merge))
                if starts is None:
                    batch = rows.batch()
                    counts = {"pictures": torch.tensor(pictures), "group": batch["frame"]}
                    return batch | targets._asdict() | counts
                _, high, wide = media["image_grid_thw"][0].tolist()
                found = SquareTargets.of(example, picture, (high // merge, wide // merge))
                at = starts[0] // merge**2
                for whole, part in zip(targets, found, strict=True):
                    whole[at : at + len(part)] = part
                pictures += 1
        raise AssertionError("pages have no end")


class SquareLoss(Losses):
    """The mean losses of four linear heads on the features of a tower. fixed_shape: as in `PackedTower`."""

    names = ("names", "boxes", "letters", "centres")

    def __init__(self, model: Any, processor: Any, fixed_shape: bool) -> None:
        super().__init__()
        self.tower = PackedTower(model.model.visual, processor, fixed_shape)
        hidden_size = model.config.text_config.hidden_size
        self.merge = model.config.vision_config.spatial_merge_size**2
        self.name_head = nn.Linear(hidden_size, len(CELL_NAMES))
        self.box_head = nn.Linear(hidden_size, 4)
        self.letter_head = nn.Linear(hidden_size, SLOTS * (len(CHARACTERS) + 1))
        self.centre_head = nn.Linear(hidden_size, 2)

    def forward(self, batch: Batch) -> Tensor:
        """(4,) losses."""
        seen = self.tower(batch).float()
        n = batch["frame"].flatten()[:: self.merge] > 0
        names = cross_entropy(self.name_head(seen), batch["names"], reduction="none")
        letters = cross_entropy(
            self.letter_head(seen).unflatten(-1, (SLOTS, -1)).flatten(0, 1),
            batch["letters"].flatten(),
            reduction="none",
        )
        count = n.sum()
        return torch.stack(
            [
                (names * n).sum() / count,
                _mean_error(self.box_head(seen), batch["boxes"], beta=0.1),
                (letters.view(-1, SLOTS).sum(1) * n).sum() / count,
                _mean_error(self.centre_head(seen), batch["centres"], beta=0.02),
            ]
        )


def _mean_error(found: Tensor, target: Tensor, beta: float) -> Tensor:
    """The mean smooth L1 loss over the targets that are not NaN. beta: where it turns linear."""
    has = ~target.isnan()
    loss = smooth_l1_loss(found, target.nan_to_num(), reduction="none", beta=beta)
    return (loss * has).sum() / has.sum().clamp(min=1)


def pretrain_vision_tower(
    out: Path, model: Any, course: CurriculumExamples, config: GrowthConfig, on_step: OnStep | None = None
) -> None:
    """Write to `out` the model in the folder `model.path` with its tower trained on the still pictures of a
    course."""
    policy, processor = load(model.path)
    batches = SquareBatches(course, Path(model.path), config)
    train(SquareLoss(policy, processor, config.compile), batches, config, out, on_step)
    save(policy, processor, out)
