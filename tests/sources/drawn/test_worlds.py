"""What holds in every drawn world: items are distinct and the same for ever, gold is right, blind is poor."""

from __future__ import annotations

import hashlib
import json
import random
from collections import Counter, defaultdict
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageChops

from seethink import verify
from seethink.identity import of_sequence
from seethink.media import Frames
from seethink.sources.drawn import WORLDS, another_question, by_address, by_name
from seethink.sources.drawn.grounding import GROUNDING
from seethink.sources.drawn.page_style import PRACTISED_FONTS, UNSEEN_FONTS
from seethink.sources.drawn.world import DrawnExamples, running_sum
from seethink.types import Example, InputError, Response

BOXES = {"grounding", "detection"}
BOTH = [(name, shifted) for name in WORLDS for shifted in (False, True)]


@cache
def items(name: str, shifted: bool) -> list[Example]:
    return list(by_name(name, 200, "test", shifted=shifted))


def content(example: Example) -> str:
    content = json.dumps([example.question, example.answer, example.meta["formal"]], sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()


def pixels(example: Example) -> list[bytes]:
    loaded = [medium.load() for medium in example.media]
    return [picture.tobytes() for picture in _pictures(loaded)]


def _pictures(loaded):
    return [p for one in loaded for p in (one.pictures if isinstance(one, Frames) else [one])]


@pytest.mark.parametrize("name", WORLDS)
def test_ten_thousand_items_are_distinct_and_seeds_splits_and_variants_are_disjoint(name):
    first = {content(example) for example in by_name(name, 10_000)}
    assert len(first) == 10_000
    others = [by_name(name, 500, seed=1), by_name(name, 500, "test"), by_name(name, 500, shifted=True)]
    ids = {example.id for world in (by_name(name, 500), *others) for example in world}
    assert len(ids) == 2_000
    for world in others:
        assert first.isdisjoint(content(example) for example in world), world.identity


@pytest.mark.parametrize("name", WORLDS)
def test_pictures_are_distinct_too(name):
    distinct = {b"".join(pixels(example)) for shifted in (False, True) for example in items(name, shifted)}
    assert len(distinct) == 400


@pytest.mark.parametrize(("name", "shifted"), BOTH)
def test_the_reference_answer_earns_everything_under_its_verifier(name, shifted):
    judge = verify.by_name(WORLDS[name].verifier)
    for example in items(name, shifted):
        score = judge(example, Response(text=str(example.answer), answer=example.answer))
        assert score.value == 1.0, (example.question, score.why)


@pytest.mark.parametrize(("name", "shifted"), BOTH)
def test_no_fixed_answer_beats_the_blind_accuracy(name, shifted):
    """The best blind guess: the commonest answer to this question, else to those that begin alike."""
    answers = defaultdict(Counter)
    for example in by_name(name, 3_000, shifted=shifted):
        for known in (example.question, _begins(example)):
            answers[known][example.answer] += 1
    right = 0
    for example in by_name(name, 600, "test", shifted=shifted):
        known = answers.get(example.question) or answers[_begins(example)]
        right += bool(known) and known.most_common(1)[0][0] == example.answer
    assert right / 600 <= WORLDS[name].blind


@pytest.mark.parametrize("name", sorted(WORLDS.keys() - {"screens", "detection", "exams"}))
def test_no_answer_dominates_a_kind_of_question(name):
    """Of screens and of detections the kind is the answer, or half of it; the test above holds for them."""
    answers = defaultdict(Counter)
    for example in by_name(name, 2_000):
        answers[example.meta["kind"]][example.answer] += 1
    for kind, counts in answers.items():
        assert counts.most_common(1)[0][1] / counts.total() <= WORLDS[name].blind, kind


def _begins(example: Example) -> str:
    return " ".join(example.question.split()[:3])


@pytest.mark.parametrize(("name", "shifted"), BOTH)
def test_the_formal_description_is_plain_data_that_draws_the_same_picture(name, shifted):
    for example in items(name, shifted)[:25]:
        formal = json.loads(json.dumps(example.meta["formal"]))
        world = WORLDS[example.meta.get("category", name)]
        assert [picture.tobytes() for picture in world.draw(formal)] == pixels(example)
        assert example.meta["caption"] and example.meta["level"] in (1, 2, 3, 4)


@pytest.mark.parametrize(("name", "shifted"), BOTH)
def test_pictures_have_sizes_that_small_models_take(name, shifted):
    for example in items(name, shifted)[:50]:
        for picture in _pictures([medium.load() for medium in example.media]):
            assert picture.mode == "RGB" and min(picture.size) >= 56 and max(picture.size) <= 448


@pytest.mark.parametrize("name", sorted(WORLDS.keys() - BOXES))
def test_the_last_step_states_the_answer(name):
    for example in items(name, False) + items(name, True):
        assert example.steps and str(example.answer).casefold() in example.steps[-1].casefold()


@pytest.mark.parametrize("name", WORLDS)
def test_an_item_depends_only_on_its_index_and_is_reproducible(name):
    short, long = by_name(name, 4, seed=3), by_name(name, 400, seed=3)
    assert list(short) == long[:4] and short[-1] == short[3]
    assert pixels(short[2]) == pixels(long[2])
    with pytest.raises(IndexError):
        short[4]


@pytest.mark.parametrize("name", WORLDS)
def test_every_kind_of_question_and_every_level_is_asked(name):
    examples = items(name, False)
    if name == "exams":
        assert {e.meta["category"] for e in examples} == {part.name for part in WORLDS[name].worlds}
    else:
        assert {e.meta["kind"] for e in examples} == set(WORLDS[name].kinds)
    assert {e.meta["level"] for e in examples} == {1, 2, 3, 4}


def test_shifted_variants_share_no_looks_with_the_default_ones():
    for name in sorted(WORLDS.keys() - {"exams"}):
        default, shifted_looks = (_looks(items(name, shifted)) for shifted in (False, True))
        assert default and shifted_looks and not default & shifted_looks, name
    assert not set(PRACTISED_FONTS) & set(UNSEEN_FONTS)


def _looks(examples: list[Example]) -> set[str]:
    """The fonts of pages, the colours of objects."""
    scenes = [example.meta["formal"] for example in examples]
    fonts = {scene["style"]["font"] for scene in scenes if "style" in scene}
    return fonts or {thing["colour"] for scene in scenes for thing in scene["things"]}


@pytest.mark.parametrize("name", ["geometry", "charts", "text"])
def test_nothing_written_is_cut_off_by_the_edge(name):
    for example in items(name, False) + items(name, True):
        scene = example.meta["formal"]
        if "cells" in scene:
            continue
        picture = example.media[0].load()
        width, height = picture.size
        paper = Image.new("RGB", picture.size, tuple(scene["style"]["paper"]))
        left, top, right, bottom = ImageChops.difference(picture, paper).getbbox()
        assert min(left, top) >= 2 and right <= width - 2 and bottom <= height - 2, example.question


def test_clips_are_frames_with_their_times():
    for example in items("clips", True)[:5]:
        frames = example.media[0].load()
        assert example.media[0].kind == "video" and len(frames.pictures) == len(frames.times_s) == 12
        assert frames.times_s[1] == pytest.approx(1 / 6) and frames.length_s == 2.0


# Names ------------------------------------------------------------------------------------------------------


def test_worlds_are_found_by_name_and_by_address():
    world = by_address("drawn:grounding:30:shifted:7:test")
    assert (len(world), world.split, world.seed, world.shifted) == (30, "test", 7, True)
    assert by_address("drawn:charts:5").identity == by_name("charts", 5).identity
    easy = by_address("drawn:exams:8:level1:test")
    assert {example.meta["level"] for example in easy} == {1}
    assert easy.identity == by_name("exams", 8, "test", level=1).identity
    identities = {of_sequence(by_name(name, 9, shifted=shifted)) for name, shifted in BOTH}
    assert len(identities) == len(BOTH)


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("drawn:grund:3", "unknown drawn world 'grund'; the worlds are counting"),
        ("drawn:charts", "is not an address; write drawn:WORLD:N"),
        ("drawn:charts:many", "is not an address"),
        ("drawn:charts:3:tset", "is not an address"),
        ("drawn:charts:3:1:2", "is not an address"),
        ("drawn:charts:3:level5", "then :test, :shifted, :level1 to :level4 or a seed"),
        ("drawn:charts:3:level1:level2", "is not an address"),
        ("drawn:charts:0", "set it to at least 1"),
    ],
)
def test_an_invalid_address_is_refused(address, message):
    with pytest.raises(InputError, match=message):
        by_address(address)


