"""Batches of a fixed shape: examples about several pictures packed into rows of tokens and of patches.

A row of tokens holds whole groups. A group is `[prompt's head | branch 1 | ... | branch K]`: the head ends
with the last medium, and every branch is the rest of a prompt with its response, which sees the head and
itself. A row of patches holds whole frames, each of which attends to itself alone. Equal shapes let the step
be compiled once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from transformers.vision_utils import get_vision_position_ids

from seethink.boxes import scale_written
from seethink.models.batching import positions
from seethink.models.encoder import Encoder, Prompt
from seethink.models.families import in_model_coordinates
from seethink.systems.sprout.growth_config import RowShape
from seethink.systems.sprout.readings import MARKS
from seethink.types import CoordinateFrame, Example, SFTExample

IGNORED = -100
Batch = dict[str, Tensor]
SquareNames = Callable[[Example, Mapping[str, Tensor]], Sequence[int]]
Frame = tuple[Tensor, Tensor]
"""(patches (N, pixels), their rows and columns (N, 2)) of a picture, or of two frames of a clip."""


@dataclass
class _Row:
    """What a row holds so far: its used length and (column of the first element, content)."""

    used: int
    content: list[tuple[int, Any]]


@dataclass(frozen=True)
class _Branch:
    ids: list[int]
    first_target: int


@dataclass(frozen=True)
class PictureGroup:
    """Tokens of all examples about the same media. head, head_positions (3, P): of the shared tokens.
    head_labels: what is to be predicted at each of them, or `IGNORED`. kinds: 0 for text. next_position: of
    the first token after the head."""

    head: list[int]
    head_labels: list[int]
    head_positions: Tensor
    kinds: list[int]
    next_position: int
    branches: list[_Branch]
    frames: list[Frame]


def group_of(
    encoder: Encoder, model: Any, examples: Sequence[SFTExample], square_names: SquareNames | None = None
) -> PictureGroup:
    """The group of examples about the same media. model: of the same configuration; its weights are not
    used. square_names: (an example, its processed media) -> the token that each media token is to predict."""
    prompts = encoder.prompts([example.format.prompt(example.example) for example in examples])
    first, merge = prompts[0], model.config.vision_config.spatial_merge_size
    last = max((i for i, kind in enumerate(first.kinds) if kind), default=-1)
    length = last + 2  # its closing mark too; without media the first token
    head = first.head(length)
    found, after = _positions(model, head)
    branches = []
    for prompt, example in zip(prompts, examples, strict=True):
        if prompt.ids[:length] != head.ids:
            raise ValueError(f"{example.example.id}: the examples of a group begin with the same media")
        reply = encoder.response_ids(coarse(example.text, prompt.frame))
        branches.append(_Branch([*prompt.ids[length:], *reply], len(prompt.ids) - length))
    labels = torch.full((len(head.kinds),), IGNORED)
    if square_names and first.media:  # as many names as media tokens, or the assignment fails
        labels[torch.tensor(head.kinds) > 0] = torch.tensor(square_names(examples[0].example, first.media))
    return PictureGroup(
        head.ids, labels.tolist(), found, head.kinds, after, branches, frames_of(first.media, merge)
    )


def coarse(text: str, frame: CoordinateFrame | None) -> str:
    """The text with its boxes in thousandths of each side, rounded as in `readings.py`."""
    if frame is None:
        return text
    step = 1000 // MARKS
    return scale_written(in_model_coordinates(text, replace(frame, units=(MARKS, MARKS))), step, step, 0)


def _positions(model: Any, head: Prompt) -> tuple[Tensor, int]:
    """((3, P) positions of the head, position of the first token after it)."""
    ids, kinds = torch.tensor([head.ids]), torch.tensor([head.kinds])
    found, first = positions(model, head.family, ids, kinds, torch.ones_like(ids), head.media)
    return found[:, 0], int(first[0, 0])


def frames_of(media: Mapping[str, Tensor], merge: int) -> list[Frame]:
    """The frames of processed media, in order. merge: squares of merge x merge patches are one token."""
    frames: list[Frame] = []
    for kind, name in (("image", "pixel_values"), ("video", "pixel_values_videos")):
        if name in media:
            grid = media[f"{kind}_grid_thw"]
            places = get_vision_position_ids(grid, merge)
            sizes = [rows * columns for times, rows, columns in grid.tolist() for _ in range(times)]
            frames += zip(media[name].split(sizes), places.split(sizes), strict=True)
    return frames


class FrameRows:
    """Frames packed into rows of patches, first-fit. vision: the tower's configuration."""

    def __init__(self, shape: RowShape, vision: Any) -> None:
        self.width, self.rows = shape.tower_width, [_Row(0, []) for _ in range(shape.tower_rows)]
        self.pixels = vision.in_channels * vision.temporal_patch_size * vision.patch_size**2

    def place(self, frames: Sequence[Frame]) -> list[int] | None:
        """The place of each frame's first patch, if all rows were one; None if they do not fit, and then
        nothing changes."""
        rows = _fit([len(patches) for patches, _ in frames], self.rows, self.width)
        if rows is None:
            return None
        return [
            _put(self.rows, r, self.width, len(frame[0]), frame)
            for r, frame in zip(rows, frames, strict=True)
        ]

    def batch(self) -> Batch:
        """patches: (T, V, pixels), bytes; places: (T, V, 2), row and column in the frame; frame: (T, V),
        numbered from 1, 0 is padding."""
        shape = (len(self.rows), self.width)
        out = {
            "patches": torch.zeros((*shape, self.pixels), dtype=torch.uint8),
            "places": torch.zeros((*shape, 2), dtype=torch.int32),
            "frame": torch.zeros(shape, dtype=torch.int32),
        }
        for r, row in enumerate(self.rows):
            for number, (column, (patches, places)) in enumerate(row.content, 1):
                at = slice(column, column + len(patches))
                out["patches"][r, at], out["places"][r, at] = patches, places
                out["frame"][r, at] = number
        return out


