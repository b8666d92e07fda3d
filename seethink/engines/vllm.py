"""Rollout back-end on vLLM in this process; its completions carry log-probabilities.

vLLM gets the text of the chat template with one placeholder for each medium, and the loaded media; it expands
the placeholders itself (and would expand already expanded ids a second time). The prompt ids that it reports
are compared with ours before a completion is used, so the trainer never trains on another prompt than was
sampled from.
"""

from __future__ import annotations

import gc
import hashlib
import importlib
import importlib.util
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import torch
from torch import Tensor, distributed

from seethink.engines.base import MASK_TOKENS, records_mask
from seethink.engines.sampling import stream_key
from seethink.engines.vllm_masks import SamplingMasks
from seethink.media import Frames
from seethink.models.encoder import Encoder, Prompt
from seethink.models.names import refuse_adapter
from seethink.types import Completion, InputError, Messages, NotFinite, Sampling

SUPPRESSED_BIAS = -1e4
"""Logit bias of tokens that must not be sampled; unlike -inf it can be written as JSON."""
CPU_BATCHED_TOKENS = 65_536
"""`max_num_batched_tokens` on a CPU; more than any rollout has there."""
UNKNOWN_LOGP = -9999.0
"""vLLM's server writes this for a log-probability that it does not know."""


class PromptMismatch(InputError):
    """vLLM's token ids of a prompt are not those that would be trained on."""


def sampling_params(encoder: Encoder, prompt: Prompt, sampling: Sampling) -> dict[str, Any]:
    """Fields of vLLM's `SamplingParams` for the completions of one prompt.

    Completions end with our end-of-turn token; the checkpoint's generation config is ignored. vLLM adds the
    number of a completion to the seed; the seeds of different prompts are hashes, so their ranges do not
    overlap.
    """
    key = hashlib.sha256(f"{sampling.seed}/{stream_key(prompt)}".encode()).digest()
    return {
        "n": sampling.n,
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "top_k": sampling.top_k,
        "max_tokens": sampling.max_tokens,
        "seed": int.from_bytes(key[:8], "big") >> 2,
        "stop_token_ids": [encoder.eos_token_id],
        "ignore_eos": True,
        "logit_bias": dict.fromkeys(encoder.media_token_ids, SUPPRESSED_BIAS),
        "logprobs": sampling.top_k if records_mask(sampling) else 0,
        "detokenize": False,
    }


def check_prompt(prompt: Prompt, ids: Sequence[int]) -> None:
    """Raise PromptMismatch unless vLLM's ids of the prompt are ours."""
    if list(ids) != prompt.ids:
        clip = any(isinstance(medium, Frames) for medium in prompt.loaded)
        why = "it tells the times of a clip's frames otherwise" if clip else "it has another processor"
        raise PromptMismatch(
            f"vLLM's ids of a prompt are {len(ids)} tokens, not the {len(prompt.ids)} of the trainer: {why}, "
            f"or does not support this family; set rollout_backend=local; the prompt ends with "
            f"{prompt.text[-200:]!r}"
        )


def sampled_completion(
    encoder: Encoder,
    prompt: Prompt,
    ids: Sequence[int],
    places: Sequence[Mapping[int, float]],
    masks: SamplingMasks | None = None,
) -> Completion:
    """The Completion of sampled ids. places: {id: log-probability} of the sampled token, and of the likeliest
    if they were requested. masks: reads the sampling mask, to which log-probabilities are then normalised.

    Raises NotFinite where a log-probability is not a number."""
    logps = [at.get(token, math.nan) for token, at in zip(ids, places, strict=False)]
    if len(places) != len(ids) or not all(math.isfinite(logp) and logp > UNKNOWN_LOGP for logp in logps):
        raise NotFinite(f"vLLM's log-probabilities are not numbers, after {prompt.text[-200:]!r}")
    if masks is None:
        return encoder.completion(prompt, ids, logps)
    mask, masses = masks.read(places)
    return encoder.completion(prompt, ids, [a - b for a, b in zip(logps, masses, strict=True)], mask)


def require_vllm() -> None:
    """Raise InputError where vLLM is not installed."""
    if importlib.util.find_spec("vllm") is None:
        raise InputError("rollouts by vLLM need the package vllm; run pip install 'seethink[vllm]'")


def _vllm() -> Any:
    """The package, imported on demand, with the environment variables that a trainer needs."""
    require_vllm()
    os.environ["VLLM_ENABLE_V1_MULTIPROCESSING"] = "0"  # weights are passed in memory
    os.environ.setdefault("VLLM_CPU_OMP_THREADS_BIND", "nobind")  # the trainer's threads use the same cores
    os.environ.setdefault("VLLM_LOGGING_LEVEL", "WARNING")
    os.environ.setdefault("VLLM_NO_USAGE_STATS", "1")
    return importlib.import_module("vllm")


