"""What a picture file shows: upright, on white, with all its shades. The tests compute the right pixels."""

import io
import itertools
import struct

import numpy as np
import PIL.Image
import pytest

from seethink.media import Image
from seethink.media.decoding import FORMATS
from seethink.media.image import scales_named
from seethink.types import InputError
from tests import picture_files as files


def shown(data: bytes) -> np.ndarray:
    """(H, W, 3) pixels; the size of the header and what goes over the wire must agree with them."""
    picture = Image.data(data, "the picture")
    loaded = picture.load()
    assert (loaded.mode, picture.size()) == ("RGB", loaded.size)
    wire, _ = picture.encoded()
    plain = PIL.Image.open(io.BytesIO(wire))
    assert plain.size == loaded.size and not plain.has_transparency_data
    assert plain.getexif().get(0x0112, 1) not in range(2, 9)
    assert np.array_equal(np.asarray(plain.convert("RGB")), np.asarray(loaded))
    return np.asarray(loaded).astype(int)


# Orientation ----------------------------------------------------------------------------------------------


def turned(orientation: int, file_format: str, **options) -> bytes:
    """The arrow as a camera stores it in this orientation."""
    stored = PIL.Image.fromarray(files.STORED_AS[orientation](np.asarray(files.arrow())).copy())
    exif = PIL.Image.Exif()
    exif[0x0112] = orientation
    return files.encoded(stored, file_format, exif=exif, **options)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize(
    ("file_format", "options"),
    [
        ("JPEG", {"quality": 95, "subsampling": 0}),
        ("PNG", {}),
        ("WEBP", {"lossless": True}),
        ("TIFF", {}),
        ("TIFF", {"compression": "tiff_lzw"}),
        ("TIFF", {"compression": "tiff_deflate"}),
    ],
)
def test_a_picture_is_upright_in_every_orientation_and_format(orientation, file_format, options):
    pixels = shown(turned(orientation, file_format, **options))
    assert np.abs(pixels - np.asarray(files.arrow()).astype(int)).max() <= (6 if file_format == "JPEG" else 0)


@pytest.mark.parametrize("orientation", [1, 3, 6])
def test_an_orientation_behind_the_pixels_of_a_png_counts(orientation):
    stored = files.STORED_AS[orientation](np.asarray(files.arrow()))
    late = files.png(stored, 8, 2, after=(files.chunk(b"eXIf", files.exif(orientation)),))
    assert np.array_equal(shown(late), np.asarray(files.arrow()))


@pytest.mark.parametrize("place", ["before", "after"])
def test_an_orientation_in_xmp_counts(place):
    xmp = b'XML:com.adobe.xmp\0\0\0\0\0<x:xmpmeta><d tiff:Orientation="6"/></x:xmpmeta>'
    stored = files.STORED_AS[6](np.asarray(files.arrow()))
    assert np.array_equal(
        shown(files.png(stored, 8, 2, **{place: (files.chunk(b"iTXt", xmp),)})), np.asarray(files.arrow())
    )


@pytest.mark.parametrize("value", [0, 9, 1000])
def test_an_orientation_that_does_not_exist_is_upright(value):
    pixels = np.asarray(files.arrow())
    assert np.array_equal(
        shown(files.png(pixels, 8, 2, before=(files.chunk(b"eXIf", files.exif(value)),))), pixels
    )


@pytest.mark.parametrize("block", [b"", b"x", b"Exif\0\0", b"MM\0*\xff\xff\xff\xff", files.exif(6)[:12]])
def test_a_broken_exif_block_leaves_the_picture_as_it_is_stored(block):
    pixels = np.asarray(files.arrow())
    assert np.array_equal(
        np.asarray(Image.data(files.png(pixels, 8, 2, before=(files.chunk(b"eXIf", block),)), "x").load()),
        pixels,
    )


