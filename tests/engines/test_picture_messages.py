"""What a chat server gets of a picture: a format that it reads, upright and on white."""

import asyncio
import base64
import io
import json

import numpy as np
import PIL.Image
import pytest

from seethink.engines.openai_messages import MEDIA_TYPES, MessageEncoder
from seethink.media import Image
from seethink.media.decoding import FORMATS
from tests import picture_files as files


def sent(picture: Image) -> tuple[str, PIL.Image.Image]:
    """(media type, decoded picture) of the message that shows a picture."""
    messages = [{"role": "user", "content": [{"type": "image", "image": picture}]}]
    ((part,),) = (turn["content"] for turn in json.loads(asyncio.run(MessageEncoder().encode(messages))))
    head, data = part["image_url"]["url"].split(",")
    return head, PIL.Image.open(io.BytesIO(base64.b64decode(data)))


@pytest.mark.parametrize("file_format", FORMATS)
def test_every_format_arrives_as_one_that_servers_read(file_format):
    picture = Image.data(files.encoded(files.arrow(), file_format), "x")
    head, decoded = sent(picture)
    assert head.removeprefix("data:image/").removesuffix(";base64") in MEDIA_TYPES.values()
    assert np.array_equal(np.asarray(decoded.convert("RGB")), np.asarray(picture.load()))


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "CMYK", "I;16"])
def test_what_decoders_read_in_different_ways_is_sent_as_it_is_shown(mode):
    drawn = PIL.Image.new("RGBA", (20, 10), (200, 30, 60, 100))
    stored = {
        "I;16": lambda: PIL.Image.fromarray(np.arange(200, dtype=np.uint16).reshape(10, 20) * 20),
        "CMYK": lambda: drawn.convert("RGB").convert("CMYK"),
    }.get(mode, lambda: drawn.convert(mode))()
    picture = Image.data(files.encoded(stored, "TIFF" if mode in ("CMYK", "LA") else "PNG"), "x")
    _, decoded = sent(picture)
    assert decoded.mode == "RGB"
    assert np.array_equal(np.asarray(decoded), np.asarray(picture.load()))


def test_a_photograph_on_its_side_arrives_upright():
    exif = PIL.Image.Exif()
    exif[0x0112] = 6
    photograph = files.encoded(PIL.Image.new("RGB", (40, 30), "navy"), "JPEG", exif=exif)
    assert sent(Image.data(photograph, "x"))[1].size == (30, 40)
