from __future__ import annotations

import json
import math
import pickle
import re
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from seethink import media
from seethink.evaluate.importers import NamedColumns, archive, read_answers
from seethink.types import InputError
from tests.evaluate import layouts


@pytest.mark.parametrize("name", layouts.LAYOUTS)
def test_a_file_in_a_tools_layout_gives_its_answers(name, tmp_path):
    (file,) = read_answers(layouts.LAYOUTS[name](tmp_path))
    assert file.tool == name.partition(",")[0]
    assert [answer.text for answer in file.answers] == [*layouts.TEXTS]
    assert [answer.gold for answer in file.answers] == [*layouts.GOLDS]
    assert [next(iter(answer.reported.values())) for answer in file.answers] == [*layouts.SCORES]
    for answer, asked in zip(file.answers, layouts.asked(), strict=True):
        assert asked.splitlines()[0] in (answer.question or answer.prompt) + answer.prompt
    shown = [answer.pictures for answer in file.answers[:2]]
    if name in layouts.HAVE_PICTURES:
        pixels = [media.pixels_digest(picture) for pictures in shown for picture in pictures or ()]
        drawn = [media.Image.data(layouts.encoded(colour, "BMP"), colour) for colour in layouts.COLOURS]
        assert pixels == [media.pixels_digest(picture) for picture in drawn]
    else:
        assert shown == [None, None]


def test_what_a_tool_reports_over_its_file_is_read_too(tmp_path):
    for layout, metric in ((layouts.lmms_eval, "exact_match"), (layouts.inspect_ai, "match")):
        (file,) = read_answers(layout(tmp_path))
        assert file.totals == {metric: 0.75}


def test_lmms_evals_repeats_failures_and_likelihoods(tmp_path):
    row = {"doc_id": 0, "target": "4", "input": "2 + 2?", "acc": 1.0}
    failed = "[LMMS_EVAL_REQUEST_FAILED after 5 retries] timed out"
    path = layouts.lines(
        tmp_path / "x_samples_t.jsonl",
        row | {"resps": [["4", "5"]], "filtered_resps": [["4", "5"]]},
        row | {"filtered_resps": failed},
        row | {"filtered_resps": [[-0.5, True], [-1.5, False]]},
        row | {"target": "['4', 'four']", "filtered_resps": ""},
    )
    (file,) = read_answers(path)
    found = [(answer.text, bool(answer.failed)) for answer in file.answers]
    assert found == [("4", False), ("5", False), (failed, True), ("", True), ("", False)]
    assert file.answers[-1].gold == '["4", "four"]'


def test_of_several_scores_the_named_one_comes_first(tmp_path):
    row = {"doc_id": 0, "target": "4", "input": "?", "filtered_resps": "4", "f1": 0.5, "anls_score": 0.25}
    path = layouts.lines(tmp_path / "x_samples_t.jsonl", row)
    for name, value in (("f1", 0.5), ("anls_score", 0.25)):
        (file,) = read_answers(path, NamedColumns(score=name))
        assert next(iter(file.answers[0].reported.items())) == (name, value)
    with pytest.raises(InputError, match="reports no 'acc'; it reports anls_score, f1"):
        read_answers(path, NamedColumns(score="acc"))


def test_steps_of_a_folder_come_in_order(tmp_path):
    for step in (10, 2):
        row = {"input": "2 + 2?", "output": "4", "gts": "4", "score": 1.0, "step": step}
        layouts.lines(tmp_path / "rollouts" / f"{step}.jsonl", row)
    assert [file.answers[0].step for file in read_answers(tmp_path)] == [2, 10]


def test_a_table_of_no_known_tool_is_read_by_its_named_columns(tmp_path):
    path = tmp_path / "mine.csv"
    path.write_text("q,out,gold,ok\n2 + 2?,4,4,1\n", encoding="utf-8")
    columns = NamedColumns(prediction="out", question="q", score="ok")
    (file,) = read_answers(path, columns)
    (answer,) = file.answers
    found = (answer.text, answer.question, answer.gold, answer.reported)
    assert found == ("4", "2 + 2?", "4", {"ok": 1.0})
    with pytest.raises(InputError, match=r"of no known layout: its columns are gold, ok, out, q; known are"):
        read_answers(path)
    with pytest.raises(InputError, match="no column 'outt' for --prediction-column; it has gold, ok, out, q"):
        read_answers(path, NamedColumns(prediction="outt"))


