"""Data sets of reasoning traces for SFT: questions with thoughts and answers."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator

from seethink.formats import read_any
from seethink.sources.published.columns import columns, decoded, text, turns, unmarked
from seethink.sources.published.dataset import MediaFiles, PublishedDataset, TableReader
from seethink.sources.row_reader import Row
from seethink.types import Example

STAGES = ("SUMMARY", "CAPTION", "REASONING", "CONCLUSION")
_BOXED = re.compile(r"\\boxed\{((?:[^{}]|\{(?:[^{}]|\{[^{}]*\})*\})*)\}")


def _onevision(row: Row, files: MediaFiles) -> Example:
    """Free text with a final answer in one of several forms. If no final answer is found, the whole text is
    the answer, without steps, and meta `final` is False."""
    question, trace = turns(row)
    picture = files.picture(row, decoded(row, "image"))
    response = read_any(trace)
    final = response.answer is not None and response.thought is not None
    return Example(
        "",
        unmarked(question),
        (picture,),
        response.answer if final else _untagged(trace),
        steps=(str(response.thought),) if final else (),
        meta={"id": row.values.get("id"), "final": final},
    )


def _untagged(text: str) -> str:
    return re.sub(r"</?(?:think|answer)>", " ", text).strip()


def _pixmo(row: Row, files: MediaFiles) -> Example:
    """Rows have URLs instead of pictures; the file of a URL is `images/` and the SHA-256 of the URL."""
    url = text(row, "image_url")
    name = hashlib.sha256(url.encode()).hexdigest()
    if not (files.folder / "images" / name).is_file():
        row.refuse(f"there is no picture at {files.folder / 'images' / name}; save {url} there")
    question = re.sub(r"\[(?:USER|ASSISTANT)\]", " ", text(row, "question")).strip()
    return Example("", question, (files.picture(row, f"images/{name}"),), text(row, "answer"))


def _pairs(row: Row) -> Iterator[Row]:
    """One row per question of a dialogue, each without the earlier turns."""
    (dialogue,) = columns(row, "conversations")
    if not isinstance(dialogue, list) or not dialogue or len(dialogue) % 2:
        row.refuse("conversations must alternate questions and answers; copy the row as published")
    for i in range(0, len(dialogue), 2):
        values = {**row.values, "conversations": dialogue[i : i + 2]}
        yield Row(row.file, row.number, values | {"turn": i // 2 + 1})


def _llava_cot(row: Row, files: MediaFiles) -> Example:
    """Four tagged stages: the conclusion is the answer, the others are steps."""
    (image,) = columns(row, "image")
    question, trace = turns(row)
    stages = {name: re.search(rf"<{name}>(.*?)</{name}>", trace, re.DOTALL) for name in STAGES}
    if missing := [name for name, stage in stages.items() if not stage]:
        row.refuse(f"the answer has no <{missing[0]}>...</{missing[0]}>; copy the row as published")
    *steps, answer = (stage[1].strip() for stage in stages.values() if stage)
    picture = files.picture(row, image)
    kept = {"turn": row.values.get("turn", 1)}
    return Example("", unmarked(question), (picture,), answer, steps=tuple(steps), meta=kept)


def _stratos(row: Row, files: MediaFiles) -> Example:
    """Text only. The answer is the last `\\boxed{}` of the solution, else the whole solution."""
    question, trace = turns(row)
    parts = {
        name: re.search(rf"<\|begin_of_{name}\|>(.*?)<\|end_of_{name}\|>", trace, re.DOTALL)
        for name in ("thought", "solution")
    }
    thought, solution = parts["thought"], parts["solution"]
    if not thought or not solution:
        row.refuse("the answer must be a thought and a solution between <|begin_of_...|> and <|end_of_...|>")
    boxed = _BOXED.findall(solution[1])
    answer = boxed[-1] if boxed else solution[1].strip()
    steps = (thought[1].strip(), solution[1].strip()) if boxed else (thought[1].strip(),)
    return Example("", question, (), answer, steps=steps)


TRACES = (
    PublishedDataset(
        "r1_onevision",
        "R1-Onevision, the mixture",
        "Fancy-MLLM/R1-Onevision",
        "Apache-2.0",
        {"train": "155k"},
        ("same_number", "same_text"),
        TableReader(),
        _onevision,
    ),
    PublishedDataset(
        "pixmo_cap_qa",
        "PixMo Cap-QA",
        "https://huggingface.co/datasets/allenai/pixmo-cap-qa",
        "ODC-BY",
        {"train": "unknown"},
        ("same_text",),
        TableReader(),
        _pixmo,
        "data/{split}-*.parquet, and images/ with each picture under the SHA-256 of its address",
    ),
    PublishedDataset(
        "llava_cot_100k",
        "LLaVA-CoT-100k",
        "https://huggingface.co/datasets/Xkev/LLaVA-CoT-100k",
        "Apache-2.0",
        {"train": "99k"},
        ("same_text",),
        TableReader(("{split}.jsonl",), spread=_pairs),
        _llava_cot,
        "{split}.jsonl, and the pictures at the paths that it names",
    ),
    PublishedDataset(
        "stratos",
        "Bespoke-Stratos-17k (text)",
        "bespokelabs/Bespoke-Stratos-17k",
        "Apache-2.0",
        {"train": "16.7k"},
        ("same_number", "same_math", "same_text"),
        TableReader(),
        _stratos,
    ),
)
