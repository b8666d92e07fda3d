"""What went wrong in published evaluations, each as a situation that a comparison names or handles right."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from seethink.evaluate.arms import read_arms
from seethink.evaluate.power import PairedDesign
from seethink.evaluate.side_by_side import side_by_side
from seethink.evaluate.statistics import compare, summarise
from seethink.report.comparison_words import one_sentence
from seethink.run.comparison import Claim
from seethink.types import InputError
from tests.evaluate.made_arms import rows, stage, write_evaluation


def report(tmp_path: Path, **arms: Any) -> dict[str, Any]:
    """The comparison of arms, {name: (attempts, record)}."""
    for name, (attempts, record) in arms.items():
        write_evaluation(tmp_path / name, attempts, record)
    return side_by_side(read_arms([str(tmp_path / name) for name in arms])).report


def test_a_failed_item_does_not_leave_the_denominator() -> None:
    """An evaluation that prints and skips a failed sample scores the rest."""
    answered, failed = rows([1, 0]), rows([None])[0] | {"id": "q2", "stop": "unanswered"}
    found = summarise([*answered, failed], asked=["q0", "q1", "q2", "q3"])
    assert (found["value"], found["n"]) == (0.25, 4)
    assert found["without_score"] == {"missing": ["q3"], "unanswered": ["q2"]}
    assert (found["judged_only"]["value"], found["unanswered"], found["missing"]) == (0.5, 1, 1)


def test_what_cannot_be_judged_is_neither_right_nor_wrong_and_both_figures_are_there() -> None:
    found = summarise(rows([1, 0, None, None]))
    assert (found["value"], found["n"], found["unjudged"]) == (0.5, 2, 2)
    assert found["unjudged_wrong"]["value"] == 0.25
    assert found["without_score"] == {"unjudged": ["q2", "q3"]}


def test_a_mean_gain_that_one_benchmark_brings_is_said_to_be_its(tmp_path: Path) -> None:
    """LlamaV-o1: +3.8 points over six benchmarks, +1.4 without HallusionBench (C8)."""
    gains = {"mmstar": 1, "mmbench": 2, "mmvet": 1, "mathvista": 2, "ai2d": 1, "hallusion": 16}
    base = [row for task in gains for row in rows([1] * 50 + [0] * 50, task)]
    tuned = [row for task, gain in gains.items() for row in rows([1] * (50 + gain) + [0] * (50 - gain), task)]
    found = report(tmp_path, a=(base, None), b=(tuned, None))
    (mean,) = found["means"]
    assert mean["difference"] == pytest.approx(0.0383, abs=1e-3)
    assert mean["without"]["hallusion"] == pytest.approx(0.014)
    assert mean["carried_by"] == "hallusion"
    said = one_sentence(found)
    assert said.startswith("Over 6 tasks, b is above a on 1 (hallusion) and cannot be told apart on 5")
    assert "mean difference is +3.8 points, but +1.4 without hallusion" in said


def test_a_mean_gain_that_all_bring_is_not(tmp_path: Path) -> None:
    base = [row for task in "xyz" for row in rows([1] * 5 + [0] * 15, task)]
    tuned = [row for task in "xyz" for row in rows([1] * 9 + [0] * 11, task)]
    (mean,) = report(tmp_path, a=(base, None), b=(tuned, None))["means"]
    assert mean["carried_by"] is None


def test_scores_on_two_scales_are_not_averaged(tmp_path: Path) -> None:
    """Insight-V: six percentages and MME / 2800 as a fraction, divided by seven (C8)."""
    mme = [row | {"correct": 1611.1} for row in rows([1], "mme")]
    with pytest.raises(InputError, match=r"the score 1611\.1 of q0 is no share between 0 and 1"):
        report(tmp_path, a=(rows([1, 0]) + mme, None), b=(rows([1, 1]) + mme, None))
    with pytest.raises(ValueError, match=r"the claim 40\.2 of base on average is no share"):
        Claim("average", {"base": 40.2}, "a paper")


def test_a_gain_that_may_be_chance_is_not_called_one_and_the_needed_questions_are_said(
    tmp_path: Path,
) -> None:
    """R1-Onevision: base 36.94 %, RL 37.26 % of 942 questions, scored by others (C8)."""
    rng = np.random.default_rng(0)
    base = np.array([1] * 348 + [0] * 594)
    tuned = base.copy()
    tuned[rng.choice(348, 80, replace=False)] = 0  # some questions are lost, a few more are won
    tuned[348 + rng.choice(594, 83, replace=False)] = 1
    text = [row | {"media": []} for row in rows(base.tolist())]
    found = report(tmp_path, a=(text, None), b=([row | {"media": []} for row in rows(tuned.tolist())], None))
    (test,) = found["tests"]
    assert test["difference"] == pytest.approx(0.0032, abs=1e-4) and test["p"] > 0.5
    assert test["low"] < 0 < test["high"]
    assert test["least_difference"] == pytest.approx(0.039, abs=0.003)
    assert test["questions_needed"] > 100_000
    said = one_sentence(found)
    assert "On 942 questions, b and a cannot be told apart (+0.3 points" in said
    assert "to show that difference, about 130,000 questions are needed" in said


def test_a_gain_over_a_weak_prompt_is_set_against_the_base_asked_directly(tmp_path: Path) -> None:
    """Open-R1-Video: base 53.3 % asked directly, 41.9 % asked to think; after RL 49.0 %, thinking (C8)."""
    direct = [row | {"mode": "direct"} for row in rows([1] * 160 + [0] * 140)]
    thinking, trained = rows([1] * 126 + [0] * 174), rows([1] * 147 + [0] * 153)
    for row in direct + thinking + trained:
        row["media"] = []
    found = report(tmp_path, thinking=(thinking, None), trained=(trained, None), direct=(direct, None))
    said = one_sentence(found)
    assert "trained is above (+7.0)" in said and "the highest is direct (53.3" in said
    assert said.endswith("— measured with other prompts.")
    against = next(test for test in found["tests"] if (test["a"], test["b"]) == ("trained", "direct"))
    assert against["difference"] == pytest.approx(13 / 300)


def test_an_arm_that_did_not_run_the_method_of_its_paper_says_so(tmp_path: Path) -> None:
    """LlamaV-o1's adapter for a benchmark suite asks once, not in its four turns (C8)."""
    staged, once = stage(2), stage(2)
    staged["config"] = {"class": "Stages", "beams": 4, "max_tokens": 256}
    found = report(tmp_path, a=(rows([1, 0]), staged), b=(rows([1, 0]), once))
    assert any(text.startswith("not the same decoding (a: Stages, beams 4") for text in found["warnings"])
    assert "measured with other decoding" in one_sentence(found)


