"""The rollout back-end of a training: the trained model itself, vLLM in this process, or a vLLM server."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from seethink.engines.base import RolloutBackend
from seethink.engines.local import LocalEngine
from seethink.engines.vllm import VllmEngine, require_vllm
from seethink.engines.vllm_server import VllmServerEngine
from seethink.models.batching import text_follows_highest
from seethink.models.encoder import Encoder, Prompt
from seethink.models.lora import merged_weights
from seethink.train import ranks
from seethink.train.adapters import mixed_precision
from seethink.train.configs import GRPOConfig
from seethink.types import Completion, InputError, Sampling


class Rollouts:
    """Completions from the back-end that `rollout_backend` names, with the weights that `model` has at a
    step.

    name: what `model` was loaded from, and what vLLM loads. weights_folder: where weights lie for a server to
    load. vLLM in this process starts with the first `sync_weights`: under torchrun it joins the trainer's
    processes, each of which has its own. A server is shared by all processes; the first sends it the weights.
    """

    def __init__(self, name: str, model: Any, encoder: Encoder, config: GRPOConfig) -> None:
        self.name, self.model, self.encoder, self.config = name, model, encoder, config
        self.weights_folder = Path("rollout-weights")
        self.backend: RolloutBackend | None = None
        self.step: int | None = None  # whose weights the back-end has; None: unknown
        address = config.rollout.rollout_backend
        if address == "vllm":
            require_vllm()
        elif address == "local":
            self.backend = LocalEngine(model, encoder)
        else:
            self.backend = VllmServerEngine(address, name, encoder)
            self.backend.refuse_tied_embeddings(model)

    @property
    def retries(self) -> int:
        """Requests to a server that failed and were sent again."""
        return self.backend.retries if self.backend else 0

    @property
    def incomplete_masks(self) -> int:
        """Sampled tokens whose sampling mask lacks some of the tokens that truncation kept."""
        return self.backend.incomplete_masks if self.backend else 0

    def complete(self, prompts: Sequence[Prompt], sampling: Sampling) -> list[list[Completion]]:
        """`sampling.n` completions of each prompt, in order. Call `sync_weights` first.

        Raises InputError for a clip that vLLM places otherwise than the trained model."""
        assert self.backend is not None, "call sync_weights first"
        if not isinstance(self.backend, LocalEngine):
            for prompt in prompts:
                self._refuse_other_positions(prompt)
        return self.backend.complete(prompts, sampling)

    def _refuse_other_positions(self, prompt: Prompt) -> None:
        """vLLM continues after a clip from the highest position, transformers from the frame's larger side:
        completions would be those of another model."""
        if "video_grid_thw" in prompt.media and not text_follows_highest(self.model, prompt):
            raise InputError(
                "vLLM would place the text after a long clip at other positions than the trained model; use "
                f"fewer frames, or set rollout_backend=local; the prompt ends with {prompt.text[-200:]!r}"
            )

    def sync_weights(self, step: int) -> None:
        """From now on complete with the weights of optimiser step `step`. Every process must call it."""
        if self.backend is None:
            dtype = "bfloat16" if mixed_precision(self.config.training) else "float32"
            share = self.config.rollout.vllm_gpu_memory_utilization
            self.backend = VllmEngine(self.name, self.encoder, dtype, share)
            # what it has loaded is what training begins with, unless the trainer rounded it to 4 bits
            self.step = None if getattr(self.model, "is_loaded_in_4bit", False) else 0
        if self.step == step:
            return
        if not self.backend.shared or ranks.rank() == 0:
            self.backend.sync_weights(merged_weights(self.model), self.weights_folder)
        ranks.barrier()
        self.step = step

    def sleep(self) -> None:
        """No more completions are wanted at this step: the accelerator's memory is the trainer's."""
        if self.backend and self.backend.sleep():
            self.step = None

    def close(self) -> None:
        """Close the back-end and delete the weights that were written for a server."""
        if self.backend:
            self.backend.close()
        if ranks.rank() == 0:
            shutil.rmtree(self.weights_folder, ignore_errors=True)
