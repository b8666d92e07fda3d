"""Conversations in every layout of the field: what comes before the last question is kept, and shown."""

from __future__ import annotations

import json

import pytest

from seethink.formats import BARE, THINK_ANSWER
from seethink.media import Image
from seethink.sources.dialects import dialect_of
from seethink.sources.records import read
from seethink.sources.row_reader import read_rows
from seethink.types import InputError, Turn
from tests.sources.test_dialects import turn, written


def said(*texts, names=("role", "content"), roles=("user", "assistant")):
    return [{names[0]: roles[i % 2], names[1]: text} for i, text in enumerate(texts)]


TEXTS = ("<image>Who is it?", "A dog.", "And here?<image>", "A cat.")
PATHS = ["a.png", "b.png"]


def part(kind, value, key=None):
    return {"type": kind, key or kind: value}


CONVERSATIONS = {
    "LLaMA-Factory": ("messages", {"messages": said(*TEXTS), "images": PATHS}),
    "sharegpt": (
        "conversations",
        {"conversations": said(*TEXTS, names=("from", "value"), roles=("human", "gpt")), "images": PATHS},
    ),
    "from user": ("conversations", {"conversations": said(*TEXTS, names=("from", "value")), "image": PATHS}),
    "LLaVA": (
        "conversations",
        {"id": 1, "image": PATHS, "conversations": said(*TEXTS, roles=("human", "gpt"))},
    ),
    "ms-swift sharegpt": (
        "conversations",
        {
            "conversation": [
                {"human": TEXTS[0], "assistant": TEXTS[1]},
                {"human": TEXTS[2], "assistant": TEXTS[3]},
            ],
            "images": PATHS,
        },
    ),
    "ms-swift query": (
        "query",
        {"query": TEXTS[2], "response": TEXTS[3], "history": [[TEXTS[0], TEXTS[1]]], "images": PATHS},
    ),
    "alpaca": (
        "alpaca",
        {
            "instruction": "And here?<image>",
            "input": "",
            "output": TEXTS[3],
            "history": [[TEXTS[0], TEXTS[1]]],
            "images": PATHS,
        },
    ),
    "TRL messages": (
        "messages",
        {
            "messages": [
                turn("user", [part("image", None), part("text", "Who is it?")]),
                turn("assistant", [part("text", "A dog.")]),
                turn("user", [part("text", "And here?"), part("image", None)]),
                turn("assistant", [part("text", "A cat.")]),
            ],
            "images": PATHS,
        },
    ),
    "TRL prompt and completion": (
        "trl",
        {"prompt": said(*TEXTS[:3]), "completion": [turn("assistant", TEXTS[3])], "images": PATHS},
    ),
    "TRL prompt and solution": ("trl", {"prompt": said(*TEXTS[:3]), "solution": TEXTS[3], "images": PATHS}),
    "parts with paths": (
        "messages",
        {
            "messages": [
                turn("user", [part("image_url", "a.png", "value"), part("text", "Who is it?", "value")]),
                turn("assistant", [part("text", "A dog.", "value")]),
                turn("user", [part("text", "And here?"), part("image_url", {"url": "b.png"})]),
                turn("assistant", "A cat."),
            ]
        },
    ),
    "one picture in its part, one in the column": (
        "messages",
        {
            "messages": [
                turn("user", [part("image", "a.png"), part("text", "Who is it?")]),
                turn("assistant", "A dog."),
                turn("user", [part("text", "And here?"), part("image", None)]),
                turn("assistant", "A cat."),
            ],
            "images": ["b.png"],
        },
    ),
    "ours": (
        "plain",
        {"question": TEXTS[2], "answer": TEXTS[3], "history": said(*TEXTS[:2]), "images": PATHS},
    ),
}


@pytest.mark.parametrize("name", CONVERSATIONS)
def test_a_conversation_is_read_whole_in_any_layout(folder, name):
    dialect, row = CONVERSATIONS[name]
    path = written(folder, row)
    assert dialect_of(read_rows(path)).name == dialect
    (example,) = read(path)
    assert (example.question, example.answer) == (TEXTS[2], TEXTS[3])
    assert example.history == (Turn("user", TEXTS[0]), Turn("assistant", TEXTS[1]))
    assert example.media == tuple(Image.file(folder / name) for name in PATHS)


