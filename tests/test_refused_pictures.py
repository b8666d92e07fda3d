"""Files that are not read as a picture: each is refused with a sentence that says what it is."""

import zlib

import numpy as np
import PIL.Image
import pytest

from seethink.media import Image, Video
from seethink.media.decoding import FORMATS
from seethink.types import InputError
from tests import picture_files as files


@pytest.mark.parametrize(("side", "size"), [(13_000, "13000 x 13000"), (20_000, "400,000,000")])
def test_a_huge_picture_is_refused_by_one_limit(side, size):
    """Pillow's own limit lies between the two."""
    data = files.png(np.zeros((1, 1, 1)), 8, 0).replace(
        files.chunk(b"IHDR", (1).to_bytes(4) * 2 + b"\x08\0\0\0\0"),
        files.chunk(b"IHDR", side.to_bytes(4) * 2 + b"\x08\0\0\0\0"),
    )
    with pytest.raises(InputError, match=rf"^it has {size} pixels, more than 150,000,000$"):
        Image.data(data, "it").size()


@pytest.mark.parametrize(
    ("data", "match"),
    [
        (b"", "empty"),
        (b'<?xml version="1.0"?>\n<!-- drawn -->\n<svg xmlns="x"></svg>', "SVG drawing.*rsvg-convert"),
        (b"<svg></svg>", "SVG drawing"),
        (b"<!DOCTYPE html><html><svg/></html>", "web page"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "HEIC picture.*heif-convert"),
        (b"\0\0\0\x18ftypmif1\0\0\0\0", "HEIC picture"),
        (b"\0\0\0\x18ftypisom\0\0\0\0", "video; give it as a clip"),
        (b"%PDF-1.7\n", "PDF document.*pdftoppm"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "PostScript drawing.*gs -dEPSCrop"),
        (b"8BPS\0\1", "Photoshop"),
        (b"\xff\x0a\xfa\x7f", "JPEG XL picture.*djxl"),
        (b"\0\0\1\0\1\0\x10\x10", "icon"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:1\n", "Git LFS pointer"),
        (b"PK\3\4", "archive"),
        (b"\xef\xbb\xbf\r\n<!DOCTYPE html>", "web page, such as of an error; download the file"),
        (b"<!-- 404 -->\n<!-- b --><html>", "web page"),
        (b"<head><title>403 Forbidden</title></head>", "web page"),
        (b'<?xml version="1.0"?>\n<Error><Code>AccessDenied</Code></Error>', "failed download"),
        (b'{"error": "not found"}', "failed download"),
        (b"Not Found", "failed download"),
        (b"<svg:svg xmlns:svg='x'/>", "SVG drawing"),
        ('<?xml version="1.0"?><svg></svg>'.encode("utf-16"), "SVG drawing"),
        (b"\0" * 500, "all zero, as an unfinished download"),
        (b"\0\0\0\x18ftypheix\0\0\0\0mif1heic", "HEIC picture"),
        (b"\0\0\0\x1cftypavif\0\0\0\0avifmif1miaf" + bytes(40), "AVIF picture"),
        (b"not a picture at all", "no picture format that is read"),
    ],
)
def test_what_is_no_readable_picture_is_named_with_its_mend(data, match):
    for look in (Image.data(data, "a.x").size, Image.data(data, "a.x").load, Image.data(data, "a.x").encoded):
        with pytest.raises(InputError, match=rf"a\.x cannot be read as a picture: it.*{match}"):
            look()


@pytest.mark.parametrize(
    "file_format", ["TGA", "PCX", "ICO", "SGI", "DDS", "EPS", "PDF", "IM", "MSP", "XBM", "ICNS", "SPIDER"]
)
def test_decoders_that_are_not_listed_are_never_called(file_format):
    picture = PIL.Image.new({"MSP": "1", "XBM": "1", "SPIDER": "F"}.get(file_format, "RGB"), (32, 32))
    with pytest.raises(InputError, match="cannot be read as a picture"):
        Image.data(files.encoded(picture, file_format), "a.x").load()


@pytest.mark.parametrize("file_format", ["GIF", "WEBP", "PNG", "AVIF"])
def test_an_animation_is_no_picture(file_format):
    pages = [PIL.Image.new("RGB", (20, 10), colour) for colour in ("red", "lime", "blue")]
    data = files.encoded(pages[0], file_format, save_all=True, append_images=pages[1:], duration=100)
    for look in (Image.data(data, "a.x").size, Image.data(data, "a.x").load):
        with pytest.raises(InputError, match=r"a\.x is an animation.*give it as a clip"):
            look()
    still = files.encoded(pages[0], file_format, save_all=True)
    assert Image.data(still, "a.x").load().size == (20, 10)


def test_a_document_of_several_pages_is_no_picture():
    pages = [PIL.Image.new("L", (20, 10), shade) for shade in (10, 20, 30)]
    data = files.encoded(pages[0], "TIFF", save_all=True, append_images=pages[1:])
    with pytest.raises(InputError, match=r"scan\.tif has 3 pages; save the page"):
        Image.data(data, "scan.tif").load()


def test_the_reduced_versions_in_a_tiff_are_no_pages():
    page, overview = PIL.Image.new("L", (20, 10), 99), PIL.Image.new("L", (10, 5), 99)
    overview.encoderinfo = {"tiffinfo": {254: 1}}
    data = files.encoded(page, "TIFF", save_all=True, append_images=[overview])
    assert Image.data(data, "map.tif").load().size == (20, 10)


def test_the_first_picture_of_a_phone_is_the_picture():
    pages = [PIL.Image.new("RGB", size, "navy") for size in ((40, 30), (8, 6))]
    data = files.encoded(pages[0], "MPO", save_all=True, append_images=pages[1:])
    picture = Image.data(data, "phone.jpg")
    assert (picture.size(), picture.load().size, picture.encoded()) == ((40, 30), (40, 30), (data, "JPEG"))


def test_texts_that_swell_are_refused_with_a_sentence():
    swollen = b"Comment\0\0" + zlib.compress(b"a" * 20_000_000)
    bomb = files.png(np.zeros((4, 4, 1), int), 8, 0, before=(files.chunk(b"zTXt", swollen),))
    with pytest.raises(InputError, match=r"bomb\.png cannot be read as a picture"):
        Image.data(bomb, "bomb.png").load()


@pytest.mark.parametrize("file_format", [name for name in FORMATS if name != "MPO"])
def test_a_broken_file_is_a_sentence_wherever_it_is_cut_or_changed(file_format):
    rng = np.random.default_rng(0)
    whole = files.encoded(PIL.Image.effect_noise((40, 30), 80).convert("RGB"), file_format)
    for trial in range(60):
        data = bytearray(whole[: rng.integers(1, len(whole))] if trial % 2 else whole)
        for _ in range(trial % 5):
            data[rng.integers(len(data))] = rng.integers(256)
        picture = Image.data(bytes(data), "cut.x")
        try:
            assert picture.size() == picture.load().size
        except InputError as error:
            assert "cut.x" in str(error)


@pytest.mark.parametrize(
    ("data", "match"),
    [
        (b"", "it is empty; download or copy it again"),
        (b"<!DOCTYPE html><html></html>", "it is a web page, such as of an error; download the file itself"),
        (b'{"error": "not found"}', "it is a text, such as of a failed download"),
        (b"version https://git-lfs.github.com/spec/v1\n", "it is a Git LFS pointer"),
        (b"\0" * 500, "its first bytes are all zero"),
        (b"no clip at all", "Invalid data"),
    ],
)
def test_what_is_no_clip_is_named_with_its_mend(tmp_path, data, match):
    (tmp_path / "film.mp4").write_bytes(data)
    with pytest.raises(InputError, match=rf"film\.mp4 cannot be read as a clip: {match}"):
        Video(tmp_path / "film.mp4", num_frames=2).load()
