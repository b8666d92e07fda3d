"""Group: one prompt and the K branches that share it. The unit of every training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from seethink.engines.batch import cross_mask, join_media
from seethink.families import Prompt
from seethink.train.configs import Optimiser
from seethink.types import InputError


@dataclass
class Branch:
    """One continuation of a prompt.

    ids: its token ids. trained: which of them the objective sees (default all). weight: of each trained
    token in the loss, with regard to the whole step, so how the step is cut changes nothing. advantage:
    of the response. copied: it is a text to copy, beside responses that are rewarded. sampled: of each token,
    the log-probability that the engine drew it with; empty where the trained model itself was the engine.
    old, reference: log-probabilities (trained tokens,) under the policy that sampled, and the reference
    model.
    """

    ids: Sequence[int]
    trained: Sequence[bool] = ()
    weight: float = 1.0
    advantage: float = 0.0
    copied: bool = False
    sampled: Sequence[float] = ()
    old: Tensor | None = None
    reference: Tensor | None = None

    @property
    def n_trained(self) -> int:
        return sum(self.trained) if self.trained else len(self.ids)


@dataclass
class Group:
    """A prompt and its branches; `name` is the question's id, for messages."""

    prompt: Prompt
    branches: list[Branch]
    name: str = ""

    @property
    def length(self) -> int:
        """Tokens of the shared row: P + sum of C_k."""
        return len(self.prompt.ids) + sum(len(branch.ids) for branch in self.branches)


def kept(prompts: Sequence[Prompt], names: Sequence[str], config: Optimiser) -> list[bool]:
    """Which prompts are short enough. Raises InputError for the first that is not, unless it is dropped."""
    short = [config.max_prompt_tokens is None or len(p.ids) <= config.max_prompt_tokens for p in prompts]
    if not all(short) and not config.drop_long:
        at = short.index(False)
        raise InputError(
            f"the prompt of {names[at]} has {len(prompts[at].ids):,} tokens, more than max_prompt_tokens="
            f"{config.max_prompt_tokens}; raise it, make its media smaller, or say drop_long=true"
        )
    return short


def halves(group: Group) -> list[Group]:
    """The group with its branches in two halves; a pair, or one branch alone, stays together."""
    if len(group.branches) <= 2:
        return [group]
    half = len(group.branches) // 2
    parts = (group.branches[:half], group.branches[half:])
    return [Group(group.prompt, part, group.name) for part in parts]


def refuse_media(groups: Sequence[Group], media_token_ids: Sequence[int]) -> None:
    """Branches must hold no media tokens: the model would look for pictures that are not there."""
    media = set(media_token_ids)
    for group in groups:
        for branch in group.branches:
            if not media.isdisjoint(branch.ids):
                raise ValueError(
                    f"a response to {group.name} contains media tokens; engines must suppress them"
                )


@dataclass
class Pack:
    """Several groups as one batch of shared rows, one group a row, right-padded. B rows, L tokens, N
    trained tokens.

    ids (B, L); kinds (B, L): 1 where a picture stands, 2 a clip, else 0; branch (B, L): -1 prompt, k the
    branch, -2 padding; step (B, L): place inside prompt or branch. predicted_from (N,): flat position in
    (B * L) whose hidden state predicts the trained token; targets (N,). owner (N,): running number of the
    branch in the pack. Per-token facts (N,): weights, advantages, copied.
    """

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

    @property
    def branches(self) -> list[Branch]:
        return [branch for group in self.groups for branch in group.branches]

    def to(self, device: torch.device) -> Pack:
        moved = {k: v.to(device) for k, v in vars(self).items() if isinstance(v, Tensor)}
        return Pack(groups=self.groups, media={k: v.to(device) for k, v in self.media.items()}, **moved)


def pack_groups(groups: Sequence[Group], tokens_per_pack: int) -> list[Pack]:
    """Cut groups into packs of at most `tokens_per_pack` padded tokens (a larger group goes alone), longest
    first; only prompts that their family puts in one batch share a pack."""
    packs: list[Pack] = []
    batch: list[Group] = []
    alike = {id(group): group.prompt.family.alike(group.prompt.media) for group in groups}
    for group in sorted(groups, key=lambda g: (repr(alike[id(g)]), -g.length)):
        full = batch and batch[0].length * (len(batch) + 1) > tokens_per_pack
        if batch and (full or alike[id(group)] != alike[id(batch[0])]):
            packs.append(_pack(batch))
            batch = []
        batch.append(group)
    return [*packs, _pack(batch)] if batch else packs


def _pack(groups: list[Group]) -> Pack:
    width = max(group.length for group in groups)
    ids, kinds, branch, step = (torch.full((len(groups), width), fill) for fill in (0, 0, -2, 0))
    sources: list[int] = []
    targets: list[int] = []
    owners: list[int] = []
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
            for i, token in enumerate(continuation.ids):
                if not continuation.trained or continuation.trained[i]:
                    # a branch's first token is predicted by the last prompt token, wherever the branch stands
                    sources.append(row * width + (start + i - 1 if i else p - 1))
                    targets.append(token)
                    owners.append(number)
            start, number = end, number + 1
    owner = torch.tensor(owners, dtype=torch.long)
    prompts = [group.prompt for group in groups]
    return Pack(
        groups,
        ids,
        kinds,
        branch,
        step,
        torch.tensor(sources, dtype=torch.long),
        torch.tensor(targets, dtype=torch.long),
        owner,
        torch.tensor([b.weight for b in branches])[owner],
        torch.tensor([b.advantage for b in branches])[owner],
        torch.tensor([b.copied for b in branches])[owner],
        join_media(prompts) | cross_mask(prompts, width, left=False),
    )
