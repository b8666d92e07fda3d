"""The oracle obeys every form, is right unless it is told to err, and says which faults its replies have."""

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
from seethink.engines.scripted import LEAKS, Oracle, Rates
from seethink.engines.scripted.truth import Truth
from seethink.engines.teacher import Call
from seethink.formats import ANSWER_LINE, THINK_ANSWER, read_any
from seethink.synth.replies import read_object, refuses
from seethink.synth.steps.leaks import leaks
from seethink.types import Example, InputError, Response, Sampling
from seethink.verify.judge import Judge
from tests.engines.oracles import (
    ALL,
    JUDGES,
    SOURCES,
    THINKS,
    call,
    examples,
    messages,
    path,
    quoted,
    reply,
    right,
    said,
)

HONEST = Oracle()


def answer_in(step: str, text: str) -> str | None:
    """The answer as the step's reader finds it; asserts the reply's form."""
    if step in ("sample", "reason", "distill", "prefix"):
        thought, end, _ = text.rpartition("</think>")
        assert end and thought.strip() and (step == "prefix") == (not text.startswith("<think>"))
    if step == "sample":
        read = THINK_ANSWER.parse(text)
        assert read.fault is None
        return read.answer
    if step == "question":
        found = read_object(text)
        assert found is not None and found.keys() == {"question", "thought", "answer"}
        return found["answer"]
    if step in ("reason", "summary"):
        read = ANSWER_LINE.parse(text)
        assert read.fault is None and text.splitlines()[-1].startswith("Answer:")
        return read.answer
    if step == "distill":
        last = text.splitlines()[-1]
        assert last.startswith("**The answer is: ") and last.endswith("**")
        return last[len("**The answer is: ") : -2]
    return text if step == "direct" else read_any(text).answer


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("shifted", [False, True])
def test_every_form_of_a_description_can_be_read(source: str, shifted: bool) -> None:
    for example in examples(source, 20, shifted):
        route = reply(HONEST, call("describe/route", example))
        told = {kind: reply(HONEST, call(f"describe/{kind}", example)) for kind in (route, *FORMAL_KINDS)}
        assert all(text.strip() for text in told.values())
        assert route in FORMAL_KINDS
        boxes = read_boxes(told["boxes"])
        assert boxes and all(box.label and box.x1 < box.x2 and box.y1 < box.y2 for box in boxes)
        ast.parse(told["chart"])
        widths = {len(row) for row in csv.reader(told["table"].splitlines())}
        assert len(widths) == 1
        assert told["flow"].startswith("graph TD") and told["circuit"].endswith(".end")
        if told["ocr"] != "(no text)":
            assert all(len(json.loads(line.rpartition(" @ ")[2])) == 4 for line in told["ocr"].splitlines())
        assert example.meta["caption"] in told["caption"]


FORMAL_KINDS = (
    "caption", "boxes", "ocr", "table", "chart", "circuit", "flow", "ui", "score", "geometry", "scene",
)  # fmt: skip


def test_a_geometry_is_given_without_its_solution() -> None:
    for example in examples("geometry", 100):
        if example.meta["kind"] in ("angle", "side"):
            told = reply(HONEST, call("describe/geometry", example))
            assert told.count("stands ?.") == 1 and "=" not in told


@pytest.mark.parametrize("source", SOURCES)
def test_answers_are_right_without_errors_and_wrong_with_them(source: str) -> None:
    erring = Oracle(Rates(wrong=1))
    for example in examples(source, 200):
        asked = call("sample", example)
        assert right(source, example, answer_in("sample", reply(HONEST, asked)))
        assert HONEST.planted(asked) == frozenset()
        text = reply(erring, asked)
        assert not right(source, example, answer_in("sample", text))
        assert str(answer_in("sample", text)) in str(THINK_ANSWER.parse(text).thought)
        assert "nothing of the kind" not in text
        assert erring.planted(asked) == {"wrong"}


