"""The oracle's replies: their form, their answers, and their faults at the given rates."""

from __future__ import annotations

import ast
import asyncio
import csv
import hashlib
import json
import subprocess
import sys
from dataclasses import fields, replace

import pytest

from seethink.boxes import read_boxes
from seethink.engines.base import Request
from seethink.engines.oracle import LEAKS, Oracle, Rates
from seethink.engines.oracle.truth import Truth
from seethink.formats import THINK_ANSWER, read_any
from seethink.synth.replies import is_refusal, read_json_object
from seethink.synth.steps.leaks import leaks
from seethink.types import Example, InputError, Response, Sampling
from seethink.verify.judge import Judge
from tests.engines.oracle_requests import (
    ALL,
    JUDGES,
    SOURCES,
    THINKS,
    answer_in,
    examples,
    message,
    messages,
    path,
    quoted,
    reply,
    request,
    right,
)

HONEST = Oracle()


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("shifted", [False, True])
def test_every_form_of_a_description_can_be_read(source: str, shifted: bool) -> None:
    for example in examples(source, 20, shifted):
        route = reply(HONEST, request("describe/route", example))
        descriptions = {
            kind: reply(HONEST, request(f"describe/{kind}", example)) for kind in (route, *FORMAL_KINDS)
        }
        assert all(text.strip() for text in descriptions.values())
        assert route in FORMAL_KINDS
        boxes = read_boxes(descriptions["boxes"])
        assert boxes and all(box.label and box.x1 < box.x2 and box.y1 < box.y2 for box in boxes)
        ast.parse(descriptions["chart"])
        widths = {len(row) for row in csv.reader(descriptions["table"].splitlines())}
        assert len(widths) == 1
        assert descriptions["flow"].startswith("graph TD") and descriptions["circuit"].endswith(".end")
        if descriptions["ocr"] != "(no text)":
            assert all(
                len(json.loads(line.rpartition(" @ ")[2])) == 4 for line in descriptions["ocr"].splitlines()
            )
        assert example.meta["caption"] in descriptions["caption"]


FORMAL_KINDS = (
    "caption", "boxes", "ocr", "table", "chart", "circuit", "flow", "ui", "score", "geometry", "scene",
)  # fmt: skip


def test_a_geometry_is_given_without_its_solution() -> None:
    for example in examples("geometry", 100):
        if example.meta["kind"] in ("angle", "side"):
            text = reply(HONEST, request("describe/geometry", example))
            assert text.count("stands ?.") == 1 and "=" not in text


@pytest.mark.parametrize("source", SOURCES)
def test_answers_are_right_without_errors_and_wrong_with_them(source: str) -> None:
    erring = Oracle(Rates(wrong=1))
    for example in examples(source, 200):
        one = request("sample", example)
        assert right(source, example, answer_in("sample", reply(HONEST, one)))
        assert HONEST.planted(one) == frozenset()
        text = reply(erring, one)
        assert not right(source, example, answer_in("sample", text))
        assert str(answer_in("sample", text)) in str(THINK_ANSWER.parse(text).thought)
        assert "nothing of the kind" not in text
        assert erring.planted(one) == {"wrong"}


def test_wrong_answers_are_plausible() -> None:
    """Of two that are named the other; never the one that the question measures from; a sum keeps its
    terms."""
    erring, named, sums = Oracle(Rates(wrong=1)), 0, 0
    for example in (*examples("spatial", 200), *examples("geometry", 200)):
        text = reply(erring, request("reason", example))
        wrong, kind = str(answer_in("reason", text)), example.meta["kind"]
        if kind in ("front", "nearest"):
            assert (wrong in example.question) == (kind == "front")
            named += 1
        if kind == "angle":
            assert example.steps[-1].replace(f"= {example.answer}.", f"= {wrong}.") in text
            sums += 1
    assert named > 50 and sums > 20


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("step", [*THINKS, "summary", "direct"])
def test_every_form_gives_its_answer(source: str, step: str) -> None:
    for seed, example in enumerate(examples(source, 25, shifted=True)):
        for oracle, good in ((HONEST, True), (Oracle(Rates(wrong=1)), False)):
            answer = answer_in(step, reply(oracle, request(step, example, seed)))
            assert right(source, example, answer) == good, (step, answer, example.answer)


