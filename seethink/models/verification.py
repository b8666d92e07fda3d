"""The check before anything is learned: training must compute the log-probabilities of the model itself.

Three sources are compared on the same tokens: the model's own forward pass over one ordinary row, the pass
that is trained (shared rows, packs), and the rollouts that were sampled. A group of each kind of prompt is
checked, the longest of its kind: what is wrong for one kind, such as long clips, is right for the others."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from seethink.media import Frames
from seethink.models import unpacked_rows
from seethink.models.batching import FEATURES
from seethink.models.encoder import Prompt
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


FULL_PRECISION = Rounding(1e-3, 1e-3)
"""Of an fp32 model; broken sharing or positions are off by tenths and more."""
MIXTURE = Rounding(0.1, 3e-4)
"""Of a mixture of experts in fp32: the last digit may send a single token to another expert."""
LOW_PRECISION = Rounding(0.1, 0.03)
"""Of weights in 16 or 4 bits."""

OTHER_TRAINING = "would be trained on other numbers than its own forward pass over an ordinary row gives"
OTHER_ROLLOUTS = "samples from another distribution than its own forward pass over an ordinary row gives"
SEES_AHEAD = "lets a response see what comes after it"

CheckedKind = tuple[str, bool, bool]


class LogProbMismatch(InputError):
    """A model that training or rollouts would compute differently from its own forward pass; training it
    would learn nonsense."""


class LogProbCheck:
    """Checks the groups of a training by kind of prompt: text alone, one picture, several, clips, both; also
    whether questions share the prompt, and whether features stand for pixels.

    media_token_ids: never sampled. temperature: at which the trained model itself samples; None where nothing
    is sampled, or by an engine with its own kernels."""

    def __init__(
        self, policy: PolicyModel, media_token_ids: Sequence[int], temperature: float | None
    ) -> None:
        self.policy, self.temperature = policy, temperature
        self.media_token_ids = list(media_token_ids)
        self.checked: dict[CheckedKind, int] = {}
        self.rounding = rounding(policy.model)

    def due(self, groups: Iterable[Group]) -> list[Group]:
        """The longest group of each kind that has not been checked, or at less than half its length."""
        answered = [group for group in groups if any(branch.ids for branch in group.branches)]
        longest = {_kind(group): group for group in sorted(answered, key=_row_length)}
        return [g for kind, g in longest.items() if _row_length(g) > 2 * self.checked.get(kind, 0)]

    @torch.no_grad()
    def check(self, group: Group) -> None:
        """Raise LogProbMismatch if some response has other log-probabilities in training, or had others when
        it was sampled, than in the model's own forward pass over its ordinary row."""
        branches = [
            Branch(branch.ids[:PROBED], sampled=branch.sampled[:PROBED])
            for branch in sorted(group.branches, key=lambda branch: -len(branch.ids))[:2]
            if branch.ids
        ]
        probe = Group(group.prompt, branches, group.name)
        pack = pack_groups([probe], 1)[0].to(self.policy.model.device)
        # not `self.policy.forward`, which Accelerate autocasts
        trained = PolicyModel.forward(self.policy, pack).split([len(branch.ids) for branch in branches])
        for branch, logps in zip(branches, trained, strict=True):
            logits = self._logits(probe, branch)
            self._compare(logps, _of(logits, branch.ids), probe, OTHER_TRAINING)
            if not self.policy.family.shared:
                half = Branch(branch.ids[: -(-len(branch.ids) // 2)])
                begun = _of(self._logits(probe, half), half.ids)
                self._compare(logps[: len(half.ids)], begun, probe, SEES_AHEAD)
            if branch.sampled and self.temperature:
                logits[:, self.media_token_ids] = -torch.inf
                drawn = logps.new_tensor(branch.sampled)
                self._compare(drawn, _of(logits / self.temperature, branch.ids), probe, OTHER_ROLLOUTS)
        self.checked[_kind(group)] = _row_length(group)

    def _logits(self, group: Group, branch: Branch) -> Tensor:
        """(C, V) logits that the model itself gives to the places of a branch's tokens."""
        places = len(group.prompt.ids) - 1 + torch.arange(len(branch.ids), device=self.policy.model.device)
        return unpacked_rows.row(self.policy.model, group.prompt, branch, places).float()

    def _compare(self, found: Tensor, wanted: Tensor, group: Group, fault: str) -> None:
        apart = (found - wanted).abs()
        if not self.rounding.holds(apart):
            name, kind, most = group.name, _kind(group)[0], float(apart.max())
            where = f"{most:.2g} in log-probability, in responses to {name} ({kind})"
            raise LogProbMismatch(
                f"{type(self.policy.model).__name__} {fault}: {where}; nothing was learned from them: train "
                "another model, or correct its entry in models/families.py"
            )


def _of(logits: Tensor, ids: Sequence[int]) -> Tensor:
    """(C,) log-probabilities of tokens under (C, V) logits."""
    return logits.log_softmax(-1).gather(-1, torch.tensor(ids, device=logits.device)[:, None])[:, 0]


def _kind(group: Group) -> CheckedKind:
    """(media in words, whether questions share the prompt, whether features stand for pixels)."""
    shared = any(branch.trained and not all(branch.trained) for branch in group.branches)
    return media_kind(group.prompt), shared, any(name.endswith(FEATURES) for name in group.prompt.media)


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


def rounding(model: Any) -> Rounding:
    """How much of a difference is rounding for a model."""
    text = model.config.get_text_config()
    on_gpu_in_4bit = getattr(model, "is_loaded_in_4bit", False) and model.device.type != "cpu"
    dtypes = {weight.dtype for weight in model.parameters() if weight.is_floating_point()}
    if on_gpu_in_4bit or dtypes & {torch.bfloat16, torch.float16}:
        return LOW_PRECISION
    experts = getattr(text, "num_experts_per_tok", 0) or getattr(text, "moe_topk", 0)
    return MIXTURE if experts else FULL_PRECISION