def test_cells_that_excel_cut_are_named(tmp_path):
    rows = [{"index": 1, "question": "?", "answer": "4", "prediction": "x" * n} for n in (32_767, 32_766)]
    (file,) = read_answers(layouts.xlsx(tmp_path / "M.xlsx", rows))
    (note,) = file.notes
    assert note.startswith("rows 2: the prediction fills a cell of 32,767 characters")
    assert [len(answer.text) for answer in file.answers] == [32_767, 32_766]


# What is refused ------------------------------------------------------------------------------------------


class Planted:
    def __reduce__(self):
        return (Path.touch, (Path("ran"),))


@pytest.mark.parametrize("name", ["M_tiny.pkl", "M_tiny.tsv", "rollouts.pt"])
def test_a_pickle_is_refused_and_not_read(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path(name).write_bytes(pickle.dumps(Planted()))
    with pytest.raises(InputError, match=r"is a pickle, and reading a pickle runs the code in it"):
        read_answers(Path(name))
    assert not Path("ran").exists()


def test_a_file_of_totals_says_where_the_answers_are(tmp_path):
    layouts.lmms_eval(tmp_path)
    with pytest.raises(InputError, match=r"totals and no answers; give the \*_samples_\*.jsonl"):
        read_answers(tmp_path / "20261128_results.json")


def test_an_archive_that_fills_memory_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(archive, "MAX_MEMBER_BYTES", 100_000)
    members = {"header.json": b"{}", "samples/1_epoch_1.json": b" " * 200_000}
    with zipfile.ZipFile(tmp_path / "deflated.eval", "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in members.items():
            packed.writestr(name, content)
    for path in (layouts.zstd_zip(tmp_path / "zstd.eval", members), tmp_path / "deflated.eval"):
        with pytest.raises(InputError, match="unpacks to more than 100,000 bytes"):
            read_answers(path)


def test_members_with_paths_that_lead_out_are_never_written(tmp_path):
    members = {name: json.dumps(value).encode() for name, value in layouts.inspect_members().items()}
    inside = tmp_path / "inside"
    path = layouts.zstd_zip(inside / "tiny.eval", {"../../planted.json": b"{}", **members})
    (file,) = read_answers(path)
    assert len(file.answers) == len(layouts.TEXTS)
    assert sorted(one.name for one in tmp_path.rglob("*")) == ["inside", "tiny.eval"]


def test_a_picture_of_a_log_is_read_from_its_own_folder_alone(tmp_path):
    (tmp_path / "secret.png").write_bytes(layouts.encoded("red"))
    folder = tmp_path / "logs"
    folder.mkdir()
    (folder / "mine.png").write_bytes(layouts.encoded("green"))
    for name, known in (("../secret.png", False), (str(tmp_path / "secret.png"), False), ("mine.png", True)):
        members = layouts.inspect_members()
        members["samples/1_epoch_1.json"]["attachments"] = {"abc": name}
        packed = {key: json.dumps(value).encode() for key, value in members.items()}
        (file,) = read_answers(layouts.zstd_zip(folder / "tiny.eval", packed))
        assert (file.answers[0].pictures is not None) is known


def test_a_spreadsheet_with_entities_is_refused(tmp_path):
    head = '<!DOCTYPE a [<!ENTITY x "xxxxxxxxxx"><!ENTITY y "&x;&x;&x;&x;&x;&x;&x;">]>'
    with pytest.raises(InputError, match="defines entities"):
        read_answers(layouts.xlsx(tmp_path / "M.xlsx", layouts.vlm_rows(), head))


def _rewrite(path: Path, name: str, pattern: str, text: str) -> None:
    """Replace the only place of a pattern in a member of an archive."""
    with zipfile.ZipFile(path) as whole:
        members = {member: whole.read(member).decode() for member in whole.namelist()}
    members[name], count = re.subn(pattern, text, members[name])
    assert count == 1
    with zipfile.ZipFile(path, "w") as packed:
        for member, content in members.items():
            packed.writestr(member, content)


@pytest.mark.parametrize("stored", ["", "<v></v>", "<v>0</v>"])
def test_a_prediction_that_was_taken_for_a_formula_is_its_text(stored, tmp_path):
    """openpyxl stores no value of a formula, XlsxWriter 0."""
    row = {"index": 1, "question": "?", "answer": "42", "prediction": "PREDICTION"}
    path = layouts.xlsx(tmp_path / "M.xlsx", [row])
    cell = r'<c r="D2"[^>]*>.*?</c>'
    _rewrite(path, "xl/worksheets/sheet1.xml", cell, f'<c r="D2"><f> 42</f>{stored}</c>')
    (file,) = read_answers(path)
    assert [answer.text for answer in file.answers] == ["= 42"]


def test_a_spreadsheet_with_two_columns_of_the_same_name_is_refused(tmp_path):
    path = layouts.xlsx(tmp_path / "M.xlsx", [{"prediction": "A", "predictioN": "B", "index": 1}])
    _rewrite(path, "xl/sharedStrings.xml", "predictioN", "prediction")
    with pytest.raises(InputError, match="has the column 'prediction' twice"):
        read_answers(path)


def test_a_row_number_beyond_all_sheets_takes_no_time(tmp_path):
    path = layouts.vlmevalkit_xlsx(tmp_path)
    _rewrite(path, "xl/worksheets/sheet1.xml", '<row r="3">', '<row r="3000000000">')
    (file,) = read_answers(path)
    assert "row 3000000000" in file.answers[1].where


def test_a_spreadsheet_with_several_sheets_is_refused(tmp_path):
    path = layouts.vlmevalkit_xlsx(tmp_path)
    with zipfile.ZipFile(path, "a") as packed:
        packed.writestr("xl/worksheets/sheet2.xml", "<worksheet/>")
    with pytest.raises(InputError, match="has 2 sheets"):
        read_answers(path)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    layout=st.sampled_from(["inspect_ai", "VLMEvalKit, xlsx"]), at=st.floats(0, 1), byte=st.integers(0, 255)
)
def test_a_damaged_archive_is_read_or_refused_in_a_sentence(layout, at, byte, tmp_path):
    path = layouts.LAYOUTS[layout](tmp_path)
    content = bytearray(path.read_bytes())
    content[int(at * (len(content) - 1))] = byte
    path.write_bytes(content)
    try:
        assert read_answers(path)
    except InputError as error:
        assert str(path) in str(error) or "suffix" in str(error)


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)
TEXT_LAYOUTS = [
    name for name in layouts.LAYOUTS if "tsv" not in name and "xlsx" not in name and name != "TRL"
]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(layout=st.sampled_from(TEXT_LAYOUTS), data=st.data())
def test_rows_with_anything_in_them_are_read_or_refused_in_a_sentence(layout, data, tmp_path):
    """Any value at any depth is replaced by another."""
    path = layouts.LAYOUTS[layout](tmp_path)
    if layout == "inspect_ai":
        members = layouts.inspect_members()
        _spoil(members, data)
        layouts.zstd_zip(path, {name: json.dumps(value).encode() for name, value in members.items()})
    else:
        lines = path.read_text(encoding="utf-8").splitlines()
        rows = json.loads(lines[0]) if path.suffix == ".json" else [json.loads(line) for line in lines]
        _spoil(rows, data)
        text = json.dumps(rows) if path.suffix == ".json" else "\n".join(map(json.dumps, rows))
        path.write_text(text, encoding="utf-8")
    try:
        (file,) = read_answers(path)
    except InputError as error:
        assert str(path) in str(error)
    else:
        for answer in file.answers:
            assert isinstance(answer.text, str) and isinstance(answer.gold, str | None)
            assert all(math.isfinite(value) for value in answer.reported.values())


def _spoil(value, data):
    """Replace a random value inside `value`."""
    while True:
        keys = list(value) if isinstance(value, dict) else list(range(len(value)))
        if not keys:
            return
        key = data.draw(st.sampled_from(keys))
        inner = value[key]
        if not isinstance(inner, dict | list) or not inner or data.draw(st.integers(0, 3)) == 0:
            value[key] = data.draw(JUNK)
            return
        value = inner
