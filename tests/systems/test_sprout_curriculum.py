"""Every reply is true, and the first about a picture reads it cell by cell."""

from __future__ import annotations

from collections import Counter

from seethink.formats import THINK_ANSWER, by_steps, read_any
from seethink.systems.sprout.curriculum import (
    ANSWERING,
    CELL_NAMES,
    GRIDS,
    PLAIN,
    CurriculumExamples,
    cells,
    picture,
)
from seethink.systems.sprout.recipe import CURRICULUM

EXAMPLES = CurriculumExamples(6_000, "test", 0, ANSWERING, GRIDS, per_picture=6)


def test_the_first_example_about_a_picture_reads_it_cell_by_cell() -> None:
    for row in EXAMPLES[:600:6]:
        assert row.format == PLAIN and row.text == row.example.meta["formal"]


def test_examples_about_one_picture_follow_each_other() -> None:
    keys = [row.example.media[0].key for row in EXAMPLES[:600]]
    assert all(len(set(keys[i : i + 6])) == 1 for i in range(0, 600, 6))
    assert len(set(keys)) == 100


def test_every_answer_is_true_in_whatever_style() -> None:
    questions = [row for row in EXAMPLES if row.format != PLAIN]
    assert len(questions) > 2_000
    for row in questions:
        assert read_any(row.text).answer == row.example.answer, row.text


def test_styles_come_as_often_as_their_weights_say() -> None:
    texts = [row.text for row in EXAMPLES if row.format == THINK_ANSWER]
    first = Counter("<answer>" if text.startswith("<answer>") else "other" for text in texts)
    assert abs(first["<answer>"] / len(texts) - ANSWERING[THINK_ANSWER]["tagged at once"]) < 0.05
    steps = sum(map(by_steps, texts)) / len(texts)
    assert 0.15 < steps < 0.35, "it mostly answers at once"


def test_cells_name_what_the_picture_holds() -> None:
    for i in range(200):
        example = picture(f"cells/{i}", GRIDS, shapes=0.5)
        rows, columns = example.meta["grid"]
        names = cells(example)
        assert len(names) == rows * columns and set(names) <= set(CELL_NAMES)
        if "page" in example.meta:
            assert names == example.meta["formal"].replace("/", " ").split()


def test_curriculum_stages_have_whole_steps() -> None:
    for name, stage in CURRICULUM.items():
        rows, config = stage.examples(name, 0), stage.config()
        assert config.max_steps == stage.max_steps
        assert len(rows) == stage.max_steps * config.train_batch_size
        assert not config.shuffle, "examples about one picture follow each other"
        assert config.training.learning_rate == stage.learning_rate and config.training.bf16
