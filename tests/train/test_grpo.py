"""Reinforcement: what is paid rises, what cannot be judged takes no part, and a killed run loses nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from seethink import verify
from seethink.formats import ANSWER_ONLY, PREFILLED_THINK
from seethink.models import vision_cache
from seethink.models.packing import Group, pack_groups
from seethink.models.policy import PolicyModel
from seethink.sources.handwritten import Pages
from seethink.train import grpo as module
from seethink.train import objectives
from seethink.train.configs import GRPOConfig
from seethink.train.grpo import GRPOMethod, form_groups, grpo
from seethink.train.grpo_metrics import RolloutStatistics
from seethink.types import Example, Response, Rollout, Score, Task
from tests import tiny
from tests.train.metric_rows import assert_like
from tests.train.metric_rows import jsonl as _jsonl

ROOT = Path(__file__).parents[2]
PAGES = Pages(4, "train", seed=2)
SHORT = GRPOConfig.of(
    learning_rate=3e-3, prompts_per_step=4, num_generations=6, max_steps=2, max_completion_length=6
)


def letter(example: Example, response: Response) -> Score:
    """The share of letters that are an e: what a model that knows nothing can climb."""
    letters = [c for c in response.text.lower() if c.isalpha()]
    return Score(letters.count("e") / len(letters) if letters else 0.0)


def sometimes(example: Example, response: Response) -> Score:
    """Cannot judge texts without an e."""
    return letter(example, response) if "e" in response.text else Score(None, "no e")


def never(example: Example, response: Response) -> Score:
    """Can judge any answer in the format, without which the training would be refused, and no completion."""
    if response.answer is None:
        return Score(None, "cannot judge")
    return Score(float(response.answer == example.answer))


def has_e(example: Example, response: Response) -> Score:
    return Score(float("e" in response.text))


def _task(verifier=letter, form=ANSWER_ONLY) -> Task:
    return Task("letters", PAGES, form, verifier)


def _run(out: Path, config: GRPOConfig = SHORT, task: Task | None = None) -> list[dict]:
    """The metrics of a training of a tiny model."""
    base = tiny.saved(out.with_name(f"{out.name}-base"))
    grpo(base, task or _task(), config, out)
    return [{k: v for k, v in row.items() if k != "seconds"} for row in _jsonl(out / "metrics.jsonl")]


# Groups by hand ---------------------------------------------------------------------------------------

Values = Sequence[Sequence[float | None]]
SPREAD: Values = [[1.0, 0.0, 0.0], [0.5, 0.5, 0.5], [0.0, 1.0, 0.5, 0.25], [1.0, 1.0]]


def _rollouts(values: Values) -> list[list[Rollout]]:
    """Rewards as rollouts about the first pages; lengths differ."""
    generator = torch.Generator().manual_seed(0)

    def response(n_tokens: int) -> Response:
        ids = torch.randint(300, 2000, (n_tokens,), generator=generator).tolist()
        return Response("", token_ids=tuple(ids))

    return [
        [Rollout(page, response(3 + j + 2 * i), Score(value)) for j, value in enumerate(row)]
        for i, (page, row) in enumerate(zip(PAGES, values, strict=False))
    ]


def _formed(values: Values, loss_type: str = "grpo"):
    prompts = tiny.encoder(tiny.qwen2_vl()).prompts(
        [ANSWER_ONLY.prompt(page) for page in PAGES[: len(values)]]
    )
    statistics = RolloutStatistics(_task())
    config = SHORT.replace(loss_type=loss_type, epsilon_high=5.0)
    return form_groups(tiny.sampled(prompts, _rollouts(values)), config, statistics), statistics


def _method(model, base: str = "", **settings) -> GRPOMethod:
    return GRPOMethod(base, PolicyModel(model), tiny.encoder(model), _task(), SHORT.replace(**settings))


def _gradient(method: GRPOMethod, groups: list[Group]) -> dict[str, Tensor]:
    model = method.policy.model
    model.zero_grad()
    for pack in pack_groups(groups, 200):
        (method.loss(method.policy, pack) * pack.weights).sum().backward()
    return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


def _assert_same(a: dict[str, Tensor], b: dict[str, Tensor]) -> None:
    largest = max(float(value.abs().max()) for value in b.values())
    assert largest > 0
    for name, value in b.items():
        torch.testing.assert_close(a[name], value, atol=1e-5 * largest, rtol=1e-4)


def test_groups_without_spread_are_skipped_and_counted() -> None:
    groups, statistics = _formed(SPREAD)
    assert [group.name for group in groups] == [PAGES[0].id, PAGES[2].id]
    assert (statistics.zero_std_groups, statistics.unjudged, sum(map(len, statistics.rollouts))) == (2, 0, 12)
    gains = [[branch.advantage for branch in group.branches] for group in groups]
    assert gains == [
        objectives.advantages([1, 0, 0]).tolist(),
        objectives.advantages([0, 1, 0.5, 0.25]).tolist(),
    ]


@pytest.mark.parametrize("loss_type", ["grpo", "dapo"])
def test_skipping_leaves_the_gradient_unchanged(loss_type: str) -> None:
    groups, _ = _formed(SPREAD, loss_type)
    every, _ = _formed([[1.0, 0.0, 0.0], [0.5, 0.5, 0.4], [0.0, 1.0, 0.5, 0.25], [1.0, 0.9]], loss_type)
    for branch in [*every[1].branches, *every[3].branches]:
        branch.advantage = 0.0
    assert (len(groups), len(every)) == (2, 4)
    skipped, whole = (_gradient(_method(tiny.qwen2_vl()), some) for some in (groups, every))
    _assert_same(skipped, whole)


def test_responses_that_cannot_be_judged_take_no_part() -> None:
    groups, statistics = _formed([[1.0, 0.0, 0.5, None], [0.0, 1.0, None, None], [None, None], [None, 1.0]])
    without, _ = _formed([[1.0, 0.0, 0.5], [0.0, 1.0], [], [1.0]])
    assert (statistics.unjudged, statistics.zero_std_groups) == (6, 2)
    assert [[b.advantage for b in g.branches] for g in groups] == [
        [b.advantage for b in g.branches] for g in without
    ]
    assert [len(group.branches) for group in groups] == [3, 2]


def test_loss_types_weigh_completions_or_tokens_equally() -> None:
    values = [[1.0, 0.0], [0.0, 1.0]]
    lengths = [3, 4, 5, 6]
    for loss_type, wanted in {
        "grpo": [1 / (4 * n) for n in lengths],
        "dapo": [1 / sum(lengths)] * 4,
        "bnpo": [1 / sum(lengths)] * 4,
        "cispo": [1 / sum(lengths)] * 4,
        "dr_grpo": [1 / (4 * 6)] * 4,
    }.items():
        groups, _ = _formed(values, loss_type)
        branches = [branch for group in groups for branch in group.branches]
        assert [branch.n_trained for branch in branches] == lengths
        assert [branch.weight for branch in branches] == pytest.approx(wanted)


# Learning ---------------------------------------------------------------------------------------------


def test_what_is_paid_rises_to_a_plateau(tmp_path) -> None:
    rows = _run(tmp_path / "out", SHORT.replace(max_steps=70, num_generations=8, max_completion_length=8))
    rewards = [row["reward"] for row in rows]
    assert fmean(rewards[:5]) < 0.2
    assert fmean(rewards[-10:]) > 0.4, "where it ends depends on which token it found first"
    before, after = (
        load_file(tmp_path / name / "model.safetensors") for name in ("out-base", "out/checkpoint")
    )
    assert [name for name, value in before.items() if torch.equal(value, after[name])] == []


def test_the_same_seed_gives_the_same_run_and_another_seed_another(tmp_path) -> None:
    one, again, other = (
        _run(tmp_path / name, SHORT.replace(seed=seed)) for name, seed in zip("abc", (1, 1, 2), strict=True)
    )
    assert one == again != other
    texts = [[row["text"] for row in _jsonl(tmp_path / name / "attempts.jsonl")] for name in "abc"]
    assert texts[0] == texts[1] != texts[2]


def test_a_question_asked_again_is_answered_anew(tmp_path) -> None:
    _run(tmp_path / "out", SHORT.replace(learning_rate=1e-12))
    first, second = (
        {
            (row["id"], row["text"])
            for row in _jsonl(tmp_path / "out" / "attempts.jsonl")
            if row["step"] == step
        }
        for step in (1, 2)
    )
    assert {question for question, _ in first} == {question for question, _ in second}
    assert len(first & second) < len(first) / 4


# Counting ---------------------------------------------------------------------------------------------


def test_metrics_say_what_the_attempts_say(tmp_path) -> None:
    verifier = verify.weighted(letter=(sometimes, 1.0), any=(has_e, 0.0))
    rows, attempts = _run(tmp_path / "out", task=_task(verifier)), _jsonl(tmp_path / "out" / "attempts.jsonl")
    assert [row["step"] for row in rows] == [1, 2]
    for row in rows:
        mine = [attempt for attempt in attempts if attempt["step"] == row["step"]]
        judged = [attempt["value"] for attempt in mine if attempt["value"] is not None]
        assert len(mine) == 4 * 6
        assert 0 < row["unjudged"] == len(mine) - len(judged)
        assert row["reward"] == row["rewards/letter/mean"] == pytest.approx(fmean(judged))
        assert row["rewards/any/mean"] == 1.0, "of the answers that could be judged"
        assert row["completions/clipped_ratio"] == pytest.approx(
            fmean(attempt["stop"] == "length" for attempt in mine)
        )
        assert row["completions/mean_length"] == pytest.approx(fmean(attempt["n_tokens"] for attempt in mine))
        assert row["kl"] is None
        assert row["clip_ratio"] == 0.0


def test_truncated_answers_are_counted(tmp_path) -> None:
    eos = tiny.processor().tokenizer.eos_token_id
    model = tiny.qwen2_vl()
    method = _method(model)
    model.lm_head.bias = torch.nn.Parameter(torch.zeros(2048).index_fill(0, torch.tensor([eos]), -1e4))
    method.groups(0)
    assert method.metrics()["completions/clipped_ratio"] == 1.0
    model.lm_head.bias = torch.nn.Parameter(torch.zeros(2048).index_fill(0, torch.tensor([eos]), 5.0))
    method.groups(1)
    stops = [rollout.response.stop for group in method.statistics.rollouts for rollout in group]
    assert method.metrics()["completions/clipped_ratio"] == stops.count("length") / 24
    assert 0 < stops.count("length") < 24


def test_where_nothing_can_be_judged_there_is_no_reward_and_nothing_is_learned(tmp_path) -> None:
    rows = _run(tmp_path / "out", task=_task(never))
    assert [(row["reward"], row["unjudged"], row["frac_reward_zero_std"], row["loss"]) for row in rows] == [
        (None, 24, 1.0, 0.0)
    ] * 2
    before, after = (
        load_file(tmp_path / name / "model.safetensors") for name in ("out-base", "out/checkpoint")
    )
    assert all(torch.equal(value, after[name]) for name, value in before.items())


def test_parts_that_only_some_scores_have_are_averaged_over_those(tmp_path) -> None:
    task = _task(verify.only_if(has_e, verify.weighted(letter=(letter, 1.0))))
    rows, attempts = _run(tmp_path / "out", task=task), _jsonl(tmp_path / "out" / "attempts.jsonl")
    paid = [attempt["value"] for attempt in attempts if attempt["step"] == 1 and attempt["parts"]]
    assert 0 < len(paid) < 24
    assert rows[0]["rewards/letter/mean"] == pytest.approx(fmean(paid))


def test_every_attempt_is_written_once_under_the_step_it_first_feeds(tmp_path) -> None:
    _run(
        tmp_path / "out",
        SHORT.replace(max_steps=4, num_iterations=2, save_steps=2),
        _task(form=PREFILLED_THINK),
    )
    attempts = _jsonl(tmp_path / "out" / "attempts.jsonl")
    assert [attempt["step"] for attempt in attempts] == [1] * 24 + [3] * 24
    assert all(attempt["text"].startswith("<think>") and attempt["n_tokens"] <= 6 for attempt in attempts)
    assert {attempt["id"] for attempt in attempts[:24]} == {page.id for page in PAGES}
    pictures = {picture for attempt in attempts for picture in attempt["media"]}
    assert len(pictures) == 4
    assert all((tmp_path / "out" / picture).is_file() for picture in pictures)


# More than one update ---------------------------------------------------------------------------------


def test_a_second_update_measures_against_the_policy_that_sampled(tmp_path, monkeypatch) -> None:
    seen: list[tuple[Tensor, Tensor]] = []
    plain = objectives.clipped_policy_gradient

    def spy(logps: Tensor, old: Tensor, *rest):
        seen.append((logps.detach().clone(), old.clone()))
        return plain(logps, old, *rest)

    monkeypatch.setattr(objectives, "clipped_policy_gradient", spy)
    rows = _run(tmp_path / "out", SHORT.replace(max_steps=4, num_iterations=2, save_steps=2))
    assert len(rows) == len(seen) == 4
    for (now, old), (later, still) in zip(seen[::2], seen[1::2], strict=True):
        assert torch.equal(now, old)
        assert torch.equal(old, still)
        assert not torch.allclose(later, still)
    assert [row["clip_ratio"] == 0.0 for row in rows] == [True, False, True, False]
    assert rows[0]["reward"] == rows[1]["reward"] != rows[2]["reward"]
    later, still = seen[1]
    assert 0 < rows[1]["clip_ratio"] <= float(((later - still).exp() - 1).abs().gt(0.2).float().mean())


# KL ---------------------------------------------------------------------------------------------------


def test_without_kl_no_reference_is_loaded(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(module.ReferenceModel, "__call__", lambda *_: pytest.fail("a reference was asked"))
    assert [row["kl"] for row in _run(tmp_path / "out")] == [None, None]


def test_kl_is_zero_at_first_and_positive_after(tmp_path) -> None:
    rows = _run(tmp_path / "out", SHORT.replace(max_steps=3, beta=0.05))
    assert rows[0]["kl"] == pytest.approx(0, abs=1e-9)
    assert all(row["kl"] > 1e-6 for row in rows[1:])


def test_a_heavy_kl_keeps_the_policy_near_its_start(tmp_path) -> None:
    free, held = (_run(tmp_path / name, SHORT.replace(max_steps=8, beta=weight))[-1]["kl"]
                  for name, weight in (("free", 1e-6), ("held", 5.0)))  # fmt: skip
    assert held < 0.5 * free


def test_the_gradient_of_kl_leads_back_to_the_reference(tmp_path) -> None:
    base, model = tiny.saved(tmp_path / "base"), tiny.qwen2_vl()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.03 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(0)))
    method = _method(model, base, beta=1.0)
    groups, _ = _formed(SPREAD)
    for group in groups:
        for branch in group.branches:
            branch.advantage = 0.0
    distances = []
    for _ in range(4):
        method.begin_update()
        gradient = _gradient(method, groups)
        distances.append(method.metrics()["kl"] or 0.0)
        size = sum(float(value.square().sum()) for value in gradient.values())
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                parameter.sub_(gradient.get(name, torch.zeros(())), alpha=0.1 * distances[-1] / size)
    assert distances[0] > 0.01
    assert distances == sorted(distances, reverse=True)


# Killed -----------------------------------------------------------------------------------------------


def train(base: str, out: str, kill_at: int | None = None) -> Path:
    """A short training; with `kill_at`, the process ends at that step as under `kill -9`."""

    def watch(row: dict) -> None:
        if row["step"] == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    config = SHORT.replace(
        max_steps=8,
        pass_rate_range=(0.03, 1.0),
        num_iterations=2,
        save_steps=2,
        beta=0.1,
        lr_scheduler_type="linear",
    )
    return grpo(base, _task(), config, Path(out), on_step=watch)


def test_a_killed_training_ends_as_an_undisturbed_one(tmp_path) -> None:
    base, cut, whole = tiny.saved(tmp_path / "base"), tmp_path / "cut", tmp_path / "whole"
    code = f"from tests.train.test_grpo import train; train({base!r}, {str(cut)!r}, kill_at=5)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == -signal.SIGKILL
    assert [path.name for path in (cut / "resume").iterdir()] == ["checkpoint-4"]
    assert [len(_jsonl(cut / name)) for name in ("metrics.jsonl", "attempts.jsonl")] == [5, 3 * 24]
    with (cut / "attempts.jsonl").open("ab") as file:
        file.write('{"step": 5, "text": "é'.encode()[:-1])
    ends = [load_file(train(base, str(out)) / "model.safetensors") for out in (cut, whole)]
    for name, value in ends[1].items():
        torch.testing.assert_close(ends[0][name], value, atol=1e-6, rtol=0)
    assert _jsonl(cut / "attempts.jsonl") == _jsonl(whole / "attempts.jsonl")
    for row, other in zip(_jsonl(cut / "metrics.jsonl"), _jsonl(whole / "metrics.jsonl"), strict=True):
        assert row.pop("seconds") > 0 < other.pop("seconds")
        assert_like(row, other, rel=1e-5, abs=1e-7)


def test_a_tower_that_stands_still_looks_once_at_each_picture(tmp_path, monkeypatch) -> None:
    """Rollout, reference and both updates share what it saw, and learn what they learn from pixels."""
    config = SHORT.replace(max_steps=4, num_iterations=2, beta=0.1, vision_learning_rate=0.0)
    frozen = config.replace(projector_learning_rate=0.0)
    looks: list[int] = []
    look = vision_cache.encode
    monkeypatch.setattr(vision_cache, "encode", lambda model, prompt: looks.append(1) or look(model, prompt))
    _run(tmp_path / "learning", config)
    assert not looks, "the projector learns"
    _run(tmp_path / "once", frozen)
    assert len(looks) == frozen.rollout_batches * frozen.rollout.prompts_per_step
    monkeypatch.setattr(vision_cache, "can_cache", lambda model, prompts: False)
    _run(tmp_path / "again", frozen)
    once, again = (load_file(tmp_path / n / "checkpoint/model.safetensors") for n in ("once", "again"))
    _assert_same(once, again)
