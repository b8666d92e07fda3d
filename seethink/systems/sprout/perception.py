"""Pretraining of the vision tower: each feature names what its square of the picture holds, and where it is.

Words are named by the embeddings of tokens, and the rest of what `square_targets.py` lists by linear heads
that are dropped afterwards. Rotary positions tell the tower only how far squares are from each other, so
where a square lies in the picture is learned here; the language model has no better way to know a column.
Other models begin with towers trained on millions of captions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, linear, normalize, rms_norm, smooth_l1_loss

from seethink.formats import VERBATIM
from seethink.models.encoder import Encoder
from seethink.systems.sprout import square_targets
from seethink.systems.sprout.curriculum import CELL_NAMES, CurriculumExamples
from seethink.systems.sprout.growth import Losses, PackedTower, PictureBatches, load, save, train
from seethink.systems.sprout.growth_config import GrowthConfig
from seethink.systems.sprout.readings import MARKS
from seethink.systems.sprout.rows import IGNORED, Batch, Frame, FrameRows, frames_of
from seethink.systems.sprout.square_targets import CHARACTERS, VALUES, SquareTargets
from seethink.train.methods import OnStep
from seethink.types import Example

CLASSES = {
    "names": len(CELL_NAMES),
    "corners": MARKS + 1,
    "letters": len(CHARACTERS) + 1,
    "values": len(VALUES),
}
"""Kind of target -> its classes. Words are named by the embeddings that the language model reads."""
SHARPNESS = 30.0
"""Of the words that a feature names, per cosine with their embeddings. So a feature must point where its
words do, and to copy one is what it is for a token. Named by products, features grew to a hundred embeddings
in length, and their cosines with their own words were 0.2, those of a thousand others up to 0.2 as well."""
LENGTH = 3.0
"""Of features after training, in lengths of an embedding: about the number of words that a square holds.
Layers of the language model add vectors of an embedding's length, which tell a much longer one nothing."""
WEIGHTS = {"corners": 0.25, "words": 0.5, "values": 0.5}
"""Of the losses that sum over several slots, so that none outweighs the others."""


def targeted_frames(encoder: Encoder, example: Example, merge: int) -> Iterator[tuple[Frame, SquareTargets]]:
    """(a picture, or the frames of a clip that share patches; the targets of its squares)."""
    media = encoder.prompts([VERBATIM.prompt(example)])[0].media
    targets = square_targets.of_example(example, media, merge, encoder.tokenizer)
    yield from zip(frames_of(media, merge), targets, strict=True)


