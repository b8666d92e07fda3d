from __future__ import annotations

from dataclasses import replace

import PIL.Image
import pytest

from seethink.engines.base import Request
from seethink.media import Image
from seethink.synth.chain import step_version
from seethink.synth.draft import Draft, Dropped, FormalDescription
from seethink.synth.steps.describe import KINDS, DescribeStep, read_kind
from seethink.types import Completion, Example, InputError
from tests.synth.steps.run_step import run_step, text_of

PICTURE = Image.drawn("p", lambda: PIL.Image.new("RGB", (64, 48)))
DRAFT = Draft(Example("one", "How many dots are there?", (PICTURE,), "3"))
SAID = {
    "caption": "Three dots.", "boxes": '[{"bbox_2d": [1, 2, 3, 4], "label": "dot"}]', "ocr": "(no text)",
    "table": "a,b\n1,2", "chart": "plt.plot([1])", "circuit": "* none\n.end", "flow": "graph TD",
    "ui": "<p>a</p>", "score": "{ c4 }", "geometry": "Given: a dot.",
}  # fmt: skip


def reply_to(route: str = "caption", **other: str):
    def script(call: Request) -> str:
        what = call.step.partition("/")[2]
        return route if what == "route" else (SAID | other)[what]

    return script


@pytest.mark.parametrize("kind", KINDS)
def test_the_kind_named_by_the_route_is_requested(kind: str) -> None:
    after, calls = run_step(DescribeStep(), DRAFT, reply_to(kind.upper() + "."))
    assert isinstance(after, Draft) and after.formal == (FormalDescription(kind, SAID[kind]),)
    assert [(call.step, call.role) for call in calls] == [
        ("describe/route", "vision"),
        (f"describe/{kind}", "vision"),
    ]
    assert all(call.messages[0]["content"][0] == {"type": "image", "image": PICTURE} for call in calls)
    assert "How many dots" not in text_of(calls[1]), "who describes does not know the question"
    assert "never translate" in text_of(calls[1]) and "{" not in text_of(calls[1]).replace('{"bbox_2d"', "")


def test_every_kind_has_its_own_prompt_and_all_are_in_the_route() -> None:
    step = DescribeStep()
    assert {*step.wordings} == {*step.suits} == {*KINDS} and len({*step.wordings.values()}) == len(KINDS)
    _, calls = run_step(step, DRAFT, reply_to())
    assert all(f"\n{kind}: " in text_of(calls[0]) for kind in KINDS)
    _, calls = run_step(DescribeStep(kinds=("ocr", "table")), DRAFT, reply_to("table"))
    assert "\ntable: " in text_of(calls[0]) and "\ncaption: " not in text_of(calls[0])


def test_one_kind_needs_no_route_and_may_have_extra_kinds() -> None:
    after, calls = run_step(DescribeStep(kinds=("caption",)), DRAFT, reply_to())
    assert isinstance(after, Draft) and [call.step for call in calls] == ["describe/caption"]
    step = DescribeStep(extra_kinds={"caption": ("boxes", "ocr", "caption"), "boxes": ("table",)})
    after, calls = run_step(step, DRAFT, reply_to())
    assert isinstance(after, Draft) and [part.kind for part in after.formal] == ["caption", "boxes", "ocr"]
    assert len({call.sampling.seed for call in calls}) == 4


def test_a_syntax_error_is_retried_and_then_dropped() -> None:
    step = DescribeStep(kinds=("table",), retries=2)
    replies = iter(["a,b\n1", "```csv\na,b\n1,2\n```"])
    after, calls = run_step(step, DRAFT, lambda call: next(replies))
    assert isinstance(after, Draft) and after.formal == (FormalDescription("table", "a,b\n1,2"),)
    assert step.reminder in text_of(calls[1]) and calls[0].sampling.seed != calls[1].sampling.seed
    after, calls = run_step(step, DRAFT, lambda call: "a,b\n1")
    assert isinstance(after, Dropped) and after.reason == "invalid" and len(calls) == 3
    after, calls = run_step(DescribeStep(kinds=("boxes",), retries=0), DRAFT, lambda call: '[{"bbox_2d": [1')
    assert isinstance(after, Dropped) and after.reason == "not JSON" and len(calls) == 1


def test_a_refusal_and_a_cut_description_are_named() -> None:
    after, calls = run_step(
        DescribeStep(), DRAFT, lambda call: "I'm sorry, but I can't help with this picture."
    )
    assert isinstance(after, Dropped) and after.reason == "refused" and len(calls) == 1
    step = DescribeStep(kinds=("caption",), extra_kinds={"caption": ("ocr",)})
    after, calls = run_step(step, DRAFT, reply_to(ocr="Sorry, no."))
    assert isinstance(after, Dropped) and after.reason == "refused" and "describe/ocr" in after.why
    after, _ = run_step(step, DRAFT, lambda call: Completion("Three", "length"))
    assert isinstance(after, Dropped) and after.reason == "cut off"


@pytest.mark.parametrize(
    ("reply", "kind"),
    [("chart", "chart"), ("`ui`", "ui"), ("It is a Table.", "table"), ("charts", None), ("ocr or ui", None)],
)
def test_a_route_is_one_kind_and_no_guess(reply: str, kind: str | None) -> None:
    found = read_kind(reply, KINDS)
    assert (None if isinstance(found, Dropped) else found) == kind
    assert isinstance(read_kind("chart", ("caption", "ocr")), Dropped)


def test_a_route_without_a_kind_is_retried_and_then_dropped() -> None:
    after, calls = run_step(DescribeStep(retries=1), DRAFT, lambda call: "a photo")
    assert isinstance(after, Dropped) and after.reason == "invalid" and len(calls) == 2


def test_a_text_question_is_not_described() -> None:
    text = Draft(Example("t", "1 + 1?", answer="2"))
    after, calls = run_step(DescribeStep(), text, reply_to())
    assert isinstance(after, Draft) and not calls and not after.formal
    assert after.verdict and after.verdict.passed is None


def test_a_caption_is_in_the_language_of_the_question() -> None:
    for question, language in (("How many dots?", "English"), ("有几个点？", "Chinese")):
        draft = Draft(replace(DRAFT.example, question=question))
        _, calls = run_step(DescribeStep(kinds=("caption",)), draft, reply_to())
        assert f"in {language}" in text_of(calls[0])


def test_another_prompt_is_another_version_and_an_unknown_kind_is_an_error() -> None:
    step = DescribeStep()
    others = [
        DescribeStep(wordings={**step.wordings, "ocr": "Read."}), DescribeStep(routing="{suits}?"),
        DescribeStep(extra_kinds={"ocr": ("caption",)}), DescribeStep(kinds=("ocr",)),
        DescribeStep(visible=""),
    ]  # fmt: skip
    assert len({step_version(one) for one in [step, DescribeStep(), *others]}) == 1 + len(others)
    for wrong in (
        {"kinds": ("photo",)},
        {"extra_kinds": {"ocr": ("photo",)}},
        {"extra_kinds": {"photo": ()}},
    ):
        with pytest.raises(InputError, match="photo"):
            DescribeStep(**wrong)
    with pytest.raises(InputError, match="needs at least one kind"):
        DescribeStep(kinds=())
