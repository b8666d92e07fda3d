"""Conversations as the JSON of chat servers: pictures as data URLs, clips as their frames.

What is sent is put together from pieces that are JSON already, so that a picture that many calls show is
read, encoded and escaped once.
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

TAKEN = {"JPEG": "jpeg", "PNG": "png", "WEBP": "webp", "GIF": "gif", "MPO": "jpeg"}
"""Formats of files that servers take as they are, and their media types; an MPO begins with a JPEG."""
KEPT_BYTES = 256 * 2**20
"""Of encoded media in memory."""


class Wire:
    """Writes conversations. The media seen last stay encoded, up to `kept_bytes` of them."""

    def __init__(self, kept_bytes: int = KEPT_BYTES) -> None:
        self.kept_bytes, self.bytes, self.encoded = kept_bytes, 0, 0
        self.kept: OrderedDict[str, str] = OrderedDict()
        self.begun: dict[str, asyncio.Future[str]] = {}  # encoded at this moment

    async def messages(self, messages: Messages) -> str:
        """The JSON of a conversation. Raises InputError for a medium that cannot be read."""
        return f"[{','.join([await self._message(message) for message in messages])}]"

    async def _message(self, message: Message) -> str:
        parts = message["content"]
        if all(
            part["type"] == "text" for part in parts
        ):  # some servers take no list from system and assistant
            content = json.dumps("".join(part["text"] for part in parts))
        else:
            told = [
                _text(part["text"]) if part["type"] == "text" else await self._shown(part[part["type"]])
                for part in parts
            ]
            content = f"[{','.join(told)}]"
        return f'{{"role":"{message["role"]}","content":{content}}}'

    async def _shown(self, medium: Media) -> str:
        """Encoding is not this thread's work: a hundred other calls wait for it."""
        key = medium.key
        if (known := self.kept.get(key)) is not None:
            self.kept.move_to_end(key)
            return known
        if (work := self.begun.get(key)) is None:
            work = self.begun[key] = asyncio.ensure_future(asyncio.to_thread(_parts, medium))
            work.add_done_callback(lambda done: self._keep(key, done))
        return await asyncio.shield(work)

    def _keep(self, key: str, done: asyncio.Future[str]) -> None:
        del self.begun[key]
        if done.cancelled() or done.exception():
            return
        self.encoded += 1
        self.kept[key] = done.result()
        self.bytes += len(done.result())
        while self.bytes > self.kept_bytes and len(self.kept) > 1:
            self.bytes -= len(self.kept.popitem(last=False)[1])


def _parts(medium: Media) -> str:
    """The parts of a message that show a medium, as JSON with commas between them."""
    if isinstance(medium, Image):
        data, form = medium.encoded()
        if form in TAKEN:
            return _picture(data, TAKEN[form])
    seen = medium.load()
    if not isinstance(seen, Frames):
        return _picture(_written(seen, "PNG"), "png")
    # a clip's frames have been through a codec already
    frames = [_picture(_written(picture, "JPEG"), "jpeg") for picture in seen.pictures]
    times = [_text(f"{time_s:.1f} s: ") for time_s in seen.times_s]
    return ",".join(part for told in zip(times, frames, strict=True) for part in told)


def _text(text: str) -> str:
    return f'{{"type":"text","text":{json.dumps(text)}}}'


def _picture(data: bytes, kind: str) -> str:
    url = f"data:image/{kind};base64,{base64.b64encode(data).decode()}"
    return f'{{"type":"image_url","image_url":{{"url":"{url}"}}}}'


def _written(picture: PIL.Image.Image, form: str) -> bytes:
    file = io.BytesIO()
    picture.save(file, form, quality=90)
    return file.getvalue()
