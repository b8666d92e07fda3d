"""Arms are joined on text and pictures, and what decides a score besides the model is compared."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from seethink.evaluate.arms import read_arms
from seethink.evaluate.joining import join, placed_attempts, question_text, refuse_strangers
from seethink.evaluate.questions import clusters_of
from seethink.evaluate.side_by_side import side_by_side
from seethink.types import InputError
from tests.evaluate.made_arms import rows, stage, write_evaluation


def arms(tmp_path: Path, **attempts: list) -> dict:
    return {
        name: placed_attempts(write_evaluation(tmp_path / name, own) / "attempts.jsonl")
        for name, own in attempts.items()
    }


def test_questions_are_joined_by_content_whatever_their_ids_order_and_marks(tmp_path: Path) -> None:
    a = rows([1, 0, 1])
    b = [
        row | {"id": f"{i}", "question": row["question"].replace("<image>", "<image>\n ")}
        for i, row in enumerate(reversed(a))
    ]
    joined = join(arms(tmp_path, a=a, b=b))
    assert [(own["a"][0]["id"], own["b"][0]["id"]) for own in joined.questions] == [
        ("q0", "2"),
        ("q1", "1"),
        ("q2", "0"),
    ]
    assert joined.several == joined.other_pictures == joined.by_name == 0


def test_equal_ids_of_other_questions_are_refused_and_the_reason_is_said(tmp_path: Path) -> None:
    a = rows([1, 0])
    texts = [row | {"question": f"Another {i}?"} for i, row in enumerate(a)]
    with pytest.raises(InputError, match="a and b have no question in common, by text and pictures; compare"):
        refuse_strangers(join(arms(tmp_path / "texts", a=a, b=texts)))
    pictures = [row | {"media": [f"media/other{i}.png"]} for i, row in enumerate(a)]
    with pytest.raises(InputError, match="2 have the same text, but other pictures"):
        refuse_strangers(join(arms(tmp_path / "pictures", a=a, b=pictures)))


def test_a_picture_is_the_same_in_another_file_of_another_format(tmp_path: Path) -> None:
    a = rows([1, 0])
    made = arms(tmp_path, a=a, b=a)
    for row in made["b"]:
        (old,) = row["media"]
        new = Path(old).with_name(f"renamed-{Path(old).stem}.bmp")
        Image.open(old).save(new)
        row["media"] = [str(new)]
    assert all(len(own) == 2 for own in join(made).questions)


def test_questions_that_only_ids_tell_apart_stay_apart_if_all_arms_have_the_ids(tmp_path: Path) -> None:
    a = [row | {"question": "Same?", "media": []} for row in rows([1, 0, 1])]
    joined = join({"a": a, "b": a})
    assert (len(joined.questions), joined.several) == (3, 0)
    joined = join({"a": a, "b": [row | {"id": f"other {row['id']}"} for row in a]})
    assert (len(joined.questions), joined.several) == (1, 1)


def test_tasks_keep_questions_apart_only_where_the_arms_name_them_alike(tmp_path: Path) -> None:
    a = rows([1, 0])
    direct = [row | {"task": "seen_direct"} for row in a]
    assert len(join({"a": a + direct, "b": a + direct}).questions) == 4
    assert [len(own) for own in join({"a": a, "b": direct}).questions] == [2, 2]


def test_a_task_has_the_first_arms_name_in_every_test(tmp_path: Path) -> None:
    """Three files of other names, and a question that the first was not asked."""
    named = {name: rows([1, 0], task="seen") for name in "abc"}
    for name, own in named.items():
        for row in own:
            row["task"] = f"task of {name}"
        write_evaluation(tmp_path / name, own)
    report = side_by_side(read_arms([str(tmp_path / name) for name in "abc"])).report
    assert {test["task"] for test in report["tests"]} == {"task of a"} and len(report["tests"]) == 3
    joined = join({"a": named["a"][:1], "b": named["b"], "c": named["c"]})
    assert {task: len(own) for task, own in joined.by_task("b", "c").items()} == {
        "task of a": 1,
        "task of b": 1,
    }
    assert [joined.n_left_out("b", task) for task in ("task of a", "task of b")] == [0, 1]


def test_pictures_that_are_not_on_disk_are_told_apart_by_their_names_and_counted() -> None:
    a = [row | {"media": [f"/nowhere/{i}.png"]} for i, row in enumerate(rows([1, 0]))]
    joined = join({"a": a, "b": a})
    assert (len(joined.questions), joined.by_name) == (2, 2)


def test_spaces_and_marks_are_no_part_of_a_question() -> None:
    assert question_text(" <image>\nHow\tmany  <video> ? ") == "How many ?"


def test_questions_that_share_a_picture_directly_or_not_are_one_cluster() -> None:
    media = [["a"], ["b"], ["a", "c"], ["c"], [], []]
    questions = [[{"media": own}] for own in media]
    assert clusters_of(questions) == [0, 1, 0, 0, 2, 3]
    assert clusters_of([[{"media": ["a"], "cluster": i}] for i in (7, 8, 7)]) == [0, 1, 0]


# Arms -------------------------------------------------------------------------------------------------------


def test_a_run_gives_an_arm_for_each_evaluation_and_none_for_its_trainings(tmp_path: Path) -> None:
    for name in ("base", "grpo"):
        write_evaluation(tmp_path / "run/eval" / name, rows([1, 0]), stage(2))
    write_evaluation(tmp_path / "run/grpo", [row | {"step": 1} for row in rows([1])])
    write_evaluation(tmp_path / "run/.stale/eval-base", rows([1]))
    assert list(read_arms([str(tmp_path / "run")])) == ["base", "grpo"]
    assert list(
        read_arms([f"mine={tmp_path}/run/eval/base", f"{tmp_path}/run/eval/grpo/attempts.jsonl"])
    ) == ["mine", "grpo"]
    assert list(read_arms([f"mine={tmp_path}/run"])) == ["mine: base", "mine: grpo"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"correct": 1611.1}, "the score 1611.1 of q0 is no share between 0 and 1; divide every score"),
        ({"correct": float("nan")}, "the score nan of q0 is no share"),
        ({"correct": "yes"}, "the score 'yes' of q0 is no share"),
    ],
)
def test_scores_on_another_scale_are_refused(tmp_path: Path, change: dict, message: str) -> None:
    folder = write_evaluation(tmp_path / "a", [row | change for row in rows([1])])
    with pytest.raises(InputError, match=message):
        read_arms([str(folder)])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda folder: None, "there is no .*missing"),
        (lambda folder: folder.mkdir(), "holds no evaluation"),
        (lambda folder: write_evaluation(folder, []), "holds no attempts yet"),
    ],
)
def test_what_is_no_evaluation_is_refused(tmp_path: Path, make, message: str) -> None:
    make(tmp_path / "missing")
    with pytest.raises(InputError, match=message):
        read_arms([str(tmp_path / "missing")])


def test_rows_of_other_programs_may_lack_what_only_ours_record(tmp_path: Path) -> None:
    kept = ("task", "id", "question", "media", "gold", "text", "value", "why", "parts")
    bare = [{name: row[name] for name in kept} | {"parts": {}} for row in rows([1, 0, 1])]
    write_evaluation(tmp_path / "a", rows([1, 1, 1]), stage(3))
    write_evaluation(tmp_path / "b", bare)
    report = side_by_side(read_arms([str(tmp_path / "a"), str(tmp_path / "b")])).report
    assert report["results"]["b"]["seen"]["value"] == pytest.approx(2 / 3)
    assert any(text.startswith("how b was made is not recorded") for text in report["warnings"])


def test_a_broken_record_and_two_arms_of_one_name_are_named(tmp_path: Path) -> None:
    folder = write_evaluation(tmp_path / "a", rows([1]))
    with pytest.raises(InputError, match=r"are both named x; write NAME="):
        read_arms([f"x={folder}", f"x={folder}/attempts.jsonl"])
    (folder / "stage.json").write_text("{", encoding="utf-8")
    with pytest.raises(InputError, match=r"stage\.json is no record of a stage"):
        read_arms([str(folder)])


# Warnings ---------------------------------------------------------------------------------------------------


def warnings(tmp_path: Path, a: dict, b: dict) -> str:
    """a, b: arguments of `write_evaluation`."""
    write_evaluation(tmp_path / "a", **a)
    write_evaluation(tmp_path / "b", **b)
    return "\n".join(side_by_side(read_arms([str(tmp_path / "a"), str(tmp_path / "b")])).report["warnings"])


def test_equal_conditions_need_no_warning(tmp_path: Path) -> None:
    same = {"attempts": rows([1, 0]), "record": stage(2)}
    assert warnings(tmp_path, same, same) == ""


@pytest.mark.parametrize(
    ("changes", "record", "message"),
    [
        ({"mode": "direct"}, {}, "not the same prompts (a: think_answer, suffix; b: think_answer, direct)"),
        ({}, {"temperature": 0.6}, "not the same decoding (a: Sampling, n 1, temperature 0.0"),
        ({}, {"verifier": "same_text"}, "not the same verifiers (a: same_number ("),
        (
            {"clips": [{"path": "x", "count": 8}]},
            {},
            "not the same frames of clips (a: not recorded; b: count 8)",
        ),
        ({"gold": "8"}, {}, "2 questions with different reference answers in the arms"),
    ],
)
def test_what_else_decides_a_score_is_said_where_it_differs(tmp_path: Path, changes, record, message) -> None:
    b = {"attempts": [row | changes for row in rows([1, 0])], "record": stage(2, **record)}
    assert message in warnings(tmp_path, {"attempts": rows([1, 0]), "record": stage(2)}, b)


def test_other_limits_of_pixels_are_said(tmp_path: Path) -> None:
    records = []
    for limit in (1_000, 2_000):
        pixels = {"limit": limit, "processor": None}
        records.append(stage(2) | {"result": {"seen": {"value": 0.5, "record": {"pixels": pixels}}}})
    a, b = ({"attempts": rows([1, 0]), "record": one} for one in records)
    assert "not the same pixels (a: limit 1000; b: limit 2000)" in warnings(tmp_path, a, b)


def test_unmatched_questions_are_counted_with_both_figures(tmp_path: Path) -> None:
    a = {"attempts": rows([1, 0, 1, 1]), "record": stage(4)}
    found = warnings(tmp_path, a, {"attempts": rows([1, 0]), "record": stage(4)})
    assert (
        "2 questions of a that not every other arm was asked, on which it scores 100.0 %: left out" in found
    )
    assert (
        "b has answers to 2 of its 4 questions of seen: if the others count as wrong, it is at 25.0 %"
        in found
    )


def test_attempts_of_a_training_are_compared_only_where_they_are_named_and_said(tmp_path: Path) -> None:
    same = {"attempts": rows([1, 0]), "record": stage(2)}
    logged = [row | {"step": 5} for row in rows([1, 0])]
    found = warnings(tmp_path, same, {"attempts": logged, "record": stage(2)})
    assert found == "b holds attempts of training steps 5 to 5, of which all count"


def test_what_cannot_be_compared_is_refused(tmp_path: Path) -> None:
    one = write_evaluation(tmp_path / "a", rows([1]), stage(1))
    with pytest.raises(InputError, match="takes two evaluations or more, not 1"):
        side_by_side(read_arms([str(one)]))
    other = stage(1)
    other["inputs"]["tasks"][0]["headline"] = "format"
    write_evaluation(tmp_path / "b", rows([1]), other)
    with pytest.raises(InputError, match=r"different parts of the score \(correct, format\)"):
        side_by_side(read_arms([str(one), str(tmp_path / "b")]))


def test_the_record_is_json_of_plain_values(tmp_path: Path) -> None:
    for name in "ab":
        write_evaluation(tmp_path / name, rows([1, 0, 0.25, None]), stage(4))
    report = side_by_side(read_arms([str(tmp_path / "a"), str(tmp_path / "b")])).report
    assert json.loads(json.dumps(report, allow_nan=False)) == report
