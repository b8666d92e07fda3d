"""What the server refuses: with status, code and one sentence in OpenAI's shape, and never a stack trace."""

from __future__ import annotations

import json
import os
import socket
import struct
import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image as PILImage
from transformers import AutoProcessor

from seethink.cli.app import main
from seethink.engines.scripted import ScriptedEngine
from seethink.models.chat_template import render
from seethink.models.names import SPROUT
from seethink.serve.limits import Limits
from seethink.serve.startup import bound
from seethink.types import Completion, InputError
from tests.films import clip
from tests.package_source import SOURCES
from tests.serve.served import Served, body, data_uri, plain, png, post, service_of, serving, user

KEY = "a secret"
CHAT = "/v1/chat/completions"


def _answer(messages: Any) -> str:
    return "so</think><answer>42</answer>"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that the server may read, beside one that it may not."""
    folder = tmp_path_factory.mktemp("media")
    (folder / "open").mkdir()
    (folder / "secret.png").write_bytes(png(PILImage.new("RGB", (28, 28), "red")))
    (folder / "open" / "a.png").write_bytes(png(PILImage.new("RGB", (28, 28), "red")))
    (folder / "open" / "link.png").symlink_to(folder / "secret.png")
    (folder / "open" / "away").symlink_to(folder)
    os.mkfifo(folder / "open" / "pipe.png")
    return folder / "open"


@pytest.fixture(scope="module")
def served(root: Path) -> Iterator[Served]:
    limits = replace(Limits(), roots=(root,), max_body_bytes=8 * 2**20, max_media=4, max_characters=1_000)
    with serving(service_of(ScriptedEngine(_answer), limits=limits), [KEY], documented=True) as server:
        yield server


def _ask(served: Served, request: Any = None, path: str = CHAT, **headers: str) -> tuple[int, Any]:
    headers = {"authorization": f"Bearer {KEY}"} | headers
    data = request if isinstance(request, bytes) else None
    return post(served, path, None if data else request, data, **headers)


def _refused(found: tuple[int, Any], status: int, code: str) -> str:
    """The message of an error of this status and code."""
    got, answer = found
    assert (got, set(answer)) == (status, {"error"}), found
    error = answer["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert error["code"] == code, error
    assert "Traceback" not in error["message"] and "/tmp" not in error["message"]
    return error["message"]


def _header(width: int, height: int) -> bytes:
    """A PNG of so many pixels whose data are a few zeros."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    size = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = chunk(b"IDAT", zlib.compress(bytes(1_000)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", size) + pixels + chunk(b"IEND", b"")


def test_an_ordinary_request_is_answered(served: Served) -> None:
    status, answer = _ask(served, body(user("How many?", plain())))
    message = answer["choices"][0]["message"]
    assert (status, message["content"], message["reasoning_content"]) == (200, "42", "so")
    assert message["reasoning"] == "so"


@pytest.mark.parametrize(
    "path", [CHAT, "/v1/models", "/metrics", "/docs", "/openapi.json", "/v1/files", "/", "/../x"]
)
def test_every_route_needs_the_key(served: Served, path: str) -> None:
    _refused(post(served, path), 401, "missing_api_key")
    _refused(post(served, path, authorization="Bearer wrong"), 401, "invalid_api_key")
    _refused(post(served, path, authorization=f"Basic {KEY}"), 401, "invalid_api_key")


def test_health_needs_no_key_and_unknown_routes_are_refused_with_one(served: Served) -> None:
    assert post(served, "/health") == (200, {"status": "ok"})
    _refused(_ask(served, path="/v1/embeddings"), 404, "route_not_found")
    _refused(_ask(served, path=CHAT), 405, "method_not_allowed")


@pytest.mark.parametrize(
    "name", ["../secret.png", "link.png", "away/secret.png", "/etc/passwd", "nowhere/../a.png", "."]
)
def test_files_outside_the_roots_are_refused(served: Served, root: Path, name: str) -> None:
    places = [name, f"file://{root}/{name}"] if not name.startswith("/") else [name, f"file://{name}"]
    for place in [*places, str(root.parent / "secret.png"), str(root.parent / "absent.png")]:
        request = body([{"role": "user", "content": [{"type": "image_url", "image_url": {"url": place}}]}])
        _refused(_ask(served, request), 403, "path_not_allowed")


