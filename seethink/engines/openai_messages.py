"""Conversations as the JSON of chat servers: pictures as data URLs, clips as their frames.

The JSON is assembled from JSON fragments, so that a picture that many requests show is read, encoded and
escaped once.
"""

from __future__ import annotations

import asyncio
import base64
import io
import json
from collections import OrderedDict

import PIL.Image

from seethink.media import Frames, Image
from seethink.types import Media, Message, Messages

MEDIA_TYPES = {"JPEG": "jpeg", "PNG": "png", "WEBP": "webp", "GIF": "gif"}
"""File formats that servers read, with their media types."""
CACHE_BYTES = 256 * 2**20


class MessageEncoder:
    """Encodes conversations, with an LRU cache of encoded media.

    max_cache_bytes: of `cache`. n_encoded: media encoded so far.
    """

    def __init__(self, max_cache_bytes: int = CACHE_BYTES) -> None:
        self.max_cache_bytes, self.cache_bytes, self.n_encoded = max_cache_bytes, 0, 0
        self.cache: OrderedDict[str, str] = OrderedDict()
        self._pending: dict[str, asyncio.Future[str]] = {}

    async def encode(self, messages: Messages) -> str:
        """The JSON of a conversation. Raises InputError for a medium that cannot be read."""
        return f"[{','.join([await self._message(message) for message in messages])}]"

    async def _message(self, message: Message) -> str:
        parts = message["content"]
        if all(part["type"] == "text" for part in parts):  # some servers take lists from users only
            content = json.dumps("".join(part["text"] for part in parts))
        else:
            encoded = [
                _text_part(part["text"]) if part["type"] == "text" else await self._medium(part[part["type"]])
                for part in parts
            ]
            content = f"[{','.join(encoded)}]"
        return f'{{"role":"{message["role"]}","content":{content}}}'

    async def _medium(self, medium: Media) -> str:
        """The parts that show a medium; encoded in a worker thread, so that other requests go on."""
        key = medium.key
        if (known := self.cache.get(key)) is not None:
            self.cache.move_to_end(key)
            return known
        if (work := self._pending.get(key)) is None:
            work = self._pending[key] = asyncio.ensure_future(asyncio.to_thread(_medium_parts, medium))
            work.add_done_callback(lambda done: self._store(key, done))
        return await asyncio.shield(work)

    def _store(self, key: str, done: asyncio.Future[str]) -> None:
        del self._pending[key]
        if done.cancelled() or done.exception():
            return
        self.n_encoded += 1
        self.cache[key] = done.result()
        self.cache_bytes += len(done.result())
        while self.cache_bytes > self.max_cache_bytes and len(self.cache) > 1:
            self.cache_bytes -= len(self.cache.popitem(last=False)[1])


def _medium_parts(medium: Media) -> str:
    """The parts of a message that show a medium, as comma-separated JSON objects."""
    if isinstance(medium, Image):
        data, file_format = medium.encoded(MEDIA_TYPES)
        return _image_part(data, MEDIA_TYPES[file_format])
    loaded = medium.load()
    if not isinstance(loaded, Frames):
        return _image_part(_encoded(loaded, "PNG"), "png")
    # JPEG: the frames of a clip have been compressed with losses already
    frames = [_image_part(_encoded(picture, "JPEG"), "jpeg") for picture in loaded.pictures]
    times = [_text_part(f"{time_s:.1f} s: ") for time_s in loaded.times_s]
    return ",".join(part for pair in zip(times, frames, strict=True) for part in pair)


def _text_part(text: str) -> str:
    return f'{{"type":"text","text":{json.dumps(text)}}}'


def _image_part(data: bytes, media_type: str) -> str:
    url = f"data:image/{media_type};base64,{base64.b64encode(data).decode()}"
    return f'{{"type":"image_url","image_url":{{"url":"{url}"}}}}'


def _encoded(picture: PIL.Image.Image, file_format: str) -> bytes:
    file = io.BytesIO()
    picture.save(file, file_format, quality=90)
    return file.getvalue()
