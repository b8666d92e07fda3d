"""R1-V: its five best-known defects, and what is done here instead.

`test_rewards.py` has more cases of the rewards as published, `test_recipes.py` runs the recipe, and how form,
mode and skill are told apart is in tests/evaluate/test_evaluate.py.
"""

from __future__ import annotations

import pytest

from seethink import systems, verify
from seethink.engines.local import LocalEngine
from seethink.formats import ANSWER_ONLY, THINK_ANSWER
from seethink.run.run import Run
from seethink.run.scale import Scale
from seethink.sources.handwritten import Pages
from seethink.tasks import GoldTraces
from seethink.train.configs import GRPOConfig
from seethink.train.grpo import grpo
from seethink.train.sft import share
from seethink.types import Example, Sampling, Task
from tests import tiny
from tests.train.metric_rows import jsonl


def paid(name: str, gold: str, thought: str, answer: str) -> float | None:
    response = THINK_ANSWER.parse(THINK_ANSWER.write(thought, answer))
    return systems.verifier(name)(Example("1", "How many?", answer=gold), response).value


# The whole completion is parsed, and an answer of several lines has no match -------------------------------


@pytest.mark.parametrize(
    ("gold", "thought", "answer", "published", "here"),
    [
        ("3", "There are 3.", "none", 1.0, 0.0),
        ("3", "There are some.", "3", 1.0, 1.0),
        ("3", "There are some.", "4", 0.0, 0.0),
    ],
)
def test_a_number_in_the_thought_earns_nothing(gold, thought, answer, published, here) -> None:
    assert paid("same_math@r1v", gold, thought, answer) == published
    assert paid("same_number", gold, thought, answer) == here


def test_an_answer_of_two_lines_is_an_answer() -> None:
    assert paid("same_math@r1v", "red\ncup", "so", "red\ncup") == 0.0
    assert paid("same_text", "red\ncup", "so", "red\ncup") == 1.0


# The gain is that of the form: asked directly, the base has more -------------------------------------------


def test_the_base_asked_directly_is_an_arm(tmp_path) -> None:
    stages = Run("r1v", Scale("smoke"), tmp_path).dry_run(systems.recipe("r1v").recipe)
    base, direct = (stages[f"eval/{arm}"].inputs for arm in ("base", "base-direct"))
    assert base["model"] == direct["model"]
    assert [test["examples"] for test in base["tasks"]] == [test["examples"] for test in direct["tasks"]]
    forms = [{test["format"]["name"] for test in inputs["tasks"]} for inputs in (base, direct)]
    assert forms == [{THINK_ANSWER.name}, {ANSWER_ONLY.name}]


# The model may write `<|image_pad|>` ------------------------------------------------------------------------


def test_a_model_that_wants_to_write_pictures_cannot() -> None:
    model = tiny.qwen2_vl()
    pad = tiny.processor().tokenizer.convert_tokens_to_ids("<|image_pad|>")
    model.lm_head.weight.data[pad] *= 1e4
    task = Task("pages", Pages(2, "test"), THINK_ANSWER, verify.same_number)
    prompts = [task.format.prompt(example) for example in task.examples]
    answers = LocalEngine(model, tiny.encoder(model)).generate(prompts, Sampling(n=4, max_tokens=8))
    assert all(pad not in one.token_ids for completions in answers for one in completions)


# One prompt per device, and SFT that supervises the prompt --------------------------------------------------


def test_a_step_has_as_many_prompts_as_asked(tmp_path) -> None:
    config = GRPOConfig.of(
        learning_rate=1e-3, prompts_per_step=3, num_generations=2, max_steps=1, max_completion_length=4
    )
    task = Task("pages", Pages(3, "train"), THINK_ANSWER, verify.same_number)
    grpo(tiny.saved(tmp_path / "base"), task, config, tmp_path / "out")
    rows = jsonl(tmp_path / "out" / "attempts.jsonl")
    assert len({row["id"] for row in rows}) == 3 and len(rows) == 6


def test_the_thought_is_supervised_and_the_question_is_not() -> None:
    (lesson,) = GoldTraces(Task("pages", Pages(1, "train"), THINK_ANSWER, verify.same_number))
    encoder = tiny.encoder(tiny.qwen2_vl())
    (prompt,) = encoder.prompts([THINK_ANSWER.prompt(lesson.example)])
    (group,) = share([lesson], [prompt], encoder)
    (branch,) = group.branches
    trained = [token for token, learned in zip(branch.ids, branch.trained, strict=True) if learned]
    assert trained == encoder.reply_ids(prompt, lesson.text)
    assert [*group.prompt.ids, *branch.ids] == [*prompt.ids, *trained]
