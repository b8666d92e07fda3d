"""Further layouts of files that the tools write: older and newer releases, and other ways to hold rows."""

from __future__ import annotations

import gzip
import json
import zipfile

import pytest

from seethink.evaluate.importers import read_answers
from seethink.types import InputError
from tests.evaluate import layouts

VLM = ("index", "question", "A", "B", "answer", "prediction", "hit")


def eval_file(path, samples, **members):
    sample = {
        "input": "2 + 2?",
        "target": "4",
        "output": {"completion": "4"},
        "scores": {"match": {"value": "C"}},
    }
    with zipfile.ZipFile(path, "w") as file:
        for name, own in samples.items():
            file.writestr(f"samples/{name}.json", json.dumps({**sample, **own}))
        for name, content in members.items():
            file.writestr(f"{name}.json", json.dumps(content))
    return path


def test_samples_of_inspect_whose_ids_have_slashes_are_read_and_lacking_ones_counted(tmp_path):
    samples = {
        "val/1_epoch_1": {"id": "val/1"},
        "val/1_epoch_2": {"id": "val/1", "scores": None, "score": {"value": 0}},
        "2_epoch_1": {
            "id": 2,
            "output": {"choices": [{"message": {"content": [{"type": "text", "text": "4"}]}}]},
        },
    }
    path = eval_file(tmp_path / "t.eval", samples, header={"eval": {"task": "t"}}, summaries=[{}] * 5)
    (file,) = read_answers(path)
    assert [(a.number, a.text, dict(a.reported)) for a in file.answers] == [
        ("val/1", "4", {"match": 1.0}),
        ("val/1", "4", {"score": 0.0}),
        ("2", "4", {"match": 1.0}),
    ]
    assert file.notes == ("it lists 5 samples and holds 3 of them",)


def test_a_sample_of_inspect_in_a_folder_of_its_own(tmp_path):
    picture = {"type": "image", "image": "attachment://1"}
    given = [{"role": "user", "content": [picture, {"type": "text", "text": layouts.DOTS}]}]
    folder = "samples/a/1_epoch_1"
    inside = {
        f"{folder}/metadata": {"split": "test"},
        **{f"{folder}/{name}/0": [] for name in ("messages", "events", "calls")},
        f"{folder}/events/stats": {},
        f"{folder}/attachments/0": ["long text"],
        f"{folder}/attachments/1": [layouts.data_uri("red")],
    }
    samples = {"a/1_epoch_1/sample": {"id": "a/1", "input": given}, "2_epoch_1": {"id": 2}}
    (file,) = read_answers(eval_file(tmp_path / "t.eval", samples, header={"eval": {}}, **inside))
    first, second = file.answers
    assert (first.number, first.text, first.question, second.number) == ("a/1", "4", layouts.DOTS, "2")
    assert len(first.pictures) == 1 and first.columns["metadata.split"] == "test"


def test_a_log_of_inspect_without_samples_has_no_answers(tmp_path):
    path = tmp_path / "t.json"
    path.write_text(json.dumps({"status": "error", "eval": {"task": "t"}, "samples": None}), encoding="utf-8")
    with pytest.raises(InputError, match=r"t\.json has no answers"):
        read_answers(path)


def test_a_trace_of_verifiers_is_a_row_of_its_own_too(tmp_path):
    (episodes,) = read_answers(layouts.verifiers_traces(tmp_path / "a"))
    rows = [
        json.loads(line)
        for line in (tmp_path / "a" / "traces.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    traces = [{"task": row["task"], **trace} for row in rows for trace in row["traces"]]
    (alone,) = read_answers(layouts.lines(tmp_path / "b" / "traces.jsonl", *traces))
    assert [(a.text, a.gold, a.reported) for a in alone.answers] == [
        (a.text, a.gold, a.reported) for a in episodes.answers
    ]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("my.jsonl.gz", None),
        ("my.JSONL", None),
        ("my.json", None),
        ("my.json", {"model": "x", "predictions": layouts.vlm_rows()}),
        ("my.json", {str(row["index"]): row for row in layouts.vlm_rows()}),
        (
            "my.json",
            {name: {str(i): row.get(name) for i, row in enumerate(layouts.vlm_rows())} for name in VLM},
        ),
    ],
)
def test_rows_of_answers_in_any_file_of_json(tmp_path, name, content):
    whole = (
        "".join(json.dumps(row) + "\n" for row in layouts.vlm_rows())
        if content is None
        else json.dumps(content)
    )
    data = whole.encode()
    (tmp_path / name).write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    (file,) = read_answers(tmp_path / name)
    assert [answer.text for answer in file.answers] == [*layouts.TEXTS]


def test_predictions_of_vlmevalkit_that_are_no_text_are_named(tmp_path):
    row = {"index": 1, "question": "2 + 2?", "answer": "4", "hit": "True"}
    texts = ["4", ["4"], {"a": "4", "b": "5"}, None]
    path = layouts.lines(tmp_path / "my.jsonl", *({**row, "prediction": text} for text in texts))
    (file,) = read_answers(path)
    assert [(a.text, a.refused) for a in file.answers] == [
        *[("4", "")] * 2,
        ("", "its prediction is not one text"),
        ("", ""),
    ]
    assert [dict(a.reported) for a in file.answers] == [{"hit": 1.0}] * 4


def test_messages_that_a_table_holds_as_text_are_messages(tmp_path):
    row = {"answer": "4", "reward": 1.0}
    prompt, said = [{"role": "user", "content": "2 + 2?"}], [{"role": "assistant", "content": "4"}]
    path = layouts.lines(
        tmp_path / "results.jsonl",
        {**row, "prompt": json.dumps(prompt), "completion": json.dumps(said)},
        {**row, "prompt": str(prompt), "completion": str(said)},
        {**row, "prompt": prompt, "completion": '[{"label": "cat"}]'},
    )
    (file,) = read_answers(path)
    assert [(a.question, a.text) for a in file.answers] == [
        *[("2 + 2?", "4")] * 2,
        ("2 + 2?", '[{"label": "cat"}]'),
    ]


def test_targets_that_are_missing_in_all_rows_of_lmms_eval_are_no_golds(tmp_path):
    rows = [{"doc_id": i, "target": "None", "filtered_resps": "4"} for i in range(2)]
    (file,) = read_answers(layouts.lines(tmp_path / "x_samples_t.jsonl", *rows))
    assert [answer.gold for answer in file.answers] == [None, None]
    (file,) = read_answers(layouts.lines(tmp_path / "x_samples_t.jsonl", *rows, {**rows[0], "target": "4"}))
    assert [answer.gold for answer in file.answers] == ["None", "None", "4"]


@pytest.mark.parametrize(("name", "content"), [("my.csv", "question,answer\n"), ("my.json", "[]")])
def test_a_file_without_rows_is_said_to_have_none(tmp_path, name, content):
    (tmp_path / name).write_text(content, encoding="utf-8")
    with pytest.raises(InputError, match=rf"{name} has no rows"):
        read_answers(tmp_path / name)
