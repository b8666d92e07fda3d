"""Engine and rollout back-end on a transformers model in this process.

Each prompt, pictures included, is prefilled once; its completions branch off the key-value cache.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from seethink.engines.adapters import Adapters
from seethink.engines.base import BATCH_TOKENS, Beams
from seethink.engines.beam_search import search
from seethink.engines.kv_cache import preallocate
from seethink.engines.own_generate import OwnGenerate
from seethink.engines.prefill import Prefill, Sampled, completed
from seethink.engines.sampling import kept_ids, not_numbers, random_streams, sample
from seethink.models.batching import batches
from seethink.models.encoder import Encoder, Prompt
from seethink.models.loading import pretrained
from seethink.types import Completion, Messages, RolloutUsage, Sampling

logging.getLogger("bitsandbytes").setLevel(logging.ERROR)  # imported by peft; warns about CPU kernels

KEEP_ROWS = 0.75
"""Finished rows leave the cache when the share of unfinished rows falls below this."""


class LocalEngine:
    """Continues conversations with `model`.

    The checkpoint's generation config is ignored. Every completion has its own random stream, keyed by (seed,
    sample number, prompt), so it does not depend on the rest of the batch.
    """

    shared = False
    retries = 0
    incomplete_masks = 0

    def __init__(self, model: Any, encoder: Encoder, max_tokens_per_batch: int = BATCH_TOKENS) -> None:
        self.model, self.encoder, self.max_tokens_per_batch = model, encoder, max_tokens_per_batch
        self.own = OwnGenerate(model, encoder, max_tokens_per_batch)
        self.prefill = Prefill(model, encoder)
        self.adapters = Adapters(model, self.prefill)

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

    def reuse(self) -> AbstractContextManager[None]:
        """Keep prompts, and compute of later ones only what differs, until the end of the context."""
        return self.prefill.keeping()

    def use_adapter(self, folder: str) -> None:
        """Use the LoRA adapter of a folder from now on; none for ""."""
        self.adapters.use(folder)

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
                completions[i] = [completed(self.encoder, prompts[i], sampled) for sampled in own]
        return completions

    def beam_search(self, conversations: Sequence[Messages], beams: Beams) -> list[list[Completion]]:
        """The `beams.width` best completions of each conversation, the best first."""
        return search(self, self.encoder.prompts(conversations), beams)

    @torch.inference_mode()
    def _decode(self, prompts: Sequence[Prompt], sampling: Sampling) -> list[Sampled]:
        """B * n completions, the n of each prompt next to each other."""
        self.model.eval()
        state = self.prefill(prompts)
        state.repeat(sampling.n)
        preallocate(state.cache)
        uniforms = random_streams(prompts, sampling).to(state.logits.device)  # (B * n, max_tokens)
        written = torch.full(uniforms.shape, self.encoder.eos_token_id, device=uniforms.device)
        logps = torch.zeros(uniforms.shape, device=uniforms.device)
        masks: list[list[Sequence[int]]] = [[] for _ in written]
        rows = torch.arange(len(written), device=uniforms.device)  # rows of `written` that are in the cache
        unfinished = torch.ones(len(rows), dtype=torch.bool, device=uniforms.device)
        for t in range(sampling.max_tokens):
            if (nan := state.logits.isnan().any(-1)).any():
                prompt = prompts[int(rows[nan][0]) // sampling.n]
                raise not_numbers(prompt)
            forbidden = self.encoder.media_token_ids
            token, logp, kept = sample(state.logits, uniforms[rows, t], sampling, forbidden)
            written[rows[unfinished], t], logps[rows[unfinished], t] = token[unfinished], logp[unfinished]
            if kept is not None:
                for row, ids in zip(rows.tolist(), kept_ids(kept), strict=True):
                    masks[row].append(ids)
            unfinished = unfinished & (token != self.encoder.eos_token_id)
            if not unfinished.any() or t + 1 == sampling.max_tokens:
                break
            if unfinished.float().mean() < KEEP_ROWS:
                kept = unfinished.nonzero()[:, 0]
                state.select(kept)
                rows, token, unfinished = rows[kept], token[kept], unfinished[kept]
            self.prefill.step(state, token, t)
        eos = self.encoder.eos_token_id
        sampled = []
        for row, (ids, own) in enumerate(zip(written.tolist(), logps.tolist(), strict=True)):
            n = ids.index(eos) + 1 if eos in ids else len(ids)
            prompt, number = divmod(row, sampling.n)
            usage = RolloutUsage(1, n) + (RolloutUsage() if number else state.usage[prompt])
            sampled.append(Sampled(ids[:n], own[:n], usage, masks[row][:n]))
        return sampled
