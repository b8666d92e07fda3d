"""Trackers get every number, the alarms as text, and completions with their pictures."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import PIL.Image
import pytest
from transformers import TrainerCallback
from transformers.integrations import integration_utils

from seethink.formats import THINK_ANSWER
from seethink.sources.handwritten import Pages
from seethink.train import trackers
from seethink.train.configs import GRPOConfig, SFTConfig
from seethink.train.grpo import grpo
from seethink.train.preflight import check_examples
from seethink.types import Example, InputError, Response, Score, Task
from seethink.verify import weighted
from tests import tiny


def varied(example: Example, response: Response) -> Score:
    return Score(sum(response.token_ids) % 101 / 100)


class Numbers(TrainerCallback):
    """As transformers' own: it is given logs."""

    logs: dict[int, dict[str, Any]]

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
        self.logs.setdefault(state.global_step, dict(logs))


class Pictures(Numbers):
    """With the classes of W&B and trackio."""

    sent: list[dict[str, Any]]

    def __init__(self) -> None:
        table = SimpleNamespace  # keeps what it is given
        self._wandb = SimpleNamespace(
            Table=table, Image=lambda path: Path(path).read_bytes(), log=self.sent.append
        )


@pytest.fixture
def fakes(monkeypatch) -> tuple[type[Numbers], type[Pictures]]:
    Numbers.logs, Pictures.logs, Pictures.sent = {}, {}, []
    for name, callback in (("mlflow", Numbers), ("wandb", Pictures)):
        monkeypatch.setitem(integration_utils.INTEGRATION_TO_CALLBACK, name, callback)
    return Numbers, Pictures


def test_trackers_get_numbers_alarms_and_completions_with_pictures(tmp_path, fakes) -> None:
    verifier = weighted(correct=(varied, 1.0))
    task = Task("pages", list(Pages(2, "train")), THINK_ANSWER, verifier)
    sizes: dict[str, Any] = dict(prompts_per_step=1, num_generations=3, max_completion_length=3, max_steps=11)
    config = GRPOConfig.of(**sizes, report_to="mlflow, wandb")
    grpo(tiny.saved(tmp_path / "base"), task, config, tmp_path / "out", media=tmp_path / "media")
    numbers, pictures = fakes
    steps = range(1, 12)
    assert [step for step in numbers.logs if "reward" in numbers.logs[step]] == [*steps]
    columns = {"loss", "grad_norm", "rewards/correct/mean", "entropy", "completions/repeated_ratio"}
    for step in steps:
        logs = numbers.logs[step]
        assert columns <= logs.keys() and all(isinstance(v, int | float | str) for v in logs.values())
    said = {step: text for step in steps if (text := numbers.logs[step].get("alarms/truncated"))}
    assert said == {10: "100 % of completions are cut off: raise max_completion_length, or punish length"}

    assert [sent["train/global_step"] for sent in pictures.sent] == [1, 11]
    table = pictures.sent[0]["completions"]
    assert table.columns == ["picture 1", "question", "gold", "said", "value", "why", "text"]
    assert len(table.data) == 3 and {row[1] for row in table.data} == {table.data[0][1]}
    assert [row[4] for row in table.data] == sorted((row[4] for row in table.data), reverse=True)
    assert all(row[0].startswith(b"\x89PNG") for row in table.data), "a cell holds one picture"


def test_tensorboard_gets_a_table_that_no_answer_breaks(tmp_path) -> None:
    texts, images = {}, {}
    writer = SimpleNamespace(
        add_text=lambda name, text, step: texts.update({(name, step): text}),
        add_image=lambda name, pixels, step, dataformats: images.update({name: (pixels.shape, dataformats)}),
    )
    picture = tmp_path / "media" / "a.png"
    picture.parent.mkdir()
    PIL.Image.new("RGB", (5, 4)).save(picture)
    row = dict.fromkeys(trackers.COLUMNS) | {
        "text": "a | b\n<script>",
        "value": 0.5,
        "media": ["media/a.png"],
    }
    trackers.TABLES["tensorboard"](SimpleNamespace(tb_writer=writer), [row], tmp_path / "grpo", 7)
    lines = texts["completions", 7].splitlines()
    assert len(lines) == 3 and {line.count("|") for line in lines} == {len(trackers.COLUMNS) + 1}
    assert "&lt;script&gt;" in lines[2] and "<script>" not in lines[2]
    assert images == {"completions/picture 1": ((4, 5, 3), "HWC")}


@pytest.mark.parametrize(
    ("name", "message"),
    [("tensorbord", "unknown tracker 'tensorbord'; did you mean tensorboard"), ("gone", "report_to=gone: ")],
)
def test_a_tracker_that_cannot_be_had_is_said_before_anything_is_loaded(
    tmp_path, monkeypatch, name, message
) -> None:
    def missing() -> None:
        raise RuntimeError("it needs gone to be installed. Run `pip install gone`.")

    monkeypatch.setitem(integration_utils.INTEGRATION_TO_CALLBACK, "gone", missing)
    config = SFTConfig.of(report_to=name)
    with pytest.raises(InputError, match=message):
        check_examples("no/such/model", [], config, tmp_path, lambda row: None)


def test_the_group_that_is_shown_is_the_first_whose_scores_differ() -> None:
    rows = [{"id": name, "value": value} for name, value in (("a", 1.0), ("b", None), ("a", 1.0), ("b", 0.5))]
    assert [row["value"] for row in trackers.shown_group(rows)] == [0.5, None]
    assert [row["id"] for row in trackers.shown_group(rows[::2])] == ["a", "a"]
