"""Requests to a chat server and completions from its replies. The server runs on loopback with scripted
replies; tests_vllm/ uses vLLM."""

from __future__ import annotations

import asyncio
import base64
import io
import json
from typing import Any

import PIL.Image
import pytest

from seethink.engines import http
from seethink.engines.base import RequestFailed
from seethink.engines.chat import ChatEngine
from seethink.media import DrawnVideo, Frames, Image
from seethink.types import GREEDY, Completion, InputError, Sampling
from tests.engines.chat_requests import RED, complete, message, request, with_engine
from tests.servers import ChatServer, HttpReply, completion, echo


def decoded(part: dict[str, Any]) -> tuple[str, bytes]:
    """The media type and the bytes of a data URL."""
    assert part["type"] == "image_url"
    kind, _, data = part["image_url"]["url"].removeprefix("data:").partition(";base64,")
    return kind, base64.b64decode(data)


# What is sent -----------------------------------------------------------------------------------------------


def test_turns_texts_and_pictures_arrive_unchanged(tmp_path) -> None:
    PIL.Image.effect_noise((32, 24), 50).convert("RGB").save(tmp_path / "page.jpg", quality=31)
    page = Image.file(tmp_path / "page.jpg")
    text = 'How "many"\n\\ <image> é 🙂?'
    messages = [
        message("Be brief.", role="system"),
        message(page, text, RED),
        message("Three", role="assistant"),
        message("Why?"),
    ]
    with ChatServer() as server:
        assert complete(server, request(messages=messages))[0].text == "Why?"
    system, user, assistant, last = server.bodies[0]["messages"]
    assert (system, assistant, last) == (
        {"role": "system", "content": "Be brief."},
        {"role": "assistant", "content": "Three"},
        {"role": "user", "content": "Why?"},
    )
    file, written, drawn = user["content"]
    assert decoded(file) == ("image/jpeg", (tmp_path / "page.jpg").read_bytes())
    assert written == {"type": "text", "text": text}
    kind, data = decoded(drawn)
    assert kind == "image/png"
    assert PIL.Image.open(io.BytesIO(data)).convert("RGB").tobytes() == RED.load().tobytes()


def test_a_file_that_no_server_reads_is_sent_as_png(tmp_path) -> None:
    PIL.Image.new("RGB", (5, 4), "blue").save(tmp_path / "page.bmp")
    with ChatServer() as server:
        complete(server, request(Image.file(tmp_path / "page.bmp"), "?"))
    kind, data = decoded(server.bodies[0]["messages"][0]["content"][0])
    shown = PIL.Image.open(io.BytesIO(data))
    assert (kind, shown.format, shown.size, shown.getpixel((0, 0))) == (
        "image/png",
        "PNG",
        (5, 4),
        (0, 0, 255),
    )


def test_a_clip_is_its_frames_each_behind_its_second() -> None:
    frames = tuple(PIL.Image.new("RGB", (16, 16), colour) for colour in ("red", "lime"))
    clip = DrawnVideo("clip", lambda: Frames(frames, (0.5, 12.25), 20.0))
    with ChatServer() as server:
        complete(server, request("First", clip, "and?"))
    before, first, red, second, green, after = server.bodies[0]["messages"][0]["content"]
    assert [part["text"] for part in (before, first, second, after)] == [
        "First",
        "0.5 s: ",
        "12.2 s: ",
        "and?",
    ]
    for part, channel in ((red, 0), (green, 1)):
        kind, data = decoded(part)
        pixel = PIL.Image.open(io.BytesIO(data)).getpixel((8, 8))
        assert kind == "image/jpeg" and pixel[channel] > 240 and sum(pixel) < 270


def test_a_picture_of_many_calls_is_encoded_once_and_forgotten_when_room_is_short() -> None:
    async def use(engine: ChatEngine) -> None:
        async def about(name: str) -> None:
            picture = Image.drawn(name, lambda: PIL.Image.new("RGB", (9, 9)))
            await engine.complete(request(picture, "?"), lambda *_: None)

        await asyncio.gather(*(about("a") for _ in range(20)))
        assert engine.encoder.n_encoded == 1
        engine.encoder.max_cache_bytes = engine.encoder.cache_bytes
        await about("b")
        await about("b")
        assert engine.encoder.n_encoded == 2
        await about("a")
        assert engine.encoder.n_encoded == 3 and [*engine.encoder.cache] == ["a"]
        assert engine.encoder.cache_bytes == sum(map(len, engine.encoder.cache.values()))

    with ChatServer() as server:
        with_engine(server, use)


