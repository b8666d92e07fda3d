import base64
import io

import pytest
from PIL import Image

from seethink.report.pictures import LOSSLESS_PX, SHRUNK_PX, embed_image
from seethink.types import InputError


def decoded(picture):
    kind, data = picture.source.split(",")
    assert kind == "data:image/webp;base64"
    return Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB")


def test_a_small_picture_is_kept_exactly_and_magnified_by_a_whole_factor(tmp_path):
    original = Image.effect_noise((56, 40), 80).convert("RGB")
    original.save(tmp_path / "small.png")
    picture = embed_image(tmp_path / "small.png")
    assert decoded(picture).tobytes() == original.tobytes()
    assert (picture.width, picture.height, picture.magnified) == (224, 160, True)


def test_a_large_picture_is_shrunk_in_proportion(tmp_path):
    Image.new("RGB", (1792, 896), "red").save(tmp_path / "large.png")
    picture = embed_image(tmp_path / "large.png")
    assert decoded(picture).size == (picture.width, picture.height) == (SHRUNK_PX, SHRUNK_PX // 2)
    assert not picture.magnified


def test_a_picture_of_medium_size_is_shown_as_it_is(tmp_path):
    Image.new("RGB", (LOSSLESS_PX, 10)).save(tmp_path / "medium.png")
    assert embed_image(tmp_path / "medium.png").width == LOSSLESS_PX


def test_a_broken_picture_is_named(tmp_path):
    (tmp_path / "broken.png").write_bytes(b"no picture")
    with pytest.raises(InputError, match=r"broken\.png"):
        embed_image(tmp_path / "broken.png")
