"""Precision and recall of filters, against faults planted by hand and by the oracle."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import pytest
from rich.console import Console

from seethink.cli.tables import show_measured
from seethink.engines.base import OnFault, Request
from seethink.engines.oracle import LEAKS, Oracle, Rates
from seethink.formats.messages import chat_message
from seethink.sources.drawn import by_name
from seethink.synth.chain import Chain
from seethink.synth.draft import AskTeacher, Draft, Dropped
from seethink.synth.judging import is_correct, score_leniently
from seethink.synth.measure import ChainQuality, FilterQuality, last_words, measure
from seethink.synth.prompting import delimited
from seethink.synth.replies import is_refusal, read_json_object
from seethink.synth.steps.answer import AnswerStep
from seethink.synth.steps.sample import SampleStep
from seethink.types import Completion, Example, Sampling

EXAMPLES = list(by_name("charts", 400))


@dataclass(frozen=True)
class ThinkStep:
    """Requests JSON, at most twice."""

    name: str = "think"

    async def __call__(self, draft: Draft, ask: AskTeacher) -> Draft | Dropped:
        for seed in range(2):
            messages = [chat_message("user", draft.example.question)]
            reply = await ask(Request("question", draft.example, "vision", messages, Sampling(seed=seed)))
            if is_refusal(reply.text):
                return Dropped("refused", reply.text)
            if found := read_json_object(reply.text):
                return replace(draft, thought=found["thought"], final=f"Answer: {found['answer']}")
        return Dropped("not JSON", "twice")


@dataclass(frozen=True)
class RewriteStep:
    name: str = "rewrite"

    async def __call__(self, draft: Draft, ask: AskTeacher) -> Draft | Dropped:
        messages = [chat_message("user", delimited("Thought", str(draft.thought)))]
        reply = await ask(Request(self.name, draft.example, "text", messages))
        return Dropped("refused", "") if is_refusal(reply.text) else replace(draft, thought=reply.text)


@dataclass(frozen=True)
class LintStep:
    """A linter of leaks. misses: phrases that it overlooks."""

    name: str = "lint"
    misses: tuple[str, ...] = ()

    async def __call__(self, draft: Draft, ask: AskTeacher) -> Draft | Dropped:
        found = [leak for leak in LEAKS if leak in str(draft.thought).lower() and leak not in self.misses]
        return Dropped("leak", found[0]) if found else draft


@dataclass(frozen=True)
class CheckStep:
    """A check of answers. lets, drops: ids that it always keeps or drops."""

    name: str = "check"
    lets: tuple[str, ...] = ()
    drops: tuple[str, ...] = ()

    async def __call__(self, draft: Draft, ask: AskTeacher) -> Draft | Dropped:
        good = is_correct(score_leniently("same_answer", draft.example, str(draft.final)))
        if draft.example.id in self.drops or not (good or draft.example.id in self.lets):
            return Dropped("wrong answer", str(draft.final))
        return draft


def build_rows(draft: Draft) -> list[tuple[str, Example]]:
    meta = {**draft.example.meta, "final": draft.final}
    return [("data", replace(draft.example, steps=(str(draft.thought),), meta=meta))]


@dataclass
class FaultTableEngine:
    """An engine whose replies have the faults of a table, by example and sampling seed."""

    faults: Mapping[tuple[str, int], str]
    name: str = "table"

    def planted(self, request: Request) -> frozenset[str]:
        return frozenset({self.faults.get((request.example.id, request.sampling.seed), "")} - {""})

    async def complete(self, request: Request, on_fault: OnFault) -> Completion:
        faults = self.planted(request)
        if "refusal" in faults:
            return Completion("I cannot help with that.")
        answer = "-1" if "wrong" in faults else str(request.example.answer)
        text = json.dumps({"question": "?", "thought": "I look.", "answer": answer})
        return Completion(text[:-1] if "json" in faults else text)

    async def close(self) -> None: ...


def measured(chain: Chain, examples: Sequence[Example], oracle: Oracle | FaultTableEngine) -> ChainQuality:
    return asyncio.run(measure(chain, examples, oracle))


def test_two_filters_are_measured_as_by_hand() -> None:
    """Of 10 examples: 2 refused, 1 never JSON, 1 JSON at the second try, 3 wrong (one is let through), 3
    right (one is dropped)."""
    ids = [example.id for example in EXAMPLES[:10]]
    faults = dict.fromkeys([(ids[0], 0), (ids[1], 0)], "refusal")
    faults |= dict.fromkeys([(ids[2], 0), (ids[2], 1), (ids[3], 0)], "json")
    faults |= dict.fromkeys([(i, 0) for i in ids[4:7]], "wrong")
    chain = Chain("two", "For tests.", (ThinkStep(), CheckStep(lets=(ids[4],), drops=(ids[9],))), build_rows)
    found = measured(chain, EXAMPLES[:10], FaultTableEngine(faults))
    assert found.filters == (
        FilterQuality("think", "not JSON", "examples", 10, 1, 1, 1),
        FilterQuality("think", "refused", "examples", 10, 2, 2, 2),
        FilterQuality("check", "wrong answer", "examples", 7, 3, 3, 2),
    )
    assert [(f.precision, f.recall) for f in found.filters] == [(1, 1), (1, 1), (2 / 3, 2 / 3)]
    assert found.dropped == {"refused": 2, "not JSON": 1, "wrong answer": 3}
    assert (found.examples, found.failed) == (10, 0)
    assert (found.kept.examples, found.kept.rows, found.kept.wrong, found.kept.wrong_share) == (4, 4, 1, 0.25)


def test_without_faults_there_is_no_recall() -> None:
    chain = Chain("one", "For tests.", (ThinkStep(), CheckStep(drops=(EXAMPLES[0].id,))), build_rows)
    (found,) = measured(chain, EXAMPLES[:4], FaultTableEngine({})).filters
    assert (found.faulty, found.dropped, found.precision, found.recall) == (0, 1, 0.0, None)


def test_perfect_filters_find_what_the_oracle_planted_and_nothing_else() -> None:
    oracle = Oracle(Rates(wrong=0.3, leak=0.1, json=0.3, refusal=0.05))
    chain = Chain("three", "For tests.", (ThinkStep(), LintStep(), CheckStep()), build_rows)
    found = measured(chain, EXAMPLES, oracle)
    assert {(f.step, f.reason) for f in found.filters} == {
        ("think", "not JSON"), ("think", "refused"), ("lint", "leak"), ("check", "wrong answer"),
    }  # fmt: skip
    assert all((f.precision, f.recall) == (1, 1) and f.faulty > 3 for f in found.filters)
    assert found.kept.wrong == found.kept.leaking == found.kept.unjudged == 0
    assert found.kept.examples + sum(found.dropped.values()) == found.examples == 400


def test_a_leak_that_a_rewrite_removes_is_no_fault() -> None:
    class RewritingOracle(Oracle):
        """Plants leaks in every first thought, and in every third rewrite."""

        def planted(self, request: Request) -> frozenset[str]:
            return (self._second if request.step == "rewrite" else self._first).planted(request)

        async def complete(self, call: Request, on_fault: OnFault) -> Completion:
            return await (self._second if call.step == "rewrite" else self._first).complete(call, on_fault)

        _first, _second = Oracle(Rates(leak=1)), Oracle(Rates(leak=1 / 3))

    chain = Chain("four", "For tests.", (ThinkStep(), RewriteStep(), LintStep(misses=LEAKS[:1])), build_rows)
    found = measured(chain, EXAMPLES[:100], RewritingOracle())
    (lint,) = found.filters
    assert (lint.reached, lint.precision) == (100, 1) and 15 < lint.faulty < 55
    assert lint.dropped + found.kept.leaking == lint.faulty and found.kept.leaking > 0
    assert lint.recall == lint.hits / lint.faulty < 1


@dataclass(frozen=True)
class LintPathsStep:
    """Removes paths with a leak, and drops the example with the last of them."""

    name: str = "lint paths"

    async def __call__(self, draft: Draft, ask: AskTeacher) -> Draft | Dropped:
        kept = [path for path in draft.paths if not any(leak in str(path.steps).lower() for leak in LEAKS)]
        return replace(draft, paths=tuple(kept)) if kept else Dropped("leak", "all of them")


def test_paths_are_measured_one_by_one() -> None:
    steps = (SampleStep(paths=3), LintPathsStep(), AnswerStep())
    chain = Chain("paths", "For tests.", steps, lambda draft: [("data", draft.example)])
    found = measured(chain, EXAMPLES[:60], Oracle(Rates(wrong=0.4, leak=0.4, refusal=0.5)))
    leaks, answers = found.filters
    assert (leaks.step, leaks.reason, leaks.of) == ("lint paths", "leak", "paths")
    assert (answers.step, answers.reason, answers.of) == ("answer", "wrong answer", "paths")
    assert leaks.precision == leaks.recall == answers.precision == answers.recall == 1
    assert 60 < leaks.reached < 120 and leaks.reached - leaks.dropped == answers.reached
    assert found.dropped.keys() == {"refused", "leak"} and answers.faulty > 10


def test_the_last_text_of_a_row_is_judged_and_not_its_reference_answer() -> None:
    row = replace(EXAMPLES[0], answer="7", steps=("I look.", "So the answer is 8."))
    assert last_words(replace(row, meta={"final": "The answer is 9."})) == "The answer is 9."
    assert last_words(replace(row, meta={"pref": {"chosen": "It is so. The answer is 6."}})).endswith("6.")
    assert last_words(row).endswith("So the answer is 8.")
    assert last_words(replace(row, steps=("I look at this picture for a while.",))) == "7"


def test_the_table_shows_every_filter_and_what_was_kept() -> None:
    output = io.StringIO()
    chain = Chain("three", "For tests.", (ThinkStep(), LintStep(), CheckStep()), build_rows)
    found = measured(chain, EXAMPLES[:100], Oracle(Rates(wrong=0.3, leak=0.1)))
    show_measured(Console(file=output, width=120), found)
    text = output.getvalue()
    for one in found.filters:
        line = next(
            line for line in text.splitlines() if line.strip().startswith(f"{one.step}: {one.reason} ")
        )
        assert line.split()[-5:] == [str(one.reached), str(one.faulty), str(one.dropped), "100.0%", "100.0%"]
    assert f"of 100 examples {found.kept.examples} kept, 0 failed" in text
    assert f"{found.kept.rows} rows: 0 with a wrong answer (0.0%), 0 unjudged, 0 with a leak" in text


@pytest.mark.parametrize("world", ["grounding", "detection", "clips", "exams"])
def test_every_world_is_judged_by_its_own_verifier(world: str) -> None:
    chain = Chain("bare", "For tests.", (ThinkStep(),), build_rows)
    found = measured(chain, list(by_name(world, 40)), Oracle(Rates(wrong=0.5)))
    assert found.kept.rows == 40 and 8 < found.kept.wrong < 32
    assert measured(chain, list(by_name(world, 40)), Oracle()).kept.wrong == 0
