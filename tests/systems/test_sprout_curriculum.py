"""Every reply is true, the first about a picture names all it shows, and styles come as often as they
should."""

from __future__ import annotations

import pickle
import random
import re
from collections import Counter

import pytest

from seethink import verify
from seethink.attempt import judge
from seethink.boxes import read_boxes
from seethink.formats import BOX_JSON, THINK_ANSWER, VERBATIM, by_steps, read_any, turns
from seethink.sources import handwritten
from seethink.sources.drawn import WORLDS, shapes
from seethink.systems.sprout.curriculum import (
    CELL_NAMES,
    SHARES,
    TOLD,
    CurriculumExamples,
    HeldOutReadings,
    cells,
    judgement,
    page_of_digits,
)
from seethink.systems.sprout.readings import words_read
from seethink.systems.sprout.styles import ANSWERING, PLAN, READING, REASONING, STYLES
from seethink.types import Completion, SFTExample, Task

PICTURES, PER_PICTURE = 400, 6
EXAMPLES = CurriculumExamples(PICTURES * PER_PICTURE, "test", 0, ANSWERING, PER_PICTURE)


@pytest.fixture(scope="module")
def rows() -> list[SFTExample]:
    return [row for page in range(PICTURES) for row in EXAMPLES.about(page)]


def test_examples_about_one_picture_follow_each_other(rows: list[SFTExample]) -> None:
    keys = [row.example.media[0].key for row in rows]
    groups = [set(keys[i : i + PER_PICTURE]) for i in range(0, len(keys), PER_PICTURE)]
    assert all(len(group) == 1 for group in groups) and len(set(keys)) == PICTURES
    assert list(EXAMPLES)[: 3 * PER_PICTURE] == rows[: 3 * PER_PICTURE]


def test_worlds_come_as_often_as_their_shares(rows: list[SFTExample]) -> None:
    seen = Counter(row.example.meta["world"] for row in rows[::PER_PICTURE])
    assert set(SHARES) == {"pages", *WORLDS} - {"exams"} == set(seen)
    assert all(abs(seen[world] / PICTURES - share) < 0.06 for world, share in SHARES.items())


def test_the_first_example_about_a_picture_names_all_it_shows(rows: list[SFTExample]) -> None:
    for row in rows[::PER_PICTURE]:
        example, formal = row.example, row.example.meta["formal"]
        assert row.format == VERBATIM
        if "grid" in example.meta:
            assert row.text == formal
        elif example.meta["world"] in ("counting", "grounding", "detection"):
            words = re.split("[:;.] ?", row.text)
            assert all(words.count(shapes.full_name(thing)) for thing in formal["things"])
        elif example.meta["world"] == "charts":
            pairs = zip(formal["names"], formal["values"], strict=True)
            assert all(f"{name} {value}" in row.text for name, value in pairs)
        elif example.meta["world"] == "text":
            assert all(part in row.text for line in formal["lines"] for part in line)


def test_every_answer_is_true_in_whatever_style(rows: list[SFTExample]) -> None:
    judged = Counter[str]()
    for row in rows:
        example, world = row.example, row.example.meta["world"]
        if row.format == VERBATIM or example.question.startswith(("Read", "List", "Describe", "Which digit")):
            continue
        judged[world] += 1
        answer = (example.answer or "").strip()
        assert answer and (answer in row.text or read_any(row.text).answer == answer), row.text
    assert all(judged[world] > 20 for world in SHARES), judged


def test_styles_come_as_often_as_their_weights_say(rows: list[SFTExample]) -> None:
    texts = [row.text for row in rows if row.format == THINK_ANSWER]
    at_once = sum(text.startswith("<answer>") for text in texts) / len(texts)
    assert abs(at_once - ANSWERING[THINK_ANSWER].styles["tagged at once"]) < 0.08
    assert 0.15 < sum(map(by_steps, texts)) / len(texts) < 0.35, "it mostly answers at once"


