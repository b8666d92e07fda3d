"""Tables of one task: levels and categories, parts of the score, twins."""

from __future__ import annotations

from seethink.report import write_report
from seethink.report.breakdown import breakdowns
from tests.report.sample_run import Page, report, result, write_run

GROUP = {"value": 0.25, "low": 0.1, "high": 0.4, "n": 12, "unjudged": 0}
DIVIDED = result(
    0.5,
    by_meta={"level": {"1": GROUP, "2": {**GROUP, "value": None}}},
    parts={"correct": GROUP, "format": GROUP, "published": {**GROUP, "value": 0.625}},
    twins={"n": 40, "same": GROUP, "both": 0.5, "only_original": 0.25, "only_twin": 0.125, "widowed": 0},
)


def test_an_arm_without_a_group_has_none_and_parts_that_are_shown_elsewhere_are_left_out() -> None:
    found = list(breakdowns({"base": {"exam": result(0.5)}, "sft": {"exam": DIVIDED}}, "correct"))
    assert [(one.title, [name for name, _ in one.rows]) for one in found] == [
        ("level", ["1", "2"]),
        ("part of the score", ["published"]),
        ("twins", ["answered alike", "both right", "right in words only", "right as a picture only"]),
    ]
    assert all(cells[0] is None for one in found for _, cells in one.rows)
    assert list(breakdowns({"base": {"exam": result(0.5)}}, "correct")) == []


def test_the_page_shows_them(tmp_path) -> None:
    arms, trainings = write_run(tmp_path)
    content = report(results={arm: {"exam": DIVIDED} for arm in arms}, tests=[])
    page = Page(write_report(tmp_path, content, arms, trainings).read_text(encoding="utf-8"))
    for text in ("exam: level", "exam: part of the score", "62.5 %", "answered alike", "12.5 %", "n = 40"):
        assert text in page.text
