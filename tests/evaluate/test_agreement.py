"""Agreement of raters, and of rules and judge over the rows of an evaluation."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score

from seethink.evaluate.agreement import Agreement, JudgeSummary, cohen_kappa

LABELS = st.sampled_from(["a", "b", "c"])


@given(st.lists(st.tuples(LABELS, LABELS), min_size=1, max_size=40))
def test_kappa_is_that_of_scikit_learn(pairs):
    first, second = zip(*pairs, strict=True)
    if len({*first, *second}) == 1:
        assert cohen_kappa(pairs) is None, "one label throughout leaves nothing to agree about"
    else:
        assert cohen_kappa(pairs) == pytest.approx(cohen_kappa_score(first, second))


def test_kappa_of_nothing_is_unknown():
    assert cohen_kappa([]) is None


def test_agreement_counts_what_both_judged():
    rule = (1.0, 0.0, 0.49, 0.0)
    assert Agreement.of(zip(rule, rule, strict=True)) == Agreement(4, 0, 1.0, 1.0)
    assert Agreement.of((1.0, value) for value in rule) == Agreement(4, 0, 0.25, 0.0)
    assert Agreement.of((0.5, 1.0) for _ in rule) == Agreement(4, 0, 1.0, None)
    assert Agreement.of([(1.0, 1.0), (0.0, 0.0), (None, 1.0), (0.0, None)]) == Agreement(2, 2, 1.0, 1.0)
    assert Agreement.of((None, value) for value in rule) == Agreement(0, 4, None, None)


def test_a_summary_counts_what_rules_and_judge_decided():
    def row(correct, rules, steps=None):
        parts = {"correct": correct, "rules": rules} | ({"steps": steps} if steps is not None else {})
        return {"parts": {name: {"value": value} for name, value in parts.items()}}

    rows = [row(1.0, 1.0, 0.8), row(0.0, 1.0), row(1.0, None), row(None, None)]
    found = JudgeSummary.of(rows, "correct")
    assert (found.attempts, found.by_rules, found.by_judge, found.step_grades) == (4, 2, 1, (0.8,))
    assert (found.agreement.n, found.agreement.share, found.agreement.unjudged) == (2, 0.5, 2)
    unread = {"parts": {"correct": {"value": 1.0}, "rules": {"value": 0.0, "unread": True}}}
    found = JudgeSummary.of([*rows, unread], "correct")
    assert (found.attempts, found.by_rules, found.by_judge) == (5, 2, 2)
