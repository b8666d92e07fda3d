"""Insight-V: what is done instead of its five best-known defects, and the rows that its recipe learns."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import PIL.Image
import pytest

from seethink import systems
from seethink.engines.base import Request
from seethink.engines.scripted import ScriptedEngine
from seethink.formats import ANSWER_LINE, THOUGHTS_SUMMARY
from seethink.formats.agents import SUMMARY_PROMPT
from seethink.media import Image
from seethink.run.comparison import Claim
from seethink.run.run import Run
from seethink.run.scale import Scale
from seethink.run.synthesised import SynthConfig, Synthesised
from seethink.sequences import Concatenated
from seethink.solve import TwoAgents
from seethink.sources.drawn import by_name
from seethink.synth.draft import Draft, ReasoningPath
from seethink.synth.steps.answer import AnswerStep
from seethink.synth.steps.progressive import ProgressiveStep
from seethink.systems.insight_v.chain import insight_v
from seethink.tasks import GoldTraces
from seethink.types import Example, InputError, Messages, Task
from seethink.verify import same_answer
from tests.synth.steps.run_step import as_json, make_draft, run_step, text_of
from tests.systems.chain_runs import kept_rows, run_chain

PICTURES = tuple(Image.drawn(name, lambda: PIL.Image.new("RGB", (56, 56))) for name in "ab")


# The five defects -------------------------------------------------------------------------------------------


def test_no_step_is_stored_twice_in_any_part() -> None:
    """Published: the generator yields the list so far, which its caller appends each time. Of one path:
    tests/synth/steps/test_progressive.py; here all that is learned from a whole chain."""
    chain = insight_v(paths=3)
    rows = kept_rows(chain, run_chain(chain, "charts", 12, "wrong=0.4"))
    assert {part for part, _, _ in rows} == {"data", "summary", "pairs"}
    for part, _, row in rows:
        texts = [*row.steps] if part == "data" else []
        if part == "pairs":
            texts = [line for side in ("chosen", "rejected") for line in _lines(row.meta["pref"][side])]
        if part == "summary":
            texts = row.question.partition("REASON PROCESS:\n")[2].splitlines()
        most = 2 if part == "pairs" else 1  # once on either side
        assert max(Counter(texts).values(), default=1) <= most


def _lines(text: str) -> list[str]:
    return text.removeprefix("<thoughts>").removesuffix("</thoughts>").strip().splitlines()


@pytest.mark.parametrize("verdict", ["perhaps", "VERDICT: right\nVERDICT: wrong", ""])
def test_a_verdict_that_cannot_be_read_makes_no_path_wrong(verdict: str) -> None:
    """Published: data_check.py reads it as wrong. A final answer: tests/synth/steps/test_answer.py; here
    paths, of which the rules decide one."""
    paths = (ReasoningPath(("look",), "the big one"), ReasoningPath(("guess",), "the larger one"))
    draft = replace(make_draft(question="Which?", answer="the larger one of both"), paths=paths)
    after, calls = run_step(AnswerStep(), draft, lambda call: verdict)
    assert isinstance(after, Draft) and calls
    assert [path.correct for path in after.paths] == [None, None]
    assert after.verdict and after.verdict.passed is None and "2 not judged" in after.verdict.why


@pytest.mark.parametrize("setting", ["mm_use_think_token", "dpo_alpha", "gamma"])
def test_a_setting_that_dpo_lacks_is_refused_before_anything_runs(tmp_path, setting: str) -> None:
    """Published: the DPO script passes arguments that its parser lacks, and needs a patched TRL for two of
    them. The loss with the likelihood of the better response: tests/train/test_dpo.py."""
    run = Run("insight_v", Scale("tiny"), tmp_path, overrides=[f"round2/dpo.{setting}=1"])
    with pytest.raises(InputError, match=setting):
        run.dry_run(systems.recipe("insight_v").recipe)
    weighed = Run("insight_v", Scale("tiny"), tmp_path, overrides=["round2/dpo.rpo_alpha=0.5"])
    stages = weighed.dry_run(systems.recipe("insight_v").recipe)
    assert [stages[f"round{i}/dpo"].config.rpo_alpha for i in (1, 2, 3)] == [1.0, 0.5, 1.0]


def test_the_summary_agent_sees_every_picture_in_its_place_in_one_turn() -> None:
    """Published: in the VLMEvalKit adapter its question has no <image>, and the prompt is templated twice.
    One picture: tests/solve/test_two_agents.py; here two, named inside the question."""
    example = Example("1", "Is <image> darker than <image> here?", PICTURES, answer="no")

    def said(messages: Messages) -> str:
        return "Seen.\nAnswer: no" if SUMMARY_PROMPT in _text(messages) else "<thoughts>a</thoughts>"

    engine = ScriptedEngine(said)
    TwoAgents()(engine, Task("t", [example], THOUGHTS_SUMMARY, same_answer), [example])
    _, summary = engine.conversations
    assert [message["role"] for message in summary] == ["user"] and "<|im_" not in _text(summary)
    parts = summary[0]["content"]
    shown = [i for i, part in enumerate(parts) if part["type"] == "image"]
    assert [parts[i]["image"] for i in shown] == [*PICTURES]
    assert parts[shown[0] - 1]["text"].endswith("QUESTION: Is ") and "darker" in parts[shown[0] + 1]["text"]


def _text(messages: Messages) -> str:
    return "".join(part.get("text", "") for message in messages for part in message["content"])


def test_a_step_that_fails_is_stored_nowhere_and_its_reminder_stays_in_no_later_turn() -> None:
    """Published: reminders stay in the context, and a third failure is stored as a step "Error" with a final
    answer. A step: tests/synth/steps/test_progressive.py; here the final answer fails once, or always."""
    final = as_json(title="FINAL ANSWER", content="3")
    step = as_json(title="Look", content="three dots", next_action="final_answer")
    again = as_json(title="Check", content="still three", next_action="final_answer")
    failures: list[str] = []

    def reply(call: Request) -> str:
        if not call.step.endswith("final"):
            return step if call.step.endswith("1") else again
        failures.append(call.step)
        return "oops" if len(failures) == 1 else final

    after, calls = run_step(ProgressiveStep(paths=1), make_draft(), reply)
    assert isinstance(after, Draft) and after.paths[0].steps == ("Look: three dots", "Check: still three")
    assert [ProgressiveStep().reminder in text_of(call) for call in calls] == [False, False, False, True]
    lost, _ = run_step(
        ProgressiveStep(paths=1),
        make_draft(),
        lambda call: "oops" if call.step.endswith("final") else step if call.step.endswith("1") else again,
    )
    assert not isinstance(lost, Draft) and "has no final answer" in lost.why


@pytest.mark.parametrize(
    ("six", "mme", "printed", "as_shares"),
    [
        ((36.9, 13.2, 72.3, 69.4, 43.1, 45.9), 1611.1 + 346.0, 40.2, 50.1),
        ((40.8, 17.8, 77.6, 74.6, 52.6, 47.4), 1603.7 + 469.3, 44.5, 55.0),
        ((42.0, 21.0, 81.7, 77.4, 57.4, 49.8), 1583.9 + 485.4, 47.2, 57.6),
    ],
    ids=["LLaVA-NeXT-LLaMA3", "two agents", "three rounds of DPO"],
)
def test_a_mean_is_of_scores_on_one_scale(six, mme: float, printed: float, as_shares: float) -> None:
    """Published: MME's 0..2,800 points enter a mean of percentages as a fraction of 1."""
    assert (sum(six) + mme / 2_800) / 7 == pytest.approx(printed, abs=0.1)
    shares = [one / 100 for one in six] + [mme / 2_800]
    assert 100 * sum(shares) / 7 == pytest.approx(as_shares, abs=0.06)
    Claim("MME", {"base": shares[-1]}, "Insight-V")
    for unscaled in (mme, six[0]):
        with pytest.raises(ValueError, match="divide it by the best possible score"):
            Claim("MME", {"base": unscaled}, "Insight-V")