def test_the_size_of_a_turned_picture_is_read_without_decoding_it():
    exif = PIL.Image.Exif()
    exif[0x0112] = 6
    photograph = files.encoded(PIL.Image.effect_noise((400, 300), 50), "JPEG", exif=exif)
    assert Image.data(photograph[: len(photograph) // 2], "cut.jpg").size() == (300, 400)


def test_a_downscaled_picture_is_upright():
    small = Image.data(turned(6, "JPEG"), "x").fit(24 * 16)
    assert small.size() == small.load().size == (24, 16)
    assert small.load().getpixel((2, 2))[0] > 200 and small.load().getpixel((20, 2))[1] > 200


def test_a_large_turned_photograph_stays_small_on_the_wire():
    noise = PIL.Image.effect_noise((2_000, 1_000), 60).convert("RGB")
    exif = PIL.Image.Exif()
    exif[0x0112] = 8
    stored = files.encoded(noise, "JPEG", quality=90, exif=exif)
    picture = Image.data(stored, "x")
    data, file_format = picture.encoded()
    assert file_format == "JPEG" and len(data) < 3 * len(stored)
    sent = np.asarray(PIL.Image.open(io.BytesIO(data))).astype(int)
    assert sent.shape == (2_000, 1_000, 3)
    assert np.abs(sent - np.asarray(picture.load())).mean() < 3


# Transparency ---------------------------------------------------------------------------------------------

RAMP = np.arange(256, dtype=np.uint8).reshape(16, 16)
COLOURS = np.stack([RAMP, RAMP[::-1], RAMP.T], -1)
ALPHA = np.roll(RAMP, 100)


@pytest.mark.parametrize(
    ("file_format", "options"), [("PNG", {}), ("WEBP", {"lossless": True, "exact": True}), ("TIFF", {})]
)
def test_transparent_colours_are_composited_on_white(file_format, options):
    stored = PIL.Image.fromarray(np.dstack([COLOURS, ALPHA]), "RGBA")
    pixels = shown(files.encoded(stored, file_format, **options))
    assert np.abs(pixels - files.on_white(COLOURS.astype(float), ALPHA / 255)).max() <= 1


@pytest.mark.parametrize("file_format", ["PNG", "TIFF"])
def test_transparent_grey_is_composited_on_white(file_format):
    stored = PIL.Image.merge("LA", [PIL.Image.fromarray(RAMP), PIL.Image.fromarray(ALPHA)])
    pixels = shown(files.encoded(stored, file_format))
    assert np.abs(pixels - files.on_white(np.dstack([RAMP] * 3).astype(float), ALPHA / 255)).max() <= 1


@pytest.mark.parametrize("depth", [1, 2, 4, 8])
@pytest.mark.parametrize("clear", ["one index", "many", "all", "none"])
def test_a_palette_with_transparency_is_composited_on_white(depth, clear):
    n = 2**depth
    palette = np.random.default_rng(depth).integers(0, 256, (n, 3))
    alphas = {
        "one index": np.where(np.arange(n) == n // 2, 0, 255),
        "many": np.arange(n) * 255 // n,
        "all": np.zeros(n, int),
        "none": np.full(n, 255),
    }[clear]
    index = np.random.default_rng(1).integers(0, n, (9, 13))
    chunks = (
        files.chunk(b"PLTE", palette.astype(np.uint8).tobytes()),
        files.chunk(b"tRNS", alphas.astype(np.uint8).tobytes()),
    )
    expected = files.on_white(palette[index].astype(float), alphas[index] / 255)
    assert np.abs(shown(files.png(index[..., None], depth, 3, chunks)) - expected).max() <= 1


@pytest.mark.parametrize("depth", [1, 2, 4, 8, 16])
def test_a_transparent_grey_shows_white_and_the_others_stay(depth):
    top = 2**depth - 1
    samples = np.random.default_rng(depth).integers(0, top + 1, (9, 13))
    samples[0, 0], clear = top, samples[4, 5]
    data = files.png(samples[..., None], depth, 0, (files.chunk(b"tRNS", struct.pack(">H", clear)),))
    expected = np.where(samples == clear, 255, np.rint(samples * 255 / top))
    assert np.abs(shown(data)[..., 0] - expected).max() <= 1


@pytest.mark.parametrize("depth", [8, 16])
def test_a_transparent_colour_shows_white_and_the_others_stay(depth):
    top = 2**depth - 1
    samples = np.random.default_rng(depth).integers(0, top + 1, (9, 13, 3))
    samples[0, 0], clear = top, samples[4, 5].copy()
    samples[1, 1] = clear + np.array([0, 0, 1 if clear[2] < top else -1])  # a neighbour is opaque
    data = files.png(samples, depth, 2, (files.chunk(b"tRNS", struct.pack(">HHH", *clear)),))
    expected = np.where((samples == clear).all(-1)[..., None], 255, np.rint(samples * 255 / top))
    assert np.abs(shown(data) - expected).max() <= 1


def test_black_ink_on_clear_ground_is_black_on_white_in_a_gif():
    page = PIL.Image.new("P", (20, 10), 0)
    page.putpalette([0, 0, 0, 0, 0, 0])  # ground and ink are the same black
    page.paste(1, (5, 2, 9, 8))
    pixels = shown(files.encoded(page, "GIF", transparency=0))
    assert (pixels[3, 6].tolist(), pixels[0, 0].tolist()) == ([0, 0, 0], [255, 255, 255])


# Sixteen bits ---------------------------------------------------------------------------------------------


def grey_png(samples):
    return files.png(samples[..., None], 16, 0)


def compressed_tiff(samples):
    return files.encoded(PIL.Image.fromarray(samples.astype(np.uint16)), "TIFF", compression="tiff_lzw")


def pgm(samples):
    return b"P5 %d %d 65535\n" % samples.shape[::-1] + samples.astype(">u2").tobytes()


def plain_pgm(samples):
    return b"P2 %d %d 65535\n" % samples.shape[::-1] + b" ".join(b"%d" % x for x in samples.flat) + b"\n"


GREY_FILES = {
    "png": grey_png,
    "tiff": lambda x: files.tiff(x.astype(np.uint16)),
    "big-endian tiff": lambda x: files.tiff(x.astype(np.uint16), order=">"),
    "signed tiff": lambda x: files.tiff((x // 2).astype(np.int16), 2),
    "signed big-endian tiff": lambda x: files.tiff((x // 2).astype(np.int16), 2, order=">"),
    "compressed tiff": compressed_tiff,
    "pgm": pgm,
    "plain pgm": plain_pgm,
    "jpeg 2000": lambda x: files.encoded(
        PIL.Image.fromarray(x.astype(np.uint16)), "JPEG2000", irreversible=False
    ),
}


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
@pytest.mark.parametrize("kind", GREY_FILES)
def test_a_16_bit_ramp_keeps_its_shades(kind, bits):
    ramp = np.linspace(0, 2**bits - 1, 4096).round().astype(int).reshape(64, 64)
    loaded = Image.data(GREY_FILES[kind](ramp), kind).load()
    n = 128 if (bits, kind[:6]) == (8, "signed") else 256  # half of 256 integers are 128
    grey = np.asarray(loaded)[..., 0].reshape(-1).astype(int)
    assert len({*grey}) == n and (np.diff(grey) >= 0).all()
    assert grey[0] == 0 and grey[-1] >= 254 - 127 * (n == 128)
    assert loaded.info["white"] == 2 ** (bits - (kind[:6] == "signed" and bits > 8)) - 1


@pytest.mark.parametrize("bits", [8, 10, 12, 15, 16])
@pytest.mark.parametrize("kind", ["png", "tiff", "big-endian tiff", "ppm"])
def test_a_16_bit_ramp_of_colours_keeps_its_shades(kind, bits):
    ramp = np.linspace(0, 2**bits - 1, 4096).round().astype(int).reshape(64, 64)
    samples = np.stack([ramp, ramp[::-1], ramp.T], -1)
    data = {
        "png": lambda: files.png(samples, 16, 2),
        "tiff": lambda: files.tiff(samples.astype(np.uint16)),
        "big-endian tiff": lambda: files.tiff(samples.astype(np.uint16), order=">"),
        "ppm": lambda: b"P6 64 64 65535\n" + samples.astype(">u2").tobytes(),
    }[kind]()
    assert np.abs(shown(data) - samples * 255 / (2**bits - 1)).max() <= 1
    assert Image.data(data, kind).load().info["white"] == 2**bits - 1


@pytest.mark.parametrize("bits", [12, 16])
def test_16_bit_transparency_is_composited_on_white(bits):
    ramp = np.linspace(0, 2**bits - 1, 4096).round().astype(int).reshape(64, 64)
    alpha = np.linspace(0, 65535, 4096).round().astype(int).reshape(64, 64).T
    for samples, colour in (
        (np.stack([ramp, ramp[::-1], ramp.T, alpha], -1), 6),
        (np.stack([ramp, alpha], -1), 4),
    ):
        inks = np.broadcast_to(samples[..., :-1], (64, 64, 3)) * 255 / (2**bits - 1)
        assert np.abs(shown(files.png(samples, 16, colour)) - files.on_white(inks, alpha / 65535)).max() <= 2


def test_a_maximum_that_a_file_declares_is_its_white():
    ramp = np.arange(1000).reshape(25, 40)  # a quarter of the range
    data = b"P5 40 25 4095\n" + ramp.astype(">u2").tobytes()
    assert np.abs(shown(data)[..., 0] - ramp * 255 / 4095).max() <= 1


def test_white_is_zero_where_a_tiff_says_so():
    ramp = np.linspace(0, 4095, 256).astype(np.uint16).reshape(16, 16)
    assert (
        np.abs(
            shown(files.tiff(ramp, white_is_zero=True))[..., 0] - (255 - ramp.astype(int) * 255 / 4095)
        ).max()
        <= 1
    )


@pytest.mark.parametrize(
    ("data", "match"),
    [
        (files.tiff(np.ones((4, 4), np.float32), 3), "floating-point samples"),
        (files.tiff(np.ones((4, 4), np.float32), 3, order=">"), "floating-point samples"),
        (b"Pf 2 2 -1.0\n" + np.ones(4, "<f4").tobytes(), "floating-point samples"),
        (files.tiff(np.ones((4, 4), np.uint32)), "32-bit samples"),
        (files.tiff(np.ones((4, 4), np.int32), 2), "32-bit samples"),
    ],
)
def test_samples_without_a_scale_are_refused_by_the_header_already(data, match):
    for look in (Image.data(data, "depth.tif").size, Image.data(data, "depth.tif").load):
        with pytest.raises(InputError, match=f"depth.tif has {match}, .*convert it"):
            look()


def test_negative_samples_are_refused():
    with pytest.raises(InputError, match=r"scan\.tif has negative samples, down to -5; convert it"):
        Image.data(files.tiff(np.full((4, 4), -5, np.int16), 2), "scan.tif").load()


def test_the_scale_is_logged_once(caplog, monkeypatch):
    monkeypatch.setattr("seethink.media.image._SAID", set())
    for name in ("a.png", "b.png"):
        Image.data(grey_png(np.arange(4096).reshape(64, 64)), name).load()
    assert [record.getMessage() for record in caplog.records] == [
        "a.png has 16 bits a sample: 0 is shown black, 4,095 white; `seethink check --decode` names every "
        "such picture"
    ]


def test_the_scale_is_not_logged_where_every_picture_is_named(caplog, monkeypatch):
    monkeypatch.setattr("seethink.media.image._SAID", set())
    with scales_named():
        Image.data(grey_png(np.arange(4096).reshape(64, 64)), "a.png").load()
    assert not caplog.records


# Other modes ----------------------------------------------------------------------------------------------


def test_inks_of_a_printed_page_become_colours():
    cmyk = np.stack([RAMP, RAMP[::-1], RAMP.T, np.roll(RAMP, 30) // 2], -1)
    picture = PIL.Image.fromarray(cmyk, "CMYK")
    expected = (255 - cmyk[..., :3].astype(float)) * (255 - cmyk[..., 3:]) / 255
    for file_format, options in (
        ("TIFF", {}),
        ("JPEG", {"quality": 100}),
    ):  # Adobe's JPEG holds inverted inks
        assert np.abs(shown(files.encoded(picture, file_format, **options)) - expected).mean() < 3


def test_lab_grey_is_grey():
    lightness = PIL.Image.merge("LAB", [PIL.Image.new("L", (8, 8), v) for v in (0, 128, 128)])
    assert shown(files.encoded(lightness, "TIFF")).max() <= 2
    white = PIL.Image.merge("LAB", [PIL.Image.new("L", (8, 8), v) for v in (255, 128, 128)])
    assert shown(files.encoded(white, "TIFF")).min() >= 250


MODES = (
    "1",
    "L",
    "LA",
    "P",
    "PA",
    "RGB",
    "RGBA",
    "CMYK",
    "YCbCr",
    "LAB",
    "HSV",
    "I;16",
    "RGBX",
    "La",
    "RGBa",
)


@pytest.mark.parametrize(("file_format", "mode"), list(itertools.product(FORMATS, MODES)))
def test_every_mode_that_a_format_can_hold_loads_as_its_own_pixels(file_format, mode):
    """Against a conversion of the picture before it was saved, as far as that format is lossless."""
    source = PIL.Image.fromarray(np.dstack([COLOURS, ALPHA]), "RGBA")
    source = PIL.Image.fromarray(RAMP.astype(np.uint16) * 257) if mode == "I;16" else _converted(source, mode)
    options = {"WEBP": {"lossless": True, "exact": True}, "JPEG2000": {"irreversible": False}}
    try:
        data = files.encoded(source, file_format, **options.get(file_format, {}))
        stored = PIL.Image.open(io.BytesIO(data))
        stored.load()
    except (OSError, KeyError, ValueError):
        return  # the format has no such mode
    alpha = (
        np.asarray(stored.convert("RGBA"))[..., 3] / 255
        if stored.has_transparency_data
        else np.ones((16, 16))
    )
    if stored.mode.startswith("I"):
        inks = np.dstack([RAMP] * 3)
    else:
        inks = np.asarray(
            stored.convert("RGBA").convert("RGB") if stored.has_transparency_data else stored.convert("RGB")
        )
    pixels = np.asarray(Image.data(data, "x").load()).astype(int)
    assert np.abs(pixels - files.on_white(inks.astype(float), alpha)).max() <= 1


def _converted(picture: PIL.Image.Image, mode: str) -> PIL.Image.Image:
    if mode == "La":
        return picture.convert("LA").convert("La")
    if mode in ("LAB", "HSV", "YCbCr", "CMYK"):
        return picture.convert("RGB").convert(mode)
    return picture.convert(mode)
