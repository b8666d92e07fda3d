"""`eval` and every training with folders of several families, as a user would have them: exact, or one
sentence and exit code 2."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import PIL.Image
import pytest
import torch
from transformers import AutoModelForImageTextToText

from seethink.models.parts import Parts
from tests import own_vlms, vlms
from tests.cli.test_app import call, write

FAMILIES = ("qwen3_5", "glm46v", "gemma4", "paligemma")
SHORT = ("prompts_per_step=2", "num_generations=2", "max_completion_length=6", "max_steps=1")


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: Any) -> None:
    """A working directory with two pictures, questions about them, and pairs."""
    monkeypatch.chdir(tmp_path)
    names = ("a", "b")
    for name, colour in zip(names, ("red", "blue"), strict=True):
        PIL.Image.new("RGB", (112, 84), colour).save(f"{name}.png")
    asked = [{"image": f"{name}.png", "question": f"Which number has {name}?"} for name in names]
    write("own.jsonl", *({**row, "answer": str(number)} for number, row in enumerate(asked)))
    pair = {"chosen": "<answer>4</answer>", "rejected": "I do not know"}
    write("pairs.jsonl", *({"image": row["image"], "prompt": row["question"], **pair} for row in asked))


def _folder(name: str) -> str:
    """A saved model with its processor."""
    builders = vlms if name in vlms.BUILDERS else own_vlms
    model, encoder = builders.build(name)
    model.save_pretrained(name)
    encoder.processor.save_pretrained(name)
    return f"./{name}"


def _weights(folder: str | Path) -> tuple[dict[str, torch.Tensor], Parts]:
    model = AutoModelForImageTextToText.from_pretrained(folder)
    return dict(model.state_dict()), Parts(model)


def _metrics(folder: str) -> dict[str, Any]:
    (row,) = Path(folder, "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    return json.loads(row)


@pytest.mark.parametrize("name", FAMILIES)
def test_a_folder_is_evaluated_and_trained_by_every_method(name: str, capsys: Any) -> None:
    model = ("--model", _folder(name), "--data")
    code, _, err = call(capsys, "eval", *model, "own.jsonl", "max_tokens=6")
    assert code == 0, err
    rate = ("learning_rate=1e-3", "vision_learning_rate=0", "lr_scheduler_type=constant")
    code, _, err = call(capsys, "train", "sft", *model, "own.jsonl", *rate, "warmup_ratio=0")
    assert code == 0, err
    before, parts = _weights(name)
    after, _ = _weights("runs/train-sft/sft/checkpoint")
    moved = {parts.of(n) for n, weight in after.items() if not torch.equal(weight, before[n])}
    assert moved == {"projector", "language"}
    code, _, err = call(capsys, "train", "dpo", *model, "pairs.jsonl")
    assert code == 0, err
    assert _metrics("runs/train-dpo/dpo")["loss"] == pytest.approx(torch.tensor(2.0).log().item(), abs=1e-4)
    verifier = ("--verifier", "same_number")
    code, _, err = call(capsys, "train", "grpo", *model, "own.jsonl", *verifier, *SHORT)
    assert code == 0, err
    assert _metrics("runs/train-grpo/grpo")["completions/mean_length"] > 0


@pytest.mark.parametrize("command", [("eval",), ("train", "sft"), ("train", "grpo")])
def test_a_processor_without_a_chat_template_is_one_sentence(command: tuple[str, ...], capsys: Any) -> None:
    model, encoder = own_vlms.build("paligemma")
    encoder.processor.chat_template = None
    model.save_pretrained("bare")
    encoder.processor.save_pretrained("bare")
    code, _, err = call(capsys, *command, "--model", "./bare", "--data", "own.jsonl")
    assert code == 2
    wanted = "error: paligemma cannot be used here: its processor has no chat template; save one with it"
    assert " ".join(err.split()) == wanted


def test_a_text_without_a_picture_is_one_sentence_where_the_processor_wants_one(capsys: Any) -> None:
    write("text.jsonl", {"question": "How much is 2 + 2?", "answer": "4"})
    name = _folder("paligemma")
    code, _, err = call(capsys, "train", "sft", "--model", name, "--data", "text.jsonl")
    assert code == 2 and "PaliGemmaProcessor refuses the question" in " ".join(err.split())


def test_sampling_that_is_not_the_forward_pass_ends_before_the_first_step(
    capsys: Any, monkeypatch: Any
) -> None:
    name = _folder("qwen3_5")
    cls = type(own_vlms.build("qwen3_5")[0])
    own = cls.prepare_inputs_for_generation

    def wrong(self: Any, *args: Any, **kwargs: Any) -> Any:
        inputs = own(self, *args, **kwargs)
        return inputs | {"position_ids": inputs["position_ids"] * 2}

    monkeypatch.setattr(cls, "prepare_inputs_for_generation", wrong)
    for words in (("eval",), ("train", "grpo", *SHORT)):
        code, _, err = call(capsys, *words, "--model", name, "--data", "own.jsonl")
        assert code == 2 and "samples tokens with log-probabilities" in " ".join(err.split())
    assert not Path("runs/train-grpo/grpo/metrics.jsonl").exists()
