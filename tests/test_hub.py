"""A model of the hub: one request says whether it can be had, and one sentence why not."""

from __future__ import annotations

import json
import logging
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from huggingface_hub import constants

from seethink import hub
from seethink.engines.local import LocalEngine
from seethink.formats import BARE
from seethink.models.loading import load_encoder, load_policy
from seethink.train.configs import GRPOConfig, SFTConfig
from seethink.train.grpo import grpo
from seethink.train.sft import sft
from seethink.types import Example, InputError, Task
from seethink.verify import by_name


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """An empty cache of the hub, and nothing remembered."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    hub.refuse_unreachable.cache_clear()
    yield tmp_path
    hub.refuse_unreachable.cache_clear()


@pytest.fixture
def served(monkeypatch):
    """A hub that answers every request as `answer` says: (status, headers, body)."""
    asked, answer = [], {"it": (200, {}, {"id": "owner/name", "gated": False})}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            status, headers, body = answer["it"]
            content = json.dumps(body).encode()
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(content))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{server.server_port}")
    yield asked, answer
    server.shutdown()
    server.server_close()


def nowhere(monkeypatch):
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:1")


def put_into(cache):
    snapshot = cache / "models--owner--name" / "snapshots" / "abc"
    snapshot.mkdir(parents=True)
    (snapshot / "config.json").write_text("{}", encoding="utf-8")
    (cache / "models--owner--name" / "refs").mkdir()
    (cache / "models--owner--name" / "refs" / "main").write_text("abc", encoding="utf-8")


def test_a_hub_that_cannot_be_reached_is_one_sentence_at_once(monkeypatch):
    nowhere(monkeypatch)
    began = time.monotonic()
    with pytest.raises(InputError) as raised:
        hub.refuse_unreachable("owner/name")
    assert time.monotonic() - began < hub.TIMEOUT_S
    message = str(raised.value)
    assert message.startswith("the hub at http://127.0.0.1:1 cannot be reached (") and "\n" not in message
    assert "owner/name is not on this machine; connect to it, or give the folder of a model" in message


def test_a_hub_that_is_switched_off_says_so(monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(InputError, match=r"cannot be reached .*HF_HUB_OFFLINE"):
        hub.refuse_unreachable("owner/name")


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ((404, {"X-Error-Code": "RepoNotFound"}, {}), "the hub has no model owner/name, or it is private"),
        (
            (403, {"X-Error-Code": "GatedRepo"}, {}),
            "owner/name has terms on the hub; accept them on its page",
        ),
        ((503, {}, {}), "cannot be reached .*503"),
    ],
)
def test_what_the_hub_refuses_is_one_sentence_after_one_request(served, answer, message):
    asked, answers = served
    answers["it"] = answer
    with pytest.raises(InputError, match=message) as raised:
        hub.refuse_unreachable("owner/name")
    assert len(asked) == 1 and "\n" not in str(raised.value)


def test_a_model_that_is_there_is_asked_for_once(served):
    for _ in range(3):
        hub.refuse_unreachable("owner/name")
    assert len(served[0]) == 1


def test_a_model_in_the_cache_is_taken_from_it_and_the_hub_is_not_asked_again(cache, monkeypatch, caplog):
    put_into(cache)
    nowhere(monkeypatch)
    with caplog.at_level(logging.WARNING):
        hub.refuse_unreachable("owner/name")
    assert "owner/name is taken from its cache" in caplog.text
    assert constants.HF_HUB_OFFLINE is True


def test_a_folder_is_not_asked_for(tmp_path, monkeypatch):
    nowhere(monkeypatch)
    hub.refuse_unreachable(str(tmp_path))


def test_python_calls_fail_in_one_sentence_as_the_command_line_does(monkeypatch, tmp_path):
    """transformers would ask again and again, and then show a traceback of several hundred lines."""
    nowhere(monkeypatch)
    task = Task("one", [Example("1", "?", answer="5")], BARE, by_name("same_number"))
    calls = (
        lambda: LocalEngine.load("owner/name"),
        lambda: load_encoder("owner/name"),
        lambda: load_policy("owner/name"),
        lambda: grpo("owner/name", task, GRPOConfig(max_steps=1), tmp_path / "grpo"),
        lambda: sft("owner/name", [], SFTConfig(), tmp_path / "sft"),
    )
    for call in calls:
        hub.refuse_unreachable.cache_clear()
        with pytest.raises(InputError, match=r"cannot be reached .* owner/name is not on this machine"):
            call()
    assert not (tmp_path / "grpo" / "checkpoint").exists()
