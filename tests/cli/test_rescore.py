from __future__ import annotations

import json
from pathlib import Path

import pytest

from seethink.benchmarks import BENCHMARKS
from seethink.cli.app import main
from tests.evaluate import layouts
from tests.evaluate.layouts import DOTS, HERE, IDS, SCORES, SUM, TEXTS, lines, questions
from tests.sources.published.vision_layouts import truths


@pytest.fixture(autouse=True)
def wide(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "250")


def run(*words):
    with pytest.raises(SystemExit) as left:
        main(["rescore", *map(str, words)])
    return left.value.code


def rescored(capsys, *words):
    """(rows of attempts.jsonl, rescore.json, what was printed)"""
    assert run(*words, "--out", "out") == 0
    rows = [json.loads(line) for line in Path("out/attempts.jsonl").read_text(encoding="utf-8").splitlines()]
    return rows, json.loads(Path("out/rescore.json").read_text(encoding="utf-8")), capsys.readouterr().out


def refused(capsys, *words):
    assert run(*words, "--out", "out") == 2
    return " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize("name", layouts.LAYOUTS)
def test_answers_of_every_tool_join_the_data_by_question_and_picture(name, capsys):
    data, file = questions(Path("data")), layouts.LAYOUTS[name](Path("theirs"))
    rows, about, out = rescored(capsys, file, "--data", data)
    (part,) = about["files"]
    answered = [row for row in rows if row["stop"] != "unanswered"]
    if name in layouts.HAVE_PICTURES:
        assert [row["id"] for row in answered] == [*IDS]
        assert [row["correct"] for row in answered] == [*HERE]
        assert [row["parts"]["reported"]["value"] for row in answered] == [*SCORES]
        assert (part["joined"], part["not_joined"]) == (4, {})
    else:
        assert [row["id"] for row in answered] == ["sum", "sky"]
        (reason, where), *others = part["not_joined"].items()
        assert "the data ask its question several times" in reason and len(where) == 2 and not others
        assert f"2 rows: {reason}" in out
        assert len(rows) == 2 and part["unanswered"] == []  # neither counts as wrong
    assert "reported 1, here 0, for 'A'; the gold is 'B'" in out
    (line,) = Path("out/disagreements.jsonl").read_text(encoding="utf-8").splitlines()
    assert {key: json.loads(line)[key] for key in ("said", "gold", "reported", "here")} == {
        "said": "A", "gold": "B", "reported": 1.0, "here": 0.0
    }  # fmt: skip
    pictures = {name for row in rows for name in row["media"]}
    assert len(pictures) == (2 if name in layouts.HAVE_PICTURES else 0)
    assert all((Path("out") / picture).is_file() for picture in pictures)


@pytest.mark.parametrize("name", layouts.LAYOUTS)
def test_without_data_the_gold_of_the_file_is_used(name, capsys):
    rows, _, _ = rescored(capsys, layouts.LAYOUTS[name](Path("theirs")))
    assert [row["correct"] for row in rows] == [*HERE]
    assert len({row["id"] for row in rows}) == 4


def test_scores_reported_over_the_file_are_printed_beside_ours(capsys):
    _, _, out = rescored(capsys, layouts.inspect_ai(Path("theirs")), "--data", questions(Path("data")))
    assert "inspect_ai reports match 0.75 over its file" in out
    assert "over the 4 rows that both judged: match 0.75, here 0.5; they disagree on 1" in out


# Joining --------------------------------------------------------------------------------------------------


def test_a_running_number_is_never_the_key(capsys):
    """The file counts from 0 in another order than the data, whose ids are the same numbers."""
    sums = [(f"What is {a} plus 1?", str(a + 1)) for a in range(5)]
    rows = [{"id": i, "question": q, "answer": a} for i, (q, a) in enumerate(sums)]
    data = lines(Path("data.jsonl"), *rows)
    answers = [
        {"doc_id": i, "target": a, "filtered_resps": a, "input": q, "acc": 1.0}
        for i, (q, a) in enumerate(reversed(sums))
    ]
    rows, _, out = rescored(capsys, lines(Path("x_samples_t.jsonl"), *answers), "--data", data)
    assert [(row["id"], row["correct"]) for row in rows] == [(str(i), 1.0) for i in reversed(range(5))]
    assert "another gold" not in out


