"""A small copy of every published data set, written by hand."""

from __future__ import annotations

from pathlib import Path

from seethink.sources.published import load
from seethink.types import Example
from tests.sources.published import asked, seen

LAYOUTS = {
    "refcoco": seen.expressions("refcoco_val.json", "train2014/COCO_train2014_"),
    "refcoco_plus": seen.expressions("refcocop_val.json", "train2014/COCO_train2014_"),
    "refcocog": seen.expressions("refcocog_val.json", "train2014/COCO_train2014_"),
    "lisa_grounding": seen.expressions("lisa_test.json", "test/"),
    "refgta": seen.expressions("refgta_subsample.json", "refgta/"),
    "coco": seen.coco,
    "ovdeval": seen.ovdeval,
    "d3": seen.d3,
    "clevr_counting": seen.solved("3", "4"),
    "clevr_counting_complex": seen.solved("3", "yes"),
    "clevr_r1": seen.solved("3", "0", thinking="I count them."),
    "clevr_cogent_a": seen.solved("3", "4"),
    "clevr_cogent_b": seen.solved("3", "4"),
    "clevr_questions": seen.clevr_questions,
    "clevr_scenes": seen.clevr_scenes,
    "superclevr_200": seen.truths("superclevr_test200_counting_problems.jsonl", 3, 10),
    "geoqa_8k": seen.solved("145°", "2\\sqrt{3}cm"),
    "geoqa_test": seen.truths("geoqa_test_prompts.jsonl", "145°", "\\sqrt{2}"),
    "open_r1_8k": seen.solved("\\frac{1}{2}", "24", original_question="x", original_answer="y"),
    "geo170k_qa": seen.geo170k_qa,
    "geo170k_captions": seen.geo170k_captions,
    "mathvista": seen.mathvista,
    "mathvision": seen.mathvision,
    "mathverse": seen.mathverse,
    "sat": asked.sat,
    "sat_15000": asked.sat_15000,
    "cv_bench": asked.cv_bench,
    "ai2d": asked.ai2d,
    "scienceqa": asked.scienceqa,
    "mmstar": asked.mmstar,
    "mmmu": asked.mmmu,
    "chartqa": asked.chartqa,
    "vrc_bench": asked.vrc_bench,
    "r1_onevision_bench": asked.r1_onevision_bench,
    "gui_defects": asked.gui_defects,
    "r1_onevision": asked.r1_onevision,
    "pixmo_cap_qa": asked.pixmo_cap_qa,
    "llava_cot_100k": asked.llava_cot_100k,
    "stratos": asked.stratos,
    "open_r1_video_4k": asked.open_r1_video_4k,
    "longvideobench": asked.longvideobench,
    "mvbench": asked.mvbench,
    "videomme": asked.videomme,
}
"""Two examples each, of the split that a data set gives first."""


def examples_of(folder: Path, name: str, n: int = 2, **more) -> list[Example]:
    return list(load(name, source=folder, n=n, **more))
