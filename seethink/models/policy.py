"""The policy: log-probabilities of many continuations of one prompt, the prompt computed once.

A packed row is `[prompt | branch 1 | ... | branch K]`. Token i sees token j iff j <= i and j is in the prompt
or in i's own branch; positions of every branch continue from the prompt's end. Full rows give the same
numbers (tested to 1e-5 for log-probabilities and 1e-4 for gradients); they cost K (P + C) tokens, this P + K
C."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import pad
from torch.utils.checkpoint import checkpoint

from seethink.models import head, host_inputs, observations, sampling_mask, unpacked_rows
from seethink.models.attention import branching, flex
from seethink.models.batching import positions
from seethink.models.families import Family, family_of
from seethink.models.packing import Pack
from seethink.models.parts import Parts

_LOG = logging.getLogger(__name__)

LogProbs = Callable[..., Any]
"""A `PolicyModel`, perhaps wrapped: `policy(pack, temperature, with_entropy=...)`, as
`PolicyModel.forward`."""

ROWS_PER_CHUNK = 2048
"""Trained tokens whose logits exist at one time: memory is this times the vocabulary, never (B, L, V)."""
ENTROPY_ROWS = 256
"""Rows of a chunk whose probabilities exist at one time."""


class PolicyModel(nn.Module):
    """Wraps a vision-language model so that one call gives the log-probabilities of a pack.

    Pictures go through the vision tower inside this call, once per group, so that data-parallel wrappers see
    all parameters. Families that cannot share rows take full rows: the same numbers, the prompt computed K
    times.

    attention: "branching", or "flex" for one fused FlexAttention kernel. On an H200 flex was not faster at
    any measured prompt length (`bench/RESULTS.md`), so it is not the default on accelerators either."""

    def __init__(self, model: Any, attention: Literal["branching", "flex"] = "branching") -> None:
        super().__init__()
        self.model = model
        self.config = model.config
        self.family: Family = family_of(model.config)
        self.parts = Parts(model)
        kinds = {type(module).__name__ for module in model.modules()}
        self._no_split_modules = sorted(kinds & set(model._no_split_modules or ()))
        self.attention = flex if attention == "flex" else branching
        if attention == "flex" and self.family.cross:
            _LOG.warning("%s has cross-attention: it trains without FlexAttention", self.family.name)
            self.attention = branching
        if self.family.shared:
            model.set_attn_implementation({"text_config": self.attention.NAME})
        else:
            _LOG.warning("%s has no entry in models/families.py: it trains on full rows", self.family.name)

    def forward(self, pack: Pack, temperature: float = 1.0, with_entropy: bool = False) -> Any:
        """(N,) log-probabilities of the trained tokens, fp32, under softmax(logits / temperature), over their
        sampling mask if any; with_entropy: also (N,) entropies of the whole softmax, without gradient."""
        logps, entropy = self._logps(pack, self.family.shared, temperature, with_entropy)
        return (logps, entropy) if with_entropy else logps

    def head_calls(self, pack: Pack) -> int:
        """How many times the output layer is called for a pack."""
        return -(-len(pack.targets) // ROWS_PER_CHUNK)

    def _logps(
        self, pack: Pack, share: bool, temperature: float = 1.0, with_entropy: bool = False
    ) -> tuple[Tensor, Tensor]:
        """Chunk by chunk. Logits of shared rows are computed again in the backward pass, except the last
        chunk's, with which it begins; those of full rows are the model's own, and all kept."""
        rows = self._shared(pack) if share else unpacked_rows.logits(self.model, pack)
        tensors = [rows, pack.targets] + ([] if pack.sampling_mask is None else [pack.sampling_mask])
        chunks = list(zip(*(tensor.split(ROWS_PER_CHUNK) for tensor in tensors), strict=True))
        chunk = partial(self._chunk, share, temperature, with_entropy)
        again = partial(checkpoint, chunk, use_reentrant=False, preserve_rng_state=False)
        done = [*(again(*some) for some in chunks[:-1]), chunk(*chunks[-1])]
        logps, entropy = (torch.cat(parts) for parts in zip(*done, strict=True))
        return logps, entropy

    def _chunk(
        self, share: bool, temperature: float, with_entropy: bool, rows: Tensor, *tokens: Tensor
    ) -> tuple[Tensor, Tensor]:
        """rows: hidden states if `share`, else logits. tokens: targets, and their sampling mask, if any."""
        logits = (head.logits(self.model, self.family, rows) if share else rows).float() / temperature
        total = logits.logsumexp(-1)
        logps = sampling_mask.token_logps(logits, total, *tokens)
        return logps, _entropy(logits.detach(), total.detach()) if with_entropy else logps.detach()

    def _shared(self, pack: Pack) -> Tensor:
        """(N, H) hidden states that predict the trained tokens. The 4-D mask is a placeholder, which
        transformers passes on and `attend` ignores: the layout says what is visible."""
        width, host, device = pack.ids.shape[1], pack.host or pack, pack.ids.device
        more = (0, -width % self.attention.MULTIPLE)
        blocks = branching.picture_blocks(pad(host.kinds, more)) if self.family.blocks else None
        layout = self.attention.layout(pad(host.branch, more, value=-2), blocks)
        hidden = self.model.model(
            position_ids=pad(self._positions(host), more).to(device),
            attention_mask=pack.branch.new_ones(1, 1, 1, 1),
            packed=host_inputs.moved(layout, device),
            use_cache=False,
            **host_inputs.model_inputs(self.model, self.family, pack, more),
        ).last_hidden_state[:, :width]
        return hidden.flatten(0, 1)[pack.predicted_from]  # gather, never shift

    def _positions(self, pack: Pack) -> Tensor:
        """(3, B, L) for M-RoPE, (B, L) otherwise; a branch starts where text after the prompt would."""
        in_prompt = pack.branch == -1
        length = int(in_prompt.sum(1).max())
        ids, kinds, mask = (x[:, :length] for x in (pack.ids, pack.kinds, in_prompt))
        prompt, first = positions(self.model, self.family, ids, kinds, mask, observations.prompt_media(pack))
        found = pack.step + first
        if self.family.mrope:
            found = found.expand(3, -1, -1).clone()
            observations.place(self.model, pack, found)
        found[..., :length] = torch.where(mask, prompt, found[..., :length])
        return found


def _entropy(logits: Tensor, total: Tensor) -> Tensor:
    """(n,) entropies in nats of (n, V) logits with logarithmic sums `total` (n,); a few rows at a time, so
    that memory stays far below that of the logits."""
    parts = zip(logits.split(ENTROPY_ROWS), total.split(ENTROPY_ROWS), strict=True)
    return torch.cat([torch.special.entr((rows - lse[:, None]).exp_()).sum(-1) for rows, lse in parts])
