"""A transformers model in this process. Each question's prompt, pictures included, is computed once, then
branched."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from typing import Any

import torch
from accelerate.utils import disable_fsdp_ram_efficient_loading
from torch import Tensor
from transformers import (
    AutoConfig,
    AutoModelForImageTextToText,
    AutoProcessor,
    TopKLogitsWarper,
    TopPLogitsWarper,
)
from transformers.integrations.deepspeed import unset_hf_deepspeed_config
from transformers.utils.logging import disable_progress_bar

from seethink.engines import features, segments
from seethink.engines.batch import cross_mask, join_media, positions
from seethink.engines.cache import make_room
from seethink.families import Encoder, Prompt, family_of, resolve
from seethink.types import Completion, Messages, NotFinite, Sampling

logging.getLogger("bitsandbytes").setLevel(logging.ERROR)  # peft imports it, and it tells of CPU kernels

TOKENS_PER_BATCH = 32_768
"""Cached tokens (rows times prompt and answer) of one batch; what does not fit goes into the next."""
KEEP_ROWS = 0.75
"""When fewer rows than this share are still writing, the finished ones leave the cache."""


def pretrained(name: str, quantised: Any = None) -> tuple[Any, Any]:
    """(model, processor) by alias, folder or hub id, fp32: small updates would vanish in bf16 weights.
    quantised: a quantization config of transformers, for weights that stand still.

    Whole in every process, whatever a launcher of sharded trainings says of loading: engines and references
    compute alone, and a trainer divides its model itself.
    """
    disable_fsdp_ram_efficient_loading()
    unset_hf_deepspeed_config()
    disable_progress_bar()
    path = resolve(name)
    model = AutoModelForImageTextToText.from_pretrained(
        path, dtype=torch.float32, attn_implementation="sdpa", quantization_config=quantised
    )
    if family_of(model.config).segments:
        model.set_attn_implementation({"vision_config": segments.NAME})
    return model, AutoProcessor.from_pretrained(path)


def encoder(name: str) -> tuple[Encoder, int | None]:
    """The encoder of a model whose weights are not loaded, and how many tokens the model was made for."""
    path = resolve(name)
    config = AutoConfig.from_pretrained(path)
    longest = getattr(config.get_text_config(), "max_position_embeddings", None)
    return Encoder(AutoProcessor.from_pretrained(path), config), longest


class LocalEngine:
    """Continues conversations with `model`.

    Sampling is what the caller says and nothing else. Every completion draws from its own random stream,
    keyed by (seed, prompt, number), so what it says does not depend on what else is in the batch.
    """

    def __init__(self, model: Any, encoder: Encoder, tokens_per_batch: int = TOKENS_PER_BATCH) -> None:
        self.model, self.encoder, self.tokens_per_batch = model, encoder, tokens_per_batch

    @classmethod
    def load(cls, name: str) -> LocalEngine:
        """By alias, folder or hub id; on the accelerator if there is one."""
        model, processor = pretrained(name)
        device = "cuda" if torch.cuda.is_available() else "cpu"
        return cls(model.to(device), Encoder(processor, model.config))

    def generate(self, conversations: Sequence[Messages], sampling: Sampling) -> list[list[Completion]]:
        return self.complete(self.encoder.prompts(conversations), sampling)

    def complete(self, prompts: Sequence[Prompt], sampling: Sampling) -> list[list[Completion]]:
        """`sampling.n` completions of each prompt, in order. Batches hold prompts of similar length."""
        done: list[list[Completion]] = [[] for _ in prompts]
        batch: list[int] = []
        alike = [prompt.family.alike(prompt.media) for prompt in prompts]
        for i in sorted(range(len(prompts)), key=lambda i: (repr(alike[i]), -len(prompts[i].ids))):
            longest = len(prompts[batch[0] if batch else i].ids) + sampling.max_tokens
            full = (len(batch) + 1) * sampling.n * longest > self.tokens_per_batch
            if batch and (full or alike[i] != alike[batch[0]]):
                self._finish(batch, prompts, sampling, done)
                batch = []
            batch.append(i)
        if batch:
            self._finish(batch, prompts, sampling, done)
        return done

    def _finish(
        self,
        batch: Sequence[int],
        prompts: Sequence[Prompt],
        sampling: Sampling,
        done: list[list[Completion]],
    ) -> None:
        rows = self._write([prompts[i] for i in batch], sampling)
        for place, i in enumerate(batch):
            own = rows[place * sampling.n : (place + 1) * sampling.n]
            done[i] = [self.encoder.completion(prompts[i], ids) for ids in own]

    @torch.inference_mode()
    def _write(self, prompts: Sequence[Prompt], sampling: Sampling) -> list[list[int]]:
        """Token ids of B * n completions, n of each prompt in a row."""
        self.model.eval()
        logits, cache, seen, position, cross = self._read(prompts)
        cache.batch_repeat_interleave(sampling.n)
        make_room(cache)
        last = {name: mask[:, -1:].repeat_interleave(sampling.n, 0) for name, mask in cross.items()}
        logits, seen, position = (x.repeat_interleave(sampling.n, 0) for x in (logits, seen, position))
        luck = _streams(prompts, sampling).to(logits.device)  # (B * n, max_tokens)
        written = torch.full(luck.shape, self.encoder.eos_token_id, device=logits.device)
        rows = torch.arange(len(written), device=logits.device)  # the rows that are still in the cache
        writing = torch.ones(len(rows), dtype=torch.bool, device=logits.device)
        for t in range(sampling.max_tokens):
            if (lost := logits.isnan().any(-1)).any():
                culprit = prompts[int(rows[lost][0]) // sampling.n]
                raise NotFinite(f"the model's logits are not numbers, after {culprit.key[-200:]!r}")
            token = self._draw(logits, luck[rows, t], sampling)
            written[rows[writing], t] = token[writing]
            writing = writing & (token != self.encoder.eos_token_id)
            if not writing.any() or t + 1 == sampling.max_tokens:
                break
            if writing.float().mean() < KEEP_ROWS:
                kept = writing.nonzero()[:, 0]
                cache.batch_select_indices(kept)
                rows, token, seen, position, writing = (
                    x[kept] for x in (rows, token, seen, position, writing)
                )
                last = {name: mask[kept] for name, mask in last.items()}
            seen = torch.cat([seen, seen.new_ones(len(seen), 1)], 1)
            hidden = self.model.model(
                input_ids=token[:, None],
                attention_mask=seen,
                past_key_values=cache,
                use_cache=True,
                position_ids=self._at(position + t),
                **last,
            ).last_hidden_state
            logits = self.model.lm_head(hidden[:, -1])
        return [self._cut(row) for row in written.tolist()]

    def _read(self, prompts: Sequence[Prompt]) -> tuple[Tensor, Any, Tensor, Tensor, dict[str, Tensor]]:
        """Compute prompts once: last logits (B, V), cache, attention mask (B, P), first answer position
        (B, 1), and the cross-attention mask (B, P, ...) where the family has one."""
        device, width, family = (
            self.model.device,
            max(len(prompt.ids) for prompt in prompts),
            self.encoder.family,
        )
        ids = torch.full((len(prompts), width), self.encoder.eos_token_id)
        seen, kinds = torch.zeros_like(ids), torch.zeros_like(ids)
        for row, prompt in enumerate(prompts):
            begin = width - len(prompt.ids)
            ids[row, begin:], kinds[row, begin:] = torch.tensor(prompt.ids), torch.tensor(prompt.kinds)
            seen[row, begin:] = 1
        ids, seen, kinds = ids.to(device), seen.to(device), kinds.to(device)
        media = {name: value.to(device) for name, value in join_media(prompts).items()}
        cross = {name: value.to(device) for name, value in cross_mask(prompts, width, left=True).items()}
        at, first = positions(self.model, family, ids, kinds, seen, media)
        blocks = {"token_type_ids": kinds} if family.blocks else {}
        out = self.model.model(
            input_ids=ids,
            attention_mask=seen,
            position_ids=at,
            use_cache=True,
            **features.inputs(media),
            **cross,
            **blocks,
        )
        return self.model.lm_head(out.last_hidden_state[:, -1]), out.past_key_values, seen, first, cross

    def _at(self, position: Tensor) -> Tensor:
        return position[None].expand(3, -1, -1) if self.encoder.family.mrope else position

    def _draw(self, logits: Tensor, luck: Tensor, sampling: Sampling) -> Tensor:
        """The next token of each row: the likeliest at temperature 0, else by inverse distribution from
        `luck`."""
        logits = logits.float().clone()
        logits[
            :, self.encoder.media_token_ids
        ] = -torch.inf  # a sampled picture mark would have no picture behind it
        if sampling.temperature == 0:
            return logits.argmax(-1)
        logits = logits / sampling.temperature
        if sampling.top_k:
            logits = TopKLogitsWarper(sampling.top_k)(None, logits)  # type: ignore[arg-type]
        if sampling.top_p < 1:
            logits = TopPLogitsWarper(sampling.top_p)(None, logits)  # type: ignore[arg-type]
        mass = logits.double().softmax(-1).cumsum(-1)
        chosen = torch.searchsorted(mass, (luck.double() * mass[:, -1])[:, None], right=True)[:, 0]
        return chosen.clamp(max=logits.shape[-1] - 1)

    def _cut(self, row: list[int]) -> list[int]:
        eos = self.encoder.eos_token_id
        return row[: row.index(eos) + 1] if eos in row else row


def _streams(prompts: Sequence[Prompt], sampling: Sampling) -> Tensor:
    """(B * n, max_tokens) uniform numbers in [0, 1), a stream for each completion."""
    rows = []
    for prompt in prompts:
        for number in range(sampling.n):
            key = hashlib.sha256(f"{sampling.seed}/{number}/{prompt.key}".encode()).digest()
            generator = torch.Generator().manual_seed(int.from_bytes(key[:8], "big") >> 1)
            rows.append(torch.rand(sampling.max_tokens, generator=generator))
    return torch.stack(rows)
