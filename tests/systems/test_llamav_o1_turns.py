"""A dialogue holds every question, step and answer of its rows, and shows their media once."""

from __future__ import annotations

from dataclasses import replace

import PIL.Image
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seethink.formats import STAGED
from seethink.formats.turns import CAPTION, CONCLUDE, OPTION, PLAN, REASON
from seethink.media import Image
from seethink.systems.llamav_o1.turns import to_turns
from seethink.types import Example, Media, Message

PICTURE = Image.drawn("a", lambda: PIL.Image.new("RGB", (30, 30)))
OTHER = Image.drawn("b", lambda: PIL.Image.new("RGB", (30, 30)))
TEXT = st.text(st.characters(codec="utf-8", exclude_characters="<>"), min_size=1, max_size=40).filter(
    lambda text: text.strip() == text
)


@st.composite
def dialogues(draw: st.DrawFn) -> list[Example]:
    media = draw(st.sampled_from([(), (PICTURE,), (PICTURE, OTHER)]))
    marks = draw(st.booleans())
    examples = []
    for i in range(draw(st.integers(1, 3))):
        question = draw(TEXT)
        if marks and i == 0:
            question = " and ".join([question, *("<image>" for _ in media)]) + " ?" if media else question
        steps = tuple(draw(st.tuples(TEXT, TEXT, TEXT)))
        examples.append(Example(str(i + 1), question, media, draw(TEXT), steps=steps))
    return examples


def parts(message: Message) -> list[str | Media]:
    return [part["text"] if part["type"] == "text" else part[part["type"]] for part in message["content"]]


@given(dialogues())
def test_a_dialogue_holds_its_rows_in_order(examples: list[Example]) -> None:
    messages = to_turns(examples)
    assert [message["role"] for message in messages] == ["user", "assistant"] * 4 * len(examples)
    for i, example in enumerate(examples):
        turns = [parts(message) for message in messages[8 * i : 8 * i + 8]]
        texts = [part for part in example.parts() if isinstance(part, str)]
        first = example.parts() if i == 0 else ["".join(texts).strip()]
        assert turns[0] == [*first[:-1], f"{first[-1]}\n{PLAN}"]
        assert turns[2:6:2] == [[CAPTION], [REASON]] and turns[6] in ([CONCLUDE], [OPTION])
        assert turns[1::2] == [[text] for text in (*example.steps, example.answer)]


@given(dialogues())
def test_its_replies_are_the_stages_of_the_tagged_answer(examples: list[Example]) -> None:
    messages = to_turns(examples)
    for i, example in enumerate(examples):
        replies = [str(parts(message)[0]) for message in messages[8 * i + 1 : 8 * i + 8 : 2]]
        staged = STAGED.parse(STAGED.write(example.steps, str(example.answer)))
        assert [*staged.steps, staged.answer] == replies


def row(**changes: object) -> Example:
    example = Example("q", "How many?", (PICTURE,), "3", steps=("plan", "dots", "count"))
    return replace(example, **changes)


def test_a_question_has_four_requests_and_a_dialogue_shows_its_picture_once() -> None:
    messages = to_turns([row(), row(id="r", question="Which colour?", answer="red")])
    assert len(messages) == 16
    assert [m["role"] for m in messages] == ["user", "assistant"] * 8
    assert sum(part["type"] == "image" for m in messages for part in m["content"]) == 1
    assert [m["content"][0]["text"] for m in messages[9::2]] == ["plan", "dots", "count", "red"]


def test_a_question_with_options_requests_the_letter() -> None:
    rows = (
        row(),
        row(choices=("2", "3")),
        row(question="How many?\nChoices: 2, 3"),
        row(question="How many?\n(A) 2\n(B) 3"),
    )
    requests = [to_turns([example])[6]["content"][0]["text"] for example in rows]
    assert requests == [CONCLUDE, OPTION, OPTION, OPTION]


@pytest.mark.parametrize(
    ("examples", "message"),
    [
        ([row(steps=("plan", "dots"))], "SUMMARY, CAPTION, REASONING, not 2 steps"),
        ([row(answer=None)], "q has no answer"),
        ([row(answer="</CONCLUSION>")], "contains a tag"),
        ([row(), row(id="r", media=(OTHER,))], "r has other media than q"),
    ],
)
def test_rows_that_make_no_dialogue_are_refused(examples: list[Example], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        to_turns(examples)
