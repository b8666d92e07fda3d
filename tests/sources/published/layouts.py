"""A small copy of every published data set, written by hand."""

from __future__ import annotations

from pathlib import Path

from seethink.sources.published import load
from seethink.types import Example
from tests.sources.published import question_layouts, vision_layouts

LAYOUTS = {
    "refcoco": vision_layouts.expressions("refcoco_val.json", "train2014/COCO_train2014_"),
    "refcoco_plus": vision_layouts.expressions("refcocop_val.json", "train2014/COCO_train2014_"),
    "refcocog": vision_layouts.expressions("refcocog_val.json", "train2014/COCO_train2014_"),
    "lisa_grounding": vision_layouts.expressions("lisa_test.json", "test/"),
    "refgta": vision_layouts.expressions("refgta_subsample.json", "refgta/"),
    "coco": vision_layouts.coco,
    "ovdeval": vision_layouts.ovdeval,
    "d3": vision_layouts.d3,
    "clevr_counting": vision_layouts.solved("3", "4"),
    "clevr_counting_complex": vision_layouts.solved("3", "yes"),
    "clevr_r1": vision_layouts.solved("3", "0", thinking="I count them."),
    "clevr_cogent_a": vision_layouts.solved("3", "4"),
    "clevr_cogent_b": vision_layouts.solved("3", "4"),
    "clevr_questions": vision_layouts.clevr_questions,
    "clevr_scenes": vision_layouts.clevr_scenes,
    "superclevr_200": vision_layouts.truths("superclevr_test200_counting_problems.jsonl", 3, 10),
    "geoqa_8k": vision_layouts.solved("145°", "2\\sqrt{3}cm"),
    "geoqa_test": vision_layouts.truths("geoqa_test_prompts.jsonl", "145°", "\\sqrt{2}"),
    "open_r1_8k": vision_layouts.solved("\\frac{1}{2}", "24", original_question="x", original_answer="y"),
    "geo170k_qa": vision_layouts.geo170k_qa,
    "geo170k_captions": vision_layouts.geo170k_captions,
    "mathvista": vision_layouts.mathvista,
    "mathvision": vision_layouts.mathvision,
    "mathverse": vision_layouts.mathverse,
    "sat": question_layouts.sat,
    "sat_15000": question_layouts.sat_15000,
    "cv_bench": question_layouts.cv_bench,
    "ai2d": question_layouts.ai2d,
    "scienceqa": question_layouts.scienceqa,
    "mmstar": question_layouts.mmstar,
    "mmmu": question_layouts.mmmu,
    "chartqa": question_layouts.chartqa,
    "vrc_bench": question_layouts.vrc_bench,
    "r1_onevision_bench": question_layouts.r1_onevision_bench,
    "gui_defects": question_layouts.gui_defects,
    "r1_onevision": question_layouts.r1_onevision,
    "pixmo_cap_qa": question_layouts.pixmo_cap_qa,
    "llava_cot_100k": question_layouts.llava_cot_100k,
    "stratos": question_layouts.stratos,
    "open_r1_video_4k": question_layouts.open_r1_video_4k,
    "longvideobench": question_layouts.longvideobench,
    "mvbench": question_layouts.mvbench,
    "videomme": question_layouts.videomme,
}
"""Two examples each, of the split that a data set gives first."""


def examples_of(folder: Path, name: str, n: int = 2, **more) -> list[Example]:
    return list(load(name, source=folder, n=n, **more))
