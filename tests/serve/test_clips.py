"""Clips of requests: what takes too long to decode is refused on the way, and given up with its request."""

from __future__ import annotations

import asyncio
import threading
import time
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import aiohttp
import pytest

from seethink.engines.scripted import ScriptedEngine
from seethink.serve import service as service_module
from seethink.serve.errors import ApiError
from seethink.serve.limits import Limits
from seethink.serve.media_parts import MediaOpener
from seethink.serve.watched_clip import Watch
from tests.films import Film
from tests.serve.served import Served, body, data_uri, post, service_of, serving

CHAT = "/v1/chat/completions"
FRAMES = 120


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A clip of which all frames must be decoded to find its last ones: only the first is a key frame."""
    film = Film("mp4", "mpeg4", count=FRAMES, options={"g": "1000", "sc_threshold": "1000000000"})
    path = film.write(tmp_path_factory.mktemp("clips") / "a.mp4")
    return data_uri(path.read_bytes(), "video/mp4")


def _request(url: str) -> dict[str, Any]:
    part = {"type": "video_url", "video_url": {"url": url}}
    return body([{"role": "user", "content": [part, {"type": "text", "text": "What moves?"}]}])


def _service(**limits: Any) -> Any:
    engine = ScriptedEngine(lambda messages: "so</think><answer>42</answer>")
    return service_of(engine, limits=replace(Limits(), **limits))


@pytest.mark.parametrize(
    ("limits", "code", "words"),
    [
        ({"max_decoded_frames": FRAMES // 2}, "video_too_long", "more than 60 frames of the clip"),
        ({"max_decode_s": 0.0}, "video_too_long", "decoding the clip takes more than 0 s"),
        ({"max_clip_s": 2.0}, "video_too_long", "the clip lasts 5 s, more than 2"),
        ({"max_image_px": 3_000}, "video_too_large", "64 x 48 pixels"),
    ],
)
def test_a_clip_beyond_a_limit_is_refused(url: str, limits: dict[str, Any], code: str, words: str) -> None:
    with serving(_service(**limits)) as server:
        status, answer = post(server, CHAT, _request(url))
    assert status == 400 and answer["error"]["code"] == code and words in answer["error"]["message"]
    assert answer["error"]["param"] == "messages[0].content[0]"


def test_frames_that_grow_on_the_way_are_refused_and_packets_are_no_frames() -> None:
    watch = Watch(replace(Limits(), max_image_px=100, max_decoded_frames=2), threading.Event(), "clip")
    for frame in (None, None, None, SimpleNamespace(width=10, height=10)):
        watch(frame)
    with pytest.raises(ApiError, match="11 x 10 pixels"):
        watch(SimpleNamespace(width=11, height=10))


def test_a_clip_within_the_limits_is_decoded_unless_its_request_is_cancelled(url: str) -> None:
    limits = replace(Limits(), max_decoded_frames=2 * FRAMES)
    assert len(MediaOpener(limits).clip(url, "clip").load().pictures) == limits.num_frames
    opener = MediaOpener(Limits())
    opener.cancelled.set()
    with pytest.raises(ApiError, match="the client has gone"):
        opener.clip(url, "clip")


# Requests that nobody waits for -------------------------------------------------------------------------


@pytest.fixture
def ended(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Clips never end; set when the decoding of one is given up."""
    given_up = threading.Event()

    class Endless(MediaOpener):
        def clip(self, url: str, param: str) -> Any:
            watch = Watch(self.limits, self.cancelled, param)
            try:
                while True:
                    watch(None)
                    time.sleep(0.01)
            finally:
                given_up.set()

    monkeypatch.setattr(service_module, "MediaOpener", Endless)
    return given_up


def test_a_request_that_is_too_late_stops_decoding(url: str, ended: threading.Event) -> None:
    with serving(_service(timeout_s=0.5, max_decode_s=600.0)) as server:
        assert post(server, CHAT, _request(url))[0] == 504
        assert ended.wait(60)


def test_a_client_that_hangs_up_stops_decoding(url: str, ended: threading.Event) -> None:
    async def hang_up(server: Served) -> None:
        timeout = aiohttp.ClientTimeout(total=1)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            with pytest.raises(TimeoutError):
                await session.post(f"{server.url}{CHAT}", json=_request(url))

    with serving(_service(max_decode_s=600.0)) as server:
        asyncio.run(hang_up(server))
        assert ended.wait(60)