def test_stepwise_examples_end_as_they_began() -> None:
    course = CurriculumExamples(400, "test", 0, REASONING)
    ends = Counter[str]()
    for row in (row for page in range(100) for row in course.about(page)):
        if row.format == THINK_ANSWER:
            assert " ".join(row.example.steps) in row.text
            tagged = row.text.startswith("<think>")
            assert (THINK_ANSWER.parse(row.text).fault is None) == tagged, row.text
            ends["tags" if tagged else "box" if "\\boxed" in row.text else "prose"] += 1
    assert ends["tags"] > ends["prose"] > ends["box"] > 0, ends


def test_no_box_is_given_at_once_where_steps_are_learned() -> None:
    course = CurriculumExamples(400, "test", 0, REASONING, shares={"grounding": 1.0})
    boxes = [row for page in range(60) for row in course.about(page) if row.format == BOX_JSON]
    assert len(boxes) > 5 and all(BOX_JSON.parse(row.text).thought for row in boxes)
    others = CurriculumExamples(400, "test", 0, REASONING, shares={"charts": 1.0})
    assert not any(row.format == BOX_JSON for page in range(60) for row in others.about(page))


def test_a_course_without_manners_only_reads() -> None:
    course = CurriculumExamples(400, "test", 0, READING)
    assert all(row.format == VERBATIM for page in range(100) for row in course.about(page))


def test_a_told_picture_is_not_shown_and_its_reading_is_not_said_again() -> None:
    course = CurriculumExamples(400, "test", 0, READING, shares={TOLD: 1.0}, level=1)
    rows = [row for page in range(100) for row in course.about(page)]
    assert not any(row.example.media for row in rows) and {row.format for row in rows} == {VERBATIM}
    assert len({row.example.question for row in rows}) > 350, "each is about a picture of its own"
    assert {row.example.meta["world"] for row in rows} == {*SHARES}
    for row in rows:
        told, said = row.example.meta[TOLD], " ".join(row.example.steps)
        assert row.example.question.endswith(told)
        if read_boxes(row.example.answer or ""):
            assert row.text in said
        else:
            thought = row.text.removesuffix(f"The answer is {row.example.answer}.").strip()
            assert thought != row.text.strip() and said.endswith(thought)
        if row.example.meta["world"] in ("charts", "text", "clips", "screens"):
            assert told in said and told not in row.text


def test_level_1_asks_easy_questions_in_every_course() -> None:
    course = CurriculumExamples(400, "test", 0, REASONING, shares={"charts": 1.0}, level=1)
    asked = {row.example.question.split()[0] for page in range(50) for row in course.about(page)[1:]}
    assert asked <= {"What", "Which", "By", "Read", "Describe", "Now"}
    whole = CurriculumExamples(400, "test", 0, REASONING, shares={"charts": 1.0}, level=2)
    assert {"How", "Name"} <= {row.example.question.split()[0] for p in range(50) for row in whole.about(p)}


@pytest.mark.parametrize("manners", [REASONING, ANSWERING], ids=["steps", "answers"])
def test_a_course_is_the_same_in_another_process(manners) -> None:
    course = CurriculumExamples(60, "sent", 0, manners, shares={"grounding": 0.5, "charts": 0.5})
    assert [*pickle.loads(pickle.dumps(course))] == [*course]


def test_half_of_the_judged_chains_have_one_word_changed() -> None:
    seen = Counter[str]()
    for i in range(200):
        example = WORLDS["counting"].example(f"judged/{i}", shifted=False)
        asked = judgement(random.Random(i), example)
        whole = " ".join(example.steps) in asked.question
        assert asked.answer == ("yes" if whole else "no")
        seen[str(asked.answer)] += 1
    assert 60 < seen["yes"] < 140