def test_the_model_sees_every_turn_with_its_picture_in_its_place(folder):
    row = {**CONVERSATIONS["LLaMA-Factory"][1], "system": "Be brief."}
    (example,) = read(written(folder, row))
    a, b = example.media
    system, first, reply, last = THINK_ANSWER.prompt(example)
    assert system == turn("system", [part("text", "Be brief.")])
    assert first == turn("user", [part("image", a), part("text", "Who is it?")])
    assert reply == turn("assistant", [part("text", "A dog.")])
    assert last["content"][:2] == [part("text", "And here?"), part("image", b)]
    assert last["content"][2]["text"].strip() == THINK_ANSWER.instruction

    def text(mode):
        messages = THINK_ANSWER.with_prompt_mode(mode).prompt(example)
        shown = ("".join(p.get("text", f"<{p['type']}>") for p in m["content"]) for m in messages)
        return [f"{m['role']}: {text}" for m, text in zip(messages, shown, strict=True)]

    asked = THINK_ANSWER.instruction
    assert text("system")[0] == f"system: Be brief.\n{asked}"
    assert text("before")[3] == f"user: {asked}\nAnd here?<image>"
    scene = f"A user asks an assistant a question about what is shown. {asked}"
    assert text("base")[0] == (
        f"plain: Be brief.\n<image>{scene}\nUser: Who is it?\nAssistant: A dog.\nUser: And here?<image>"
        "\nAssistant: Let me solve this step by step.\n"
    )


def test_pictures_without_marks_stand_in_the_first_question(folder):
    (example,) = read(written(folder, {"messages": said("Who?", "A dog.", "Sure?", "Yes."), "images": PATHS}))
    (_, first), (_, reply), (_, last) = example.turns()
    assert (first, reply, last) == ([*example.media, "Who?"], ["A dog."], ["Sure?"])


def test_openai_rows_hold_their_pictures_and_two_user_turns_may_follow_each_other(folder):
    row = {
        "messages": [
            turn("system", "You are an assistant that identifies artworks."),
            turn("user", "Describe this artwork."),
            turn("user", [part("image_url", {"url": "a.png", "detail": "low"})]),
            turn("assistant", "A red plane."),
        ]
    }
    (example,) = read(written(folder, row))
    assert [one.role for one in example.history] == ["system", "user"]
    assert (example.question, example.answer) == ("<image>", "A red plane.")
    assert example.media == (Image.file(folder / "a.png"),)


def test_alpacas_input_follows_its_instruction(folder):
    row = {"instruction": "Add.", "input": "1 + 2", "output": "3", "system": "Be brief."}
    (example,) = read(written(folder, row))
    assert (example.question, example.answer) == ("Add.\n1 + 2", "3")
    assert example.history == (Turn("system", "Be brief."),)


@pytest.mark.parametrize("name", ["weight", "loss", "loss_weight"])
def test_a_turn_of_weight_0_is_shown_but_not_learned(folder, name):
    messages = said("1 + 1?", "3", "No.", "2")
    messages[0][name] = 0.0  # as LLaMA-Factory writes it for every question
    messages[1][name] = 0 if name != "loss" else False
    messages[3][name] = 1 if name != "loss" else True
    (example,) = read(written(folder, {"messages": messages}))
    assert example.history == (Turn("user", "1 + 1?"), Turn("assistant", "3", learned=False))
    messages[3][name] = 0
    with pytest.raises(InputError, match="row 1: the last turn has the weight 0, so nothing is learned"):
        read(written(folder, {"messages": messages}))


def test_tables_hold_conversations_as_json_text(folder):
    path = folder / "my.csv"
    cells = [json.dumps(said("1 + 1?", "2", "And 1 more?", "3")).replace('"', '""')]
    path.write_text("messages\n" + "".join(f'"{cell}"\n' for cell in cells), encoding="utf-8")
    (example,) = read(path)
    assert (example.question, example.answer, len(example.history)) == ("And 1 more?", "3", 2)


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ({"messages": said("<image>?", "3", "<image>?", "4"), "images": ["a.png"]}, "the conversation marks"),
        ({"messages": [turn("tool", "{}")]}, "turn 1 of messages has the role 'tool'"),
        (
            {"messages": [turn("user", "?"), {"role": "assistant", "tool_calls": [{"id": 1}]}]},
            "tool calls cannot be read",
        ),
        ({"messages": said("Draw.", "<image>"), "images": ["a.png"]}, "the answer marks the row's media"),
        ({"messages": said("?", "3"), "tools": "[...]"}, "the column 'tools' is for calls of tools"),
        ({"messages": said("?", "3"), "audios": ["a.wav"]}, "the column 'audios' is sound"),
        ({"messages": said("?", "3"), "label": True}, "the column 'label' is a verdict on a single response"),
        ({"query": "?", "response": "3", "history": ["a"]}, "history must be messages"),
        ({"query": "?", "response": "3", "history": [["a", None]]}, "turn 2 (assistant) must be a text"),
        (
            {"messages": [turn("user", "?"), *said("3", "4", roles=("assistant",) * 2)]},
            "there is no question",
        ),
    ],
)
def test_what_is_no_conversation_is_refused_in_one_sentence(folder, row, why):
    with pytest.raises(InputError) as caught:
        read(written(folder, row))
    assert "my.json, row 1: " in str(caught.value) and why in str(caught.value)


