"""Two responses to one prompt, in the columns of TRL, LLaMA-Factory and ms-swift."""

from __future__ import annotations

import csv
import json

import PIL.Image
import pytest

from seethink.formats import THINK_ANSWER
from seethink.sources.dialects import dialect_of
from seethink.sources.preferences import read_examples, read_pairs
from seethink.sources.records import read
from seethink.sources.row_reader import read_rows
from seethink.sources.writing import write
from seethink.types import InputError, Turn


@pytest.fixture
def folder(tmp_path):
    PIL.Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    return tmp_path


def said(role, content):
    return {"role": role, "content": content}


def lines(folder, *rows):
    path = folder / "my.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


ASKED = [said("user", "<image>Who is it?"), said("assistant", "A dog."), said("user", "Sure?")]
PARTS = [
    said("user", [{"type": "image", "text": None}, {"type": "text", "text": "Who is it?"}]),
    said("assistant", [{"type": "text", "text": "A dog."}]),
    said("user", [{"type": "text", "text": "Sure?"}]),
]
YES, NO = said("assistant", "Yes."), said("assistant", [{"type": "text", "text": "No."}])
ROLES = {"user": "human", "assistant": "gpt"}
SHAREGPT = [{"from": ROLES[turn["role"]], "value": turn["content"]} for turn in ASKED]

LAYOUTS = {
    "TRL": {"prompt": ASKED, "chosen": [YES], "rejected": [NO]},
    "TRL with parts": {"prompt": PARTS, "chosen": [YES], "rejected": [NO]},
    "TRL, texts for responses": {"prompt": ASKED, "chosen": "Yes.", "rejected": "No."},
    "TRL, implicit prompt": {"chosen": [*ASKED, YES], "rejected": [*ASKED, NO]},
    "TRL, prompt given twice": {"prompt": ASKED, "chosen": [*ASKED, YES], "rejected": [*ASKED, NO]},
    "UltraFeedback": {"messages": [*ASKED, YES], "chosen": [*ASKED, YES], "rejected": [*ASKED, NO]},
    "LLaMA-Factory": {
        "conversations": SHAREGPT,
        "chosen": {"from": "gpt", "value": "Yes."},
        "rejected": {"from": "gpt", "value": "No."},
    },
    "LLaMA-Factory v1": {"chosen_messages": [*ASKED, YES], "rejected_messages": [*ASKED, NO]},
    "Alpaca": {
        "instruction": "Sure?",
        "input": "",
        "history": [["<image>Who is it?", "A dog."]],
        "chosen": "Yes.",
        "rejected": "No.",
    },
    "ms-swift": {"messages": [*ASKED, YES], "rejected_response": "No."},
    "query": {
        "query": "Sure?",
        "history": [["<image>Who is it?", "A dog."]],
        "chosen": "Yes.",
        "rejected": "No.",
    },
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_pairs_are_read_with_their_turns_in_any_layout(folder, name):
    path = lines(folder, {**LAYOUTS[name], "images": ["a.png"]})
    assert dialect_of(read_rows(path)).name == "preferences"
    (pair,) = read_pairs(path, THINK_ANSWER)
    assert (pair.better, pair.worse, pair.example.question) == ("Yes.", "No.", "Sure?")
    assert pair.example.history == (Turn("user", "<image>Who is it?"), Turn("assistant", "A dog."))
    assert [medium.where for medium in pair.example.media] == [str(folder / "a.png")]


def _table(path, row):
    """A table with each list or object as JSON in its cell."""
    cells = {name: value if isinstance(value, str) else json.dumps(value) for name, value in row.items()}
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(cells), delimiter="\t" if path.suffix == ".tsv" else ",")
        writer.writeheader()
        writer.writerow(cells)
    return path


@pytest.mark.parametrize("suffix", ["csv", "tsv"])
@pytest.mark.parametrize("name", LAYOUTS)
def test_a_table_whose_cells_hold_messages_is_read_as_the_rows_that_it_was_written_from(folder, name, suffix):
    row = {**LAYOUTS[name], "images": ["a.png"]}
    (wanted,) = read_pairs(lines(folder, row), THINK_ANSWER)
    (found,) = read_pairs(_table(folder / f"my.{suffix}", row), THINK_ANSWER)
    assert (found.better, found.worse) == (wanted.better, wanted.worse) == ("Yes.", "No.")
    assert (found.example.question, found.example.history) == (
        wanted.example.question,
        wanted.example.history,
    )