@pytest.mark.parametrize("source", SOURCES)
def test_a_path_of_json_steps_leads_to_its_answer(source: str) -> None:
    for seed, example in enumerate(examples(source, 40)):
        for rate, oracle in ((0, HONEST), (1, Oracle(Rates(wrong=1)))):
            steps, answer, planted = path(oracle, example, seed)
            assert 2 <= len(steps) <= 5
            assert len({step["content"] for step in steps}) == len({s["title"] for s in steps}) == len(steps)
            assert right(source, example, answer) == (not rate)
            assert planted == ({"wrong"} if rate else set())
            assert answer in steps[-1]["content"]


def test_a_path_that_is_cut_short_is_answered_all_the_same() -> None:
    example = examples("charts", 1)[0]
    first = reply(HONEST, request("steps/1", example))
    conversation = [
        message("user", example.question),
        message("assistant", first),
        message("user", "The answer, please."),
    ]
    assert (
        json.loads(reply(HONEST, request("steps/final", example, conversation=conversation)))["content"]
        == example.answer
    )


def faults_of(source: str, step: str, one: Request, text: str) -> set[str]:
    """The faults of a reply, found in its text alone."""
    example = one.example
    if is_refusal(text):
        return {"refusal"}
    if step in ("question", "grade", "validity", "steps/1", "steps/final") and read_json_object(text) is None:
        return {"json"}
    if step == "describe/boxes" and read_boxes(text) is None:
        return {"json"}
    found = {"leak"} if any(leak in text.lower() for leak in LEAKS) else set[str]()
    if step in JUDGES:
        grades = read_json_object(text) or {}
        honest = (
            Judge("", None).read(text).value == 1
            if step == "judge"
            else grades["1"] > grades["2"]
            if step == "grade"
            else all(grades.values())
        )
        return found if honest else found | {"verdict"}
    if step in (*THINKS, "summary", "direct"):
        answer = answer_in(step, text)
        found |= set() if right(source, example, answer) else {"wrong"}
    if step == "steps/final":
        found |= set() if right(source, example, json.loads(text)["content"]) else {"wrong"}
    if step in THINKS:
        truth = Truth(example)
        thought = json.loads(text)["thought"] if step == "question" else text
        lost = round((1 - truth.share_of_steps_in(thought)) * len(truth.steps))
        if lost > ("wrong" in found) or ("wrong" not in found and lost):
            found |= {"step"}
    return found


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("step", ALL)
def test_planted_is_what_the_text_shows(source: str, step: str) -> None:
    """Of a thought that is wrong and whose only step is altered as well, the text shows but the former."""
    oracle = Oracle(Rates(0.3, 0.3, 0.3, 0.3, 0.1, 0.3), seed=4)
    for seed, example in enumerate(examples(source, 15)):
        one = request(step, example, seed)
        planted, found = set(oracle.planted(one)), faults_of(source, step, one, reply(oracle, one))
        if "wrong" in planted and len(example.steps) == 1:
            planted, found = planted - {"step"}, found - {"step"}
        assert found == planted, (example.id, reply(oracle, one))


@pytest.mark.parametrize("kind", [rate.name for rate in fields(Rates)])
def test_faults_have_the_given_rates(kind: str) -> None:
    step = {"json": "question", "verdict": "judge"}.get(kind, "reason")
    oracle = Oracle(Rates(**{kind: 0.3}))
    n = sum(kind in oracle.planted(request(step, example)) for example in examples("charts", 1000))
    assert abs(n - 300) < 4 * (1000 * 0.3 * 0.7) ** 0.5


@pytest.mark.parametrize("kind", ["step", "leak", "refusal"])
def test_in_paths_the_rate_is_that_of_the_path(kind: str) -> None:
    oracle, n = Oracle(Rates(**{kind: 0.3})), 0
    for example in examples("counting", 400):
        conversation, turns = [message("user", example.question)], []
        for i in range(5):
            one = request(f"steps/{i + 1}", example, conversation=conversation)
            turns.append(kind in oracle.planted(one))
            speaker = HONEST if kind == "refusal" else oracle
            conversation = [
                *conversation,
                message("assistant", reply(speaker, one)),
                message("user", "Go on."),
            ]
        n += any(turns)
    assert abs(n - 120) < 4 * (400 * 0.3 * 0.7) ** 0.5


