from itertools import count, product

import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy import quantile
from scipy.stats import binom, binomtest, ttest_rel

from seethink.evaluate.intervals import bootstrap_means, interval
from seethink.evaluate.paired import holm, paired, sign_flip
from seethink.evaluate.questions import mean
from seethink.evaluate.statistics import summarise

SCORES = st.lists(st.floats(0, 1), min_size=2, max_size=30)
IDS = count()
"""Rows of one id are attempts at one question."""


def row(correct, readable=True, by_steps=True):
    return {
        "task": "t", "id": str(next(IDS)),
        "said": "1" if readable else None, "by_steps": by_steps, "correct": correct, "fault": None,
        "stop": "stop", "n_tokens": 4, "lenient": {"value": correct},
    }  # fmt: skip


@pytest.mark.filterwarnings("ignore:invalid value")
@given(SCORES)
def test_an_interval_lies_within_0_and_1_and_holds_the_mean(values):
    found = interval(values)
    assert 0 <= found["low"] <= found["value"] + 1e-9
    assert found["value"] - 1e-9 <= found["high"] <= 1


def test_an_interval_of_right_and_wrong_is_wilsons():
    ci = binomtest(3, 10).proportion_ci(method="wilson")
    expected = {"value": 0.3, "low": ci.low, "high": ci.high}
    assert interval([1.0] * 3 + [0.0] * 7) == pytest.approx(expected)
    assert interval([]) == {"value": None, "low": None, "high": None}


def test_right_and_wrong_are_compared_by_mcnemars_mid_p_test():
    pairs = [(0.0, 1.0)] * 8 + [(1.0, 0.0)] * 1 + [(1.0, 1.0)] * 20 + [(None, 1.0)]
    found = paired(pairs)
    mid_p = binomtest(8, 9).pvalue - binom.pmf(8, 9, 0.5)
    assert (found["difference"], found["p"]) == pytest.approx((7 / 29, mid_p))
    counts = {name: found[name] for name in ("only_a", "only_b", "n", "graded", "clusters", "deff")}
    assert counts == {"only_a": 1, "only_b": 8, "n": 29, "graded": False, "clusters": 29, "deff": 1.0}
    assert found["low"] < 7 / 29 < found["high"]


@given(st.lists(st.integers(-4, 4), max_size=9))
def test_the_sign_flip_test_is_that_of_all_combinations_of_signs(sums):
    sizes = [abs(one) for one in sums]
    flipped = [
        sum(x * y for x, y in zip(sizes, signs, strict=True)) for signs in product((-1, 1), repeat=len(sums))
    ]
    above = sum(one > abs(sum(sums)) for one in flipped) + sum(one == abs(sum(sums)) for one in flipped) / 2
    assert sign_flip(sums) == pytest.approx(min(1.0, 2 * above / len(flipped)))


def test_the_sign_flip_test_of_ten_thousand_questions_keeps_its_precision():
    assert sign_flip([1] * 5_600 + [-1] * 4_400) == pytest.approx(2 * binom.sf(5_599, 10_000, 0.5), rel=0.2)


def test_graded_scores_are_compared_by_the_paired_t_test():
    pairs = [(0.1, 0.4), (0.5, 0.6), (0.3, 0.2)]
    assert paired(pairs)["p"] == pytest.approx(ttest_rel(*zip(*pairs, strict=True)).pvalue)
    assert paired(pairs)["graded"]


@pytest.mark.parametrize(
    ("pairs", "p"), [([(0.5, 0.5)] * 3, 1.0), ([(0.5, 1.0)] * 2, 1 / 2**2), ([(0.0, 0.5)] * 6, 1 / 2**6)]
)
def test_graded_scores_that_all_change_alike_are_compared_by_the_sign_test(pairs, p):
    """The t test has no variance there: its p value would be NaN or 0."""
    assert paired(pairs)["p"] == pytest.approx(p)


