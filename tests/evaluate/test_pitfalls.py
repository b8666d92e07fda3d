"""What published evaluations of reasoning models got wrong, each as a situation that ours is put in."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from seethink.evaluate.attempts import read_attempts
from seethink.evaluate.evaluate import evaluate
from seethink.evaluate.statistics import compare
from seethink.formats import by_name
from seethink.solve import Direct
from seethink.tasks import with_judge
from seethink.types import GREEDY, Completion, Example, Response, Sampling, Task
from seethink.verify import same_choice, same_number, weighted
from seethink.verify.judge import ATTRIBUTES, Judge, StepsJudge

FORM = by_name("think_answer")
EXAMPLES = [Example(str(i), f"Number {i}?", answer=str(i % 2), steps=(f"Step of {i}.",)) for i in range(6)]


class Scripted:
    """Completions by question, in the order in which they are asked."""

    def __init__(self, answer) -> None:
        self.answer, self.prompts = answer, []

    def generate(self, conversations, sampling):
        self.prompts += conversations
        texts = ["".join(part.get("text", "") for part in one[-1]["content"]) for one in conversations]
        return [[self.answer(text, k) for k in range(sampling.n)] for text in texts]


def right(text: str, k: int = 0) -> Completion:
    number = int(text.split("Number ")[1][0])
    return Completion(f"<think>I see {k}.</think><answer>{number % 2}</answer>")


def result_of(tmp_path: Path, answer, task: Task | None = None, sampling: Sampling = GREEDY):
    task = task or Task("t", EXAMPLES, FORM, weighted(correct=(same_number, 1.0)))
    return evaluate(Scripted(answer), [task], Direct(sampling), tmp_path, tmp_path / "media")["t"]


def test_failed_questions_stay_in_the_denominator(tmp_path):
    """LlamaV-o1's runner skips a question at any exception, and averages over the others."""

    def failing(text, k):
        return Completion("500: out of order", "unanswered") if "Number 3" in text else right(text)

    row = result_of(tmp_path, failing)
    assert (row["n"], row["value"], row["unanswered"]) == (6, pytest.approx(5 / 6), 1)
    assert row["without_score"]["unanswered"] == ["3"]


def test_an_engine_that_breaks_ends_the_evaluation_and_loses_nothing(tmp_path):
    def broken(text, k):
        raise RuntimeError("out of memory")

    with pytest.raises(RuntimeError, match="out of memory"):
        result_of(tmp_path, broken)
    assert result_of(tmp_path, right)["value"] == 1.0


def test_completions_of_a_batch_belong_to_their_prompts(tmp_path):
    """Open-R1-Video stacks completions by generation and rewards by prompt."""
    row = result_of(tmp_path, right, sampling=Sampling(n=3))
    assert row["value"] == 1.0
    for attempt in read_attempts(tmp_path / "attempts.jsonl"):
        assert attempt["thought"] == f"I see {attempt['sample']}."
        assert attempt["said"] == str(int(attempt["id"]) % 2)


def test_truncated_answers_are_counted(tmp_path):
    """A limit that cuts thoughts makes thinking look worse than it is."""

    def cut(text, k):
        return Completion("<think>I think and", "length") if "Number 1" in text else right(text)

    assert result_of(tmp_path, cut)["truncated"] == pytest.approx(1 / 6)


def test_text_outside_of_the_answer_is_not_scored(tmp_path):
    """LLaVA-CoT's score moves by one to two points with the text around its conclusion."""

    def thinking_of_the_gold(text, k):
        return Completion("<think>Perhaps 0, perhaps 1.</think><answer>7</answer>")

    assert result_of(tmp_path, thinking_of_the_gold)["value"] == 0.0


def test_arms_that_were_prompted_differently_are_told_apart(tmp_path):
    """Open-R1-Video compares its reasoning prompt with a base that was asked directly."""
    for name, mode in (("a", "suffix"), ("b", "direct")):
        task = Task("t", EXAMPLES, FORM.with_prompt_mode(mode), same_number)
        evaluate(Scripted(right), [task], Direct(), tmp_path / name, tmp_path / "media")
    (test,) = compare(tmp_path / "a/attempts.jsonl", tmp_path / "b/attempts.jsonl")
    assert test["asked"] == ["think_answer, suffix", "think_answer, direct"]


