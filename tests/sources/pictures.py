"""The pictures that rows of the tests name."""

import io

import PIL.Image


def png(colour=(200, 10, 10)):
    """The bytes of a PNG file."""
    buffer = io.BytesIO()
    PIL.Image.new("RGB", (64, 48), colour).save(buffer, "PNG")
    return buffer.getvalue()