def test_wrong_answers_are_plausible() -> None:
    """Of two that are named the other; never the one that the question measures from; a sum keeps its
    terms."""
    erring, named, sums = Oracle(Rates(wrong=1)), 0, 0
    for example in (*examples("spatial", 200), *examples("geometry", 200)):
        told = reply(erring, call("reason", example))
        wrong, kind = str(answer_in("reason", told)), example.meta["kind"]
        if kind in ("front", "nearest"):
            assert (wrong in example.question) == (kind == "front")
            named += 1
        if kind == "angle":
            assert example.steps[-1].replace(f"= {example.answer}.", f"= {wrong}.") in told
            sums += 1
    assert named > 50 and sums > 20


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("step", [*THINKS, "summary", "direct"])
def test_every_form_gives_its_answer(source: str, step: str) -> None:
    for seed, example in enumerate(examples(source, 25, shifted=True)):
        for oracle, good in ((HONEST, True), (Oracle(Rates(wrong=1)), False)):
            told = answer_in(step, reply(oracle, call(step, example, seed)))
            assert right(source, example, told) == good, (step, told, example.answer)


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
    first = reply(HONEST, call("steps/1", example))
    asked = [said("user", example.question), said("assistant", first), said("user", "The answer, please.")]
    assert json.loads(reply(HONEST, call("steps/final", example, asked=asked)))["content"] == example.answer


def faults_of(source: str, step: str, asked: Call, text: str) -> set[str]:
    """What is wrong with a reply, told by its text alone."""
    example = asked.example
    if refuses(text):
        return {"refusal"}
    if step in ("question", "grade", "validity", "steps/1", "steps/final") and read_object(text) is None:
        return {"json"}
    if step == "describe/boxes" and read_boxes(text) is None:
        return {"json"}
    found = {"leak"} if any(leak in text.lower() for leak in LEAKS) else set[str]()
    if step in JUDGES:
        grades = read_object(text) or {}
        honest = (
            Judge("", None).read(text).value == 1
            if step == "judge"
            else grades["1"] > grades["2"]
            if step == "grade"
            else all(grades.values())
        )
        return found if honest else found | {"verdict"}
    if step in (*THINKS, "summary", "direct"):
        told = answer_in(step, text)
        found |= set() if right(source, example, told) else {"wrong"}
    if step == "steps/final":
        found |= set() if right(source, example, json.loads(text)["content"]) else {"wrong"}
    if step in THINKS:
        truth = Truth(example)
        thought = json.loads(text)["thought"] if step == "question" else text
        lost = round((1 - truth.said_in(thought)) * len(truth.steps))
        if lost > ("wrong" in found) or ("wrong" not in found and lost):
            found |= {"step"}
    return found


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("step", ALL)
def test_planted_is_what_the_text_shows(source: str, step: str) -> None:
    """Of a thought that is wrong and whose only step is altered as well, the text shows but the former."""
    oracle = Oracle(Rates(0.3, 0.3, 0.3, 0.3, 0.1, 0.3), seed=4)
    for seed, example in enumerate(examples(source, 15)):
        asked = call(step, example, seed)
        planted, found = set(oracle.planted(asked)), faults_of(source, step, asked, reply(oracle, asked))
        if "wrong" in planted and len(example.steps) == 1:
            planted, found = planted - {"step"}, found - {"step"}
        assert found == planted, (example.id, reply(oracle, asked))


@pytest.mark.parametrize("kind", [rate.name for rate in fields(Rates)])
def test_faults_come_as_often_as_asked(kind: str) -> None:
    step = {"json": "question", "verdict": "judge"}.get(kind, "reason")
    oracle = Oracle(Rates(**{kind: 0.3}))
    n = sum(kind in oracle.planted(call(step, example)) for example in examples("charts", 1000))
    assert abs(n - 300) < 4 * (1000 * 0.3 * 0.7) ** 0.5