def test_the_same_request_gets_the_same_reply_in_every_process() -> None:
    code = "from tests.engines.test_oracle import digest; print(digest())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == digest()


def digest() -> str:
    oracle = Oracle(Rates(0.3, 0.3, 0.3, 0.3, 0.1, 0.3))
    requests = [
        request(step, example, 7)
        for step in ALL
        for example in (*examples("exams", 10), *examples("screens", 10))
    ]
    replies = [(reply(oracle, one), sorted(oracle.planted(one))) for one in requests]
    return hashlib.sha256(json.dumps(replies).encode()).hexdigest()


def test_other_seeds_and_examples_are_other_draws() -> None:
    oracle, one = Oracle(Rates(wrong=0.5)), examples("charts", 1)[0]
    drawn = {
        "sampling": [oracle.planted(request("sample", one, seed)) for seed in range(40)],
        "example": [oracle.planted(request("sample", example)) for example in examples("charts", 40)],
        "oracle": [replace(oracle, seed=seed).planted(request("sample", one)) for seed in range(40)],
    }
    assert all({*faults} == {frozenset(), frozenset({"wrong"})} for faults in drawn.values())
    assert len({reply(HONEST, request("sample", one, seed)) for seed in range(20)}) > 5


# What it reads from the messages ----------------------------------------------------------------------------


@pytest.mark.parametrize("source", SOURCES)
def test_a_rewrite_takes_every_leak_out_and_leaves_the_steps(source: str) -> None:
    for seed, example in enumerate(examples(source, 25)):
        leaking = request("question", example, seed)
        thought = json.loads(reply(Oracle(Rates(leak=1)), leaking))["thought"]
        assert any(leak in thought.lower() for leak in LEAKS)
        again = reply(HONEST, request("rewrite", example, text=thought))
        assert not any(leak in again.lower() for leak in LEAKS)
        assert Truth(example).share_of_steps_in(again) == 1.0
        assert reply(HONEST, request("rewrite", example, text=again)) == again


@pytest.mark.parametrize("source", SOURCES)
def test_a_judge_reads_the_candidate(source: str) -> None:
    for example in examples(source, 25):
        wrong = str(answer_in("sample", reply(Oracle(Rates(wrong=1)), request("sample", example))))
        for candidate, value in ((str(example.answer), 1.0), (wrong, 0.0)):
            judge = Judge("", None)
            prompt = judge.prompt(example, Response(candidate, answer=candidate))
            assert judge.read(reply(HONEST, request("judge", example, conversation=prompt))).value == value


@pytest.mark.parametrize("source", SOURCES)
def test_grades_rank_right_above_wrong_and_flawless_above_flawed(source: str) -> None:
    for example in examples(source, 25):
        texts = {
            name: "\n".join(reply(Oracle(Rates(**{name: 1.0})), request("sample", example)).split("</think>"))
            for name in ("wrong", "step", "leak")
        }
        good = reply(HONEST, request("sample", example))
        prompt = (
            f"Grade.{quoted(PATH_1=texts['wrong'], PATH_2=texts['step'], PATH_3=good, PATH_4=texts['leak'])}"
        )
        grades = json.loads(reply(HONEST, request("grade", example, conversation=[message("user", prompt)])))
        assert all(isinstance(grade, int) and 1 <= grade <= 100 for grade in grades.values())
        assert grades["1"] < grades["2"] < grades["3"] and grades["1"] < grades["4"] < grades["3"]


@pytest.mark.parametrize("source", SOURCES)
def test_validity_names_the_criterion_that_fails(source: str) -> None:
    fails = {"step": "steps_correct", "leak": "grounded", "wrong": "answer_agrees"}
    for example in examples(source, 25):
        for fault, criterion in fails.items():
            text = reply(Oracle(Rates(**{fault: 1.0})), request("sample", example))
            found = json.loads(reply(HONEST, request("validity", example, text=text)))
            assert len(found) == 4 and found[criterion] is False
            assert fault == "wrong" or sum(found.values()) == 3


