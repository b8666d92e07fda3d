import pytest
from hypothesis import given
from hypothesis import strategies as st

from seethink.report.page import number, p_value, percent, points
from seethink.report.scores import (
    conclusion,
    decompose_gain,
    describe_test,
    forgetting,
    held_out,
    score_table,
    task_gains,
)
from tests.report.sample_run import paired_test, report, result

SHARE = st.floats(0, 1)


def arm(share, by_steps, at_once, form=1.0):
    """An arm whose lenient accuracy is the mean of both modes; its strict accuracy is `form` times that."""
    lenient = share * (by_steps or 0) + (1 - share) * (at_once or 0)
    modes = {"by_steps": share, "accuracy_by_steps": by_steps, "accuracy_at_once": at_once}
    return result(lenient * form, **modes, lenient={"value": lenient, "low": 0.0, "high": 1.0})


@given(st.tuples(SHARE, SHARE, SHARE), st.tuples(SHARE, SHARE, SHARE))
def test_form_mode_and_skill_add_up_to_the_gain(first, trained):
    before, after = arm(*first, form=0.6), arm(*trained)
    results = {"base": {"seen": before}, "grpo": {"seen": after}}
    (gain,) = task_gains(results, "seen")
    parts = [component.gain for component in gain.components]
    assert sum(parts) == pytest.approx(after["value"] - before["value"], abs=1e-9)


def test_only_what_changed_contributes_to_the_gain():
    base = arm(0.2, 0.9, 0.4, form=0.5)
    assert decompose_gain(base, arm(0.2, 0.9, 0.4, form=1.0)) == pytest.approx((0.25, 0, 0))
    assert decompose_gain(base, base | {"value": base["value"]}) == pytest.approx((0, 0, 0))
    assert decompose_gain(arm(0.2, 0.9, 0.4), arm(0.8, 0.9, 0.4)) == pytest.approx((0, 0.3, 0))
    assert decompose_gain(arm(0.2, 0.5, 0.5), arm(0.2, 0.7, 0.7)) == pytest.approx((0, 0, 0.2))


def test_mode_and_skill_cannot_be_told_apart_where_the_arms_share_no_mode():
    base, grpo = arm(0.0, None, 0.4, form=0.5), arm(1.0, 0.9, None)
    assert decompose_gain(base, grpo) == (pytest.approx(0.2), None, None)
    (gain,) = task_gains({"base": {"seen": base}, "grpo": {"seen": grpo}}, "seen")
    form, both = gain.components
    assert (form.gain, both.kind, both.gain) == (pytest.approx(0.2), "mode and skill", pytest.approx(0.5))
    assert "cannot be told apart" in both.description


def test_without_a_score_there_is_no_decomposition():
    assert decompose_gain(result(None), result(0.5)) is None


def test_the_sentence_says_what_changed_and_by_how_many_points():
    results = {
        "base": {"seen": result(0.4, readable=0.6)},
        "grpo": {"seen": result(0.7, readable=0.99, by_steps=0.51)},
    }
    (gain,) = task_gains(results, "seen")
    form, mode, skill = (component.description.replace("\u00a0", " ") for component in gain.components)
    assert form == "readable answers changed, 60.0 % to 99.0 % (+39.0)"
    assert mode == "step-by-step answers hardly changed, 50.0 % to 51.0 % (+1.0)"
    assert skill == (
        "step-by-step accuracy changed, 40.0 % to 70.0 % (+30.0), "
        "direct accuracy changed, 40.0 % to 70.0 % (+30.0)"
    )


def test_accuracies_of_few_answers_are_not_compared():
    few = {"base": {"seen": result(0.4, by_steps=0.01)}, "grpo": {"seen": result(0.4)}}
    (gain,) = task_gains(few, "seen")
    assert "step-by-step accuracy cannot be compared (fewer than 10" in gain.components[2].description
    assert "direct accuracy hardly changed" in gain.components[2].description


def test_a_task_is_compared_with_the_first_arm_that_measured_it():
    results = {"base": {}, "sft": {"seen": result()}, "grpo": {"seen": result()}}
    assert [(gain.first, gain.arm) for gain in task_gains(results, "seen")] == [("sft", "grpo")]