def test_a_picture_that_cannot_be_read_fails_its_call_alone(tmp_path) -> None:
    (tmp_path / "torn.png").write_bytes(b"no picture")
    with ChatServer() as server:
        with pytest.raises(RequestFailed, match=r"example 7: .*torn.png cannot be read") as error:
            complete(server, request(Image.file(tmp_path / "torn.png"), "?"))
        assert error.value.kind == "medium" and server.n_requests == 0


@pytest.mark.parametrize(
    ("owner", "sampling", "expected"),
    [
        ("me", GREEDY, {"temperature": 0.0, "max_tokens": 256, "seed": 0}),
        (
            "me",
            Sampling(temperature=0.7, top_p=0.9, top_k=5, max_tokens=9, seed=3),
            {"temperature": 0.7, "top_p": 0.9, "top_k": 5, "max_tokens": 9, "seed": 3},
        ),
        (  # its defaults come from the checkpoint's generation config
            "vllm",
            Sampling(seed=2**62),
            {"temperature": 1.0, "max_tokens": 256, "seed": 2**62}
            | {"top_p": 1.0, "top_k": -1, "repetition_penalty": 1.0},
        ),
    ],
)  # fmt: skip
def test_sampling_is_sent_in_full_to_servers_that_have_their_own_defaults(owner, sampling, expected) -> None:
    with ChatServer(models=(("m", owner),)) as server:
        complete(server, request("?", sampling=sampling))
    body = server.bodies[0]
    assert {k: v for k, v in body.items() if k not in ("model", "messages")} == expected
    assert body["model"] == "m"


def test_the_step_and_the_example_are_sent_only_on_request() -> None:
    with ChatServer() as server:
        complete(server, request("?"))
        complete(server, request("?"), send_user=True)
    assert [body.get("user") for body in server.bodies] == [None, "describe/route:7"]


def test_a_large_request_arrives_whole_and_without_a_warning(recwarn) -> None:
    noise = Image.drawn("noise", lambda: PIL.Image.effect_noise((1200, 1200), 90))
    with ChatServer() as server:
        assert complete(server, request(noise, "?"))[0].text == "?"
    assert len(json.dumps(server.bodies[0])) > http.STREAMED_BYTES
    assert not [warning for warning in recwarn if issubclass(warning.category, ResourceWarning)]


# What comes back --------------------------------------------------------------------------------------------


def test_a_completion_has_token_counts_and_the_reason_to_stop() -> None:
    with ChatServer(
        lambda body: completion("half a", "length", prompt_tokens=11, completion_tokens=2)
    ) as server:
        assert complete(server, request("?")) == (Completion("half a", "length", 2, prompt_tokens=11), [])


@pytest.mark.parametrize("echoes", [False, True])
def test_a_begun_answer_is_continued_and_not_repeated(echoes) -> None:
    with ChatServer(lambda body: (echo(body) if echoes else "") + " a cat") as server:
        assert complete(server, request("?", begun="<think> I see"))[0].text == " a cat"
    body = server.bodies[0]
    assert (body["continue_final_message"], body["add_generation_prompt"]) == (True, False)
    assert body["messages"][-1] == {"role": "assistant", "content": "<think> I see"}


def test_a_server_that_cannot_continue_is_not_asked_to() -> None:
    with ChatServer(models=(("m", "somebody"),)) as server:
        with pytest.raises(
            InputError, match="cannot continue a begun answer, which the step describe/route needs"
        ):
            complete(server, request("?", begun="I see"))
        assert server.n_requests == 0
        complete(server, request("?", begun="I see"), can_continue=True)
        assert server.n_requests == 1
    with ChatServer() as server, pytest.raises(InputError):
        complete(server, request("?", begun="I see"), can_continue=False)


