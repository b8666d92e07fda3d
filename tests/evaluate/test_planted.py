"""Planted experiments with known truth: intervals hold it as often as they say, tests reject as often as
they say, and power is what was computed before. 2,000 simulations each, by the public functions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from seethink.evaluate.intervals import bootstrap, difference_interval, interval
from seethink.evaluate.paired import paired, paired_bootstrap, sign_flip
from seethink.evaluate.power import PairedDesign
from seethink.evaluate.voting import pass_at

SIMULATIONS = 2_000
Sample = tuple[list[float], list[int] | None, float]
"""(values, cluster of each, the true mean)"""
Array = Any


def simulations(draw: Callable[[np.random.Generator], Sample], name: int) -> Iterator[Sample]:
    rng = np.random.default_rng(name)
    return (draw(rng) for _ in range(SIMULATIONS))


def covered(of: Callable[..., Any], samples: Iterator[Sample]) -> float:
    """The share of the samples whose interval holds the truth."""
    found = [(of(values, clusters), truth) for values, clusters, truth in samples]
    bounds = [(one["low"], one["high"]) if isinstance(one, dict) else one for one, _ in found]
    return float(
        np.mean([low <= truth <= high for (low, high), (_, truth) in zip(bounds, found, strict=True)])
    )


def independent(rng: np.random.Generator) -> Sample:
    """Right and wrong answers to 120 questions of a model that is right with a drawn probability."""
    truth = rng.uniform(0.2, 0.9)
    return (rng.random(120) < truth).astype(float).tolist(), None, truth


def graded(rng: np.random.Generator) -> Sample:
    return rng.beta(2, 1, 80).tolist(), None, 2 / 3


def clustered(rng: np.random.Generator) -> Sample:
    """Pictures of one to nine questions each; a picture is hard or easy for all of its questions."""
    truth, spread = rng.uniform(0.3, 0.8), 2.0
    sizes = rng.integers(1, 10, 60)
    easy = np.repeat(rng.beta(truth * spread, (1 - truth) * spread, 60), sizes)
    right = (rng.random(len(easy)) < easy).astype(float)
    return right.tolist(), np.repeat(np.arange(60), sizes).tolist(), truth


def few_and_alike(rng: np.random.Generator) -> Sample:
    """20 pictures of five questions that have nothing in common but the picture."""
    truth = rng.uniform(0.4, 0.7)
    return (rng.random(100) < truth).astype(float).tolist(), np.repeat(np.arange(20), 5).tolist(), truth


def clustered_grades(rng: np.random.Generator) -> Sample:
    values, clusters, truth = clustered(rng)
    grades = 0.5 * np.array(values) + 0.5 * rng.random(len(values))
    return grades.tolist(), clusters, 0.5 * truth + 0.25


def differences(rng: np.random.Generator) -> Sample:
    """Of 0/1 scores: 30 % of the questions differ, and the second model is better by 6 points."""
    return rng.choice([1.0, -1.0, 0.0], 100, p=[0.18, 0.12, 0.7]).tolist(), None, 0.06


def clustered_differences(rng: np.random.Generator) -> Sample:
    """The second model is better by 25 points on half of the pictures, and worse by 15 on the others."""
    advantage = np.repeat(rng.choice([0.25, -0.15], 60), 4)
    better, worse = (0.4 + advantage) / 2, (0.4 - advantage) / 2
    drawn = rng.random(len(advantage))
    signs = np.where(drawn < better, 1.0, np.where(drawn < better + worse, -1.0, 0.0))
    return signs.tolist(), np.repeat(np.arange(60), 4).tolist(), 0.05


@pytest.mark.parametrize(
    ("of", "draw"),
    [
        (interval, independent),
        (interval, graded),
        (interval, clustered),
        (interval, clustered_grades),
        (interval, few_and_alike),
        (difference_interval, differences),
        (difference_interval, clustered_differences),
    ],
    ids=lambda function: function.__name__,
)
def test_intervals_hold_the_truth_in_95_of_100_experiments(of: Any, draw: Any) -> None:
    assert covered(of, simulations(draw, 1)) == pytest.approx(0.95, abs=0.015)


@pytest.mark.parametrize(
    "draw", [independent, clustered, clustered_differences], ids=lambda draw: draw.__name__
)
def test_the_bootstrap_holds_the_truth_in_95_of_100_experiments(draw: Any) -> None:
    def of(values: list[float], clusters: list[int] | None) -> Any:
        return bootstrap(values, clusters, resamples=400)

    assert covered(of, simulations(draw, 2)) == pytest.approx(0.95, abs=0.015)


def test_the_interval_of_pass_at_k_holds_the_truth_in_95_of_100_experiments() -> None:
    """80 questions with eight attempts each, of which the chance that one of four is right is told."""
    rng = np.random.default_rng(8)
    chances = rng.beta(1, 2, (SIMULATIONS, 80))
    truth = 1 - 2 / 6  # 1 - E[(1 - p)^4] for p of Beta(1, 2)
    passed = np.array([pass_at(4, 8, right) for right in range(9)])[rng.binomial(8, chances)]
    assert covered(interval, ((own, None, truth) for own in passed.tolist())) == pytest.approx(
        0.95, abs=0.015
    )


def test_an_interval_that_takes_questions_about_one_picture_for_independent_holds_the_truth_too_seldom() -> (
    None
):
    assert covered(lambda values, _: interval(values), simulations(clustered, 3)) < 0.85


# Tests ------------------------------------------------------------------------------------------------------


def signs(n: int, differing: float, difference: float, name: int, n_simulations: int = SIMULATIONS) -> Array:
    """(simulations, n) differences of 0/1 scores."""
    better, worse = (differing + difference) / 2, (differing - difference) / 2
    rng = np.random.default_rng(name)
    return rng.choice([1, -1, 0], (n_simulations, n), p=[better, worse, 1 - differing])


def rejections(p_values: list[float]) -> float:
    return float(np.mean(np.array(p_values) <= 0.05))


@pytest.mark.parametrize(("n", "differing"), [(100, 0.3), (200, 0.3), (400, 0.15), (1_000, 0.1)])
def test_mcnemars_test_finds_a_difference_that_is_none_in_5_of_100_experiments(
    n: int, differing: float
) -> None:
    assert rejections([sign_flip(own) for own in signs(n, differing, 0.0, 1)]) == pytest.approx(
        0.05, abs=0.01
    )
    assert PairedDesign(differing).power(n, 0.0) == pytest.approx(0.05, abs=0.01), "by exact probabilities"


def pairs(signs: Array) -> list[tuple[float, float]]:
    return [(float(sign < 0), float(sign > 0)) for sign in signs]


def balanced(rng: np.random.Generator) -> tuple[list[float], list[int]]:
    """No difference on average, but one on each picture: the questions of a picture agree."""
    advantage = np.repeat(rng.choice([0.35, -0.35], 60), 5)
    better, worse = (0.5 + advantage) / 2, (0.5 - advantage) / 2
    drawn = rng.random(len(advantage))
    signs = np.where(drawn < better, 1.0, np.where(drawn < better + worse, -1.0, 0.0))
    return signs.tolist(), np.repeat(np.arange(60), 5).tolist()


def test_a_test_by_picture_rejects_as_often_as_it_says_and_one_by_question_too_often() -> None:
    rng = np.random.default_rng(1)
    samples = [balanced(rng) for _ in range(SIMULATIONS)]
    by_picture = [paired(pairs(own), clusters)["p"] for own, clusters in samples]
    assert rejections(by_picture) == pytest.approx(0.05, abs=0.01)
    assert rejections([sign_flip(own) for own, _ in samples]) > 0.08


def test_graded_scores_and_the_bootstrap_reject_as_often_as_they_say() -> None:
    rng = np.random.default_rng(4)
    samples = [(rng.beta(2, 1, (60, 2))).tolist() for _ in range(SIMULATIONS)]
    assert rejections([paired(own)["p"] for own in samples]) == pytest.approx(0.05, abs=0.015)
    by_bootstrap = [paired_bootstrap(own, resamples=400)["p"] for own in samples]
    assert rejections(by_bootstrap) == pytest.approx(0.05, abs=0.015)


# Power ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("n", "differing", "difference"), [(40, 0.4, 0.2), (200, 0.3, 0.1), (400, 0.2, 0.05), (1_000, 0.1, 0.03)]
)
def test_power_is_what_was_computed(n: int, differing: float, difference: float) -> None:
    found = rejections([sign_flip(own) for own in signs(n, differing, difference, 5)])
    assert PairedDesign(differing).power(n, difference) == pytest.approx(found, abs=0.03)


def test_power_with_shared_pictures_is_what_was_computed() -> None:
    rng, found, designs = np.random.default_rng(6), [], []
    for _ in range(SIMULATIONS):
        advantage = np.repeat(rng.choice([0.4, -0.2], 80), 4)  # 10 points on average
        better, worse = (0.5 + advantage) / 2, (0.5 - advantage) / 2
        drawn = rng.random(len(advantage))
        own = np.where(drawn < better, 1.0, np.where(drawn < better + worse, -1.0, 0.0))
        test = paired(pairs(own), np.repeat(np.arange(80), 4).tolist())
        found.append(test["p"])
        designs.append((test["deff"], (test["only_a"] + test["only_b"]) / test["n"]))
    deff, differing = np.mean(designs, axis=0)
    assert PairedDesign(differing, deff=deff).power(320, 0.1) == pytest.approx(rejections(found), abs=0.03)


def test_power_for_graded_scores_is_what_was_computed() -> None:
    rng = np.random.default_rng(7)
    samples = rng.normal(0.1, 0.3, (SIMULATIONS, 60))
    found = rejections([paired([(0.5, 0.5 + d) for d in own])["p"] for own in samples.tolist()])
    assert PairedDesign(sd=0.3).power(60, 0.1) == pytest.approx(found, abs=0.03)


@pytest.mark.parametrize("design", [PairedDesign(0.2), PairedDesign(sd=0.4), PairedDesign(0.2, deff=2.5)])
def test_the_questions_needed_and_the_least_difference_are_where_the_power_is_reached(
    design: PairedDesign,
) -> None:
    n = design.questions_needed(0.05)
    assert n is not None and design.power(n, 0.05) >= 0.8
    assert design.power(n - 8, 0.05) < 0.81
    least = design.least_difference(n)
    assert least is not None and 0.045 <= least <= 0.052


@pytest.mark.parametrize("n", [20, 50, 100, 200, 500, 1_000, 5_000, 20_000, 100_000])
@pytest.mark.parametrize("sd", [0.05, 0.1, 0.2, 0.3, 0.41, 0.6])
def test_the_least_difference_of_graded_scores_is_that_of_the_normal_formula(n: int, sd: float) -> None:
    """(1.96 + 0.842) sd / sqrt(n), and for small n a little more."""
    usual = 2.8016 * sd / np.sqrt(n)
    least = PairedDesign(sd=sd).least_difference(n)
    assert least is not None and usual <= least <= usual * (1 + 1.5 / n) + 0.001


@pytest.mark.parametrize("n", [2, 3, 5, 30, 200, 5_000])
def test_the_power_of_a_larger_difference_is_no_less(n: int) -> None:
    powers = [PairedDesign(sd=0.2).power(n, step / 100) for step in range(101)]
    assert powers == sorted(powers)
    assert powers[0] == pytest.approx(0.05, abs=0.001)
    assert powers[-1] > (0.97 if n > 2 else 0.2)


def test_without_a_difference_no_number_of_questions_is_enough() -> None:
    assert PairedDesign(0.2).questions_needed(0.0) is None
    assert PairedDesign(0.2).least_difference(3) is None
    with pytest.raises(ValueError, match="give either"):
        PairedDesign()
