"""Precision and recall of filters, against hand-made faults and against the oracle's."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import pytest
from rich.console import Console

from seethink.engines.scripted import LEAKS, Oracle, Rates
from seethink.engines.teacher import Call, Fault, Reply
from seethink.sources.drawn import by_name
from seethink.synth.asking import quoted, said
from seethink.synth.chain import Chain
from seethink.synth.draft import Ask, Draft, Dropped
from seethink.synth.judging import is_right, verdict_anyhow
from seethink.synth.measure import Filter, Measured, last_words, measure
from seethink.synth.replies import read_object, refuses
from seethink.synth.steps.answer import Answer
from seethink.synth.steps.sample import Sample
from seethink.terminal import show_measured
from seethink.types import Example, Sampling

EXAMPLES = list(by_name("charts", 400))


@dataclass(frozen=True)
class Think:
    """Asks for JSON, twice at most."""

    name: str = "think"

    async def __call__(self, draft: Draft, ask: Ask) -> Draft | Dropped:
        for seed in range(2):
            asked = [said("user", draft.example.question)]
            reply = await ask(Call("question", draft.example, "see", asked, Sampling(seed=seed)))
            if refuses(reply.text):
                return Dropped("refused", reply.text)
            if found := read_object(reply.text):
                return replace(draft, thought=found["thought"], final=f"Answer: {found['answer']}")
        return Dropped("not JSON", "twice")


@dataclass(frozen=True)
class Rewrite:
    name: str = "rewrite"

    async def __call__(self, draft: Draft, ask: Ask) -> Draft | Dropped:
        asked = [said("user", quoted("Thought", str(draft.thought)))]
        reply = await ask(Call(self.name, draft.example, "reason", asked))
        return Dropped("refused", "") if refuses(reply.text) else replace(draft, thought=reply.text)


@dataclass(frozen=True)
class Lint:
    """Misses some leaks. misses: phrases that it does not know."""

    name: str = "lint"
    misses: tuple[str, ...] = ()

    async def __call__(self, draft: Draft, ask: Ask) -> Draft | Dropped:
        found = [leak for leak in LEAKS if leak in str(draft.thought).lower() and leak not in self.misses]
        return Dropped("leak", found[0]) if found else draft


@dataclass(frozen=True)
class Check:
    """Right, but for the examples that it lets through or drops whatever they say."""

    name: str = "check"
    lets: tuple[str, ...] = ()
    drops: tuple[str, ...] = ()

    async def __call__(self, draft: Draft, ask: Ask) -> Draft | Dropped:
        good = is_right(verdict_anyhow("same_answer", draft.example, str(draft.final)))
        if draft.example.id in self.drops or not (good or draft.example.id in self.lets):
            return Dropped("wrong answer", str(draft.final))
        return draft


def emit(draft: Draft) -> list[tuple[str, Example]]:
    meta = {**draft.example.meta, "final": draft.final}
    return [("data", replace(draft.example, steps=(str(draft.thought),), meta=meta))]


@dataclass
class Table:
    """Replies with the faults of a table: by example and sampling seed."""

    faults: Mapping[tuple[str, int], str]
    name: str = "table"
    unheard: list[str] = field(default_factory=list)

    def planted(self, call: Call) -> frozenset[str]:
        return frozenset({self.faults.get((call.example.id, call.sampling.seed), "")} - {""})

    async def answer(self, call: Call, fault: Fault) -> Reply:
        found = self.planted(call)
        if "refusal" in found:
            return Reply("I cannot help with that.")
        told = "-1" if "wrong" in found else str(call.example.answer)
        text = json.dumps({"question": "?", "thought": "I look.", "answer": told})
        return Reply(text[:-1] if "json" in found else text)

    async def close(self) -> None: ...


def measured(chain: Chain, examples: Sequence[Example], oracle: Oracle | Table) -> Measured:
    return asyncio.run(measure(chain, examples, oracle))


def test_two_filters_are_measured_as_by_hand() -> None:
    """Of 10 examples: 2 refused, 1 never JSON, 1 JSON at the second try, 3 wrong (one is let through), 3
    right (one is dropped)."""
    ids = [example.id for example in EXAMPLES[:10]]
    faults = dict.fromkeys([(ids[0], 0), (ids[1], 0)], "refusal")
    faults |= dict.fromkeys([(ids[2], 0), (ids[2], 1), (ids[3], 0)], "json")
    faults |= dict.fromkeys([(i, 0) for i in ids[4:7]], "wrong")
    chain = Chain("two", "For tests.", (Think(), Check(lets=(ids[4],), drops=(ids[9],))), emit)
    found = measured(chain, EXAMPLES[:10], Table(faults))
    assert found.filters == (
        Filter("think", "not JSON", "examples", 10, 1, 1, 1),
        Filter("think", "refused", "examples", 10, 2, 2, 2),
        Filter("check", "wrong answer", "examples", 7, 3, 3, 2),
    )
    assert [(f.precision, f.recall) for f in found.filters] == [(1, 1), (1, 1), (2 / 3, 2 / 3)]
    assert found.dropped == {"refused": 2, "not JSON": 1, "wrong answer": 3}
    assert (found.examples, found.failed) == (10, 0)
    assert (found.kept.examples, found.kept.rows, found.kept.wrong, found.kept.wrong_share) == (4, 4, 1, 0.25)


def test_where_nothing_is_to_be_found_there_is_no_recall() -> None:
    chain = Chain("one", "For tests.", (Think(), Check(drops=(EXAMPLES[0].id,))), emit)
    (found,) = measured(chain, EXAMPLES[:4], Table({})).filters
    assert (found.faulty, found.dropped, found.precision, found.recall) == (0, 1, 0.0, None)


def test_perfect_filters_find_what_the_oracle_planted_and_nothing_else() -> None:
    oracle = Oracle(Rates(wrong=0.3, leak=0.1, json=0.3, refusal=0.05))
    chain = Chain("three", "For tests.", (Think(), Lint(), Check()), emit)
    found = measured(chain, EXAMPLES, oracle)
    assert {(f.step, f.reason) for f in found.filters} == {
        ("think", "not JSON"), ("think", "refused"), ("lint", "leak"), ("check", "wrong answer"),
    }  # fmt: skip
    assert all((f.precision, f.recall) == (1, 1) and f.faulty > 3 for f in found.filters)
    assert found.kept.wrong == found.kept.leaking == found.kept.unjudged == 0
    assert found.kept.examples + sum(found.dropped.values()) == found.examples == 400


def test_a_leak_that_a_rewrite_takes_out_is_none_any_more() -> None:
    class Half(Oracle):
        """Plants leaks in every first thought, and in every third rewrite."""

        def planted(self, call: Call) -> frozenset[str]:
            return (self._second if call.step == "rewrite" else self._first).planted(call)

        async def answer(self, call: Call, fault: Fault) -> Reply:
            return await (self._second if call.step == "rewrite" else self._first).answer(call, fault)

        _first, _second = Oracle(Rates(leak=1)), Oracle(Rates(leak=1 / 3))

    chain = Chain("four", "For tests.", (Think(), Rewrite(), Lint(misses=LEAKS[:1])), emit)
    found = measured(chain, EXAMPLES[:100], Half())
    (lint,) = found.filters
    assert (lint.reached, lint.precision) == (100, 1) and 15 < lint.faulty < 55
    assert lint.dropped + found.kept.leaking == lint.faulty and found.kept.leaking > 0
    assert lint.recall == lint.hits / lint.faulty < 1


@dataclass(frozen=True)
class LintPaths:
    """Takes paths with a leak away, and the example with the last of them."""

    name: str = "lint paths"

    async def __call__(self, draft: Draft, ask: Ask) -> Draft | Dropped:
        kept = [path for path in draft.paths if not any(leak in str(path.steps).lower() for leak in LEAKS)]
        return replace(draft, paths=tuple(kept)) if kept else Dropped("leak", "all of them")


def test_paths_are_measured_one_by_one() -> None:
    steps = (Sample(paths=3), LintPaths(), Answer())
    chain = Chain("paths", "For tests.", steps, lambda draft: [("data", draft.example)])
    found = measured(chain, EXAMPLES[:60], Oracle(Rates(wrong=0.4, leak=0.4, refusal=0.5)))
    leaks, answers = found.filters
    assert (leaks.step, leaks.reason, leaks.of) == ("lint paths", "leak", "paths")
    assert (answers.step, answers.reason, answers.of) == ("answer", "wrong answer", "paths")
    assert leaks.precision == leaks.recall == answers.precision == answers.recall == 1
    assert 60 < leaks.reached < 120 and leaks.reached - leaks.dropped == answers.reached
    assert found.dropped.keys() == {"refused", "leak"} and answers.faulty > 10


def test_the_last_words_of_a_row_are_judged_and_not_its_gold() -> None:
    row = replace(EXAMPLES[0], answer="7", steps=("I look.", "So the answer is 8."))
    assert last_words(replace(row, meta={"final": "The answer is 9."})) == "The answer is 9."
    assert last_words(replace(row, meta={"pref": {"chosen": "It is so. The answer is 6."}})).endswith("6.")
    assert last_words(row).endswith("So the answer is 8.")
    assert last_words(replace(row, steps=("I look at this picture for a while.",))) == "7"


def test_the_table_shows_every_filter_and_what_was_kept() -> None:
    heard = io.StringIO()
    chain = Chain("three", "For tests.", (Think(), Lint(), Check()), emit)
    found = measured(chain, EXAMPLES[:100], Oracle(Rates(wrong=0.3, leak=0.1)))
    show_measured(Console(file=heard, width=120), found)
    told = heard.getvalue()
    for one in found.filters:
        line = next(
            line for line in told.splitlines() if line.strip().startswith(f"{one.step}: {one.reason} ")
        )
        assert line.split()[-5:] == [str(one.reached), str(one.faulty), str(one.dropped), "100.0%", "100.0%"]
    assert f"of 100 examples {found.kept.examples} kept, 0 failed" in told
    assert f"{found.kept.rows} rows: 0 with a wrong answer (0.0%), 0 unjudged, 0 with a leak" in told


@pytest.mark.parametrize("world", ["grounding", "detection", "clips", "exams"])
def test_every_world_is_judged_by_its_own_verifier(world: str) -> None:
    chain = Chain("bare", "For tests.", (Think(),), emit)
    found = measured(chain, list(by_name(world, 40)), Oracle(Rates(wrong=0.5)))
    assert found.kept.rows == 40 and 8 < found.kept.wrong < 32
    assert measured(chain, list(by_name(world, 40)), Oracle()).kept.wrong == 0
