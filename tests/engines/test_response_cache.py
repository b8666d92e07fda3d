"""Entries survive the end of the process; a file that is not a response cache is refused in one sentence."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seethink.engines.response_cache import ResponseCache
from seethink.types import InputError

ROOT = Path(__file__).parents[2]
WRITER = """
import sys
from pathlib import Path
from seethink.engines.response_cache import ResponseCache
cache = ResponseCache(Path(sys.argv[1]))
for i in range(1_000_000):
    cache[str(i)] = "entry " * 50
    print(i, flush=True)
"""


def test_it_is_a_mapping_that_outlives_its_object(tmp_path: Path) -> None:
    path = tmp_path / "run" / "judge.sqlite"
    with ResponseCache(path) as cache:
        assert (len(cache), [*cache], "a" in cache, path.exists()) == (0, [], False, False)
        cache["a"], cache["b"] = "1", ""
        cache["a"] = "2"
    with ResponseCache(path) as again:
        assert (dict(again), len(again), again["b"], again.get("c")) == ({"a": "2", "b": ""}, 2, "", None)
        del again["a"]
        assert [*again] == ["b"]
        for gone in (again.__getitem__, again.__delitem__):
            with pytest.raises(KeyError):
                gone("a")


@given(st.dictionaries(st.text(st.characters(codec="utf-8")), st.text(st.characters(), max_size=50)))
def test_every_text_comes_back_unchanged_lone_surrogates_included(tmp_path_factory, texts) -> None:
    path = tmp_path_factory.mktemp("cache") / "m.sqlite"
    with ResponseCache(path) as cache:
        cache.update(texts)
    with ResponseCache(path) as cache:
        assert dict(cache) == texts


def test_entries_survive_a_kill(tmp_path: Path) -> None:
    path = tmp_path / "m.sqlite"
    command = [sys.executable, "-c", WRITER, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout
        written = [int(process.stdout.readline()) for _ in range(40)]
        os.kill(process.pid, signal.SIGKILL)
    with ResponseCache(path) as cache:
        assert all(cache[str(i)] == "entry " * 50 for i in written)
        cache["more"] = "."
        assert cache["more"] == "."


def test_two_users_of_a_file_see_each_others_entries(tmp_path: Path) -> None:
    with ResponseCache(tmp_path / "m") as one, ResponseCache(tmp_path / "m") as other:
        one["a"] = "1"
        other["b"] = "2"  # the file that the first has created
        assert dict(one) == dict(other) == {"a": "1", "b": "2"}


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _overwritten(path: Path) -> None:
    path.write_bytes(b"no database at all, but a text of some length" * 20)


def _holed(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[4096 : 3 * 4096] = b"\xff" * (2 * 4096)
    path.write_bytes(data)


@pytest.mark.parametrize("damage", [_cut, _overwritten, _holed])
def test_a_damaged_file_is_one_sentence(tmp_path: Path, damage) -> None:
    path = tmp_path / "m.sqlite"
    with ResponseCache(path) as cache:
        cache.update({str(i): "text " * 40 for i in range(200)})
    damage(path)
    with pytest.raises(
        InputError, match=r"m\.sqlite is damaged \(.+\); move it away to start anew$"
    ) as error:
        ResponseCache(path)
    assert "\n" not in str(error.value)


def test_the_file_of_another_program_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "m.sqlite"
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE calls (key TEXT)")
    other.close()
    before = path.read_bytes()
    with pytest.raises(InputError, match="another program's file; move it away"):
        ResponseCache(path)
    assert path.read_bytes() == before


def test_a_place_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(InputError, match=r"file/m\.sqlite cannot be written"):
        ResponseCache(tmp_path / "file" / "m.sqlite")["a"] = "1"
