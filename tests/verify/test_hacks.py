"""Texts that must not be paid: what models found out about rewards, one per line of hacks.jsonl."""

import json
from pathlib import Path

import pytest

from seethink import formats
from seethink.types import Example
from seethink.verify import same_number, weighted, well_formed

HACKS = [json.loads(line) for line in Path(__file__).with_name("hacks.jsonl").read_text().splitlines()]
COUNTED = weighted(correct=(same_number, 1.0), format=(well_formed, 1.0))


@pytest.mark.parametrize("hack", HACKS, ids=[hack["note"] for hack in HACKS])
def test_a_hack_is_not_paid(hack):
    score = COUNTED(
        Example(id="hack", question="How many?", answer=hack["gold"]),
        formats.by_name(hack["format"]).parse(hack["text"]),
    )
    assert hack["unpaid"]
    assert {part: score.parts[part].value for part in hack["unpaid"]} == dict.fromkeys(hack["unpaid"], 0.0)
    assert score.value is not None and score.value <= 0.5


def test_no_hack_is_listed_twice():
    assert len({(hack["format"], hack["gold"], hack["text"]) for hack in HACKS}) == len(HACKS)
