"""`seethink look` of evaluations whose pictures are gone."""

from __future__ import annotations

import base64
import gzip
import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from seethink.cli.app import main
from tests.evaluate.made_arms import rows, write_evaluation


@pytest.fixture(autouse=True)
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two evaluations of the same two questions, with previews named by their hash."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    for name in ("a", "b"):
        write_evaluation(
            Path(name), [row | {"media": [f"media/{i:016x}.png"]} for i, row in enumerate(rows([1, 0]))]
        )


def looked(capsys: pytest.CaptureFixture[str], *paths: str) -> tuple[dict[str, Any], str]:
    """(the data of the page, what was printed)"""
    with pytest.raises(SystemExit) as left:
        main(["look", *paths, "--out", "page.html"])
    assert left.value.code == 0
    page = Path("page.html").read_text(encoding="utf-8")
    held = re.search(r'id="rollouts">([^<]*)<', page)
    assert held
    text = gzip.decompress(base64.b64decode(held[1]))
    return json.loads(text), capsys.readouterr().out


@pytest.mark.parametrize("lost", ["a", "b"])
def test_pictures_that_one_folder_lost_are_those_of_the_other(lost, capsys):
    shutil.rmtree(Path(lost) / "media")
    data, out = looked(capsys, "a", "b")
    assert [(len(one["pictures"]), one["lost"]) for one in data["questions"]] == [(1, 0), (1, 0)]
    assert len(data["answers"]) == 4 and "not on disk" not in out


def test_questions_whose_pictures_are_gone_are_shown_without_and_counted(capsys):
    for name in ("a", "b"):
        (Path(name) / "media" / f"{0:016x}.png").unlink()
    data, out = looked(capsys, "a", "b")
    assert [(len(one["pictures"]), one["lost"]) for one in data["questions"]] == [(0, 1), (1, 0)]
    assert len(data["answers"]) == 4 and "1 picture not on disk: the page shows a space instead" in out


def test_a_picture_of_another_name_is_not_taken_for_it(capsys):
    """Names that are no hashes may be those of other pictures."""
    for name in ("a", "b"):
        own = [row | {"media": ["media/1.png"]} for row in rows([1])]
        write_evaluation(Path(name), own)
    shutil.rmtree(Path("a") / "media")
    data, out = looked(capsys, "a", "b")
    assert data["questions"][0]["lost"] == 1 and "1 picture not on disk" in out
