"""Pictures as people give them, in the rows of every dialect: paths, base64, data URIs, URLs, animations."""

import base64
import io
import json
import textwrap
from urllib.parse import quote

import numpy
import PIL.Image
import pytest

from seethink.check import Preflight, check
from seethink.formats import THINK_ANSWER
from seethink.media import Image, Video, given
from seethink.sources.preferences import read_pairs
from seethink.sources.records import read
from seethink.sources.writing import write
from seethink.types import InputError
from tests import picture_files as files

PNG = files.encoded(PIL.Image.effect_noise((48, 32), 90).convert("RGB"), "PNG")
BARE = base64.b64encode(PNG).decode()
WRITTEN = {
    "bare": BARE,
    "without padding": BARE.rstrip("="),
    "in lines": textwrap.fill(BARE, 76),
    "in lines of Windows": "\r\n".join(textwrap.wrap(BARE, 64)) + "\r\n",
    "URL-safe": base64.urlsafe_b64encode(PNG).decode(),
    "data URI": f"data:image/png;base64,{BARE}",
    "data URI with a parameter": f"data:image/png;charset=utf-8;base64,{BARE}",
    "data URI without a type": f"data:;base64,{BARE}",
    "data URI in lines": f"data:image/png;base64,\n{textwrap.fill(BARE, 76)}",
    "escaped data URI": "data:image/png;base64," + quote(BARE, safe=""),
    "DATA URI": f"DATA:IMAGE/PNG;BASE64,{BARE}",
}
ROWS = {
    "plain": lambda p: {"image": p, "question": "How many?", "answer": "3"},
    "plain, several": lambda p: {"images": [p], "question": "How many?", "answer": "3"},
    "hf columns": lambda p: {"image": p, "problem": "How many?", "solution": "3"},
    "easyr1": lambda p: {"images": [p], "problem": "How many?", "answer": "3"},
    "conversations": lambda p: {
        "image": p,
        "conversations": [{"from": "human", "value": "<image>How many?"}, {"from": "gpt", "value": "3"}],
    },
    "messages": lambda p: {
        "images": [p],
        "messages": [{"role": "user", "content": "<image>How many?"}, {"role": "assistant", "content": "3"}],
    },
    "openai": lambda p: {
        "messages": [
            {
                "role": "user",
                "content": [{"type": "image_url", "image_url": {"url": p}}, {"type": "text", "text": "?"}],
            },
            {"role": "assistant", "content": "3"},
        ]
    },
    "query": lambda p: {"images": [p], "query": "How many?", "response": "3"},
    "trl": lambda p: {"images": [p], "prompt": "How many?", "solution": "3"},
    "eval": lambda p: {"image_path": p, "question": "How many?", "ground_truth": "3"},
    "cv-bench": lambda p: {"idx": 1, "image": p, "prompt": "How many?", "answer": "3", "task": "x"},
    "r1-onevision-bench": lambda p: {"index": 1, "image": p, "question": "?", "answer": "3", "level": "x"},
    "vrc": lambda p: {"idx": 1, "image": p, "question": "How many?", "final_answer": "3", "steps": ["x"]},
    "bytes": lambda p: {"image": {"bytes": p, "path": None}, "question": "How many?", "answer": "3"},
}  # fmt: skip


def written(tmp_path, *rows):
    path = tmp_path / "my.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def row(picture, **more):
    return {"image": picture, "question": "How many?", "answer": "3", **more}


@pytest.mark.parametrize("how", WRITTEN)
def test_base64_is_read_as_a_picture(tmp_path, how):
    ((picture,),) = (example.media for example in read(written(tmp_path, row(WRITTEN[how]))))
    assert picture == Image.data(PNG, "")
    assert picture.load().size == (48, 32)


@pytest.mark.parametrize("dialect", ROWS)
def test_base64_is_read_wherever_a_path_is(tmp_path, dialect):
    (example,) = read(written(tmp_path, ROWS[dialect](WRITTEN["data URI"])))
    assert example.media == (Image.data(PNG, ""),)


