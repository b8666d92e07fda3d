"""Best of n keeps the sample that its scorer prefers, and says what all samples took."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seethink.evaluate.voting import majority, pass_at
from seethink.formats import ANSWER_ONLY, BARE
from seethink.solve import SOLVERS, BestOfN, Direct, by_name
from seethink.types import Completion, Example, InputError, Messages, Sampling, Task
from seethink.verify import same_number

EXAMPLES = [Example(str(i), f"Question {i}?", answer="1") for i in range(3)]
TASK = Task("t", EXAMPLES, ANSWER_ONLY, same_number)


class Sampler:
    """Gives prepared answers in order; a judge's question is answered by `says_yes(prompt)`."""

    def __init__(self, answers: Sequence[str], says_yes=lambda text: True, logps: bool = True) -> None:
        self.answers, self.says_yes, self.logps = answers, says_yes, logps
        self.prompts: list[str] = []

    def generate(self, conversations: Sequence[Messages], sampling: Sampling) -> list[list[Completion]]:
        return [[self._one(messages, i) for i in range(sampling.n)] for messages in conversations]

    def _one(self, messages: Messages, i: int) -> Completion:
        text = "".join(part.get("text", "") for message in messages for part in message["content"])
        self.prompts.append(text)
        if "one word, yes or no" in text:
            return Completion("yes" if self.says_yes(text) else "no", n_tokens=1, logps=(math.log(0.9),))
        logps = tuple([-(i + 1.0)] * (len(self.answers) - i))
        return Completion(
            f"<answer>{self.answers[i]}</answer>", n_tokens=3, logps=logps if self.logps else ()
        )


def answers(engine: Sampler, spec: str) -> list[str | None]:
    rollouts = by_name(spec)(engine, TASK, EXAMPLES)
    return [one.response.answer for (one,) in rollouts]


@given(st.lists(st.sampled_from(["1", "2", "3"]), min_size=1, max_size=6))
def test_best_by_verifier_is_at_least_as_good_as_every_sample(said: list[str]) -> None:
    engine = Sampler(said)
    (every, *_) = Direct(Sampling(n=len(said)))(engine, TASK, EXAMPLES)
    ((best,), *_) = BestOfN("verifier", sampling=Sampling(n=len(said)))(engine, TASK, EXAMPLES)
    assert best.score.value == max(one.score.value for one in every if one.score.value is not None)


def test_log_probabilities_select_by_mean_or_by_sum() -> None:
    engine = Sampler(["5", "6", "7"])  # means -1, -2, -3; sums -3, -4, -3
    assert answers(engine, "best_of_n:n=3,select=logprob_mean") == ["5"] * 3
    assert answers(Sampler(["5", "6", "7", "8"]), "best_of_n:n=4,select=logprob_sum") == ["5"] * 3
    lengthy = Sampler(["5", "6"])
    lengthy._one = lambda messages, i: Completion(  # type: ignore[method-assign]
        f"<answer>{i}</answer>", logps=((-0.1,) * 30, (-1.0,))[i]
    )
    assert answers(lengthy, "best_of_n:n=2,select=logprob_sum") == ["1"] * 3
    assert answers(lengthy, "best_of_n:n=2,select=logprob_mean") == ["0"] * 3


def test_a_judge_selects_the_candidate_that_it_says_yes_to_and_is_counted() -> None:
    engine = Sampler(["4", "5", "6"], says_yes=lambda text: "<answer>5</answer>" in text)
    rollouts = by_name("best_of_n:n=3,select=judge")(engine, TASK, EXAMPLES)
    assert [one.response.answer for (one,) in rollouts] == ["5"] * 3
    usage = rollouts[0][0].usage
    assert usage is not None and (usage.calls, usage.tokens_sampled) == (6, 3 * 3 + 3)
    assert usage.tokens_computed is None and usage.pictures_encoded is None, "this engine does not say"


def test_a_judge_that_says_neither_yes_nor_no_is_counted_and_the_first_sample_kept() -> None:
    engine = Sampler(["4", "5"])
    engine.says_yes = lambda text: True
    given, engine._one = (
        engine._one,
        lambda messages, i: (  # type: ignore[method-assign]
            Completion("perhaps") if "yes or no" in str(messages) else given(messages, i)
        ),
    )
    ((one,), *_) = by_name("best_of_n:n=2,select=judge")(engine, TASK, EXAMPLES)
    assert one.response.answer == "4" and one.usage is not None and one.usage.unscored == 2


