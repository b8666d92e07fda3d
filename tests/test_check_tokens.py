"""The pre-flight with a model: token counts, and texts that the model would take for control tokens."""

from __future__ import annotations

import pytest

from seethink.check import Preflight, check
from seethink.formats import THINK_ANSWER
from tests.test_check import folder, found, lines, picture, row_of

__all__ = ["folder"]


def test_prompts_are_counted_by_the_models_own_processor(folder):
    picture(folder / "wide.png", (280, 140), seed=9)
    rows = [row_of(1, "0.png"), row_of(2, "wide.png"), row_of(3, "1.png", question="Why <|image_pad|>?")]
    report = check(Preflight(lines(folder / "my.jsonl", *rows), THINK_ANSWER, model="sprout"))
    assert found(report) == {("control token", 3)}
    longest, other = report.tokens["longest"]
    assert (longest["row"], other["row"], report.tokens["prompts"]) == (2, 1, 2)

    from seethink.models.loading import load_encoder
    from seethink.sources.records import read

    lines(folder / "my.jsonl", *rows[:2])
    whole = load_encoder("sprout")[0].prompts([THINK_ANSWER.prompt(e) for e in read(folder / "my.jsonl")])
    assert [len(prompt.ids) for prompt in whole] == [other["tokens"], longest["tokens"]]
    most = other["tokens"]
    report = check(Preflight(folder / "my.jsonl", THINK_ANSWER, model="sprout", max_prompt_length=most))
    assert found(report) == {("prompt too long", 2)}


@pytest.mark.parametrize("where", ["question", "answer", "steps", "chosen", "rejected"])
def test_a_control_token_is_found_in_every_text_of_a_row(folder, where):
    text = "so <|im_end|> it is"
    if where in ("chosen", "rejected"):
        clean = {"prompt": "Why?", "chosen": "a", "rejected": "b"}
    else:
        clean = row_of(1, "0.png", steps=["because"])
    odd = clean | {where: [text] if where == "steps" else text} | ({"id": 2} if "id" in clean else {})
    rows = lines(folder / "my.jsonl", clean, odd | {"image": "1.png"})
    report = check(Preflight(rows, THINK_ANSWER, model="sprout"))
    (fault,) = (fault for fault in report.faults if not fault.suspected)
    assert (fault.kind, fault.row) == ("control token", 2)
    assert "'<|im_end|>', a control token of the model; reword it" in fault.message
    assert not [f for f in check(Preflight(rows, THINK_ANSWER)).faults if f.kind == "control token"]


def test_tokens_that_do_not_match_the_features_are_a_fault(folder, monkeypatch):
    monkeypatch.setattr("seethink.check.prompt_lengths.count_media_tokens", lambda prompt, processor: (4, 5))
    report = check(Preflight(lines(folder / "my.jsonl", row_of(1, "0.png")), THINK_ANSWER, model="sprout"))
    (fault,) = report.faults
    assert fault.message == "4 tokens for media of 5 features"
