"""What a chat server is asked, and what is made of its answers. The server is a real one on loopback that
says what it is told to; vLLM is asked in tests_vllm/."""

from __future__ import annotations

import asyncio
import base64
import io
import json
from dataclasses import replace
from typing import Any

import PIL.Image
import pytest

from seethink.engines import chat
from seethink.engines.chat import ChatTeacher
from seethink.engines.teacher import Reply, Unanswered
from seethink.media import DrawnVideo, Frames, Image
from seethink.types import GREEDY, InputError, Sampling
from tests.engines.asking import QUICK, RED, answer, asking, run, turn
from tests.servers import ChatServer, Told, completion, echo


def seen(part: dict[str, Any]) -> tuple[str, bytes]:
    """The media type and the bytes of a data URL."""
    assert part["type"] == "image_url"
    kind, _, data = part["image_url"]["url"].removeprefix("data:").partition(";base64,")
    return kind, base64.b64decode(data)


# What is sent -----------------------------------------------------------------------------------------------


def test_turns_texts_and_pictures_arrive_as_they_were_said(tmp_path) -> None:
    PIL.Image.effect_noise((32, 24), 50).convert("RGB").save(tmp_path / "page.jpg", quality=31)
    page = Image.file(tmp_path / "page.jpg")
    said = 'How "many"\n\\ <image> é 🙂?'
    messages = [
        turn("Be brief.", role="system"),
        turn(page, said, RED),
        turn("Three", role="assistant"),
        turn("Why?"),
    ]
    with ChatServer() as server:
        assert answer(server, asking(messages=messages))[0].text == "Why?"
    system, user, assistant, last = server.bodies[0]["messages"]
    assert (system, assistant, last) == (
        {"role": "system", "content": "Be brief."},
        {"role": "assistant", "content": "Three"},
        {"role": "user", "content": "Why?"},
    )
    file, text, drawn = user["content"]
    assert seen(file) == ("image/jpeg", (tmp_path / "page.jpg").read_bytes())
    assert text == {"type": "text", "text": said}
    kind, data = seen(drawn)
    assert kind == "image/png"
    assert PIL.Image.open(io.BytesIO(data)).convert("RGB").tobytes() == RED.load().tobytes()


def test_a_file_that_no_server_reads_is_sent_as_png(tmp_path) -> None:
    PIL.Image.new("RGB", (5, 4), "blue").save(tmp_path / "page.bmp")
    with ChatServer() as server:
        answer(server, asking(Image.file(tmp_path / "page.bmp"), "?"))
    kind, data = seen(server.bodies[0]["messages"][0]["content"][0])
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
        answer(server, asking("First", clip, "and?"))
    before, first, red, second, green, after = server.bodies[0]["messages"][0]["content"]
    assert [part["text"] for part in (before, first, second, after)] == [
        "First",
        "0.5 s: ",
        "12.2 s: ",
        "and?",
    ]
    for part, channel in ((red, 0), (green, 1)):
        kind, data = seen(part)
        pixel = PIL.Image.open(io.BytesIO(data)).getpixel((8, 8))
        assert kind == "image/jpeg" and pixel[channel] > 240 and sum(pixel) < 270


def test_a_picture_of_many_calls_is_encoded_once_and_forgotten_when_room_is_short() -> None:
    async def use(teacher: ChatTeacher) -> None:
        async def about(name: str) -> None:
            picture = Image.drawn(name, lambda: PIL.Image.new("RGB", (9, 9)))
            await teacher.answer(asking(picture, "?"), lambda *told: None)

        await asyncio.gather(*(about("a") for _ in range(20)))
        assert teacher.wire.encoded == 1
        teacher.wire.kept_bytes = teacher.wire.bytes
        await about("b")
        await about("b")
        assert teacher.wire.encoded == 2
        await about("a")
        assert teacher.wire.encoded == 3 and [*teacher.wire.kept] == ["a"]
        assert teacher.wire.bytes == sum(map(len, teacher.wire.kept.values()))

    with ChatServer() as server:
        run(server, use)


