"""Golds, options and predictions as other tools write them."""

from __future__ import annotations

import json
import re
import zipfile
from pathlib import Path

import pandas
import pytest

from seethink.evaluate.importers import NamedColumns, read_answers
from seethink.evaluate.importers.answers import choices_in, gold_in
from tests.cli.test_rescore import refused, rescored, wide
from tests.evaluate import layouts
from tests.evaluate.layouts import SUM, lines

__all__ = ["wide"]
COLUMNS = ("--prediction-column", "out", "--question-column", "q", "--answer-column", "gold")


@pytest.mark.parametrize(
    ("value", "gold"),
    [
        ("3", "3"),
        (["3"], "3"),
        (["UC", "University"], '["UC", "University"]'),
        ("['24/7', '3.429']", '["24/7", "3.429"]'),
        ("['CENTRE']", "CENTRE"),
        ([1, 2, 3, 4], "[1, 2, 3, 4]"),
        ("[1,2,3,4]", "[1,2,3,4]"),
        ({"ground_truth": ["a", "b"], "style": "rule"}, '["a", "b"]'),
        ({"ground_truth": {"target": "a"}}, "a"),
        ({"text": "a"}, "a"),
        ("<answer>3</answer>", "3"),
        ("<think>1 + 2</think> <answer>3</answer>", "3"),
        ("<think>1 + 2</think><answer>\\boxed{3}</answer>", "3"),
        ("$\\boxed{\\frac{1}{2}}$", "\\frac{1}{2}"),
        (["<answer>a</answer>", "<answer>b</answer>"], '["a", "b"]'),
        (True, "True"),
        (None, None),
        (float("nan"), None),
        ({}, None),
    ],
)
def test_golds_are_read_in_all_the_ways_in_which_they_are_logged(value, gold):
    assert gold_in(value) == gold


@pytest.mark.parametrize(
    "row",
    [
        {"choices": ["cat", "dog"]},
        {"options": "['cat', 'dog']"},
        {"choices": '["cat", "dog"]'},
        {"choices": {"A": "cat", "B": "dog"}},
        {"options": '{"A": "cat", "B": "dog"}'},
        {"choices": {"label": ["A", "B"], "text": ["cat", "dog"]}},
        {"choices": [{"label": "A", "text": "cat"}, {"label": "B", "text": "dog"}]},
        {"choices": "A. cat\nB. dog"},
        {"A": "cat", "B": "dog", "C": None, "D": float("nan")},
        {"choice_a": "cat", "choice_b": "dog", "answer": "A"},
        {"option_A": "cat", "option_B": "dog", "choices": []},
        {"optionA": "cat", "optionB": "dog", "choices": "[]"},
    ],
)
def test_options_are_read_in_all_the_ways_in_which_tables_hold_them(row):
    assert choices_in(row) == (("cat", "dog"), "")


@pytest.mark.parametrize("row", [{}, {"choices": None}, {"choices": "[]", "A": ""}, {"a": "x", "b": "y"}])
def test_rows_without_options_have_none(row):
    assert choices_in(row) == ((), "")


def test_options_that_cannot_be_read_are_told_and_counted(capsys):
    rows = [{"q": f"{i}?", "out": "dog", "gold": "dog", "options": "cat, dog"} for i in range(3)]
    found, _, out = rescored(capsys, lines(Path("m.jsonl"), *rows), *COLUMNS)
    assert [row["correct"] for row in found] == [1.0] * 3
    assert "3 rows: its options are no list, but a text; they are left out; write them as a JSON list" in out
    assert "no text" in choices_in({"choices": ["cat", None]})[1]


@pytest.mark.parametrize(
    ("doc", "target", "said", "values"),
    [
        ({"A": "cat", "B": "dog", "C": None}, "B", ("B", "dog", "cat", "(B) dog"), [1, 1, 0, 1]),
        ({"choice_a": "cat", "choice_b": "dog"}, "B", ("B. dog", "dog", "A"), [1, 1, 0]),
        ({"options": "['Monet', \"O'Keeffe\"]"}, "B", ("B", "O'Keeffe", "Monet"), [1, 1, 0]),
        ({}, ["University of California", "UC"], ("UC", "university of California", "UCLA"), [1, 1, 0]),
        ({}, "['24/7', '3.429']", ("3.429", "24/7", "3"), [1, 1, 0]),
        ({}, ["2012"] * 9 + ["2013"], ("2012", "2013", "2014"), [1, 1, 0]),
    ],
)
def test_lmms_evals_options_and_several_targets_are_read(doc, target, said, values, capsys):
    rows = [
        {"doc_id": i, "doc": {"question": f"{i}?", **doc}, "target": target, "resps": [[text]],
         "filtered_resps": [text]}
        for i, text in enumerate(said)
    ]  # fmt: skip
    found, _, _ = rescored(capsys, lines(Path("x_samples_t.jsonl"), *rows))
    assert [row["correct"] for row in found] == values