def test_files_in_a_root_are_read_by_path_and_by_url(served: Served, root: Path) -> None:
    for place in (str(root / "a.png"), f"file://{root}/a.png"):
        assert _ask(served, body(user("How many?", place)))[0] == 200
    _refused(_ask(served, body(user(f"{root}/absent.png"))), 400, "file_not_found")
    _refused(_ask(served, body(user(f"{root}/pipe.png"))), 403, "path_not_allowed")


def _gif(frames: int) -> bytes:
    import io

    file = io.BytesIO()
    pictures = [PILImage.new("RGB", (28, 28), (40 * i, 0, 0)) for i in range(frames)]
    pictures[0].save(file, "GIF", save_all=True, append_images=pictures[1:])
    return file.getvalue()


SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>'
MEDIA = {
    "30,000 x 30,000 pixels": (data_uri(_header(30_000, 30_000)), "invalid_value"),
    "60 million pixels": (data_uri(_header(10_000, 6_000)), "image_too_large"),
    "a decompression bomb": (data_uri(_header(7_000, 7_000)), "invalid_value"),
    "an SVG": (data_uri(SVG, "image/svg+xml"), "unsupported_media_type"),
    "an SVG as PNG": (data_uri(SVG), "unsupported_media_type"),
    "a JPEG that is a PNG": (
        data_uri(png(PILImage.new("L", (9, 9))), "image/jpeg"),
        "unsupported_media_type",
    ),
    "a TIFF": (data_uri(b"II*\0" + bytes(99), "image/tiff"), "unsupported_media_type"),
    "a text": (data_uri(b"hello", "text/plain"), "unsupported_media_type"),
    "a data URI without a type": ("data:,hello", "unsupported_media_type"),
    "no base64": ("data:image/png;base64,%%%", "invalid_value"),
    "not in base64": ("data:image/png,abc", "invalid_value"),
    "a cut PNG": (data_uri(png(PILImage.effect_noise((99, 99), 50))[:200]), "invalid_value"),
    "an animation": (data_uri(_gif(3), "image/gif"), "invalid_value"),
    "a remote URL": ("http://169.254.169.254/latest/meta-data", "remote_url_refused"),
    "a remote URL in capitals": ("HTTPS://example.com/a.png", "remote_url_refused"),
}


@pytest.mark.parametrize("name", MEDIA)
def test_media_are_refused(served: Served, name: str) -> None:
    url, code = MEDIA[name]
    engine = ScriptedEngine(_decoding)
    with_decoding = service_of(engine)
    message = _refused(_ask(served, body(user("How many?", url))), 400, code) if name not in _LATE else ""
    if name in _LATE:
        with serving(with_decoding) as decoding:
            message = _refused(post(decoding, CHAT, body(user("How many?", url))), 400, code)
    assert len(message) < 400


_LATE = {"a decompression bomb", "a cut PNG"}
"""Refused when they are decoded, by an engine that looks at its pictures."""


def _decoding(messages: Any) -> str:
    for message in messages:
        for part in message["content"]:
            if part["type"] == "image":
                part["image"].load()
    return "<answer>1</answer>"


@pytest.mark.parametrize("url", ["ftp://host/a.png", "gopher:x", "file://host/a.png", "file:a.png"])
def test_other_urls_are_refused(served: Served, url: str) -> None:
    request = body([{"role": "user", "content": [{"type": "image_url", "image_url": {"url": url}}]}])
    _refused(_ask(served, request), 400, "unsupported_url")


def test_too_many_pictures_characters_and_frames_of_several_sizes_are_refused(served: Served) -> None:
    _refused(_ask(served, body(user("How many?", *[plain()] * 5))), 400, "too_many_images")
    _refused(_ask(served, body(user("a" * 2_000))), 400, "context_length_exceeded")
    frames = [plain(), plain(size=(28, 28))]
    uneven = {"type": "video", "video": frames}
    _refused(_ask(served, body([{"role": "user", "content": [uneven]}])), 400, "invalid_value")


