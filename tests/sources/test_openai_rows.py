"""Files of OpenAI's APIs: messages with data URIs, requests of a batch, fine-tuning, preference pairs."""

from __future__ import annotations

import base64
import json

import pytest

from seethink.check import Preflight, check
from seethink.formats import BARE, THINK_ANSWER
from seethink.sources.preferences import read_pairs
from seethink.sources.records import read
from seethink.types import InputError, Turn
from tests.sources.pictures import png

URI = f"data:image/png;base64,{base64.b64encode(png()).decode()}"
ASKED = {"type": "text", "text": "How many?"}
SAID = {"role": "assistant", "content": "3"}
PICTURES = {
    "object": {"type": "image_url", "image_url": {"url": URI, "detail": "high"}},
    "text": {"type": "image_url", "image_url": URI},
    "Responses": {"type": "input_image", "image_url": URI, "detail": "auto"},
    "Responses with an object": {"type": "input_image", "image_url": {"url": URI}},
    "Anthropic": {
        "type": "image",
        "source": {"type": "base64", "media_type": "image/png", "data": URI.partition(",")[2]},
    },
}


def written(folder, *rows):
    path = folder / "my.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def refused(path):
    with pytest.raises(InputError) as caught:
        read(path)
    return str(caught.value)


@pytest.mark.parametrize("picture", PICTURES.values(), ids=PICTURES)
@pytest.mark.parametrize("kinds", [("text", "text"), ("input_text", "output_text")])
def test_a_picture_in_a_message_is_read_in_its_place(tmp_path, picture, kinds):
    parts = [picture, {**ASKED, "type": kinds[0]}]
    said = {"role": "assistant", "content": [{"type": kinds[1], "text": "3"}]}
    path = written(tmp_path, {"messages": [{"role": "user", "content": parts}, said]})
    (example,) = read(path)
    assert (example.question, example.answer) == ("<image>How many?", "3")
    assert example.media[0].size() == (64, 48)


def test_a_picture_that_was_uploaded_or_is_a_url_is_refused(tmp_path):
    for picture, why in (
        ({"type": "input_image", "file_id": "file-1"}, "names an uploaded file, 'file-1'; give the picture"),
        ({"type": "image_url", "image_url": {"url": "https://a.org/b.png"}}, "b.png is a URL"),
    ):
        path = written(tmp_path, {"messages": [{"role": "user", "content": [picture, ASKED]}, SAID]})
        assert why in refused(path)


@pytest.mark.parametrize(
    ("body", "history"),
    [
        ({"messages": [{"role": "user", "content": [PICTURES["object"], ASKED]}]}, ()),
        (
            {
                "messages": [
                    {"role": "developer", "content": "Be brief."},
                    {"role": "user", "content": [PICTURES["text"], ASKED]},
                ]
            },
            (Turn("system", "Be brief."),),
        ),
        (
            {
                "instructions": "Be brief.",
                "input": [
                    {
                        "role": "user",
                        "content": [PICTURES["Responses"], {"type": "input_text", "text": "How many?"}],
                    }
                ],
            },
            (Turn("system", "Be brief."),),
        ),
    ],
)
def test_a_request_of_a_batch_is_a_row(tmp_path, body, history):
    row = {
        "custom_id": "r-1",
        "method": "POST",
        "url": "/v1/chat/completions",
        "body": {"model": "m", "max_tokens": 9} | body,
    }
    path = written(tmp_path, {**row, "solution": "3"})
    (example,) = read(path)
    assert (example.id, example.answer, example.history, len(example.media)) == ("r-1", "3", history, 1)
    report = check(Preflight(path, THINK_ANSWER))
    assert report.dialect == "messages, batch file"
    assert report.unused == {"method": 1, "url": 1, "body.model": 1, "body.max_tokens": 1}
    (asked,) = read(written(tmp_path, row), answered=False)
    assert asked.answer is None


def test_a_text_is_the_input_of_a_request(tmp_path):
    (example,) = read(written(tmp_path, {"custom_id": "1", "body": {"input": "1 + 2?"}, "solution": 3}))
    assert (example.question, example.answer) == ("1 + 2?", "3")


def test_what_is_no_question_in_a_batch_is_refused(tmp_path):
    result = {"id": "b", "custom_id": "r-1", "response": {"body": {"choices": []}}, "error": None}
    assert refused(written(tmp_path, result)).endswith("give the file of its requests")
    assert "has neither messages nor input" in refused(
        written(tmp_path, {"custom_id": "1", "body": {"model": "m"}})
    )
    tools = {"body": {"messages": [{"role": "user", "content": "?"}], "tools": [{"type": "function"}]}}
    assert "'tools' is for calls of tools" in refused(written(tmp_path, tools))


def test_fine_tuning_files_weigh_their_turns(tmp_path):
    messages = [
        {"role": "user", "content": "1 + 1?"},
        {"role": "assistant", "content": "3", "weight": 0},
        {"role": "user", "content": "1 + 2?"},
        {**SAID, "weight": 1},
    ]
    path = written(tmp_path, {"messages": messages, "parallel_tool_calls": False})
    (example,) = read(path)
    assert example.history == (Turn("user", "1 + 1?"), Turn("assistant", "3", False))
    assert check(Preflight(path, THINK_ANSWER)).unused == {"parallel_tool_calls": 1}


def test_openais_pairs_are_read_as_pairs(tmp_path):
    row = {
        "input": {
            "messages": [{"role": "user", "content": [PICTURES["object"], ASKED]}],
            "tools": [],
            "parallel_tool_calls": True,
        },
        "preferred_output": [SAID],
        "non_preferred_output": [{"role": "assistant", "content": "4"}],
    }
    path = written(tmp_path, row)
    (pair,) = read_pairs(path, BARE)
    assert (pair.better, pair.worse, pair.example.question) == ("3", "4", "<image>How many?")
    assert check(Preflight(path, THINK_ANSWER)).dialect == "preferences, OpenAI pair"


# TRL


def test_scores_of_trls_pairs_are_not_used_and_said(tmp_path):
    row = {"prompt": "1 + 2?", "chosen": "3", "rejected": "4", "score_chosen": 9.0, "score_rejected": 1.0}
    path = written(tmp_path, row, {**row, "prompt": "2 + 1?"})
    assert [(pair.better, pair.worse) for pair in read_pairs(path, BARE)] == [("3", "4")] * 2
    assert check(Preflight(path, THINK_ANSWER)).unused == {"score_chosen": 2, "score_rejected": 2}


def test_trls_conversational_prompts_take_their_pictures_from_the_column(tmp_path):
    (tmp_path / "a.png").write_bytes(png())
    prompt = [{"role": "user", "content": [{"type": "image"}, ASKED]}]
    path = written(tmp_path, {"prompt": prompt, "images": ["a.png"], "solution": "3"})
    (example,) = read(path)
    assert (example.question, example.answer, len(example.media)) == ("<image>How many?", "3", 1)
    assert check(Preflight(path, THINK_ANSWER)).dialect == "trl"


# Unknown


@pytest.mark.parametrize(
    "row", [{"q": "1 + 2?", "a": "3"}, {"image": "a.png", "caption": "a dog"}, {"frage": "?"}]
)
def test_an_unknown_layout_is_one_sentence_with_its_columns(tmp_path, row):
    path = written(tmp_path, row)
    for call in (read, lambda path: check(Preflight(path, THINK_ANSWER))):
        with pytest.raises(InputError) as caught:
            call(path)
        columns = ", ".join(row)
        assert str(caught.value).startswith(
            f"{path} has the columns {columns}, which are no known layout; rename "
        )
