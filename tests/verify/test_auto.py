"""Rows say how they are judged, or their answers do."""

import pytest

from seethink import verify
from seethink.identity import of_verifier
from seethink.types import Example, InputError, Response
from seethink.verify.auto import ACCU_REWARD_METHODS, refuse_unknown, verifier_name

BOX = '[{"bbox_2d": [1, 2, 30, 40], "label": "cup"}]'


def row(method=None, answer="3", choices=()):
    meta = {} if method is None else {"accu_reward_method": method}
    return Example("one", "How many?", answer=answer, choices=choices, meta=meta)


def response(answer):
    return Response(answer, answer=answer)


@pytest.mark.parametrize(("method", "name"), ACCU_REWARD_METHODS.items())
def test_a_rows_method_names_its_verifier(method, name):
    assert verifier_name(row(method, BOX, ("a", "b"))) == name
    assert name is None or name in verify.VERIFIERS


def test_without_a_method_the_answer_tells():
    assert verifier_name(row(choices=("2", "3"))) == "same_choice"
    assert verifier_name(row(answer=BOX)) == "boxes"
    assert verifier_name(row()) == "same_answer"
    assert {verifier_name(row(answer=word)) for word in ("yes", "No.", "没有", "是")} == {"yes_no"}
    assert verifier_name(row(answer="Yes, a dog")) == "same_answer"
    numbers = "[1, 2, 30, 40]"
    assert verifier_name(row(answer=numbers)) == "same_answer"
    for question in ("Where is it? Give its box.", "Give the bounding box of the cup.", "What is the bbox?"):
        assert verifier_name(Example("one", question, answer=numbers)) == "boxes"


@pytest.mark.parametrize(
    ("gold", "answer", "value"),
    [
        ('["red", "crimson"]', "crimson", 1.0),
        ("['24/7', '3.429']", "24/7", 1.0),
        ("['5', 'five']", "The number five", 0.0),
        ("['Yes']", "Yes, it is", 1.0),
        ('["2012", "2013"]', "2014", 0.0),
        ("[1, 2]", "1", 0.0),
        ("2, 3", "2", 0.0),
    ],
)
def test_a_gold_that_lists_texts_is_any_of_them_and_other_lists_are_one_value(gold, answer, value):
    assert verify.by_name("auto")(row(answer=gold), response(answer)).value == value
    assert (verifier_name(row(answer=gold)) == "any_of_texts") is ("'" in gold or '"' in gold)
    assert verifier_name(row(answer=gold, choices=("x", "y"))) == "same_choice"


def test_auto_judges_as_the_named_one_does():
    auto = verify.by_name("auto")
    assert auto(row("mcq", "B", ("2", "3")), response("(B)")).value == 1.0
    assert (
        auto(row("all_match", "3.0"), response("3")).value
        == verify.same_text(row(answer="3.0"), response("3")).value
    )
    assert auto(row("default", "3.0"), response("3")).value == 1.0
    unjudged = auto(row("llm"), response("3"))
    assert unjudged.value is None and "--judge-base-url" in unjudged.why


def test_an_unknown_method_is_refused_with_its_row():
    refuse_unknown([row(), row("mcq")])
    with pytest.raises(InputError, match="example one: accu_reward_method 'mcqq' is none of default, mcq"):
        refuse_unknown([row("mcqq")])
    with pytest.raises(InputError, match="example one"):
        refuse_unknown([row(["mcq"])])


def test_the_identity_of_auto_holds_those_of_all_verifiers_that_it_may_choose():
    """Stages that were judged by `auto` must run again when one of these verifiers changes."""
    verifiers = of_verifier(verify.by_name("auto"))["fields"]["verifiers"]
    assert verifiers["same_number"] == of_verifier(verify.by_name("same_number"))
    assert {"same_choice", "boxes", "same_answer", "same_math", "yes_no"} <= verifiers.keys()