def test_a_clip_file_is_read_and_a_playlist_is_not(served: Served, tmp_path: Path) -> None:
    def video(data: bytes, kind: str) -> Any:
        part = {"type": "video_url", "video_url": {"url": data_uri(data, kind)}}
        return body([{"role": "user", "content": [part, {"type": "text", "text": "What moves?"}]}])

    path = clip(tmp_path / "a.mp4", 2)
    wide = service_of(ScriptedEngine(_answer))
    with serving(wide) as server:
        assert post(server, CHAT, video(path.read_bytes(), "video/mp4"))[0] == 200
        cut = post(server, CHAT, video(path.read_bytes()[:-500], "video/mp4"))
    _refused(cut, 400, "invalid_value")
    for text in (b"#EXTM3U\nfile:///etc/passwd\n", b"ffconcat version 1.0\nfile /etc/passwd\n"):
        _refused(_ask(served, video(text, "video/mp4")), 400, "unsupported_media_type")


TEMPLATE = "{{ ''.__class__ }}"
BODIES: dict[str, tuple[Any, str]] = {
    "a template": (body(chat_template=TEMPLATE), "invalid_value"),
    "a template in arguments": (body(chat_template_kwargs={"chat_template": TEMPLATE}), "invalid_value"),
    "a template deep inside": (body(metadata=[{"a": {"chat_template": TEMPLATE}}]), "invalid_value"),
    "malformed JSON": (b'{"model": "sprout"', "invalid_json"),
    "deep JSON": (b"[" * 100_000, "bad_request"),
    "no JSON": (b"hello", "invalid_json"),
    "a list": ([1], "invalid_value"),
    "nothing": ({}, "invalid_value"),
    "an unknown field": (body(tools=[]), "unknown_field"),
    "an unknown part": (body([{"role": "user", "content": [{"type": "input_audio"}]}]), "invalid_value"),
    "a penalty": (body(frequency_penalty=1), "invalid_value"),
    "a temperature below 0": (body(temperature=-1), "invalid_value"),
    "a temperature as text": (body(temperature="0"), "invalid_value"),
    "no number": (b'{"model": "sprout", "messages": [], "temperature": NaN}', "invalid_value"),
    "half a surrogate pair": (body(user("\ud800")), "invalid_value"),
    "a mark of a medium": (body(user("<image> How many?")), "invalid_value"),
    "an assistant last": (body([*user("a"), {"role": "assistant", "content": "b"}]), "invalid_value"),
    "an assistant first": (body([{"role": "assistant", "content": "b"}, *user("a")]), "invalid_value"),
    "no content": (body([{"role": "user", "content": []}]), "invalid_value"),
    "a tool": (body([{"role": "tool", "content": "a"}]), "invalid_value"),
    "two lengths": (body(max_completion_tokens=9), "invalid_value"),
    "too long": (body(max_tokens=100_000), "invalid_value"),
    "too many": (body(n=17, temperature=1), "invalid_value"),
    "too much in all": (body(n=16, max_tokens=1_024, temperature=1, solver="direct") | {"n": 16}, ""),
    "several at temperature 0": (body(n=2), "invalid_value"),
    "top_logprobs alone": (body(top_logprobs=2), "invalid_value"),
    "an unknown solver": (body(solver="./mine.py:x"), "invalid_value"),
    "code as an option": (body(solver="best_of_n", solver_options={"select": "./m.py:x"}), "invalid_value"),
    "a schema with a pattern": (
        body(
            response_format={
                "type": "json_schema",
                "json_schema": {"name": "a", "schema": {"pattern": "(a+)+$"}},
            }
        ),
        "invalid_value",
    ),
    "a schema elsewhere": (
        body(
            response_format={
                "type": "json_schema",
                "json_schema": {"name": "a", "schema": {"$ref": "http://localhost/x"}},
            }
        ),
        "invalid_value",
    ),
}


@pytest.mark.parametrize("name", [name for name, (_, code) in BODIES.items() if code])
def test_bodies_are_refused(served: Served, name: str) -> None:
    request, code = BODIES[name]
    if not isinstance(request, bytes):
        request = json.dumps(request).encode()
    assert len(_refused(_ask(served, request), 400, code)) < 400


def test_other_refusals_have_a_status_of_their_own(served: Served) -> None:
    _refused(_ask(served, body(model="gpt-4o")), 404, "model_not_found")
    sent = b" " * (served.service.limits.max_body_bytes + 1)
    _refused(_ask(served, sent), 413, "body_too_large")
    _refused(_ask(served, b"{}", content_type="text/plain"), 400, "invalid_value")


