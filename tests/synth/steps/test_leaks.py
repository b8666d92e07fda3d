from __future__ import annotations

import pytest

from seethink.engines.oracle import LEAKS
from seethink.synth.draft import Draft, Dropped, ReasoningPath
from seethink.synth.steps.leaks import LeaksStep, leaks
from tests.synth.steps.run_step import make_draft, run_step


@pytest.mark.parametrize(
    "text",
    [
        *LEAKS, "According to the image description, it is red.", "The description mentions two.",
        "Visualise the scene.", "as in the given caption", "the provided textual description",
        "根据图片描述，有三个。", "描述中提到两个。",
    ],
)  # fmt: skip
def test_a_thought_that_mentions_a_description_is_dropped(text: str) -> None:
    after, calls = run_step(
        LeaksStep(), make_draft(thought=f"I look. {text.capitalize()} So 3.", final="3"), str
    )
    assert isinstance(after, Dropped) and after.reason == "leak" and not calls
    after, _ = run_step(LeaksStep(), make_draft(thought="I look.", final=text), str)
    assert isinstance(after, Dropped)


@pytest.mark.parametrize(
    "text",
    [
        "The picture shows a caption that reads SALE.", "I describe what I see.",
        "Based on the colours, red.", "The label under the photo, its caption, is blue.",
        "Visualizing helps: three rows of four.", "图片中有三个。",
    ],
)  # fmt: skip
def test_a_thought_about_the_image_is_accepted(text: str) -> None:
    assert leaks(text) == []
    assert isinstance(run_step(LeaksStep(), make_draft(thought=text, final="3"), str)[0], Draft)


def test_only_the_path_that_leaks_is_removed() -> None:
    clean, leaking = (
        ReasoningPath(("I look.",), "3"),
        ReasoningPath(("I look.", "Based on the caption, 3."), "3"),
    )
    after, _ = run_step(LeaksStep(), make_draft(paths=(leaking, clean)), str)
    assert isinstance(after, Draft) and after.paths == (clean,)
    assert after.verdict and after.verdict.why == "1 of 2 paths mention a description"
    none, _ = run_step(LeaksStep(), make_draft(paths=(leaking,)), str)
    assert isinstance(none, Dropped) and none.reason == "leak"
