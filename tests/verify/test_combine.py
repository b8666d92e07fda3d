import inspect
import json
from dataclasses import dataclass

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from seethink import markup
from seethink.identity import of_verifier
from seethink.types import Example, InputError, Response, Score
from seethink.verify import (
    VERIFIERS,
    by_name,
    first_of,
    math_process,
    only_if,
    same_math,
    same_number,
    same_text,
    spelling,
    units,
    weighted,
    well_formed,
)

EXAMPLE, RESPONSE = Example(id="1", question="?"), Response(text="")


@dataclass(frozen=True)
class Always:
    value: float | None
    why: str = ""

    def __call__(self, example: Example, response: Response) -> Score:
        return Score(self.value, self.why)


unit = st.floats(0, 1)
weight = st.floats(0, 1e6)


@example([(0.5, 5e-324)])
@given(st.lists(st.tuples(unit, weight), min_size=1).filter(lambda parts: sum(w for _, w in parts) > 0))
def test_a_weighted_score_lies_between_its_paid_parts(parts):
    named = {f"p{i}": (Always(value), weight) for i, (value, weight) in enumerate(parts)}
    score = weighted(**named)(EXAMPLE, RESPONSE)
    paid = [value for value, weight in parts if weight > 0]
    assert score.value is not None
    assert min(paid) - 1e-9 <= score.value <= max(paid) + 1e-9
    assert {name: part.value for name, part in score.parts.items()} == {
        f"p{i}": value for i, (value, _) in enumerate(parts)
    }


def test_a_weighted_score_is_the_weighted_mean_and_joins_the_reasons():
    both = weighted(correct=(Always(1.0, "right"), 3), format=(Always(0.0, "untidy"), 1))
    score = both(EXAMPLE, RESPONSE)
    assert (score.value, score.why) == (0.75, "correct: right; format: untidy")


def test_weight_zero_makes_a_metric_even_where_it_cannot_be_judged():
    score = weighted(correct=(Always(1.0), 1), length=(Always(None, "unknown"), 0))(EXAMPLE, RESPONSE)
    assert score.value == 1.0
    assert score.parts["length"] == Score(None, "unknown")


def test_a_paid_part_that_cannot_be_judged_leaves_the_whole_unjudged():
    score = weighted(correct=(Always(None), 1), format=(Always(1.0), 1))(EXAMPLE, RESPONSE)
    assert score.value is None
    assert score.parts["format"].value == 1.0


@pytest.mark.parametrize("weights", [(-1.0, 2.0), (0.0, 0.0), (float("nan"), 1.0), (float("inf"), 1.0)])
def test_weights_that_mean_nothing_are_refused(weights):
    with pytest.raises(ValueError, match="weight"):
        weighted(a=(Always(1.0), weights[0]), b=(Always(1.0), weights[1]))


def test_weighing_nothing_is_refused():
    with pytest.raises(ValueError, match="positive"):
        weighted()


@dataclass(frozen=True)
class Unread:
    why: str = ""

    def __call__(self, example: Example, response: Response) -> Score:
        return Score(0.0, self.why, unread=True)


def test_first_of_asks_on_where_the_answer_could_not_be_read():
    assert first_of(Unread("a"), Always(1.0, "b"))(EXAMPLE, RESPONSE) == Score(1.0, "b")
    assert first_of(Unread("a"), Always(0.0, "b"), Always(1.0))(EXAMPLE, RESPONSE) == Score(0.0, "b")
    left = Score(0.0, "a; b", unread=True)
    assert first_of(Unread("a"), Always(None, "b"))(EXAMPLE, RESPONSE) == left
    assert first_of(Always(None, "a"), Unread("b"))(EXAMPLE, RESPONSE) == left
    assert first_of(first_of(Unread()), Always(0.5))(EXAMPLE, RESPONSE).value == 0.5


def test_whether_an_answer_was_read_passes_through_the_other_combinators():
    assert only_if(Unread(), Always(1.0))(EXAMPLE, RESPONSE).unread
    assert only_if(Always(1.0), Unread())(EXAMPLE, RESPONSE).unread
    assert weighted(correct=(Unread(), 1.0), length=(Always(1.0), 0))(EXAMPLE, RESPONSE).unread
    half = weighted(correct=(Unread(), 1.0), format=(Always(1.0), 1.0))(EXAMPLE, RESPONSE)
    assert (half.value, half.unread, half.parts["correct"].unread) == (0.5, False, True)


