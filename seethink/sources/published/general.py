"""General data sets: spatial relations, science, charts, screens and mixed exams."""

from __future__ import annotations

import re

from seethink.sources.published.columns import (
    bare_letter,
    columns,
    decoded,
    index,
    lettered,
    meta,
    text,
    texts,
    turns,
    unmarked,
)
from seethink.sources.published.dataset import MediaFiles, PublishedDataset, TableReader
from seethink.sources.row_reader import Row
from seethink.types import Example
from seethink.verify.listed_options import letter_gold, options_in

CHOICE = ("same_choice",)
CHOICE_OR_SHORT = ("same_choice", "same_number", "same_text")
_MMMU_MARK = re.compile(r"<image (\d)>")


def _sat(row: Row, files: MediaFiles) -> Example:
    """One or two pictures; the options are part of the question, as in SAT and VisualThinker."""
    (images,) = columns(row, "image_bytes")
    options = texts(row, "answers")
    question = f"{text(row, 'question')} Choose between the following options: {' or '.join(options)}"
    pictures = tuple(files.picture(row, image) for image in images or ())
    answer = text(row, "correct_answer")
    return Example("", question, pictures, answer, options, meta=meta(row, "question_type"))


def _sat_messages(row: Row, files: MediaFiles) -> Example:
    """VisualThinker's rows: `messages images`, with paths below `../data/SAT/`."""
    (images,) = columns(row, "images")
    question, answer = turns(row)
    pictures = tuple(files.picture(row, "/".join(str(path).split("/")[-2:])) for path in images or ())
    return Example("", unmarked(question), pictures, answer)


def _cv_bench(row: Row, files: MediaFiles) -> Example:
    """`prompt` is the question with its options; the answer is a letter in parentheses."""
    (image,) = columns(row, "image")
    return Example(
        "",
        text(row, "prompt"),
        (files.picture(row, image),),
        bare_letter(text(row, "answer")),
        options := texts(row, "choices"),
        meta=meta(row, "task", "type", "source") | letter_gold(options),
    )


def _ai2d(row: Row, files: MediaFiles) -> Example:
    (image,) = columns(row, "image")
    options = texts(row, "options")
    question, picture = lettered(text(row, "question"), options), files.picture(row, image)
    gold = index(row, "answer", options)
    return Example("", question, (picture,), gold, options, meta=letter_gold(options))


def _scienceqa(row: Row, files: MediaFiles) -> Example:
    """Half of the questions have no picture. The hint goes before the question, the solution into steps."""
    (image,) = columns(row, "image")
    options = texts(row, "choices")
    hint, steps = row.values.get("hint"), row.values.get("solution")
    question = lettered(text(row, "question"), options)
    return Example(
        "",
        f"Context: {hint}\n{question}" if hint else question,
        () if image is None else (files.picture(row, image),),
        index(row, "answer", options),
        options,
        (steps.strip(),) if steps else (),
        meta=meta(row, "subject", "topic", "category", "grade", "lecture") | letter_gold(options),
    )


def _mmstar(row: Row, files: MediaFiles) -> Example:
    (image,) = columns(row, "image")
    question = text(row, "question")
    options = options_in(question.rpartition("Options:")[2] or question)
    kept = meta(row, "category", "l2_category") | letter_gold(options)
    return Example("", question, (files.picture(row, image),), text(row, "answer"), options, meta=kept)


def _mmmu(row: Row, files: MediaFiles) -> Example:
    """Marks `<image 1>` keep their places in question and options. The test split has no gold answers. Of
    several golds of an open question, the first is the answer; meta has all."""
    options = texts(row, "options")
    question = lettered(text(row, "question"), options)
    names = [f"image_{number}" for number in _MMMU_MARK.findall(question)]
    names = names or [name for name, image in row.values.items() if re.fullmatch(r"image_\d", name) and image]
    answer = text(row, "answer")
    golds = texts(row, "answer") if answer.startswith("[") else (answer,)
    return Example(
        "",
        _MMMU_MARK.sub("<image>", question),
        tuple(files.picture(row, image) for image in columns(row, *names)),
        None if answer == "?" else golds[0],
        options,
        meta=meta(row, "id", "subfield", "topic_difficulty", "question_type")
        | {"golds": golds}
        | letter_gold(options),
    )


def _chartqa(row: Row, files: MediaFiles) -> Example:
    (image,) = columns(row, "image")
    kept = meta(row, "type")
    return Example("", text(row, "question"), (files.picture(row, image),), text(row, "answer"), meta=kept)


