"""Log-probabilities of many continuations of one prompt, the prompt computed once.

A packed row is `[prompt | branch 1 | ... | branch K]`. Token i sees token j iff j comes before it (or is
it) and j belongs to the prompt or to i's own branch; every branch's positions continue from the prompt's
end. Full rows give the same numbers (tested to 1e-5 for log-probabilities and 1e-4 for gradients); they
cost K (P + C) tokens, this P + K C.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from seethink.families import Family, family_of
from seethink.train import branching
from seethink.train.groups import Pack

ROWS_PER_CHUNK = 2048
"""Trained tokens whose logits exist at one time: memory is this times the vocabulary, never (B, L, V)."""


def sees(branch: Tensor) -> Tensor:
    """(B, L) branch numbers -> (B, 1, L, L) bool mask. Padding sees itself alone, which keeps softmax
    finite."""
    length = branch.shape[1]
    earlier = torch.ones(length, length, dtype=torch.bool, device=branch.device).tril()
    mine = branch[:, :, None] == branch[:, None, :]
    shared = branch[:, None, :] == -1
    diagonal = torch.eye(length, dtype=torch.bool, device=branch.device)
    real = (branch != -2)[:, :, None]
    return (torch.where(real, earlier & (mine | shared), diagonal))[:, None]


class Scorer(nn.Module):
    """Wraps a vision-language model so that one call gives the log-probabilities of a pack.

    The pictures go through the tower inside this call, once per group, so data-parallel wrappers see
    everything.
    """

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model
        self.family: Family = family_of(model.config)
        self.branching = self.family.causal
        if self.branching:
            model.set_attn_implementation({"text_config": branching.NAME})

    def forward(self, pack: Pack, temperature: float = 1.0) -> Tensor:
        """(N,) log-probabilities of the trained tokens, fp32, under softmax(logits / temperature)."""
        hidden = self.model.model(
            input_ids=pack.ids,
            position_ids=self._positions(pack),
            use_cache=False,
            **self._attention(pack),
            **pack.media,
        ).last_hidden_state
        rows = hidden.flatten(0, 1)[pack.predicted_from]  # (N, H): gather, never shift
        chunks = zip(rows.split(ROWS_PER_CHUNK), pack.targets.split(ROWS_PER_CHUNK), strict=True)
        return torch.cat([self._chunk(h, t, temperature) for h, t in chunks])

    def _chunk(self, hidden: Tensor, targets: Tensor, temperature: float) -> Tensor:
        def logps(hidden: Tensor) -> Tensor:
            logits = self.model.lm_head(hidden).float() / temperature
            return logits.gather(-1, targets[:, None])[:, 0] - logits.logsumexp(-1)

        if not torch.is_grad_enabled():
            return logps(hidden)
        return checkpoint(logps, hidden, use_reentrant=False, preserve_rng_state=False)

    def _attention(self, pack: Pack) -> dict[str, Any]:
        """Who sees whom: as a layout where the language model is causal throughout, else as a dense mask.

        Beside a layout the mask is a mere placeholder: transformers hands a 4-D mask on as it is, and
        `branching.attend` does not look at it.
        """
        if not self.branching:
            return {"attention_mask": sees(pack.branch)}
        placeholder = pack.branch.new_ones(1, 1, 1, 1)
        return {"attention_mask": placeholder, "branching": branching.layout(pack.branch)}

    def _positions(self, pack: Pack) -> Tensor:
        """(3, B, L) for M-RoPE, (B, L) otherwise; a branch starts one after the prompt's highest position."""
        in_prompt = pack.branch == -1
        if not self.family.mrope:
            return torch.where(in_prompt, pack.step, pack.step + in_prompt.sum(1, keepdim=True))
        length = int(in_prompt.sum(1).max())
        ids, mask = pack.ids[:, :length], in_prompt[:, :length]
        picture = (ids == self.model.config.image_token_id) & mask
        grids = {name: value for name, value in pack.media.items() if name.endswith("grid_thw")}
        prompt, _ = self.model.model.get_rope_index(
            ids, mm_token_type_ids=picture.int(), attention_mask=mask.long(), **grids
        )
        first = prompt.masked_fill(~mask, 0).amax((0, 2)) + 1  # (B,)
        positions = (pack.step + first[:, None]).expand(3, -1, -1).clone()
        positions[:, :, :length] = torch.where(mask, prompt, positions[:, :, :length])
        return positions
