"""`sft`, `dpo` and `grpo` from Python: other settings are refused, more steps go on, progress is shown."""

from __future__ import annotations

import io
import json
import logging
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from safetensors.torch import load_file

from seethink.formats import ANSWER_ONLY, THINK_ANSWER
from seethink.sources.handwritten import Pages
from seethink.tasks import GoldTraces
from seethink.train import guard
from seethink.train.configs import DPOConfig, GRPOConfig, SFTConfig
from seethink.train.dpo import dpo
from seethink.train.grpo import grpo
from seethink.train.sft import sft
from seethink.types import Example, InputError, PreferencePair, Response, Score, SFTExample, Task
from tests import tiny
from tests.fakes import model_folder

ROOT = Path(__file__).parents[2]
PAGES = list(Pages(4, "train", seed=2))
LESSONS = [SFTExample(page, ANSWER_ONLY, ANSWER_ONLY.write("", page.answer or "")) for page in PAGES]
PAIRS = [PreferencePair(page, ANSWER_ONLY, "<answer>1</answer>", "I do not know.") for page in PAGES]
QUICK: dict[str, Any] = dict(train_batch_size=4, max_steps=2, learning_rate=1e-3)


def letters(example: Example, response: Response) -> Score:
    return Score(round(len(set(response.text)) / (1 + len(response.text)), 2))


TASK = Task("letters", PAGES, ANSWER_ONLY, letters)
SHORT = GRPOConfig.of(
    prompts_per_step=2, num_generations=3, max_steps=2, max_completion_length=4, learning_rate=1e-3
)


@pytest.fixture(scope="module")
def base(tmp_path_factory) -> str:
    return tiny.saved(tmp_path_factory.mktemp("model") / "base")


@pytest.fixture(scope="module")
def trained(tmp_path_factory, base) -> dict[str, Path]:
    """A finished training of each method."""
    folder = tmp_path_factory.mktemp("trained")
    sft(base, LESSONS, SFTConfig.of(**QUICK), folder / "sft")
    dpo(base, PAIRS, DPOConfig.of(**QUICK), folder / "dpo")
    grpo(base, TASK, SHORT, folder / "grpo")
    return {name: folder / name for name in ("sft", "dpo", "grpo")}


def again(method: str, base: str, out: Path, data: Any = None, **settings: Any) -> Path:
    if method == "sft":
        return sft(base, data or LESSONS, SFTConfig.of(**QUICK | settings), out)
    if method == "dpo":
        return dpo(base, data or PAIRS, DPOConfig.of(**QUICK | settings), out)
    return grpo(base, data or TASK, SHORT.replace(**settings), out)


OTHER: Sequence[tuple[str, Any]] = [("sft", LESSONS[:3]), ("dpo", PAIRS[:3])]
OTHER = [*OTHER, ("grpo", replace(TASK, examples=PAGES[:3])), ("grpo", replace(TASK, headline="format"))]


@pytest.mark.parametrize("method", ["sft", "dpo", "grpo"])
def test_the_same_call_returns_the_checkpoint_and_another_never_does(trained, base, method) -> None:
    out = trained[method]
    written = (out / "checkpoint" / "model.safetensors").stat().st_mtime_ns
    assert again(method, base, out, save_steps=9) == out / "checkpoint"
    with pytest.raises(InputError, match=r"other settings or data \(learning_rate 0.001 -> 0.002\); choose"):
        again(method, base, out, learning_rate=2e-3)
    with pytest.raises(InputError, match=r"max_steps 2 -> 1"):
        again(method, base, out, max_steps=1)
    assert (out / "checkpoint" / "model.safetensors").stat().st_mtime_ns == written


@pytest.mark.parametrize(("method", "data"), OTHER)
def test_other_data_are_refused(trained, base, method, data) -> None:
    with pytest.raises(InputError, match="other settings or data"):
        again(method, base, trained[method], data)


def test_another_model_and_another_method_are_refused(trained, base, tmp_path) -> None:
    other = tiny.saved(tmp_path / "other")
    with pytest.raises(InputError, match="the model"):
        again("sft", other, trained["sft"])
    with pytest.raises(InputError, match="the method"):
        again("dpo", base, trained["sft"])


def test_another_verifier_is_refused_and_a_lambda_is_known_by_its_name(trained, base, tmp_path) -> None:
    nameless = replace(TASK, verifier=lambda example, response: letters(example, response))
    with pytest.raises(InputError, match="the verifier"):
        grpo(base, nameless, SHORT, trained["grpo"])
    assert grpo(base, nameless, SHORT.replace(max_steps=1), tmp_path / "out").is_dir()
    record = json.loads((tmp_path / "out" / "training.json").read_text(encoding="utf-8"))
    assert "<lambda>" in record["inputs"]["task"]["verifier"]


def test_a_stage_of_a_run_is_guarded_by_its_own_record(trained, base, tmp_path) -> None:
    shutil.copytree(trained["sft"], tmp_path / "sft")
    (tmp_path / "sft" / "training.json").rename(tmp_path / "sft" / "stage.json")
    assert again("sft", base, tmp_path / "sft") == tmp_path / "sft" / "checkpoint"
    with pytest.raises(InputError, match="seed 0 -> 1"):
        again("sft", base, tmp_path / "sft", seed=1)
    assert not (tmp_path / "sft" / "training.json").exists()


