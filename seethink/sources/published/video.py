"""Video data sets. Their clips are published as archives, so all need a local folder."""

from __future__ import annotations

import re
from pathlib import Path

from seethink.sources.published.columns import (
    bare_letter,
    columns,
    index,
    lettered,
    meta,
    solution,
    text,
    texts,
    unmarked,
)
from seethink.sources.published.dataset import MediaFiles, PublishedDataset, TableReader
from seethink.sources.row_reader import Row
from seethink.types import Example
from seethink.verify.listed_options import letter_gold, options_in

CHOICE = ("same_choice",)
MVBENCH_CLIPS = {
    "action_sequence": "star/Charades_v1_480",
    "action_prediction": "star/Charades_v1_480",
    "action_antonym": "ssv2_video",
    "fine_grained_action": "Moments_in_Time_Raw/videos",
    "unexpected_action": "FunQA_test/test",
    "object_existence": "clevrer/video_validation",
    "object_interaction": "star/Charades_v1_480",
    "object_shuffle": "perception/videos",
    "moving_direction": "clevrer/video_validation",
    "action_localization": "sta/sta_video",
    "scene_transition": "scene_qa/video",
    "action_count": "perception/videos",
    "moving_count": "clevrer/video_validation",
    "moving_attribute": "clevrer/video_validation",
    "state_change": "perception/videos",
    "fine_grained_pose": "nturgbd",
    "character_order": "perception/videos",
    "egocentric_navigation": "vlnqa",
    "counterfactual_inference": "clevrer/video_validation",
}
"""Task -> folder of its clips. The twentieth task, episodic_reasoning, is published as single frames."""


def _open_r1_video(row: Row, files: MediaFiles) -> Example:
    """`video` is a path on the authors' machine; the clip is at that path in the folder, or in videos/."""
    (path,) = columns(row, "video")
    steps, answer = solution(row, text(row, "solution"))
    question = unmarked(text(row, "problem"))
    exists = (files.folder / str(path)).is_file()
    clip = files.clip(row, path if exists else f"videos/{Path(str(path)).name}")
    return Example("", question, (clip,), bare_letter(answer), options_in(question), steps)


def _longvideobench(row: Row, files: MediaFiles) -> Example:
    (path,) = columns(row, "video_path")
    options = texts(row, "candidates")
    return Example(
        "",
        lettered(text(row, "question"), options),
        (files.clip(row, f"videos/{path}"),),
        index(row, "correct_choice", options) if "correct_choice" in row.values else None,
        options,
        meta=meta(row, "id", "duration_group", "question_category", "topic_category") | letter_gold(options),
    )


def _mvbench(row: Row, files: MediaFiles) -> Example:
    """A question about a clip, or about its part from `start` to `end` in seconds."""
    (path,) = columns(row, "video")
    options = texts(row, "candidates")
    answer = text(row, "answer")
    if answer not in options:
        row.refuse(f"the answer {answer!r:.40} is none of the candidates; copy the row as published")
    begin, end = row.values.get("start"), row.values.get("end")
    span = (float(begin), float(end)) if begin is not None and end is not None else None
    task = row.file.stem
    clip = files.clip(row, f"video/{MVBENCH_CLIPS[task]}/{path}", span)
    question = lettered(text(row, "question"), options)
    return Example("", question, (clip,), answer, options, meta={"task": task})


def _videomme(row: Row, files: MediaFiles) -> Example:
    """Options start with their letters: `A. Apples.`"""
    options = tuple(re.sub(r"^[A-J][.)]\s*", "", option) for option in texts(row, "options"))
    question = lettered(text(row, "question"), options)
    clip = files.clip(row, f"data/{text(row, 'videoID')}.mp4")
    kept = meta(row, "question_id", "duration", "domain", "sub_category", "task_type")
    kept |= letter_gold(options)
    return Example("", question, (clip,), bare_letter(text(row, "answer")), options, meta=kept)


VIDEO = (
    PublishedDataset(
        "open_r1_video_4k",
        "open-r1-video-4k",
        "https://huggingface.co/datasets/Xiaodong/open-r1-video-4k",
        "unknown",
        {"train": "4.66k"},
        ("same_choice", "same_text"),
        TableReader(("*.jsonl",)),
        _open_r1_video,
        "its .jsonl, and videos/ with the clips of malterei/LLaVA-Video-large-swift",
    ),
    PublishedDataset(
        "longvideobench",
        "LongVideoBench",
        "https://huggingface.co/datasets/longvideobench/LongVideoBench",
        "CC BY-NC-SA 4.0",
        {"val": 1_337, "test_wo_gt": 5_341},
        CHOICE,
        TableReader(("lvb_{split}.json",)),
        _longvideobench,
        "lvb_{split}.json, videos/",
    ),
    PublishedDataset(
        "mvbench",
        "MVBench",
        "https://huggingface.co/datasets/OpenGVLab/MVBench",
        "MIT",
        dict.fromkeys(MVBENCH_CLIPS, 200),
        CHOICE,
        TableReader(("{split}.json",)),
        _mvbench,
        "json/{split}.json, video/ with the folders of its archives",
    ),
    PublishedDataset(
        "videomme",
        "Video-MME",
        "https://huggingface.co/datasets/lmms-lab/Video-MME",
        "its own, for research alone",
        {"test": 2_700},
        CHOICE,
        TableReader(),
        _videomme,
        "videomme/{split}-*.parquet, data/ with the clips",
    ),
)
