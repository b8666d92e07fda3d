"""The page of a synthesis: every outcome is shown, traces show what each step did, and model output is never
markup."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seethink import systems
from seethink.cli.app import main
from seethink.engines.oracle import Oracle
from seethink.engines.scripted import ScriptedAsyncEngine
from seethink.report.example_traces import sample_evenly, word_diff
from seethink.sources import drawn
from seethink.synth.status import open_ledger, read_status
from seethink.synth.synthesis import Synthesis, synthesise

ERRS = "wrong=0.3,leak=0.1,json=0.05,refusal=0.05"


class Reader(HTMLParser):
    """Open tags, and the text of each card."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.cards: list[str] = []
        self.scripts = 0

    def handle_starttag(self, tag, attrs):
        self.scripts += tag == "script"
        if tag not in ("meta", "img", "input", "br", "rect"):
            self.open.append(tag)
        if tag == "article":
            self.cards.append("")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag or tag == "rect"

    def handle_startendtag(self, tag, attrs): ...

    def handle_data(self, data):
        if "article" in self.open:
            self.cards[-1] += data


def run_chain(chain: str, out: Path, n: int = 30, teacher=None) -> None:
    async def teachers():
        return dict.fromkeys(("vision", "text", "judge"), teacher or Oracle.from_text(ERRS))

    built = systems.chain(chain)
    data = drawn.by_name(built.world, n)
    synthesise(Synthesis(built, data, f"drawn:{built.world}:{n}", teachers, out))


def page(folder: Path, *options: str) -> tuple[Reader, str]:
    out = folder / "look.html"
    with pytest.raises(SystemExit) as ended:
        main(["look", str(folder), "--out", str(out), *options])
    assert ended.value.code == 0
    text = out.read_text(encoding="utf-8")
    reader = Reader()
    reader.feed(text)
    assert reader.open == []
    return reader, text


@pytest.mark.parametrize("chain", systems.chains())
def test_every_example_and_every_outcome_is_on_the_page(chain, tmp_path):
    run_chain(chain, tmp_path)
    reader, text = page(tmp_path)
    with open_ledger(tmp_path) as ledger:
        status, done = read_status(ledger), list(ledger.examples())
    assert len(reader.cards) == len(done) == 30
    for card, one in zip(reader.cards, done, strict=True):
        assert one.id in card
        assert ("kept" if one.state == "kept" else f"dropped at {one.step}: {one.reason}") in card
        for stop in one.draft["walk"]:
            assert stop["step"] in card
            if stop["verdict"]:
                assert " ".join(stop["verdict"]["why"].split()) in " ".join(card.split())
    for (step, reason), n in status.dropped.items():
        assert f"{n} {reason}" in text and step in text
    assert reader.scripts == 2 and "http" not in text.replace("http-equiv", "").replace(
        "http://www.w3.org", ""
    )


def test_what_a_model_wrote_is_never_markup(tmp_path):
    hostile = "<script>alert(1)</script> <img src=x>"
    run_chain("r1v_distill", tmp_path, 2, ScriptedAsyncEngine(lambda call: hostile))
    reader, text = page(tmp_path)
    assert reader.scripts == 2 and "<img src=x>" not in text and hostile in reader.cards[0]


def test_a_small_page_shows_every_outcome(tmp_path):
    run_chain("r1_onevision", tmp_path, 60)
    reader, _ = page(tmp_path, "--limit", "8")
    with open_ledger(tmp_path) as ledger:
        ends = {row[0] for row in ledger.query("SELECT DISTINCT state || reason FROM examples")}
    assert len(reader.cards) == 8 and len(ends) >= 4
    assert len({card.split("practised")[-1][:40] for card in reader.cards}) > 1


def test_changed_data_are_refused(tmp_path, capsys):
    run_chain("r1v_distill", tmp_path, 3)
    with open_ledger(tmp_path) as ledger:
        about = json.loads(ledger.read_about("run") or "")
        ledger.write_about("run", json.dumps(about | {"data": "drawn:counting:4"}))
    with pytest.raises(SystemExit) as ended:
        main(["look", str(tmp_path), "--out", str(tmp_path / "look.html")])
    assert ended.value.code == 2
    assert "has changed since this synthesis started" in capsys.readouterr().err


@given(st.lists(st.integers(1, 30), min_size=1, max_size=6), st.integers(1, 60))
def test_a_sample_is_bounded_and_fair(sizes, limit):
    ends, at = {}, 0
    for i, n in enumerate(sizes):
        ends[i] = list(range(at, at + n))
        at += n
    chosen = sample_evenly(ends, limit)
    assert len(chosen) == min(limit, at)
    if limit >= len(sizes):
        assert all(chosen & set(places) for places in ends.values())


@given(st.text(max_size=60), st.text(min_size=1, max_size=60))
def test_both_texts_can_be_recovered_from_the_difference(before, after):
    parts = word_diff(before, after)
    assert "".join(text for kind, text in parts if kind != "removed") == after
    if before:
        assert before == after or "".join(text for kind, text in parts if kind != "added") == before