def test_arms_and_tasks_that_only_the_paper_has_get_their_own_cells():
    content = report(
        results={"base": {"seen": result(0.5)}},
        claims=[{"task": "superclevr", "arm": "human", "paper": 0.9, "measured": None, "source": ""}],
    )
    shown = {
        arm: {cell.task: (cell.result is not None, cell.paper) for cell in cells}
        for arm, cells in score_table(content)
    }
    assert shown == {
        "base": {"seen": (True, None), "superclevr": (False, None)},
        "human": {"seen": (False, None), "superclevr": (False, 0.9)},
    }


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "strong evidence that grpo is better here"),
        ({"p": 0.03, "p_holm": 0.03, "difference": -0.1}, "some evidence that base is better here"),
        (
            {"p": 0.03, "p_holm": 0.4},
            "p\u00a0=\u00a00.400 after correction for all of them: this may be chance",
        ),
        (
            {"difference": 0.0, "p": 1.0, "p_holm": 1.0, "only_a": 5, "only_b": 5},
            "on the other 390 they scored the same.",
        ),
        ({"n": 0, "p": None, "p_holm": None, "difference": None}, "No question could be judged for both."),
    ],
)
def test_a_paired_test_is_described_in_words(changes, expected):
    text = describe_test(paired_test(**changes))
    assert expected in text
    assert text.endswith(".")


def test_numbers_are_formatted_for_readers():
    assert (percent(0.783), percent(None)) == ("78.3\u00a0%", "—")
    assert (points(0.271), points(-0.0211), points(-0.0001), points(None)) == (
        "+27.1",
        "\u22122.1",
        "0.0",
        "—",
    )
    assert (p_value(0.0004), p_value(0.0131), p_value(None)) == (
        "p\u00a0<\u00a00.001",
        "p\u00a0=\u00a00.013",
        "—",
    )
    assert [number(x) for x in (0, 0.00412, 41.71, 1250, -3, None)] == [
        "0",
        "0.00412",
        "41.7",
        "1,250",
        "\u22123",
        "—",
    ]


def test_a_single_answer_does_not_determine_the_accuracy_of_a_mode():
    rare = arm(1 / 400, 0.0, 0.14) | {"n": 400, "unjudged": 0}
    trained = arm(0.9, 0.36, 0.14) | {"n": 400, "unjudged": 0}
    form, mode, skill = decompose_gain(rare, trained)
    assert form == pytest.approx(0, abs=1e-9)
    assert mode == pytest.approx((0.9 - 1 / 400) * (0.36 - 0.14))
    assert abs(skill) < 0.002


def row(a, b, difference, p_holm, task="seen"):
    return paired_test(a=a, b=b, task=task, difference=difference, p=p_holm, p_holm=p_holm)


def test_the_conclusion_says_what_the_corrected_tests_show():
    results = {name: {"seen": result(0.5)} for name in ("base", "sft", "grpo")}
    tests = [row("base", "sft", 0.635, 1e-9), row("base", "grpo", -0.1, 0.2), row("sft", "grpo", -0.3, 0.04)]
    tests.append(row("base", "sft", None, None, task="unseen"))
    assert conclusion(report(results=results, tests=tests)) == [
        "On seen: sft is above base by 63.5 points; grpo and base cannot be told apart (\u221210.0 points); "
        "grpo is below sft by 30.0 points.",
        "On unseen: sft and base could not be compared.",
    ]


def test_the_conclusion_counts_many_arms():
    arms = ["base", *(f"arm{i}" for i in range(9))]
    tests = [row("base", arm, 0.1 * (i - 4), 0.001 if i != 4 else 1.0) for i, arm in enumerate(arms[1:])]
    (said,) = conclusion(report(results={arm: {} for arm in arms}, tests=tests))
    assert said == (
        "On seen: 4 of 9 arms are above base, 4 below, the others cannot be told apart from it; "
        "arm8 is above base by 40.0 points."
    )


def scored(value, n=40, unjudged=0):
    return result(value, n=n, unjudged=unjudged)