def test_a_body_without_a_length_is_cut_off_at_the_limit(served: Served) -> None:
    """50 MB in chunks: the server answers and closes before they have all been sent."""
    head = (
        f"POST {CHAT} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {KEY}\r\n"
        "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", served.port), timeout=20) as sock:
        sock.sendall(head.encode())
        sent, chunk = 0, b"100000\r\n" + b" " * 2**20 + b"\r\n"
        try:
            while sent < 50:
                sock.sendall(chunk)
                sent += 1
        except OSError:
            assert sent >= 8
        assert b" 413 " in sock.recv(200)


def test_a_body_that_does_not_arrive_is_given_up() -> None:
    limits = replace(Limits(), body_timeout_s=0.3)
    head = f"POST {CHAT} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n"
    with (
        serving(service_of(ScriptedEngine(_answer), limits=limits)) as server,
        socket.create_connection(("127.0.0.1", server.port), timeout=20) as sock,
    ):
        sock.sendall(head.encode() + b"{")
        assert b" 408 " in sock.recv(200)


def test_a_models_template_is_rendered_in_a_sandbox_and_its_code_never_run() -> None:
    processor = AutoProcessor.from_pretrained(str(SPROUT))
    messages = [{"role": "user", "content": [{"type": "text", "text": "a"}]}]
    for template in ("{{ ''.__class__.__mro__[1].__subclasses__() }}", "{{ messages.append(1) }}"):
        processor.chat_template = template
        with pytest.raises(InputError, match="chat template refuses"):
            render(processor, messages)
    assert [path for path in SOURCES if "trust_remote_code" in path.read_text(encoding="utf-8")] == []


def test_more_requests_than_allowed_are_429_and_slow_ones_504() -> None:
    def slow(messages: Any) -> str:
        import time

        time.sleep(1.5)
        return "<answer>1</answer>"

    limits = replace(Limits(), timeout_s=0.5, max_concurrency=1)
    with serving(service_of(ScriptedEngine(slow), limits=limits)) as server:
        _refused(post(server, CHAT, body()), 504, "timeout")
        server.service.running = 1
        _refused(post(server, CHAT, body()), 429, "too_many_requests")
        server.service.running = 0


def test_an_engine_that_breaks_is_500_without_its_words() -> None:
    def broken(messages: Any) -> str:
        raise ZeroDivisionError("internal words")

    with serving(service_of(ScriptedEngine(broken))) as server:
        assert "internal words" not in _refused(post(server, CHAT, body()), 500, "internal_error")
        assert post(server, "/health")[0] == 200


@pytest.mark.parametrize("solver", ["direct", "describe_first"])
def test_a_request_that_the_engine_does_not_answer_is_an_error(solver: str) -> None:
    class Silent:
        def generate(self, conversations: Any, sampling: Any) -> Any:
            return [[Completion("the reason", "unanswered")] for _ in conversations]

    with serving(service_of(Silent(), solver=solver)) as server:
        _refused(post(server, CHAT, body()), 502, "unanswered")


def test_without_a_key_only_this_machines_names_are_answered() -> None:
    with serving(service_of(ScriptedEngine(_answer))) as server:
        _refused(post(server, CHAT, body(), host="evil.example"), 403, "host_not_allowed")
        assert post(server, CHAT, body(), host="localhost:80")[0] == 200


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--host", "0.0.0.0"], "without an API key"),
        (["--api-key", " a"], "API key"),
        (["--allowed-local-media-path", "nowhere"], "is no folder"),
        (["--solver", "nothing"], "unknown solver"),
        (["--format", "nothing"], "unknown format"),
    ],
)
def test_the_command_refuses(arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["serve", *arguments])
    assert ended.value.code == 2
    assert words in " ".join(capsys.readouterr().err.split())


def test_a_port_that_is_taken_is_said_before_the_model_is_loaded(capsys: pytest.CaptureFixture[str]) -> None:
    with bound("127.0.0.1", 0) as taken:
        taken.listen()
        with pytest.raises(SystemExit):
            main(["serve", "nowhere/to/be/found", "--port", str(taken.getsockname()[1])])
    assert "cannot listen on 127.0.0.1" in " ".join(capsys.readouterr().err.split())


def test_without_its_packages_the_command_names_the_extra(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from seethink.cli import serve

    monkeypatch.setattr(serve, "find_spec", lambda name: None)
    with pytest.raises(SystemExit):
        main(["serve"])
    assert "pip install 'seethink[serve]'" in " ".join(capsys.readouterr().err.split())
