"""One evaluation in three ways, as one process, by torchrun and against a server: one result file, which says
all that it depends on. And a real kill of one against a server."""

from __future__ import annotations

import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from seethink.cli.app import main
from seethink.engines.opening import Server, opened
from seethink.evaluate.attempts import read_rows
from seethink.evaluate.record import record
from seethink.formats.messages import content_part
from seethink.tasks import load_task
from seethink.types import GREEDY
from tests import fakes
from tests.serve.served import service_of, serving, sprout
from tests.servers import ChatServer

ROOT = Path(__file__).parents[2]
MAY_DIFFER = {"usage"}
"""Fields of a row that tell how it was computed: seconds, and what an engine counts."""


def evaluated(*words: object) -> None:
    with pytest.raises(SystemExit) as exited:
        main(["eval", *map(str, words)])
    assert not exited.value.code


def rows_of(out: Path) -> list[dict[str, Any]]:
    rows = read_rows(out / "eval/attempts.jsonl")
    return [{name: value for name, value in row.items() if name not in MAY_DIFFER} for row in rows]


def state_of(out: Path) -> dict[str, Any]:
    return json.loads((out / "eval/stage.json").read_text(encoding="utf-8"))


QUESTIONS = ("--data", "drawn:counting:9:test", "--verifier", "same_number", "max_tokens=24")


@pytest.fixture(scope="module")
def one(tmp_path_factory):
    out = tmp_path_factory.mktemp("ways") / "one"
    evaluated("--model", "sprout", *QUESTIONS, "--out", out)
    return out


def test_two_processes_write_the_file_of_one(one, tmp_path):
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2"]
    free = ["--rdzv-backend", "c10d", "--rdzv-endpoint", "localhost:0"]
    command = ["-m", "seethink", "eval", "--model", "sprout", *QUESTIONS, "--out", str(tmp_path / "two")]
    here = {**os.environ, "PYTHONPATH": str(ROOT), "CUDA_VISIBLE_DEVICES": ""}
    job = subprocess.run([*torchrun, *free, *command], cwd=tmp_path, env=here, capture_output=True, text=True)
    assert job.returncode == 0, job.stderr[-2000:]
    assert job.stdout.count("eval: finished") == 1, "one of them speaks"
    assert rows_of(tmp_path / "two") == rows_of(one)
    assert [file.name for file in (tmp_path / "two/eval").glob("*.jsonl")] == ["attempts.jsonl"]
    two, alone = state_of(tmp_path / "two"), state_of(one)
    assert two["key"] == alone["key"]
    assert without_usage(two["result"]) == without_usage(alone["result"])


def without_usage(result: dict[str, Any]) -> dict[str, Any]:
    return {task: {k: v for k, v in row.items() if k != "usage"} for task, row in result.items()}


def test_a_server_gives_the_file_of_one_process(one, tmp_path):
    """`seethink serve` as it is started by default: what is evaluated is the model's own text."""
    with serving(service_of(sprout())) as served:
        evaluated("--model", f"{served.url}/v1", *QUESTIONS, "--out", tmp_path / "asked")
    assert rows_of(tmp_path / "asked") == rows_of(one)
    assert (tmp_path / "asked/eval/calls.sqlite").is_file()
    record = state_of(tmp_path / "asked")["result"]["drawn:counting:9:test"]["record"]
    assert record["model"]["name"].endswith("/v1#sprout")


def test_a_server_tells_the_coordinates_of_boxes(tmp_path):
    """So that boxes are in pixels of the original picture, as those of the local engine."""
    (example,) = [*load_task("drawn:grounding:1:test").examples]
    messages = [{"role": "user", "content": [content_part(part) for part in example.parts()]}]
    with (
        serving(service_of(sprout())) as served,
        opened(Server(f"{served.url}/v1").named(), tmp_path / "calls.sqlite") as engine,
    ):
        ((asked,),) = engine.generate([messages], GREEDY)
    ((own,),) = sprout().generate([messages], GREEDY)
    assert asked.frame == own.frame is not None and asked.text == own.text


def test_a_result_says_all_that_it_depends_on(one):
    (result,) = state_of(one)["result"].values()
    record = result["record"]
    text = record["prompt"]["text"]
    assert "{question}" in text and "<think>" in text and "<|" in text, "as the model sees it"
    assert record["prompt"]["sha256"] == hashlib.sha256(text.encode()).hexdigest()
    assert record["decoding"]["max_tokens"] == 24 and record["decoding"]["temperature"] == 0.0
    assert record["seed"] == 0
    assert (record["format"], record["prompt_mode"]) == ("think_answer", "suffix")
    assert record["pixels"]["limit"] is None and record["pixels"]["processor"]["patch_size"]
    assert record["frames"] is None
    hashes = record["verifier"], record["questions"], record["model"]["weights"]
    assert all(re.fullmatch("[0-9a-f]{64}", one) for one in hashes)
    assert set(record["versions"]) == {"python", "seethink", "torch", "transformers", "pillow"}