class BatchBuilder:
    """First-fit packing of groups into a batch of a fixed shape. vision: the tower's configuration."""

    def __init__(self, shape: RowShape, vision: Any) -> None:
        self.shape, self.merge = shape, vision.spatial_merge_size**2
        self.rows, self.frames = [_Row(0, []) for _ in range(shape.rows)], FrameRows(shape, vision)

    def add(self, group: PictureGroup) -> bool:
        """Whether the whole group fitted; if not, nothing changes. Its branches may be spread over several
        rows, each with the head. Raises ValueError if a branch or a frame fits no empty row."""
        widest = len(group.head) + max(len(branch.ids) for branch in group.branches)
        frame = max((len(patches) for patches, _ in group.frames), default=0)
        if widest > self.shape.width or frame > self.shape.tower_width:
            raise ValueError(f"{widest} tokens and {frame} patches do not fit rows of {self.shape}")
        parts = self._parts(group)
        rows = _fit([self._length(group, part) for part in parts], self.rows, self.shape.width)
        starts = None if rows is None else self.frames.place(group.frames)
        if rows is None or starts is None:
            return False
        features = [
            (start + i) // self.merge
            for start, (patches, _) in zip(starts, group.frames, strict=True)
            for i in range(0, len(patches), self.merge)
        ]
        for row, part in zip(rows, parts, strict=True):
            length = self._length(group, part)
            _put(self.rows, row, self.shape.width, length, _Placed(group, part, features, length))
        return True

    def _parts(self, group: PictureGroup) -> list[list[_Branch]]:
        """The branches in order, cut where a row is full."""
        parts: list[list[_Branch]] = [[]]
        for branch in group.branches:
            if self._length(group, [*parts[-1], branch]) > self.shape.width:
                parts.append([])
            parts[-1].append(branch)
        return parts

    @staticmethod
    def _length(group: PictureGroup, branches: Sequence[_Branch]) -> int:
        return len(group.head) + sum(len(branch.ids) for branch in branches)

    def batch(self) -> Batch:
        """ids, labels, group, branch, feature: (R, W); positions: (3, R, W); and `FrameRows.batch`.

        A label is the id of the next token where a response predicts it, else `IGNORED`. group is numbered
        from 1, 0 is padding; branch is 0 in the head; feature is the index of a media token's feature plus 1.
        """
        shape = (self.shape.rows, self.shape.width)
        names = ("ids", "group", "branch", "feature")
        out = {name: torch.zeros(shape, dtype=torch.int32) for name in names}
        out["labels"] = torch.full(shape, IGNORED, dtype=torch.int64)
        out["positions"] = torch.zeros((3, *shape), dtype=torch.int32)
        for r, row in enumerate(self.rows):
            for number, (column, placed) in enumerate(row.content, 1):
                out["group"][r, column : column + placed.length] = number
                placed.write({name: tensor[..., r, :] for name, tensor in out.items()}, column)
        return out | self.frames.batch()


@dataclass(frozen=True)
class _Placed:
    """A group, or some of its branches, in a row. features: index of the feature of each media token. length:
    in tokens."""

    group: PictureGroup
    branches: Sequence[_Branch]
    features: Sequence[int]
    length: int

    def write(self, row: Batch, at: int) -> None:
        """Write the tokens into a row (W,) of each tensor, from column `at` on."""
        group, end = self.group, at + len(self.group.head)
        row["ids"][at:end] = torch.tensor(group.head, dtype=torch.int32)
        row["labels"][at:end] = torch.tensor(group.head_labels)
        row["positions"][:, at:end] = group.head_positions
        media = torch.tensor(group.kinds) > 0
        row["feature"][at:end][media] = torch.tensor(self.features, dtype=torch.int32) + 1
        for k, branch in enumerate(self.branches, 1):
            start, end = end, end + len(branch.ids)
            ids = torch.tensor(branch.ids)
            row["ids"][start:end], row["branch"][start:end] = ids, k
            row["positions"][:, start:end] = group.next_position + torch.arange(len(ids))
            row["labels"][start + branch.first_target - 1 : end - 1] = ids[branch.first_target :]


def _fit(lengths: Sequence[int], rows: Sequence[_Row], width: int) -> list[int] | None:
    """A row for each length, the first with room; None if one finds none."""
    used, found = [row.used for row in rows], []
    for length in lengths:
        row = next((r for r, n in enumerate(used) if n + length <= width), None)
        if row is None:
            return None
        used[row] += length
        found.append(row)
    return found


def _put(rows: Sequence[_Row], r: int, width: int, length: int, content: Any) -> int:
    """Append the content to row `r`. Returns its place if all rows were one."""
    start = rows[r].used
    rows[r].content.append((start, content))
    rows[r].used += length
    return r * width + start
