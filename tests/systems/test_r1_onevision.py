"""R1-Onevision's five best-known defects, and what is done here instead.

Further cases of its rewards are in `test_rewards.py`, of its chain in `test_described_chains.py`, of long
prompts in `tests/train/test_faults.py`, of cut completions in `tests/train/test_alarms.py`.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from seethink import systems, verify
from seethink.engines.base import Request
from seethink.engines.oracle import Oracle
from seethink.formats import THINK_ANSWER, VERBATIM
from seethink.run.run import Run
from seethink.run.scale import Scale
from seethink.sources import published, records
from seethink.sources.drawn import by_name
from seethink.synth.chain import run_example
from seethink.systems.r1_onevision.chain import r1_onevision
from seethink.systems.r1_onevision.lessons import ReleasedTraces, lessons
from seethink.tasks import with_metrics
from seethink.types import Example, InputError, Response, Task
from tests.sources.published import question_layouts

OPTIONS = ("cat", "dog", "a hat", "cow", "bird")


def said(answer: str) -> Response:
    return THINK_ANSWER.parse(f"<think>I look.</think><answer>{answer}</answer>")


def test_its_gain_is_judged_by_rules_and_the_published_reward_stands_beside_them() -> None:
    published = systems.verifier("same_answer@r1_onevision")
    rules = Task("exam", (), THINK_ANSWER, verify.weighted(correct=(verify.same_answer, 1.0)))
    score = with_metrics(rules, published=published).verifier(
        Example("1", "Which colour?", answer="blue"), said("black")
    )
    assert score.value == score.parts["correct"].value == 0.0, "the metric is not paid"
    assert (score.parts["published"].value or 0) > 0.4, "two letters of nine are alike"


@pytest.mark.parametrize(
    ("gold", "answer", "paid"),
    [("C", "a hat", 0.0), ("E", "E", 0.0), ("B", "B, not a", 0.0)],
    ids=["the article is option A", "letters end at D", "the article after the answer"],
)
def test_an_article_is_no_option_and_letters_go_on_after_d(gold: str, answer: str, paid: float) -> None:
    example = Example("1", "Which?", answer=gold, choices=OPTIONS)
    assert systems.verifier("same_choice@r1_onevision")(example, said(answer)).value == paid
    assert verify.same_choice(example, said(answer)).value == 1.0


@pytest.mark.parametrize(("gold", "answer"), [("on", "no"), ("twelve", "twenty")])
def test_a_wrong_text_earns_nothing_for_the_letters_it_shares(gold: str, answer: str) -> None:
    example = Example("1", "?", answer=gold)
    assert systems.verifier("same_answer@r1_onevision")(example, said(answer)).value == 0.5
    assert verify.same_answer(example, said(answer)).value == 0.0


def test_rl_begins_with_the_model_that_it_is_given_and_completions_are_as_long_as_one_says(tmp_path) -> None:
    longer = ["sft-rl.max_completion_length=2048"]
    run = Run("r1_onevision", Scale("full"), tmp_path, overrides=longer)
    stages = run.dry_run(systems.recipe("r1_onevision").recipe)
    assert stages["sft-rl"].inputs["model"].key == stages["sft"].artefact_key
    assert stages["rl"].inputs["model"].key == stages["eval/base"].inputs["model"].key
    assert stages["sft-rl"].config.rollout.max_completion_length == 2_048


def test_a_second_file_of_data_is_never_passed_over_in_silence(tmp_path: Path) -> None:
    for name in ("clevr.jsonl", "geometry.jsonl"):
        (tmp_path / name).write_text('{"problem": "How many?", "solution": "1"}\n', encoding="utf-8")
    with pytest.raises(InputError, match=r"has clevr\.jsonl, geometry\.jsonl; give the path of the file"):
        records.read(tmp_path)


def test_the_judge_sees_the_picture_and_no_figure_is_described_with_its_solution() -> None:
    example = next(e for e in by_name("exams", 60) if e.meta["category"] == "geometry")
    oracle, requests = Oracle(), []

    async def put(request: Request):
        requests.append(request)
        return await oracle.complete(request, lambda kind, detail: None), oracle.name

    outcome = asyncio.run(run_example(r1_onevision(), example, put))
    shown = {
        request.step: [part.get("image") for message in request.messages for part in message["content"]]
        for request in requests
    }
    assert example.media[0] in shown["validity"]
    assert not any(shown["reason"]), "the reasoner reads the description alone"
    (formal,) = outcome.draft.formal
    assert formal.text.startswith("Given:")
    assert not any(step in formal.text for step in example.steps)


# The recipe -------------------------------------------------------------------------------------------------


def test_a_released_row_without_a_final_answer_teaches_no_answer_of_many_sentences(tmp_path: Path) -> None:
    question_layouts.r1_onevision(tmp_path)
    rows = published.load("r1_onevision", source=tmp_path, n=2)
    task = Task("traces", rows, THINK_ANSWER, verify.same_answer)
    taught = ReleasedTraces(task)
    with_answer, free = taught
    assert with_answer.format is THINK_ANSWER and with_answer.text.endswith("</think><answer>4</answer>")
    assert free.format is VERBATIM and free.text == rows[1].answer
    (asked,) = free.format.prompt(free.example)
    assert "<answer>" not in "".join(part.get("text", "") for part in asked["content"])
    planned = Run("r1_onevision", Scale("full"), tmp_path)
    assert isinstance(lessons(planned, task.verifier), ReleasedTraces)
    assert taught.identity != planned.traces(task).identity
