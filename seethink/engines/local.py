"""Engine and rollout back-end on a transformers model in this process.

Each prompt, pictures included, is prefilled once; its completions branch off the key-value cache.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from seethink.engines.kv_cache import preallocate
from seethink.engines.own_generate import OwnGenerate
from seethink.engines.sampling import random_streams, sample
from seethink.models import head, vision_cache
from seethink.models.batching import batches, cross_mask, join_media, positions
from seethink.models.encoder import Encoder, Prompt
from seethink.models.loading import pretrained
from seethink.types import Completion, Messages, NotFinite, Sampling

logging.getLogger("bitsandbytes").setLevel(logging.ERROR)  # imported by peft; warns about CPU kernels

BATCH_TOKENS = 32_768
"""Most cached tokens of a batch: rows times (prompt + completion) tokens."""
KEEP_ROWS = 0.75
"""Finished rows leave the cache when the share of unfinished rows falls below this."""


class LocalEngine:
    """Continues conversations with `model`.

    The checkpoint's generation config is ignored. Every completion has its own random stream, keyed by (seed,
    sample number, prompt), so it does not depend on the rest of the batch.
    """

    shared = False
    retries = 0

    def __init__(self, model: Any, encoder: Encoder, max_tokens_per_batch: int = BATCH_TOKENS) -> None:
        self.model, self.encoder, self.max_tokens_per_batch = model, encoder, max_tokens_per_batch
        self.own = OwnGenerate(model, encoder, max_tokens_per_batch)

    @classmethod
    def load(cls, name: str) -> LocalEngine:
        """The model of an alias, folder or hub id, on the accelerator if there is one."""
        model, processor = pretrained(name)
        device = "cuda" if torch.cuda.is_available() else "cpu"
        return cls(model.to(device), Encoder(processor, model.config))

    def sync_weights(self, weights: Iterable[tuple[str, Tensor]], folder: Path | None = None) -> None:
        """Nothing to do: the engine holds the trained model itself."""

    def sleep(self) -> bool:
        """Nothing to free: the weights are the trainer's."""
        return False

    def close(self) -> None:
        """Nothing to free."""

    def generate(self, conversations: Sequence[Messages], sampling: Sampling) -> list[list[Completion]]:
        """`sampling.n` completions of each conversation, in order."""
        return self.complete(self.encoder.prompts(conversations), sampling)

    def complete(self, prompts: Sequence[Prompt], sampling: Sampling) -> list[list[Completion]]:
        """`sampling.n` completions of each prompt, in order."""
        if not self.encoder.family.shared:
            rows = ((prompt, self.own.decode(prompt, sampling)) for prompt in prompts)
            return [[self.encoder.completion(prompt, *own) for own in some] for prompt, some in rows]
        completions: list[list[Completion]] = [[] for _ in prompts]
        for batch in batches(prompts, sampling.n, sampling.max_tokens, self.max_tokens_per_batch):
            rows = self._decode([prompts[i] for i in batch], sampling)
            for place, i in enumerate(batch):
                own = rows[place * sampling.n : (place + 1) * sampling.n]
                completions[i] = [self.encoder.completion(prompts[i], *sampled) for sampled in own]
        return completions

    @torch.inference_mode()
    def _decode(self, prompts: Sequence[Prompt], sampling: Sampling) -> list[tuple[list[int], list[float]]]:
        """Token ids and log-probabilities of B * n completions, the n of each prompt next to each other."""
        self.model.eval()
        logits, cache, mask, position, cross = self._prefill(prompts)
        cache.batch_repeat_interleave(sampling.n)
        preallocate(cache)
        cross = {name: value[:, -1:].repeat_interleave(sampling.n, 0) for name, value in cross.items()}
        logits, mask, position = (x.repeat_interleave(sampling.n, 0) for x in (logits, mask, position))
        uniforms = random_streams(prompts, sampling).to(logits.device)  # (B * n, max_tokens)
        written = torch.full(uniforms.shape, self.encoder.eos_token_id, device=logits.device)
        logps = torch.zeros(uniforms.shape, device=logits.device)
        rows = torch.arange(len(written), device=logits.device)  # rows of `written` that are in the cache
        unfinished = torch.ones(len(rows), dtype=torch.bool, device=logits.device)
        for t in range(sampling.max_tokens):
            if (nan := logits.isnan().any(-1)).any():
                prompt = prompts[int(rows[nan][0]) // sampling.n]
                raise NotFinite(f"the model's logits are not numbers, after {prompt.key[-200:]!r}")
            token, logp = sample(logits, uniforms[rows, t], sampling, forbidden=self.encoder.media_token_ids)
            written[rows[unfinished], t], logps[rows[unfinished], t] = token[unfinished], logp[unfinished]
            unfinished = unfinished & (token != self.encoder.eos_token_id)
            if not unfinished.any() or t + 1 == sampling.max_tokens:
                break
            if unfinished.float().mean() < KEEP_ROWS:
                kept = unfinished.nonzero()[:, 0]
                cache.batch_select_indices(kept)
                rows, token, mask, position, unfinished = (
                    x[kept] for x in (rows, token, mask, position, unfinished)
                )
                cross = {name: value[kept] for name, value in cross.items()}
            mask = torch.cat([mask, mask.new_ones(len(mask), 1)], 1)
            step = position + t
            hidden = self.model.model(
                input_ids=token[:, None],
                attention_mask=mask,
                past_key_values=cache,
                use_cache=True,
                position_ids=step[None].expand(3, -1, -1) if self.encoder.family.mrope else step,
                **cross,
            ).last_hidden_state
            logits = head.logits(self.model, self.encoder.family, hidden[:, -1])
        eos = self.encoder.eos_token_id
        ends = [ids.index(eos) + 1 if eos in ids else len(ids) for ids in written.tolist()]
        return [
            (ids[:n], own[:n]) for ids, own, n in zip(written.tolist(), logps.tolist(), ends, strict=True)
        ]

    def _prefill(self, prompts: Sequence[Prompt]) -> tuple[Tensor, Any, Tensor, Tensor, dict[str, Tensor]]:
        """Compute left-padded prompts: last logits (B, V), cache, attention mask (B, P), position of the
        first completion token (B, 1), and cross-attention masks (B, P, ...) of families that have them."""
        device, family = self.model.device, self.encoder.family
        width = max(len(prompt.ids) for prompt in prompts)
        ids = torch.full((len(prompts), width), self.encoder.eos_token_id)
        mask, kinds = torch.zeros_like(ids), torch.zeros_like(ids)
        for row, prompt in enumerate(prompts):
            begin = width - len(prompt.ids)
            ids[row, begin:], kinds[row, begin:] = torch.tensor(prompt.ids), torch.tensor(prompt.kinds)
            mask[row, begin:] = 1
        ids, mask, kinds = ids.to(device), mask.to(device), kinds.to(device)
        media = {name: value.to(device) for name, value in join_media(prompts).items()}
        cross = {name: value.to(device) for name, value in cross_mask(prompts, width, left=True).items()}
        position_ids, first = positions(self.model, family, ids, kinds, mask, media)
        out = self.model.model(
            input_ids=ids,
            attention_mask=mask,
            position_ids=position_ids,
            use_cache=True,
            **vision_cache.inputs(media),
            **cross,
            **({"token_type_ids": kinds} if family.blocks else {}),
        )
        logits = head.logits(self.model, family, out.last_hidden_state[:, -1])
        return logits, out.past_key_values, mask, first, cross
