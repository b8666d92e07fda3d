"""Rows say how they are judged, or their answers do."""

import pytest

from seethink import verify
from seethink.types import Example, InputError, Response
from seethink.verify.own import METHODS, own_verifier, refuse_unknown

BOX = '[{"bbox_2d": [1, 2, 30, 40], "label": "cup"}]'


def row(method=None, answer="3", choices=()):
    meta = {} if method is None else {"accu_reward_method": method}
    return Example("one", "How many?", answer=answer, choices=choices, meta=meta)


def said(answer):
    return Response(answer, answer=answer)


@pytest.mark.parametrize(("method", "name"), METHODS.items())
def test_a_rows_method_names_its_verifier(method, name):
    assert own_verifier(row(method, BOX, ("a", "b"))) == name
    assert name is None or name in verify.VERIFIERS


def test_without_a_method_the_answer_tells():
    assert own_verifier(row(choices=("2", "3"))) == "same_choice"
    assert own_verifier(row(answer=BOX)) == "boxes"
    assert own_verifier(row()) == "same_answer"


def test_own_judges_as_the_named_one_does():
    own = verify.by_name("own")
    assert own(row("mcq", "B", ("2", "3")), said("(B)")).value == 1.0
    assert (
        own(row("all_match", "3.0"), said("3")).value == verify.same_text(row(answer="3.0"), said("3")).value
    )
    assert own(row("default", "3.0"), said("3")).value == 1.0
    unjudged = own(row("llm"), said("3"))
    assert unjudged.value is None and "--judge" in unjudged.why


def test_a_method_that_nobody_knows_is_refused_with_its_row():
    refuse_unknown([row(), row("mcq")])
    with pytest.raises(InputError, match="row one: accu_reward_method 'mcqq' is none of default, mcq"):
        refuse_unknown([row("mcqq")])
    with pytest.raises(InputError, match="row one"):
        refuse_unknown([row(["mcq"])])


def test_own_can_be_described():
    assert verify.describe(verify.by_name("own"))["fields"] == {}
