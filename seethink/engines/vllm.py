"""vLLM in this process, for rollouts: asked like `LocalEngine`, it also tells how likely its tokens were.

vLLM is given what the chat template wrote, one placeholder for each medium, and the loaded media, and expands
the placeholders itself; ids that are expanded already it would expand once more. What it made of a prompt is
compared with our own ids before an answer is used: a model is never trained on another prompt than it was
asked.
"""

from __future__ import annotations

import gc
import hashlib
import importlib
import importlib.util
import math
import os
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, distributed

from seethink.families import Encoder, Prompt, resolve
from seethink.media import Frames
from seethink.types import Completion, InputError, Messages, NotFinite, Sampling

NEVER = -1e4
"""Added to the logits of tokens that must not be sampled; unlike -inf it can be written as JSON."""
WHOLE = 65_536
"""On a CPU, tokens of one pass over prompts; more than any rollout has there."""
UNTOLD = -9999.0
"""What vLLM's server writes for a log-probability that it does not know."""


class OtherPrompt(RuntimeError):
    """vLLM made another prompt of a question than the one that would be trained."""


def parameters(encoder: Encoder, prompt: Prompt, sampling: Sampling) -> dict[str, Any]:
    """The fields of vLLM's `SamplingParams` for the answers to one prompt.

    Answers end with our end-of-turn token, whatever the checkpoint's generation config says. vLLM adds the
    number of an answer to the seed; seeds of different prompts are hashes, so they do not meet.
    """
    key = hashlib.sha256(f"{sampling.seed}/{prompt.key}".encode()).digest()
    return {
        "n": sampling.n,
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "top_k": sampling.top_k,
        "max_tokens": sampling.max_tokens,
        "seed": int.from_bytes(key[:8], "big") >> 2,
        "stop_token_ids": [encoder.eos_token_id],
        "ignore_eos": True,
        "logit_bias": dict.fromkeys(encoder.media_token_ids, NEVER),
        "logprobs": 0,
        "detokenize": False,
    }


def check_prompt(prompt: Prompt, theirs: Sequence[int]) -> None:
    """Raise OtherPrompt unless vLLM's ids of the prompt are ours."""
    if list(theirs) != prompt.ids:
        raise OtherPrompt(
            f"of a prompt vLLM makes {len(theirs)} tokens, not the {len(prompt.ids)} of the trainer: it has "
            f"another processor, or is wrong about this family; the prompt ends with {prompt.text[-200:]!r}"
        )


def completion(encoder: Encoder, prompt: Prompt, ids: Sequence[int], logps: Sequence[float]) -> Completion:
    """An answer that vLLM sampled. Raises NotFinite where a log-probability is no number."""
    if len(logps) != len(ids) or not all(math.isfinite(logp) and logp > UNTOLD for logp in logps):
        raise NotFinite(f"vLLM's log-probabilities are not numbers, after {prompt.text[-200:]!r}")
    return encoder.completion(prompt, ids, logps)


def require() -> None:
    """Raise InputError where vLLM is not installed."""
    if importlib.util.find_spec("vllm") is None:
        raise InputError("rollouts by vLLM need the package vllm; say pip install 'seethink[vllm]'")


def _vllm() -> Any:
    """The package, imported when it is needed, with the settings that hold inside a trainer."""
    require()
    os.environ["VLLM_ENABLE_V1_MULTIPROCESSING"] = "0"  # weights are handed over inside this process
    os.environ.setdefault("VLLM_CPU_OMP_THREADS_BIND", "nobind")  # the trainer's threads are here too
    os.environ.setdefault("VLLM_LOGGING_LEVEL", "WARNING")
    os.environ.setdefault("VLLM_NO_USAGE_STATS", "1")
    return importlib.import_module("vllm")