@pytest.mark.parametrize(
    ("row", "said", "values"),
    [
        ({"answer": "145°", "choices": "['30°', '145°', '60°']"}, ("B", "145°", "(A) 30°"), [1, 1, 0]),
        ({"answer": "B", "choices": "['1', '2']"}, ("\\boxed{2}", "\\boxed{B}", "1"), [1, 1, 0]),
        ({"answer": "['$5.00', '5.00']"}, ("$5.00", "5.00", "6.00"), [1, 1, 0]),
        ({"answer": "['5', 'five']"}, ("five", "5", "four"), [1, 1, 0]),
    ],
)
def test_vlmevalkits_lists_in_cells_are_read(row, said, values, capsys):
    rows = [row | {"index": i, "question": f"{i}?", "prediction": text} for i, text in enumerate(said)]
    found, _, _ = rescored(capsys, layouts.xlsx(Path("M_x.xlsx"), rows))
    assert [row["correct"] for row in found] == values


def test_several_targets_of_inspect_ai_are_alternatives_but_for_those_of_a_choice():
    targets = {1: ["red", "blue"], 2: ["4"], 3: "7", 4: ["A", "B"]}
    samples = [
        {"id": i, "input": "?", "target": target, "choices": ["x", "y"] if i == 4 else None, "output": {}}
        for i, target in targets.items()
    ]
    Path("log.json").write_text(json.dumps({"eval": {"task": "t"}, "samples": samples}), encoding="utf-8")
    (file,) = read_answers(Path("log.json"))
    assert [answer.gold for answer in file.answers] == ['["red", "blue"]', "4", "7", '["A", "B"]']


def test_several_golds_of_a_training_are_alternatives(capsys):
    rows = [
        {"input": f"{i}?", "output": text, "gts": ["a", "b"], "score": 1.0} for i, text in enumerate("abc")
    ]
    found, _, _ = rescored(capsys, lines(Path("1.jsonl"), *rows))
    assert [row["correct"] for row in found] == [1.0, 1.0, 0.0]


def test_a_gold_that_is_one_of_several_is_no_other_gold(capsys):
    data = lines(Path("data.jsonl"), {"question": SUM, "answer": "4"})
    row = {"index": 0, "question": SUM, "answer": '["4", "four"]', "prediction": "4"}
    _, _, out = rescored(capsys, lines(Path("M.jsonl"), row), "--data", data)
    assert "another gold" not in out


# Training logs --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("gold", ["solution", "answer", "ground_truth"])
def test_trls_gold_is_no_reported_score_and_is_read_without_its_tags(gold, capsys):
    numbers = pandas.DataFrame(
        [{"step": 1, "prompt": f"{i}?", "completion": str(i), gold: i} for i in (1, 2)]
    )
    numbers.to_parquet("completions_00001.parquet")
    (file,) = read_answers(Path("completions_00001.parquet"))
    assert [(answer.gold, answer.reported) for answer in file.answers] == [("1", {}), ("2", {})]
    tagged = numbers.assign(
        **{gold: ["<answer>1</answer>", "<think>?</think><answer>3</answer>"], "acc": 1.0}
    )
    tagged.to_parquet("completions_00001.parquet")
    found, _, _ = rescored(capsys, Path("completions_00001.parquet"))
    assert [(row["gold"], row["correct"]) for row in found] == [("1", 1.0), ("3", 0.0)]
    assert {row["parts"]["reported"]["why"] for row in found} == {"acc"}


# Spreadsheets and tables ----------------------------------------------------------------------------------


@pytest.mark.parametrize("answer", [True, False])
def test_truth_values_of_a_spreadsheet_are_no_numbers(answer, capsys):
    row = {"index": 1, "question": "?", "A": 1, "B": 0, "answer": int(answer), "prediction": str(answer)}
    path = layouts.xlsx(Path("M.xlsx"), [row])
    _rewrite_all(path, r'<c r="([CDE])2"><v>', r'<c r="\g<1>2" t="b"><v>')
    (file,) = read_answers(path)
    assert file.answers[0].choices == ("True", "False") and file.answers[0].gold == str(answer)
    found, _, _ = rescored(capsys, path)
    assert [row["correct"] for row in found] == [1.0]


