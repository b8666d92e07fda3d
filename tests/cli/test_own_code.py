"""A user's own verifier and format on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from tests.cli.test_app import EVAL, OWN, TRAIN, call, well, world, write

__all__ = ["world"]

MINE = """from seethink.formats import TagFormat
from seethink.types import Score
TERSE = TagFormat("terse", "Give the number alone.", thinks=False)
def near(example, response):
    return Score(float(response.answer == example.answer))
"""
OWN_CODE = ("--verifier", "./mine.py:near", "--format", "./mine.py:TERSE")


def test_they_check_train_and_evaluate_and_a_changed_file_starts_anew(capsys):
    Path("mine.py").write_text(MINE, encoding="utf-8")
    well(capsys, *TRAIN, *OWN_CODE)
    stage = json.loads(Path("runs/train-grpo/grpo/stage.json").read_text(encoding="utf-8"))
    assert stage["inputs"]["task"]["format"]["name"] == "terse"
    assert "grpo: skipped" in well(capsys, *TRAIN, *OWN_CODE)
    Path("mine.py").write_text(MINE.replace("float", "1.0 * "), encoding="utf-8")
    assert "starts anew (the verifier)" in well(capsys, *TRAIN, *OWN_CODE)
    well(capsys, "eval", *OWN, *OWN_CODE)
    well(capsys, "train", "sft", *OWN, *OWN_CODE[2:])
    assert not Path("__pycache__").exists()


def test_check_pays_a_reference_by_them(capsys):
    Path("mine.py").write_text(MINE, encoding="utf-8")
    Image.new("RGB", (32, 32)).save("page.png")
    write("my.jsonl", {"question": "How many?", "answer": 1, "image": "page.png"})
    assert "answers are compared by ./mine.py:near 1" in well(capsys, "check", "my.jsonl", *OWN_CODE)
    Path("mine.py").write_text(MINE.replace("==", "!="), encoding="utf-8")
    code, out, _ = call(capsys, "check", "my.jsonl", *OWN_CODE)
    assert code == 1 and "./mine.py:near gives 0" in " ".join(out.split())


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((*TRAIN, "--verifier", "./gone.py:near"), "there is no file gone.py"),
        ((*TRAIN, "--verifier", "broken.py:near"), "broken.py, line 1: SyntaxError"),
        ((*EVAL, "my.jsonl", "--format", "./gone.py:near"), "there is no file gone.py"),
        (("check", "my.jsonl", "--verifier", "./gone.py:near"), "there is no file gone.py"),
        (("check", "my.jsonl", "--format", "nowhere:near"), "there is no module nowhere"),
        (("ask", "page.png", "How many?", "--format", "mine.py"), "'mine.py' is no address; write ./FILE.py"),
    ],
)
def test_what_leads_nowhere_is_one_message(capsys, words, message):
    Path("broken.py").write_text("def near(:", encoding="utf-8")
    code, out, err = call(capsys, *words)
    assert (code, out) == (2, "") and err.startswith("error: ") and message in err
