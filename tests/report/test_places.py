import json

import pytest
from PIL import Image

from seethink import formats, media, verify
from seethink.attempt import judge
from seethink.boxes import Box, write_boxes
from seethink.evaluate.attempts import attempt_row
from seethink.models.families import FAMILIES
from seethink.report import write_gallery_page
from seethink.report.gallery import GalleryAnswer, gallery_card
from seethink.report.places import ON_CLIPS, places_of
from seethink.types import Completion, CoordinateFrame, Example, Task
from tests.report.sample_run import Page, attempt, held, write_arms

SIZE = (200, 100)
GOLD = Box(20, 10, 100, 60, "cat")
UNITS = {"original": SIZE, "resized": (224, 112), "thousandths": (1000, 1000), "unit": (1, 1)}


def answered(said, **changes):
    return (
        attempt("q0", text=said, said=said, question="Where is it?", boxes=None, points=None, clips=[])
        | changes
    )


def drawn(row, *answers):
    return places_of(row, [("sft", answer) for answer in answers], [SIZE])


@pytest.mark.parametrize("kind", sorted({family.boxes for family in FAMILIES}))
def test_a_right_box_lies_on_the_reference_whatever_the_coordinates_of_the_model(tmp_path, kind):
    Image.new("RGB", SIZE).save(tmp_path / "page.png")
    picture = media.Image.file(tmp_path / "page.png")
    example = Example("q0", "Where is it?", (picture,), answer=write_boxes([GOLD]))
    frame = CoordinateFrame(kind, SIZE, UNITS[kind])
    scale = (units / pixels for units, pixels in zip(frame.units, SIZE, strict=True))
    text = f"<think>There.</think><answer>{write_boxes([GOLD.scaled(*scale)])}</answer>"
    task = Task("seen", [example], formats.by_name("box_json"), verify.by_name("box_iou"))
    rollout = judge(task, example, Completion(text, frame=frame))
    assert rollout.score.value == pytest.approx(1)
    row = json.loads(json.dumps(attempt_row(task, rollout, tmp_path / "media")))
    card = gallery_card(row, tmp_path, [GalleryAnswer("sft", row, True)])
    gold, given = card.places
    assert (gold.arm, given.arm, gold.label, given.label) == (None, "sft", "cat", "cat")
    assert gold.corners == (0.1, 0.1, 0.5, 0.6)
    assert given.corners == pytest.approx(gold.corners)
    assert card.placed_on == 0


def test_points_are_drawn_in_original_pixels():
    row = answered('[{"point_2d": [500, 500]}]', gold="[[100, 50]]", points=[[100.0, 50.0]])
    (gold, given), _, _ = drawn(row, row)
    assert gold.point
    assert given.point
    assert gold.corners == given.corners == (0.5, 0.5, 0.5, 0.5)


def test_where_the_engine_knows_no_coordinates_an_answer_is_drawn_as_it_is_judged():
    row = answered('{"bbox_2d": [20, 10, 100, 60]}', gold="4")
    (given,), _, _ = drawn(row, row)
    assert given.corners == (0.1, 0.1, 0.5, 0.6)


def test_rows_that_did_not_record_points_draw_no_answer():
    row = answered('{"bbox_2d": [20, 10, 100, 60]}', gold=write_boxes([GOLD]))
    del row["points"]
    assert [place.arm for place in drawn(row, row)[0]] == [None]


@pytest.mark.parametrize(("question", "n"), [("Sort 3 and 4.", 0), ("Point at the cat.", 1)])
def test_bare_numbers_are_places_only_where_places_are_asked_for(question, n):
    row = answered("no", gold="[3, 4]", question=question)
    assert len(drawn(row)[0]) == n


def test_swapped_corners_and_boxes_beyond_the_picture_are_named():
    row = answered("-", gold=None, boxes=[[100, 60, 20, 10], [300, 10, 400, 20]])
    row["said"] = '[{"bbox_2d": [1, 2, 3, 4], "label": "dog"}, [5, 6, 7, 8]]'
    (swapped, beyond), _, _ = drawn(row, row)
    assert (swapped.corners, swapped.label) == ((0.1, 0.1, 0.5, 0.6), "dog (corners swapped)")
    assert (swapped.outside, beyond.outside) == (False, True)


def test_boxes_belong_to_the_first_picture_and_are_not_drawn_on_clips():
    boxes = write_boxes([GOLD])
    film = answered("no", gold=boxes, clips=[{"frames": 8}])
    assert drawn(film) == ((), None, ON_CLIPS)
    assert drawn(film | {"gold": "4"}) == ((), None, "")
    both = film | {"question": "<video>and <image>: where is it?"}
    places, at, remark = places_of(both, [], [(10, 10), SIZE])
    assert (places[0].corners, at, remark) == ((0.1, 0.1, 0.5, 0.6), 1, "")
    assert places_of(film, [], [(10, 10), SIZE])[1:] == (None, ON_CLIPS)  # which is the clip is not known


def test_a_page_holds_them_as_shares_of_the_picture(tmp_path):
    write_arms(tmp_path, {})
    Image.new("RGB", SIZE).save(tmp_path / "media/page.png")
    rows = [
        answered("x", gold=write_boxes([GOLD]), boxes=[[20, 10, 100, 60]], arm=arm)
        | {"said": "[[1, 2, 3, 4]]"}
        for arm in ("base", "sft")
    ]
    out = write_gallery_page([*rows, attempt("q1")], tmp_path, tmp_path / "p.html", "A")
    data = held(Page(out.read_text(encoding="utf-8")))
    place = {"corners": [0.1, 0.1, 0.5, 0.6], "point": False}
    drawn, plain = data["questions"]
    assert drawn["places"] == [place | {"label": "cat"}] and drawn["placed_on"] == 0
    assert [answer["places"] for answer in drawn["answers"]] == [[place | {"label": ""}]] * 2
    assert plain["places"] == plain["answers"][0]["places"] == []
