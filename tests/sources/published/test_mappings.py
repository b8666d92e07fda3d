from __future__ import annotations

import inspect
import json
import pickle

import numpy
import pytest

from seethink.boxes import Box, read_boxes
from seethink.media import Image, Video
from seethink.sources.published import MediaView, clevr_counting, load
from seethink.sources.published.columns import bare_letter, lettered
from seethink.types import InputError
from seethink.verify.listed_options import letter_gold, options_in
from tests.sources.published import files
from tests.sources.published.layouts import examples_of


def first(copy, name, **more):
    return examples_of(copy(name), name, **more)[0]


def test_expressions_become_one_box_in_original_pixels(copy):
    example = first(copy, "refcoco")
    assert read_boxes(example.answer) == (Box(3, 4, 20, 30),)
    assert example.meta == {"normal_caption": "the cup with 0 handles"}


def test_training_expressions_come_as_conversations(tmp_path):
    files.written(tmp_path, "train2014/0.png")
    row = files.conversation(
        "<image>Where is it?", "<answer> [1, 2, 30, 40] </answer>", image="train2014/0.png"
    )
    files.lines(tmp_path / "refcoco_train.jsonl", row, row)
    example = load("refcoco", "train", tmp_path)[1]
    assert example.question == "Where is it?" and read_boxes(example.answer) == (Box(1, 2, 30, 40),)
    files.lines(
        tmp_path / "refcoco_train.jsonl", files.conversation("Where?", "top left", image="train2014/0.png")
    )
    with pytest.raises(InputError, match="row 1: the answer must be one box"):
        load("refcoco", "train", tmp_path)[0]


def test_detection_asks_for_all_labels_and_leaves_crowds_out(copy):
    full, empty = examples_of(copy("coco"), "coco")
    assert read_boxes(full.answer) == (Box(2, 3, 12, 23.5, "red dog"), Box(5, 5, 9, 9, "cat"))
    assert full.meta == {"crowds": 1} and empty.answer == "None"
    assert "cat; red dog" in full.question and full.question == empty.question


@pytest.mark.parametrize(
    ("part", "value", "message"),
    [
        ("annotations", None, "has no list 'annotations'; give a COCO annotation file"),
        ("images", [{"id": 7}], "a record lacks or misnames 'file_name'"),
        (
            "annotations",
            [{"image_id": 7, "category_id": 1, "bbox": [1, 2]}],
            r"row 1: bbox must be \[x, y, w",
        ),
        ("annotations", [{"image_id": 7, "category_id": 5, "bbox": [1, 2, 3, 4]}], "lacks or misnames 5"),
    ],
)
def test_broken_annotations_are_refused(copy, part, value, message):
    folder = copy("coco")
    file = folder / "annotations" / "instances_val2017.json"
    file.write_text(
        json.dumps(json.loads(file.read_text(encoding="utf-8")) | {part: value}), encoding="utf-8"
    )
    with pytest.raises(InputError, match=message):
        examples_of(folder, "coco")


def test_described_objects_are_asked_within_their_group(copy):
    folder = copy("d3")
    full, empty = examples_of(folder, "d3")
    assert "dog on a leash; dog without leash" in full.question and "another group" not in full.question
    assert read_boxes(full.answer) == (
        Box(2, 3, 12, 23, "dog on a leash"),
        Box(30, 3, 40, 23, "dog on a leash"),
    )
    assert empty.answer == "None"
    absent = load("d3", "abs", folder)[0]
    assert "dog without leash." in absent.question and absent.answer == "None"


def test_a_pickle_that_asks_for_more_than_data_is_refused(copy):
    folder = copy("d3")
    (folder / "d3_pkl" / "images.pkl").write_bytes(pickle.dumps({0: inspect.getsource, 1: numpy.zeros(1)}))
    with pytest.raises(InputError, match=r"is not D3's annotation \(it contains inspect.getsource\)"):
        examples_of(folder, "d3")


def test_thoughts_of_published_traces_become_steps(copy):
    assert first(copy, "clevr_r1").steps == ("I count them.",)
    assert first(copy, "llava_cot_100k").steps == ("I count.", "Two cups.", "One and one.")
    geo = first(copy, "geo170k_qa")
    assert geo.steps == ("The sides are equal.\nSo it is a half.",)
    assert geo.choices == ("35°", "45°") and geo.answer == "B"


def test_a_dialogue_becomes_a_question_for_each_turn(copy):
    one, two = examples_of(copy("llava_cot_100k"), "llava_cot_100k")
    assert (one.question, one.answer, one.meta["turn"]) == ("How many cups?", "2", 1)
    assert (two.question, two.answer, two.meta["turn"]) == ("And plates?", "none", 2)
    assert one.id != two.id


def test_text_without_a_final_answer_is_the_answer_and_meta_says_so(copy):
    final, free = examples_of(copy("r1_onevision"), "r1_onevision")
    assert (final.answer, final.steps, final.meta["final"]) == ("4", ("I see two birds. The",), True)
    assert free.answer == "A street with three cars, two of them red." and free.meta["final"] is False


def test_scenes_know_their_objects(copy):
    example = first(copy, "clevr_scenes")
    assert example.answer == "2" and example.meta["formal"] == [{"shape": "cube", "color": "red"}] * 2