def test_a_chinese_prefix_is_continued_in_chinese() -> None:
    for seed, example in enumerate(examples("charts", 20)):
        conversation = [
            message("user", example.question),
            message("assistant", "<think>\n好的，让我们看一下图片。\n\n首先"),
        ]
        text = reply(HONEST, request("prefix", example, seed, conversation=conversation))
        assert text.startswith("，") and read_any("<think>" + text).answer == example.answer
        assert all(step in text for step in example.steps)
        refused = Oracle(Rates(refusal=1))
        assert is_refusal(reply(refused, request("prefix", example, seed, conversation=conversation)))


def test_a_begun_thought_is_not_begun_again() -> None:
    example = examples("charts", 1)[0]
    conversation = [*messages("sample", example), message("assistant", "<think>")]
    whole = reply(HONEST, request("sample", example))
    assert "<think>" + reply(HONEST, request("sample", example, conversation=conversation)) == whole


# What it refuses --------------------------------------------------------------------------------------------


def test_examples_of_no_drawn_world_and_unknown_steps_are_input_errors() -> None:
    one = examples("charts", 1)[0]
    for example in (Example("mine", "How many?", answer="3", steps=("Three.",)), replace(one, answer=None)):
        with pytest.raises(InputError, match=f"example {example.id} is not of a drawn world"):
            HONEST.planted(request("reason", example))
    for step in ("sing", "describe/smell"):
        with pytest.raises(InputError, match="it knows"):
            reply(HONEST, request(step, one))


@pytest.mark.parametrize("step", ["judge", "validity", "rewrite", "grade"])
def test_a_request_without_its_text_is_a_value_error(step: str) -> None:
    with pytest.raises(ValueError, match="between <<< and >>>"):
        reply(HONEST, request(step, examples("charts", 1)[0], conversation=[message("user", "Go on.")]))


def test_rates_are_read_from_text() -> None:
    assert Oracle.from_text("wrong=0.3, leak=0.1", seed=2).rates == Rates(wrong=0.3, leak=0.1)
    assert Oracle.from_text("") == Oracle()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("wrong", "'wrong' cannot be read"),
        ("wrong=x", "'wrong=x' cannot be read"),
        ("wrnog=0.1", "has no error 'wrnog'"),
        ("wrong=1.5", "wrong=1.5 is not a share"),
        ("wrong=-0.1", "is not a share"),
        ("wrong=nan", "is not a share"),
        ("wrong=0.1,wrong=0.2", "given twice"),
    ],
)
def test_bad_rates_are_input_errors(text: str, problem: str) -> None:
    with pytest.raises(InputError, match=problem):
        Oracle.from_text(text)


def test_another_oracle_has_another_name() -> None:
    assert HONEST.name == "oracle"
    names = {o.name for o in (HONEST, Oracle(seed=1), Oracle(Rates(wrong=0.5)), Oracle(Rates(leak=0.5), 1))}
    assert len(names) == 4


def test_replies_take_delay_s_and_count_words() -> None:
    async def both() -> float:
        slow, one = Oracle(delay_s=0.2), request("direct", examples("charts", 1)[0])
        start = asyncio.get_running_loop().time()
        replies = await asyncio.gather(*(slow.complete(one, lambda *_: None) for _ in range(20)))
        assert replies[0].prompt_tokens > 5 and replies[0].n_tokens >= 1
        return asyncio.get_running_loop().time() - start

    assert 0.2 <= asyncio.run(both()) < 2


def test_every_planted_leak_is_on_the_ban_list() -> None:
    assert [leak for leak in LEAKS if not leaks(leak)] == []


def test_sampling_matters_only_by_its_seed() -> None:
    one = request("sample", examples("charts", 1)[0], 3)
    assert reply(HONEST, one) == reply(HONEST, replace(one, sampling=Sampling(temperature=0.2, seed=3)))
