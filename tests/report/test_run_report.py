import base64
import hashlib
import json
from pathlib import Path

import pytest

from seethink.report import write_report
from seethink.types import InputError
from tests.report.sample_run import (
    Page,
    attempt,
    paired_test,
    report,
    result,
    write_arms,
    write_rows,
    write_run,
)

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\"'&--><!--<svg onload=alert(3)>"


def written(folder: Path, content: dict | None = None, notes: tuple[str, ...] = ()) -> Page:
    arms, trainings = write_run(folder)
    return Page(write_report(folder, content or report(), arms, trainings, notes).read_text(encoding="utf-8"))


def test_the_page_shows_the_numbers(tmp_path):
    text = written(tmp_path).text
    for number in (
        "51.2 %",
        "47.2 % to 55.2 %",
        "n = 400",
        "+27.1 points, p < 0.001; corrected p < 0.001",
        "+10.2 points, p = 0.013",
    ):
        assert number in text


def test_what_could_not_be_judged_is_counted(tmp_path):
    page = written(tmp_path, report(results={"base": {"seen": result(0.5, unjudged=3)}}, tests=[]))
    assert "3 could not be judged" in page.text


def test_an_arm_that_nobody_could_judge_shows_no_number(tmp_path):
    unknown = result(None, n=0, unjudged=4, readable=None, by_steps=None, truncated=None, mean_tokens=None)
    content = report(
        results={"base": {"seen": unknown}, "grpo": {"seen": result(0.5)}},
        tests=[
            paired_test(difference=None, p=None, p_holm=None, lenient_difference=None, lenient_p=None, n=0)
        ],
    )
    page = written(tmp_path, content).text
    assert "none of 4 could be judged" in page
    assert "No question could be judged for both." in page


def test_claims_are_shown_beside_the_measurement_and_missing_ones_are_visibly_empty(tmp_path):
    claims = [
        {"task": "seen", "arm": "grpo", "paper": 0.825, "measured": 0.512, "source": "the paper, table 2"},
        {"task": "superclevr", "arm": "base", "paper": 0.48, "measured": None, "source": ""},
    ]
    page = written(tmp_path, report(claims=claims))
    assert "grpo on seen, 82.5 % (the paper, table 2)" in page.text
    assert "superclevr" in page.text
    cells = len(page.all("td", cls="number paper"))
    assert cells == 6, "three arms, two tasks with a number in the paper"
    assert len(page.all("span", cls="empty", title="not reported in the paper")) == cells - 2
    assert len(page.all("span", cls="empty", title="not measured")) == 3


def test_a_number_of_the_paper_is_not_on_the_axis_of_our_test(tmp_path):
    claims = [{"task": "seen", "arm": "grpo", "paper": 0.825, "measured": 0.512, "source": "the paper"}]
    with_claim, without = (
        written(tmp_path / name, report(claims=c)) for name, c in (("a", claims), ("b", []))
    )
    assert with_claim.html.count("<svg") == without.html.count("<svg")


def test_the_conclusion_comes_before_everything_else(tmp_path):
    text = written(tmp_path).text
    said = "On seen: grpo is above base by 27.1 points."
    assert text.index(said) < text.index("The sections, in order")


def test_at_scale_smoke_the_page_says_that_nothing_is_proven(tmp_path):
    assert "prove nothing" in written(tmp_path / "smoke", report(scale="smoke")).text
    assert "prove nothing" not in written(tmp_path / "tiny").text


def test_lenient_numbers_are_shown_only_where_they_differ(tmp_path):
    same = paired_test(lenient_difference=0.271, lenient_p=0.0002)
    results = {
        arm: {"seen": result(0.5, lenient={"value": 0.5, "low": 0.4, "high": 0.6})}
        for arm in ("base", "grpo")
    }
    assert "lenient" in written(tmp_path / "differs").text
    page = written(tmp_path / "same", report(results=results, tests=[same]))
    assert not [tag for tag in page.all("th") if "lenient" in str(tag)]
    assert "“Lenient” repeats" not in page.text


def test_the_docstring_becomes_title_and_fields_and_a_remark_is_a_note(tmp_path):
    page = written(tmp_path, notes=("R1-V: counting.", "claim 48.0 % before", "sprout is tiny"))
    assert "R1-V: counting." in page.text
    assert "48.0 % before" in page.text
    assert len(page.all("p", cls="remark", role="note")) == 1


def test_what_a_model_wrote_is_never_markup(tmp_path):
    hostile = attempt(
        HOSTILE, task=HOSTILE, question=HOSTILE, text=HOSTILE, thought=HOSTILE, said=HOSTILE, fault=HOSTILE,
        gold=HOSTILE, why=HOSTILE, meta={"caption": HOSTILE}, parts={HOSTILE: {"value": 0.0, "why": HOSTILE}},
        lenient={"value": 0.0, "said": HOSTILE, "why": HOSTILE},
    )  # fmt: skip
    arms = write_arms(tmp_path, {HOSTILE: [hostile], "grpo": [hostile]})
    metrics = write_rows(
        tmp_path / "grpo/metrics.jsonl", [{"step": 1, "reward": 0.5, f"rewards/{HOSTILE}/mean": 0.5}]
    )
    write_rows(tmp_path / "grpo/attempts.jsonl", [hostile | {"step": 1}])
    content = report(
        recipe=HOSTILE, results={HOSTILE: {HOSTILE: result()}, "grpo": {HOSTILE: result()}},
        tests=[paired_test(a=HOSTILE, task=HOSTILE)],
        claims=[{"task": HOSTILE, "arm": HOSTILE, "paper": 0.5, "measured": None, "source": HOSTILE}],
    )  # fmt: skip
    path = write_report(tmp_path, content, arms, {HOSTILE: metrics}, (HOSTILE, f"source {HOSTILE}", HOSTILE))
    page = Page(path.read_text(encoding="utf-8"))
    tame = json.loads(json.dumps(content).replace(json.dumps(HOSTILE)[1:-1], "base"))
    clean = written(tmp_path / "clean", tame)
    assert len(page.scripts) == 2
    assert page.scripts[1] == clean.scripts[1]
    assert json.loads(page.scripts[0]).keys() == {HOSTILE}
    assert HOSTILE in page.text
    assert not [name for _, attrs in page.tags for name in attrs if name.startswith("on")]
    assert {tag for tag, _ in page.tags} <= {tag for tag, _ in clean.tags}


