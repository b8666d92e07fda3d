"""A vLLM server over loopback: the trainer's prompts and log-probabilities, and weight updates."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch

from seethink.engines.local import LocalEngine
from seethink.engines.vllm_server import POLICY, VllmServerEngine
from seethink.formats import PREFILLED_THINK
from seethink.models.encoder import Encoder
from seethink.models.loading import pretrained
from seethink.models.names import SPROUT
from seethink.sources.handwritten import Pages
from seethink.train.configs import GRPOConfig
from seethink.train.grpo import grpo
from seethink.types import InputError, Sampling, Task
from tests_vllm import models
from tests_vllm.models import QUESTIONS
from tests_vllm.scored import differences
from tests_vllm.serving import CPU_OPTIONS, serving
from tests_vllm.test_grpo import variety

DRAWN = Sampling(n=8, max_tokens=12, temperature=0.8, seed=5)
EQUAL = 1e-4


@dataclass
class Served:
    """A server of `sprout`, and the same model in this process; both see `folder`."""

    url: str
    model: Any
    encoder: Encoder
    folder: Path

    def engine(self, name: str = "sprout") -> VllmServerEngine:
        return VllmServerEngine(self.url, name, self.encoder, replace(POLICY, startup_timeout_s=5.0))

    def other(self) -> Any:
        """The same model with every weight perturbed."""
        model, _ = pretrained("sprout")
        generator = torch.Generator().manual_seed(0)
        with torch.no_grad():
            for weight in model.parameters():
                weight += 0.3 * weight.std() * torch.randn(weight.shape, generator=generator)
        return model.eval()


@pytest.fixture(scope="module")
def served(tmp_path_factory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("served")
    options = (
        "--enable-scale-out",
        "--logprobs-mode",
        "processed_logprobs",
        "--max-logprobs",
        "40",
        *CPU_OPTIONS,
    )
    with serving(SPROUT, folder / "log", *options) as url:
        model, processor = pretrained("sprout")
        encoder = Encoder(processor, model.config)
        yield Served(url, model.eval(), encoder, folder / "weights")


def test_prompts_are_the_trainers_and_so_are_log_probabilities(served) -> None:
    prompts = served.encoder.prompts(list(QUESTIONS.values()))
    answers = served.engine().complete(prompts, DRAWN)  # raises PromptMismatch unless the ids are equal
    assert [len(answer) for answer in answers] == [8] * len(QUESTIONS)
    for name, prompt, answer in zip(QUESTIONS, prompts, answers, strict=True):
        off = differences(served.model, served.encoder, [prompt], [answer], DRAWN.temperature)
        assert float(off.abs().max()) < EQUAL, name
    assert len({c.token_ids for answer in answers for c in answer}) > 10


def test_the_tokens_that_top_k_and_top_p_keep_are_named_and_the_trainer_agrees(served) -> None:
    prompts, engine = served.encoder.prompts(list(QUESTIONS.values())), served.engine()
    answers = engine.complete(prompts, replace(DRAWN, top_k=40, top_p=0.8))
    assert engine.incomplete_masks == 0
    assert float(differences(served.model, served.encoder, prompts, answers, 0.8).abs().max()) < EQUAL
    with pytest.raises(RuntimeError, match="greater than max allowed: 40"):
        engine.complete(prompts[:1], replace(DRAWN, top_k=41))


def test_greedy_answers_are_those_of_the_local_engine(served) -> None:
    prompts = served.encoder.prompts(list(QUESTIONS.values()))
    sampling = Sampling(temperature=0, max_tokens=12)
    theirs = LocalEngine(served.model, served.encoder).complete(prompts, sampling)
    ours = served.engine().complete(prompts, sampling)
    ids = [[c.token_ids for answer in some for c in answer] for some in (ours, theirs)]
    assert ids[0] == ids[1]
    assert ours == theirs


def test_new_weights_are_used_at_once_and_caches_of_old_ones_are_emptied(served) -> None:
    prompts = served.encoder.prompts(list(QUESTIONS.values()))
    engine, new = served.engine(), served.other()
    engine.complete(prompts, DRAWN)
    for now, before in ((new, served.model), (served.model, new)):
        engine.sync_weights(now.state_dict().items(), served.folder)
        answers = engine.complete(prompts, DRAWN)
        assert float(differences(now, served.encoder, prompts, answers, 0.8).abs().max()) < EQUAL
        assert float(differences(before, served.encoder, prompts, answers, 0.8).abs().max()) > 1


def test_a_training_samples_from_its_own_weights_from_the_first_step(served, tmp_path) -> None:
    served.engine().sync_weights(served.other().state_dict().items(), served.folder)  # of another run
    config = GRPOConfig.of(
        learning_rate=5e-4, prompts_per_step=4, num_generations=6, max_steps=4, max_completion_length=12,
        rollout_backend=served.url,
    )  # fmt: skip
    out = tmp_path / "out"
    grpo("sprout", Task("variety", Pages(8, "train", seed=2), PREFILLED_THINK, variety), config, out)
    rows = [json.loads(line) for line in (out / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    assert max(row["sampling/sampling_logp_difference/mean"] for row in rows) < EQUAL
    assert [row["request_retries"] for row in rows] == [0] * 4
    assert not (out / "rollout-weights").exists()


def test_a_server_of_another_model_is_refused(served, tmp_path) -> None:
    name = models.saved(tmp_path / "model", models.qwen2_vl())
    with pytest.raises(InputError, match=f"serves {SPROUT}, not {name}"):
        served.engine(name)