def test_another_wording_verifier_or_data_is_another_record(one, tmp_path, monkeypatch):
    def of(data="drawn:counting:3", verifier="same_number", **options):
        return record(None, load_task(data, verifier=verifier, **options), {})

    base = of()
    assert of() == base
    assert of(prompt_mode="before")["prompt"] != base["prompt"]
    assert of(verifier="same_text")["verifier"] != base["verifier"]
    assert of("drawn:counting:4")["questions"] != base["questions"]


# Against a server ------------------------------------------------------------------------------------------


def answering(body: dict[str, Any]) -> str:
    text = json.dumps(body["messages"])
    (number,) = re.findall(r"Number (\d+)", text)
    return f"<think>I see {number}.</think><answer>{int(number) % 7}</answer>"


def write_numbers(n: int) -> None:
    rows = ({"question": f"Number {i}?", "answer": i % 5} for i in range(n))
    Path("numbers.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def test_killed_in_the_midst_of_its_calls_it_asks_for_none_again(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_numbers(60)
    words = ("--data", "numbers.jsonl", "--verifier", "same_number", "--max-concurrency", "4")
    here = {**os.environ, "PYTHONPATH": str(ROOT)}
    with ChatServer(answering, delay_s=0.05) as server:
        command = [sys.executable, "-m", "seethink", "eval", "--model", server.url, *words, "--out", "cut"]
        with subprocess.Popen(command, env=here, stdout=subprocess.DEVNULL) as job:
            while server.n_requests < 20:
                assert job.poll() is None
                time.sleep(0.01)
            job.send_signal(signal.SIGKILL)
        asked = server.n_requests
        assert server.max_in_flight <= 4
        server.delay_s = 0.0
        assert not Path("cut/eval/attempts.jsonl").read_bytes(), "nothing but the calls was kept"
        evaluated("--model", server.url, *words, "--out", "cut")
        assert server.n_requests - asked <= 60 - asked + 4, "but for those in flight at the kill"
        assert server.answered_twice <= 4
        evaluated("--model", server.url, *words, "--out", "whole")
    assert rows_of(Path("cut")) == rows_of(Path("whole"))


def test_questions_without_an_answer_are_wrong_are_listed_and_are_asked_again_by_retry(
    tmp_path, monkeypatch, capsys
):
    from tests.servers import HttpReply

    monkeypatch.chdir(tmp_path)
    write_numbers(10)
    refusing = HttpReply(400, {"error": {"message": "no"}})
    words = ("--data", "numbers.jsonl", "--verifier", "same_number", "--out", "out")
    with ChatServer(lambda body: refusing if "Number 3?" in str(body) else answering(body)) as server:
        evaluated("--model", server.url, *words)
        row = state_of(Path("out"))["result"]["numbers"]
        assert row["n"] == 10 and row["unanswered"] == 1, "it stays in the denominator"
        assert row["without_score"]["unanswered"] == [rows_of(Path("out"))[3]["id"]]
        assert row["value"] == pytest.approx(sum(i % 5 == i % 7 for i in range(10) if i != 3) / 10)
        server.reply, before = answering, server.n_requests
        evaluated("--model", server.url, *words, "--retry")
        assert server.n_requests == before + 1
    assert "answered again: 1 questions" in capsys.readouterr().out
    assert state_of(Path("out"))["result"]["numbers"]["value"] == pytest.approx(
        sum(i % 5 == i % 7 for i in range(10)) / 10
    )


def test_another_server_is_another_evaluation(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write_numbers(3)
    words = ("--data", "numbers.jsonl", "--verifier", "same_number")
    for _ in range(2):
        with ChatServer(answering) as server:
            evaluated("--model", server.url, *words)
            assert server.n_requests == 3
            evaluated("--model", server.url, *words)
            assert server.n_requests == 3
    assert len(fakes.evaluations()) == 2


def test_a_server_cannot_be_trained(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write_numbers(3)
    with pytest.raises(SystemExit) as exited:
        main(["train", "sft", "--model", "http://127.0.0.1:9/v1", "--data", "numbers.jsonl"])
    assert exited.value.code == 2 and "there is no model at http://127.0.0.1:9/v1" in capsys.readouterr().err
