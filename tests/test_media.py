import io
import struct
import zlib

import PIL.Image
import pytest

from seethink.media import MAX_PIXELS, Image
from seethink.types import InputError, Media


def encoded(size=(40, 30), format="PNG", mode="RGB"):
    buffer = io.BytesIO()
    PIL.Image.effect_noise(size, 50).convert(mode).save(buffer, format)
    return buffer.getvalue()


def png_that_claims(width, height):
    """A header that promises more pixels than the file holds."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b""))
        + chunk(b"IEND", b"")
    )


def test_a_picture_is_a_medium_and_loads_as_rgb(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(encoded(mode="L"))
    picture = Image.file(path)
    assert isinstance(picture, Media)
    assert (picture.size(), picture.load().size, picture.load().mode) == ((40, 30), (40, 30), "RGB")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"there is no picture at .*gone\.png"):
        Image.file(tmp_path / "gone.png")
    with pytest.raises(InputError, match="there is no picture"):
        Image.file(tmp_path)


def test_a_file_that_vanished_later_is_named(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(encoded())
    picture = Image.file(path)
    path.unlink()
    with pytest.raises(InputError, match=r"a\.png cannot be read as a picture"):
        picture.load()


@pytest.mark.parametrize("content", [b"", b"not a picture at all", b"\x89PNG\r\n\x1a\n", encoded()[:20]])
def test_a_file_that_is_no_picture_is_named(tmp_path, content):
    path = tmp_path / "a.png"
    path.write_bytes(content)
    for look in (Image.file(path).size, Image.file(path).load):
        with pytest.raises(InputError, match=r"a\.png (cannot be read as a picture|is cut short)"):
            look()


@pytest.mark.parametrize("format", ["PNG", "JPEG", "BMP"])
def test_a_truncated_picture_shows_its_size_and_is_refused_when_decoded(format):
    whole = encoded(size=(200, 200), format=format)
    cut = Image.data(whole[: len(whole) // 2], "cut.img")
    assert cut.size() == (200, 200)
    with pytest.raises(InputError, match=r"cut\.img is cut short: (it has [\d,]+ bytes of at least|image)"):
        cut.load()


@pytest.mark.parametrize("format", ["PNG", "GIF", "WEBP"])
def test_of_a_picture_that_is_hardly_begun_it_is_said_that_it_is_cut_short(format):
    begun = Image.data(encoded(size=(20, 20), format=format)[:30], "cut.img")
    for look in (begun.size, begun.load):
        with pytest.raises(
            InputError, match=r"cut\.img (is cut short: it has 30 bytes of at least|is broken)"
        ):
            look()


def test_a_picture_with_bytes_of_another_is_broken_not_cut_short():
    whole = bytearray(encoded(size=(200, 200), format="PNG"))
    whole[len(whole) // 2] ^= 0xFF
    with pytest.raises(InputError, match=r"bad\.png is broken: "):
        Image.data(bytes(whole), "bad.png").load()


@pytest.mark.parametrize("side", [15_000, 60_000])
def test_a_decompression_bomb_is_refused_before_it_is_decoded(side):
    assert side * side > MAX_PIXELS
    bomb = Image.data(png_that_claims(side, side), "bomb.png")
    for look in (bomb.size, bomb.load):
        with pytest.raises(InputError, match=r"bomb\.png"):
            look()


def test_the_size_is_read_from_the_header_alone():
    assert Image.data(png_that_claims(4_000, 3_000), "header.png").size() == (4_000, 3_000)


@pytest.mark.parametrize("form", ["PNG", "JPEG"])
def test_the_bytes_of_a_picture_are_handed_on_as_they_are(tmp_path, form):
    path = tmp_path / "a.img"
    path.write_bytes(encoded(format=form))
    assert Image.file(path).encoded() == (path.read_bytes(), form)
    assert Image.data(path.read_bytes(), "here").encoded() == (path.read_bytes(), form)


def test_a_drawn_picture_is_handed_on_as_png():
    drawn = PIL.Image.effect_noise((40, 30), 50).convert("RGB")
    data, form = Image.drawn("noise", lambda: drawn).encoded()
    assert form == "PNG"
    assert PIL.Image.open(io.BytesIO(data)).tobytes() == drawn.tobytes()


def test_a_drawn_picture_is_drawn_on_load():
    drawn = []

    def draw():
        drawn.append(1)
        return PIL.Image.new("L", (8, 4))

    picture = Image.drawn("world/0", draw)
    assert (drawn, picture.key, picture.where) == ([], "world/0", "world/0")
    assert (picture.load().size, picture.load().mode) == ((8, 4), "RGB")
    assert len(drawn) == 2


def test_pictures_are_equal_by_key(tmp_path):
    data = encoded()
    assert Image.data(data, "here") == Image.data(data, "there")
    assert len({Image.data(data, "here"), Image.data(data, "there")}) == 1
    assert Image.data(data, "here") != Image.data(encoded(), "here")
    path = tmp_path / "a.png"
    path.write_bytes(data)
    before = Image.file(path)
    assert before == Image.file(path)
    path.write_bytes(encoded(size=(50, 50)))
    assert before != Image.file(path)
