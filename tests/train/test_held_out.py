"""Held-out questions, answered on the way: the curve is that of the checkpoints, and nothing else changes."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForImageTextToText

from seethink.attempt import attempt
from seethink.engines.local import LocalEngine
from seethink.formats import ANSWER_ONLY
from seethink.report.curves import training_curves
from seethink.sources.handwritten import Pages
from seethink.tasks import GoldTraces
from seethink.train.configs import GRPOConfig, SFTConfig
from seethink.train.grpo import grpo
from seethink.train.held_out import HeldOut
from seethink.train.sft import sft
from seethink.train.signals import Signals
from seethink.types import Example, InputError, Response, Sampling, Score, Task
from tests import tiny
from tests.cli.test_app import call, write

SHORT = Sampling(temperature=0.0, max_tokens=4)


def varied(example: Example, response: Response) -> Score:
    """A score that other tokens change."""
    return Score(sum(response.token_ids) % 101 / 100)


PAGES = list(Pages(9, "train"))
LESSONS = GoldTraces(Task("pages", PAGES[:4], ANSWER_ONLY, varied))
HELD_OUT = HeldOut(Task("held out", PAGES[4:], ANSWER_ONLY, varied), SHORT)
CONFIG = SFTConfig.of(train_batch_size=2, max_steps=5, save_steps=2, learning_rate=1e-2)


def _rows(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]


def _evaluated(out: Path) -> dict[int, dict[str, Any]]:
    """{step: the held-out columns}"""
    found = {row["step"]: {k: v for k, v in row.items() if k.startswith("eval_")} for row in _rows(out)}
    return {step: columns for step, columns in found.items() if columns}


def _weights(out: Path) -> dict[str, torch.Tensor]:
    return dict(AutoModelForImageTextToText.from_pretrained(out / "checkpoint").state_dict())


def test_the_curve_is_that_of_the_checkpoints_survives_a_kill_and_changes_nothing_learned(tmp_path) -> None:
    base, every_2 = tiny.saved(tmp_path / "base"), CONFIG.replace(eval_steps=2)
    sft(base, LESSONS, CONFIG, tmp_path / "plain")
    sft(base, LESSONS, every_2, tmp_path / "asked", held_out=HELD_OUT)
    found = _evaluated(tmp_path / "asked")
    assert [*found] == [2, 4, 5], "and after the last step"
    assert len({columns["eval_correct"] for columns in found.values()}) > 1, "the model changes"
    for name, weight in _weights(tmp_path / "plain").items():
        assert torch.equal(_weights(tmp_path / "asked")[name], weight), name

    engine = LocalEngine.load(str(tmp_path / "asked" / "checkpoint"))
    answers = [one for (one,) in attempt(engine, HELD_OUT.task, PAGES[4:], SHORT)]
    assert found[5] == {
        "eval_correct": pytest.approx(sum(one.score.value or 0.0 for one in answers) / 5),
        "eval_judged": 5,
        "eval_unjudged": 0,
        "eval_mean_length": sum(one.response.n_tokens for one in answers) / 5,
        "eval_clipped_ratio": sum(one.response.stop == "length" for one in answers) / 5,
    }

    def killed(row: dict[str, Any]) -> None:
        if row["step"] == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sft(base, LESSONS, every_2, tmp_path / "killed", killed, held_out=HELD_OUT)
    sft(base, LESSONS, every_2, tmp_path / "killed", held_out=HELD_OUT)
    assert _evaluated(tmp_path / "killed") == found


def test_a_training_that_ends_early_is_asked_at_its_last_step(tmp_path, monkeypatch) -> None:
    base, config = tiny.saved(tmp_path / "base"), CONFIG.replace(eval_steps=2, stop_when="diverging")
    monkeypatch.setattr(
        Signals, "__call__", lambda _, row: {"diverging": "it does"} if row["step"] == 3 else {}
    )
    sft(base, LESSONS, config, tmp_path / "asked", held_out=HELD_OUT)
    assert [*_evaluated(tmp_path / "asked")] == [2, 3] and len(_rows(tmp_path / "asked")) == 3


def test_further_tasks_have_columns_and_curves_of_their_own(tmp_path) -> None:
    """Those of one task are the same, whatever is asked beside it."""
    base, config = tiny.saved(tmp_path / "base"), CONFIG.replace(eval_steps=5, max_steps=5)
    shifted = replace(HELD_OUT.task, name="shifted", examples=PAGES[6:])
    sft(base, LESSONS, config, tmp_path / "both", held_out=replace(HELD_OUT, others=(shifted,)))
    sft(base, LESSONS, config, tmp_path / "shifted", held_out=HeldOut(shifted, SHORT))
    both, alone = (_evaluated(tmp_path / name)[5] for name in ("both", "shifted"))
    names = [name for name in both if "/" not in name]
    assert [*both] == [*names, *(f"{name}/shifted" for name in names)] and len(names) == 5
    assert {name: both[f"{name}/shifted"] for name in names} == alone
    with pytest.raises(ValueError, match=r"\['shifted', 'shifted'\] must differ"):
        HeldOut(HELD_OUT.task, others=(shifted, shifted))
    (curves,) = training_curves({"sft": tmp_path / "both" / "metrics.jsonl"})
    assert [panel.title for panel in curves.panels][:2] == ["Held-out accuracy", "Held-out accuracy: shifted"]


@pytest.mark.parametrize("beta", [0.0, 0.1])
def test_held_out_accuracy_is_drawn_and_kl_where_there_is_a_reference(tmp_path, beta) -> None:
    sizes: dict[str, Any] = dict(prompts_per_step=1, num_generations=2, max_completion_length=3, max_steps=2)
    config = GRPOConfig.of(**sizes, beta=beta, eval_steps=1)
    grpo(tiny.saved(tmp_path / "base"), LESSONS.task, config, tmp_path / "out", held_out=HELD_OUT)
    (curves,) = training_curves({"grpo": tmp_path / "out" / "metrics.jsonl"}, untrained=0.25)
    panels = {panel.title: panel for panel in curves.panels}
    assert ("KL divergence" in panels) is (beta > 0)
    held_out = panels["Held-out accuracy"]
    assert held_out.steps == (0, 2) and held_out.curves[0].first == "25.0\xa0%"
    assert held_out.curves[0].raw == held_out.curves[0].smooth, "each point is a whole evaluation"
    assert held_out.curves[0].raw.count(",") == 3


def test_steps_without_questions_are_refused_before_the_first_one(tmp_path) -> None:
    base = tiny.saved(tmp_path / "base")
    with pytest.raises(InputError, match="eval_steps=2 asks held-out questions, and there are none; give --"):
        sft(base, LESSONS, CONFIG.replace(eval_steps=2), tmp_path / "out")
    assert not (tmp_path / "out" / "metrics.jsonl").exists()


def test_a_bad_training_row_is_said_before_anything_is_evaluated(tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    base = tiny.saved(tmp_path / "base")
    write("rows.jsonl", {"question": "1 + 1?", "answer": "2"}, {"question": "<|im_end|>?", "answer": "3"})
    write("test.jsonl", {"question": "1 + 2?", "answer": "3"})
    for method in ("sft", "grpo"):
        words = ("train", method, "--model", base, "--data", "rows.jsonl", "--test", "test.jsonl")
        code, _, err = call(capsys, *words, "--out", method, "max_steps=1")
        assert code == 2 and "rows.jsonl, row 2" in err and "<|im_end|>" in err
        assert not Path(method, "test").exists() and not Path(method, method).exists()


def test_the_command_asks_on_the_way_what_it_asks_before_and_after(tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    base = tiny.saved(tmp_path / "base")
    write("rows.jsonl", *({"question": f"{i} + 1?", "answer": str(i + 1)} for i in range(3)))
    write("test.jsonl", *({"question": f"{i} + 2?", "answer": str(i + 2)} for i in range(3)))
    scores = "from seethink.types import Score\n\n\ndef varied(example, response):\n    "
    scores += "return Score(sum(map(ord, response.text)) % 101 / 100)\n"
    Path("mine.py").write_text(scores, encoding="utf-8")
    words = ("train", "grpo", "--model", base, "--data", "rows.jsonl", "--test", "test.jsonl")
    words += ("--verifier", "./mine.py:varied")
    sizes = ("prompts_per_step=2", "num_generations=2", "max_completion_length=3", "max_steps=2", "beta=0.1")
    code, _, err = call(capsys, *words, "--out", "own", *sizes, "eval_steps=1", "test.max_tokens=3")
    assert code == 0, err
    answered = Path("own", "test", "after-grpo", "attempts.jsonl").read_text(encoding="utf-8").splitlines()
    after = [json.loads(line) for line in answered]
    found = _evaluated(Path("own", "grpo"))
    assert [*found] == [1, 2]
    assert found[2]["eval_correct"] == pytest.approx(sum(row["correct"] for row in after) / 3)
    assert found[2]["eval_mean_length"] == sum(row["n_tokens"] for row in after) / 3
    page = Path("own", "report.html").read_text(encoding="utf-8")
    assert "Held-out accuracy" in page and "KL divergence" in page
    start = page[page.index("<b>Held-out accuracy</b>") :]
    assert "<span>0</span> <span>step</span> <span>2</span>" in start, (
        "the model before training is its first point"
    )
