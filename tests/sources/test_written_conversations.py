"""Conversations and pairs written for other trainers are read again as they were."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from tempfile import mkdtemp

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from seethink.formats import THINK_ANSWER
from seethink.media import Image
from seethink.sources.dialects import dialect_of
from seethink.sources.preferences import read_pairs
from seethink.sources.records import read
from seethink.sources.row_reader import read_rows
from seethink.sources.writing import write
from seethink.types import Example, InputError, Turn
from tests.sources.test_conversations import CONVERSATIONS
from tests.sources.test_dialects import written
from tests.sources.test_writing import DIALECTS, same, shown

TALKING = (
    *("ours", "llama-factory", "alpaca", "ms-swift", "ms-swift-objects", "query", "openai"),
    *("trl", "trl-sft", "trl-messages", "llava", "rl"),
)
"""Dialects that hold the turns before a question."""


@pytest.fixture
def talks(folder):
    a, b = (Image.file(folder / name) for name in ("a.png", "b.png"))
    brief = Turn("system", "Be brief.")
    first = (Turn("user", "<image>Who is it?"), Turn("assistant", "A dog at [1, 2, 30, 40]."))
    return (
        Example("one", "And here?<image>", (a, b), "A cat.", history=first),
        Example("two", "Sure?", (a,), "yes", steps=("I look again.",), history=(brief, *first)),
        Example("three", "1 + 2?", (), "3", history=(brief,)),
        Example("four", "Is <image> like <image> and <image>?", (a, b, a), "no"),
    )


@pytest.mark.parametrize("dialect", DIALECTS)
def test_the_turns_before_a_question_are_written_or_the_example_is_refused(folder, talks, dialect):
    if dialect not in TALKING:
        with pytest.raises(InputError, match="example one has turns before its question, for which this"):
            write(talks, folder / "out", dialect)
        return
    write(talks, folder / "out", dialect, copy=False)
    assert same(dialect, read(folder / "out"), talks)


@pytest.mark.parametrize("dialect", TALKING)
@pytest.mark.parametrize("name", CONVERSATIONS)
def test_every_conversation_goes_through_every_layout_unchanged(folder, name, dialect):
    first = read(written(folder, CONVERSATIONS[name][1]))
    write(first, folder / "out", dialect, copy=False)
    assert same(dialect, read(folder / "out"), first)


@pytest.mark.parametrize("dialect", TALKING[1:])
def test_unmarked_pictures_of_a_conversation_get_one_mark_each_in_its_first_question(folder, dialect):
    a, b = (Image.file(folder / name) for name in ("a.png", "b.png"))
    asked = Example("one", "Sure?", (a, b), "yes", history=(Turn("user", "Who?"), Turn("assistant", "Me.")))
    write([asked], folder / "out", dialect)
    (again,) = read(folder / "out")
    assert again.history[0].text == "<image><image>Who?" and "<image>" not in again.question
    write([again], folder / "twice", dialect)
    assert shown(read(folder / "twice")[0]) == shown(again)


@pytest.mark.parametrize("dialect", TALKING)
def test_a_turn_that_is_not_learned_is_written_as_such_or_refused(folder, dialect):
    history = (Turn("user", "1 + 1?"), Turn("assistant", "3", learned=False))
    corrected = Example("one", "No.", (), "2", history=history)
    if dialect in ("ours", "ms-swift", "openai"):
        write([corrected], folder / "out", dialect)
        assert read(folder / "out") == (corrected,)
    else:
        with pytest.raises(InputError, match="example one has a turn of weight 0, for which this dialect"):
            write([corrected], folder / "out", dialect)


def test_boxes_become_objects_of_ms_swift_and_boxes_again(folder):
    a = Image.file(folder / "a.png")
    answer = '[{"bbox_2d": [1, 2, 30.5, 40], "label": "cup"}]'
    example = Example("one", "<image>Where is it, at [1.50, 2, 3, 4]?", (a,), answer)
    write([example], folder / "out", "ms-swift-objects", copy=False)
    row = json.loads((folder / "out" / "data.jsonl").read_text(encoding="utf-8"))
    assert row["objects"] == {"ref": [], "bbox": [[1, 2, 30.5, 40]]}
    assert row["messages"][1]["content"] == '[{"bbox_2d": <bbox>, "label": "cup"}]'
    assert read(folder / "out") == (example,)


def test_turns_that_are_no_pairs_are_refused_where_history_is_pairs(folder):
    history = (Turn("assistant", "Hello!"), Turn("user", "Hi."), Turn("assistant", "Ask."))
    for dialect in ("alpaca", "query"):
        with pytest.raises(InputError, match="example one has turns that are not pairs; write another"):
            write([Example("one", "1 + 2?", (), "3", history=history)], folder / "out", dialect)


def test_alpaca_data_come_with_the_description_that_llama_factory_reads(folder, talks):
    write(talks, folder / "out", "alpaca")
    (entry,) = json.loads((folder / "out" / "dataset_info.json").read_text(encoding="utf-8")).values()
    rows = json.loads((folder / "out" / entry["file_name"]).read_text(encoding="utf-8"))
    assert {*entry["columns"].values()} <= rows[0].keys()
    assert rows[0]["history"] == [["<image>Who is it?", "A dog at [1, 2, 30, 40]."]]


def test_trl_rows_are_conversations_that_trl_fills_with_their_pictures(folder, talks):
    from trl.data_utils import is_conversational
    from trl.data_utils import prepare_multimodal_messages as placed

    for dialect, column in (("trl", "prompt"), ("trl-sft", "prompt"), ("trl-messages", "messages")):
        write(talks, folder / dialect, dialect)
        for row, example in zip(read_rows(folder / dialect), talks, strict=True):
            assert is_conversational(dict(row.values))
            messages = placed(row.values[column], row.values["images"])
            shown = [part for message in messages for part in message["content"] if part["type"] == "image"]
            assert [part["image"]["bytes"] for part in shown] == [m.encoded()[0] for m in example.media]


def test_pairs_are_written_as_trl_takes_them(folder, talks):
    pref = {"chosen": "A cat.", "rejected": "A cow."}
    paired = [replace(example, meta={"pref": pref, "level": 1}) for example in talks]
    for dialect in ("dpo", "trl-dpo"):
        write(paired, folder / dialect, dialect, copy=False)
        pairs = read_pairs(folder / dialect, THINK_ANSWER)
        assert [(pair.better, pair.worse) for pair in pairs] == [("A cat.", "A cow.")] * 4
        for pair, example in zip(pairs, talks, strict=True):
            assert (pair.example.history, pair.example.question) == (example.history, example.question)
            assert pair.example.media == example.media
            assert pair.example.meta == {"answer": example.answer, "level": 1}


def test_questions_alone_are_written_without_their_answers(folder, talks):
    examples = [replace(talks[3], choices=("yes", "no"), steps=("Look.",))]
    write(examples, folder / "out", "llava-questions", copy=False)
    again = read(folder / "out", answered=False)
    assert dialect_of(read_rows(folder / "out")).name == "llava questions"
    assert again == tuple(replace(example, answer=None, steps=()) for example in examples)
    with pytest.raises(InputError, match=r"row 1: there is no answer; LLaVA's question.jsonl is answered by"):
        read(folder / "out")


def test_options_that_end_a_question_are_columns_of_a_benchmark(folder):
    asked = "<image>Which?\nA. cup\nB. pen"
    example = Example("7", asked, (Image.file(folder / "a.png"),), "B", ("cup", "pen"), meta={"split": "dev"})
    write([example], folder / "out", "tsv")
    (row,) = read_rows(folder / "out")
    assert (row.values["A"], row.values["B"], row.values["question"]) == ("cup", "pen", "<image>Which?")
    assert row.values["split"] == "dev" and "choices" not in row.values
    assert shown(read(folder / "out")[0]) == shown(example)


# Any example


TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\x00\r"), min_size=1, max_size=20).map(
    lambda text: f"q{text}q".replace("<", "(").replace("]", ")")
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(TEXT, TEXT), max_size=3), TEXT, TEXT, st.data())
def test_any_conversation_is_read_as_it_was_written(folder, pairs, question, answer, data):
    pictures = [Image.file(folder / name) for name in ("a.png", "b.png")]
    media = []

    def placed(text):
        cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=2)))
        for cut in reversed(cuts):
            text = f"{text[:cut]}<image>{text[cut:]}"
        media.extend(data.draw(st.sampled_from(pictures)) for _ in cuts)
        return text

    history = tuple(
        Turn(role, placed(text) if role == "user" else text)
        for pair in pairs
        for role, text in zip(("user", "assistant"), pair, strict=True)
    )
    example = Example("one", placed(question), tuple(media), answer.strip(), history=history)
    dialect = data.draw(st.sampled_from([*TALKING] if history else [*DIALECTS]))
    out = Path(mkdtemp(dir=folder)) / "out"
    write([example], out, dialect)
    assert shown(read(out)[0]) == shown(example)