def _rewrite_all(path: Path, pattern: str, text: str) -> None:
    """Replace a pattern in the sheet of a workbook."""
    with zipfile.ZipFile(path) as whole:
        members = {member: whole.read(member).decode() for member in whole.namelist()}
    members["xl/worksheets/sheet1.xml"] = re.sub(pattern, text, members["xl/worksheets/sheet1.xml"])
    with zipfile.ZipFile(path, "w") as packed:
        for member, content in members.items():
            packed.writestr(member, content)


@pytest.mark.parametrize(
    ("prediction", "text"),
    [
        ("5", "5"),
        (5, "5"),
        (["5"], "5"),
        ([5], "5"),
        ({"text": "5"}, "5"),
        ({"content": "5", "score": 0.5}, "5"),
        ([{"text": "5"}], "5"),
        ([{"type": "text", "text": "5"}], "5"),
        ([{"type": "text", "text": "so"}, {"type": "text", "text": "5"}], "so\n5"),
        ([{"role": "user", "content": "?"}, {"role": "assistant", "content": "5"}], "5"),
        ({"role": "assistant", "content": "5"}, "5"),
        ({"message": {"role": "assistant", "content": [{"type": "text", "text": "5"}]}}, "5"),
        (None, ""),
        ("", ""),
    ],
)
def test_a_prediction_in_a_list_or_an_object_is_its_text(prediction, text):
    path = lines(Path("m.jsonl"), {"q": "?", "out": prediction, "gold": "5"})
    (file,) = read_answers(path, NamedColumns("out", "q", "gold"))
    assert [(answer.text, answer.refused) for answer in file.answers] == [(text, "")]


@pytest.mark.parametrize("prediction", [["4", "5"], {"text": "5", "answer": "4"}, {"scores": [1]}, [[], []]])
def test_a_prediction_that_is_not_one_text_is_named_and_not_scored(prediction, capsys):
    rows = [{"q": f"{i}?", "out": out, "gold": "5"} for i, out in enumerate(("5", prediction))]
    found, about, out = rescored(capsys, lines(Path("m.jsonl"), *rows), *COLUMNS)
    assert [row["correct"] for row in found] == [1.0]
    assert about["files"][0]["not_joined"] == {"its prediction is not one text": ["m.jsonl, row 2"]}
    assert "not scored, 1 row: its prediction is not one text (m.jsonl, row 2)" in out
    alone = lines(Path("alone.jsonl"), rows[1])
    Path("out").rename("first")
    assert "no row can be scored: 1 row: its prediction is not one text" in refused(capsys, alone, *COLUMNS)


# Filters of lmms-eval --------------------------------------------------------------------------------------


def _filtered() -> Path:
    """Two documents, each in a row for each of two filters; the totals beside them."""
    rows = [
        {"doc_id": i, "input": f"{i}?", "target": "7", "resps": ["So #### 7"], "filtered_resps": "7",
         "filter": name, "exact_match": score}
        for name, score in (("strict-match", 1.0), ("flexible-extract", 0.0))
        for i in range(2)
    ]  # fmt: skip
    totals = {"exact_match,strict-match": 1.0, "exact_match,flexible-extract": 0.0, "f1_stderr,none": 0.1}
    Path("x_results.json").write_text(json.dumps({"results": {"t": totals}}), encoding="utf-8")
    return lines(Path("x_samples_t.jsonl"), *rows)


@pytest.mark.parametrize(
    ("words", "kept", "score"),
    [((), "strict-match", 1.0), (("--filter", "flexible-extract"), "flexible-extract", 0.0)],
)
def test_of_several_filters_one_is_kept_and_named(words, kept, score, capsys):
    rows, _, out = rescored(capsys, _filtered(), *words)
    assert [row["parts"]["reported"]["value"] for row in rows] == [score, score]
    assert len({row["id"] for row in rows}) == len(rows) == 2
    assert "each document is in the file once for each of the filters strict-match, flexible-extract" in out
    assert f"the rows of {kept} are kept" in out and f"lmms-eval reports exact_match {score:g}" in out


def test_a_filter_that_is_not_there_and_one_of_another_tool_are_refused(capsys):
    said = refused(capsys, _filtered(), "--filter", "loose")
    assert "has no filter 'loose'; it has strict-match, flexible-extract" in said
    assert "has no filters" in refused(capsys, layouts.verl(Path("a")), "--filter", "loose")
