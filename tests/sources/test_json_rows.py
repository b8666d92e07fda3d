"""JSON that holds rows in other ways than as lines or an array."""

from __future__ import annotations

import json

import pytest

from seethink.sources.records import read
from seethink.types import InputError


def written(path, content):
    path.write_text(content, encoding="utf-8", newline="")
    return path


def refused(path):
    with pytest.raises(InputError) as caught:
        read(path)
    return str(caught.value).replace(f"{path.parent}/", "")


ROW = {"question": "How many?", "answer": "3"}
OTHER = {"question": "How old?", "answer": "4"}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("my.JSONL", f"{json.dumps(ROW)}\n{json.dumps(OTHER)}"),
        ("my.ndjson", f"{json.dumps(ROW)}\r\n{json.dumps(OTHER)}\r\n"),
        ("my.json", f"{json.dumps(ROW)}\n{json.dumps(OTHER)}\n"),
        ("my.jsonl", json.dumps([ROW, OTHER], indent=1)),
        ("my.json", json.dumps({"version": 1, "data": [ROW, OTHER]})),
        ("my.json", json.dumps({"q1": ROW, "q2": OTHER})),
        ("my.json", json.dumps({"7": ROW, "9": OTHER})),
        ("my.json", json.dumps({name: [ROW[name], OTHER[name]] for name in ROW})),
        ("my.json", json.dumps({name: {"0": ROW[name], "1": OTHER[name]} for name in ROW})),
        ("my.json", json.dumps({"columns": [*ROW], "data": [[*one.values()] for one in (ROW, OTHER)]})),
    ],
)  # fmt: skip
def test_json_that_holds_rows_in_another_way_is_read(tmp_path, name, content):
    examples = read(written(tmp_path / name, content))
    assert [(one.id, one.question, one.answer) for one in examples] == [
        ("my-1", "How many?", "3"),
        ("my-2", "How old?", "4"),
    ]


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (json.dumps(ROW), "my.json must be an array of rows, not one dict"),
        (json.dumps({"images": [{"id": 1}], "annotations": [{"id": 1}]}), "my.json must be an array of rows"),
        ('{"a": {"question": "?"}, "a": {"question": "!"}}', "my.json: the key 'a' is given twice; keep one"),
        (json.dumps([ROW, None]), "my.json, row 2: the row must be an object of named columns, not None"),
    ],
)
def test_json_that_holds_no_rows_is_refused(tmp_path, content, why):
    assert refused(written(tmp_path / "my.json", content)).startswith(why)