class VllmEngine:
    """A copy of the model `name` in vLLM, on this process's accelerator or on the CPU.

    dtype: of its weights. memory: the share of the accelerator's memory that it may use, weights included; on
    a CPU the share of the machine's memory that its cache has.
    Under torchrun every process has its own engine; all must create it at the same time.
    """

    shared = False
    retries = 0

    def __init__(self, name: str, encoder: Encoder, dtype: str, memory: float) -> None:
        vllm = _vllm()
        platform = vllm.platforms.current_platform
        self.encoder, self.on_cpu, self.masks = encoder, platform.is_cpu(), SamplingMasks()
        self.can_sleep, self.asleep = platform.is_sleep_mode_available(), False
        cpu_options = {
            # CPU generators have no offset: vLLM crashes on seeded requests whose prompt is prefilled in
            # chunks
            "enable_chunked_prefill": False,
            "max_num_batched_tokens": CPU_BATCHED_TOKENS,
            # vLLM would subtract all that this process holds, the trained model too, from a share of one NUMA
            # node's memory, of which nothing may be left
            "kv_cache_memory_bytes": int(memory * psutil.virtual_memory().total),
        }
        distributed_run = distributed.is_initialized() and distributed.get_world_size() > 1
        devices = [torch.cuda.current_device()] if torch.cuda.is_available() else []
        with torch.random.fork_rng(devices):  # vLLM seeds the generators of this process
            self.llm = vllm.LLM(
                model=refuse_adapter(name, "vLLM"),
                dtype=dtype,
                gpu_memory_utilization=memory,
                max_model_len=-1,  # what fits into memory
                logprobs_mode="processed_logprobs",
                max_logprobs=MASK_TOKENS,
                generation_config="vllm",
                enforce_eager=self.on_cpu,
                enable_sleep_mode=self.can_sleep,
                distributed_executor_backend="external_launcher" if distributed_run else None,
                **(cpu_options if self.on_cpu else {}),
            )

    @property
    def incomplete_masks(self) -> int:
        """Sampled tokens whose sampling mask lacks some of the tokens that vLLM kept."""
        return self.masks.incomplete

    def generate(self, conversations: Sequence[Messages], sampling: Sampling) -> list[list[Completion]]:
        """`sampling.n` completions of each conversation, in order."""
        return self.complete(self.encoder.prompts(conversations), sampling)

    def complete(self, prompts: Sequence[Prompt], sampling: Sampling) -> list[list[Completion]]:
        """`sampling.n` completions of each prompt, in order.

        Raises InputError for clips of families whose positions or prompts depend on frame times, which vLLM
        does not get, and for what it refuses.
        """
        vllm = _vllm()
        inputs = [self._input(prompt) for prompt in prompts]
        params = [
            vllm.SamplingParams(**sampling_params(self.encoder, prompt, sampling)) for prompt in prompts
        ]
        try:
            results = self.llm.generate(inputs, params, use_tqdm=False) if prompts else []
        except (ValueError, TypeError, KeyError, IndexError, AssertionError) as error:  # of its processors
            why = " ".join(f"{error}".split())[:300] or type(error).__name__
            raise InputError(f"vLLM refuses a prompt ({why}); set rollout_backend=local") from error
        for prompt, result in zip(prompts, results, strict=True):
            check_prompt(prompt, result.prompt_token_ids or ())
        masks = self.masks if records_mask(sampling) else None
        return [
            [self._completion(prompt, output, masks) for output in result.outputs]
            for prompt, result in zip(prompts, results, strict=True)
        ]

    def _input(self, prompt: Prompt) -> dict[str, Any]:
        clips = [_clip(medium) for medium in prompt.loaded if isinstance(medium, Frames)]
        pictures = [medium for medium in prompt.loaded if not isinstance(medium, Frames)]
        if "second_per_grid_ts" in prompt.media:
            raise InputError(
                "vLLM would place the frames of this model's clips at other times; set rollout_backend=local"
            )
        media = {name: items for name, items in (("image", pictures), ("video", clips)) if items}
        fields: dict[str, Any] = {"prompt_token_ids": self.encoder.unexpanded_ids(prompt)}
        if media:
            fields["multi_modal_data"] = media
        if clips:
            fields["mm_processor_kwargs"] = {"do_sample_frames": False}
        return fields

    def _completion(self, prompt: Prompt, output: Any, masks: SamplingMasks | None) -> Completion:
        places = [{token: one.logprob for token, one in at.items()} for at in output.logprobs]
        return sampled_completion(self.encoder, prompt, list(output.token_ids), places, masks)

    def sync_weights(self, weights: Iterable[tuple[str, Tensor]], folder: Path | None = None) -> None:
        """Use these weights from now on, named as in the transformers model; passed in memory, not in
        `folder`.

        Caches that depend on older weights (vision features, prompt prefixes) are emptied.
        """
        if self.asleep:
            self.llm.wake_up(tags=["weights"])
        self.llm.collective_rpc("reload_weights", kwargs={"weights_iterator": iter(weights)})
        if self.on_cpu:
            self.llm.apply_model(_pack_heads)
        if self.asleep:
            self.llm.wake_up(tags=["kv_cache"])
            self.asleep = False
        self.llm.llm_engine.reset_encoder_cache()
        self.llm.llm_engine.reset_mm_cache()
        self.llm.llm_engine.reset_prefix_cache()

    def sleep(self) -> bool:
        """Free the accelerator's memory until `sync_weights`: weights and caches are dropped. Return False
        where the platform cannot sleep and keeps them."""
        if self.can_sleep and not self.asleep:
            self.llm.sleep(level=2)
            self.asleep = True
        return self.asleep

    def close(self) -> None:
        """Shut the engine down; it cannot be used again."""
        self.sleep()
        self.llm.llm_engine.engine_core.shutdown()
        del self.llm
        gc.collect()


def _clip(frames: Frames) -> np.ndarray:
    """(T, H, W, 3) pixels."""
    return np.stack([np.asarray(picture) for picture in frames.pictures])


def _pack_heads(model: torch.nn.Module) -> None:
    """Refresh vLLM's packed copy of the output layer on a CPU: a reload leaves it stale where the layer is
    tied to the embeddings and not loaded by itself."""
    layers = importlib.import_module("vllm.model_executor.layers.vocab_parallel_embedding")
    module: Any
    for module in model.modules():
        if isinstance(module, layers.ParallelLMHead):
            module.quant_method.process_weights_after_loading(module)
