from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from seethink import identity, verify
from seethink.types import Example
from tests import fakes

TELL = """
from seethink import identity
from tests import fakes
print(identity.digest(identity.of_task(fakes.task(5))))
"""


def test_a_key_is_the_same_in_every_process():
    digests = {
        subprocess.run(
            [sys.executable, "-c", TELL],
            env=os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": str(Path(__file__).parent.parent)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        for seed in ("1", "2")
    }
    assert digests == {identity.digest(identity.of_task(fakes.task(5)))}


def test_two_classes_with_equal_fields_differ():
    @dataclass(frozen=True)
    class A:
        x: int = 1

    @dataclass(frozen=True)
    class B:
        x: int = 1

    assert identity.digest(A()) != identity.digest(B())
    assert identity.digest(A()) == identity.digest(A(1)) != identity.digest(A(2))


def test_what_shows_only_its_address_is_refused():
    with pytest.raises(TypeError, match="has no identity"):
        identity.digest({"x": object()})


@pytest.mark.parametrize(
    "other",
    [
        Example("a", "How many?", answer="4"),
        Example("a", "How many?", answer="3", steps=("one",)),
        Example("a", "How many?", answer="3", meta={"box": [1, 2]}),
    ],
)
def test_any_part_of_an_example_changes_the_digest(other):
    assert identity.of_sequence([Example("a", "How many?", answer="3")]) != identity.of_sequence([other])


def test_a_sequence_with_an_identity_is_known_by_it_and_its_length_and_is_not_walked():
    class Endless(fakes.Drawn):
        identity = "source/train"

        def item(self, i):
            raise AssertionError(f"item {i} was computed")

    digests = [
        identity.of_sequence(Endless(n, name)) for n, name in ((70_000, "a"), (70_000, "b"), (60_000, "a"))
    ]
    assert digests[0] == digests[1] != digests[2]


def test_the_place_of_a_row_is_not_part_of_its_identity():
    there, moved = (Example("1", "Why?", where=f"{place}.jsonl, row 1") for place in ("here", "there"))
    assert there == moved and identity.of_sequence([there]) == identity.of_sequence([moved])
    assert (there.label, Example("1", "Why?").label) == ("here.jsonl, row 1", "example 1")


def test_pictures_are_not_looked_at():
    assert identity.of_task(fakes.task(readable=False))["questions"] == 6


def test_a_models_folder_changes_with_its_weights_by_content_or_by_file(tmp_path):
    folder = fakes.model_folder(tmp_path)
    before = [identity.of_folder(folder, content) for content in (True, False)]
    os.utime(folder / "model.safetensors", ns=(1, 1))
    touched = [identity.of_folder(folder, content) for content in (True, False)]
    assert touched[0] == before[0] and touched[1] != before[1]
    fakes.model_folder(tmp_path, b"other weights")
    assert identity.of_folder(folder, True) != before[0]


def whole(example, response):
    """A verifier whose module uses the package of verifiers as a whole."""
    return verify.same_answer(example, response)


def test_a_verifier_is_the_same_whatever_else_was_imported():
    """A submodule is an attribute of its package from the moment when anybody imports it."""
    code = "{}from tests import test_identity as t; print(t.identity.of_verifier(t.whole))"
    keys = {
        subprocess.run(
            [sys.executable, "-c", code.format(first)],
            cwd=Path(__file__).parent.parent,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for first in ("", "import seethink.verify.judge, seethink.verify.math_process; ")
    }
    assert len(keys) == 1
