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


def test_each_way_to_mend_a_fault_has_its_line(folder, capsys):
    """Unlike files are of one kind, but an empty one is not converted, nor a URL's path corrected."""
    (folder / "empty.png").write_bytes(b"")
    (folder / "pointer.png").write_text("version https://git-lfs.github.com/spec/v1", encoding="utf-8")
    for name in ("a.png", "b.png"):
        (folder / name).write_text("<!doctype html>", encoding="utf-8")
    (folder / "shots").mkdir()
    media = ["empty.png", "a.png", "b.png", "pointer.png", "https://x.org/a.png", "shots", "gone.png"]
    rows = [{"question": f"What is {i}?", "answer": str(i), "image": name} for i, name in enumerate(media)]
    _, out = checked(lines(folder / "my.jsonl", *rows), capsys)
    table = [[cell.strip() for cell in line.split("│")[1:-1]] for line in out.splitlines() if "│" in line]
    said: list[list[str]] = []
    for kind, _, which, message in table:  # a long message goes on in rows without a kind
        said = (
            [*said, [kind, which, message]]
            if kind
            else [*said[:-1], [*said[-1][:2], f"{said[-1][2]} {message}"]]
        )
    mended = ("download or copy it again", "download the file itself", "run `git lfs pull` beside it")
    assert [(kind, which) for kind, which, _ in said] == [
        ("unreadable picture", "1"),
        ("unreadable picture", "2, 3"),
        ("unreadable picture", "4"),
        ("missing picture", "5"),
        ("missing picture", "6"),
        ("missing picture", "7"),
    ]
    assert all(words in message for words, (_, _, message) in zip(mended, said[:3], strict=True))
    whole = " ".join(message for _, _, message in said)
    assert "which is a folder; name a file in it" in whole and "is a URL; download it" in whole
    assert "convert it as its message says" not in whole


def test_a_reference_that_the_verifier_cannot_judge_is_compared_by_nothing(folder, capsys):
    rows = [{"question": "How many?", "answer": "3"}, {"question": "What?", "answer": "a lot"}]
    _, out = checked(lines(folder / "my.jsonl", *rows), capsys, "--verifier", "same_number")
    assert "answers are compared by same_number 1\n" in out and "letters alone" not in out


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


@pytest.mark.parametrize(
    ("row", "mend"),
    [
        ({"anwser": "3"}, "move it into"),
        ({"image": "https://example.org/a.png"}, "correct the path"),
        ({"image": "gone.png"}, "correct the path"),
        ({"question": "a <|im_end|> b"}, "reword"),
        ({"image": "narrow.png"}, "pad"),
    ],
)
def test_every_fault_is_mended_once(folder, capsys, row, mend):
    PIL.Image.new("RGB", (4000, 10)).save("narrow.png")
    path = lines(folder / "my.jsonl", {"question": "How many?", "answer": "3", **row})
    code, out = checked(path, capsys, "--model", "sprout")
    assert code == 1 and out.count(mend) == (0 if "URL" in out else 1)
    report = json.loads(checked(path, capsys, "--model", "sprout", "--json")[1])
    assert len(report["faults"]) == 1 and "blank" not in out


def test_an_empty_cell_of_a_column_of_media_is_suspected(folder, capsys):
    empty = {"bytes": None, "path": None}
    rows = [{"images": [empty]}, {"image": empty}, {"images": ["0.png", None, empty]}, {"videos": [None]}]
    rows += [{"image": None}, {"images": []}, {"images": None, "video": None}, {}]
    rows = [{"question": f"{i}?", "answer": "3", **row} for i, row in enumerate(rows)]
    code, out = checked(lines(folder / "my.jsonl", *rows), capsys, "--json")
    found = [(fault["kind"], fault["row"], fault["message"][:20]) for fault in json.loads(out)["suspected"]]
    assert code == 0
    columns = ("images has 1 empty c", "image has 1 empty ce", "images has 2 empty c", "videos has 1 empty c")
    assert found == [("empty medium", row, column) for row, column in enumerate(columns, 1)]


@pytest.mark.parametrize("words", [["check"], ["eval", "--model", "sprout", "--data"]])
@pytest.mark.parametrize("seconds", ["0", "-1"])
def test_an_interval_of_no_length_is_an_error_of_the_call(folder, capsys, words, seconds):
    path = lines(folder / "my.jsonl", {"question": "?", "answer": "3"})
    with pytest.raises(SystemExit) as left:
        main([*words, str(path), "--frame-interval", seconds])
    assert left.value.code == 2 and "frame-interval" in capsys.readouterr().err


def test_a_row_that_selects_no_frames_has_no_missing_clip(folder, capsys):
    (folder / "c.mp4").write_bytes(b"a clip")
    row = {"question": "?", "answer": "3", "video": {"path": "c.mp4", "every_s": 0}}
    report = json.loads(checked(lines(folder / "my.jsonl", row), capsys, "--json")[1])
    assert report["counts"] == {"layout": 1} and report["missing"] == 0


def test_a_limit_of_tokens_needs_the_model_that_counts_them(folder, capsys):
    path = lines(folder / "my.jsonl", {"question": "?", "answer": "3"})
    with pytest.raises(SystemExit) as left:
        main(["check", str(path), "--max-prompt-length", "5"])
    assert left.value.code == 2 and "name it with --model" in capsys.readouterr().err


def test_pairs_become_those_of_another_trainer(folder, capsys):
    path = lines(folder / "my.jsonl", {"image": "0.png", "prompt": "?", "chosen": "3", "rejected": "4"})
    for dialect, code in (("trl-dpo", 0), ("ours", 2)):
        with pytest.raises(SystemExit) as left:
            main(["convert", str(path), str(folder / dialect), "--dialect", dialect])
        assert (left.value.code or 0) == code
    assert "the dialects that hold one are trl-dpo, dpo, ms-swift-dpo" in capsys.readouterr().err


@pytest.mark.parametrize("place", ["my.jsonl/x", "my.jsonl/x/y"])
def test_a_place_that_cannot_be_written_is_one_sentence(folder, capsys, place):
    path = lines(folder / "my.jsonl", {"question": "?", "answer": "3"})
    for words in (
        ["convert", str(path), place],
        ["gallery", "--out", f"{place}.md"],
        ["look", str(path), "--out", place],
    ):
        with pytest.raises(SystemExit) as left:
            main(words)
        assert left.value.code == 2 and "cannot be written" in capsys.readouterr().err


def test_control_characters_of_values_are_shown_escaped(folder, capsys):
    names = ["a\x1b[31mb.png", "c\x00d.png", "e\x9bf.png"]
    rows = [{"image": name, "question": f"{name}?", "answer": "3"} for name in names]
    code, out = checked(lines(folder / "my.jsonl", *rows), capsys)
    assert code == 1
    assert all(shown in out for shown in ("a\\x1b[31mb.png", "c\\x00d.png", "e\\x9bf.png"))
    assert all(sign == "\n" or sign.isprintable() for sign in out)
