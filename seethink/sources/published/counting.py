"""Counting data sets: CLEVR and Super-CLEVR, in R1-V's and in the authors' layouts."""

from __future__ import annotations

from seethink.sources.published.columns import columns, problem_and_solution, question_and_truth, text
from seethink.sources.published.dataset import MediaFiles, PublishedDataset, TableReader
from seethink.sources.row_reader import Row
from seethink.types import Example

CLEVR_ARCHIVE = "https://cs.stanford.edu/people/jcjohns/clevr/"
CC_BY = "CC BY 4.0 (CLEVR)"


def _picture_of(row: Row, files: MediaFiles) -> tuple:
    """`CLEVR_valA_000001.png` is in `images/valA`."""
    name = text(row, "image_filename")
    if name.count("_") < 2:
        row.refuse(f"image_filename must be like CLEVR_valA_000001.png, not {name!r:.40}")
    return (files.picture(row, f"images/{name.split('_')[1]}/{name}"),)


def _question(row: Row, files: MediaFiles) -> Example:
    return Example("", text(row, "question"), _picture_of(row, files), text(row, "answer"))


def _scene(row: Row, files: MediaFiles) -> Example:
    """The number of objects of a scene; meta `formal` has the objects, which R1-V gives to a text-only
    teacher."""
    (objects,) = columns(row, "objects")
    if not isinstance(objects, list):
        row.refuse(f"objects must be a list, not {objects!r:.40}; copy the scenes as published")
    question = "How many items are there in the picture?"
    return Example("", question, _picture_of(row, files), str(len(objects)), meta={"formal": objects})


COUNTING = (
    PublishedDataset(
        "clevr_counting",
        "CLEVR CoGenT-A counting",
        "leonardPKU/clevr_cogen_a_train",
        CC_BY,
        {"train": 70_000},
        ("same_number",),
        TableReader(),
        problem_and_solution,
    ),
    PublishedDataset(
        "clevr_counting_complex",
        "CLEVR CoGenT-A counting, harder questions",
        "MMInstruction/Clevr_CoGenT_TrainA_70K_Complex",
        CC_BY,
        {"train": "70k"},
        ("same_answer",),
        TableReader(),
        problem_and_solution,
    ),
    PublishedDataset(
        "clevr_r1",
        "CLEVR CoGenT-A with thoughts of DeepSeek-R1",
        "MMInstruction/Clevr_CoGenT_TrainA_R1",
        CC_BY,
        {"train": "37.8k"},
        ("same_answer",),
        TableReader(),
        problem_and_solution,
    ),
    PublishedDataset(
        "clevr_cogent_a",
        "CLEVR CoGenT-A validation, counting",
        "MMInstruction/Clevr_CoGenT_ValA",
        CC_BY,
        {"train": 5_000},
        ("same_answer",),
        TableReader(),
        problem_and_solution,
    ),
    PublishedDataset(
        "clevr_cogent_b",
        "CLEVR CoGenT-B validation, counting",
        "MMInstruction/Clevr_CoGenT_ValB",
        CC_BY,
        {"train": 5_000},
        ("same_answer",),
        TableReader(),
        problem_and_solution,
    ),
    PublishedDataset(
        "clevr_questions",
        "CLEVR CoGenT, all questions",
        CLEVR_ARCHIVE,
        CC_BY,
        {"valB": "unknown", "valA": "unknown", "trainA": "unknown"},
        ("same_answer",),
        TableReader(("CLEVR_{split}_questions.json",), key="questions"),
        _question,
        "questions/CLEVR_{split}_questions.json, images/{split}/",
    ),
    PublishedDataset(
        "clevr_scenes",
        "CLEVR CoGenT, scenes with their objects",
        CLEVR_ARCHIVE,
        CC_BY,
        {"trainA": "unknown", "valA": "unknown", "valB": "unknown"},
        ("same_number",),
        TableReader(("CLEVR_{split}_scenes.json",), key="scenes"),
        _scene,
        "scenes/CLEVR_{split}_scenes.json, images/{split}/",
    ),
    PublishedDataset(
        "superclevr_200",
        "SuperCLEVR-200",
        "https://github.com/StarsfieldAI/R1-V",
        "unknown",
        {"test": 200},
        ("same_number",),
        TableReader(("superclevr_test200_counting_problems.jsonl",)),
        question_and_truth,
        "superclevr_test200_counting_problems.jsonl, and the pictures at the paths that it names",
    ),
)