@pytest.mark.parametrize(
    ("changes", "values", "sentence"),
    [
        ({"only_a": 2, "only_b": 25, "p_holm": 0.000123}, (0.125, 0.61),
         "12.5 % before, 61 % after; 25 rows mended, 2 broken, p = 0.00012"),
        ({"only_a": 25, "only_b": 1, "p_holm": 1e-9, "difference": -0.6}, (1.0, 0.125),
         "100 % before, 12.5 % after; 1 row mended, 25 broken, p < 0.0001"),
        ({"only_a": 2, "only_b": 3, "p_holm": 1.0}, (0.12, 0.15),
         "12 % before, 15 % after, which cannot be told apart: 3 rows mended, 2 broken, p = 1"),
        ({"only_a": 0, "only_b": 0, "p_holm": 1.0}, (0.5, 0.5),
         "50 % before and after, no row mended or broken"),
        ({"only_a": 1, "only_b": 8, "p_holm": 0.004, "graded": True}, (0.25, 0.5),
         "mean score 25 % before, 50 % after; 8 rows better, 1 worse, p = 0.004"),
        ({"only_a": 0, "only_b": 1, "p_holm": None, "n": 1, "graded": True}, (0.25, 0.5),
         "mean score 25 % before, 50 % after, which cannot be told apart: 1 row better, 0 worse; "
         "39 rows could not be judged both times"),
        ({"n": 0, "p_holm": None, "difference": None}, (None, None),
         "no row could be judged both before and after; 40 rows could not be judged both times"),
    ],
)  # fmt: skip
def test_before_and_after_are_one_plain_sentence(changes, values, sentence):
    test = paired_test(a="before", b="after", **{"n": 40, **changes})
    assert held_out(test, *map(scored, values)) == f"held out: {sentence}"


@pytest.mark.parametrize(
    ("changes", "values", "said"),
    [
        ({"p_holm": 0.001, "difference": -0.4, "only_a": 17, "only_b": 1}, (0.9, 0.5),
         "some of it was forgotten"),
        ({"p_holm": 0.8, "difference": -0.02, "only_a": 2, "only_b": 1, "least_difference": 0.134},
         (0.9, 0.88),
         "no loss was found; one of 13 points would have been seen in four of five cases"),
        ({"p_holm": 0.001, "difference": 0.4, "only_a": 1, "only_b": 17}, (0.5, 0.9), "no loss was found"),
    ],
)  # fmt: skip
def test_a_task_that_was_not_trained_for_is_forgotten_or_not(changes, values, said):
    test = paired_test(a="before", b="after", **{"n": 40, **changes})
    sentence = forgetting(test, *map(scored, values))
    assert sentence.startswith(f"also {test['task']}: ") and sentence.endswith(f"; {said}")


def test_a_report_of_before_and_after_concludes_with_it_then_with_the_training():
    results = {name: {"seen": scored(value)} for name, value in (("before", 0.1), ("after", 0.6))}
    test = paired_test(a="before", b="after", n=40, only_a=0, only_b=20, p_holm=1e-5)
    training = {"grpo": {"method": "grpo", "settings": {}, "reward": [0.1, 0.75], "loss": [0.0, 0.0]}}
    assert conclusion(report(results=results, tests=[test], trainings=training)) == [
        "Held out: 10 % before, 60 % after; 20 rows mended, 0 broken, p < 0.0001.",
        "Reward: 0.100 at start, 0.750 at end.",
    ]
    training["grpo"]["parts"] = {"correct": [0.05, 0.7], "format": [0.2, 0.9]}
    (ends,) = conclusion(report(results={}, tests=[], trainings=training))
    assert ends == "Reward: 0.100 at start, 0.750 at end (correct 0.050 to 0.700, format 0.200 to 0.900)."
    assert conclusion(report(results={}, tests=[], trainings={"sft": {"loss": [2.0, 0.5]}})) == [
        "Loss: 2.000 at start, 0.500 at end."
    ]


def found(shown: str, difference: float | None = 0.12, otherwise: str = "") -> dict:
    facts = {"text": "GRPO generalises", "task": "unseen", "better": "grpo", "worse": "sft"}
    p = None if difference is None else 0.5 if shown == "not shown" else 0.003
    return {**facts, "otherwise": otherwise, "difference": difference, "p": p, "n": 400, "shown": shown}


def test_a_finding_of_the_paper_comes_first_and_says_whether_it_was_reproduced():
    rows = [
        found("reproduced", otherwise="the base knows it all"),
        found("reversed", -0.12, "the base knows it all"),
        found("not shown", 0.0),
        found("not shown", None),
    ]
    assert conclusion(report(results={}, tests=[], trainings={}, findings=rows)) == [
        "Reproduced: GRPO generalises. Here, on unseen, grpo is above sft by 12.0 points (p 0.003, n = 400).",
        "Not reproduced, but the reverse: GRPO generalises. Here, on unseen, grpo is below sft by 12.0 "
        "points (p 0.003, n = 400). The base knows it all.",
        "Not reproduced: GRPO generalises. Here, on unseen, grpo is equal to sft (p 0.5, n = 400).",
        "Not reproduced: GRPO generalises. Here, grpo and sft could not be compared on unseen.",
    ]
