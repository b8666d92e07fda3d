from __future__ import annotations

from dataclasses import replace

import PIL.Image
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seethink.formats import STAGED
from seethink.media import Image
from seethink.synth.turns import CONCLUDE, OPTION, to_tags, to_turns
from seethink.types import Example

PICTURE = Image.drawn("a", lambda: PIL.Image.new("RGB", (30, 30)))
OTHER = Image.drawn("b", lambda: PIL.Image.new("RGB", (30, 30)))
TEXT = st.text(st.characters(codec="utf-8", exclude_characters="<>"), min_size=1, max_size=40).filter(
    lambda text: text.strip() == text
)


@st.composite
def dialogues(draw: st.DrawFn) -> list[Example]:
    media = draw(st.sampled_from([(), (PICTURE,), (PICTURE, OTHER)]))
    marks = draw(st.booleans())
    made = []
    for i in range(draw(st.integers(1, 3))):
        question = draw(TEXT)
        if marks and i == 0:
            question = " and ".join([question, *("<image>" for _ in media)]) + " ?" if media else question
        steps = tuple(draw(st.tuples(TEXT, TEXT, TEXT)))
        made.append(Example(str(i + 1), question, media, draw(TEXT), steps=steps))
    return made


@given(dialogues())
def test_tags_come_back_from_turns(examples: list[Example]) -> None:
    back = to_tags(to_turns(examples))
    assert [example.parts() for example in back] == [example.parts() for example in examples]
    assert [STAGED.write(e.steps, str(e.answer)) for e in back] == [
        STAGED.write(e.steps, str(e.answer)) for e in examples
    ]


@given(dialogues())
def test_turns_come_back_from_tags(examples: list[Example]) -> None:
    messages = to_turns(examples)
    back = [replace(e, choices=examples[0].choices) for e in to_tags(messages)]
    assert to_turns(back) == messages


def lesson(**changes: object) -> Example:
    example = Example("q", "How many?", (PICTURE,), "3", steps=("plan", "dots", "count"))
    return replace(example, **changes)


def test_a_question_has_four_requests_and_a_dialogue_shows_its_picture_once() -> None:
    messages = to_turns([lesson(), lesson(id="r", question="Which colour?", answer="red")])
    assert len(messages) == 16
    assert [m["role"] for m in messages] == ["user", "assistant"] * 8
    assert sum(part["type"] == "image" for m in messages for part in m["content"]) == 1
    assert [m["content"][0]["text"] for m in messages[9::2]] == ["plan", "dots", "count", "red"]


def test_a_question_with_options_asks_for_the_letter() -> None:
    asked = [to_turns([e])[6]["content"][0]["text"] for e in (
        lesson(), lesson(choices=("2", "3")), lesson(question="How many?\nChoices: 2, 3"),
        lesson(question="How many?\n(A) 2\n(B) 3"),
    )]  # fmt: skip
    assert asked == [CONCLUDE, OPTION, OPTION, OPTION]


@pytest.mark.parametrize(
    "examples",
    [
        [lesson(steps=("plan", "dots"))],
        [lesson(answer=None)],
        [lesson(answer="</CONCLUSION>")],
        [lesson(), lesson(media=(OTHER,))],
    ],
)
def test_what_is_no_dialogue_of_stages_is_refused(examples: list[Example]) -> None:
    with pytest.raises(ValueError):
        to_turns(examples)


def test_what_is_no_such_dialogue_is_not_read() -> None:
    messages = to_turns([lesson()])
    for broken in ([], messages[:6], [*messages[1:], messages[0]], [*messages[4:], *messages[:4]]):
        with pytest.raises(ValueError):
            to_tags(broken)
