"""Mathematics data sets: geometry problems for training, and test sets."""

from __future__ import annotations

import re

from seethink.sources.published.columns import (
    bare_letter,
    columns,
    lettered,
    meta,
    problem_and_solution,
    question_and_truth,
    text,
    texts,
    turns,
    unmarked,
)
from seethink.sources.published.dataset import MediaFiles, PublishedDataset, TableReader
from seethink.sources.row_reader import Row
from seethink.types import Example
from seethink.verify.listed_options import letter_gold, options_in

CHOICE_OR_MATH = ("same_choice", "same_number", "same_math", "same_text")
NUMBER_OR_MATH = ("same_number", "same_math", "same_text")


def _geo170k_qa(row: Row, files: MediaFiles) -> Example:
    """Steps, then the letter after the last `Answer:`."""
    (image,) = columns(row, "image")
    question, solution = turns(row)
    thought, mark, letter = solution.rpartition("Answer:")
    if not mark:
        row.refuse("the answer must end in 'Answer:' and a letter; copy the row as published")
    picture, options = files.picture(row, f"images/{image}"), options_in(question)
    steps, kept = (thought.strip(),), letter_gold(options)
    return Example("", unmarked(question), (picture,), bare_letter(letter), options, steps, kept)


def _geo170k_caption(row: Row, files: MediaFiles) -> Example:
    (image,) = columns(row, "image")
    question, answer = turns(row)
    return Example("", unmarked(question), (files.picture(row, f"images/{image}"),), answer)


def _mathvista(row: Row, files: MediaFiles) -> Example:
    """The gold of a choice question is the text of the option; the larger split has no golds."""
    (image,) = columns(row, "decoded_image")
    options = texts(row, "choices")
    question = text(row, "question")
    if unit := row.values.get("unit"):
        question = f"{question} (Unit: {unit})"
    return Example(
        "",
        lettered(question, options),
        (files.picture(row, image),),
        row.values.get("answer") or None,
        options,
        meta=meta(row, "pid", "question_type", "answer_type", "precision"),
    )


def _mathvision(row: Row, files: MediaFiles) -> Example:
    """Marks `<image1>` all refer to parts of one picture; they are removed, and the picture comes first."""
    (image,) = columns(row, "decoded_image")
    options = texts(row, "options")
    question = re.sub(r"\s*<image\d+>\s*", " ", text(row, "question")).strip()
    return Example(
        "",
        lettered(question, options),
        (files.picture(row, image),),
        text(row, "answer"),
        options,
        meta=meta(row, "level", "subject") | letter_gold(options),
    )


def _mathverse(row: Row, files: MediaFiles) -> Example:
    """One problem in several versions, which move information from the text into the picture."""
    image, version = columns(row, "image", "problem_version")
    question = text(row, "question")
    picture, options = files.picture(row, image), options_in(question)
    kept = {"version": version} | meta(row, "problem_index", "question_type") | letter_gold(options)
    return Example("", question, (picture,), bare_letter(text(row, "answer")), options, meta=kept)


GEO170K = ("data/{split}-*.parquet (or {split}.json), images/ of images.zip",)
MATHEMATICS = (
    PublishedDataset(
        "geoqa_8k",
        "GEOQA, R1-V's training part",
        "leonardPKU/GEOQA_R1V_Train_8K",
        "unknown",
        {"train": "8.03k"},
        NUMBER_OR_MATH,
        TableReader(),
        problem_and_solution,
    ),
    PublishedDataset(
        "geoqa_test",
        "GEOQA, R1-V's test part",
        "https://github.com/StarsfieldAI/R1-V",
        "unknown",
        {"test": 754},
        NUMBER_OR_MATH,
        TableReader(("geoqa_test_prompts.jsonl",)),
        question_and_truth,
        "geoqa_test_prompts.jsonl, and the pictures at the paths that it names",
    ),
    PublishedDataset(
        "open_r1_8k",
        "multimodal-open-r1-8k-verified",
        "lmms-lab/multimodal-open-r1-8k-verified",
        "unknown",
        {"train": "7.69k"},
        NUMBER_OR_MATH,
        TableReader(),
        problem_and_solution,
    ),
    PublishedDataset(
        "geo170k_qa",
        "Geo170K, questions with steps",
        "https://huggingface.co/datasets/Luckyjhg/Geo170K",
        "unknown",
        {"qa_tuning": 117_205},
        ("same_choice", "same_text"),
        TableReader(("{split}-*.parquet", "{split}.json")),
        _geo170k_qa,
        *GEO170K,
    ),
    PublishedDataset(
        "geo170k_captions",
        "Geo170K, captions",
        "https://huggingface.co/datasets/Luckyjhg/Geo170K",
        "unknown",
        {"alignment": 60_252},
        ("same_text",),
        TableReader(("{split}-*.parquet", "{split}.json")),
        _geo170k_caption,
        *GEO170K,
    ),
    PublishedDataset(
        "mathvista",
        "MathVista",
        "AI4Math/MathVista",
        "CC BY-SA 4.0",
        {"testmini": 1_000, "test": 5_141},
        ("same_choice", "same_number", "same_text"),
        TableReader(),
        _mathvista,
    ),
    PublishedDataset(
        "mathvision",
        "MATH-Vision",
        "MathLLMs/MathVision",
        "MIT",
        {"testmini": 304, "test": 3_040},
        CHOICE_OR_MATH,
        TableReader(),
        _mathvision,
    ),
    PublishedDataset(
        "mathverse",
        "MathVerse",
        "AI4Math/MathVerse",
        "MIT",
        {"testmini": 3_940},
        CHOICE_OR_MATH,
        TableReader(config="testmini"),
        _mathverse,
    ),
)
