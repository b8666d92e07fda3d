"""The playground: a page without data, open where the API needs a key, and what it asks the API for."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from seethink import serve
from seethink.engines.scripted import ScriptedEngine
from seethink.formats.agents import SUMMARY_PROMPT
from seethink.serve.page import PLAYGROUND_ROUTES
from seethink.types import Completion, CoordinateFrame, Messages
from tests.serve.served import body, plain, post, service_of, serving, user

CHAT = "/v1/chat/completions"
FOLDER = Path(str(serve.__file__)).parent / "playground"


def said(messages: Messages) -> str:
    texts = "".join(part.get("text", "") for message in messages for part in message["content"])
    return "I agree.\nAnswer: 7" if SUMMARY_PROMPT in texts else "I see 7.</think><answer>7</answer>"


def test_the_page_is_served_only_where_it_is_wanted_and_needs_no_key() -> None:
    with serving(service_of(ScriptedEngine(said)), ["secret"], playground=True) as server:
        for route in PLAYGROUND_ROUTES:
            status, text = post(server, route)
            assert status == 200 and text
        assert post(server, "/v1/models")[0] == post(server, CHAT, body())[0] == 401
        assert post(server, "/playground/../gate.py")[0] == post(server, "/playground/gate.py")[0] == 401
    with serving(service_of(ScriptedEngine(said))) as server:
        assert [post(server, route)[0] for route in PLAYGROUND_ROUTES] == [404] * 3


def test_the_page_knows_model_solvers_and_examples_and_loads_nothing_from_elsewhere() -> None:
    service = service_of(ScriptedEngine(said), solver="best_of_n:n=2")
    with serving(service, playground=True) as server:
        _, page = post(server, "/")
    (text,) = re.findall(r'<script id="settings" type="application/json">(.*?)</script>', page)
    settings = json.loads(text)
    assert (settings["model"], settings["solver"], settings["keyed"]) == ("sprout", "best_of_n", False)
    assert {"direct", "two_agents", "step_beam"} <= {*settings["solvers"]}
    assert all(one["picture"].startswith("data:image/png") for one in settings["examples"])
    for file in FOLDER.iterdir():
        source = file.read_text(encoding="utf-8")
        assert not re.search(r"https?://|innerHTML|eval\(|document\.write", source), file.name
    assert not re.search(r"<[^>]+ (on\w+|style)=", page), "which the page's policy forbids"


def test_every_element_that_the_script_names_is_on_the_page() -> None:
    page, script = ((FOLDER / name).read_text(encoding="utf-8") for name in ("page.html", "page.js"))
    named = set(re.findall(r'at\("(\w+)"\)', script))
    assert len(named) > 10 and named <= set(re.findall(r'id="(\w+)"', page))
    classes = set(re.findall(r'(?:part|querySelector)\("\.(\w+)', script))
    assert classes <= set(re.findall(r'class="(\w+)"', page))


@pytest.mark.parametrize("stream", [False, True])
def test_details_tell_what_both_agents_said_and_only_on_request(stream: bool) -> None:
    """Of 512 tokens each, which is 1,024 in all."""
    request = body(user("How many?", plain()), solver="two_agents", stream=stream, max_tokens=512)
    with serving(service_of(ScriptedEngine(said))) as server:
        _, quiet = post(server, CHAT, request)
        _, answer = post(server, CHAT, request | {"details": True})
    assert "details" not in json.dumps(quiet)
    parts = last_choice(answer, stream)["details"]["parts"]
    assert [part["name"] for part in parts] == ["chain", "summary"] and parts[1]["text"].endswith("7")


@pytest.mark.parametrize("stream", [False, True])
def test_details_tell_boxes_in_pixels_of_the_picture(stream: bool) -> None:
    frame = CoordinateFrame("thousandths", (56, 28), (1000, 1000))
    text = '</think><answer>[{"bbox_2d": [0, 500, 500, 1000]}]</answer>'
    engine = ScriptedEngine(said)
    engine.generate = lambda asked, sampling: [[Completion(text, frame=frame)] for _ in asked]
    request = body(user("Where?", plain(size=(56, 28))), stream=stream, details=True)
    with serving(service_of(engine)) as server:
        _, answer = post(server, CHAT, request)
    assert last_choice(answer, stream)["details"] == {"boxes": [[0, 14, 28, 28]], "parts": []}


def last_choice(answer, stream: bool) -> dict:
    if not stream:
        return answer["choices"][0]
    events = [line[6:] for line in answer.splitlines() if line.startswith("data: {")]
    return json.loads(events[-1])["choices"][0]
