"""What was kept is there again, whatever ended the process; what is no memory is refused in one sentence."""

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

from seethink.engines.memory import Memory
from seethink.types import InputError

ROOT = Path(__file__).parents[2]
KEEPS = """
import sys
from pathlib import Path
from seethink.engines.memory import Memory
memory = Memory(Path(sys.argv[1]))
for i in range(1_000_000):
    memory[str(i)] = "kept " * 50
    print(i, flush=True)
"""


def test_it_is_a_mapping_that_outlives_its_object(tmp_path: Path) -> None:
    path = tmp_path / "run" / "judge.sqlite"
    with Memory(path) as memory:
        assert (len(memory), [*memory], "a" in memory, path.exists()) == (0, [], False, False)
        memory["a"], memory["b"] = "1", ""
        memory["a"] = "2"
    with Memory(path) as again:
        assert (dict(again), len(again), again["b"], again.get("c")) == ({"a": "2", "b": ""}, 2, "", None)
        del again["a"]
        assert [*again] == ["b"]
        for gone in (again.__getitem__, again.__delitem__):
            with pytest.raises(KeyError):
                gone("a")


@given(st.dictionaries(st.text(st.characters(codec="utf-8")), st.text(st.characters(), max_size=50)))
def test_every_text_comes_back_as_it_was_lone_surrogates_too(tmp_path_factory, texts) -> None:
    path = tmp_path_factory.mktemp("memory") / "m.sqlite"
    with Memory(path) as memory:
        memory.update(texts)
    with Memory(path) as memory:
        assert dict(memory) == texts


def test_what_was_kept_survives_a_kill(tmp_path: Path) -> None:
    path = tmp_path / "m.sqlite"
    command = [sys.executable, "-c", KEEPS, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout
        told = [int(process.stdout.readline()) for _ in range(40)]
        os.kill(process.pid, signal.SIGKILL)
    with Memory(path) as memory:
        assert all(memory[str(i)] == "kept " * 50 for i in told)
        memory["more"] = "."
        assert memory["more"] == "."


def test_two_that_hold_the_same_file_see_what_the_other_keeps(tmp_path: Path) -> None:
    with Memory(tmp_path / "m") as one, Memory(tmp_path / "m") as other:
        one["a"] = "1"
        other["b"] = "2"  # made by the first, opened by the second as it writes
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
    with Memory(path) as memory:
        memory.update({str(i): "text " * 40 for i in range(200)})
    damage(path)
    with pytest.raises(InputError, match=r"m\.sqlite is damaged \(.+\); move it away to ask anew$") as told:
        Memory(path)
    assert "\n" not in str(told.value)


def test_the_file_of_another_program_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "m.sqlite"
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE calls (key TEXT)")
    other.close()
    before = path.read_bytes()
    with pytest.raises(InputError, match="another program's file; move it away"):
        Memory(path)
    assert path.read_bytes() == before


def test_a_place_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"file/m\.sqlite cannot be written"):
        Memory(tmp_path / "file" / "m.sqlite")["a"] = "1"
