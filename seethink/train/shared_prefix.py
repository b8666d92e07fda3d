"""Log-probabilities of many continuations of one prompt, the prompt computed once.

A packed row is `[prompt | branch 1 | ... | branch K]`. Token i sees token j iff j comes before it (or is
it) and j belongs to the prompt or to i's own branch; every branch's positions continue from the prompt's
end. Full rows give the same numbers (tested to 1e-5 for log-probabilities and 1e-4 for gradients); they
cost K (P + C) tokens, this P + K C.
"""

from __future__ import annotations

import inspect
import logging
from functools import partial
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import pad
from torch.utils.checkpoint import checkpoint

from seethink.engines import features
from seethink.engines.batch import cross_mask, join_media, positions
from seethink.families import Family, family_of
from seethink.train import branching, flex
from seethink.train.groups import Branch, Group, Pack, pack_groups

_LOG = logging.getLogger(__name__)

ROWS_PER_CHUNK = 2048
"""Trained tokens whose logits exist at one time: memory is this times the vocabulary, never (B, L, V)."""
PROBED = 16
"""Tokens of each of two branches that `Scorer.verify` compares."""
TOLERANCE = 1e-2
"""Log-probabilities further apart than this are not rounding: broken sharing is off by tenths and more."""


class Unequal(RuntimeError):
    """A model whose shared rows are not equal to its full rows; training it would learn nonsense."""


class Scorer(nn.Module):
    """Wraps a vision-language model so that one call gives the log-probabilities of a pack.

    The pictures go through the tower inside this call, once per group, so data-parallel wrappers see
    everything. Families that cannot share rows take full ones: the same numbers, the prompt computed K times.

    attention: "flex" is one fused kernel for accelerators. Not the default, for it was never timed on one.
    """

    def __init__(self, model: Any, attention: Literal["branching", "flex"] = "branching") -> None:
        super().__init__()
        self.model = model
        self.config = model.config
        self.family: Family = family_of(model.config)
        kinds = {type(module).__name__ for module in model.modules()}
        self._no_split_modules = sorted(kinds & set(model._no_split_modules or ()))
        self.attention = flex if attention == "flex" else branching
        if attention == "flex" and self.family.cross:
            _LOG.warning("%s has cross-attention: it trains without FlexAttention", self.family.name)
            self.attention = branching
        if self.family.shared:
            model.set_attn_implementation({"text_config": self.attention.NAME})
        else:
            _LOG.warning("%s has no entry in seethink/families.py: it trains on full rows", self.family.name)

    def forward(self, pack: Pack, temperature: float = 1.0) -> Tensor:
        """(N,) log-probabilities of the trained tokens, fp32, under softmax(logits / temperature)."""
        rows = self._shared(pack) if self.family.shared else self._full(pack)
        return self._logps(rows, pack.targets, temperature)

    @torch.no_grad()
    def verify(self, group: Group) -> None:
        """Raise Unequal if a small part of `group` has other log-probabilities in a shared row than in full
        rows."""
        branches = [Branch(branch.ids[:PROBED]) for branch in group.branches[:2]]
        pack = pack_groups([Group(group.prompt, branches, group.name)], 1)[0].to(self.model.device)
        shared, full = (
            self._logps(rows, pack.targets, 1.0) for rows in (self._shared(pack), self._full(pack))
        )
        apart = float((shared - full).abs().max())
        if not apart < TOLERANCE:
            raise Unequal(
                f"{type(self.model).__name__} gives the responses to {group.name} log-probabilities that are "
                f"{apart:.2g} off when they share a row; it must not be trained with shared prompts"
            )

    def _logps(self, rows: Tensor, targets: Tensor, temperature: float) -> Tensor:
        """Logits are computed again in the backward pass, except the last chunk's: that begins with them."""
        chunks = list(zip(rows.split(ROWS_PER_CHUNK), targets.split(ROWS_PER_CHUNK), strict=True))
        again = partial(checkpoint, self._chunk, use_reentrant=False, preserve_rng_state=False)
        earlier = [again(*chunk, temperature) for chunk in chunks[:-1]]
        return torch.cat([*earlier, self._chunk(*chunks[-1], temperature)])

    def _chunk(self, hidden: Tensor, targets: Tensor, temperature: float) -> Tensor:
        logits = self.model.lm_head(hidden).float() / temperature
        return logits.gather(-1, targets[:, None])[:, 0] - logits.logsumexp(-1)

    def _shared(self, pack: Pack) -> Tensor:
        """(N, H) hidden states that predict the trained tokens.

        Beside a layout the mask is a mere placeholder: transformers hands a 4-D mask on as it is, and
        `attend` does not look at it.
        """
        width = pack.ids.shape[1]
        more = (0, -width % self.attention.MULTIPLE)
        blocks = branching.picture_blocks(pad(pack.kinds, more)) if self.family.blocks else None
        hidden = self.model.model(
            input_ids=pad(pack.ids, more),
            position_ids=pad(self._positions(pack), more),
            attention_mask=pack.branch.new_ones(1, 1, 1, 1),
            packed=self.attention.layout(pad(pack.branch, more, value=-2), blocks),
            use_cache=False,
            **features.inputs(pack.media),
        ).last_hidden_state[:, :width]
        return hidden.flatten(0, 1)[pack.predicted_from]  # gather, never shift

    def _positions(self, pack: Pack) -> Tensor:
        """(3, B, L) for M-RoPE, (B, L) otherwise; a branch starts one after the prompt's highest position."""
        in_prompt = pack.branch == -1
        length = int(in_prompt.sum(1).max())
        ids, kinds, mask = (x[:, :length] for x in (pack.ids, pack.kinds, in_prompt))
        prompt, first = positions(self.model, self.family, ids, kinds, mask, pack.media)
        found = pack.step + first
        if self.family.mrope:
            found = found.expand(3, -1, -1).clone()
        found[..., :length] = torch.where(mask, prompt, found[..., :length])
        return found

    def _full(self, pack: Pack) -> Tensor:
        """(N, H) from full rows [prompt | branch], one after another; masks and positions are the model's
        own."""
        rows = []
        for group in pack.groups:
            for branch in group.branches:
                hidden = self._row(group, branch, pack.ids.device)
                trained = torch.tensor(branch.trained or [True] * len(branch.ids)).nonzero()[:, 0]
                rows.append(hidden[len(group.prompt.ids) - 1 + trained.to(hidden.device)])
        return torch.cat(rows)

    def _row(self, group: Group, branch: Branch, device: torch.device) -> Tensor:
        ids = torch.tensor([[*group.prompt.ids, *branch.ids]], device=device)
        kinds = pad(torch.tensor([group.prompt.kinds], device=device), (0, len(branch.ids)))
        known = inspect.signature(self.model.model.forward).parameters
        told = [name for name in ("mm_token_type_ids", "token_type_ids") if name in known]
        media = join_media([group.prompt]) | cross_mask([group.prompt], ids.shape[1], left=False)
        return self.model.model(
            input_ids=ids,
            attention_mask=torch.ones_like(ids),
            use_cache=False,
            **features.inputs({name: value.to(device) for name, value in media.items()}),
            **dict.fromkeys(told, kinds),
        ).last_hidden_state[0]