@pytest.mark.parametrize(
    "text",
    [
        *("[10, 20, 30, 40]", '[{"bbox_2d": [1, 2, 3, 4], "label": "dog"}]', '[{"from": "A", "to": "B"}]'),
        *("[]", '{"answer": 3}', "[see the figure]", '{"role": "king"}'),
    ],
)
def test_a_response_in_json_that_is_no_message_stays_a_text(folder, text):
    (pair,) = read_pairs(lines(folder, {"prompt": "?", "chosen": text, "rejected": "No."}), THINK_ANSWER)
    assert pair.better == text
    (pair,) = read_pairs(lines(folder, {"prompt": text, "chosen": "Yes.", "rejected": "No."}), THINK_ANSWER)
    assert pair.example.question == text


def test_messages_in_a_cell_that_cannot_be_read_are_refused_with_their_turn(folder):
    row = {"prompt": "?", "chosen": [said("function", "Yes.")], "rejected": "No."}
    with pytest.raises(InputError, match=r"my\.csv, row \d: turn 1 of chosen has the role 'function'"):
        read_pairs(_table(folder / "my.csv", row), THINK_ANSWER)


def test_a_question_in_a_column_of_its_own_and_a_system_column(folder):
    row = {
        "question": "Who?",
        "image": "a.png",
        "chosen": "A dog.",
        "rejected": "A cat.",
        "system": "Be brief.",
    }
    (pair,) = read_pairs(lines(folder, row), THINK_ANSWER)
    assert (pair.example.question, pair.example.history) == ("Who?", (Turn("system", "Be brief."),))
    implicit = {"chosen": [*ASKED[2:], YES], "rejected": [*ASKED[2:], NO], "system": "Be brief."}
    (pair,) = read_pairs(lines(folder, implicit), THINK_ANSWER)
    assert (pair.example.question, pair.example.history) == ("Sure?", (Turn("system", "Be brief."),))


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ({"chosen": "Yes.", "rejected": "No."}, "there is no question; give the prompt"),
        ({"prompt": ASKED, "chosen": [YES]}, "rejected must be a text, or messages that end with"),
        ({"prompt": "?", "chosen": [said("user", "Yes.")], "rejected": "No."}, "chosen must be a text, or"),
        (
            {"prompt": [*ASKED, YES], "chosen": "Yes.", "rejected": "No."},
            "the prompt ends with the assistant's",
        ),
        (
            {"chosen": [*ASKED, YES], "rejected": [said("user", "?"), NO]},
            "chosen and rejected begin with different turns",
        ),
        (
            {"prompt": "Who?", "chosen": [*ASKED, YES], "rejected": [*ASKED, NO]},
            "chosen or rejected begins with other turns than the prompt",
        ),
        (
            {"prompt": "?", "chosen": [said("assistant", "<image>")], "rejected": "No."},
            "a response contains a picture or a clip",
        ),
        ({"prompt": "?", "chosen": [], "rejected": "No."}, "chosen must be a text, or messages"),
        ({"prompt": "?", "chosen": "3", "rejected": [YES], "tools": "[{}]"}, "the column 'tools' is for"),
    ],
)
def test_what_is_no_pair_is_refused_in_one_sentence(folder, row, why):
    with pytest.raises(InputError) as caught:
        read_pairs(lines(folder, row), THINK_ANSWER)
    assert "my.jsonl, row 1: " in str(caught.value) and why in str(caught.value)


def test_each_method_refuses_the_rows_of_the_other(folder):
    with pytest.raises(InputError, match=r"row 1: it is a pair of responses, for `seethink train dpo` only"):
        read(lines(folder, LAYOUTS["TRL"]))
    with pytest.raises(InputError, match="row 1: it is no pair of responses; `seethink train dpo` needs the"):
        read_pairs(lines(folder, {"messages": [*ASKED, YES]}), THINK_ANSWER)


@pytest.mark.parametrize("dialect", ["dpo", "trl-dpo", "ms-swift-dpo"])
@pytest.mark.parametrize("name", LAYOUTS)
def test_pairs_are_converted_between_their_dialects(folder, name, dialect):
    row = {**LAYOUTS[name], "images": ["a.png"], "id": "one", "answer": "yes", "meta": {"level": 2}}
    path = lines(folder, row)
    (example,) = read_examples(path)
    write([example], folder / dialect, dialect)
    (before,), (after,) = (read_pairs(one, THINK_ANSWER) for one in (path, folder / dialect))
    assert (after.better, after.worse, after.example.id) == (before.better, before.worse, "one")
    assert (after.example.question, after.example.history) == (
        before.example.question,
        before.example.history,
    )
    assert [medium.load().tobytes() for medium in after.example.media] == [
        medium.load().tobytes() for medium in before.example.media
    ]
    assert after.example.meta == before.example.meta == {"answer": "yes", "level": 2}


def test_a_dialect_without_pairs_is_refused_with_those_that_hold_them(folder):
    examples = read_examples(lines(folder, {**LAYOUTS["TRL"], "images": ["a.png"]}))
    with pytest.raises(
        InputError, match="row 1 is a pair of responses; the dialects that hold one are trl-dpo, d"
    ):
        write(examples, folder / "out")