@pytest.mark.parametrize("level", [0, 5, -1, "1"])
def test_an_unknown_level_is_refused(level):
    with pytest.raises(InputError, match="is no level; the levels are 1, 2, 3, 4"):
        by_name("counting", 2, level=level)


@given(st.lists(st.integers(-99, 99), min_size=2, max_size=6))
def test_a_running_sum_adds_one_number_at_a_time(numbers: list[int]) -> None:
    steps = running_sum(numbers).removesuffix(".").split(", ")
    total = numbers[0]
    for number, step in zip(numbers[1:], steps, strict=True):
        left, _, right = step.partition(" = ")
        a, sign, b = left.split(" ")
        assert (int(a), int(f"{sign}{b}"), int(right)) == (total, number, total + number)
        total += number


def test_some_kinds_of_a_world_alone_are_a_world_of_other_questions() -> None:
    relations = GROUNDING.only("relation", "nearest")
    kinds = {example.meta["kind"] for example in DrawnExamples(relations, 40, "test")}
    assert kinds == {"relation", "nearest"}
    whole, part = DrawnExamples(GROUNDING, 40), DrawnExamples(relations, 40)
    assert of_sequence(whole) != of_sequence(part) and not {e.id for e in whole} & {e.id for e in part}
    with pytest.raises(KeyError, match="size"):
        GROUNDING.only("size")


@pytest.mark.parametrize("name", ["grounding", "geometry", "counting"])
def test_level_1_asks_the_easy_kinds_alone(name):
    world = WORLDS[name]
    asked = {level: {e.meta["kind"] for e in by_name(name, 120, level=level)} for level in (1, 2)}
    assert asked[1] == {*(world.easy or world.kinds)} and asked[2] == {*world.kinds}


def test_some_kinds_alone_are_asked_at_every_level():
    hard = DrawnExamples(GROUNDING.only("relation"), 5, level=1)
    assert {example.meta["kind"] for example in hard} == {"relation"}


@pytest.mark.parametrize("name", ["charts", "counting", "exams"])
def test_another_question_is_of_the_same_kind_about_the_same_picture(name: str) -> None:
    kind = DrawnExamples(GROUNDING.only("relation"), 2)
    for example in [*by_name(name, 12, "train"), *kind]:
        again = another_question(random.Random("again"), example)
        assert (again.id, again.media, again.meta) == (example.id, example.media, example.meta)
        assert again.answer and again.steps
        assert again == another_question(random.Random("again"), example)
    some = [another_question(random.Random(i), example) for i in range(20)]
    assert len({one.question for one in some}) > 1