def test_the_same_question_about_another_picture_is_not_the_same(capsys):
    data = lines(
        Path("data.jsonl"), {"question": DOTS, "image": layouts.data_uri("red"), "answer": "3"},
        {"question": SUM, "answer": "4"},
    )  # fmt: skip
    members = layouts.inspect_members()
    members["samples/1_epoch_1.json"]["attachments"]["abc"] = layouts.data_uri("blue")
    packed = {name: json.dumps(value).encode() for name, value in members.items()}
    _, about, out = rescored(capsys, layouts.zstd_zip(Path("t.eval"), packed), "--data", data)
    reasons = {reason: len(rows) for reason, rows in about["files"][0]["not_joined"].items()}
    assert reasons == {
        "its question is in the data with another picture": 2,
        "its question is not in the data": 1,
    }
    assert "t.eval, samples/1_epoch_1.json" in out


def test_a_key_joins_what_words_cannot(capsys):
    data = questions(Path("data"))
    rows = [{"qid": name, "prediction": text, "question": "?"} for name, text in zip(IDS, TEXTS, strict=True)]
    file = lines(Path("theirs.jsonl"), *rows, {"qid": "gone", "prediction": "9", "question": "?"})
    assert "no row of theirs.jsonl joins the data: 5 rows: its question is not in the data" in refused(
        capsys, file, "--data", data
    )
    rows, about, _ = rescored(capsys, file, "--data", data, "--key", "qid")
    assert [(row["id"], row["correct"]) for row in rows] == list(zip(IDS, HERE, strict=True))
    assert [len(where) for where in about["files"][0]["not_joined"].values()] == [1]
    Path("out").rename("first")
    other = refused(capsys, file, "--data", data, "--key", "question_id")
    assert "the file has no such column; it has prediction, qid, question" in other


def test_a_key_that_several_questions_share_is_refused(capsys):
    rows = [{"question": q, "answer": "4", "meta": {"set": "a"}} for q in (SUM, DOTS)]
    file = lines(Path("theirs.jsonl"), {"set": "a", "prediction": "4", "question": SUM})
    said = refused(capsys, file, "--data", lines(Path("data.jsonl"), *rows), "--key", "set")
    assert "'a' is the key of data.jsonl, row 1 and data.jsonl, row 2; name a column that is unique" in said


def test_words_around_the_questions_are_those_that_the_rows_share(capsys):
    """A question that is part of another is not taken for it."""
    asked = ["Count.", "Count. Then add 1.", "Name the sum of 2 and 2."]
    golds = ["3", "4", "4"]
    data = lines(
        Path("data.jsonl"), *({"question": q, "answer": a} for q, a in zip(asked, golds, strict=True))
    )
    wrapped = [f"<|im_start|>user\n<image>{q}\nThink first.<|im_end|>\nassistant\n" for q in asked]
    rows = [
        {"input": text, "output": a, "gts": a, "score": 1.0}
        for text, a in zip([*wrapped, "something else"], [*golds, "1"], strict=True)
    ]
    rows, about, out = rescored(capsys, lines(Path("1.jsonl"), *rows), "--data", data)
    assert [row["question"] for row in rows] == asked and {row["correct"] for row in rows} == {1.0}
    assert "words around the question: 'user ' before, ' Think first. assistant' after" in out
    assert about["files"][0]["not_joined"] == {"its question is not in the data": ["1.jsonl, row 4"]}


@pytest.mark.parametrize(
    "listed", ["A. red\nB. blue", "(A) red\n(B) blue", "A: red\nB: blue", "Options: A: red, B: blue"]
)
def test_a_prompt_may_list_the_options_in_any_of_the_layouts(listed, capsys):
    data = lines(Path("data.jsonl"), {"question": "Sky?", "choices": ["red", "blue"], "answer": "B"})
    row = {"doc_id": 0, "input": f"Sky?\n{listed}\nBe brief.", "target": "B", "filtered_resps": "(B) blue"}
    rows, _, _ = rescored(capsys, lines(Path("x_samples_t.jsonl"), row), "--data", data)
    assert [row["correct"] for row in rows] == [1.0]


def test_another_gold_in_the_file_is_told(capsys):
    data = lines(Path("data.jsonl"), {"question": SUM, "answer": "4"})
    row = {"index": 0, "question": SUM, "answer": "5", "prediction": "4", "hit": 0}
    rows, _, out = rescored(capsys, lines(Path("M.jsonl"), row), "--data", data)
    assert rows[0]["correct"] == 1.0
    assert "1 row with another gold in the file than in the data (M.jsonl, row 1)" in out


