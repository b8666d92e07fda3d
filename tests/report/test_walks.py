"""The page of a synthesis: every end is there, walks tell what each step did, and nothing that a model wrote
is markup."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seethink.cli import main
from seethink.engines.scripted import Oracle, ScriptedTeacher
from seethink.report.walks import sample, words
from seethink.sources import drawn
from seethink.synth.chains import CHAINS, by_name
from seethink.synth.run import Synthesis, synthesise
from seethink.synth.status import opened, read_status

ERRS = "wrong=0.3,leak=0.1,json=0.05,refusal=0.05"


class Reader(HTMLParser):
    """Tags that are open, and the text of each card."""

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


def made(chain: str, out: Path, n: int = 30, teacher=None) -> None:
    async def teachers():
        return dict.fromkeys(("see", "reason", "judge"), teacher or Oracle.from_text(ERRS))

    built = by_name(chain)
    data = drawn.by_name(built.world, n)
    synthesise(Synthesis(built, data, f"drawn:{built.world}:{n}", teachers, out))


def page(folder: Path, *words: str) -> tuple[Reader, str]:
    out = folder / "look.html"
    with pytest.raises(SystemExit) as ended:
        main(["look", str(folder), "--out", str(out), *words])
    assert ended.value.code == 0
    text = out.read_text()
    reader = Reader()
    reader.feed(text)
    assert reader.open == []
    return reader, text


@pytest.mark.parametrize("chain", CHAINS)
def test_every_example_and_every_end_is_on_the_page(chain, tmp_path):
    made(chain, tmp_path)
    reader, text = page(tmp_path)
    with opened(tmp_path) as ledger:
        status, done = read_status(ledger), list(ledger.finished())
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


def test_what_a_model_wrote_is_no_markup(tmp_path):
    told = "<script>alert(1)</script> <img src=x>"
    made("r1v_distill", tmp_path, 2, ScriptedTeacher(lambda call: told))
    reader, text = page(tmp_path)
    assert reader.scripts == 2 and "<img src=x>" not in text and told in reader.cards[0]


def test_a_small_page_has_something_of_every_end(tmp_path):
    made("r1_onevision", tmp_path, 60)
    reader, _ = page(tmp_path, "--limit", "8")
    with opened(tmp_path) as ledger:
        ends = {row[0] for row in ledger.counted("SELECT DISTINCT state || reason FROM examples")}
    assert len(reader.cards) == 8 and len(ends) >= 4
    assert len({card.split("practised")[-1][:40] for card in reader.cards}) > 1


def test_other_data_than_before_are_refused(tmp_path, capsys):
    made("r1v_distill", tmp_path, 3)
    with opened(tmp_path) as ledger:
        about = json.loads(ledger.about("run") or "")
        ledger.tell("run", json.dumps(about | {"data": "drawn:counting:4"}))
    with pytest.raises(SystemExit) as ended:
        main(["look", str(tmp_path), "--out", str(tmp_path / "look.html")])
    assert ended.value.code == 2
    assert "is not what this synthesis was made of" in capsys.readouterr().err


@given(st.lists(st.integers(1, 30), min_size=1, max_size=6), st.integers(1, 60))
def test_a_sample_is_bounded_and_fair(sizes, limit):
    ends, at = {}, 0
    for i, n in enumerate(sizes):
        ends[i] = list(range(at, at + n))
        at += n
    chosen = sample(ends, limit)
    assert len(chosen) == min(limit, at)
    if limit >= len(sizes):
        assert all(chosen & set(places) for places in ends.values())


@given(st.text(max_size=60), st.text(min_size=1, max_size=60))
def test_both_texts_can_be_read_off_what_changed(before, after):
    told = words(before, after)
    assert "".join(text for kind, text in told if kind != "gone") == after
    if before:
        assert before == after or "".join(text for kind, text in told if kind != "new") == before
