"""Every recipe is found, documented, planned at every scale it has, and run at the smallest."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bench import sprout_page, systems_page
from seethink import systems
from seethink.cli.app import app
from seethink.run.run import Run
from seethink.run.scale import SCALES, Scale
from seethink.types import InputError
from tests.systems.test_folders import NINE

NAMES = systems.names("recipe")


def test_there_are_recipes() -> None:
    assert {"r1v", "sprout"} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_the_docstring_has_source_claim_needs_differs(name: str) -> None:
    header = systems.header(name)
    assert [*header] == ["title", "source", "claim", "needs", "differs"]
    assert all(header.values())


@pytest.mark.parametrize("name", NAMES)
def test_it_can_be_planned_at_every_scale_it_has(name: str, tmp_path) -> None:
    recipe = systems.recipe(name).recipe
    planned = set()
    for scale in SCALES:
        try:
            stages = Run(name, Scale(scale), tmp_path / scale).dry_run(recipe)
        except InputError as error:
            assert "has no scale" in str(error)
            continue
        planned.add(scale)
        assert stages
    assert {"smoke", "tiny"} <= planned
    assert "full" in planned or name not in NINE
    assert not list(tmp_path.iterdir()), "a plan writes nothing"


def run_twice(name: str, out: Path) -> None:
    """At smoke scale; the second time everything is recognised as done."""
    command = ["run", name, "--scale", "smoke", "--out", str(out), "--seed", "3"]
    first = CliRunner().invoke(app, command, catch_exceptions=False)
    assert first.exit_code == 0, first.output
    again = CliRunner().invoke(app, command, catch_exceptions=False)
    assert again.exit_code == 0
    stages = list(out.rglob("stage.json"))
    assert again.output.count(": skipped") == len(stages)
    assert ": started" not in again.output


@pytest.mark.parametrize("name", NAMES)
def test_it_runs_at_smoke_scale_and_then_recognises_what_is_done(name: str, tmp_path) -> None:
    run_twice(name, tmp_path / "run")
    if name in PROMISES:
        PROMISES[name](tmp_path / "run")


def sprout_has_a_page_that_shows_every_test(out: Path) -> None:
    docs = out.parent / "docs"
    sprout_page.write(out, docs)
    page = (docs / "sprout.md").read_text(encoding="utf-8")
    report = json.loads((out / "report.json").read_text(encoding="utf-8"))
    assert "| world | begun | begun, shifted | begun, all levels | asked |" in page
    for task, row in report["results"]["begun"].items():
        assert f"\n### {task}\n" in page
        assert f"{100 * row['value']:.1f} ({100 * row['low']:.1f} to {100 * row['high']:.1f})" in page
    shown = re.findall(r"\(sprout/([^)]+)\)", page)
    assert shown and {path.name for path in (docs / "sprout").iterdir()} == {*shown}
    for course in ("say", "steps", "answers"):
        assert re.search(rf"\| {course} \| 2 \| ", page)


def r1v_reports_what_the_architecture_promises(out: Path) -> None:
    report = json.loads((out / "report.json").read_text(encoding="utf-8"))
    assert report["recipe"] == "r1v" and report["scale"] == "smoke" and report["seeds"] == [3]
    assert list(report["results"]) == ["base", "base-direct", "sft", "sft-perfect", "grpo", "grpo-sft"]
    for arm in report["results"].values():
        assert len(arm) == 3
        for row in arm.values():
            assert {"value", "low", "high", "n", "unjudged"} <= row.keys() and row["n"] == 8
            assert row["low"] <= row["value"] <= row["high"]
    assert all({"a", "b", "task", "difference", "p"} <= test.keys() for test in report["tests"])
    assert all({"task", "arm", "paper", "measured"} <= claim.keys() for claim in report["claims"])
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "data:image/webp;base64," in page and not re.search(r"(src|href)=.?https?:", page)
    two_seeds_are_one_section(out, report)


def two_seeds_are_one_section(out: Path, report: dict) -> None:
    """The same run under another seed doubles the questions and moves no mean."""
    other, docs = out.with_name("other"), out.with_name("docs")
    shutil.copytree(out, other)
    (other / "report.json").write_text(json.dumps(report | {"seeds": [4]}), encoding="utf-8")
    systems_page.write([out, other], docs)
    page = (docs / "systems.md").read_text(encoding="utf-8")
    assert "`seethink run r1v --scale smoke`, seeds 3, 4" in page
    for row in report["results"]["grpo"].values():
        assert re.search(rf"\b{100 * row['value']:.1f} \([^)]*\), n = 16 \|", page)
    assert page.count("eproduced: GRPO counts better than SFT") == 1
    assert {path.name for path in (docs / "systems").iterdir()} == {"r1v.svg"}
    with pytest.raises(ValueError, match="another run of r1v with seed 3"):
        systems_page.write([out, out], docs)


def r1_onevision_scores_its_exam_by_level_and_by_the_published_reward(out: Path) -> None:
    report = json.loads((out / "report.json").read_text(encoding="utf-8"))
    assert list(report["results"]) == ["base", "sft", "sft-rl", "rl"]
    for arm in report["results"].values():
        assert arm["exam"]["parts"]["published"]["n"] == 8
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "exam, all levels: level" in page and "exam: part of the score" in page


def r1_vision_measures_its_twins(out: Path) -> None:
    report = json.loads((out / "report.json").read_text(encoding="utf-8"))
    assert all(arm["twins"]["twins"]["n"] == 3 for arm in report["results"].values())
    rows = (out / "thoughts/rows/data.jsonl").read_text(encoding="utf-8").splitlines()
    pictures = [len(json.loads(row).get("images", ())) for row in rows]
    assert {0, 1} == {*pictures}, "rows in words beside twins and pictures"
    assert "answered alike" in (out / "report.html").read_text(encoding="utf-8")


def llamav_o1_encodes_a_picture_once_in_every_arm_and_grades_its_steps(out: Path) -> None:
    report = json.loads((out / "report.json").read_text(encoding="utf-8"))
    arms = ["base", "together", "curriculum", "easy_to_hard", "2 beams", "4 beams", "stage beams"]
    equal = ["greedy", "majority, equal tokens", "likeliest, equal tokens"]
    assert list(report["results"]) == [*arms, *equal]
    for name, arm in report["results"].items():
        for row in arm.values():
            assert row["usage"]["pictures_encoded"] == 1, name
            assert row["step_grades"]["ungraded"] == 0
    tokens = {name: arm["held out"]["usage"]["tokens_sampled"] for name, arm in report["results"].items()}
    assert tokens["greedy"] <= tokens["4 beams"], "beams sample tokens of every beam"
    assert len(report["findings"]) == 2 and report["trainings"]["stage2"]["method"] == "sft"


def insight_v_counts_followed_chains_and_trains_adapters_of_one_base(out: Path) -> None:
    report = json.loads((out / "report.json").read_text(encoding="utf-8"))
    arms = ["base", "single", "multi_turn", "summary", "two agents"]
    equal = ["majority, equal tokens", "likeliest, equal tokens"]
    assert list(report["results"]) == [*arms, *equal, "dpo", "three rounds"]
    for name in ("multi_turn", "two agents", "dpo", "three rounds"):
        for row in report["results"][name].values():
            chains = row["chains"]
            assert chains["sound"]["n"] + chains["flawed"]["n"] + chains["unjudged"] == 1
            assert row["usage"]["calls"] == 2 and row["usage"]["pictures_encoded"] == 1
    for stage in ("reasoning", "summary", "multi_turn", "dpo", "round1/dpo"):
        assert (out / stage / "checkpoint" / "adapter_config.json").is_file()
    parts = {file.stem for file in (out / "paths/rows").glob("*.jsonl")}
    assert {"data", "summary", "pairs", "general"} <= parts


def vlm_r1_watches_sft_and_grpo_in_both_domains(out: Path) -> None:
    report = json.loads((out / "report.json").read_text(encoding="utf-8"))
    arms = ["base", "base-direct", "sft", "grpo", "grpo-lora", "grpo-frozen-vision"]
    of_parts = ["detection-base", "detection-ap", "detection-odlength", "screens-base", "screens-grpo"]
    assert list(report["results"]) == arms + of_parts
    assert [*report["results"]["base"]] == ["attributes", "relations"]
    for arm in ("sft", "grpo"):
        rows = (out / arm / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
        watched = [row for row in map(json.loads, rows) if "eval_correct" in row]
        assert watched and all("eval_correct/relations" in row for row in watched)


def visualthinker_compares_base_and_instruct_and_measures_length(out: Path) -> None:
    report = json.loads((out / "report.json").read_text(encoding="utf-8"))
    plain = ["base", "base-direct", "sft", "instruct", "grpo", "grpo-frozen-llm", "grpo-frozen-vision"]
    assert list(report["results"]) == [*plain, "grpo-length", "instruct-grpo"]
    for arm in report["results"].values():
        assert {"spatial", "spatial, shifted"} == arm.keys()
        assert all("length" in row["parts"] for row in arm.values())


def open_r1_multimodal_asks_in_three_ways_and_trains_aria(out: Path) -> None:
    report = json.loads((out / "report.json").read_text(encoding="utf-8"))
    arms = ["direct", "thinking", "grpo"]
    assert list(report["results"]) == [*arms, *(f"{arm}-aria" for arm in arms)]
    rows = (out / "verified/rows/data.jsonl").read_text(encoding="utf-8").splitlines()
    assert rows and all(json.loads(row)["answer"] for row in rows)


def open_r1_video_shows_the_same_clips_in_4_8_and_16_frames(out: Path) -> None:
    report = json.loads((out / "report.json").read_text(encoding="utf-8"))
    assert list(report["results"]) == ["direct", "thinking", "grpo"]
    for arm in report["results"].values():
        assert list(arm) == ["4 frames", "8 frames", "16 frames"]
        assert len({row["n"] for row in arm.values()}) == 1


PROMISES = {
    "open_r1_multimodal": open_r1_multimodal_asks_in_three_ways_and_trains_aria,
    "open_r1_video": open_r1_video_shows_the_same_clips_in_4_8_and_16_frames,
    "visualthinker": visualthinker_compares_base_and_instruct_and_measures_length,
    "vlm_r1": vlm_r1_watches_sft_and_grpo_in_both_domains,
    "insight_v": insight_v_counts_followed_chains_and_trains_adapters_of_one_base,
    "llamav_o1": llamav_o1_encodes_a_picture_once_in_every_arm_and_grades_its_steps,
    "r1_onevision": r1_onevision_scores_its_exam_by_level_and_by_the_published_reward,
    "r1_vision": r1_vision_measures_its_twins,
    "r1v": r1v_reports_what_the_architecture_promises,
    "sprout": sprout_has_a_page_that_shows_every_test,
}