def test_a_scorer_of_your_own_selects(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "def last(example, steps):\n    return float(steps[0][8])\n", encoding="utf-8"
    )
    spec = f"best_of_n:n=3,select={tmp_path}/mine.py:last"
    assert answers(Sampler(["4", "6", "5"]), spec) == ["6"] * 3
    (tmp_path / "bad.py").write_text("def last(example, steps):\n    return 1 / 0\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"bad.py, line 2: ZeroDivisionError.*example 0"):
        answers(Sampler(["4", "6", "5"]), spec.replace("mine", "bad"))


def test_the_majority_wins_whatever_its_spelling() -> None:
    assert answers(Sampler(["3", "0.5", "1/2", "2"]), "best_of_n:n=4") == ["0.5"] * 3
    assert majority(["b", None, "A", "(a)", "c"]) == 2
    assert majority(["7", "8"]) == 0 and majority([None, None]) == 0 and majority([]) == 0


@given(st.lists(st.sampled_from(["1", "1.0", "one", "2", "yes", "Yes.", None]), min_size=1))
def test_no_answer_has_more_votes_than_the_majority(given: list[str | None]) -> None:
    votes = {"1": "1", "1.0": "1", "one": "1", "2": "2", "yes": "yes", "Yes.": "yes"}
    cast = [votes[answer] for answer in given if answer is not None]
    winner = given[majority(given)]
    if winner is not None:
        assert cast.count(votes[winner]) == max(map(cast.count, cast))
    else:
        assert not cast


def test_pass_at_k_is_the_share_of_subsets_with_a_right_answer() -> None:
    assert [pass_at(k, 4, 1) for k in (1, 2, 4)] == [0.25, 0.5, 1.0]
    assert pass_at(2, 4, 0) == 0.0 and pass_at(3, 4, 2) == 1.0
    with pytest.raises(ValueError, match="k=5"):
        pass_at(5, 4, 1)


def test_log_probabilities_that_an_engine_does_not_give_are_an_input_error() -> None:
    with pytest.raises(InputError, match="no log-probabilities"):
        answers(Sampler(["1", "2"], logps=False), "best_of_n:n=2,select=logprob_mean")


def test_an_answer_that_failed_is_not_kept_while_another_was_given() -> None:
    class Flaky(Sampler):
        def _one(self, messages: Messages, i: int) -> Completion:
            return Completion("500: down", "unanswered") if i == 0 else super()._one(messages, i)

    for spec in ("best_of_n:n=2", "best_of_n:n=2,select=logprob_mean", "best_of_n:n=2,select=verifier"):
        assert answers(Flaky(["1", "2"]), spec) == ["2"] * 3
        rollouts = by_name(spec)(Flaky(["1", "</answer> nothing"]), TASK, EXAMPLES)
        assert {one.response.stop for (one,) in rollouts} == {"stop"}
    bare = Task("t", EXAMPLES, BARE, same_number)
    ((one,), *_) = by_name("best_of_n:n=2")(Flaky(["1", "2"]), bare, EXAMPLES)
    assert one.response.stop == "stop", "an error is no vote, whatever the format reads in it"


# Names --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("best_off_n", "did you mean best_of_n"),
        ("best_of_n:m=4", "has no field 'm'|unknown field of solver best_of_n"),
        ("best_of_n:n=0", "solver best_of_n: n=0: it must be at least 1"),
        ("best_of_n:n=many", "solver best_of_n: n=many is not a whole number"),
        ("best_of_n:select=luck", "unknown scorer 'luck'.*majority, verifier, logprob_mean"),
        ("best_of_n:temperature=0,n=1", "temperature=0.0: it must be above 0"),
        ("direct:n", "'n' is not a setting"),
    ],
)
def test_a_wrong_solver_is_an_input_error_that_names_the_option(spec: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        by_name(spec)


def test_every_solver_is_made_by_its_name_alone() -> None:
    for name, cls in SOLVERS.items():
        assert by_name(name) == cls()
    assert by_name("best_of_n: n = 4 , select = judge") == BestOfN("judge", sampling=Sampling(n=4))


def test_direct_keeps_every_sample_with_its_own_usage() -> None:
    rollouts = by_name("direct:n=2,temperature=1")(Sampler(["1", "2"]), TASK, EXAMPLES)
    assert [[one.response.answer for one in group] for group in rollouts] == [["1", "2"]] * 3
    assert all(one.usage is not None and one.usage.calls == 1 for group in rollouts for one in group)