def test_a_small_difference_is_not_called_one(tmp_path):
    """R1-Onevision's gain was 3 questions of 942 under another scorer (p = 0.9)."""

    def one_wrong(text, k):
        return Completion("<answer>9</answer>") if "Number 2" in text else right(text)

    for name, answer in (("a", one_wrong), ("b", right)):
        result_of(tmp_path / name, answer)
    (test,) = compare(tmp_path / "a/attempts.jsonl", tmp_path / "b/attempts.jsonl")
    assert test["difference"] == pytest.approx(1 / 6) and test["p"] > 0.3 and test["low"] < 0


@pytest.mark.parametrize(
    ("gold", "said", "value"),
    [
        ("A", "We should pick a value; the dog is at D", 0.0),
        ("A", "A person pours it", 0.0),
        ("D", "(D)", 1.0),
        ("D", "option d", 1.0),
    ],
)
def test_an_article_is_no_option(gold, said, value):
    """R1-Onevision's extractor reads "a value" as option A; Open-R1-Video pays "A person" for gold A."""
    choices = ("a cat", "a cow", "a hen", "the dog")
    assert same_choice(Example("1", "Which?", (), gold, choices), Response("", answer=said)).value == value


# Judges ----------------------------------------------------------------------------------------------------


class AnsweringJudge:
    """Replies by the prompt's text; keeps the prompts."""

    def __init__(self, reply) -> None:
        self.reply, self.texts = reply, []

    def generate(self, conversations, sampling):
        texts = ["".join(part.get("text", "") for part in one[-1]["content"]) for one in conversations]
        self.texts += texts
        return [[Completion(self.reply(text))] for text in texts]


GRADES = json.dumps(dict.fromkeys(ATTRIBUTES, 6))


def judged(tmp_path, reply, **parts):
    engine = AnsweringJudge(reply)
    judges = {name: kind("m", engine) for name, kind in parts.items()}
    task = Task("t", EXAMPLES, FORM, weighted(correct=(same_number, 1.0)))
    task = with_judge(task, judges["judge"], "all", judges.get("steps"))
    return engine, result_of(tmp_path, right, task)


def test_the_judge_of_answers_gets_the_final_answer_and_the_judge_of_steps_the_steps(tmp_path):
    """LlamaV-o1's judge of final answers got the gold steps, and never the gold answer."""
    engine, _ = judged(
        tmp_path,
        lambda text: GRADES if "Grade each" in text else "VERDICT: right",
        judge=Judge,
        steps=StepsJudge,
    )
    of_steps = [text for text in engine.texts if "Grade each" in text]
    of_answers = [text for text in engine.texts if "Grade each" not in text]
    assert len(of_steps) == 6 and of_answers
    assert all("Step of" in text and "Reference answer" not in text for text in of_steps)
    assert all("Reference answer" in text and "Step of" not in text for text in of_answers)
    assert all("I see" not in text for text in of_answers), "nor the thought of the candidate"


def test_one_bad_reply_ends_nothing_and_is_no_verdict(tmp_path):
    """LlamaV-o1's script ends at the first reply that is not a literal; others take a default for it."""

    def bad_once(text):
        return "I would say so." if "Number 2" in text else "VERDICT: right"

    _, row = judged(tmp_path, bad_once, judge=Judge)
    assert row["unjudged"] == 1 and row["without_score"]["unjudged"] == ["2"]
    assert row["value"] == 1.0 and row["unjudged_wrong"]["value"] == pytest.approx(5 / 6)


def test_the_mean_of_the_attributes_is_ours_and_not_the_judges(tmp_path):
    """In VRC-Bench an eleventh grade, "Overall", is averaged by the judge itself, and only that counts."""
    overall = json.dumps(dict.fromkeys(ATTRIBUTES, 6) | {"Overall": 10})
    steps = StepsJudge("m", AnsweringJudge(lambda text: overall))
    assert steps(EXAMPLES[0], Response("", "I see.", "0")).value is None, "a grade that was not asked for"
    steps = StepsJudge("m", AnsweringJudge(lambda text: GRADES))
    assert steps(EXAMPLES[0], Response("", "I see.", "0")).value == pytest.approx(0.6)


def test_grades_that_were_lost_are_counted_and_do_not_raise_the_mean_unnoticed(tmp_path):
    """LlamaV-o1's dataset score divides by the replies that could be read."""

    def some(text):
        if "Grade each" not in text:
            return "VERDICT: right"
        return "no" if "Number 4" in text else GRADES

    _, row = judged(tmp_path, some, judge=Judge, steps=StepsJudge)
    found = row["step_grades"]
    assert (found["n"], found["ungraded"]) == (5, 1)
    assert found["mean"] == pytest.approx(0.6) and found["ungraded_as_0"] == pytest.approx(0.5)