def test_every_figure_can_be_saved(tmp_path):
    page = written(tmp_path)
    names = [attrs["data-figure"] for _, attrs in page.tags if "data-figure" in attrs]
    assert names[:2] == ["scores", "grpo against base on seen"]
    assert {"form, mode and skill on seen", "Reward", "Loss"} <= set(names)
    charts = [attrs["class"] for tag, attrs in page.tags if tag == "svg" and "class" in attrs]
    assert {"interval", "duel", "stack form", "stack mode"} <= set(charts)


def test_the_page_is_self_contained(tmp_path):
    page = written(tmp_path)
    assert all(
        str(attrs["src"]).startswith("data:image/webp;base64,") for _, attrs in page.tags if "src" in attrs
    )
    assert all(str(attrs["href"]).startswith("#") for _, attrs in page.tags if "href" in attrs)
    assert not page.all("link") and not page.all("iframe")
    assert "http" not in page.html.replace("http-equiv", "")
    assert "@import" not in page.html


def test_the_page_may_run_its_own_script_and_no_other(tmp_path):
    page = written(tmp_path)
    digest = base64.b64encode(hashlib.sha256(page.scripts[1].encode()).digest()).decode()
    (policy,) = (attrs["content"] for attrs in page.all("meta") if "http-equiv" in attrs)
    assert (
        policy
        == f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"
    )


def test_report_json_reads_back_as_it_was_given(tmp_path):
    content = report(
        claims=[{"task": "seen", "arm": "grpo", "paper": 0.8, "measured": None, "source": "größer"}]
    )
    written(tmp_path, content)
    assert json.loads((tmp_path / "report.json").read_text(encoding="utf-8")) == content


def test_nothing_but_the_two_files_is_left_behind(tmp_path):
    written(tmp_path)
    files = {path.name for path in tmp_path.iterdir() if path.is_file()}
    assert files == {"report.html", "report.json"}


def test_without_trainings_the_page_says_so(tmp_path):
    arms, _ = write_run(tmp_path)
    text = Page(write_report(tmp_path, report(), arms, {}).read_text(encoding="utf-8")).text
    assert "no training stage" in text
    assert "No rollouts were recorded" in text


def test_the_settings_of_a_training_are_listed_those_that_are_not_the_defaults_first(tmp_path):
    page = written(tmp_path)
    assert "max_steps10none" in page.text and "max_steps10100" in page.text
    assert "1 setting that is the default beta=0.0" in page.text


def test_without_arms_the_page_is_about_the_training_alone(tmp_path):
    _, trainings = write_run(tmp_path)
    trainings.pop("sft")
    content = report(results={}, tests=[])
    content["trainings"].pop("sft")
    page = Page(write_report(tmp_path, content, {}, trainings).read_text(encoding="utf-8"))
    said = page.text.index("Reward: 0.100 at start, 1.000 at end.")
    assert said < page.text.index("how the model does on others was not measured")
    assert "Significance" not in page.text and "Scores" not in page.text and "Answers" not in page.text
    assert "rollout 1.1" in page.text and "Settings" in page.text


def test_thirty_arms_fit(tmp_path):
    names = [f"arm{i}" for i in range(30)]
    arms = write_arms(
        tmp_path, {arm: [attempt(f"q{i}", (i + n) % 3 > 0) for i in range(80)] for n, arm in enumerate(names)}
    )
    content = report(
        results={arm: {"seen": result()} for arm in names},
        tests=[paired_test(a=a, b=b) for i, a in enumerate(names) for b in names[i + 1 :]],
    )
    path = write_report(tmp_path, content, arms, {})
    assert path.stat().st_size < 3e6
    assert "show all arms" in Page(path.read_text(encoding="utf-8")).text


def test_a_line_that_is_not_json_is_named(tmp_path):
    arms, trainings = write_run(tmp_path)
    with arms["sft"].open("a", encoding="utf-8") as file:
        file.write('{"task": "se')
    with pytest.raises(InputError, match=r"eval/sft/attempts\.jsonl, line 5 is not JSON"):
        write_report(tmp_path, report(), arms, trainings)
    assert not (tmp_path / "report.html").exists()


def test_a_row_without_its_fields_is_named(tmp_path):
    arms, trainings = write_run(tmp_path)
    write_rows(trainings["sft"], [{"loss": 1.0}])
    with pytest.raises(InputError, match=r"sft/metrics\.jsonl, line 1 lacks step"):
        write_report(tmp_path, report(), arms, trainings)


def test_a_missing_picture_is_named(tmp_path):
    arms, trainings = write_run(tmp_path)
    (tmp_path / "media/page.png").unlink()
    with pytest.raises(InputError, match=r"media/page\.png"):
        write_report(tmp_path, report(), arms, trainings)
