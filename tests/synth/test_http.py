"""A chain against a server over HTTP that fails in every way: nothing is lost, nothing is kept twice."""

from __future__ import annotations

import json

import pytest

from seethink.engines.chat import ChatTeacher, Terms
from seethink.engines.scripted import Oracle
from seethink.engines.teacher import Call
from seethink.sources import drawn
from seethink.synth.chains import CHAINS, by_name
from seethink.synth.run import Synthesis, synthesise
from seethink.types import Sampling
from tests.servers import ChatServer, Told, Trouble
from tests.synth.rewriter import files, rewritten, synth, tables

EXAMPLES = 200
COMMON = ("open_r1_multimodal", "--data", f"drawn:counting:{EXAMPLES}", "--timeout-s", 1)
TROUBLE = Trouble(busy=0.2, broken=0.1, hang=0.05, cut=0.05, retry_after_s=0.01)


def status(out, capsys):
    capsys.readouterr()
    assert synth("status", out, "--json") == 0
    return json.loads(capsys.readouterr().out)


def test_a_faulty_server_gives_the_same_rows(tmp_path, capsys):
    with ChatServer(rewritten) as server:
        assert synth(*COMMON, "--teacher", server.url, "--out", tmp_path / "whole") == 0
    with ChatServer(rewritten, TROUBLE) as faulty:
        assert synth(*COMMON, "--teacher", faulty.url, "--out", tmp_path / "faulty") == 0
        assert faulty.answered_twice == 0
    assert files(tmp_path / "faulty") == files(tmp_path / "whole")
    assert tables(tmp_path / "faulty") == tables(tmp_path / "whole")
    told = status(tmp_path / "faulty", capsys)
    dropped = sum(end["examples"] for end in told["dropped"])
    assert (told["kept"] + dropped, told["failed"], told["pending"]) == (EXAMPLES, [], 0)
    assert told["kept"] > EXAMPLES / 2 and dropped > EXAMPLES / 8
    assert {"429", "500", "timeout", "broken body"} == {*told["faults"]}
    assert sum(told["faults"].values()) == faulty.asked - told["spent"]["calls"]


def test_what_a_server_refuses_is_told_in_its_own_words_and_asked_again(tmp_path, capsys):
    command = ("open_r1_multimodal", "--data", "drawn:counting:4", "--out", tmp_path, "--teacher")
    refusal = Told(400, {"error": {"message": "pictures may have 3 pixels at most"}})
    with ChatServer(lambda body: refusal) as server:
        assert synth(*command, server.url) == 1
    told = capsys.readouterr().out
    assert told.count("failed at question, 400: pictures may have 3 pixels at most") == 1
    assert status(tmp_path, capsys)["failed"] == [
        {"step": "question", "reason": "400", "examples": 4, "told": "pictures may have 3 pixels at most"}
    ]
    with ChatServer(rewritten) as server:
        assert synth(*command, server.url) == 0
    assert status(tmp_path, capsys)["failed"] == []


@pytest.mark.parametrize(
    ("model", "key", "message"), [("#other", "", "other"), ("", "secret", "key")], ids=["model", "key"]
)
def test_a_wrong_model_or_key_is_one_sentence_and_changes_nothing(model, key, message, tmp_path, capsys):
    with ChatServer(rewritten) as server:
        words = (*COMMON[:2], "drawn:counting:20", "--at-once", 1, "--out", tmp_path)
        assert synth(*words, "--max-calls", 9, "--teacher", server.url) == 2
        before = tables(tmp_path), files(tmp_path)
        server.key = key
        capsys.readouterr()
        assert synth(*words, "--teacher", server.url + model) == 2
        error = capsys.readouterr().err
        assert error.count("\n") == 1 and message in error and server.url in error
        assert (tables(tmp_path), files(tmp_path)) == before


@pytest.mark.parametrize("name", CHAINS)
def test_every_chain_comes_to_the_same_end_at_a_faulty_server(name, tmp_path):
    """The server is the oracle: who asks stands in the field `user`."""
    chain, oracle = by_name(name), Oracle.from_text("wrong=0.3,leak=0.1,json=0.05,refusal=0.05")
    examples = drawn.by_name(chain.world, 12)
    known = {example.id: example for example in examples}

    def reply(body):
        step, _, who = body["user"].partition(":")
        sampling = Sampling(temperature=body["temperature"], max_tokens=body["max_tokens"], seed=body["seed"])
        asked = Call(step, known[who], "see", [*map(_turn, body["messages"])], sampling)
        return oracle._made(asked)[0]

    def ended(trouble, out):
        with ChatServer(reply, trouble) as server:

            async def teachers():
                terms = Terms(named=True, pause_s=0.01, answer_s=0.5, attempts=20)
                return dict.fromkeys(
                    ("see", "reason", "judge"), await ChatTeacher.open(server.url, terms=terms)
                )

            status, _ = synthesise(Synthesis(chain, examples, "drawn", teachers, out))
        assert server.answered_twice == 0
        assert sum(status.faults.values()) == server.asked - status.spent.calls
        assert status.kept + sum(status.dropped.values()) == 12 and status.kept and not status.failed
        return status

    whole, faulty = ended(Trouble(), tmp_path / "whole"), ended(TROUBLE, tmp_path / "faulty")
    assert faulty.faults and not whole.faults
    assert files(tmp_path / "faulty") == files(tmp_path / "whole")
    assert tables(tmp_path / "faulty") == tables(tmp_path / "whole")


def _turn(message):
    content = message["content"]
    parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
    return {"role": message["role"], "content": [part for part in parts if part["type"] == "text"]}