def test_choice_questions_hold_their_options_in_text_and_in_order(copy):
    example = first(copy, "ai2d")
    assert example.question == "Who eats?\nA. owl\nB. hen" and example.answer == "B"
    assert first(copy, "mmstar").choices == ("a map", "a plan", "a chart", "a face")
    assert first(copy, "cv_bench").answer == "C"
    assert first(copy, "videomme").question == "Which fruit?\nA. Apples.\nB. Pears."
    assert first(copy, "mathvision").question == "Which piece fits?"
    assert first(copy, "scienceqa").question.startswith("Context: It snows.\nHow is it?\nA. warm")
    assert first(copy, "open_r1_video_4k").choices == ("He runs.", "He sits.")


def test_a_gold_is_known_to_be_a_letter_where_options_are_letters(copy):
    assert first(copy, "mathvision").meta["answer_is_letter"] is True
    assert "answer_is_letter" not in first(copy, "ai2d").meta
    assert letter_gold(("4", "D", "A")) == letter_gold(("(a)",)) == {"answer_is_letter": True}
    assert letter_gold(("4", "red", "Point A")) == letter_gold(()) == {}


def test_pictures_are_placed_at_their_marks(copy):
    marked, unmarked = examples_of(copy("mmmu"), "mmmu")
    assert marked.question == "From <image>, after <image>?\nA. <image>\nB. it's 4"
    assert [medium.load().width for medium in marked.media] == [61, 60, 60]
    assert len(unmarked.media) == 1 and unmarked.answer == "$6" and unmarked.meta["golds"] == ("$6", "six")


def test_marks_that_fit_no_picture_are_refused(copy, tmp_path):
    row = {"image": files.held(60), "problem": "<image> or <image>?", "solution": "<answer> 3 </answer>"}
    files.parquet(tmp_path / "data" / "train-00000-of-00001.parquet", row)
    with pytest.raises(InputError, match=r"row 1: .*the question marks .* copy the row as published"):
        clevr_counting(n=1, source=str(tmp_path))[0]


def test_withheld_golds_are_none(tmp_path):
    row = {"question": "How far?", "decoded_image": files.held(60), "choices": None, "answer": ""}
    files.parquet(tmp_path / "data" / "test-00000-of-00002.parquet", row)
    assert load("mathvista", "test", tmp_path, n=1)[0].answer is None


def test_defects_show_two_screens(copy):
    example = first(copy, "gui_defects")
    assert len(example.media) == 2 and example.question == "Which defect?"


def test_a_url_without_its_picture_says_where_to_save_it(copy):
    folder = copy("pixmo_cap_qa")
    for picture in (folder / "images").iterdir():
        picture.unlink()
    with pytest.raises(InputError, match=r"row 1: there is no picture at .*; save https://a.example/1.jpg"):
        examples_of(folder, "pixmo_cap_qa")


def test_only_the_given_part_of_a_clip_is_decoded(copy):
    part, all_of_it = examples_of(copy("mvbench"), "mvbench", view=MediaView(num_frames=4))
    clips = [example.media[0] for example in (part, all_of_it)]
    assert all(isinstance(clip, Video) for clip in clips) and clips[0].key != clips[1].key
    assert clips[0].load().times_s == pytest.approx((1.2, 1.7, 2.2, 2.7), abs=0.06)
    assert clips[1].load().times_s == pytest.approx((0.5, 1.5, 2.5, 3.5), abs=0.06)
    assert clips[0].frame_selection["start_s"] == 1.0 and "start_s" not in clips[1].frame_selection


def test_invalid_parts_of_a_clip_are_refused(copy):
    path = copy("videomme") / "data" / "xyz.mp4"
    with pytest.raises(InputError, match=r"invalid part of .*, from second 3.0 to 1.0"):
        Video(path, span_s=(3.0, 1.0))
    with pytest.raises(InputError, match=r"ends at 4.0 s, before the part from 9.0"):
        Video(path, span_s=(9.0, 10.0)).load()


@pytest.mark.parametrize(
    ("question", "options"),
    [
        ("Which?\nA. one\nB. two", ("one", "two")),
        ("Which? (A) one (B) two", ("one", "two")),
        ("Options: A: one, B: two, C: three", ("one", "two", "three")),
        ("Choices:\nA:20°\nB:40°\n\nNow answer.", ("20°", "40°")),
        ("A. Lincoln was who?", ()),
        ("Is a B. Sc. enough?", ()),
        ("No options at all", ()),
    ],
)
def test_options_are_found_in_a_question(question, options):
    assert options_in(question) == options


def test_options_are_written_below_a_question():
    assert lettered("Which?", ["one", "two"]) == "Which?\nA. one\nB. two"
    assert lettered("Which?", []) == lettered("Which?", ["A", "B"]) == "Which?"
    assert [bare_letter(text) for text in ("(A)", "B.", "C", "a dog", "AB")] == ["A", "B", "C", "a dog", "AB"]


def test_a_picture_that_shrinks_is_another_picture():
    picture = Image.data(files.png(), "here")
    assert picture.fit(600) == picture.fit(600) != picture.fit(700) != picture
