"""`seethink compare`: a page, tables and a figure of evaluations side by side."""

from __future__ import annotations

import csv
import importlib
import io
import json
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from seethink.cli.app import main
from seethink.report.compare_page import FILES
from seethink.report.comparison_files import tex
from seethink.report.comparison_words import one_sentence, rounded
from tests.evaluate.made_arms import rows, stage, write_evaluation
from tests.report.sample_run import Page, write_rows

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\"'&-->$x_{1}$ | ^~\\"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def compared(*words: str) -> Page:
    main_done(*words)
    return Page(Path("compare/compare.html").read_text(encoding="utf-8"))


def main_done(*words: str) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["compare", *words])
    assert not ended.value.code


def two_arms(**changes: object) -> list[str]:
    """b mends questions 10 to 19 of a, and breaks question 0."""
    meta = [{"meta": {"level": f"{1 + i % 2}"}} for i in range(40)]
    for name, right in {"a": [1] * 10 + [0] * 30, "b": [0] + [1] * 19 + [0] * 20}.items():
        own = [row | more | changes for row, more in zip(rows(right), meta, strict=True)]
        write_evaluation(Path("runs") / name, own, stage(40))
    return ["runs/a", "runs/b"]


def test_the_page_has_conclusion_scores_tests_groups_and_the_flipped_questions(capsys) -> None:
    page = compared(*two_arms())
    said = "On 40 questions, b is above a (+22.5 points, 95 % interval"
    assert said in page.text and said in " ".join(capsys.readouterr().out.replace("\u00a0", " ").split())
    for words in (
        "25.0 %", "47.5 %", "b did better on 10 and a on 1", "by bootstrap", "Levels, categories and parts",
        "another wrong: 11 of 40", "So many questions show a difference of",
    ):  # fmt: skip
        assert words in page.text, words
    assert len(page.all("article", cls="card")) == 11
    assert {re.sub(r"\d+", "N", str(tag["src"]))[:22] for tag in page.all("img")} == {
        "data:image/webp;baseN,"
    }
    assert {file.name for file in Path("compare").iterdir()} == set(FILES)


def test_a_partly_right_answer_is_neither_right_nor_wrong() -> None:
    """Half credit, as a verifier of one's own gives: b mends 15 questions, 10 of them from half credit."""
    for name, values in {"a": [0.5] * 20 + [0.0] * 10, "b": [1.0] * 10 + [0.5] * 15 + [0.0] * 5}.items():
        own = [row | {"value": row["correct"], "parts": {}} for row in rows(values)]
        write_evaluation(Path("runs") / name, own, stage(30))
    page = compared("runs/a", "runs/b")
    assert "b is above a (mean score +25.0 points" in page.text
    assert "verdicts on the arms differ (right, partly right, wrong): 15 of 30" in page.text
    assert page.text.count("✓ right") == 10 and page.text.count("◐ partly right") == 10 + 5
    counts = json.loads(next(script for script in page.scripts if script.startswith('{"seen"')))["seen"]
    assert [(one["right"], one["partly"], one["wrong"], one["mended"]) for one in counts[:2]] == [
        (0, 10, 5, 0),
        (10, 5, 0, 15),
    ]


def test_the_numbers_are_in_json_csv_markdown_and_latex() -> None:
    compared(*two_arms())
    report = json.loads(Path("compare/compare.json").read_text(encoding="utf-8"))
    (test,) = report["tests"]
    files = {
        name: Path("compare", name).read_text(encoding="utf-8") for name in FILES if name.endswith("csv")
    }
    scores, tests, groups, questions = (
        list(csv.DictReader(io.StringIO(files[f"{name}.csv"])))
        for name in ("scores", "tests", "groups", "questions")
    )
    assert [float(row["value"]) for row in scores] == [0.25, 0.475]
    assert float(tests[0]["p_holm"]) == test["p_holm"] and tests[0]["only_b"] == "10"
    assert [(row["key"], row["group"]) for row in groups] == [("level", "1"), ("level", "2")]
    assert len(questions) == 40 and questions[0]["a: score"] == "1.0" and questions[0]["b: score"] == "0.0"
    sentence = one_sentence(report)
    markdown = Path("compare/compare.md").read_text(encoding="utf-8")
    assert " ".join(sentence.split()) in markdown and "| arm | seen |" in markdown
    latex = Path("compare/compare.tex").read_text(encoding="utf-8")
    assert tex(sentence) in latex and latex.count(r"\toprule") == latex.count(r"\bottomrule") == 2
    for table in re.findall(r"\\toprule(.*?)\\bottomrule", latex, re.DOTALL):
        lines = [line for line in table.splitlines() if line.endswith(r"\\")]
        assert len({len(re.findall(r"(?<!\\)&", line)) for line in lines}) == 1


def test_the_figure_is_the_same_for_the_same_evaluations() -> None:
    words = two_arms()
    main_done(*words, "--out", "x")
    main_done(*words, "--out", "y")
    for name in ("scores.svg", "scores.pdf"):
        assert Path("x", name).read_bytes() == Path("y", name).read_bytes()
    assert ElementTree.parse("x/scores.svg").getroot().tag.endswith("svg")
    assert Path("x/scores.pdf").read_bytes().startswith(b"%PDF")


