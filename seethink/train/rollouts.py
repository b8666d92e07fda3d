"""Who answers the questions of a rollout: the trained model itself, or vLLM, which is sent its weights."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from seethink.engines.local import LocalEngine
from seethink.engines.served import ServedEngine
from seethink.engines.vllm import VllmEngine, require
from seethink.families import Encoder, Prompt
from seethink.train import ranks
from seethink.train.configs import GRPO
from seethink.train.model import mixed_precision, weights
from seethink.types import Completion, InputError, Sampling


class Rollouts:
    """The engine that `config.rollout` names, with the weights that `model` has at the step it answers for.

    name: what `model` was loaded from, and what vLLM loads. folder: where weights lie for a server to fetch.
    An engine in this process is made when it is first needed: under torchrun it joins the trainer's
    processes, each of which has its own. A server is everyone's; the first process sends it the weights.
    """

    def __init__(self, name: str, model: Any, encoder: Encoder, config: GRPO) -> None:
        self.name, self.model, self.encoder, self.config = name, model, encoder, config
        self.folder = Path("rollout-weights")
        self.engine: LocalEngine | VllmEngine | ServedEngine | None = None
        self.step: int | None = None  # whose weights the engine has; None: unknown
        if config.rollout == "vllm":
            require()
        elif config.rollout == "local":
            self.engine = LocalEngine(model, encoder)
        else:
            self.engine = ServedEngine(config.rollout, name, encoder)
            self._refuse_tied(self.engine)

    @property
    def retried(self) -> int:
        """Calls to a server that were made again because they failed."""
        return self.engine.retried if isinstance(self.engine, ServedEngine) else 0

    def complete(self, prompts: Sequence[Prompt], sampling: Sampling) -> list[list[Completion]]:
        assert self.engine is not None, "call follow first"
        return self.engine.complete(prompts, sampling)

    def follow(self, step: int) -> None:
        """From now on answer with the weights of the optimiser's step `step`. Everyone must call it."""
        if isinstance(self.engine, LocalEngine):
            return
        if self.engine is None:
            dtype = "bfloat16" if mixed_precision(self.config) else "float32"
            self.engine = VllmEngine(self.name, self.encoder, dtype, self.config.rollout_memory)
            self.step = 0  # what it has loaded is what training begins with
        if self.step == step:
            return
        if isinstance(self.engine, VllmEngine):
            self.engine.take(weights(self.model))
        elif ranks.number() == 0:
            self.engine.take(weights(self.model), self.folder)
        ranks.wait()
        self.step = step

    def rest(self) -> None:
        """No more answers are wanted at this step: memory is the trainer's."""
        if isinstance(self.engine, VllmEngine):
            self.engine.rest()
            self.step = None if self.engine.asleep else self.step

    def close(self) -> None:
        if isinstance(self.engine, VllmEngine | ServedEngine):
            self.engine.close()
        if ranks.number() == 0:
            shutil.rmtree(self.folder, ignore_errors=True)

    def _refuse_tied(self, server: ServedEngine) -> None:
        """vLLM on a CPU keeps a copy of a tied output layer, which cannot be renewed over HTTP."""
        tied = self.model.get_output_embeddings().weight is self.model.get_input_embeddings().weight
        if server.on_cpu and tied:
            raise InputError(
                f"the output layer of {self.name} is tied to its embeddings, and the server at {server.url} "
                "runs on a CPU, where vLLM does not renew such a layer over HTTP; say rollout=vllm"
            )