def _vrc(row: Row, files: MediaFiles) -> Example:
    """`steps`, a list or a text, is the reference of the benchmark's step metric."""
    image, value = columns(row, "image", "steps")
    steps = tuple(str(step).strip() for step in value) if isinstance(value, list) else (text(row, "steps"),)
    question = text(row, "question")
    picture, answer = files.picture(row, image), bare_letter(text(row, "final_answer"))
    return Example("", question, (picture,), answer, options_in(question), steps, meta(row, "idx"))


def _onevision_bench(row: Row, files: MediaFiles) -> Example:
    """The question contains hint and options; the picture is base64."""
    picture = files.picture(row, decoded(row, "image"))
    question = text(row, "question")
    options = options_in(question)
    kept = meta(row, "level", "category") | letter_gold(options)
    return Example("", question, (picture,), bare_letter(text(row, "answer")), options, meta=kept)


def _gui(row: Row, files: MediaFiles) -> Example:
    """Two screens, before and after an action; the question lists the defects. The pictures come first, as in
    VLM-R1."""
    (images,) = columns(row, "image")
    question, answer = turns(row)
    if not isinstance(images, list) or len(images) != 2:
        row.refuse(f"image must be two paths, before and after, not {images!r:.60}")
    return Example("", unmarked(question), tuple(files.picture(row, image) for image in images), answer)


GENERAL = (
    PublishedDataset(
        "sat",
        "SAT",
        "array/SAT",
        "MIT",
        {"train": "175k", "val": "unknown", "test": "unknown", "static": "unknown"},
        ("same_text",),
        TableReader(("SAT_{split}.parquet",)),
        _sat,
    ),
    PublishedDataset(
        "sat_15000",
        "SAT, VisualThinker's part",
        "https://github.com/turningpoint-ai/VisualThinker-R1-Zero",
        "MIT (SAT)",
        {"train": "fewer than 15,000"},
        ("same_text",),
        TableReader(("SAT_train_15000.json",)),
        _sat_messages,
        "SAT_train_15000.json, SAT_images_train/",
    ),
    PublishedDataset(
        "cv_bench",
        "CV-Bench",
        "nyu-visionx/CV-Bench",
        "Apache-2.0",
        {"test": 2_638},
        CHOICE,
        TableReader(),
        _cv_bench,
    ),
    PublishedDataset(
        "ai2d", "AI2D", "lmms-lab/ai2d", "unknown", {"test": 3_088}, CHOICE, TableReader(), _ai2d
    ),
    PublishedDataset(
        "scienceqa",
        "ScienceQA",
        "derek-thomas/ScienceQA",
        "CC BY-NC-SA 4.0",
        {"test": 4_241, "validation": 4_241, "train": 12_726},
        CHOICE,
        TableReader(),
        _scienceqa,
    ),
    PublishedDataset(
        "mmstar",
        "MMStar",
        "Lin-Chen/MMStar",
        "unknown",
        {"val": 1_500},
        CHOICE,
        TableReader(("mmstar.parquet", "{split}-*.parquet")),
        _mmstar,
    ),
    PublishedDataset(
        "mmmu",
        "MMMU",
        "lmms-lab/MMMU",
        "Apache-2.0",
        {"validation": 900, "dev": 150, "test": 10_500},
        CHOICE_OR_SHORT,
        TableReader(),
        _mmmu,
    ),
    PublishedDataset(
        "chartqa",
        "ChartQA",
        "lmms-lab/ChartQA",
        "GPL-3.0",
        {"test": 2_500},
        ("relaxed_number", "same_text"),
        TableReader(),
        _chartqa,
    ),
    PublishedDataset(
        "vrc_bench",
        "VRC-Bench",
        "omkarthawakar/VRC-Bench",
        "unknown",
        {"test": "about 1,000"},
        CHOICE_OR_SHORT,
        TableReader(),
        _vrc,
    ),
    PublishedDataset(
        "r1_onevision_bench",
        "R1-Onevision-Bench",
        "Fancy-MLLM/R1-Onevision-Bench",
        "Apache-2.0",
        {"train": 942},
        ("same_choice", "same_number", "same_math", "same_text"),
        TableReader(("r1-onevision*.tsv", "{split}-*.parquet", "{split}.parquet")),
        _onevision_bench,
    ),
    PublishedDataset(
        "gui_defects",
        "GUI defects, before and after",
        "https://huggingface.co/datasets/omlab/VLM-R1",
        "unknown",
        {"train": 1_797},
        ("same_text",),
        TableReader(("gui_multi-image.jsonl",)),
        _gui,
        "gui_multi-image.jsonl, and the screens of gui_multi-image.zip",
    ),
)
