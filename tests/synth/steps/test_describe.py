from __future__ import annotations

from dataclasses import replace

import PIL.Image
import pytest

from seethink.engines.teacher import Call, Reply
from seethink.media import Image
from seethink.synth.chain import version_of
from seethink.synth.draft import Draft, Dropped, Formal
from seethink.synth.steps.describe import KINDS, Describe, read_kind
from seethink.types import Example, InputError
from tests.synth.steps.teaching import taught, told

PICTURE = Image.drawn("p", lambda: PIL.Image.new("RGB", (64, 48)))
DRAFT = Draft(Example("one", "How many dots are there?", (PICTURE,), "3"))
SAID = {
    "caption": "Three dots.", "boxes": '[{"bbox_2d": [1, 2, 3, 4], "label": "dot"}]', "ocr": "(no text)",
    "table": "a,b\n1,2", "chart": "plt.plot([1])", "circuit": "* none\n.end", "flow": "graph TD",
    "ui": "<p>a</p>", "score": "{ c4 }", "geometry": "Given: a dot.",
}  # fmt: skip


def says(route: str = "caption", **other: str):
    def script(call: Call) -> str:
        what = call.step.partition("/")[2]
        return route if what == "route" else (SAID | other)[what]

    return script


@pytest.mark.parametrize("kind", KINDS)
def test_the_kind_that_the_route_names_is_asked_for(kind: str) -> None:
    after, calls = taught(Describe(), DRAFT, says(kind.upper() + "."))
    assert isinstance(after, Draft) and after.formal == (Formal(kind, SAID[kind]),)
    assert [(call.step, call.role) for call in calls] == [
        ("describe/route", "see"),
        (f"describe/{kind}", "see"),
    ]
    assert all(call.messages[0]["content"][0] == {"type": "image", "image": PICTURE} for call in calls)
    assert "How many dots" not in told(calls[1]), "who describes does not know the question"
    assert "never translate" in told(calls[1]) and "{" not in told(calls[1]).replace('{"bbox_2d"', "")


def test_every_kind_has_its_own_words_and_all_stand_in_the_route() -> None:
    step = Describe()
    assert {*step.wordings} == {*step.suits} == {*KINDS} and len({*step.wordings.values()}) == len(KINDS)
    _, calls = taught(step, DRAFT, says())
    assert all(f"\n{kind}: " in told(calls[0]) for kind in KINDS)
    _, calls = taught(Describe(kinds=("ocr", "table")), DRAFT, says("table"))
    assert "\ntable: " in told(calls[0]) and "\ncaption: " not in told(calls[0])


def test_one_kind_needs_no_route_and_others_may_stand_beside_it() -> None:
    after, calls = taught(Describe(kinds=("caption",)), DRAFT, says())
    assert isinstance(after, Draft) and [call.step for call in calls] == ["describe/caption"]
    step = Describe(also={"caption": ("boxes", "ocr", "caption"), "boxes": ("table",)})
    after, calls = taught(step, DRAFT, says())
    assert isinstance(after, Draft) and [part.kind for part in after.formal] == ["caption", "boxes", "ocr"]
    assert len({call.sampling.seed for call in calls}) == 4


def test_a_faulty_form_is_asked_for_again_and_then_dropped() -> None:
    step = Describe(kinds=("table",), retries=2)
    replies = iter(["a,b\n1", "```csv\na,b\n1,2\n```"])
    after, calls = taught(step, DRAFT, lambda call: next(replies))
    assert isinstance(after, Draft) and after.formal == (Formal("table", "a,b\n1,2"),)
    assert step.reminder in told(calls[1]) and calls[0].sampling.seed != calls[1].sampling.seed
    after, calls = taught(step, DRAFT, lambda call: "a,b\n1")
    assert isinstance(after, Dropped) and after.reason == "invalid" and len(calls) == 3
    after, calls = taught(Describe(kinds=("boxes",), retries=0), DRAFT, lambda call: '[{"bbox_2d": [1')
    assert isinstance(after, Dropped) and after.reason == "not JSON" and len(calls) == 1


def test_a_refusal_and_a_cut_description_are_named() -> None:
    after, calls = taught(Describe(), DRAFT, lambda call: "I'm sorry, but I can't help with this picture.")
    assert isinstance(after, Dropped) and after.reason == "refused" and len(calls) == 1
    step = Describe(kinds=("caption",), also={"caption": ("ocr",)})
    after, calls = taught(step, DRAFT, says(ocr="Sorry, no."))
    assert isinstance(after, Dropped) and after.reason == "refused" and "describe/ocr" in after.why
    after, _ = taught(step, DRAFT, lambda call: Reply("Three", "length"))
    assert isinstance(after, Dropped) and after.reason == "cut off"


@pytest.mark.parametrize(
    ("reply", "kind"),
    [("chart", "chart"), ("`ui`", "ui"), ("It is a Table.", "table"), ("charts", None), ("ocr or ui", None)],
)
def test_a_route_is_one_kind_and_no_guess(reply: str, kind: str | None) -> None:
    found = read_kind(reply, KINDS)
    assert (None if isinstance(found, Dropped) else found) == kind
    assert isinstance(read_kind("chart", ("caption", "ocr")), Dropped)


def test_a_route_to_nowhere_is_asked_for_again_and_then_dropped() -> None:
    after, calls = taught(Describe(retries=1), DRAFT, lambda call: "a photo")
    assert isinstance(after, Dropped) and after.reason == "invalid" and len(calls) == 2


def test_a_question_in_words_is_not_described() -> None:
    text = Draft(Example("t", "1 + 1?", answer="2"))
    after, calls = taught(Describe(), text, says())
    assert isinstance(after, Draft) and not calls and not after.formal
    assert after.verdict and after.verdict.passed is None


def test_a_caption_is_in_the_language_of_the_question() -> None:
    for question, language in (("How many dots?", "English"), ("有几个点？", "Chinese")):
        draft = Draft(replace(DRAFT.example, question=question))
        _, calls = taught(Describe(kinds=("caption",)), draft, says())
        assert f"in {language}" in told(calls[0])


def test_other_words_are_another_version_and_unknown_kinds_an_error() -> None:
    step = Describe()
    others = [
        Describe(wordings={**step.wordings, "ocr": "Read."}), Describe(routing="{suits}?"),
        Describe(also={"ocr": ("caption",)}), Describe(kinds=("ocr",)), Describe(visible=""),
    ]  # fmt: skip
    assert len({version_of(one) for one in [step, Describe(), *others]}) == 1 + len(others)
    for wrong in ({"kinds": ("photo",)}, {"also": {"ocr": ("photo",)}}, {"also": {"photo": ()}}):
        with pytest.raises(InputError, match="photo"):
            Describe(**wrong)
    with pytest.raises(InputError, match="no kind"):
        Describe(kinds=())