# What is missing or failed --------------------------------------------------------------------------------


def test_questions_without_an_answer_are_listed_or_left_out(capsys):
    data = questions(Path("data"))
    file = lines(Path("M.jsonl"), {"index": 0, "question": SUM, "prediction": "4"})
    rows, about, out = rescored(capsys, file, "--data", data)
    assert "3 questions of the data have no answer in the file" in out
    assert about["files"][0]["unanswered"] == ["sky", "green", "red"]
    found = {row["id"]: (row["stop"], row["value"]) for row in rows}
    assert found["sky"] == ("unanswered", None) and len(rows) == 4
    assert run(file, "--data", data, "--answered-only", "--out", "only") == 0
    assert len(Path("only/attempts.jsonl").read_text(encoding="utf-8").splitlines()) == 1


def test_a_failed_request_is_no_wrong_answer(capsys):
    row = {"doc_id": 0, "target": "4", "input": SUM, "acc": 0.0}
    failed = "[LMMS_EVAL_REQUEST_FAILED after 5 retries] timed out"
    file = lines(Path("x_samples_t.jsonl"), row | {"filtered_resps": failed})
    rows, _, _ = rescored(capsys, file)
    assert rows[0]["value"] is None and rows[0]["stop"] == "unanswered" and failed in rows[0]["why"]


@pytest.mark.parametrize("with_data", [True, False])
def test_an_enormous_answer_is_counted_and_not_scored(with_data, capsys):
    rows = [{"index": i, "question": SUM, "answer": "4", "prediction": text} for i, text in enumerate("45")]
    rows.append({"index": 2, "question": SUM, "answer": "4", "prediction": "9" * 1_000_001})
    data = lines(Path("data.jsonl"), {"question": SUM, "answer": "4"})
    found, about, out = rescored(
        capsys, lines(Path("M.jsonl"), *rows), *(("--data", data) if with_data else ())
    )
    assert len(found) == 2
    why = "its answer has more than 1,000,000 characters"
    assert about["files"][0]["not_joined"] == {why: ["M.jsonl, row 3"]} and why in out


def test_a_reported_number_that_is_no_score_is_kept_and_not_compared(capsys):
    row = {"input": SUM, "output": "4", "gts": "4", "score": 1.5}
    rows, _, _ = rescored(capsys, lines(Path("1.jsonl"), row))
    part = rows[0]["parts"]["reported"]
    assert part == {"value": None, "why": "score is 1.5, which is no score from 0 to 1"}
    assert rows[0]["meta"]["reported/score"] == 1.5 and rows[0]["correct"] == 1.0


def test_a_file_without_gold_needs_the_data(capsys):
    said = refused(capsys, lines(Path("M.jsonl"), {"index": 0, "question": SUM, "prediction": "4"}))
    assert "M.jsonl, row 1 and all others have no gold answer" in said and "--data" in said


# Results --------------------------------------------------------------------------------------------------