class VllmEngine:
    """A copy of the model `name` in vLLM, on this process's accelerator, or on the CPU.

    dtype: of its weights. memory: the share of the accelerator's memory that it may take, weights included.
    Under torchrun every process has its own; all must make it at the same time.
    """

    def __init__(self, name: str, encoder: Encoder, dtype: str, memory: float) -> None:
        vllm = _vllm()
        platform = vllm.platforms.current_platform
        self.encoder, self.on_cpu = encoder, platform.is_cpu()
        self.sleeps, self.asleep = platform.is_sleep_mode_available(), False
        # on a CPU, whose generators have no offset, seeded answers end vLLM if a prompt is computed in pieces
        whole = {"enable_chunked_prefill": False, "max_num_batched_tokens": WHOLE} if self.on_cpu else {}
        several = distributed.is_initialized() and distributed.get_world_size() > 1
        own = [torch.cuda.current_device()] if torch.cuda.is_available() else []
        with torch.random.fork_rng(own):  # vLLM seeds the generators of this process
            self.llm = vllm.LLM(
                model=resolve(name),
                dtype=dtype,
                gpu_memory_utilization=memory,
                max_model_len=-1,  # what fits into memory
                logprobs_mode="processed_logprobs",
                generation_config="vllm",
                enforce_eager=self.on_cpu,
                enable_sleep_mode=self.sleeps,
                distributed_executor_backend="external_launcher" if several else None,
                **whole,
            )

    def generate(self, conversations: Sequence[Messages], sampling: Sampling) -> list[list[Completion]]:
        return self.complete(self.encoder.prompts(conversations), sampling)

    def complete(self, prompts: Sequence[Prompt], sampling: Sampling) -> list[list[Completion]]:
        """`sampling.n` completions of each prompt, in order.

        Raises InputError for clips of families that place frames by their time, which vLLM is not told.
        """
        vllm = _vllm()
        told = [vllm.SamplingParams(**parameters(self.encoder, prompt, sampling)) for prompt in prompts]
        asked = [self._asked(prompt) for prompt in prompts]
        answers = self.llm.generate(asked, told, use_tqdm=False) if prompts else []
        for prompt, answer in zip(prompts, answers, strict=True):
            check_prompt(prompt, answer.prompt_token_ids or ())
        return [
            [self._completion(prompt, output) for output in answer.outputs]
            for prompt, answer in zip(prompts, answers, strict=True)
        ]

    def _asked(self, prompt: Prompt) -> dict[str, Any]:
        clips = [_clip(medium) for medium in prompt.loaded if isinstance(medium, Frames)]
        pictures = [medium for medium in prompt.loaded if not isinstance(medium, Frames)]
        if "second_per_grid_ts" in prompt.media:
            raise InputError("vLLM would take this model's clips at another speed; say rollout=local")
        media = {name: given for name, given in (("image", pictures), ("video", clips)) if given}
        asked: dict[str, Any] = {"prompt_token_ids": self.encoder.asked_ids(prompt)}
        if media:
            asked["multi_modal_data"] = media
        if clips:
            asked["mm_processor_kwargs"] = {"do_sample_frames": False}
        return asked

    def _completion(self, prompt: Prompt, output: Any) -> Completion:
        ids = list(output.token_ids)
        logps = [told[token].logprob for token, told in zip(ids, output.logprobs, strict=True)]
        return completion(self.encoder, prompt, ids, logps)

    def take(self, weights: Iterable[tuple[str, Tensor]]) -> None:
        """Answer with these weights from now on, named as the transformers model names them.

        Nothing that older weights computed outlives them: features of pictures and keys of prompts are
        forgotten.
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

    def rest(self) -> None:
        """Free the accelerator's memory until `take` is called; weights and caches are dropped."""
        if self.sleeps and not self.asleep:
            self.llm.sleep(level=2)
            self.asleep = True

    def close(self) -> None:
        """Give everything back; the engine cannot be asked again."""
        self.rest()
        self.llm.llm_engine.engine_core.shutdown()
        del self.llm
        gc.collect()


def _clip(frames: Frames) -> np.ndarray:
    """(T, H, W, 3) pixels."""
    return np.stack([np.asarray(picture) for picture in frames.pictures])


def _pack_heads(model: torch.nn.Module) -> None:
    """On a CPU vLLM multiplies by a packed copy of the output layer, which a reload leaves stale where the
    layer is tied to the embeddings and not loaded by itself."""
    layers = importlib.import_module("vllm.model_executor.layers.vocab_parallel_embedding")
    module: Any
    for module in model.modules():
        if isinstance(module, layers.ParallelLMHead):
            module.quant_method.process_weights_after_loading(module)