@pytest.mark.parametrize(("pairs", "p"), [([], None), ([(0.3, 0.4)], None), ([(1.0, 1.0)], 1.0)])
def test_where_nothing_can_be_tested_there_is_no_p_value(pairs, p):
    assert paired(pairs)["p"] == p


def test_strict_accuracy_is_the_readable_share_times_the_accuracy_of_readable_answers():
    rows = [row(1.0), row(0.0), row(1.0, by_steps=False), row(0.0, readable=False, by_steps=False)]
    found = summarise(rows)
    assert found["value"] == found["readable"] * found["accuracy_if_readable"] == 0.5
    assert (found["by_steps"], found["accuracy_by_steps"], found["accuracy_at_once"]) == (0.5, 0.5, 0.5)


def test_an_unjudged_attempt_is_counted_and_left_out_of_the_mean():
    found = summarise([row(1.0), row(None)])
    assert (found["value"], found["n"], found["unjudged"]) == (1.0, 1, 1)
    assert mean([None, 2.0]) == 2.0 and mean([None]) is None


@given(st.lists(st.one_of(st.none(), st.floats(0, 1)), max_size=8))
def test_corrected_p_values_are_holms(p_values):
    corrected = holm(p_values)
    known = [(p, c) for p, c in zip(p_values, corrected, strict=True) if p is not None]
    assert [c is None for c in corrected] == [p is None for p in p_values]
    assert all(p <= c <= 1 for p, c in known)
    for alpha in (0.01, 0.05, 0.3):
        rejected, left = set(), len(known)
        for p, i in sorted((p, i) for i, (p, _) in enumerate(known)):  # Holm's steps, as he states them
            if p * left > alpha:
                break
            rejected.add(i)
            left -= 1
        assert {i for i, (_, c) in enumerate(known) if c <= alpha} == rejected


def test_clusters_of_one_kind_are_resampled_together_as_they_would_be_one_by_one():
    values = [1.0, 0.0, 1.0, 1.0] * 30
    together = bootstrap_means(values, resamples=20_000)
    one_by_one = bootstrap_means([value + i * 1e-9 for i, value in enumerate(values)], resamples=20_000)
    assert len(together) == len(one_by_one) == 20_000
    for share in (0.025, 0.5, 0.975):
        assert quantile(together, share) == pytest.approx(quantile(one_by_one, share), abs=0.01)
    assert (bootstrap_means(values) == bootstrap_means(values)).all()


CLUSTERED = st.lists(
    st.tuples(st.sampled_from([0.0, 0.25, 1.0, None]), st.integers(0, 4)), min_size=1, max_size=30
)


@given(CLUSTERED, st.booleans())
def test_intervals_and_tests_by_picture_are_sane_and_do_not_depend_on_the_order_of_arms(rows, binary):
    values = [None if value is None else float(value > 0.5) if binary else value for value, _ in rows]
    clusters = [cluster for _, cluster in rows]
    known = [(value, cluster) for value, cluster in zip(values, clusters, strict=True) if value is not None]
    found = interval(*map(list, zip(*known, strict=True))) if known else interval([])
    assert not known or 0 <= found["low"] <= found["value"] + 1e-9 <= found["high"] + 2e-9 <= 1 + 3e-9
    others = values[::-1]
    one = paired(zip(values, others, strict=True), clusters)
    other = paired(zip(others, values, strict=True), clusters)
    assert (one["n"], one["only_a"], one["clusters"]) == (other["n"], other["only_b"], other["clusters"])
    if one["difference"] is None:
        return
    assert one["p"] == (None if other["p"] is None else pytest.approx(other["p"]))
    assert one["p"] is None or 0 <= one["p"] <= 1
    assert -1 <= one["low"] <= one["difference"] + 1e-9 <= one["high"] + 2e-9 <= 1 + 3e-9
    assert (one["low"], one["high"]) == pytest.approx((-other["high"], -other["low"]))
