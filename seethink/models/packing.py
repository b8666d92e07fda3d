"""Groups (a prompt and the K branches that share it) and packs (groups as one batch of tensors)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import compress

import torch
from torch import Tensor

from seethink.models.batching import cross_mask, join_media
from seethink.models.encoder import Prompt
from seethink.models.sampling_mask import padded


@dataclass
class Branch:
    """One continuation of a prompt.

    ids: token ids. trained: which of them have a loss (default all). weight: of each trained token in the
    loss of the whole step, so that how the step is cut into packs changes nothing. advantage: of the
    completion. copied: a text to imitate, beside sampled completions. rollout: number among the completions
    of its example. sampled: log-probabilities that the engine sampled with; empty where nothing was sampled.
    sampling_mask: ids that truncation kept at each trained token; empty without truncation. old, reference:
    (trained tokens,) log-probabilities under the policy that sampled and under the reference model. kinds: of
    the tokens, as of a prompt; empty for text. shown: observations with media among its tokens, in order."""

    ids: Sequence[int]
    trained: Sequence[bool] = ()
    weight: float = 1.0
    advantage: float = 0.0
    copied: bool = False
    rollout: int = 0
    sampled: Sequence[float] = ()
    sampling_mask: Sequence[Sequence[int]] = ()
    old: Tensor | None = None
    reference: Tensor | None = None
    kinds: Sequence[int] = ()
    shown: Sequence[Prompt] = ()

    @property
    def n_trained(self) -> int:
        return sum(self.trained) if self.trained else len(self.ids)

    def places(self, device: torch.device) -> Tensor:
        """Positions of the trained tokens among `ids`."""
        return torch.tensor(self.trained or [True] * len(self.ids), device=device).nonzero()[:, 0]

    @property
    def targets(self) -> Sequence[int]:
        """The ids that have a loss."""
        return list(compress(self.ids, self.trained)) if self.trained else self.ids


@dataclass
class Group:
    """A prompt and its branches. name: the example's id, for messages."""

    prompt: Prompt
    branches: list[Branch]
    name: str = ""

    @property
    def length(self) -> int:
        """Tokens of the shared row: P + sum of C_k."""
        return len(self.prompt.ids) + sum(len(branch.ids) for branch in self.branches)


def halves(group: Group) -> list[Group]:
    """The group with its branches in two halves; a pair, or a single branch, is not divided."""
    if len(group.branches) <= 2:
        return [group]
    half = len(group.branches) // 2
    return [Group(group.prompt, part, group.name) for part in (group.branches[:half], group.branches[half:])]


@dataclass
class Pack:
    """Groups as one batch of shared rows, one group a row, right-padded: B rows, L tokens, N trained tokens.

    ids (B, L). kinds (B, L): 1 for tokens of a picture, 2 of a clip, else 0. branch (B, L): -1 prompt, k the
    branch, -2 padding. step (B, L): position inside prompt or branch. predicted_from (N,): flat position in
    (B * L) of the hidden state that predicts a trained token. targets (N,): its id. owner (N,): number of its
    branch in the pack. weights, advantages, copied (N,): those of its branch. media: tensors for the vision
    tower. sampling_mask (N, K): `sampling_mask.padded`. host: the pack as it was made, where this one was
    moved to an accelerator."""

    groups: list[Group]
    ids: Tensor
    kinds: Tensor
    branch: Tensor
    step: Tensor
    predicted_from: Tensor
    targets: Tensor
    owner: Tensor
    weights: Tensor
    advantages: Tensor
    copied: Tensor
    media: dict[str, Tensor] = field(default_factory=dict)
    sampling_mask: Tensor | None = None
    host: Pack | None = field(default=None, repr=False)

    @property
    def branches(self) -> list[Branch]:
        return [branch for group in self.groups for branch in group.branches]

    def to(self, device: torch.device) -> Pack:
        moved = {k: v.to(device) for k, v in vars(self).items() if isinstance(v, Tensor)}
        media = {k: v.to(device) for k, v in self.media.items()}
        return Pack(groups=self.groups, media=media, host=self.host or self, **moved)


def pack_groups(groups: Sequence[Group], max_tokens_per_batch: int) -> list[Pack]:
    """Cut groups into packs of at most `max_tokens_per_batch` padded tokens, longest first. A larger group is
    a pack by itself; only prompts that their family can batch share a pack."""
    packs: list[Pack] = []
    batch: list[Group] = []
    alike = {id(group): group.prompt.family.alike(group.prompt.media) for group in groups}
    for group in sorted(groups, key=lambda g: (repr(alike[id(g)]), -g.length)):
        full = batch and batch[0].length * (len(batch) + 1) > max_tokens_per_batch
        if batch and (full or alike[id(group)] != alike[id(batch[0])]):
            packs.append(_pack(batch))
            batch = []
        batch.append(group)
    return [*packs, _pack(batch)] if batch else packs


def _pack(groups: list[Group]) -> Pack:
    width = max(group.length for group in groups)
    fills = (groups[0].prompt.pad_token_id, 0, -2, 0)
    ids, kinds, branch, step = (torch.full((len(groups), width), fill) for fill in fills)
    predicted_from: list[int] = []
    targets: list[int] = []
    owner: list[int] = []
    branches = [b for group in groups for b in group.branches]
    number = 0
    for row, group in enumerate(groups):
        p = len(group.prompt.ids)
        ids[row, :p], kinds[row, :p] = torch.tensor(group.prompt.ids), torch.tensor(group.prompt.kinds)
        branch[row, :p], step[row, :p] = -1, torch.arange(p)
        start = p
        for k, continuation in enumerate(group.branches):
            end = start + len(continuation.ids)
            ids[row, start:end] = torch.tensor(continuation.ids)
            branch[row, start:end], step[row, start:end] = k, torch.arange(end - start)
            if continuation.kinds:
                kinds[row, start:end] = torch.tensor(continuation.kinds)
            for i, token in enumerate(continuation.ids):
                if not continuation.trained or continuation.trained[i]:
                    # a branch's first token is predicted by the prompt's last token, wherever the branch is
                    predicted_from.append(row * width + (start + i - 1 if i else p - 1))
                    targets.append(token)
                    owner.append(number)
            start, number = end, number + 1
    owners, prompts = torch.tensor(owner, dtype=torch.long), [group.prompt for group in groups]
    shown = [one for group in groups for one in (group.prompt, *(s for b in group.branches for s in b.shown))]
    return Pack(
        groups,
        ids,
        kinds,
        branch,
        step,
        torch.tensor(predicted_from, dtype=torch.long),
        torch.tensor(targets, dtype=torch.long),
        owners,
        torch.tensor([b.weight for b in branches])[owners],
        torch.tensor([b.advantage for b in branches])[owners],
        torch.tensor([b.copied for b in branches])[owners],
        join_media(shown) | cross_mask(prompts, width, left=False),
        padded((branch.sampling_mask, branch.n_trained) for branch in branches),
    )