def test_questions_with_the_same_words_stay_apart_without_their_pictures(capsys):
    rows, _, _ = rescored(capsys, layouts.vlmevalkit_json(Path("theirs")))
    assert len({row["id"] for row in rows}) == 4
    same = [{"index": i, "question": DOTS, "answer": "3", "prediction": "3"} for i in (7, 8)]
    assert run(lines(Path("same.jsonl"), *same), "--out", "same") == 0
    assert "2 questions have the words of another" in capsys.readouterr().out
    found = [
        json.loads(line)["id"]
        for line in Path("same/attempts.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    assert [name.rpartition("-")[2] for name in found] == ["7", "8"]


def test_each_file_is_an_evaluation_of_its_own(capsys):
    files = [layouts.verl(Path("a")), layouts.inspect_ai(Path("b")), layouts.verl(Path("c"))]
    assert run(*files, "--out", "out") == 2
    assert "have the same name and folder name; rename one" in capsys.readouterr().err
    files[2] = files[2].rename(files[2].parent / "8.jsonl").parent
    assert run(*files, "--out", "out") == 0
    assert sorted(path.parent.name for path in Path("out").rglob("attempts.jsonl")) == [
        "7", "rollouts", "tiny"
    ]  # fmt: skip


def test_answers_to_a_published_benchmark_are_scored_as_it_is(capsys):
    truths("superclevr_test200_counting_problems.jsonl", *[3] * 200)(Path("copy"))
    examples = BENCHMARKS["superclevr_200"].task(Path("copy")).examples
    lines(Path("theirs.jsonl"), *({"q": examples[i].question, "out": f"{3 + i}"} for i in range(2)))
    words = ("theirs.jsonl", "--prediction-column", "out", "--question-column", "q", "--answered-only")
    published = ("--benchmark", "superclevr_200", "--benchmark-dir", "copy")
    rows, _, _ = rescored(capsys, *words, *published)
    assert [row["correct"] for row in rows] == [1.0, 0.0]
    assert [row["id"] for row in rows] == [examples[0].id, examples[1].id]
    said = refused(capsys, *words, *published, "--verifier", "same_text")
    assert "a benchmark has its own questions and scoring; leave out --verifier" in said
    assert "there is no --benchmark" in refused(capsys, *words, "--benchmark-dir", "copy")


def test_the_same_again_replaces_its_results_and_others_stay(capsys):
    file = layouts.inspect_ai(Path("theirs"))
    first = rescored(capsys, file)[0]
    assert rescored(capsys, file)[0] == first
    assert "out holds something else, which stays" in refused(capsys, file, "--verifier", "same_number")
    Path("out/rescore.json").unlink()
    assert "out holds something else, which stays" in refused(capsys, file)


def test_after_a_kill_the_same_command_goes_on(capsys, monkeypatch):
    file = layouts.inspect_ai(Path("theirs"))

    def killed(*arguments):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("seethink.cli.rescore.write", killed)
        assert run(file, "--out", "out") == 130
    assert not Path("out/attempts.jsonl").exists() and any(Path("out/media").iterdir())
    rows, _, _ = rescored(capsys, file)
    assert [row["correct"] for row in rows] == [*HERE]


def test_a_score_is_that_of_correctness_alone_where_no_format_was_asked(capsys):
    golds = {"4": 1.0, "5": 0.0, "it could be many things, who knows": 0.0}
    rows = [
        {"index": i, "question": f"{i}?", "answer": "4", "prediction": text} for i, text in enumerate(golds)
    ]
    file = lines(Path("M.jsonl"), *rows)
    found, _, _ = rescored(capsys, file)
    assert [(row["value"], row["correct"]) for row in found] == [(value, value) for value in golds.values()]
    assert {(row["format"], row["mode"], row["fault"], *row["parts"]) for row in found} == {
        ("any", "", None, "correct")
    }
    Path("out").rename("first")
    found, _, _ = rescored(capsys, file, "--format", "answer_only")
    assert [set(row["parts"]) for row in found] == [{"correct", "format"}] * 3 and found[0]["fault"]
    assert {row["mode"] for row in found} == {"suffix"}


def test_our_own_attempts_rescored_are_the_same(capsys):
    data = questions(Path("data"))
    rows, _, _ = rescored(
        capsys, layouts.inspect_ai(Path("theirs")), "--data", data, "--format", "answer_only"
    )
    Path("out").rename("first")
    again, about, out = rescored(capsys, Path("first"), "--data", data)
    assert "seethink, questions: 4 rows" in out and about["files"][0]["joined"] == 4
    left = ("parts", "meta", "from")
    assert [{k: v for k, v in row.items() if k not in left} for row in again] == [
        {k: v for k, v in row.items() if k not in left} for row in rows
    ]
    assert [row["parts"]["reported"]["value"] for row in again] == [row["correct"] for row in rows]


def test_boxes_are_scored_in_the_named_units_and_again_from_our_own_attempts(capsys):
    """Half of each side, of a picture of 12 by 8 pixels."""
    gold = '[{"bbox_2d": [0, 0, 6, 4], "label": "dot"}]'
    data = lines(Path("data.jsonl"), {"question": "Where?", "image": layouts.data_uri("red"), "answer": gold})
    row = {"index": 0, "question": "Where?", "prediction": "<answer>[0, 0, 500, 500]</answer>"}
    words = ("--data", data, "--verifier", "box_iou")
    rows, _, _ = rescored(capsys, lines(Path("M.jsonl"), row), *words, "--coordinates", "thousandths")
    assert (rows[0]["boxes"], rows[0]["correct"]) == ([[0, 0, 6, 4]], 1.0)
    Path("out").rename("first")
    again, _, _ = rescored(capsys, Path("first"), *words)
    assert (again[0]["boxes"], again[0]["correct"]) == ([[0, 0, 6, 4]], 1.0)
