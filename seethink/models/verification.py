"""The check before anything is learned: training must compute the log-probabilities of the model itself.

Three sources are compared on the same tokens: the model's own forward pass over one ordinary row, the pass
that is trained (shared rows, packs), and the rollouts that were sampled. A group of each kind of prompt is
checked, the longest of its kind: what is wrong for one kind, such as long clips, is right for the others.

A family that shares no rows is trained on ordinary rows: a prompt's inputs, continued by a response. They are
compared with the whole row as its processor would describe it, one prompt without a response. Where a
processor does not tell the kinds of tokens by the tokens alone (PaliGemma's), nothing independent is known of
the row, and only this is checked: that a response does not see what comes after it, and what was sampled."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor

from seethink.media import Frames
from seethink.models import unpacked_rows
from seethink.models.batching import FEATURES, text_follows_highest
from seethink.models.encoder import Encoder, Prompt
from seethink.models.packing import Branch, Group, pack_groups
from seethink.models.policy import PolicyModel
from seethink.types import InputError

PROBED = 128
"""Tokens of each of two branches that are compared."""


class Rounding(NamedTuple):
    """How far apart two log-probabilities of a token may be by rounding: at most, and in the median."""

    largest: float
    median: float

    def holds(self, apart: Tensor) -> bool:
        """Whether (N,) differences are no more than rounding; not so where they are no numbers."""
        return float(apart.max()) <= self.largest and float(apart.median()) <= self.median

    def at(self, temperature: float) -> Rounding:
        """The same where logits are divided by a temperature."""
        return Rounding(*(bound / min(1.0, temperature) for bound in self))


FULL_PRECISION = Rounding(1e-3, 1e-3)
"""Of an fp32 model; broken sharing or positions are off by tenths and more."""
MIXTURE = Rounding(0.1, 3e-4)
"""Of a mixture of experts in fp32: the last digit may send a single token to another expert."""
NOISES = Rounding(4.0, 1.0)
"""Of weights in 16 or 4 bits, in standard deviations of the noise that `rounding` measures. Shared rows and
rollouts differ by less than half of it, with 2 layers and with 24 (`tests/train/test_verification.py`)."""

OTHER_TRAINING = "would be trained on other numbers than its own forward pass over an ordinary row gives"
OTHER_ROLLOUTS = "samples from another distribution than its own forward pass over an ordinary row gives"
SEES_AHEAD = "lets a response see what comes after it"


class PromptKind(NamedTuple):
    """What may be computed rightly for one prompt and wrongly for another. media: in words. frames: binary
    digits of the most frames of a clip. follows: whether text stands right after the highest position.
    features: whether they stand for pixels."""

    media: str
    frames: int
    follows: bool
    features: bool


class LogProbMismatch(InputError):
    """A model that training or rollouts would compute differently from its own forward pass; training it
    would learn nonsense."""


class LogProbCheck:
    """Checks the groups of a training by kind of prompt, and by whether questions share the prompt.

    temperature: at which the trained model itself samples; None where nothing is sampled, or by an engine
    with its own kernels. checked: {(kind, shared): tokens of the longest row checked}."""

    def __init__(self, policy: PolicyModel, encoder: Encoder, temperature: float | None) -> None:
        self.policy, self.encoder, self.temperature = policy, encoder, temperature
        self.checked: dict[tuple[PromptKind, bool], int] = {}

    def due(self, groups: Iterable[Group]) -> list[Group]:
        """The longest group of each kind that has not been checked, or at less than half its length."""
        answered = [group for group in groups if any(branch.ids for branch in group.branches)]
        longest = {self._kind(group): group for group in sorted(answered, key=_row_length)}
        return [g for kind, g in longest.items() if _row_length(g) > 2 * self.checked.get(kind, 0)]

    @torch.no_grad()
    def check(self, group: Group) -> None:
        """Raise LogProbMismatch if some response has other log-probabilities in training, or had others when
        it was sampled, than in the model's own forward pass over its ordinary row."""
        longest = sorted(group.branches, key=lambda branch: -len(branch.ids))[:2]
        branches = [_probe(branch) for branch in longest if branch.ids]
        probe = Group(group.prompt, branches, group.name)
        pack = pack_groups([probe], 1)[0].to(self.policy.model.device)
        # not `self.policy.forward`, which Accelerate autocasts
        trained = PolicyModel.forward(self.policy, pack).split([branch.n_trained for branch in branches])
        for branch, logps in zip(branches, trained, strict=True):
            logits = self._logits(probe, branch)
            allowed = rounding(self.policy.model, logits, partial(self._logits, probe, branch))
            self._compare(logps, _of(logits, branch), allowed, probe, OTHER_TRAINING)
            if not self.policy.family.shared:
                n = -(-len(branch.ids) // 2)
                half = Branch(branch.ids[:n], sampling_mask=branch.sampling_mask[:n])
                begun = _of(self._logits(probe, half), half)
                self._compare(logps[: len(half.ids)], begun, allowed, probe, SEES_AHEAD)
            if branch.sampled and self.temperature:
                logits[:, self.encoder.media_token_ids] = -torch.inf
                drawn, wanted = (
                    logps.new_tensor(branch.sampled),
                    _of(logits / self.temperature, branch),
                )
                self._compare(drawn, wanted, allowed.at(self.temperature), probe, OTHER_ROLLOUTS)
        self.checked[self._kind(group)] = _row_length(group)

    def _logits(self, group: Group, branch: Branch) -> Tensor:
        """(C, V) logits that the model itself gives to the places of a branch's trained tokens."""
        model, prompt, more = self.policy.model, group.prompt, branch
        places = len(prompt.ids) - 1 + branch.places(model.device)
        if not self.policy.family.shared and (whole := self.encoder.whole_row(prompt, branch.ids)):
            prompt, more = whole, None
        return unpacked_rows.row(model, prompt, more, places).float()

    def _kind(self, group: Group) -> tuple[PromptKind, bool]:
        shared = any(branch.trained and not all(branch.trained) for branch in group.branches)
        return prompt_kind(self.policy.model, group.prompt), shared

    def _compare(self, found: Tensor, wanted: Tensor, allowed: Rounding, group: Group, fault: str) -> None:
        apart = (found - wanted).abs()
        if not allowed.holds(apart):
            name, kind, most = group.name, media_kind(group.prompt), float(apart.max())
            where = f"{most:.2g} in log-probability, in responses to {name} ({kind})"
            raise LogProbMismatch(
                f"{type(self.policy.model).__name__} {fault}: {where}; nothing was learned from them: train "
                "another model, or correct its entry in models/families.py"
            )


def _probe(branch: Branch) -> Branch:
    """What is compared of a branch: its first tokens, but all of one that has several turns."""
    if branch.trained and branch.sampled:
        return replace(branch, old=None, reference=None)
    return Branch(
        branch.ids[:PROBED], sampled=branch.sampled[:PROBED], sampling_mask=branch.sampling_mask[:PROBED]
    )


def _of(logits: Tensor, branch: Branch) -> Tensor:
    """(C,) log-probabilities of a branch's trained tokens under (C, V) logits, over what truncation kept."""
    if branch.sampling_mask:
        dropped = torch.ones_like(logits, dtype=torch.bool)
        for row, ids in zip(dropped, branch.sampling_mask, strict=True):
            row[torch.tensor(ids, dtype=torch.long, device=row.device)] = False
        logits = logits.masked_fill(dropped, -torch.inf)
    targets = torch.tensor(branch.targets, device=logits.device)
    return logits.log_softmax(-1).gather(-1, targets[:, None])[:, 0]


def prompt_kind(model: Any, prompt: Prompt) -> PromptKind:
    """The kind of a prompt, for training and for rollouts."""
    frames = max((len(clip.pictures) for clip in prompt.loaded if isinstance(clip, Frames)), default=0)
    follows = "video_grid_thw" not in prompt.media or text_follows_highest(model, prompt)
    features = any(name.endswith(FEATURES) for name in prompt.media)
    return PromptKind(media_kind(prompt), frames.bit_length(), follows, features)


def media_kind(prompt: Prompt) -> str:
    """What a prompt shows, in words."""
    return kind_of_media([isinstance(medium, Frames) for medium in prompt.loaded])


def kind_of_media(clips: Sequence[bool]) -> str:
    """The kind of some media in words. clips: for each whether it is a clip."""
    if not clips:
        return "text alone"
    if any(clips):
        return "pictures and clips" if not all(clips) else "one clip" if len(clips) == 1 else "several clips"
    return "one picture" if len(clips) == 1 else "several pictures"


def _row_length(group: Group) -> int:
    """Tokens of the longest ordinary row."""
    return len(group.prompt.ids) + max((len(branch.ids) for branch in group.branches), default=0)


def rounding(model: Any, logits: Tensor, again: Callable[[], Tensor]) -> Rounding:
    """How much of a difference is rounding for a model, at temperature 1.

    In low precision it is measured: by how much log-probabilities move if every linear layer rounds
    otherwise. logits (C, V): of a row. again: computes them once more."""
    text = model.config.get_text_config()
    on_gpu_in_4bit = getattr(model, "is_loaded_in_4bit", False) and model.device.type != "cpu"
    dtypes = {weight.dtype for weight in model.parameters() if weight.is_floating_point()}
    if on_gpu_in_4bit or dtypes & {*_LOW}:
        with _rounded_otherwise(model):
            moved = again().log_softmax(-1) - logits.log_softmax(-1)
        noise = float(moved[moved.isfinite()].square().mean().sqrt())
        return Rounding(*(max(n * noise, least) for n, least in zip(NOISES, FULL_PRECISION, strict=True)))
    experts = getattr(text, "num_experts_per_tok", 0) or getattr(text, "moe_topk", 0)
    return MIXTURE if experts else FULL_PRECISION


_LOW = (torch.bfloat16, torch.float16)


@contextmanager
def _rounded_otherwise(model: Any) -> Iterator[None]:
    """Meanwhile each result of a linear layer is, at random, half a unit of its last digit larger or smaller,
    before it is rounded: the most by which another order of summation would change it."""
    generator = torch.Generator(model.device).manual_seed(0)

    def shake(layer: Any, given: Any, out: Tensor) -> Tensor:
        half = torch.finfo(out.dtype if out.dtype in _LOW else torch.bfloat16).eps / 2
        sign = torch.randint(0, 2, out.shape, generator=generator, device=out.device) * 2 - 1
        return (out.float() * (1 + half * sign)).to(out.dtype)

    linear = [module for module in model.modules() if isinstance(module, torch.nn.Linear)]
    hooks = [module.register_forward_hook(shake) for module in linear]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