# Rows of the recipe -----------------------------------------------------------------------------------------


def test_a_summary_is_learned_word_for_word_with_general_rows_beside_it(tmp_path) -> None:
    others = [replace(row, steps=()) for row in by_name("charts", 4, "general")]
    chain = insight_v(paths=2, others=others, per_summary=1)
    made: list[Synthesised] = []

    def recipe(run: Run) -> None:
        made.append(run.synth("paths", chain, by_name("charts", 6), SynthConfig("oracle:wrong=0.4")))

    Run("r", Scale("smoke"), tmp_path).execute(recipe)
    rows = made[-1].rows("summary", "general")
    summaries, general = [*made[-1].rows("summary")], [*made[-1].rows("general")]
    assert [row.id for row in rows] == [row.id for row in (*summaries, *general)]
    assert len(general) == len(summaries) > 6, "of several paths of a question"
    assert all("formal" not in row.meta for row in general), "a drawn world's own description is dropped"
    lessons = GoldTraces(Task("summaries", rows, ANSWER_LINE, same_answer))
    for row, lesson in zip(rows, lessons, strict=True):
        target = row.meta.get("final") or f"Answer: {row.answer}"
        assert lesson.text.split() == target.split()


def test_other_general_rows_are_another_synthesis(tmp_path) -> None:
    def key(**settings) -> str:
        run = Run("r", Scale("smoke"), tmp_path)
        run.dry = True
        return run.synth("paths", insight_v(**settings), by_name("charts", 2), SynthConfig()).key

    some, others = by_name("charts", 3, "general"), by_name("charts", 3, "others")
    keys = {key(), key(others=some), key(others=others), key(others=some, per_summary=1), key(paths=2)}
    assert len(keys) == 5 and key(others=some) == key(others=by_name("charts", 3, "general"))


def test_what_joined_rows_are_made_of_is_known_before_and_decides_their_identity(tmp_path) -> None:
    def keys(*overrides: str) -> dict[str, str]:
        run = Run("insight_v", Scale("smoke"), tmp_path, overrides=overrides)
        stages = run.dry_run(systems.recipe("insight_v").recipe)
        assert "paths" in [need.key.partition(":")[0] for need in stages["multi_turn"].needs]
        return {name: stage.key for name, stage in stages.items()}

    first, other = keys(), keys("paths.teacher=oracle:wrong=0.1")
    assert first == keys() and all(first[name] != other[name] for name in ("multi_turn", "round1/dpo"))
    joined = Concatenated((by_name("charts", 2), by_name("charts", 3, "test")))
    assert [row.id for row in joined] == [row.id for part in joined.parts for row in part]
    assert joined[-1] == joined.parts[1][2] and len(joined) == 5
    assert (
        joined.identity
        and joined.identity != Concatenated((by_name("charts", 2), by_name("charts", 4, "test"))).identity
    )
    assert Concatenated(([1], [2, 3])).identity is None and [*Concatenated(([1], [], [2, 3]))] == [1, 2, 3]
