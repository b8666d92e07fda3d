from __future__ import annotations

import pytest

from seethink.engines.scripted import LEAKS
from seethink.synth.draft import Draft, Dropped, Path
from seethink.synth.steps.leaks import Leaks, leaks
from tests.synth.steps.teaching import drafted, taught


@pytest.mark.parametrize(
    "said",
    [
        *LEAKS, "According to the image description, it is red.", "The description mentions two.",
        "Visualise the scene.", "as in the given caption", "the provided textual description",
        "根据图片描述，有三个。", "描述中提到两个。",
    ],
)  # fmt: skip
def test_a_thought_that_speaks_of_a_description_is_dropped(said: str) -> None:
    after, calls = taught(Leaks(), drafted(thought=f"I look. {said.capitalize()} So 3.", final="3"), str)
    assert isinstance(after, Dropped) and after.reason == "leak" and not calls
    after, _ = taught(Leaks(), drafted(thought="I look.", final=said), str)
    assert isinstance(after, Dropped)


@pytest.mark.parametrize(
    "said",
    [
        "The picture shows a caption that reads SALE.", "I describe what I see.",
        "Based on the colours, red.", "The label under the photo, its caption, is blue.",
        "Visualizing helps: three rows of four.", "图片中有三个。",
    ],
)  # fmt: skip
def test_a_thought_about_the_picture_may_stand(said: str) -> None:
    assert leaks(said) == []
    assert isinstance(taught(Leaks(), drafted(thought=said, final="3"), str)[0], Draft)


def test_a_path_that_leaks_goes_alone() -> None:
    clean, leaking = Path(("I look.",), "3"), Path(("I look.", "Based on the caption, 3."), "3")
    after, _ = taught(Leaks(), drafted(paths=(leaking, clean)), str)
    assert isinstance(after, Draft) and after.paths == (clean,)
    assert after.verdict and after.verdict.why == "1 of 2 paths speak of a description"
    none, _ = taught(Leaks(), drafted(paths=(leaking,)), str)
    assert isinstance(none, Dropped) and none.reason == "leak"
