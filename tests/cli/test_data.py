from __future__ import annotations

import json
from pathlib import Path

import PIL.Image
import pytest

from seethink.cli.app import main


def test_check_names_the_verifier_as_it_was_typed(tmp_path, capsys):
    (tmp_path / "my.jsonl").write_text(
        json.dumps({"question": "Where?", "answer": "a cup"}) + "\n", encoding="utf-8"
    )
    for name in ("box_iou", "consistent", "same_choice@vlm_r1"):
        with pytest.raises(SystemExit):
            main(["check", str(tmp_path / "my.jsonl"), "--verifier", name, "--json"])
        assert name in capsys.readouterr().out


def lines(path, *rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def checked(path, capsys, *words):
    with pytest.raises(SystemExit) as left:
        main(["check", str(path), *words])
    return left.value.code or 0, capsys.readouterr().out


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    for i in range(2):
        PIL.Image.new("RGB", (64, 48), (i, 0, 0)).save(f"{i}.png")
    return tmp_path


def test_every_missing_file_is_counted_and_listed(folder, capsys):
    rows = [
        {"images": ["0.png", "gone1.png", "gone2.png"], "question": "1?", "answer": "3"},
        {"images": ["gone2.png", "1.png"], "video": "gone.mp4", "question": "2?", "answer": "3"},
        {"image": "gone3.png", "question": " ", "answer": "3"},
        {"image": "0.png", "question": "4?", "anwser": "3"},
        {"image": "1.png", "question": "5?", "answer": "3"},
    ]
    path = lines(folder / "my.jsonl", *rows)
    code, out = checked(path, capsys, "--json")
    report = json.loads(out)
    assert (code, report["pictures"], report["missing"]) == (1, 6, 4)
    files = [(fault["row"], Path(fault["file"]).name) for fault in report["faults"] if fault["file"]]
    assert files == [
        (1, "gone1.png"),
        (1, "gone2.png"),
        (2, "gone2.png"),
        (2, "gone.mp4"),
        (3, "gone3.png"),
    ]
    assert report["counts"] == {"missing picture": 4, "missing clip": 1, "unknown column": 1}
    code, out = checked(path, capsys)
    assert out.startswith(f"{path}: 5 rows (plain), 6 pictures and clips, 4 of them missing\n")
    assert "3 files:" in out and all(name in out for name in ("gone1.png", "gone2.png", "gone3.png"))


@pytest.mark.parametrize(("n", "more"), [(10, None), (13, "and 3 more; --json lists all")])
def test_of_many_missing_files_the_first_ten_are_listed(folder, capsys, n, more):
    rows = [{"image": f"gone{i:02}.png", "question": f"{i}?", "answer": "3"} for i in range(n)]
    _, out = checked(lines(folder / "my.jsonl", *rows), capsys)
    assert f"{n} files:" in out and (more or "more;") in out if more else "more;" not in out
    assert f"gone{min(n, 10) - 1:02}.png" in out and "gone10.png" not in out


def test_paths_of_missing_files_are_whole_in_a_narrow_terminal(folder, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    names = [f"{'long' * 20}{i}.png" for i in range(2)]
    rows = [{"image": name, "question": f"{name}?", "answer": "3"} for name in names]
    _, out = checked(lines(folder / "my.jsonl", *rows), capsys)
    shown = "".join(line.split("\u2502")[-2].strip() for line in out.splitlines() if line[:1] == "\u2502")
    assert all(str(folder / name) in shown for name in names)


def test_a_conversation_is_checked_with_its_turns_and_its_pictures(folder, capsys):
    turns = [{"role": "user", "content": "<image>Who\ufffd?"}, {"role": "assistant", "content": "A dog."}]
    last = [{"role": "user", "content": "And here?<image>"}, {"role": "assistant", "content": "a cat"}]
    path = lines(folder / "my.jsonl", {"messages": turns + last, "images": ["0.png", "gone.png"]})
    report = json.loads(checked(path, capsys, "--json")[1])
    assert [(fault["kind"], fault["row"]) for fault in report["faults"]] == [("missing picture", 1)]
    path = lines(folder / "my.jsonl", {"messages": turns + last, "images": ["0.png", "1.png"]})
    (fault,) = json.loads(checked(path, capsys, "--json")[1])["faults"]
    assert fault["message"] == "the conversation contains the character U+FFFD"


def test_questions_without_answers_are_at_fault_for_training(folder, capsys):
    row = {"question_id": 0, "image": "0.png", "text": "Which is it?", "choices": ["cup", "pen"]}
    report = json.loads(checked(lines(folder / "question.jsonl", row), capsys, "--json")[1])
    assert report["dialect"] == "llava questions"
    (fault,) = report["faults"]
    assert (fault["kind"], fault["message"].split("; ")[0]) == ("no answer", "there is no answer")


def test_convert_tells_apart_what_a_dialect_can_hold(folder, capsys):
    path = lines(folder / "question.jsonl", {"question_id": 0, "image": "0.png", "text": "Which?"})
    for dialect, code in (("llava-questions", 0), ("trl", 2)):
        with pytest.raises(SystemExit) as left:
            main(["convert", str(path), str(folder / dialect), "--dialect", dialect])
        assert (left.value.code or 0) == code
    assert f"{path}, row 1 has no answer; give it one or leave it out" in capsys.readouterr().err
