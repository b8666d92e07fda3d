"""Copies of the data sets that ask for boxes, counts and mathematics: two examples each, in their layout."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy

from tests.sources.published.files import conversation, held, lines, parquet, whole, written

# Grounding and detection ----------------------------------------------------------------------------------


def expressions(file: str, picture: str):
    def write(folder: Path) -> None:
        written(folder, f"{picture}0.png", f"{picture}1.png")
        rows = [
            {
                "image": f"{picture}{i}.png",
                "problem": f"Where is the cup with {i} handles?",
                "solution": [3, 4, 20 + i, 30],
                "normal_caption": f"the cup with {i} handles",
                "normalized_solution": [0.05, 0.1, 0.4, 0.75],
            }
            for i in range(2)
        ]
        whole(folder / "rec_jsons_processed" / file, rows)

    return write


def coco_file(file: Path, pictures: str) -> None:
    written(file.parent.parent if file.parent.name == "annotations" else file.parent, f"{pictures}/1.jpg")
    written(file.parent.parent if file.parent.name == "annotations" else file.parent, f"{pictures}/2.jpg")
    whole(
        file,
        {
            "images": [{"id": 7, "file_name": "1.jpg"}, {"id": 9, "file_name": "2.jpg"}],
            "categories": [{"id": 1, "name": "cat"}, {"id": 3, "name": "red dog"}],
            "annotations": [
                {"id": 1, "image_id": 7, "category_id": 3, "bbox": [2, 3, 10, 20.5], "iscrowd": 0},
                {"id": 2, "image_id": 7, "category_id": 1, "bbox": [5, 5, 4, 4], "iscrowd": 0},
                {"id": 3, "image_id": 7, "category_id": 1, "bbox": [0, 0, 60, 40], "iscrowd": 1},
            ],
        },
    )


def coco(folder: Path) -> None:
    coco_file(folder / "annotations" / "instances_val2017.json", "val2017")


def ovdeval(folder: Path) -> None:
    coco_file(folder / "celebrity.json", "celebrity")


def d3(folder: Path) -> None:
    written(folder, "d3_images/a/1.jpg", "d3_images/a/2.jpg")
    parts = {
        "images": {
            0: {"id": 0, "file_name": "a/1.jpg", "anno_id": [1, 2], "group_id": 0},
            1: {"id": 1, "file_name": "a/2.jpg", "anno_id": [], "group_id": 0},
        },
        "annotations": {
            1: {"id": 1, "sent_id": [5], "image_id": 0, "bbox": numpy.array([[2, 3, 10, 20]])},
            2: {"id": 2, "sent_id": [5, 99], "image_id": 0, "bbox": [30, 3, 10, 20]},
        },
        "sentences": {
            5: {"id": 5, "raw_sent": "dog on a leash", "is_negative": False},
            6: {"id": 6, "raw_sent": "dog without leash", "is_negative": True},
            99: {"id": 99, "raw_sent": "of another group", "is_negative": False},
        },
        "groups": {0: {"id": 0, "inner_sent_id": [5, 6], "img_id": [0, 1]}},
    }
    (folder / "d3_pkl").mkdir()
    for name, part in parts.items():
        (folder / "d3_pkl" / f"{name}.pkl").write_bytes(pickle.dumps(part))


# Counting -------------------------------------------------------------------------------------------------


def solved(*answers: str, **more: object):
    def write(folder: Path) -> None:
        rows = [
            {
                "image": held(60 + i),
                "problem": f"How many in {i}?",
                "solution": f"<answer> {answer} </answer>",
            }
            | more
            for i, answer in enumerate(answers)
        ]
        parquet(folder / "data" / "train-00000-of-00001.parquet", *rows)

    return write


def clevr_questions(folder: Path) -> None:
    names = ["CLEVR_valB_000000.png", "CLEVR_valB_000001.png"]
    written(folder, *(f"images/valB/{name}" for name in names))
    rows = [
        {"image_filename": name, "question": "How many cubes?", "answer": answer, "program": []}
        for name, answer in zip(names, ("3", "yes"), strict=True)
    ]
    whole(folder / "questions" / "CLEVR_valB_questions.json", {"info": {}, "questions": rows})


def clevr_scenes(folder: Path) -> None:
    names = ["CLEVR_trainA_000000.png", "CLEVR_trainA_000001.png"]
    written(folder, *(f"images/trainA/{name}" for name in names))
    rows = [
        {"image_filename": name, "objects": [{"shape": "cube", "color": "red"}] * (i + 2)}
        for i, name in enumerate(names)
    ]
    whole(folder / "scenes" / "CLEVR_trainA_scenes.json", {"info": {}, "scenes": rows})


def truths(file: str, *answers: object):
    def write(folder: Path) -> None:
        written(folder, *(f"images/{i}.png" for i in range(len(answers))))
        rows = [
            {"image_path": f"./images/{i}.png", "question": f"What is asked of {i}?", "ground_truth": answer}
            for i, answer in enumerate(answers)
        ]
        lines(folder / file, *rows)

    return write


# Mathematics ----------------------------------------------------------------------------------------------

TRIANGLE = "<image>\nFirst perform reasoning.\nQuestion:What is the angle?\nChoices:\nA. 35°\nB. 45°\n"


def geo170k_qa(folder: Path) -> None:
    written(folder, "images/test/0.png", "images/test/1.png")
    rows = [
        conversation(
            TRIANGLE, f"The sides are equal.\nSo it is a half.\nAnswer:{letter}", image=f"test/{i}.png"
        )
        for i, letter in enumerate("BA")
    ]
    parquet(folder / "data" / "qa_tuning-00000-of-00001-32a3.parquet", *rows)


def geo170k_captions(folder: Path) -> None:
    written(folder, "images/train/0.png", "images/train/1.png")
    rows = [
        conversation("Describe.\n<image>", f"A circle with {i + 2} chords.", image=f"train/{i}.png")
        for i in (0, 1)
    ]
    whole(folder / "alignment.json", rows)


def mathvista(folder: Path) -> None:
    common = {"image": "images/1.jpg", "precision": 1.0, "answer_type": "text"}
    parquet(
        folder / "data" / "testmini-00000-of-00001.parquet",
        common
        | {"pid": "1", "question": "How far?", "decoded_image": held(60), "choices": None, "unit": "cm"}
        | {"answer": "1.2", "question_type": "free_form"},
        common
        | {"pid": "2", "question": "Which is larger?", "decoded_image": held(61), "choices": ["red", "blue"]}
        | {"answer": "blue", "question_type": "multi_choice", "unit": None},
    )


def mathvision(folder: Path) -> None:
    common = {"image": "images/1.jpg", "solution": None, "level": 3, "subject": "counting"}
    parquet(
        folder / "data" / "testmini-00000-of-00001-f8ff.parquet",
        common
        | {"id": "1", "question": "Which piece fits?\n<image1>", "options": ["A", "B", "C"]}
        | {"answer": "C", "decoded_image": held(60)},
        common
        | {"id": "2", "question": "<image1> How long is $AB$?", "options": []}
        | {"answer": "\\frac{3}{4}", "decoded_image": held(61)},
    )


def mathverse(folder: Path) -> None:
    common = {"sample_index": "1", "problem_index": "1", "metadata": {"split": "testmini"}}
    parquet(
        folder / "testmini.parquet",
        common
        | {"problem_version": "Text Dominant", "question": "How wide?\nChoices:\nA:20°\nB:40°\nC:80°"}
        | {"image": held(60), "answer": "C", "question_type": "multi-choice"},
        common
        | {"problem_version": "Vision Only", "question": "According to the question shown, answer it."}
        | {"image": held(61), "answer": "2\\sqrt{3}", "question_type": "free-form"},
    )
