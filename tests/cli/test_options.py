"""Options that would change nothing are refused, and pages lie beside what they show."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.test_app import call, well, world, write
from tests.films import clip
from tests.report.sample_run import Page, held

__all__ = ["world"]

COMMANDS = {
    "train": ("train", "sft", "--model", "base", "--data"),
    "eval": ("eval", "--model", "base", "--data"),
    "check": ("check",),
}


@pytest.mark.parametrize("words", COMMANDS.values(), ids=COMMANDS)
def test_frames_of_clips_are_not_chosen_where_there_is_no_clip(capsys, words):
    for options in (("--num-frames", "4"), ("--frame-interval", "2")):
        code, _, err = call(capsys, *words, "my.jsonl", *options)
        assert code == 2 and f"the data have no clip; leave out {options[0]}" in " ".join(err.split())
    clip(Path("film.mp4"), 4)
    write("films.jsonl", {"question": "How many?", "answer": 3, "video": "film.mp4"})
    code, _, err = call(capsys, *words, "films.jsonl", "--num-frames", "4")
    assert (code, err) == (0, "")
    code, _, err = call(capsys, *words, "films.jsonl", "--num-frames", "4", "--frame-interval", "2")
    assert code == 2 and "--frame-interval says how many frames there are; leave out --num-frames" in err


def test_frames_of_pairs_are_not_chosen_where_there_is_no_clip(capsys):
    write("pairs.jsonl", {"prompt": "?", "chosen": "a", "rejected": "b", "image": "page.png"})
    words = ("train", "dpo", "--model", "base", "--data", "pairs.jsonl")
    code, _, err = call(capsys, *words, "--num-frames", "4")
    assert code == 2 and "the data have no clip; leave out --num-frames" in err


@pytest.mark.parametrize("options", [("--num-frames", "4"), ("--media-root", "x")])
def test_a_drawn_world_has_its_own_media(capsys, options):
    code, _, err = call(capsys, "eval", "--model", "base", "--data", "drawn:counting:2", *options)
    assert code == 2 and f"drawn worlds have their own media; leave out {options[0]}" in err


def test_a_missing_clip_is_a_fault_and_no_reason_to_refuse_its_frames(capsys):
    write("films.jsonl", {"question": "How many?", "answer": 3, "video": "gone.mp4"})
    code, out, err = call(capsys, "check", "films.jsonl", "--num-frames", "4", "--json")
    report = json.loads(out)
    assert (code, err, report["clips"], report["counts"]) == (1, "", 0, {"missing clip": 1})


@pytest.mark.parametrize("name", ["question.jsonl", "questions.json", "q.csv"])
def test_a_file_of_questions_is_answered_by_eval(capsys, name):
    write(name, {"question_id": 1, "image": "page.png", "text": "How many?"})
    for words in ((name,), (name, "How many?"), ("page.png", name)):
        code, _, err = call(capsys, "ask", *words)
        assert code == 2
        assert f"`seethink eval --model sprout --data {name}` answers them, with or" in " ".join(err.split())


def looked_at(page):
    return held(Page(Path(page).read_text(encoding="utf-8")))


@pytest.mark.parametrize(
    ("words", "mended"),
    [
        (("--live", "--out", "p.html"), "--live writes no page; leave out --out"),
        (("--port", "80"), "a page that is a file has no port; leave out --port or add --live"),
        (("gone", "--live"), "there is no gone to follow; give the folder of a run"),
    ],
)
def test_options_of_the_live_page_are_not_mixed_with_those_of_a_file(capsys, words, mended):
    code, _, err = call(capsys, "look", "my.jsonl", *words)
    assert code == 2 and mended in " ".join(err.split())


def test_a_page_lies_beside_what_it_shows(capsys):
    well(capsys, "run", "toy")
    for path, page in (
        ("runs/toy-tiny", "runs/toy-tiny/look.html"),
        ("runs/toy-tiny/eval/base/attempts.jsonl", "runs/toy-tiny/eval/base/look.html"),
        ("my.jsonl", "my.look.html"),
    ):
        assert well(capsys, "look", path).splitlines()[-1].endswith(f"questions: {page}")
        assert "How many?" in looked_at(page)["questions"][0]["question"]
    assert not Path("look.html").exists()
    well(capsys, "run", "toy")  # a page in a stage's folder is no reason to refuse it
    assert "skipped" in well(capsys, "run", "toy")


@pytest.mark.parametrize(
    ("words", "mended"),
    [
        (("train", "grpo", "--max_steps", "2"), "max_steps=2"),
        (("train", "sft", "--learning-rate=1e-5"), "learning_rate=1e-5"),
        (("train", "dpo", "--lr", "--seed", "2"), "lr=VALUE"),
        (("eval", "--max-tokens"), "max_tokens=VALUE"),
        (("run", "toy", "--grpo.max_steps", "2"), "grpo.max_steps=2"),
        (("show", "toy", "--beta", "0"), "beta=0"),
        (("synth", "r1_onevision", "--paths", "8"), "paths=8"),
    ],
)
def test_a_setting_written_as_an_option_is_named_as_it_is_written(capsys, words, mended):
    code, _, err = call(capsys, *words)
    option = next(word for word in words if word.startswith("--")).partition("=")[0]
    said = f"there is no option {option}; a setting is written without dashes: {mended}"
    assert code == 2 and " ".join(err.split()) == f"error: {said}"


@pytest.mark.parametrize(
    ("words", "option"),
    [
        (("train", "grpo", "--num_frames", "2"), "--num-frames"),
        (("eval", "--verifer", "x"), "--verifier"),
        (("ask", "--max_tokens", "3"), "--max-tokens"),
    ],
)
def test_a_slip_in_an_option_is_no_setting(capsys, words, option):
    code, _, err = call(capsys, *words)
    assert code == 2 and "No such option" in err and option in err


@pytest.mark.parametrize("words", [("check",), ("look",), ("convert",)])
def test_a_drawn_world_is_no_file_to_check(capsys, words):
    code, _, err = call(capsys, *words, "drawn:charts:5", *(("new",) if words == ("convert",) else ()))
    assert code == 2 and "drawn:charts:5 is a drawn world and no file" in " ".join(err.split())


def test_look_shows_the_evaluations_of_a_run_beside_each_other_and_keeps_other_files(capsys):
    well(capsys, "run", "toy")
    well(capsys, "look", "runs/toy-tiny")
    assert looked_at("runs/toy-tiny/look.html")["arms"][0] == "eval/base"
    assert well(capsys, "look", "runs/toy-tiny").endswith("questions: runs/toy-tiny/look.html\n")
    report = Path("runs/toy-tiny/report.html").read_bytes()
    code, _, err = call(capsys, "look", "runs/toy-tiny", "--out", "runs/toy-tiny/report.html")
    assert code == 2
    assert "give another name with --out" in " ".join(err.split())
    assert Path("runs/toy-tiny/report.html").read_bytes() == report


def test_look_shows_several_runs_beside_each_other(capsys):
    for folder in ("a", "b"):
        well(capsys, "run", "toy", "--out", folder)
    out = well(capsys, "look", "a/eval/base", "b/eval/base/attempts.jsonl")
    assert out.endswith("questions: look.html\n")
    page = looked_at("look.html")
    assert page["arms"] == ["a/eval/base", "b/eval/base"]
    found = [question["outcomes"] for question in page["questions"]]
    assert found
    assert all(one == other for one, other, _ in found)  # the same answers on both sides
    code, _, err = call(capsys, "look", "a", "my.jsonl")
    assert code == 2
    assert "my.jsonl holds no attempts to show beside others" in " ".join(err.split())
