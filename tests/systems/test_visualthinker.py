"""VisualThinker-R1-Zero: its five best-known defects, and what is done here instead. `test_recipes.py` runs
the recipe; `test_rewards.py` has its rewards as published."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import PIL.Image
import pytest

from seethink import systems, verify
from seethink.formats import PREFILLED_THINK, by_name
from seethink.media import Image
from seethink.models.encoder import Encoder
from seethink.models.loading import load_policy
from seethink.models.policy import PolicyModel
from seethink.run.run import Run
from seethink.run.scale import Scale
from seethink.systems.visualthinker import recipe as visualthinker
from seethink.tasks import GoldTraces
from seethink.train.adapters import prepare
from seethink.train.configs import GRPOConfig
from seethink.train.sft import share
from seethink.types import Example, Response, Task
from tests import tiny

BEGUN, DIRECT = visualthinker.BEGUN, visualthinker.DIRECT
RIGHT = "<think>left of it</think><answer>left</answer>"
QUESTION = Example("1", "Where is it, left or right?", answer="left", steps=("It is left of it.",))


def test_length_ends_at_one_and_buys_nothing_where_it_is_a_metric() -> None:
    long, longer = (replace(BEGUN.parse(RIGHT), n_tokens=n) for n in (5_000, 50_000))
    assert verify.by_name("per_token")(QUESTION, longer).value == 1.0
    metric, paid = (visualthinker._reward(verify.by_name("same_text"), 1.0, length=w) for w in (0.0, 1.0))
    short = replace(long, n_tokens=100)
    assert metric(QUESTION, short).value == metric(QUESTION, longer).value == 1.0
    assert metric(QUESTION, short).parts["length"].value == pytest.approx(0.1)
    assert [paid(QUESTION, said).value for said in (short, long, longer)] == pytest.approx([0.7, 1.0, 1.0])


def _configs() -> dict[str, GRPOConfig]:
    return {arm: visualthinker._grpo(_run("full"), **_rates(arm)) for arm in ("grpo", *visualthinker.FROZEN)}


def _rates(arm: str) -> dict[str, float]:
    return {f"{part}_learning_rate": 0.0 for part in visualthinker.FROZEN.get(arm, ())}


def _run(scale: str, out: Any = "runs") -> Run:
    return Run("visualthinker", Scale(scale), out)


@pytest.mark.parametrize(
    ("arm", "still"),
    [("grpo", set()), ("grpo-frozen-llm", {"language"}), ("grpo-frozen-vision", {"vision", "projector"})],
)
def test_a_frozen_part_needs_no_gradient_and_the_others_do(arm: str, still: set[str]) -> None:
    """That it stands still: tests/train/test_adapters.py."""
    policy = PolicyModel(tiny.qwen2_vl())
    prepare(policy, _configs()[arm].training)
    moving = {policy.parts.of(name) for name, p in policy.model.named_parameters() if p.requires_grad}
    frozen = {policy.parts.of(name) for name, p in policy.model.named_parameters() if not p.requires_grad}
    assert frozen == still and moving == {"vision", "projector", "language"} - still


@pytest.mark.parametrize("form", [BEGUN, DIRECT, by_name("think_answer", "system")])
def test_the_reply_alone_is_supervised_in_plain_text_too(form) -> None:
    """More cases: tests/train/test_sft.py."""
    (lesson,) = GoldTraces(Task("t", [QUESTION], form, verify.same_text))
    encoder = tiny.encoder(tiny.qwen2_vl())
    (group,) = share([lesson], encoder.prompts([form.prompt(QUESTION)]), encoder)
    (branch,), (prompt,) = group.branches, encoder.prompts([form.prompt(QUESTION)])
    learned = [token for token, trained in zip(branch.ids, branch.trained, strict=True) if trained]
    unlearned = [*group.prompt.ids, *branch.ids[: len(branch.ids) - len(learned)]]
    assert unlearned == prompt.ids and learned == encoder.reply_ids(prompt, lesson.text)
    said = tiny.processor().tokenizer.decode(learned)
    assert "left" in said and QUESTION.question not in said


def test_the_prompt_of_a_base_model_names_the_tags_and_has_no_roles() -> None:
    plain, begun = BEGUN.prompt(QUESTION)
    text = "".join(part["text"] for part in plain["content"])
    assert plain["role"] == "plain" and begun["content"][0]["text"] == "<think>"
    assert "<answer> </answer>" in text and QUESTION.question in text and text.endswith("step by step.\n")
    (plain,) = DIRECT.prompt(QUESTION)
    text = "".join(part["text"] for part in plain["content"])
    assert "<answer> </answer>" in text and "think" not in text


@pytest.mark.parametrize("form", [BEGUN, PREFILLED_THINK])
def test_the_prompt_does_not_depend_on_what_a_folder_is_called(form, tmp_path) -> None:
    ids = []
    for name in ("Qwen2-VL-2B", "Qwen2-VL-2B-Instruct", "my-Base"):
        policy, encoder = load_policy(tiny.saved(tmp_path / name))
        assert isinstance(policy, PolicyModel) and isinstance(encoder, Encoder)
        ids += [prompt.ids for prompt in encoder.prompts([form.prompt(QUESTION)])]
    assert ids[0] == ids[1] == ids[2]


def test_a_picture_is_opened_when_its_question_is_asked() -> None:
    opened = []

    def drawn(i: int) -> Image:
        return Image.drawn(f"p{i}", lambda: opened.append(i) or PIL.Image.new("RGB", (56, 56)))

    rows = [replace(QUESTION, id=str(i), media=(drawn(i),)) for i in range(5)]
    traces = GoldTraces(Task("t", rows, BEGUN, verify.same_text))
    assert len([trace.text for trace in traces]) == 5 and opened == []
    tiny.encoder(tiny.qwen2_vl()).prompts([BEGUN.prompt(rows[3])])
    assert {*opened} == {3}


def test_the_choice_is_read_from_the_answer_alone() -> None:
    example = replace(QUESTION, answer="B", choices=("left", "right"))
    for text in ("<think>B</think><answer>A</answer>", "<think>so</think><answer>(A) or (B)</answer>"):
        assert not verify.by_name("same_choice")(example, BEGUN.parse(text)).value
    assert systems.verifier("same_choice@visualthinker")(example, Response(text)).value == 1.0


# The recipe -------------------------------------------------------------------------------------------------


def test_every_arm_on_the_base_differs_in_one_thing(tmp_path) -> None:
    stages = _run("full", tmp_path).dry_run(visualthinker.recipe)
    plain = stages["grpo"]
    assert stages["grpo-length"].config == plain.config != stages["grpo-frozen-llm"].config
    assert stages["grpo-length"].inputs["task"]["verifier"] != plain.inputs["task"]["verifier"]
    assert stages["grpo-frozen-llm"].inputs == plain.inputs == stages["grpo-frozen-vision"].inputs
    assert stages["instruct-grpo"].config == plain.config
    assert stages["instruct-grpo"].inputs["model"] != plain.inputs["model"]
