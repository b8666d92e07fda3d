"""vLLM in this process has the trainer's prompts and the trainer's log-probabilities."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import pytest
import torch

from seethink.engines.local import LocalEngine
from seethink.engines.vllm import CPU_BATCHED_TOKENS, PromptMismatch, VllmEngine
from seethink.models.encoder import Encoder
from seethink.models.loading import pretrained
from seethink.types import GREEDY, InputError, Sampling
from tests_vllm import models
from tests_vllm.models import QUESTIONS
from tests_vllm.scored import differences

BUILDERS = {
    "qwen2_vl": models.qwen2_vl,
    "qwen2_vl, tied": partial(models.qwen2_vl, tied=True),
    "qwen2_5_vl": models.qwen2_5_vl,
}
MEMORY = 0.05
EQUAL = 1e-4
DRAWN = Sampling(n=8, max_tokens=12, temperature=0.8, seed=5)


@dataclass
class Case:
    """A model of `kind` in the trainer, and vLLM with the same weights."""

    kind: str
    model: Any
    encoder: Encoder
    engine: VllmEngine

    def other(self) -> Any:
        """The same architecture with other weights."""
        return BUILDERS[self.kind](seed=1).eval()


@pytest.fixture(scope="module", params=BUILDERS)
def case(request, tmp_path_factory) -> Iterator[Case]:
    folder = models.saved(tmp_path_factory.mktemp("model"), BUILDERS[request.param]())
    model, processor = pretrained(folder)
    encoder = Encoder(processor, model.config)
    engine = VllmEngine(folder, encoder, "float32", MEMORY)
    yield Case(request.param, model.eval(), encoder, engine)
    engine.close()


@pytest.fixture(autouse=True)
def weights_are_put_back(request) -> Iterator[None]:
    yield
    if "case" in request.fixturenames and request.node.get_closest_marker("moves_weights"):
        case = request.getfixturevalue("case")
        case.engine.sync_weights(case.model.state_dict().items())


def _prompts(case: Case, name: str = ""):
    return case.encoder.prompts([QUESTIONS[name]] if name else list(QUESTIONS.values()))


def test_prompts_are_the_trainers_and_so_are_log_probabilities(case) -> None:
    prompts = _prompts(case)
    answers = case.engine.complete(prompts, DRAWN)  # raises PromptMismatch unless the ids are equal
    assert [len(answer) for answer in answers] == [8] * len(QUESTIONS)
    for name, prompt, answer in zip(QUESTIONS, prompts, answers, strict=True):
        off = differences(case.model, case.encoder, [prompt], [answer], DRAWN.temperature)
        assert float(off.abs().max()) < EQUAL, name
        assert len({completion.token_ids for completion in answer}) == 8, "eight different answers"


def test_the_test_would_see_another_temperature_or_another_picture(case) -> None:
    (prompt,) = _prompts(case, "one picture")
    answers = case.engine.complete([prompt], DRAWN)
    assert float(differences(case.model, case.encoder, [prompt], answers, 0.9).abs().max()) > 0.05
    (other,) = case.encoder.prompts([models.question(models.picture(8), "What is it?")])
    assert other.ids == prompt.ids
    off = differences(case.model, case.encoder, [other], answers, DRAWN.temperature)
    assert float(off.abs().max()) > 0.05


def test_answers_depend_on_the_seed_and_not_on_what_else_is_prompts(case) -> None:
    prompts = _prompts(case)
    together = case.engine.complete(prompts, DRAWN)
    assert case.engine.complete(prompts[:1], DRAWN) == together[:1]
    assert _ids(case.engine.complete(prompts[:1], DRAWN)) == _ids(together[:1])
    other = Sampling(n=8, max_tokens=12, temperature=0.8, seed=6)
    assert not set(_ids(case.engine.complete(prompts[:1], other))) & set(_ids(together[:1]))


def _ids(answers) -> list[tuple[int, ...]]:
    return [completion.token_ids for answer in answers for completion in answer]


def test_greedy_answers_are_those_of_the_local_engine(case) -> None:
    prompts = _prompts(case)
    sampling = Sampling(temperature=0, max_tokens=12)
    theirs = LocalEngine(case.model, case.encoder).complete(prompts, sampling)
    ours = case.engine.complete(prompts, sampling)
    assert _ids(ours) == _ids(theirs)
    assert ours == theirs, "texts and reasons to stop as well"


def test_log_probabilities_are_those_of_the_tokens_that_top_k_leaves(case) -> None:
    prompts = _prompts(case, "one picture")
    (answers,) = case.engine.complete(prompts, Sampling(n=64, top_k=3, max_tokens=1))
    logps = {completion.token_ids: completion.logps[0] for completion in answers}
    assert len(logps) == 3
    assert float(torch.tensor(list(logps.values())).exp().sum()) == pytest.approx(1, abs=1e-5)


def test_the_tokens_that_top_k_and_top_p_keep_are_named_and_the_trainer_agrees(case) -> None:
    prompts, truncated = _prompts(case), replace(DRAWN, top_k=40, top_p=0.8)
    answers = case.engine.complete(prompts, truncated)
    assert case.engine.incomplete_masks == 0
    off = differences(case.model, case.encoder, prompts, answers, DRAWN.temperature)
    assert float(off.abs().max()) < EQUAL
    bare = [[replace(c, sampling_mask=()) for c in answer] for answer in answers]
    off = differences(case.model, case.encoder, prompts, bare, DRAWN.temperature)
    assert float(off.exp().mean()) < 0.9, "the mass that was kept"


@pytest.mark.moves_weights
def test_new_weights_are_used_at_once_and_caches_of_old_ones_are_emptied(case) -> None:
    prompts, new = _prompts(case), case.other()
    case.engine.complete(prompts, DRAWN)  # pictures and prompts are in its caches now
    for _ in range(2):  # there and back and there again
        case.engine.sync_weights(new.state_dict().items())
        answers = case.engine.complete(prompts, DRAWN)
        assert float(differences(new, case.encoder, prompts, answers, 0.8).abs().max()) < EQUAL
        assert float(differences(case.model, case.encoder, prompts, answers, 0.8).abs().max()) > 1
        case.engine.sync_weights(case.model.state_dict().items())
        answers = case.engine.complete(prompts, DRAWN)
        assert float(differences(case.model, case.encoder, prompts, answers, 0.8).abs().max()) < EQUAL


@pytest.mark.moves_weights
def test_an_output_layer_that_is_tied_to_the_embeddings_follows_them(case) -> None:
    if "tied" not in case.kind:
        pytest.skip("has an output layer of its own")
    prompts, new = _prompts(case), case.other()
    case.engine.sync_weights((name, w) for name, w in new.state_dict().items() if name != "lm_head.weight")
    answers = case.engine.complete(prompts, DRAWN)
    assert float(differences(new, case.encoder, prompts, answers, 0.8).abs().max()) < EQUAL


@pytest.mark.moves_weights
def test_media_tokens_are_never_sampled_and_the_end_of_a_turn_ends_an_answer(case) -> None:
    loud = case.other()
    media, eos = case.encoder.media_token_ids, case.encoder.eos_token_id
    with torch.no_grad():
        loud.lm_head.weight[media] *= 50
        loud.lm_head.weight[eos] *= 5
    prompts = _prompts(case)
    with torch.inference_mode():
        chosen = LocalEngine(loud, case.encoder).prefill(prompts).logits.argmax(-1)
    assert set(chosen.tolist()) & set(media), "the model would sample them"
    case.engine.sync_weights(loud.state_dict().items())
    answers = [c for answer in case.engine.complete(prompts, DRAWN) for c in answer]
    assert not {token for c in answers for token in c.token_ids} & set(media)
    ended = [c for c in answers if c.stop == "stop"]
    assert 0 < len(ended) < len(answers)
    assert all(c.token_ids[-1] == eos and eos not in c.token_ids[:-1] for c in ended)
    assert all(len(c.token_ids) == 12 and eos not in c.token_ids for c in answers if c.stop == "length")


def test_a_prompt_that_vllm_reads_otherwise_is_refused(case) -> None:
    (prompt,) = _prompts(case, "one picture")
    prompt.ids = [*prompt.ids[:5], *prompt.ids[4:]]
    with pytest.raises(PromptMismatch, match="What is it"):
        case.engine.complete([prompt], GREEDY)


def test_clips_are_taken_where_their_frames_have_no_times_and_refused_elsewhere(case, tmp_path) -> None:
    clip = models.clip(tmp_path / "clip.mp4")
    questions = [models.question(clip, "What?"), models.question(models.picture(9), clip, "What now?")]
    prompts = case.encoder.prompts(questions)
    if case.kind == "qwen2_5_vl":
        with pytest.raises(InputError, match="rollout_backend=local"):
            case.engine.complete(prompts, DRAWN)
        return
    answers = case.engine.complete(prompts, DRAWN)
    assert float(differences(case.model, case.encoder, prompts, answers, 0.8).abs().max()) < EQUAL


def test_more_prompts_than_fit_into_one_pass_are_answered(case) -> None:
    questions = [models.question(models.picture(4, 333, 217), f"What is it? {i}") for i in range(80)]
    prompts = case.encoder.prompts(questions)
    sampling = Sampling(n=8, max_tokens=2)
    assert len(prompts) * sampling.n * len(prompts[0].ids) > CPU_BATCHED_TOKENS
    answers = case.engine.complete(prompts, sampling)
    assert float(differences(case.model, case.encoder, prompts[-2:], answers[-2:]).abs().max()) < EQUAL


def test_no_prompts_give_no_completions(case) -> None:
    assert case.engine.complete([], DRAWN) == []