def test_a_picture_that_cannot_be_read_fails_its_call_alone(tmp_path) -> None:
    (tmp_path / "torn.png").write_bytes(b"no picture")
    with ChatServer() as server:
        with pytest.raises(Unanswered, match=r"example 7: .*torn.png cannot be read") as told:
            answer(server, asking(Image.file(tmp_path / "torn.png"), "?"))
        assert told.value.kind == "medium" and server.asked == 0


@pytest.mark.parametrize(
    ("owner", "sampling", "expected"),
    [
        ("me", GREEDY, {"temperature": 0.0, "max_tokens": 256, "seed": 0}),
        (
            "me",
            Sampling(temperature=0.7, top_p=0.9, top_k=5, max_tokens=9, seed=3),
            {"temperature": 0.7, "top_p": 0.9, "top_k": 5, "max_tokens": 9, "seed": 3},
        ),
        (  # unless told otherwise it would draw as the checkpoint's generation config says
            "vllm",
            Sampling(seed=2**62),
            {"temperature": 1.0, "max_tokens": 256, "seed": 2**62}
            | {"top_p": 1.0, "top_k": -1, "repetition_penalty": 1.0},
        ),
    ],
)  # fmt: skip
def test_sampling_is_told_whole_to_servers_that_have_defaults_of_their_own(owner, sampling, expected) -> None:
    with ChatServer(models=(("m", owner),)) as server:
        answer(server, asking("?", sampling=sampling))
    body = server.bodies[0]
    assert {k: v for k, v in body.items() if k not in ("model", "messages")} == expected
    assert body["model"] == "m"


def test_who_asks_is_told_only_where_wanted() -> None:
    with ChatServer() as server:
        answer(server, asking("?"))
        answer(server, asking("?"), replace(QUICK, named=True))
    assert [body.get("user") for body in server.bodies] == [None, "describe/route:7"]


def test_a_large_request_arrives_whole_and_without_a_warning(recwarn) -> None:
    noise = Image.drawn("noise", lambda: PIL.Image.effect_noise((1200, 1200), 90))
    with ChatServer() as server:
        assert answer(server, asking(noise, "?"))[0].text == "?"
    assert len(json.dumps(server.bodies[0])) > chat.LARGE
    assert not [warning for warning in recwarn if issubclass(warning.category, ResourceWarning)]


# What comes back --------------------------------------------------------------------------------------------


def test_the_reply_tells_its_tokens_and_whether_it_was_cut() -> None:
    with ChatServer(
        lambda body: completion("half a", "length", prompt_tokens=11, completion_tokens=2)
    ) as server:
        assert answer(server, asking("?")) == (Reply("half a", "length", 11, 2), [])


@pytest.mark.parametrize("echoes", [False, True])
def test_a_begun_answer_is_continued_and_not_said_again(echoes) -> None:
    with ChatServer(lambda body: (echo(body) if echoes else "") + " a cat") as server:
        assert answer(server, asking("?", begun="<think> I see"))[0].text == " a cat"
    body = server.bodies[0]
    assert (body["continue_final_message"], body["add_generation_prompt"]) == (True, False)
    assert body["messages"][-1] == {"role": "assistant", "content": "<think> I see"}


def test_a_server_that_cannot_continue_is_not_asked_to() -> None:
    with ChatServer(models=(("m", "somebody"),)) as server:
        with pytest.raises(
            InputError, match="cannot continue an answer that was begun, as the step describe/route"
        ):
            answer(server, asking("?", begun="I see"))
        assert server.asked == 0
        answer(server, asking("?", begun="I see"), replace(QUICK, continues=True))
        assert server.asked == 1
    with ChatServer() as server, pytest.raises(InputError):
        answer(server, asking("?", begun="I see"), replace(QUICK, continues=False))


