from __future__ import annotations

import importlib.util
import json
import math
from pathlib import Path

import pytest
import yaml

from seethink.attempt import headline, judge
from seethink.cli.app import main
from seethink.evaluate import lmms_bridge
from seethink.evaluate.attempts import read_attempts
from seethink.types import Completion
from tests.evaluate import layouts


@pytest.fixture(autouse=True)
def inside(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "250")


def call(*words):
    with pytest.raises(SystemExit) as left:
        main([*map(str, words)])
    return left.value.code


class Loader(yaml.SafeLoader):
    """Reads `!function utils.NAME` as its name."""


Loader.add_constructor("!function", lambda loader, node: node.value)


def exported(folder, *words):
    """(the task's settings, its module, its documents) as lmms-eval reads them."""
    data = layouts.questions(Path("data"))
    assert call("export", data, folder, *words) == 0
    config = yaml.load((folder / f"{folder.name}.yaml").read_text(encoding="utf-8"), Loader)
    spec = importlib.util.spec_from_file_location("utils", folder / "utils.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    (questions,) = config["dataset_kwargs"]["data_files"].values()
    lines = Path(questions).read_text(encoding="utf-8").splitlines()
    return config, module, [json.loads(line) for line in lines]


def test_a_task_folder_asks_and_scores_as_we_do():
    config, utils, docs = exported(Path("my_task").resolve(), "--format", "answer_line", "--max-tokens", "64")
    assert (config["task"], config["test_split"]) == ("my_task", "test")
    assert config["generation_kwargs"] == {"max_new_tokens": 64, "temperature": 0, "do_sample": False}
    named = [config[name] for name in ("doc_to_messages", "doc_to_visual", "doc_to_text", "process_results")]
    named += [metric["aggregation"] for metric in config["metric_list"]]
    assert all(callable(getattr(utils, name.removeprefix("utils."))) for name in named)
    task, answers = utils._TASK, ["Answer: A", "Answer: 4", "Answer: 5", "Answer: 4"]
    assert [doc["id"] for doc in docs] == [example.id for example in task.examples]
    for doc, example, answer in zip(docs, task.examples, answers, strict=True):
        value = headline(task, judge(task, example, Completion(answer)).score).value
        assert utils.process_results(doc, [answer]) == {"correct": value, "question_id": example.id}
    (message,) = utils.doc_to_messages(docs[2])
    picture, *texts = message["content"]
    assert picture["type"] == "image" and picture["url"].size == (12, 8)
    assert "".join(part["text"] for part in texts) == utils.doc_to_text(docs[2])
    assert utils.doc_to_text(docs[2]).startswith(layouts.DOTS)
    assert [one.size for one in utils.doc_to_visual(docs[2])] == [(12, 8)] and not utils.doc_to_visual(
        docs[1]
    )


def test_what_cannot_be_judged_is_left_out_of_the_mean():
    assert lmms_bridge.judged_mean([1.0, math.nan, 0.0, 1.0]) == pytest.approx(2 / 3)
    assert math.isnan(lmms_bridge.judged_mean([math.nan]))


def test_lmms_evals_results_do_not_hold_the_questions():
    """It writes the functions' repr into its results file, which others read."""
    _, utils, _ = exported(Path("my_task").resolve())
    assert layouts.SUM not in repr(utils.doc_to_messages)


def test_a_prompt_that_begins_the_answer_is_refused(capsys):
    data = layouts.questions(Path("data"))
    for words in (("--format", "prefilled_think"), ("--prompt-mode", "base")):
        assert call("export", data, "task", *words) == 2
        assert "begins the answer itself" in " ".join(capsys.readouterr().err.split())
    assert not Path("task").exists()


def test_a_folder_in_use_stays(capsys):
    data = layouts.questions(Path("data"))
    assert call("export", data, "data") == 2
    assert "data exists and is not empty" in " ".join(capsys.readouterr().err.split())
    assert data.exists()


def test_results_exported_as_samples_are_rescored_the_same(capsys):
    data = layouts.questions(Path("data"))
    theirs = layouts.inspect_ai(Path("theirs"))
    assert call("rescore", theirs, "--data", data, "--format", "answer_only", "--out", "first") == 0
    assert call("export", "first", "samples") == 0
    (path,) = Path("samples").iterdir()
    assert path.name == "seethink_samples_questions.jsonl" and str(path) in capsys.readouterr().out
    first = list(read_attempts(Path("first/attempts.jsonl")))
    words = ("--data", data, "--format", "answer_only", "--key", "doc_hash", "--out", "again")
    assert call("rescore", path, *words) == 0
    again = list(read_attempts(Path("again/attempts.jsonl")))
    for name in ("id", "text", "correct"):
        assert [row[name] for row in again] == [row[name] for row in first]
    assert [row["parts"]["reported"]["value"] for row in again] == [row["correct"] for row in first]
    assert "they disagree on 0" in capsys.readouterr().out