def test_a_checkpoint_without_a_record_is_nobodys(base, tmp_path) -> None:
    model_folder(tmp_path / "checkpoint")
    with pytest.raises(InputError, match="without a record of its settings"):
        again("sft", base, tmp_path)


def test_what_learned_nothing_holds_nobody_back(base, tmp_path) -> None:
    wrong = [replace(LESSONS[0], text="<|im_end|>")]
    with pytest.raises(InputError, match="control token"):
        sft(base, wrong, SFTConfig.of(**QUICK), tmp_path / "out")
    assert again("sft", base, tmp_path / "out").is_dir()


def test_what_a_reference_said_is_kept_for_the_same_training_alone(tmp_path) -> None:
    """It was computed before a first step that was never saved."""
    models = [str(model_folder(tmp_path / name)) for name in ("a", "b")]
    Path(models[1], "config.json").write_text('{"other": true}', encoding="utf-8")
    out = tmp_path / "out"
    kept = out / guard.REFERENCE / "0.safetensors"

    def begin(model: str, pairs: Sequence[PreferencePair] = PAIRS, main: bool = True) -> bool:
        """Whether what was there is there still."""
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.touch()
        guard._begin("dpo", model, pairs, DPOConfig.of(**QUICK), out, main)
        return kept.exists()

    assert not begin(models[0]), "nothing says of which training it is"
    assert begin(models[0])
    assert begin(models[1], main=False), "the first process alone removes anything"
    assert not begin(models[1]) and begin(models[1])
    assert not begin(models[1], PAIRS[:3])


@pytest.mark.parametrize("method", ["sft", "grpo"])
def test_more_steps_give_the_training_that_was_never_stopped(base, tmp_path, method) -> None:
    steady: dict[str, Any] = {"lr_scheduler_type": "constant", "warmup_ratio": 0.0}
    again(method, base, tmp_path / "longer", **steady)
    again(method, base, tmp_path / "longer", **steady, max_steps=4)
    again(method, base, tmp_path / "whole", **steady, max_steps=4)
    found = [load_file(tmp_path / name / "checkpoint/model.safetensors") for name in ("longer", "whole")]
    assert all(bool((found[0][name] == value).all()) for name, value in found[1].items())
    assert (tmp_path / "longer" / "checkpoint-2").is_dir()
    if method == "grpo":
        logs = [(tmp_path / name / "attempts.jsonl").read_bytes() for name in ("longer", "whole")]
        assert logs[0] == logs[1]


# Progress -----------------------------------------------------------------------------------------------


def test_a_bar_on_a_terminal_says_where_it_goes_on(base, trained, tmp_path, monkeypatch) -> None:
    shutil.copytree(trained["sft"], tmp_path / "sft")
    screen = io.StringIO()
    monkeypatch.setattr(
        guard, "Console", lambda stderr: Console(file=screen, force_terminal=stderr, width=100)
    )
    again("sft", base, tmp_path / "sft", max_steps=3)
    assert "sft: continues from step 2, max_steps 2 -> 3; the learning rate follows" in screen.getvalue()
    assert "3/3" in screen.getvalue() and "loss" in screen.getvalue()


def test_a_pipe_gets_nothing_and_who_watches_gets_the_rows(base, tmp_path) -> None:
    code = (
        "from tests.train.test_guard import *; from transformers.utils import logging as l; "
        "l.disable_progress_bar(); l.set_verbosity_error(); "
        f"again('sft', {base!r}, Path({str(tmp_path / 'out')!r}))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "") and "sft" not in done.stderr
    rows: list[dict[str, Any]] = []
    sft(base, LESSONS, SFTConfig.of(**QUICK), tmp_path / "watched", rows.append)
    assert [row["step"] for row in rows if "loss" in row] == [1, 2]


def test_what_a_training_has_to_say_is_a_warning(base, tmp_path, caplog) -> None:
    lessons = GoldTraces(Task("letters", [replace(PAGES[0], steps=())], THINK_ANSWER, letters))
    with caplog.at_level(logging.WARNING):
        sft(base, lessons, SFTConfig.of(train_batch_size=1, max_steps=1), tmp_path / "out")
    assert "sft: 1 of 1 examples have no steps" in caplog.text


def test_another_save_steps_continues_without_a_warning(base, tmp_path, caplog) -> None:
    def stop(row: dict[str, Any]) -> None:
        if row["step"] == 2 and "loss" in row:
            raise KeyboardInterrupt

    settings: dict[str, Any] = QUICK | {"max_steps": 3}
    with pytest.raises(KeyboardInterrupt):
        sft(base, LESSONS, SFTConfig.of(**settings, save_steps=1), tmp_path / "out", stop)
    rows: list[dict[str, Any]] = []
    with caplog.at_level(logging.WARNING, logger="transformers"):
        logging.getLogger("transformers").propagate = True
        sft(base, LESSONS, SFTConfig.of(**settings, save_steps=2), tmp_path / "out", rows.append)
    assert [row["step"] for row in rows if "loss" in row] == [2, 3]
    assert "do not match" not in caplog.text