def test_null_columns_of_another_layout_do_no_harm(folder):
    row = {"messages": said("?", "3"), "tools": None, "audios": [], "label": None, "source": None}
    assert read(written(folder, row))[0].answer == "3"


# ms-swift's objects


def grounded(objects, *texts):
    return {"messages": said(*texts), "images": PATHS[:1], "objects": objects}


DOGS = {"ref": ["a dog", "a cat"], "bbox": [[3.5, 1, 20, 40], [10, 2, 30, 44.5]]}


def test_marks_of_objects_are_filled_in_reading_order(folder):
    described = grounded(DOGS, "<image>Describe it.", "<ref-object><bbox> and <ref-object><bbox> play")
    found = grounded({"ref": ["cup"], "bbox": [[1, 2, 3, 4]]}, "<image>Find the <ref-object>.", "<bbox>")
    click = grounded({"ref": [], "bbox": [[32, 24]]}, "<image>Open it.", "click(start_box='<bbox>')")
    later = grounded(
        {"bbox": [[0, 0.5, 0.25, 1], [0, 0, 1, 1]], "bbox_type": "norm1"},
        "<image>Cup?",
        "<bbox>",
        "Pen?",
        "<bbox>",
    )
    examples = read(written(folder, described, found, click, later))
    assert [example.answer for example in examples] == [
        "a dog[3.5, 1, 20, 40] and a cat[10, 2, 30, 44.5] play",
        "[1, 2, 3, 4]",
        "click(start_box='[32, 24]')",
        "[0, 0, 64, 48]",
    ]
    assert examples[1].question == "<image>Find the cup."
    assert examples[3].history[1].text == "[0, 24.0, 16.0, 48]"  # of 64 x 48 pixels


def test_objects_of_query_and_response_are_filled_in_too(folder):
    objects = {"ref": ["cup"], "bbox": [[1, 2, 3, 4]]}
    row = {
        "query": "<image>Find the <ref-object>.",
        "response": "<bbox>",
        "images": PATHS[:1],
        "objects": objects,
    }
    (example,) = read(written(folder, row))
    assert (example.question, example.answer) == ("<image>Find the cup.", "[1, 2, 3, 4]")


@pytest.mark.parametrize(
    ("objects", "why"),
    [
        ({"bbox": [[1, 2, 3, 4]]}, "the messages have 0 <bbox>, but objects has 1"),
        ({"ref": ["a"]}, "the messages have 0 <ref-object>, but objects has 1"),
        ({"bbox": [[1, 2, 3]]}, "bbox must be a list of [x1, y1, x2, y2] or [x, y]"),
        ({"bbox_type": "norm1000"}, "bbox_type must be real or norm1, not 'norm1000'"),
        ([1], "objects must be {ref: [...], bbox: [...]}"),
        ("{", "objects is not JSON"),
    ],
)
def test_objects_that_do_not_fit_their_marks_are_refused(folder, objects, why):
    with pytest.raises(InputError) as caught:
        read(written(folder, grounded(objects, "<image>Where?", "there")))
    assert "my.json, row 1: " in str(caught.value) and why in str(caught.value)


def test_a_reply_may_be_taught_as_it_was_said(folder):
    (example,) = read(written(folder, CONVERSATIONS["LLaMA-Factory"][1]))
    assert BARE.write(example.steps, example.answer) == "A cat."


def test_a_synthesis_refuses_a_conversation_by_its_row(folder):
    from seethink.synth.data_address import load_examples

    path = written(folder, {"messages": said("1 + 2?", "3")}, CONVERSATIONS["LLaMA-Factory"][1])
    with pytest.raises(InputError, match=r"my\.json, row 2 has turns before its question, which a synthesis"):
        load_examples(str(path), "charts")
