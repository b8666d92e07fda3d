"""Chains with an HTTP server that fails in every way: nothing is lost, and nothing is kept twice."""

from __future__ import annotations

import json

import pytest

from seethink import systems
from seethink.engines import http
from seethink.engines.base import Request
from seethink.engines.chat import ChatEngine
from seethink.engines.http import RequestPolicy
from seethink.engines.oracle import Oracle
from seethink.sources import drawn
from seethink.synth.synthesis import Synthesis, synthesise
from seethink.types import Sampling
from tests.servers import ChatServer, FaultRates, HttpReply
from tests.synth.rewriting_server import files, rewrite_reply, synth, tables

EXAMPLES = 200
COMMON = ("open_r1_multimodal", "--data", f"drawn:counting:{EXAMPLES}", "--request-timeout", 3)
FAULTS = FaultRates(busy=0.2, broken=0.1, hang=0.05, cut=0.05, retry_after_s=0.01)


def status(out, capsys):
    capsys.readouterr()
    assert synth("status", out, "--json") == 0
    return json.loads(capsys.readouterr().out)


def test_a_faulty_server_gives_the_same_rows(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(http, "MAX_DELAY_S", 0.05)
    with ChatServer(rewrite_reply) as server:
        assert synth(*COMMON, "--teacher", server.url, "--out", tmp_path / "whole") == 0
    with ChatServer(rewrite_reply, FAULTS) as faulty:
        assert synth(*COMMON, "--teacher", faulty.url, "--out", tmp_path / "faulty") == 0
        assert faulty.answered_twice == 0
    assert files(tmp_path / "faulty") == files(tmp_path / "whole")
    assert tables(tmp_path / "faulty") == tables(tmp_path / "whole")
    report = status(tmp_path / "faulty", capsys)
    dropped = sum(end["examples"] for end in report["dropped"])
    assert (report["kept"] + dropped, report["failed"], report["pending"]) == (EXAMPLES, [], 0)
    assert report["kept"] > EXAMPLES / 2 and dropped > EXAMPLES / 8
    assert {"429", "500", "timeout", "broken body"} == {*report["faults"]}
    assert sum(report["faults"].values()) == faulty.n_requests - report["spent"]["calls"]


def test_a_servers_refusal_is_printed_verbatim_and_the_request_is_sent_again(tmp_path, capsys):
    command = ("open_r1_multimodal", "--data", "drawn:counting:4", "--out", tmp_path, "--teacher")
    refusal = HttpReply(400, {"error": {"message": "pictures may have 3 pixels at most"}})
    with ChatServer(lambda body: refusal) as server:
        assert synth(*command, server.url) == 1
    output = capsys.readouterr().out
    assert output.count("failed at question, 400: pictures may have 3 pixels at most") == 1
    assert status(tmp_path, capsys)["failed"] == [
        {"step": "question", "reason": "400", "examples": 4, "told": "pictures may have 3 pixels at most"}
    ]
    with ChatServer(rewrite_reply) as server:
        assert synth(*command, server.url) == 0
    assert status(tmp_path, capsys)["failed"] == []


@pytest.mark.parametrize(
    ("model", "key", "message"), [("#other", "", "other"), ("", "secret", "key")], ids=["model", "key"]
)
def test_a_wrong_model_or_key_is_one_sentence_and_changes_nothing(model, key, message, tmp_path, capsys):
    with ChatServer(rewrite_reply) as server:
        words = (*COMMON[:2], "drawn:counting:20", "--max-concurrency", 1, "--out", tmp_path)
        assert synth(*words, "--max-calls", 9, "--teacher", server.url) == 2
        before = tables(tmp_path), files(tmp_path)
        server.key = key
        capsys.readouterr()
        assert synth(*words, "--teacher", server.url + model) == 2
        error = capsys.readouterr().err
        assert error.count("\n") == 1 and message in error and server.url in error
        assert (tables(tmp_path), files(tmp_path)) == before


@pytest.mark.parametrize("name", systems.chains())
def test_every_chain_gives_the_same_rows_with_a_faulty_server(name, tmp_path):
    """The server is the oracle; step and example are in the field `user`."""
    chain, oracle = systems.chain(name), Oracle.from_text("wrong=0.3,leak=0.1,json=0.05,refusal=0.05")
    examples = drawn.by_name(chain.world, 12)
    known = {example.id: example for example in examples}

    def reply(body):
        step, _, example_id = body["user"].partition(":")
        sampling = Sampling(temperature=body["temperature"], max_tokens=body["max_tokens"], seed=body["seed"])
        request = Request(step, known[example_id], "vision", [*map(_text_only, body["messages"])], sampling)
        return oracle.reply(request)[0]

    def synthesised(faults, out):
        with ChatServer(reply, faults) as server:

            async def open_teachers():
                policy = RequestPolicy(retry_delay_s=0.01, request_timeout_s=2.0, max_attempts=20)
                return dict.fromkeys(
                    ("vision", "text", "judge"),
                    await ChatEngine.open(server.url, policy=policy, send_user=True),
                )

            status, _ = synthesise(Synthesis(chain, examples, "drawn", open_teachers, out))
        assert server.answered_twice == 0
        assert sum(status.faults.values()) == server.n_requests - status.usage.calls
        assert status.kept + sum(status.dropped.values()) == 12 and status.kept and not status.failed
        return status

    whole, faulty = synthesised(FaultRates(), tmp_path / "whole"), synthesised(FAULTS, tmp_path / "faulty")
    assert faulty.faults and not whole.faults
    assert files(tmp_path / "faulty") == files(tmp_path / "whole")
    assert tables(tmp_path / "faulty") == tables(tmp_path / "whole")


def _text_only(message):
    content = message["content"]
    parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
    return {"role": message["role"], "content": [part for part in parts if part["type"] == "text"]}
