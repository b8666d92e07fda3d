"""Lessons: every reply is true, and the first about a picture reads it cell by cell."""

from __future__ import annotations

from collections import Counter

from seethink.formats import THINK_ANSWER, by_steps, read_any
from seethink.recipes.sprout import ANSWERING, COURSES, GRIDS
from seethink.sources.schoolbook import CELL_NAMES, PLAIN, Schoolbook, cells, picture

BOOK = Schoolbook(6_000, "test", 0, ANSWERING, GRIDS, per_picture=6)


def test_the_first_lesson_about_a_picture_reads_it_cell_by_cell() -> None:
    for lesson in BOOK[:600:6]:
        assert lesson.format == PLAIN and lesson.text == lesson.example.meta["formal"]


def test_lessons_about_one_picture_stand_together() -> None:
    keys = [lesson.example.media[0].key for lesson in BOOK[:600]]
    assert all(len(set(keys[i : i + 6])) == 1 for i in range(0, 600, 6))
    assert len(set(keys)) == 100


def test_every_answer_is_true_in_whatever_style() -> None:
    asked = [lesson for lesson in BOOK if lesson.format != PLAIN]
    assert len(asked) > 2_000
    for lesson in asked:
        assert read_any(lesson.text).answer == lesson.example.answer, lesson.text


def test_styles_come_as_often_as_the_habit_says() -> None:
    told = [lesson.text for lesson in BOOK if lesson.format == THINK_ANSWER]
    first = Counter("<answer>" if text.startswith("<answer>") else "other" for text in told)
    assert abs(first["<answer>"] / len(told) - ANSWERING[THINK_ANSWER]["tagged at once"]) < 0.05
    steps = sum(map(by_steps, told)) / len(told)
    assert 0.15 < steps < 0.35, "it mostly answers at once"


def test_cells_name_what_the_picture_holds() -> None:
    for i in range(200):
        example = picture(f"cells/{i}", GRIDS, shapes=0.5)
        rows, columns = example.meta["grid"]
        held = cells(example)
        assert len(held) == rows * columns and set(held) <= set(CELL_NAMES)
        if "page" in example.meta:
            assert held == example.meta["formal"].replace("/", " ").split()


def test_courses_plan_whole_steps() -> None:
    for name, course in COURSES.items():
        book, config = course.lessons(name, 0)
        assert config.steps == course.steps and len(book) == config.steps * config.lessons_per_step
        assert not config.shuffle, "lessons about one picture stand together"