def test_a_dialogue_asks_each_turn_after_those_before_it(rows: list[SFTExample]) -> None:
    dialogues = [row for row in rows if row.example.history]
    lengths = Counter(len(row.example.history) // 2 for row in dialogues)
    assert {*lengths} == {1, 2, 3}
    requests = (turns.CAPTION, turns.REASON, turns.CONCLUDE)
    for row in dialogues:
        history, place = row.example.history, len(row.example.history) // 2
        asked = [turn.text for turn in history if turn.role == "user"]
        said = [turn.text for turn in history if turn.role == "assistant"]
        known = (PLAN, row.example.meta["caption"], " ".join(row.example.steps), row.example.answer)
        assert [turn.role for turn in history] == ["user", "assistant"] * place
        assert asked[0].endswith(turns.PLAN) and [*asked[1:], row.example.question] == [*requests[:place]]
        assert (*said, row.text) == known[: place + 1]


def test_cells_name_what_the_page_holds() -> None:
    for i in range(200):
        example = page_of_digits(f"cells/{i}")
        rows, columns = example.meta["grid"]
        names = cells(example)
        assert len(names) == rows * columns and set(names) <= set(CELL_NAMES)
        if "page" in example.meta:
            assert names == example.meta["formal"].replace("/", " ").split()


@pytest.mark.parametrize("name", WORLDS)
def test_obedient_answers_of_every_world_are_well_formed_and_right(name: str) -> None:
    verifier = verify.by_name(WORLDS[name].verifier)
    for i in range(12):
        example = WORLDS[name].example(f"styles/{i}", shifted=False)
        boxes = read_boxes(example.answer or "") is not None
        for form in (form for form in ANSWERING if form.thinks and (boxes or form != BOX_JSON)):
            read = form.parse(STYLES["obeyed"](form, example))
            assert read.fault is None and read.thought
            assert verifier(example, read).value == 1.0, (form.name, read.text)


def test_held_out_readings_are_those_of_new_pictures() -> None:
    course = CurriculumExamples(40, "say", 0, READING, per_picture=1, shares={"charts": 1.0})
    for i, example in enumerate(HeldOutReadings("charts", 20, 0)):
        assert example.meta["world"] == "charts" and example.question == "Read all values."
        assert example.answer and all(name in example.answer for name in example.meta["formal"]["names"])
        assert all(example.answer != other.text for other in course), i


def test_held_out_readings_share_no_picture_and_no_scan_with_a_course(monkeypatch) -> None:
    splits = []
    written = handwritten.example

    def example(key, page, glyphs, split, rng):
        splits.append(split)
        return written(key, page, glyphs, split, rng)

    monkeypatch.setattr(handwritten, "example", example)
    tested = [row for world in SHARES for row in HeldOutReadings(world, 4, 0, 1)]
    keys = [medium.key for row in tested for medium in row.media]
    assert len(keys) == len({*keys}) and {*splits} == {"test"}
    splits.clear()
    courses = [CurriculumExamples(40, name, 0, READING, 1) for name in ("see", "scan", "list", "read", "say")]
    learned = {medium.key for course in courses for row in course for medium in row.example.media}
    assert not learned & {*keys} and {*splits} == {"train"}


def test_problems_in_words_hold_the_whole_question_and_no_picture() -> None:
    course = CurriculumExamples(200, "steps", 0, REASONING, 4, {"words": 1.0})
    for page in range(50):
        rows = course.about(page)
        assert len({row.example.id for row in rows}) == 1
        for row in rows:
            asked, steps = row.example.question, row.example.steps
            assert not row.example.media
            assert asked.startswith(re.sub(r"\d+: ", "", steps[0])), "the steps begin with the problem"
            first = steps[1].split()[0]
            assert first.isdigit() and f" {first} " in asked and row.text != steps[0]


def test_a_reading_is_compared_with_the_answer_as_it_was_given() -> None:
    (example,) = HeldOutReadings("pages", 1, 0)
    task = Task("pages", [example], VERBATIM, words_read)
    words = (example.answer or "").split()
    for said, read in ((words, 1.0), (words[:-4], 1 - 4 / len(words)), (["no"], 0.0)):
        score = judge(task, example, Completion(" ".join(said))).score
        assert score.value == pytest.approx(read)


def test_coordinates_are_learned_in_steps_of_twenty_thousandths(rows: list[SFTExample]) -> None:
    named = [row for row in rows if row.example.question == "Look around, with boxes."]
    numbers = [int(number) for row in named for number in re.findall(r"\d+", row.text)]
    assert numbers and all(0 <= number <= 1000 and number % 20 == 0 for number in numbers)
