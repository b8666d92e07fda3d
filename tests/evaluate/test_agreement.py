"""Agreement of raters, and of rules and judge over the rows of an evaluation."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score

from seethink.evaluate.agreement import Agreement, JudgeSummary, cohen_kappa, krippendorff_alpha

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


NO = None
KRIPPENDORFF = [
    [1, 2, 3, 3, 2, 1, 4, 1, 2, NO, NO, NO],
    [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, NO, 3],
    [NO, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, NO],
    [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, NO],
]
"""The example of Krippendorff, Computing Krippendorff's Alpha-Reliability (2011), part C."""


def test_alpha_is_that_of_krippendorffs_example():
    assert krippendorff_alpha(KRIPPENDORFF) == pytest.approx(0.743, abs=5e-4)
    assert krippendorff_alpha(KRIPPENDORFF, "interval") == pytest.approx(0.849, abs=5e-4)


@given(st.lists(st.tuples(LABELS, LABELS), min_size=2, max_size=40))
def test_alpha_of_two_raters_is_pi_corrected_for_the_number_of_ratings(pairs):
    """With two raters and no gap, 1 - alpha = (1 - pi) (n - 1) / n for n ratings (Krippendorff 2011)."""
    ratings = [label for pair in pairs for label in pair]
    chance = sum((ratings.count(label) / len(ratings)) ** 2 for label in set(ratings))
    alpha = krippendorff_alpha([*zip(*pairs, strict=True)])
    if chance == 1:
        assert alpha is None, "one label throughout leaves nothing to agree about"
    else:
        pi = (sum(a == b for a, b in pairs) / len(pairs) - chance) / (1 - chance)
        assert 1 - alpha == pytest.approx((1 - pi) * (len(ratings) - 1) / len(ratings))


def test_alpha_leaves_out_what_a_single_rater_judged_and_refuses_ragged_ratings():
    assert krippendorff_alpha([[True, False, None], [True, False, True], [None, False, None]]) == 1.0
    assert krippendorff_alpha([[True, None], [None, False]]) is None
    with pytest.raises(ValueError, match=r"shorter|longer"):
        krippendorff_alpha([[1, 2], [1]])
    with pytest.raises(ValueError, match="nominal or interval"):
        krippendorff_alpha([[1, 2], [1, 2]], "ordinal")  # type: ignore[arg-type]