def test_what_an_answer_takes_is_compared_by_counts_of_the_rows_and_not_by_quoted_speed(
    tmp_path: Path,
) -> None:
    """LlamaV-o1's speed differs between its paper and its site (C8)."""
    usage = {"calls": 4, "tokens_sampled": 200, "tokens_computed": None, "seconds": 2.0}
    found = summarise([row | {"usage": usage, "n_tokens": 200} for row in rows([1, 0])])
    assert found["usage"] == {"calls": 4.0, "tokens_sampled": 200.0, "tokens_computed": None, "seconds": 2.0}
    assert found["mean_tokens"] == 200.0


def test_other_sampling_flags_are_named(tmp_path: Path) -> None:
    """Trainers that ignore sampling flags, and checkpoints that ship their own (X.6, 3)."""
    found = report(tmp_path, a=(rows([1]), stage(1)), b=(rows([1]), stage(1, temperature=1.0)))
    assert any("temperature 0.0" in text and "temperature 1.0" in text for text in found["warnings"])


def test_a_truncated_answer_is_counted_as_such() -> None:
    """Truncated completions that pass for normal ones (X.6, 6)."""
    cut = [row | {"stop": "length"} for row in rows([0, 0])]
    assert summarise([*rows([1, 1]), *cut])["truncated"] == 0.5


def test_means_of_rewards_are_not_the_score() -> None:
    """Metrics that are means of rewards only (X.6, 10): the headline part is reported, the whole beside
    it."""
    found = summarise([row | {"value": 1.5 / 2} for row in rows([0, 0])])
    assert found["value"] == 0.0


def test_data_that_only_share_their_path_are_not_paired(tmp_path: Path) -> None:
    """Data chosen by a literal path (X.6, 11), and suites that join runs on a running number."""
    a = write_evaluation(tmp_path / "a", rows([1, 0]))
    b = write_evaluation(tmp_path / "b", [row | {"question": f"New {row['id']}?"} for row in rows([1, 0])])
    with pytest.raises(InputError, match="have no question in common"):
        compare(a / "attempts.jsonl", b / "attempts.jsonl")


def test_only_the_headline_part_is_a_score(tmp_path: Path) -> None:
    """A suite that takes any numeric key with "score" in its name."""
    extra = {"parts": {"correct": {"value": 0.0, "why": ""}, "format_score": {"value": 1.0, "why": ""}}}
    attempts = [row | extra | {"score": 1.0} for row in rows([0, 0])]
    found = report(tmp_path, a=(attempts, None), b=(rows([1, 1]), None))
    assert found["results"]["a"]["seen"]["value"] == 0.0


def test_questions_about_one_picture_widen_the_interval() -> None:
    alone = rows([1, 1, 1, 0, 0, 0] * 5)
    shared = [row | {"media": [f"media/{i // 3}.png"]} for i, row in enumerate(alone)]
    one, other = summarise(alone), summarise(shared)
    assert one["value"] == other["value"] and (one["clusters"], other["clusters"]) == (30, 10)
    assert other["high"] - other["low"] > 1.4 * (one["high"] - one["low"])


def test_many_levels_are_corrected_for_their_number(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    attempts = [
        [row | {"meta": {"level": f"level {i % 20}"}, "media": []} for i, row in enumerate(rows(own))]
        for own in rng.integers(0, 2, (2, 400)).tolist()
    ]
    found = report(tmp_path, a=(attempts[0], None), b=(attempts[1], None))
    assert len(found["groups"]) == 20 and [row["group"] for row in found["groups"]][:3] == [
        "level 0",
        "level 1",
        "level 2",
    ]
    assert any(row["p"] < 0.05 for row in found["groups"])
    assert all(row["p_holm"] > 0.05 for row in found["groups"])


def test_the_gap_between_seen_and_unseen_has_an_interval(tmp_path: Path) -> None:
    attempts = rows([1] * 80 + [0] * 20, "seen") + rows([1] * 50 + [0] * 50, "unseen: denser pages")
    found = report(tmp_path, a=(attempts, None), b=(attempts, None))
    gap = found["gaps"][0]
    assert (gap["arm"], gap["seen"], gap["unseen"]) == ("a", "seen", "unseen: denser pages")
    assert gap["value"] == pytest.approx(-0.3)
    assert gap["low"] == pytest.approx(-0.416, abs=2e-3) and gap["high"] == pytest.approx(-0.169, abs=2e-3)


def test_power_is_that_of_the_published_counts() -> None:
    """942 questions on 17 % of which two models differ do not show 0.32 points, but 4."""
    design = PairedDesign(0.17)
    assert design.power(942, 0.0032) < 0.07
    assert design.power(942, 0.04) > 0.8
