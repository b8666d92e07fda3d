"""What the chains of Insight-V, R1-V, open-r1-multimodal and Open-R1-Video keep, and what they drop."""

from __future__ import annotations

from collections import Counter

import pytest

from seethink import systems
from seethink.engines.oracle.truth import Truth
from seethink.formats import ANSWER_LINE
from seethink.sources.drawn import by_name
from seethink.synth.chain import Outcome
from seethink.systems.insight_v.chain import insight_v
from seethink.systems.r1v.chain import r1v_distill
from seethink.types import Example
from tests.systems.chain_runs import RATES, kept_rows, leaking, run_chain

INSIGHT = insight_v(
    others=tuple(Example(f"g{i}", "?", answer="a") for i in range(30)), per_summary=2, round=2
)
ONE_WAY = [("r1v_distill", "counting"), ("open_r1_multimodal", "exams"), ("open_r1_video", "clips")]


@pytest.mark.parametrize(("name", "world"), [("insight_v", "exams"), *ONE_WAY])
def test_with_a_teacher_that_never_errs_everything_is_kept(name: str, world: str) -> None:
    results = run_chain(systems.chain(name), world, 40)
    assert Counter(outcome.state for _, outcome in results) == {"kept": 40}


@pytest.mark.parametrize(("name", "world"), ONE_WAY)
def test_what_is_kept_has_no_wrong_answer_and_no_leak_and_is_not_little(name: str, world: str) -> None:
    chain = systems.chain(name)
    results = run_chain(chain, world, 100, RATES)
    kept = kept_rows(chain, results)
    assert 45 <= len(kept) <= 70  # 0.7 x 0.9 x 0.95, less a refused description
    for part, example, row in kept:
        assert part == "data" and row.steps and Truth(example).is_right(row.answer)
        assert not leaking("\n".join([*row.steps, str(row.meta.get("final"))]))
        assert row.media == example.media
    dropped = Counter(outcome.reason for _, outcome in results if outcome.state == "dropped")
    assert {"wrong answer", "leak", "refused"} <= {*dropped} and dropped["wrong answer"] > dropped["leak"]


@pytest.fixture(scope="module")
def results() -> list[tuple[Example, Outcome]]:
    return run_chain(INSIGHT, "exams", 100, f"{RATES},step=0.3")


@pytest.fixture(scope="module")
def insight(results: list[tuple[Example, Outcome]]) -> list[tuple[str, Example, Example]]:
    return kept_rows(INSIGHT, results)


def test_reasons_are_high_paths_with_the_right_answer(insight) -> None:
    reasons = [(example, row) for part, example, row in insight if part == "data"]
    assert len(reasons) > 120 and len({row.id for _, row in reasons}) == len(reasons)
    for example, row in reasons:
        assert Truth(example).is_right(row.answer) and row.meta["grade"] >= 80
        assert not leaking("\n".join(row.steps)) and row.steps != example.steps


def test_grades_keep_paths_with_a_wrong_step_out_of_the_reasons(results) -> None:
    """Far fewer among the high ones than among all right ones; how few hangs on the judge."""
    right = [(example, path) for example, outcome in results for path in outcome.draft.paths if path.correct]
    flawed = [path for example, path in right if Truth(example).share_of_steps_in(" ".join(path.steps)) < 1.0]
    high = [path for _, path in right if path.band == "high"]
    share, among_high = len(flawed) / len(right), sum(path.band == "high" for path in flawed) / len(high)
    assert 0.2 < share < 0.4 and among_high < 0.6 * share


def test_summaries_answer_rightly_of_right_and_wrong_paths_alike(insight) -> None:
    summaries = [(example, row) for part, example, row in insight if part == "summary"]
    assert {row.meta["band"] for _, row in summaries} >= {"high", "wrong"}
    for example, row in summaries:
        assert Truth(example).is_right(ANSWER_LINE.parse(row.meta["final"]).answer)
        assert "REASON PROCESS:\n" in row.question and row.media == example.media
        assert not leaking(row.question) and not leaking(" ".join(row.steps))
        assert ANSWER_LINE.parse(row.meta["final"]).thought == (row.steps[0] if row.steps else None)


def test_pairs_prefer_a_right_path_and_bring_their_round(insight) -> None:
    pairs = [row for part, _, row in insight if part == "pairs"]
    assert len(pairs) > 30
    for row in pairs:
        pref = row.meta["pref"]
        assert pref["round"] == 2 and pref["chosen"] != pref["rejected"] and not row.steps
        assert not leaking(pref["chosen"] + pref["rejected"])
    assert all("pref" not in row.meta for part, _, row in insight if part != "pairs")


def test_general_rows_stand_beside_summaries_in_the_share_that_was_asked_for(insight) -> None:
    parts = Counter(part for part, _, _ in insight)
    assert parts["general"] == 2 * parts["summary"]


def test_a_question_that_is_answered_at_once_is_not_worth_a_path() -> None:
    results = run_chain(insight_v(tries=3), "exams", 30)
    assert {outcome.reason for _, outcome in results} == {"too easy"}
    mined = run_chain(insight_v(tries=3), "exams", 60, "wrong=0.3")
    assert {outcome.reason for _, outcome in mined if outcome.state == "dropped"} == {"too easy"}
    assert 0.5 < sum(outcome.state == "kept" for _, outcome in mined) / 60 < 0.8  # 1 - 0.7 ** 3


def test_r1vs_reading_loses_right_answers_that_are_no_number() -> None:
    ours, theirs = (run_chain(r1v_distill(reading), "spatial", 60) for reading in ("ours", "r1v"))
    assert all(outcome.state == "kept" for _, outcome in ours)
    for example, outcome in theirs:
        word = example.answer in ("yes", "no") or str(example.answer).isdecimal()
        assert word or outcome.state == "dropped"


def test_every_chain_has_its_own_name_and_key() -> None:
    chains = [systems.chain(name) for name in systems.chains()]
    assert [chain.name for chain in chains] == list(systems.chains())
    assert len({chain.key for chain in chains}) == len(chains)
    assert insight_v(paths=3).key != insight_v(paths=4).key
    assert all(by_name(chain.world, 1) for chain in chains)