@pytest.mark.parametrize("kind", ["step", "leak", "refusal"])
def test_in_paths_the_rate_is_that_of_the_path(kind: str) -> None:
    oracle, n = Oracle(Rates(**{kind: 0.3})), 0
    for example in examples("counting", 400):
        asked, turns = [said("user", example.question)], []
        for i in range(5):
            one = call(f"steps/{i + 1}", example, asked=asked)
            turns.append(kind in oracle.planted(one))
            told = HONEST if kind == "refusal" else oracle
            asked = [*asked, said("assistant", reply(told, one)), said("user", "Go on.")]
        n += any(turns)
    assert abs(n - 120) < 4 * (400 * 0.3 * 0.7) ** 0.5


def test_the_same_call_gets_the_same_reply_in_every_process() -> None:
    code = "from tests.engines.test_oracle import digest; print(digest())"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == digest()


def digest() -> str:
    oracle = Oracle(Rates(0.3, 0.3, 0.3, 0.3, 0.1, 0.3))
    asked = [call(step, example, 7) for step in ALL for example in examples("exams", 10)]
    told = [(reply(oracle, one), sorted(oracle.planted(one))) for one in asked]
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()


def test_other_seeds_and_examples_are_other_draws() -> None:
    oracle, one = Oracle(Rates(wrong=0.5)), examples("charts", 1)[0]
    drawn = {
        "sampling": [oracle.planted(call("sample", one, seed)) for seed in range(40)],
        "example": [oracle.planted(call("sample", example)) for example in examples("charts", 40)],
        "oracle": [replace(oracle, seed=seed).planted(call("sample", one)) for seed in range(40)],
    }
    assert all({*faults} == {frozenset(), frozenset({"wrong"})} for faults in drawn.values())
    assert len({reply(HONEST, call("sample", one, seed)) for seed in range(20)}) > 5


# What it reads from the messages ----------------------------------------------------------------------------


@pytest.mark.parametrize("source", SOURCES)
def test_a_rewrite_takes_every_leak_out_and_leaves_the_steps(source: str) -> None:
    for seed, example in enumerate(examples(source, 25)):
        leaking = call("question", example, seed)
        thought = json.loads(reply(Oracle(Rates(leak=1)), leaking))["thought"]
        assert any(leak in thought.lower() for leak in LEAKS)
        again = reply(HONEST, call("rewrite", example, text=thought))
        assert not any(leak in again.lower() for leak in LEAKS)
        assert Truth(example).said_in(again) == 1.0
        assert reply(HONEST, call("rewrite", example, text=again)) == again


@pytest.mark.parametrize("source", SOURCES)
def test_a_judge_reads_the_candidate(source: str) -> None:
    for example in examples(source, 25):
        wrong = str(answer_in("sample", reply(Oracle(Rates(wrong=1)), call("sample", example))))
        for candidate, value in ((str(example.answer), 1.0), (wrong, 0.0)):
            judge = Judge("", None)
            prompt = judge.prompt(example, Response(candidate, answer=candidate))
            assert judge.read(reply(HONEST, call("judge", example, asked=prompt))).value == value


@pytest.mark.parametrize("source", SOURCES)
def test_grades_put_right_above_wrong_and_flawless_above_flawed(source: str) -> None:
    for example in examples(source, 25):
        told = {
            name: "\n".join(reply(Oracle(Rates(**{name: 1.0})), call("sample", example)).split("</think>"))
            for name in ("wrong", "step", "leak")
        }
        good = reply(HONEST, call("sample", example))
        asked = f"Grade.{quoted(PATH_1=told['wrong'], PATH_2=told['step'], PATH_3=good, PATH_4=told['leak'])}"
        grades = json.loads(reply(HONEST, call("grade", example, asked=[said("user", asked)])))
        assert all(isinstance(grade, int) and 1 <= grade <= 100 for grade in grades.values())
        assert grades["1"] < grades["2"] < grades["3"] and grades["1"] < grades["4"] < grades["3"]


@pytest.mark.parametrize("source", SOURCES)
def test_validity_tells_which_criterion_fails(source: str) -> None:
    fails = {"step": "steps_correct", "leak": "grounded", "wrong": "answer_agrees"}
    for example in examples(source, 25):
        for fault, criterion in fails.items():
            text = reply(Oracle(Rates(**{fault: 1.0})), call("sample", example))
            found = json.loads(reply(HONEST, call("validity", example, text=text)))
            assert len(found) == 4 and found[criterion] is False
            assert fault == "wrong" or sum(found.values()) == 3