def test_an_earlier_comparison_and_other_files_are_not_replaced_unasked(capsys) -> None:
    words = two_arms()
    compared(*words)
    with pytest.raises(SystemExit) as ended:
        main(["compare", *words])
    assert ended.value.code == 2
    assert "already holds compare.html" in " ".join(capsys.readouterr().err.split())
    main_done(*words, "--overwrite")
    Path("other").write_text("kept", encoding="utf-8")
    with pytest.raises(SystemExit) as ended:
        main(["compare", *words, "--out", "other"])
    assert ended.value.code == 2 and Path("other").read_text(encoding="utf-8") == "kept"


def test_what_models_and_files_say_is_text_in_every_file() -> None:
    words = two_arms(
        text=HOSTILE, thought=HOSTILE, said=f"={HOSTILE}", fault=HOSTILE, gold=HOSTILE, task=HOSTILE
    )
    Path("runs/b").rename(f"runs/{HOSTILE.replace('/', '|')}")
    page = compared(words[0], f"runs/{HOSTILE.replace('/', '|')}")
    assert HOSTILE in page.text
    assert len(page.scripts) == 2 and not [
        name for _, tag in page.tags for name in tag if name.startswith("on")
    ]
    assert not page.all("img", src="x")
    latex = Path("compare/compare.tex").read_text(encoding="utf-8")
    assert r"\$x\_\{1\}\$" in latex and "$x_" not in latex
    markdown = Path("compare/compare.md").read_text(encoding="utf-8")
    assert "<img" not in re.sub(r"\\<", "", markdown)
    questions = list(csv.DictReader(io.StringIO(Path("compare/questions.csv").read_text(encoding="utf-8"))))
    assert questions[0]["a: answer"].startswith("'=")
    ElementTree.parse("compare/scores.svg")


def test_claims_of_a_run_and_of_a_benchmark_stand_beside() -> None:
    for name, right in {"base": [1, 0, 0], "grpo": [1, 1, 0]}.items():
        write_evaluation(Path("run/eval") / name, rows(right, "geoqa"), stage(3, "geoqa"))
    claim = {"task": "geoqa", "arm": "grpo", "paper": 0.825, "measured": 0.6, "source": "a paper"}
    Path("run/report.json").write_text(json.dumps({"claims": [claim]}), encoding="utf-8")
    page = compared("run")
    assert "grpo on geoqa, 82.5 % (a paper)" in page.text
    assert "7B GRPO on geoqa, 38.7 % (R1-V" in page.text


def test_three_arms_several_attempts_and_missing_pictures() -> None:
    write_evaluation(Path("a"), rows([1, 0, 1, 0]))
    write_evaluation(Path("b"), [*rows([1, 1, 0, 0]), *rows([0, 1, 0, 1])])
    folder = write_evaluation(Path("c"), [*rows([None, 1, 1]), rows([None] * 4)[3] | {"stop": "unanswered"}])
    for arm in (Path("a"), Path("b"), folder):
        for file in (arm / "media").glob("seen1.png"):
            file.unlink()
    page = compared("a", "b", "c")
    assert "1 picture not on disk: told apart by name." in page.text
    assert "1 without an answer count as wrong; 100.0 % without them" in page.text
    assert "1 could not be judged; 50.0 % with them as wrong" in page.text
    assert "c on seen, 1 unanswered: q3" in page.text and "c on seen, 1 unjudged: q0" in page.text
    report = json.loads(Path("compare/compare.json").read_text(encoding="utf-8"))
    assert report["results"]["b"]["seen"]["value"] == 0.5
    assert [(test["a"], test["b"]) for test in report["tests"]] == [("a", "b"), ("a", "c"), ("b", "c")]


def test_a_bare_file_is_enough() -> None:
    for name, right in {"a": [1, 0], "b": [1, 1]}.items():
        write_rows(Path(f"{name}.jsonl"), [row | {"media": []} for row in rows(right)])
    assert "b.jsonl" in compared("a.jsonl", "b.jsonl").text


def test_numbers_of_questions_have_two_digits() -> None:
    assert [rounded(n) for n in (7, 42, 456, 45_712)] == ["7", "42", "460", "46,000"]


def test_the_python_of_the_page_about_evaluation_runs(capsys) -> None:
    page = (Path(__file__).parents[2] / "docs/evaluation.md").read_text(encoding="utf-8")
    two_arms()
    Path("runs/eval").mkdir()
    for name, place in {"a": "base-my", "b": "own-grpo-my"}.items():
        Path("runs", name).rename(Path("runs/eval", place))
    section = page.partition("\n## compare\n")[2].partition("\n## ")[0]
    blocks = re.findall(r"```python\n(.*?)```", section, re.DOTALL)
    assert len(blocks) == 2
    for block in blocks:
        exec(block, {})
    assert capsys.readouterr().out.startswith("0.225 []")
    assert Path("compared/compare.html").is_file()
    named = set(re.findall(r"`((?:compare|scores|tests|groups|questions)\.\w+)`", page))
    assert named - {"compare.html"} == {*FILES} - {"compare.html"}


def test_every_function_that_the_page_about_evaluation_names_exists() -> None:
    page = (Path(__file__).parents[2] / "docs/evaluation.md").read_text(encoding="utf-8")
    table = page.partition("| figure | method |")[2].partition("\n\n")[0]
    names = re.findall(r"`(\w+)\.(\w+)`", table)
    assert len(names) == 13
    for module, name in names:
        assert hasattr(importlib.import_module(f"seethink.evaluate.{module}"), name), f"{module}.{name}"