def test_base64_is_read_in_pairs(tmp_path):
    pair = {"images": [BARE], "prompt": "How many?", "chosen": "<answer>3</answer>", "rejected": "no"}
    (read_back,) = read_pairs(written(tmp_path, pair), THINK_ANSWER)
    assert read_back.example.media == (Image.data(PNG, ""),)


def test_an_existing_file_is_a_path_whatever_its_name(tmp_path):
    name = BARE[:60].replace("/", "_")
    (tmp_path / name).write_bytes(files.encoded(PIL.Image.new("RGB", (64, 64)), "PNG"))
    (example,) = read(written(tmp_path, row(name)))
    assert example.media[0].size() == (64, 64)


@pytest.mark.parametrize("file_format", ["JPEG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "JPEG2000", "AVIF"])
def test_base64_of_every_format_is_recognised(tmp_path, file_format):
    data = files.encoded(PIL.Image.new("RGB", (48, 32), "navy"), file_format)
    assert given.picture(base64.b64encode(data).decode(), tmp_path, "it").load().size == (48, 32)


@pytest.mark.parametrize(
    ("value", "match"),
    [
        (f"data:image/png;base64,{BARE[:-5]}!!", "is not base64"),
        (BARE[:99] + "*" + BARE[99:], "is not base64"),
        ("A" * 160_000, "neither the path of a file nor a picture in base64"),
        ("x/" * 80_000 + ".png", "neither the path of a file nor a picture in base64"),
        ("data:image/svg+xml;utf8,<svg xmlns='x'></svg>", "SVG drawing.*rsvg-convert"),
        (base64.b64encode(b"<svg>" + b" " * 99).decode(), "SVG drawing"),
        (f"data:image/png;base64,{BARE[:200]}", "is cut short|is broken|cannot be read"),
    ],
)
def test_what_is_no_picture_is_refused_shortly(tmp_path, value, match):
    with pytest.raises(InputError, match=rf"my\.jsonl, row 1: .*({match})") as caught:
        read(written(tmp_path, row(value)))
    assert len(str(caught.value)) < 1_000
    (fault,) = check(Preflight(written(tmp_path, row(value)), THINK_ANSWER, decode=True)).faults
    assert fault.kind in ("broken picture", "unreadable picture") and len(fault.message) < 1_000


@pytest.mark.parametrize("value", ["/" + "y" * 3_000, "z" * 5_000, "no\0name.png", "d/" * 2_000 + "a.png"])
@pytest.mark.parametrize("column", ["image", "video"])
def test_a_path_that_no_system_has_is_missing(tmp_path, column, value):
    with pytest.raises(InputError, match=r"my\.jsonl, row 1: ") as caught:
        read(written(tmp_path, {column: value, "question": "?", "answer": "3"}))
    assert len(str(caught.value)) < 1_000


@pytest.mark.parametrize("column", ["image", "video"])
@pytest.mark.parametrize(
    ("url", "mend"),
    [
        ("https://example.org/a/b.png?size=large&key=0123456789abcdef#x", "curl -fLO 'https://example.org/a/b.png"),
        ("HTTP://EXAMPLE.ORG/" + "long/" * 60 + "a.jpg", "curl -fLO"),
        ("s3://bucket/a.png", "the client of s3"),
        ("gs://bucket/a.png", "the client of gs"),
        ("file:///tmp/a.png", "write the path alone"),
    ],
)  # fmt: skip
def test_a_url_is_shown_whole_with_how_to_download_it(tmp_path, column, url, mend):
    with pytest.raises(InputError) as caught:
        read(written(tmp_path, {column: url, "question": "?", "answer": "3"}))
    message = str(caught.value)
    assert f"my.jsonl, row 1: the {'picture' if column == 'image' else 'clip'} {url} is a URL; " in message
    assert mend in message and "media-root" not in message


# Animations -----------------------------------------------------------------------------------------------

COLOURS = ("red", "lime", "blue", "white")
DURATIONS_MS = (200, 400, 100, 300)


def animation(path, file_format):
    pages = [PIL.Image.new("RGB", (48, 32), colour) for colour in COLOURS]
    options = {"save_all": True, "append_images": pages[1:], "duration": list(DURATIONS_MS)}
    path.write_bytes(files.encoded(pages[0], file_format, lossless=True, **options))
    return path.name


@pytest.mark.parametrize("file_format", ["GIF", "WEBP", "PNG", "AVIF"])
@pytest.mark.parametrize("column", ["image", "video"])
def test_an_animation_is_a_clip_in_either_column(tmp_path, file_format, column):
    name = animation(tmp_path / f"a.{file_format.lower()}", file_format)
    mark = "<image>" if column == "image" else "<video>"
    path = written(tmp_path, {column: name, "question": f"{mark}What changes?", "answer": "the colour"})
    (example,) = read(path, video_options={"num_frames": 5})
    (clip,) = example.media
    assert isinstance(clip, Video) and example.question == "<video>What changes?"
    frames = clip.load()
    assert frames.length_s == pytest.approx(1.0, abs=0.01)
    middles_s = [0.1, 0.3, 0.5, 0.7, 0.9]
    expected = ["red", "lime", "lime", "white", "white"]  # 0.7 s is where the fourth begins
    assert middles_s[3] == pytest.approx(sum(DURATIONS_MS[:3]) / 1_000)
    for picture, colour in zip(frames.pictures, expected, strict=True):
        shades = numpy.asarray(picture).reshape(-1, 3).astype(int)
        assert numpy.abs(shades - PIL.ImageColor.getrgb(colour)).max() <= 12
    assert check(Preflight(path, THINK_ANSWER, decode=True)).clean


def test_an_animation_among_pictures_keeps_its_place(tmp_path):
    name = animation(tmp_path / "a.gif", "GIF")
    (tmp_path / "b.png").write_bytes(PNG)
    question = "First <image>, then <image>, and <image>?"
    (example,) = read(written(tmp_path, row(None, images=["b.png", name, BARE], question=question)))
    assert example.question == "First <image>, then <video>, and <image>?"
    assert [medium.kind for medium in example.media] == ["image", "video", "image"]


@pytest.mark.parametrize("file_format", ["GIF", "WEBP", "PNG", "AVIF"])
def test_one_frame_is_a_picture(tmp_path, file_format):
    data = files.encoded(PIL.Image.new("RGB", (48, 32), "red"), file_format, save_all=True)
    (tmp_path / "a.x").write_bytes(data)
    (example,) = read(written(tmp_path, row("a.x")))
    assert example.media[0].kind == "image"


def test_an_animation_without_a_file_is_refused_with_a_sentence(tmp_path):
    animation(tmp_path / "a.gif", "GIF")
    embedded = base64.b64encode((tmp_path / "a.gif").read_bytes()).decode()
    with pytest.raises(InputError, match=r"row 1.* is an animation, not a picture; give it as a clip"):
        read(written(tmp_path, row(embedded)))


def test_a_broken_animation_is_named(tmp_path):
    name = animation(tmp_path / "a.webp", "WEBP")
    whole = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(whole[:-40])
    with pytest.raises(InputError, match=r"my\.jsonl, row 1: .*a\.webp"):
        clip = read(written(tmp_path, row(name)))[0].media[0]
        clip.load()


@pytest.mark.parametrize("copy", [True, False])
@pytest.mark.parametrize("dialect", ["llama-factory", "llava", "trl", "tsv"])
def test_converted_data_show_the_upright_picture_to_every_decoder(tmp_path, dialect, copy):
    exif = PIL.Image.Exif()
    exif[0x0112] = 6
    (tmp_path / "a.jpg").write_bytes(files.encoded(PIL.Image.new("RGB", (48, 32), "navy"), "JPEG", exif=exif))
    examples = read(written(tmp_path, row("a.jpg")))
    write(examples, tmp_path / "out", dialect, copy)
    (example,) = read(tmp_path / "out")
    (picture,) = example.media
    assert picture.size() == (32, 48)
    stored = PIL.Image.open(io.BytesIO(picture.stored_bytes()))
    assert stored.size == (32, 48) and 0x0112 not in stored.getexif()


def test_a_plain_picture_is_referenced_where_it_is(tmp_path):
    (tmp_path / "a.png").write_bytes(PNG)
    write(read(written(tmp_path, row("a.png"))), tmp_path / "out", "llava", copy=False)
    assert not (tmp_path / "out" / "images").exists()
