"""Several prompt modes, and robustness probes, on the same questions in one evaluation."""

from __future__ import annotations

import json
import re
from pathlib import Path

import PIL.Image
import pytest

from seethink.cli.app import main
from seethink.engines.local import LocalEngine
from seethink.evaluate.attempts import read_attempts
from seethink.types import Completion
from tests import fakes


class EngineThatLooks:
    """Says how wide the picture's dark part is in tens of pixels, if it looks; asked directly, one more."""

    looks = True

    def generate(self, conversations, sampling):
        return [[self._answer(messages)] for messages in conversations]

    def _answer(self, messages):
        parts = messages[-1]["content"]
        text = "".join(part.get("text", "") for part in parts)
        picture = next(part["image"] for part in parts if part["type"] == "image").load().convert("L")
        dark = picture.histogram()[0] > 0 or not self.looks
        answer = re.search(r"Number (\d)", text)[1] if dark else "99"
        thinks = "<think>" in text
        return Completion(f"<think>I look.</think><answer>{answer}</answer>" if thinks else "0")


@pytest.fixture(autouse=True)
def world(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(LocalEngine, "load", lambda name: EngineThatLooks())
    monkeypatch.setattr(EngineThatLooks, "looks", True)
    fakes.model_folder(tmp_path / "base")
    for i in range(24):  # each question has a picture of its own: those about one are one cluster
        page = PIL.Image.new("RGB", (60, 40), "white")
        page.paste("black", (20, 10, 40, 30))
        page.putpixel((50, 5 + i), (255, 0, 0))
        page.save(f"{i}.png")
    rows = [{"question": f"Number {i % 8 + 1}?", "answer": i % 8 + 1, "image": f"{i}.png"} for i in range(24)]
    Path("my.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


OWN = ("--model", "base", "--data", "my.jsonl", "--verifier", "same_number", "--out", "out")


def evaluated(capsys, *words, code=0) -> str:
    with pytest.raises(SystemExit) as exited:
        main(["eval", *OWN, *map(str, words)])
    printed = capsys.readouterr()
    assert (exited.value.code or 0) == code, printed.err
    return " ".join((printed.out + printed.err).replace("\xa0", " ").split())


def test_thinking_and_direct_are_asked_side_by_side_and_tested_in_pairs(capsys):
    out = evaluated(capsys, "--prompt-mode", "direct,suffix", "max_tokens=9")
    assert "modes/direct: finished" in out and "modes/suffix: finished" in out
    report = json.loads(Path("out/report.json").read_text(encoding="utf-8"))
    assert list(report["results"]) == ["direct", "suffix"]
    (test,) = report["tests"]
    assert (test["n"], test["only_a"], test["only_b"]) == (24, 0, 24) and test["p"] < 0.001
    assert [asked.rpartition(" ")[2] for asked in test["asked"]] == ["direct", "suffix"]
    ids = [
        [row["id"] for row in read_attempts(Path(f"out/modes/{m}/attempts.jsonl"))]
        for m in ("direct", "suffix")
    ]
    assert ids[0] == ids[1]
    for mode in ("direct", "suffix"):
        stage = json.loads(Path(f"out/modes/{mode}/stage.json").read_text(encoding="utf-8"))
        record = stage["result"]["my"]["record"]
        assert record["prompt_mode"] == mode and record["decoding"]["max_tokens"] == 9
    out = evaluated(capsys, "--prompt-mode", "direct,suffix", "max_tokens=9")
    assert "modes/direct: skipped" in out and "modes/suffix: skipped" in out


def test_robustness_asks_the_same_questions_of_changed_pictures(capsys):
    out = evaluated(capsys, "--robustness", "all")
    for name in ("resize", "crop", "jpeg"):
        assert f"{name}: 100.0 % right, 100.0 % as they are (n = 24, p = 1.000); 100.0 %" in out
    assert "blank: 0.0 % right, 100.0 % as they are (n = 24, p < 0.001): it looks at the picture" in out, (
        "it says 99 to all of them"
    )
    found = json.loads(Path("out/robustness.json").read_text(encoding="utf-8"))
    assert list(found) == ["resize", "crop", "jpeg", "blank"] and found["blank"]["only_a"] == 24
    pictures = [
        next(read_attempts(Path(f"out/{stage}/attempts.jsonl")))["media"]
        for stage in ("eval", "probes/resize", "probes/crop", "probes/jpeg", "probes/blank")
    ]
    assert len({str(media) for media in pictures}) == 5
    assert "eval: skipped" in evaluated(capsys), "the plain questions are an evaluation of their own"
    out = evaluated(capsys, "--robustness", "blank,crop")
    assert "probes/blank: skipped" in out and "probes/crop: skipped" in out


def test_a_model_that_does_not_look_is_found_out(capsys, monkeypatch):
    monkeypatch.setattr(EngineThatLooks, "looks", False)
    out = evaluated(capsys, "--robustness", "blank")
    assert "blank: 100.0 % right" in out
    assert "the questions do not need the picture, or it is not looked at" in out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--robustness", "turn"), "unknown probe 'turn'"),
        (("--robustness", "options"), "the probe options changes no question"),
        (("--prompt-mode", "suffix,suffix"), "names a mode twice"),
        (("--prompt-mode", "suffix,inside"), "unknown prompt mode 'inside'"),
        (("--prompt-mode", "direct,suffix", "--robustness", "all"), "are about one --prompt-mode"),
        (("--max-concurrency", "3"), "--model is not behind a server; leave out --max-concurrency"),
    ],
)
def test_what_cannot_be_asked_is_refused_before_any_work(capsys, words, said):
    assert said in evaluated(capsys, *words, code=2)
    assert not Path("out").exists()
