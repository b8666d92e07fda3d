"""Copies of the other data sets: exams, traces and clips; two examples each, in their layout."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path

from tests.sources.published.files import conversation, filmed, held, lines, parquet, png, whole, written

# General --------------------------------------------------------------------------------------------------


def sat(folder: Path) -> None:
    common = {"question": "Which is nearer?", "answers": ["the lamp", "the bed"], "question_type": "depth"}
    parquet(
        folder / "SAT_train.parquet",
        common | {"image_bytes": [held(60)], "correct_answer": "the bed"},
        common | {"image_bytes": [held(61), held(62)], "correct_answer": "the lamp"},
    )


def sat_15000(folder: Path) -> None:
    written(folder, "SAT_images_train/0_0.png", "SAT_images_train/2_0.png")
    rows = [
        {
            "messages": [
                {"role": "user", "content": "<image> Answer in natural language. Left or right?"},
                {"role": "assistant", "content": answer},
            ],
            "images": [f"../data/SAT/SAT_images_train/{i}_0.png"],
        }
        for i, answer in ((0, "left"), (2, "right"))
    ]
    whole(folder / "SAT_train_15000.json", rows)


def cv_bench(folder: Path) -> None:
    rows = [
        {
            "idx": i,
            "type": "2D",
            "task": "Count",
            "image": held(60 + i),
            "question": "How many?",
            "choices": ["1", "0", "2"],
            "answer": answer,
            "prompt": "How many? Select from the following choices.\n(A) 1\n(B) 0\n(C) 2",
            "source": "COCO",
        }
        for i, answer in enumerate(("(C)", "(A)"))
    ]
    parquet(folder / "test.parquet", *rows)


def ai2d(folder: Path) -> None:
    rows = [
        {"question": "Who eats?", "options": ["owl", "hen"], "answer": str(i), "image": held(60 + i)}
        for i in (1, 0)
    ]
    parquet(folder / "data" / "test-00000-of-00001.parquet", *rows)


def scienceqa(folder: Path) -> None:
    common = {"choices": ["warm", "cold"], "task": "closed choice", "grade": "grade3", "subject": "science"}
    parquet(
        folder / "data" / "test-00000-of-00001.parquet",
        common
        | {
            "image": held(60),
            "question": "How is it?",
            "answer": 1,
            "hint": "It snows.",
            "solution": "Snow.",
        },
        common | {"image": None, "question": "And in July?", "answer": 0, "hint": "", "solution": ""},
    )


def mmstar(folder: Path) -> None:
    question = "What is it?\nOptions: A: a map, B: a plan, C: a chart, D: a face"
    rows = [
        {"index": i, "question": question, "image": held(60 + i), "answer": answer}
        | {"category": "coarse", "l2_category": "scene", "meta_info": {"source": "x"}}
        for i, answer in enumerate("DA")
    ]
    parquet(folder / "mmstar.parquet", *rows)


def mmmu(folder: Path) -> None:
    common = {"explanation": "", "img_type": "['Plots']", "topic_difficulty": "Easy", "subfield": "Tax"}
    parquet(
        folder / "data" / "validation-00000-of-00001.parquet",
        common
        | {
            "id": "v_1",
            "question": "From <image 2>, after <image 1>?",
            "options": "['<image 1>', 'it\\'s 4']",
        }
        | {"answer": "B", "question_type": "multiple-choice", "image_1": held(60), "image_2": held(61)},
        common
        | {"id": "v_2", "question": "How much is it?", "options": "[]", "answer": "['$6', 'six']"}
        | {"question_type": "open", "image_1": held(62), "image_2": None},
    )


def chartqa(folder: Path) -> None:
    rows = [
        {"type": "human_test", "question": "Which bar?", "answer": answer, "image": held(60 + i)}
        for i, answer in enumerate(("0.57", "Yes"))
    ]
    parquet(folder / "data" / "test-00000-of-00001.parquet", *rows)


def vrc_bench(folder: Path) -> None:
    common = {"steps": "Step 1: look.\nAction 1: count.", "image": held(60)}
    parquet(
        folder / "data" / "test-00000-of-00001.parquet",
        common | {"idx": "1", "question": "How many? Choices: (A) 3, (B) 4", "final_answer": "B"},
        common | {"idx": "2", "question": "Which word is written?", "final_answer": "Sale"},
    )


def r1_onevision_bench(folder: Path) -> None:
    picture = base64.b64encode(png()).decode()
    rows = [
        ("1", "Hint: give the letter.\nWhich?\nA. one\nB. two", "", "B", "College", "Math", picture),
        ("2", "How many moles?", "", "2.5", "High School", "Chemistry", picture),
    ]
    header = ("index", "question", "choices", "answer", "level", "category", "image")
    text = "\n".join("\t".join(f'"{cell}"' for cell in row) for row in (header, *rows))
    (folder / "r1-onevision.tsv").write_text(text, encoding="utf-8")


def gui_defects(folder: Path) -> None:
    written(folder, "screens/0.png", "screens/1.png")
    rows = [
        conversation("<image> Which defect?", label, id=i, image=["screens/0.png", "screens/1.png"])
        for i, label in enumerate(("Operation No Response", "Unexpected Task Result"))
    ]
    lines(folder / "gui_multi-image.jsonl", *rows)


# Traces ---------------------------------------------------------------------------------------------------


def r1_onevision(folder: Path) -> None:
    picture = base64.b64encode(png()).decode()
    rows = [
        conversation("<image>\nHow many legs?", "I see two birds.\nThe answer is 4.", id="a", image=picture),
        conversation(
            "Describe it.", "A street with three cars, two of them red.", id="b", image=f"data:x,{picture}"
        ),
    ]
    parquet(folder / "ai2d" / "train-00000-of-00001.parquet", *rows)


def pixmo_cap_qa(folder: Path) -> None:
    addresses = ["https://a.example/1.jpg", "https://a.example/2.jpg"]
    written(folder, *(f"images/{hashlib.sha256(address.encode()).hexdigest()}" for address in addresses))
    rows = [
        {"image_url": address, "question": "[USER] What is it? [ASSISTANT]", "answer": "A red square."}
        for address in addresses
    ]
    parquet(folder / "data" / "train-00000-of-00001.parquet", *rows)


def llava_cot_100k(folder: Path) -> None:
    written(folder, "coco/0.png")
    trace = (
        "<SUMMARY> I count. </SUMMARY>\n\n<CAPTION> Two cups. </CAPTION>\n\n"
        "<REASONING> One and one. </REASONING>\n\n<CONCLUSION> 2 </CONCLUSION>"
    )
    row = conversation("<image>\nHow many cups?", trace, id="x", image="coco/0.png")
    row["conversations"] += conversation("And plates?", trace.replace("2", "none"))["conversations"]
    lines(folder / "train.jsonl", row)


def stratos(folder: Path) -> None:
    trace = (
        "<|begin_of_thought|>\n\nHalf of it.\n\n<|end_of_thought|>\n\n"
        "<|begin_of_solution|>\n\n{}\n\n<|end_of_solution|>"
    )
    rows = [
        {
            "system": "Think.",
            "conversations": [
                {"from": "user", "value": "What is it?"},
                {"from": "assistant", "value": trace.format(solved)},
            ],
        }
        for solved in ("Thus \\boxed{\\frac{1}{2}}", "```python\nprint(1)\n```")
    ]
    parquet(folder / "data" / "train-00000-of-00001.parquet", *rows)


# Video ----------------------------------------------------------------------------------------------------


def open_r1_video_4k(folder: Path) -> None:
    filmed(folder, "videos/a.mp4", "there/b.mp4")
    common = {"original_question": "", "original_answer": ""}
    question = "<video>\nWhat is he doing?\nA. He runs.\nB. He sits.\n"
    rows = [
        common | {"problem": question, "solution": "<answer>B.</answer>", "video": "/disk7/x/a.mp4"},
        common | {"problem": question, "solution": "<answer>A.</answer>", "video": "there/b.mp4"},
    ]
    lines(folder / "open-r1-video-4k.jsonl", *rows)


def longvideobench(folder: Path) -> None:
    filmed(folder, "videos/a.mp4", "videos/b.mp4")
    rows = [
        {"id": f"{name}_0", "video_path": f"{name}.mp4", "question": "When?", "candidates": ["now", "then"]}
        | {"correct_choice": i, "duration_group": 15, "question_category": "T2E", "topic_category": "KS"}
        for i, name in enumerate("ab")
    ]
    whole(folder / "lvb_val.json", rows)


def mvbench(folder: Path) -> None:
    filmed(folder, "video/star/Charades_v1_480/a.mp4")
    common = {"video": "a.mp4", "question": "What then?", "candidates": ["He ran.", "He sat."]}
    rows = [
        common | {"answer": "He sat.", "start": 1.0, "end": 3.0},
        common | {"answer": "He ran."},
    ]
    whole(folder / "json" / "action_sequence.json", rows)


def videomme(folder: Path) -> None:
    filmed(folder, "data/xyz.mp4")
    rows = [
        {"video_id": "001", "videoID": "xyz", "question_id": f"001-{i}", "question": "Which fruit?"}
        | {"options": ["A. Apples.", "B. Pears."], "answer": answer, "duration": "short"}
        for i, answer in enumerate("BA")
    ]
    parquet(folder / "videomme" / "test-00000-of-00001.parquet", *rows)