@pytest.mark.parametrize("field", ["reasoning", "reasoning_content"])
def test_a_thought_that_the_server_took_out_of_the_text_is_put_back_for_reasoners(field) -> None:
    def thinks(body: dict[str, Any]) -> dict[str, Any]:
        told = completion("It is 3.")
        told["choices"][0]["message"][field] = "1 + 2"
        return told

    def cut(body: dict[str, Any]) -> dict[str, Any]:
        told = completion("", "length")
        told["choices"][0]["message"] |= {field: "1 + ", "content": None}
        return told

    with ChatServer(thinks) as server:
        assert answer(server, asking("?", role="reason"))[0].text == "<think>1 + 2</think>It is 3."
        assert answer(server, asking("?", role="reason", begun="<think>"))[0].text == "1 + 2</think>It is 3."
        assert answer(server, asking("?", role="judge"))[0].text == "It is 3."
    with ChatServer(cut) as server:
        assert answer(server, asking("?", role="reason"))[0] == Reply("<think>1 + ", "length", 1, 0)


def test_a_refusal_beside_the_text_is_the_text() -> None:
    def refuses(body: dict[str, Any]) -> dict[str, Any]:
        told = completion("")
        told["choices"][0]["message"] |= {"content": None, "refusal": "I'm sorry."}
        return told

    with ChatServer(refuses) as server:
        assert answer(server, asking("?"))[0].text == "I'm sorry."


SCHEMA = {"type": "object", "properties": {"x": {"type": "integer"}}}


def test_a_schema_is_sent_where_there_is_one() -> None:
    with ChatServer() as server:
        answer(server, asking("?", schema=SCHEMA))
        answer(server, asking("?"))
    first, second = server.bodies
    assert first["response_format"] == {
        "type": "json_schema",
        "json_schema": {"name": "reply", "schema": SCHEMA},
    }
    assert "response_format" not in second


def test_a_server_that_takes_no_schema_is_told_none_from_then_on(caplog) -> None:
    def refuses(body: dict[str, Any]) -> Any:
        if "response_format" in body:
            return Told(400, {"error": {"message": "Unknown parameter: 'response_format'."}})
        return "fine"

    async def use(teacher: ChatTeacher) -> None:
        failed: list[str] = []
        together = (
            teacher.answer(asking(str(i), schema=SCHEMA), lambda *told: failed.append(told[0]))
            for i in range(4)
        )
        assert [reply.text for reply in await asyncio.gather(*together)] == ["fine"] * 4
        await teacher.answer(asking("later", schema=SCHEMA), lambda *told: failed.append(told[0]))
        assert failed == ["400"] * 4
        assert teacher.schemaless == 5

    with ChatServer(refuses) as server:
        run(server, use)
        assert server.asked == 4 + 5
    assert caplog.text.count("takes no schema") == 1


def test_a_call_that_asks_for_more_than_fits_gets_as_much_as_fits(caplog) -> None:
    told = "This model's maximum context length is 100 tokens. However, you requested 90 output tokens"

    def cramped(body: dict[str, Any]) -> Any:
        if body.get("max_tokens", 0) > 80 or "long" in echo(body):
            return Told(400, {"error": {"message": told}})
        return "fine"

    async def use(teacher: ChatTeacher) -> None:
        failed: list[str] = []
        for text, most in (("a", 90), ("b", 70), ("c", 90)):
            call = asking(text, sampling=Sampling(max_tokens=most))
            assert (await teacher.answer(call, lambda *told: failed.append(told[0]))).text == "fine"
        with pytest.raises(Unanswered, match="maximum context length") as error:
            await teacher.answer(asking("long", sampling=Sampling(max_tokens=70)), lambda *told: None)
        assert error.value.kind == "400"
        assert (failed, teacher.limitless) == (["no room"] * 2, 2)

    with ChatServer(cramped) as server:
        run(server, use)
    assert [body.get("max_tokens") for body in server.bodies] == [90, None, 70, 90, None, 70, None]
    assert caplog.text.count("which do not fit behind its prompt") == 1


def test_a_server_that_tells_its_context_is_not_asked_for_all_of_it() -> None:
    with ChatServer(context=100) as server:
        for most in (99, 100, 4096):
            answer(server, asking("?", sampling=Sampling(max_tokens=most)))
    assert [body.get("max_tokens") for body in server.bodies] == [99, None, None]