def test_an_unread_answer_is_worth_nothing():
    with pytest.raises(ValueError, match="worth 0"):
        Score(None, unread=True)


@pytest.mark.parametrize("verifier", [same_number, by_name("relaxed_number")])
def test_an_answer_of_another_kind_is_unread_and_a_missing_or_different_one_is_wrong(verifier):
    def score(answer):
        return verifier(Example(id="1", question="?", answer="5"), Response("", answer=answer))

    assert score("a red cube") == Score(0.0, score("a red cube").why, unread=True)
    for wrong in ("4", None):
        assert (score(wrong).value, score(wrong).unread) == (0.0, False)


def test_first_of_asks_until_somebody_can_judge():
    assert first_of(Always(None), Always(0.25, "b"), Always(1.0))(EXAMPLE, RESPONSE) == Score(0.25, "b")
    assert first_of(Always(None, "a"), Always(None, "b"))(EXAMPLE, RESPONSE) == Score(None, "a; b")
    with pytest.raises(ValueError, match="at least one"):
        first_of()


@pytest.mark.parametrize(("gate", "value"), [(1.0, 0.5), (0.9, 0.0), (0.0, 0.0), (None, None)])
def test_only_if_pays_behind_an_open_gate_alone(gate, value):
    assert only_if(Always(gate), Always(0.5))(EXAMPLE, RESPONSE).value == value


def test_a_description_is_json_and_tells_verifiers_apart():
    described = [json.dumps(of_verifier(verifier)) for verifier in VERIFIERS.values()]
    assert len(set(described)) == len(VERIFIERS)
    assert of_verifier(same_number)["is"] == "seethink.verify.text.same_number"


def test_a_description_holds_names_weights_and_order():
    counted = weighted(correct=(same_number, 1.0), format=(well_formed, 0.5))
    assert of_verifier(counted) == of_verifier(weighted(correct=(same_number, 1), format=(well_formed, 0.5)))
    assert of_verifier(counted) != of_verifier(
        weighted(correct=(same_number, 1.0), format=(well_formed, 1.0))
    )
    assert of_verifier(counted) != of_verifier(weighted(right=(same_number, 1.0), format=(well_formed, 0.5)))
    assert of_verifier(first_of(same_number, same_text)) != of_verifier(first_of(same_text, same_number))
    assert of_verifier(Always(1.0)) != of_verifier(Always(0.0))


def test_a_description_changes_with_the_helpers_that_a_verifier_uses(monkeypatch):
    before = of_verifier(same_math)
    for helper in (math_process, spelling, units, markup):
        monkeypatch.setattr(inspect, "getsource", _with_a_line_more_in(helper, inspect.getsource))
        assert of_verifier(same_math) != before
        monkeypatch.undo()
    assert of_verifier(same_math) == before


def _with_a_line_more_in(module, getsource):
    return lambda thing: getsource(thing) + ("# one more" if thing is module else "")


def test_a_verifier_without_identity_is_refused():
    def closure(example, response):
        return Score(1.0)

    for nameless in (closure, lambda example, response: Score(1.0)):
        with pytest.raises(ValueError, match="no identity"):
            of_verifier(only_if(nameless, same_number))


def test_verifiers_are_found_by_name():
    assert by_name("same_number") is same_number
    with pytest.raises(
        InputError, match="unknown verifier 'same_numbr'; the verifiers are same_number, same_text"
    ):
        by_name("same_numbr")


def test_same_answer_compares_numbers_as_numbers_and_the_rest_as_text():
    def paid(gold, answer):
        return by_name("same_answer")(
            Example(id="1", question="?", answer=gold), Response("", answer=answer)
        ).value

    assert paid("5", "5.0 digits") == paid("odd by 3", "Odd by 3.") == 1.0
    assert paid("-5", "5") == paid("odd by 3", "even by 3") == 0.0
