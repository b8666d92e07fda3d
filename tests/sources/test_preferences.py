"""Preference pairs of a user: read whole or refused with file, row and mend."""

from __future__ import annotations

import json
from pathlib import Path

import PIL.Image
import pytest

from seethink.formats import THINK_ANSWER
from seethink.sources.preferences import read_pairs
from seethink.types import InputError

GOOD = {"image": "a.png", "prompt": "How many?", "chosen": "3", "rejected": "I do not know."}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    PIL.Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    return tmp_path


def lines(folder: Path, *rows: dict) -> Path:
    path = folder / "my.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def test_rows_become_pairs_with_their_pictures(folder: Path) -> None:
    message = [{"role": "assistant", "content": "4"}]
    first, second = read_pairs(lines(folder, GOOD, GOOD | {"id": "x", "chosen": message}), THINK_ANSWER)
    assert (first.better, first.worse, first.example.id) == ("3", "I do not know.", "my-1")
    assert (second.better, second.example.id, second.example.question) == ("4", "x", "How many?")
    assert first.example.media[0].where == str(folder / "a.png") and first.format == THINK_ANSWER


@pytest.mark.parametrize(
    ("row", "fault"),
    [
        ({"chosen": "3", "rejected": "4"}, "row 2: there is no question"),
        ({**GOOD, "chosen": ""}, "row 2: chosen must be a text"),
        ({**GOOD, "rejected": None}, "row 2: rejected must be a text"),
        ({**GOOD, "rejected": "3"}, "row 2: chosen and rejected are the same"),
        ({**GOOD, "chozen": "3"}, "row 2: unknown column 'chozen'; did you mean 'chosen'"),
        ({**GOOD, "id": "my-1"}, "row 2: the id 'my-1' was used before"),
        ({**GOOD, "image": "b.png"}, "row 2: there is no picture at"),
        (
            {**GOOD, "prompt": "<image> or <image>?"},
            "row 2: the question marks <image> <image>",
        ),
    ],
)
def test_a_bad_row_is_refused_with_file_row_and_fix(folder: Path, row: dict, fault: str) -> None:
    with pytest.raises(InputError, match=r"my\.jsonl") as error:
        read_pairs(lines(folder, GOOD, row), THINK_ANSWER)
    assert fault in str(error.value)


def test_a_broken_picture_and_an_empty_file_are_refused(folder: Path) -> None:
    (folder / "b.png").write_bytes(b"no picture")
    with pytest.raises(InputError, match=r"row 1: .*b\.png cannot be read as a picture"):
        read_pairs(lines(folder, GOOD | {"image": "b.png"}), THINK_ANSWER)
    with pytest.raises(InputError, match="has no rows"):
        read_pairs(lines(folder), THINK_ANSWER)
