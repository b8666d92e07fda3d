"""The live page: it follows files as they grow, says what it cannot read, and answers this machine alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from PIL import Image

from seethink.cli.attempt_files import live_attempts, placed, trainings_of
from seethink.evaluate.attempts import append_rows
from seethink.report.live import GrowingFile, LiveRun, RewrittenError, live_app
from seethink.types import InputError
from tests.report.sample_run import Page, attempt, write_arms, write_rows


def live_run(folder: Path, limit: int = 100) -> LiveRun:
    return LiveRun("A run", lambda: live_attempts([folder]), lambda: trainings_of([folder]), placed, limit)


def client_of(run: LiveRun) -> TestClient:
    return TestClient(live_app(run), base_url="http://127.0.0.1")


def parts(client: TestClient, run: LiveRun, first: int = 0) -> list[dict[str, Any]]:
    """Those that there are from `first` on."""
    found = []
    while (answer := client.get(f"/parts/{run.name}/{first + len(found)}")).status_code == 200:
        found.append(answer.json())
    assert answer.status_code == 204
    return found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_arms(tmp_path, {"base": [attempt("q0", False)]})
    return tmp_path


def test_a_page_gets_what_is_appended_and_only_that(folder: Path) -> None:
    run = live_run(folder)
    client = client_of(run)
    (first,) = parts(client, run)
    assert first["arms"] == ["eval/base"] and [question["id"] for question in first["questions"]] == ["q0"]
    log = folder / "grpo/attempts.jsonl"
    append_rows(log, [attempt("q0", True, step=1), attempt("q1", True, step=1)])
    write_rows(folder / "grpo/metrics.jsonl", [{"step": 1, "reward": 1.0}])
    (second,) = parts(client, run, 1)
    assert [question["id"] for question in second["questions"]] == ["q1"]
    assert [answer["q"] for answer in second["answers"]] == [0, 1]
    assert dict(second["outcomes"])[0] == [
        ["wrong", "differs"],
        ["right", "differs", "mended"],
        ["mixed", "differs", "mended"],
    ]
    assert parts(client, run) == [first, second]  # another page gets the same parts
    assert 'class="smooth c1"' in client.get("/curves").text


def test_a_line_is_read_when_it_is_complete(folder: Path) -> None:
    run = live_run(folder)
    client = client_of(run)
    parts(client, run)
    line = json.dumps(attempt("q\u00fc", True), ensure_ascii=False).encode() + b"\n"
    log = folder / "eval/base/attempts.jsonl"
    for piece in (line[:50], line[50:-1]):
        with log.open("ab") as file:
            file.write(piece)
        assert parts(client, run, 1) == []
    with log.open("ab") as file:
        file.write(b"\n")
    ((question,),) = (part["questions"] for part in parts(client, run, 1))
    assert question["id"] == "q\u00fc"


def test_earlier_answers_are_passed_over_and_counted(folder: Path) -> None:
    write_rows(folder / "eval/base/attempts.jsonl", [attempt(f"q{i}") for i in range(9)])
    (part,) = parts(client_of(run := live_run(folder, limit=4)), run)
    assert [question["id"] for question in part["questions"]] == ["q5", "q6", "q7", "q8"]
    assert part["passed_over"] == 5


def test_a_file_is_read_in_pieces_of_whole_lines(folder: Path) -> None:
    path = write_rows(folder / "a.jsonl", [attempt(f"q{i}", text="x" * i) for i in range(30)])
    file, ids = GrowingFile(path), []
    while rows := file.read(limit=1000):
        assert len(rows) < 5
        ids += [row["id"] for row in rows]
    assert ids == [f"q{i}" for i in range(30)]


@pytest.mark.parametrize("rest", [[], [attempt("q7", step=3)] * 5])
def test_a_resumed_training_starts_the_page_anew(folder: Path, rest: list[dict[str, Any]]) -> None:
    """Resumed from an earlier step, a training drops later rows; the file may then be longer than it was."""
    log = write_rows(folder / "grpo/attempts.jsonl", [attempt(f"q{i}", step=i) for i in range(3)])
    run = live_run(folder)
    client, name = client_of(run), run.name
    n_parts = len(parts(client, run))
    write_rows(log, [attempt("q0", step=0), *rest])
    assert client.get(f"/parts/{name}/{n_parts}").status_code == 410
    assert client.get(f"/parts/{name}/0").status_code == 410
    found = [answer["step"] for part in parts(client, run) for answer in part["answers"]]
    assert sorted(found, key=str) == sorted([None, 0, *(row["step"] for row in rest)], key=str)


@pytest.mark.parametrize("line", [b"{broken", b'"\xff"', b"", b"\x00"])
def test_a_bad_line_is_said_and_read_once_it_is_mended(folder: Path, line: bytes) -> None:
    run = live_run(folder)
    client = client_of(run)
    parts(client, run)
    log = folder / "eval/base/attempts.jsonl"
    before = log.read_bytes()
    log.write_bytes(before + line + b"\n")
    answer = client.get(f"/parts/{run.name}/1")
    assert answer.status_code == 409 and "attempts.jsonl, line 2 is not JSON" in answer.text
    log.write_bytes(before + json.dumps(attempt("q1")).encode() + b"\n")
    assert [part["questions"][0]["id"] for part in parts(client, run, 1)] == ["q1"]


def test_a_missing_picture_is_counted_and_the_others_are_shown(folder: Path) -> None:
    run = live_run(folder)
    append_rows(folder / "eval/base/attempts.jsonl", [attempt("q1", media=["media/gone.png"])])
    (part,) = parts(client_of(run), run)
    assert [(question["id"], len(question["pictures"])) for question in part["questions"]] == [
        ("q0", 1),
        ("q1", 0),
    ]


def test_a_broken_picture_is_said_at_every_look(folder: Path) -> None:
    run = live_run(folder)
    (folder / "media" / "broken.png").write_bytes(b"no picture")
    append_rows(folder / "eval/base/attempts.jsonl", [attempt("q1", media=["media/broken.png"])])
    for _ in range(2):
        answer = client_of(run).get(f"/parts/{run.name}/0")
        assert answer.status_code == 409 and "broken.png" in answer.text


def test_pictures_are_known_by_name_only(folder: Path) -> None:
    run = live_run(folder)
    client = client_of(run)
    (part,) = parts(client, run)
    ((name, width, height),) = part["questions"][0]["pictures"]
    answer = client.get(f"/pictures/{name}")
    assert answer.headers["content-type"] == "image/webp" and (width, height) == (28, 14)
    (folder / "saved.webp").write_bytes(answer.content)
    assert Image.open(folder / "saved.webp").size == (28, 14)
    for other in ("nothing", "page.png", "..%2f..%2fmedia%2fpage.png", "%2fetc%2fpasswd"):
        assert client.get(f"/pictures/{other}").status_code == 404


def test_only_this_machine_is_answered_and_nothing_is_changed(folder: Path) -> None:
    run = live_run(folder)
    client = client_of(run)
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    page = client.get("/")
    assert page.headers["x-frame-options"] == "DENY" and run.name in page.text
    assert Page(page.text).all("div", cls="look")
    parts(client, run)
    client.get("/curves")
    for host in ("example.com", "127.0.0.1.example.com", ""):
        assert client.get("/", headers={"host": host}).status_code == 400
    for method in ("post", "put", "delete"):
        assert getattr(client, method)("/").status_code == 405
    assert client.get("/docs").status_code == client.get("/openapi.json").status_code == 404
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before


def test_curves_in_the_middle_of_a_line_stay_as_they_were(folder: Path) -> None:
    metrics = write_rows(folder / "grpo/metrics.jsonl", [{"step": step, "reward": 0.5} for step in (1, 2)])
    run = live_run(folder)
    drawn = run.curves()
    assert "Reward" in drawn
    run._rest_until = 0.0
    with metrics.open("a", encoding="utf-8") as file:
        file.write('{"step": 3, "lo')
    assert run.curves() == drawn
    with metrics.open("a", encoding="utf-8") as file:
        file.write('ss": 1.0}\n')
    assert "Loss" in run.curves()


def test_a_growing_file_that_shrank_is_another_one(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "a.jsonl", [attempt("q0")])
    file = GrowingFile(path)
    file.read()
    path.write_bytes(b"")
    with pytest.raises(RewrittenError):
        file.read()
    path.write_bytes(b"[]\n")
    with pytest.raises(InputError, match="line 1 lacks task"):
        GrowingFile(path).read()
