from __future__ import annotations

from seethink.engines.base import Request
from seethink.identity import seed_of
from seethink.synth.draft import Draft, Dropped, ReasoningPath
from seethink.synth.steps.sample import SampleStep, read_sample
from tests.synth.steps.run_step import ReplyFunction, make_draft, run_step

SEEDS = {seed_of("one", "sample", i): i for i in range(1, 6)}


def answers(*given: str) -> ReplyFunction:
    """The i-th sample says the i-th of these."""

    def reply_to(call: Request) -> str:
        answer = given[SEEDS[call.sampling.seed] - 1]
        return f"<think>I count.\n\nSo {answer}.</think><answer>{answer}</answer>"

    return reply_to


def test_every_sample_is_a_path_with_its_paragraphs_as_steps() -> None:
    after, calls = run_step(SampleStep(paths=3), make_draft(), answers("3", "4", "3"))
    assert isinstance(after, Draft)
    assert after.paths[1] == ReasoningPath(("I count.", "So 4."), "4")
    assert [path.answer for path in after.paths] == ["3", "4", "3"]
    assert {call.step for call in calls} == {"sample"} and len({call.sampling.seed for call in calls}) == 3


def test_a_sample_in_another_format_is_retried() -> None:
    step = SampleStep(paths=1)
    reply_to = lambda call: "<think>a</think><answer>3</answer>" if call.sampling.seed not in SEEDS else "3"  # noqa: E731
    after, calls = run_step(step, make_draft(), reply_to)
    assert isinstance(after, Draft) and after.paths[0].answer == "3" and len(calls) == 2
    lost, calls = run_step(step, make_draft(), lambda call: "three")
    assert isinstance(lost, Dropped) and lost.reason == "no answer" and len(calls) == 1 + step.retries


def test_the_majority_answer_becomes_that_of_an_example_without_one() -> None:
    step = SampleStep(paths=5, min_agreement=0.6)
    after, _ = run_step(step, make_draft(answer=None), answers("2", "3", "3.0", "4", "3"))
    assert isinstance(after, Draft) and after.example.answer == "3"
    assert after.example.meta["answered_by"] == "self-consistency"
    kept, _ = run_step(step, make_draft(answer="9"), answers("2", "3", "3.0", "4", "3"))
    assert isinstance(kept, Draft) and kept.example.answer == "9"
    torn, _ = run_step(step, make_draft(answer=None), answers("2", "3", "3.0", "4", "5"))
    assert torn == Dropped("not judged", "only 2 of 5 samples agree, on '3'")


def test_lost_samples_count_against_agreement() -> None:
    def reply_to(call: Request) -> str:
        return "I cannot say." if SEEDS[call.sampling.seed] > 2 else answers("3", "3")(call)

    after, _ = run_step(SampleStep(paths=5, min_agreement=0.6), make_draft(answer=None), reply_to)
    assert isinstance(after, Dropped) and after.reason == "not judged"


def test_a_sample_needs_a_thought_and_an_answer() -> None:
    for text in ("<think></think><answer>3</answer>", "<think>a</think><answer></answer>", "3"):
        assert isinstance(read_sample(text), Dropped)
