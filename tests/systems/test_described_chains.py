"""What the chains of R1-Vision and R1-Onevision keep, and what they drop."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from seethink import systems
from seethink.engines.oracle import Oracle
from seethink.engines.oracle.truth import Truth
from seethink.formats import read_any
from seethink.formats.base_format import STEP_SEPARATOR
from seethink.media import Image
from seethink.sources import fonts
from seethink.sources.drawn import by_name
from seethink.synth.chain import Chain, Outcome, run_example
from seethink.synth.draft import Draft
from seethink.synth.formal import read_formal
from seethink.synth.measure import measure
from seethink.synth.text_images import render_text
from seethink.systems.r1_onevision.chain import r1_onevision
from seethink.systems.r1_vision.chain import r1_vision
from seethink.types import Example
from tests.machine_fonts import box_font
from tests.systems.chain_runs import RATES, kept_rows, leaking, run_chain

NAMES = ("r1_vision", "r1_onevision")
BOTH = pytest.mark.parametrize("name", NAMES)


@BOTH
@pytest.mark.parametrize("world", ["exams", "clips", "detection"])
def test_with_a_teacher_that_never_errs_everything_is_kept(name: str, world: str) -> None:
    results = run_chain(systems.chain(name), world, 40)
    assert Counter(outcome.state for _, outcome in results) == {"kept": 40}


@BOTH
def test_what_is_kept_has_no_wrong_answer_and_no_leak_and_is_not_little(name: str) -> None:
    chain = systems.chain(name)
    results = run_chain(chain, "exams", 300, RATES)
    kept = kept_rows(chain, results)
    assert 140 <= len(kept) <= 200  # 0.7 x 0.9, less what was refused
    for part, example, row in kept:
        assert part == "data" and row.steps and row.media == example.media
        assert Truth(example).is_right(read_any(row.meta["final"]).answer)
        assert not leaking("\n".join([*row.steps, row.meta["final"]]))
    dropped = Counter(outcome.reason for _, outcome in results if outcome.state == "dropped")
    assert {"wrong answer", "leak", "refused"} == {*dropped}
    assert len(kept) + dropped.total() == 300


@BOTH
def test_every_filter_finds_what_was_planted_and_nothing_else(name: str) -> None:
    oracle = Oracle.from_text(f"{RATES},step=0.2")
    found = asyncio.run(measure(systems.chain(name), by_name("exams", 100), oracle))
    filters = {(f.step, f.reason): f for f in found.filters}
    assert {("describe", "refused"), ("answer", "wrong answer"), ("leaks", "leak")} <= {*filters}
    assert (("validity", "invalid") in filters) is (name == "r1_onevision")
    assert all((f.precision, f.recall) == (1, 1) for f in found.filters)
    assert found.kept.wrong == found.kept.leaking == found.kept.unjudged == 0


def test_thoughts_begin_with_a_look_at_the_picture_and_its_caption() -> None:
    chain = r1_vision()
    kept = kept_rows(chain, run_chain(chain, "exams", 20))
    for _, example, row in kept:
        caption, ocr = row.meta["formal"]
        assert (caption["kind"], ocr["kind"]) == ("caption", "ocr")
        turn, _, rest = STEP_SEPARATOR.join(row.steps).partition(f" {caption['text']}{STEP_SEPARATOR}")
        assert "the image" in turn and rest
        assert all(step in rest for step in Truth(example).steps)
    assert len({row.steps[0].partition(".")[0] for _, _, row in kept}) > 5


def test_captions_may_go_unread_and_cost_one_call_less() -> None:
    chain = r1_vision(reads=False)
    kept = kept_rows(chain, run_chain(chain, "exams", 5))
    assert all([part["kind"] for part in row.meta["formal"]] == ["caption"] for _, _, row in kept)
    assert len({c.key for c in (chain, r1_vision(), r1_vision(tex="mathtext"))}) == 3


def worded(example: Example, question: str | None = None) -> Example:
    """The question in words alone, as a text-only data set has it."""
    return replace(example, media=(), question=question or example.question)


def one(chain: Chain, example: Example, errors: str = "") -> Outcome:
    oracle = Oracle.from_text(errors)

    async def put(call):
        return await oracle.complete(call, lambda kind, detail: None), oracle.name

    return asyncio.run(run_example(chain, example, put))


@pytest.mark.parametrize(
    ("question", "asks"),
    [
        ("How much is $\\frac{6}{2}$?", "Answer the question in the picture."),
        ("有几个？", "请回答图片中的问题。"),
    ],
)
def test_a_question_in_words_has_a_twin_with_the_same_response(
    question: str, asks: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chinese = box_font(tmp_path / "chinese.ttf", "有几个？")
    monkeypatch.setattr(fonts, "system_fonts", lambda: (chinese,))
    chain, example = r1_vision(tex="mathtext"), worded(next(iter(by_name("exams", 1))), question)
    drawn = render_text(question, "mathtext")
    outcome = one(chain, example)
    assert outcome.state == "kept" and not outcome.draft.formal
    (_, row), (part, twin) = chain.build_rows(outcome.draft)
    assert part == "data" and not row.media and row.question == question and "twin_of" not in row.meta
    assert (twin.steps, twin.answer, twin.meta["final"]) == (row.steps, row.answer, row.meta["final"])
    assert twin.id == f"{row.id}/twin" and twin.meta["twin_of"] == row.id and twin.question == asks
    (picture,) = twin.media
    assert isinstance(picture, Image) and picture.key == drawn.key
    assert picture.load().tobytes() == drawn.load().tobytes()


def test_a_question_in_words_takes_one_call_and_is_judged_like_the_others() -> None:
    example = worded(next(iter(by_name("exams", 1))))
    outcome = one(r1_vision(), example)
    assert [stop.step for stop in outcome.draft.trace if stop.models] == ["prefix"]
    wrong = one(r1_vision(), example, "wrong=1")
    assert (wrong.state, wrong.reason) == ("dropped", "wrong answer")


@BOTH
def test_what_a_chain_made_is_read_again_from_json(name: str) -> None:
    examples = [*by_name("exams", 5)]
    if name == "r1_vision":
        examples += [worded(example) for example in examples]
    for example in examples:
        draft = one(systems.chain(name), example).draft
        again = Draft.from_json(example, json.loads(json.dumps(draft.to_json(example))))
        build_rows = systems.chain(name).build_rows
        assert [(part, row, row.meta) for part, row in build_rows(again)] == [
            (part, row, row.meta) for part, row in build_rows(draft)
        ]


def test_what_cannot_be_drawn_has_no_twin_and_says_so() -> None:
    chain, example = r1_vision(), worded(next(iter(by_name("exams", 1))), "What is it? \U0010fffd")
    outcome = one(chain, example)
    assert outcome.state == "kept" and len(list(chain.build_rows(outcome.draft))) == 1
    verdict = outcome.draft.trace[-1].verdict
    assert verdict and verdict.passed is None and "no twin" in verdict.why


def test_pictures_become_the_forms_that_suit_them() -> None:
    kept = kept_rows(r1_onevision(), run_chain(r1_onevision(), "exams", 60))
    formals = [[part["kind"] for part in row.meta["formal"]] for _, _, row in kept]
    assert {tuple(kinds) for kinds in formals} >= {("boxes", "caption"), ("ocr",), ("ui",), ("geometry",)}
    for _, _, row in kept:
        for part in row.meta["formal"]:
            assert read_formal(part["kind"], part["text"]) == part["text"]
    clips = kept_rows(r1_onevision(), run_chain(r1_onevision(), "clips", 2))
    assert all([p["kind"] for p in row.meta["formal"]] == ["caption", "boxes", "ocr"] for _, _, row in clips)


def test_the_judge_takes_out_wrong_steps_under_right_answers() -> None:
    results = run_chain(r1_onevision(), "exams", 60, "step=0.4")
    dropped = [outcome for _, outcome in results if outcome.state == "dropped"]
    assert {(outcome.step, outcome.reason) for outcome in dropped} == {("validity", "invalid")}
    assert all("steps_correct" in outcome.why for outcome in dropped) and 12 < len(dropped) < 36
    for example, outcome in results:
        whole = Truth(example).share_of_steps_in(outcome.draft.thought or "") == 1.0
        assert whole is (outcome.state == "kept")


def test_a_leak_of_the_reasoner_is_mended_by_the_rewriter() -> None:
    class Leaky(Oracle):
        """Every thought leaks, and no retelling does."""

        async def complete(self, call, on_fault):
            teller = Oracle() if call.step == "rewrite" else Oracle.from_text("leak=1")
            return await teller.complete(call, on_fault)

    async def put(call):
        return await Leaky().complete(call, lambda kind, detail: None), "leaky"

    for example in by_name("exams", 10):
        outcome = asyncio.run(run_example(r1_onevision(), example, put))
        records = {stop.step: stop for stop in outcome.draft.trace}
        assert outcome.state == "kept" and leaking((records["reason"].changes or {})["thought"])
        assert not leaking(str(outcome.draft.thought))
