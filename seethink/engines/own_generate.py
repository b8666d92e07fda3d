"""Completions of families without rows of our own: by the model's own `generate`, which prepares positions,
token types and states as the family needs them. Each prompt is a batch by itself, with a row for each
completion.

Only the choice of tokens is ours, as a logits processor. What `generate` samples is compared with an ordinary
forward pass, so that a family whose cached decoding differs from it is refused before anything is learned."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from transformers import GenerationConfig, LogitsProcessor, LogitsProcessorList

from seethink.engines.sampling import random_streams, sample
from seethink.models import unpacked_rows, verification
from seethink.models.encoder import Encoder, Prompt
from seethink.models.packing import Branch, Group, pack_groups
from seethink.types import InputError, NotFinite, Sampling


class _Chooser(LogitsProcessor):
    """Chooses each token by `sample`, and leaves `generate` no other.

    tokens, logps (B, max_tokens): what was chosen, and its log-probability as `sample` defines it. plain (B,
    max_tokens): its log-probability under softmax(logits)."""

    def __init__(self, encoder: Encoder, prompt: Prompt, uniforms: Tensor, sampling: Sampling) -> None:
        self.encoder, self.prompt, self.uniforms, self.sampling = encoder, prompt, uniforms, sampling
        self.tokens = torch.full(uniforms.shape, encoder.eos_token_id, device=uniforms.device)
        self.logps, self.plain = torch.zeros_like(uniforms), torch.zeros_like(uniforms)
        self.length = 0

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        if scores.isnan().any():
            raise NotFinite(f"the model's logits are not numbers, after {self.prompt.key[-200:]!r}")
        t, forbidden = self.length, self.encoder.media_token_ids
        token, self.logps[:, t] = sample(scores, self.uniforms[:, t], self.sampling, forbidden)
        self.tokens[:, t], self.plain[:, t] = token, _logps(scores, token)
        self.length += 1
        return torch.full_like(scores, -torch.inf).scatter(-1, token[:, None], 0.0)


class OwnGenerate:
    """Completes prompts with `model.generate`.

    checked: {kind of prompt: tokens of the longest one that was compared with a forward pass}."""

    def __init__(self, model: Any, encoder: Encoder, max_tokens_per_batch: int) -> None:
        self.model, self.encoder, self.max_tokens_per_batch = model, encoder, max_tokens_per_batch
        self.checked: dict[Any, int] = {}

    @torch.no_grad()
    def decode(self, prompt: Prompt, sampling: Sampling) -> list[tuple[list[int], list[float]]]:
        """(token ids, log-probabilities) of `sampling.n` completions.

        Raises InputError where the model cannot generate, or by its own forward pass would give what it
        sampled other log-probabilities."""
        self.model.eval()
        uniforms = random_streams([prompt], sampling).to(self.model.device)  # (n, max_tokens)
        most = max(1, self.max_tokens_per_batch // (len(prompt.ids) + sampling.max_tokens))
        return [row for part in uniforms.split(most) for row in self._rows(prompt, part, sampling)]

    def _rows(
        self, prompt: Prompt, uniforms: Tensor, sampling: Sampling
    ) -> list[tuple[list[int], list[float]]]:
        chooser, eos = self._generate(prompt, uniforms, sampling), self.encoder.eos_token_id
        rows = []
        for ids, logps in zip(chooser.tokens.tolist(), chooser.logps.tolist(), strict=True):
            length = ids.index(eos) + 1 if eos in ids else len(ids)
            rows.append((ids[:length], logps[:length]))
        kind = (*sorted(prompt.media), len(prompt.loaded))
        if self.checked.get(kind, 0) < len(prompt.ids):
            self._check(prompt, rows[0][0], chooser.plain[0])
            self.checked[kind] = len(prompt.ids)
        return rows

    def _generate(self, prompt: Prompt, uniforms: Tensor, sampling: Sampling) -> _Chooser:
        """The tokens of a batch. The checkpoint's generation config is put aside meanwhile: `generate` would
        take from it what ours leaves open."""
        eos, device = self.encoder.eos_token_id, self.model.device
        chooser = _Chooser(self.encoder, prompt, uniforms, sampling)
        ours = GenerationConfig(max_new_tokens=sampling.max_tokens, eos_token_id=eos, pad_token_id=eos)
        stored, self.model.generation_config = self.model.generation_config, GenerationConfig()
        try:
            self.model.generate(
                **unpacked_rows.inputs(self.model, prompt, len(uniforms), device),
                generation_config=ours,
                logits_processor=LogitsProcessorList([chooser]),
                synced_gpus=False,
            )
        except (torch.OutOfMemoryError, NotFinite):
            raise
        except Exception as error:
            raise InputError(
                f"{type(self.model).__name__} cannot generate from a prompt of this kind: "
                f"{type(error).__name__}: {str(error).strip()[:300]}"
            ) from error
        finally:
            self.model.generation_config = stored
        return chooser

    def _check(self, prompt: Prompt, ids: list[int], plain: Tensor) -> None:
        """Compare the begin of a completion with a forward pass over the whole row."""
        probed = ids[: verification.PROBED]
        (pack,) = pack_groups([Group(prompt, [Branch(probed)])], 1)
        pack = pack.to(plain.device)
        wanted = _logps(unpacked_rows.logits(self.model, pack), pack.targets)
        apart = float((wanted - plain[: len(probed)]).abs().max())
        if not apart <= verification.tolerance(self.model):
            raise InputError(
                f"{type(self.model).__name__} samples tokens with log-probabilities that are {apart:.2g} off "
                f"those of its own forward pass, so it cannot generate here; use another engine, such as vLLM"
            )


def _logps(logits: Tensor, tokens: Tensor) -> Tensor:
    """(B, V) logits, (B,) tokens -> (B,) log-probabilities."""
    return logits.float().log_softmax(-1).gather(-1, tokens[:, None])[:, 0]
