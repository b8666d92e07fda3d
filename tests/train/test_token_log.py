"""tokens.jsonl: what an update computed of each token of a rollout, beside the rollout."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from statistics import fmean

import pytest
from safetensors.torch import load_file

from seethink.cli.attempt_files import attempts_of
from seethink.evaluate.token_rows import ENTROPY, RATIO
from seethink.models.packing import pack_groups
from seethink.train import grpo as module
from seethink.train.grpo import grpo
from seethink.train.token_log import TokenLog
from tests import tiny
from tests.train.metric_rows import jsonl
from tests.train.test_grpo import SHORT, SPREAD, _formed, _method, _run, _task, sometimes

LOGGED = SHORT.replace(max_steps=4, num_iterations=2, save_steps=2, log_tokens=True)


@pytest.fixture(scope="module")
def logged(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("logged") / "out"
    _run(out, LOGGED, _task(sometimes))
    return out


def test_every_learned_completion_has_its_tokens_at_every_update(logged: Path) -> None:
    attempts, rows = jsonl(logged / "attempts.jsonl"), jsonl(logged / "tokens.jsonl")
    assert [row["step"] for row in rows] == sorted(row["step"] for row in rows)
    assert {(row["step"], row["sampled_at"]) for row in rows} <= {(1, 1), (2, 1), (3, 3), (4, 3)}
    by_group = defaultdict(list)
    for attempt in attempts:
        by_group[attempt["step"], attempt["id"]].append(attempt)
    for row in rows:
        attempt = by_group[row["sampled_at"], row["id"]][row["rollout"]]
        assert attempt["value"] is not None, "what cannot be judged is not learned"
        assert len(row["text"]) == len(row[RATIO]) == len(row[ENTROPY]) == attempt["n_tokens"]
        assert "".join(row["text"]).startswith(attempt["text"])
        assert all(value >= 0 for value in row[ENTROPY])


def test_the_first_update_has_the_weights_that_sampled_and_the_second_has_moved(logged: Path) -> None:
    rows = jsonl(logged / "tokens.jsonl")
    first, second = ([abs(x) for row in rows if row["step"] == step for x in row[RATIO]] for step in (1, 2))
    assert max(first) < 0.01, "sampling and training compute the same up to rounding"
    assert max(second) > 0.1


def test_their_mean_entropy_is_that_of_the_curve(logged: Path) -> None:
    curve = {row["step"]: row["entropy"] for row in jsonl(logged / "metrics.jsonl")}
    by_step = defaultdict(list)
    for row in jsonl(logged / "tokens.jsonl"):
        by_step[row["step"]] += row[ENTROPY]
    assert by_step.keys() == curve.keys()
    for step, values in by_step.items():
        assert fmean(values) == pytest.approx(curve[step], abs=1e-4)


def test_look_is_given_the_last_update_on_each_completion(logged: Path) -> None:
    shown = attempts_of([logged])
    with_tokens = [row for row in shown if "tokens" in row]
    last = {(r["sampled_at"], r["id"], r["rollout"]): r for r in jsonl(logged / "tokens.jsonl")}
    assert len(with_tokens) == len(last) < len(shown)
    assert {tuple(row["tokens"][RATIO]) for row in with_tokens} == {tuple(r[RATIO]) for r in last.values()}
    assert all(row["tokens"].keys() == {"text", RATIO, ENTROPY} for row in with_tokens)


def test_an_update_that_is_begun_again_has_its_tokens_once(tmp_path) -> None:
    method = _method(tiny.qwen2_vl())
    method.tokens = TokenLog(tmp_path / "tokens.jsonl")
    groups, _ = _formed(SPREAD)
    for _ in range(2):
        method.begin_update()
        for pack in pack_groups(groups, 200):
            method.loss(method.policy, pack)
    assert len(method.tokens.rows) == sum(len(group.branches) for group in groups)


def test_an_example_that_is_asked_twice_in_a_step_keeps_its_completions_apart(tmp_path) -> None:
    task = replace(_task(), examples=[_task().examples[0]])
    grpo(tiny.saved(tmp_path / "base"), task, LOGGED.replace(max_steps=2), tmp_path / "out")
    shown = attempts_of([tmp_path / "out"])
    assert len(shown) == 24 and {row["id"] for row in shown} == {task.examples[0].id}
    rows = [row for row in jsonl(tmp_path / "out" / "tokens.jsonl") if row["step"] == 1]
    assert [row["rollout"] for row in rows] == [*range(24)]
    said = [tuple(row["text"]) for row in rows]
    assert all(said[:6] != said[first : first + 6] for first in (6, 12, 18)), "with other random numbers"
    for row in shown:
        text, whole = "".join(row["tokens"]["text"]), row["text"]  # half a character is no text by itself
        assert text.replace("\ufffd", "").startswith(whole.replace("\ufffd", ""))


def test_a_killed_training_has_no_row_twice_and_logging_alters_no_weight(
    logged: Path, tmp_path, monkeypatch
) -> None:
    base, out = tiny.saved(tmp_path / "base"), tmp_path / "out"
    plain = module.GRPOMethod.metrics

    def killed(method):
        found = plain(method)
        if method.tokens.step == 4:
            raise KeyboardInterrupt
        return found

    with monkeypatch.context() as patch:
        patch.setattr(module.GRPOMethod, "metrics", killed)
        with pytest.raises(KeyboardInterrupt):
            grpo(base, _task(sometimes), LOGGED, out)
    assert jsonl(out / "tokens.jsonl")[-1]["step"] == 4
    grpo(base, _task(sometimes), LOGGED.replace(log_tokens=True), out)
    assert jsonl(out / "tokens.jsonl") == jsonl(logged / "tokens.jsonl")
    silent = tmp_path / "silent"
    grpo(base, _task(sometimes), LOGGED.replace(log_tokens=False), silent)
    assert not (silent / "tokens.jsonl").exists()
    ours, theirs = (load_file(folder / "checkpoint" / "model.safetensors") for folder in (out, silent))
    assert all(ours[name].equal(theirs[name]) for name in ours)