@pytest.mark.parametrize("field", ["reasoning", "reasoning_content"])
def test_a_thought_that_the_server_took_out_of_the_text_is_put_back_for_reasoners(field) -> None:
    def thinks(body: dict[str, Any]) -> dict[str, Any]:
        reply = completion("It is 3.")
        reply["choices"][0]["message"][field] = "1 + 2"
        return reply

    def cut(body: dict[str, Any]) -> dict[str, Any]:
        reply = completion("", "length")
        reply["choices"][0]["message"] |= {field: "1 + ", "content": None}
        return reply

    with ChatServer(thinks) as server:
        assert complete(server, request("?", role="text"))[0].text == "<think>1 + 2</think>It is 3."
        assert complete(server, request("?", role="text", begun="<think>"))[0].text == "1 + 2</think>It is 3."
        assert complete(server, request("?", role="judge"))[0].text == "It is 3."
    with ChatServer(cut) as server:
        assert complete(server, request("?", role="text"))[0] == Completion(
            "<think>1 + ", "length", 0, prompt_tokens=1
        )


def test_a_refusal_beside_the_text_is_the_text() -> None:
    def refuses(body: dict[str, Any]) -> dict[str, Any]:
        reply = completion("")
        reply["choices"][0]["message"] |= {"content": None, "refusal": "I'm sorry."}
        return reply

    with ChatServer(refuses) as server:
        assert complete(server, request("?"))[0].text == "I'm sorry."


SCHEMA = {"type": "object", "properties": {"x": {"type": "integer"}}}


def test_a_schema_is_sent_where_there_is_one() -> None:
    with ChatServer() as server:
        complete(server, request("?", schema=SCHEMA))
        complete(server, request("?"))
    first, second = server.bodies
    assert first["response_format"] == {
        "type": "json_schema",
        "json_schema": {"name": "reply", "schema": SCHEMA},
    }
    assert "response_format" not in second


def test_a_server_that_rejects_schemas_gets_none_from_then_on(caplog) -> None:
    def refuses(body: dict[str, Any]) -> Any:
        if "response_format" in body:
            return HttpReply(400, {"error": {"message": "Unknown parameter: 'response_format'."}})
        return "fine"

    async def use(engine: ChatEngine) -> None:
        failed: list[str] = []
        together = (
            engine.complete(request(str(i), schema=SCHEMA), lambda kind, _: failed.append(kind))
            for i in range(4)
        )
        assert [reply.text for reply in await asyncio.gather(*together)] == ["fine"] * 4
        await engine.complete(request("later", schema=SCHEMA), lambda kind, _: failed.append(kind))
        assert failed == ["400"] * 4
        assert engine.requests_without_schema == 5

    with ChatServer(refuses) as server:
        with_engine(server, use)
        assert server.n_requests == 4 + 5
    assert caplog.text.count("rejects schemas") == 1


def test_a_request_for_more_tokens_than_fit_gets_as_many_as_fit(caplog) -> None:
    error_text = "This model's maximum context length is 100 tokens. However, you requested 90 output tokens"

    def cramped(body: dict[str, Any]) -> Any:
        if body.get("max_tokens", 0) > 80 or "long" in echo(body):
            return HttpReply(400, {"error": {"message": error_text}})
        return "fine"

    async def use(engine: ChatEngine) -> None:
        failed: list[str] = []
        for text, most in (("a", 90), ("b", 70), ("c", 90)):
            call = request(text, sampling=Sampling(max_tokens=most))
            assert (await engine.complete(call, lambda kind, _: failed.append(kind))).text == "fine"
        with pytest.raises(RequestFailed, match="maximum context length") as error:
            await engine.complete(request("long", sampling=Sampling(max_tokens=70)), lambda *_: None)
        assert error.value.kind == "400"
        assert (failed, engine.requests_without_limit) == (["no room"] * 2, 2)

    with ChatServer(cramped) as server:
        with_engine(server, use)
    assert [body.get("max_tokens") for body in server.bodies] == [90, None, 70, 90, None, 70, None]
    assert caplog.text.count("which do not fit behind its prompt") == 1


def test_max_tokens_are_omitted_where_they_fill_the_context() -> None:
    with ChatServer(context=100) as server:
        for most in (99, 100, 4096):
            complete(server, request("?", sampling=Sampling(max_tokens=most)))
    assert [body.get("max_tokens") for body in server.bodies] == [99, None, None]
