"""Any text is read and judged: no exception, no score outside [0, 1]. How fast, the benchmark tells."""

from __future__ import annotations

import gc
import json

from hypothesis import given
from hypothesis import strategies as st

from bench.verifiers import LONG, asks_math, measure, pair, texts, verifiers
from seethink import systems
from seethink.formats import FORMATS, read_any
from seethink.verify import VERIFIERS
from tests.bench.in_process import called

QUICK = {name: verifier for name, verifier in verifiers().items() if not asks_math(name)}


def test_no_seeded_mutant_breaks_a_parser_or_a_verifier() -> None:
    times, raised = measure(texts(1500), math=5)
    assert raised == []
    assert {name: t.calls for name, t in times.items()} == {
        name: 5 if asks_math(name) else 1500 for name in times
    }


@given(st.text(), st.integers(0, 63))
def test_no_text_breaks_a_parser_or_a_verifier(text: str, i: int) -> None:
    for reader in (*(format.parse for format in FORMATS.values()), read_any):
        read = reader(text)
        assert read.text == text
        assert read.answer is None or read.answer == read.answer.strip()
    for name, verifier in QUICK.items():
        value = verifier(*pair(name, text, i)).value
        assert value is None or 0 <= value <= 1


def test_every_verifier_is_tried() -> None:
    published = {f"{name}@{system}" for system, of in systems.rewards().items() for name in of}
    assert verifiers().keys() == VERIFIERS.keys() | published


def test_mutants_are_the_same_for_a_seed_and_differ_among_themselves() -> None:
    some = list(texts(900))
    assert some == list(texts(900)) != list(texts(900, seed=1))
    assert len(set(some)) > 850
    assert max(map(len, some)) == LONG


def test_the_last_line_is_the_json_object(capsys, monkeypatch) -> None:
    monkeypatch.setattr(gc, "disable", lambda: None)
    done = called("bench.verifiers", "--strings=50", "--math=1", capsys=capsys, monkeypatch=monkeypatch)
    report = json.loads(done.stdout.splitlines()[-1])
    assert (report["name"], report["strings"], report["raised"]) == ("verifiers", 50, 0)
    assert report["right_a_second"].keys() == verifiers().keys() < report["a_second"].keys()
    assert done.returncode == (1 if report["slower_than_50_ms"] else 0)