class SquareBatches(PictureBatches):
    """Pictures and clips in rows of patches, with the targets of all squares."""

    def __getitem__(self, step: int) -> Batch:
        encoder, model = self.skeleton()
        vision = model.config.vision_config
        merge, rows = vision.spatial_merge_size, FrameRows(self.shape, vision)
        targets = SquareTargets.none(len(rows.rows) * rows.width // merge**2)
        pictures = 0
        for page in self.pages(step):
            for frame, found in targeted_frames(encoder, self.course.picture(page), merge):
                starts = rows.place([frame])
                if starts is None:
                    batch = rows.batch()
                    counts = {"pictures": torch.tensor(pictures), "group": batch["frame"]}
                    return batch | targets._asdict() | counts
                at = starts[0] // merge**2
                for whole, part in zip(targets, found, strict=True):
                    whole[at : at + len(part)] = part
                pictures += 1
        raise AssertionError("pages have no end")


class SquareLoss(Losses):
    """The mean losses of linear heads on the normalised features of a tower, each times its weight in
    `WEIGHTS`.
    fixed_shape: as in `PackedTower`."""

    names = SquareTargets._fields

    def __init__(self, model: Any, processor: Any, fixed_shape: bool) -> None:
        super().__init__()
        self.tower, self.fixed_shape = PackedTower(model.model.visual, processor, fixed_shape), fixed_shape
        text = model.config.text_config
        self.merge = model.config.vision_config.spatial_merge_size**2
        slots = {name: target[0].numel() for name, target in SquareTargets.none(1)._asdict().items()}
        self.heads = nn.ModuleList(
            nn.Linear(text.hidden_size, slots[name] * n) for name, n in CLASSES.items()
        )
        self.centre_head = nn.Linear(text.hidden_size, slots["centres"])
        self.table = model.get_input_embeddings()

    def forward(self, batch: Batch) -> Tensor:
        """(6,) losses."""
        seen = rms_norm(self.tower(batch).float(), self.table.weight.shape[1:])  # as a layer reads them
        real = batch["frame"].flatten()[:: self.merge] > 0
        heads = dict(zip(CLASSES, self.heads, strict=True))
        losses = {name: self._loss(head, seen, batch[name], real) for name, head in heads.items()}
        losses["words"] = self._loss_of_sets(seen, batch["words"], real)
        losses["centres"] = _mean_error(self.centre_head(seen), batch["centres"], beta=0.02)
        return torch.stack([WEIGHTS.get(name, 1.0) * losses[name] for name in self.names])

    def _loss_of_sets(self, seen: Tensor, targets: Tensor, real: Tensor) -> Tensor:
        """k KL(uniform over a square's k tokens || what its feature itself names), over the squares that
        have any. So each token of the set is as likely as the others, and the grammar of what is written
        decides between them: to read a shape is the same operation as to read a colour."""
        has = targets != IGNORED
        asked = real & has[:, 0]
        if not self.fixed_shape:
            seen, targets, has, asked = seen[asked], targets[asked], has[asked], asked[asked]
        cosines = linear(normalize(seen, dim=1), normalize(self.table.weight, dim=1))
        found = (SHARPNESS * cosines).log_softmax(-1).gather(1, targets.clamp(min=0))
        k = has.sum(1)
        losses = -(found * has).sum(1) - torch.xlogy(k, k)
        return (losses * asked).sum() / asked.sum().clamp(min=1)

    def _loss(self, head: Callable[[Tensor], Tensor], seen: Tensor, targets: Tensor, real: Tensor) -> Tensor:
        """The cross-entropy of a square's slots together, over the squares that have targets."""
        targets = targets if targets.dim() > 1 else targets[:, None]
        asked = real & (targets[:, 0] != IGNORED)
        if not self.fixed_shape:
            seen, targets, asked = seen[asked], targets[asked], asked[asked]
        of_classes = head(seen).unflatten(-1, (targets.shape[1], -1)).transpose(1, 2)
        losses = cross_entropy(of_classes, targets, ignore_index=IGNORED, reduction="none")
        return (losses.sum(1) * asked).sum() / asked.sum().clamp(min=1)


def _mean_error(found: Tensor, target: Tensor, beta: float) -> Tensor:
    """The mean smooth L1 loss over the targets that are not NaN. beta: where it turns linear."""
    has = ~target.isnan()
    loss = smooth_l1_loss(found, target.nan_to_num(), reduction="none", beta=beta)
    return (loss * has).sum() / has.sum().clamp(min=1)


def pretrain_vision_tower(
    out: Path, model: Any, course: CurriculumExamples, config: GrowthConfig, on_step: OnStep | None = None
) -> None:
    """Write to `out` the model in the folder `model.path` with its tower trained on the pictures of a
    course."""
    policy, processor = load(model.path)
    batches = SquareBatches(course, Path(model.path), config)
    torch.manual_seed(course.seed)  # of the heads
    loss = SquareLoss(policy, processor, config.compile)
    train(loss, batches, config, out, on_step)
    shorten_features(policy, loss.tower, batches[0])
    save(policy, processor, out)


@torch.no_grad()
def shorten_features(model: Any, tower: PackedTower, batch: Batch) -> None:
    """Scale the tower's last layer so that the features of a batch have the mean length `LENGTH`."""
    device = model.device
    real = batch["frame"].flatten()[:: model.config.vision_config.spatial_merge_size**2].to(device) > 0
    features = tower({name: part.to(device) for name, part in batch.items()})[real]
    embedding = model.get_input_embeddings().weight.norm(dim=1).mean()
    last = model.model.visual.merger.mlp[-1]
    for weights in (last.weight, last.bias):
        weights.mul_(LENGTH * embedding / features.norm(dim=1).mean())