def test_a_chinese_prefix_is_continued_in_chinese() -> None:
    for seed, example in enumerate(examples("charts", 20)):
        asked = [
            said("user", example.question),
            said("assistant", "<think>\n好的，让我们看一下图片。\n\n首先"),
        ]
        text = reply(HONEST, call("prefix", example, seed, asked=asked))
        assert text.startswith("，") and read_any("<think>" + text).answer == example.answer
        assert all(step in text for step in example.steps)
        refused = Oracle(Rates(refusal=1))
        assert refuses(reply(refused, call("prefix", example, seed, asked=asked)))


def test_a_begun_thought_is_not_begun_again() -> None:
    example = examples("charts", 1)[0]
    asked = [*messages("sample", example), said("assistant", "<think>")]
    whole = reply(HONEST, call("sample", example))
    assert "<think>" + reply(HONEST, call("sample", example, asked=asked)) == whole


# What it refuses --------------------------------------------------------------------------------------------


def test_what_it_knows_nothing_of_is_an_input_error() -> None:
    one = examples("charts", 1)[0]
    for example in (Example("mine", "How many?", answer="3", steps=("Three.",)), replace(one, answer=None)):
        with pytest.raises(InputError, match=f"example {example.id} is of no drawn world"):
            HONEST.planted(call("reason", example))
    for step in ("sing", "describe/smell"):
        with pytest.raises(InputError, match="it knows"):
            reply(HONEST, call(step, one))


@pytest.mark.parametrize("step", ["judge", "validity", "rewrite", "grade"])
def test_a_call_without_the_text_that_it_is_about_is_a_mistake_of_the_step(step: str) -> None:
    with pytest.raises(ValueError, match="between <<< and >>>"):
        reply(HONEST, call(step, examples("charts", 1)[0], asked=[said("user", "Go on.")]))


def test_rates_are_read_from_text() -> None:
    assert Oracle.from_text("wrong=0.3, leak=0.1", seed=2).rates == Rates(wrong=0.3, leak=0.1)
    assert Oracle.from_text("") == Oracle()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("wrong", "'wrong' cannot be read"),
        ("wrong=x", "'wrong=x' cannot be read"),
        ("wrnog=0.1", "knows no error 'wrnog'"),
        ("wrong=1.5", "wrong=1.5 is no share"),
        ("wrong=-0.1", "is no share"),
        ("wrong=nan", "is no share"),
        ("wrong=0.1,wrong=0.2", "given twice"),
    ],
)
def test_bad_rates_are_input_errors(text: str, told: str) -> None:
    with pytest.raises(InputError, match=told):
        Oracle.from_text(text)


def test_another_oracle_has_another_name() -> None:
    assert HONEST.name == "oracle"
    names = {o.name for o in (HONEST, Oracle(seed=1), Oracle(Rates(wrong=0.5)), Oracle(Rates(leak=0.5), 1))}
    assert len(names) == 4


def test_replies_take_as_long_as_asked_and_count_words() -> None:
    async def both() -> float:
        slow, asked = Oracle(delay_s=0.2), call("direct", examples("charts", 1)[0])
        start = asyncio.get_running_loop().time()
        replies = await asyncio.gather(*(slow.answer(asked, lambda *_: None) for _ in range(20)))
        assert replies[0].prompt_tokens > 5 and replies[0].tokens >= 1
        return asyncio.get_running_loop().time() - start

    assert 0.2 <= asyncio.run(both()) < 2


def test_every_planted_leak_is_on_the_ban_list() -> None:
    assert [leak for leak in LEAKS if not leaks(leak)] == []


def test_sampling_is_not_looked_at_but_for_its_seed() -> None:
    one = call("sample", examples("charts", 1)[0], 3)
    assert reply(HONEST, one) == reply(HONEST, replace(one, sampling=Sampling(temperature=0.2, seed=3)))
