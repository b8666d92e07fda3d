"""The pre-flight on pictures: it finds what `load` refuses, and sees what `load` shows."""

import json

import numpy as np
import PIL.Image
import pytest

from seethink.check import Preflight, check
from seethink.formats import THINK_ANSWER
from tests import picture_files as files
from tests.films import Film, clip


def faults(tmp_path, data, decode, suffix="png", **row):
    (tmp_path / f"a.{suffix}").write_bytes(data)
    rows = tmp_path / "my.jsonl"
    row = {"image": f"a.{suffix}", "question": "How many dots?", "answer": "3"} | row
    rows.write_text(json.dumps(row), encoding="utf-8")
    return [
        (fault.kind, fault.message) for fault in check(Preflight(rows, THINK_ANSWER, decode=decode)).faults
    ]


def pages(file_format):
    first, *others = [PIL.Image.new("RGB", (64, 48), colour) for colour in ("red", "lime", "blue")]
    return files.encoded(first, file_format, save_all=True, append_images=others)


@pytest.mark.parametrize("decode", [False, True])
@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"<svg></svg>" + b" " * 99, "unreadable picture"),
        (files.encoded(PIL.Image.new("F", (64, 48)), "TIFF"), "unreadable picture"),
        (pages("TIFF"), "several frames"),
    ],
)
def test_what_load_refuses_is_found(tmp_path, data, kind, decode):
    assert [kind_found for kind_found, _ in faults(tmp_path, data, decode)] == [kind]


def test_boxes_are_judged_in_the_upright_picture(tmp_path):
    exif = PIL.Image.Exif()
    exif[0x0112] = 6
    photograph = files.encoded(PIL.Image.new("RGB", (400, 300), "navy"), "JPEG", exif=exif)
    for decode in (False, True):
        assert faults(tmp_path, photograph, decode, question="Where?", answer=[250, 350, 300, 400]) == []
        ((kind, message),) = faults(
            tmp_path, photograph, decode, question="Where?", answer=[350, 250, 400, 300]
        )
        assert kind == "box outside picture" and "inside 300 x 400" in message


def test_the_scale_of_a_16_bit_picture_is_said(tmp_path):
    ramp = np.arange(64 * 64).reshape(64, 64, 1)
    assert faults(tmp_path, files.png(ramp, 16, 0), decode=False) == []
    ((kind, message),) = faults(tmp_path, files.png(ramp, 16, 0), decode=True)
    assert kind == "16-bit picture" and message.endswith("0 is shown black, 4,095 white")


def test_a_clip_that_is_decoded_from_its_start_is_suspected(tmp_path):
    Film("mpeg", "mpeg1video").write(tmp_path / "film.mpg")
    clip(tmp_path / "film.mp4", 4)
    rows = tmp_path / "my.jsonl"
    row = {"question": "What moves?", "answer": "3"}
    lines = [json.dumps(row | {"video": f"film.{kind}", "id": kind}) for kind in ("mpg", "mp4")]
    rows.write_text("\n".join(lines), encoding="utf-8")
    assert "slow clip" not in check(Preflight(rows, THINK_ANSWER)).counts
    report = check(Preflight(rows, THINK_ANSWER, decode=True))
    assert [fault.id for fault in report.faults if fault.kind == "slow clip"] == ["mpg"]
    assert all(fault.suspected for fault in report.faults if fault.kind == "slow clip")
