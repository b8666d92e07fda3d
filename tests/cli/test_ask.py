"""`seethink ask` takes pictures in every way in which rows may hold them."""

import base64

import PIL.Image
import pytest

from seethink.cli.app import main
from tests import picture_files as files
from tests import tiny

PNG = files.encoded(files.arrow().resize((96, 64)), "PNG")


@pytest.fixture
def base(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tiny.saved(tmp_path / "base")


def ask(base, *words):
    main(["ask", *words, "--model", base, "--max-tokens", "2"])


def stopped(capsys, base, *words):
    with pytest.raises(SystemExit) as exit_:
        ask(base, *words)
    assert exit_.value.code == 2
    return capsys.readouterr().err


def test_base64_and_animations_are_taken(base, capsys, tmp_path):
    pages = [PIL.Image.new("RGB", (96, 64), colour) for colour in ("red", "blue")]
    (tmp_path / "a.gif").write_bytes(
        files.encoded(pages[0], "GIF", save_all=True, append_images=pages[1:], duration=500)
    )
    bare = base64.b64encode(PNG).decode()
    for word in (bare, f"data:image/png;base64,{bare}", "a.gif"):
        with pytest.raises(SystemExit) as exit_:
            ask(base, word, "How many?")
        assert not exit_.value.code, capsys.readouterr().err


def test_a_long_question_is_no_path(base, capsys):
    message = stopped(capsys, base, "gone.png", "How many dots are there? " * 200)
    assert "there is no picture at gone.png" in message


@pytest.mark.parametrize(
    ("word", "match"),
    [
        ("https://example.org/a.png", "the picture https://example.org/a.png is a URL; download it"),
        ("A" * 100_000, "picture 1 is neither the path of a file nor a picture in base64"),
        ("/" + "long/" * 900 + "a.png", "picture 1 is neither the path"),
    ],
)
def test_what_is_no_picture_is_refused_shortly(base, capsys, word, match):
    message = stopped(capsys, base, word, "How many?")
    assert match in " ".join(message.split()) and len(message) < 1_000
