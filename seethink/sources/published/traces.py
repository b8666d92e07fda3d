"""Questions whose answers come with thoughts, to be imitated."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator

from seethink.formats import read_any
from seethink.sources.published.columns import columns, decoded, text, turns, unmarked
from seethink.sources.published.dataset import Files, Published, Table
from seethink.sources.rows import Row
from seethink.types import Example

STAGES = ("SUMMARY", "CAPTION", "REASONING", "CONCLUSION")
_BOXED = re.compile(r"\\boxed\{((?:[^{}]|\{(?:[^{}]|\{[^{}]*\})*\})*)\}")


def _onevision(row: Row, files: Files) -> Example:
    """Free text that ends in an answer of some form. Where no final answer can be told apart, the whole text
    is the answer, without steps, and meta says `final: False`."""
    question, told = turns(row)
    picture = files.picture(row, decoded(row, "image"))
    read = read_any(told)
    final = read.answer is not None and read.thought is not None
    return Example(
        "",
        unmarked(question),
        (picture,),
        read.answer if final else _untagged(told),
        steps=(str(read.thought),) if final else (),
        meta={"id": row.values.get("id"), "final": final},
    )


def _untagged(told: str) -> str:
    return re.sub(r"</?(?:think|answer)>", " ", told).strip()


def _pixmo(row: Row, files: Files) -> Example:
    """Rows hold addresses, no pictures: each is looked for as `images/` and the SHA-256 of its address."""
    address = text(row, "image_url")
    name = hashlib.sha256(address.encode()).hexdigest()
    if not (files.folder / "images" / name).is_file():
        row.refuse(f"there is no picture at {files.folder / 'images' / name}; save {address} there")
    question = re.sub(r"\[(?:USER|ASSISTANT)\]", " ", text(row, "question")).strip()
    return Example("", question, (files.picture(row, f"images/{name}"),), text(row, "answer"))


def _pairs(row: Row) -> Iterator[Row]:
    """One row for each question of a dialogue; later ones come without what was said before."""
    (told,) = columns(row, "conversations")
    if not isinstance(told, list) or not told or len(told) % 2:
        row.refuse("conversations must be questions and answers in turn; copy the row as it was published")
    for i in range(0, len(told), 2):
        values = {**row.values, "conversations": told[i : i + 2]}
        yield Row(row.file, row.number, values | {"turn": i // 2 + 1})


def _llava_cot(row: Row, files: Files) -> Example:
    """Four tagged stages; the conclusion is the answer, the others are the steps."""
    (image,) = columns(row, "image")
    question, told = turns(row)
    stages = {name: re.search(rf"<{name}>(.*?)</{name}>", told, re.DOTALL) for name in STAGES}
    if lacking := [name for name, stage in stages.items() if not stage]:
        row.refuse(f"the answer has no <{lacking[0]}>...</{lacking[0]}>; copy the row as it was published")
    *steps, answer = (stage[1].strip() for stage in stages.values() if stage)
    picture = files.picture(row, image)
    kept = {"turn": row.values.get("turn", 1)}
    return Example("", unmarked(question), (picture,), answer, steps=tuple(steps), meta=kept)


def _stratos(row: Row, files: Files) -> Example:
    """Text alone. The answer is what the solution boxes last, or else the whole solution."""
    question, told = turns(row)
    parts = {
        name: re.search(rf"<\|begin_of_{name}\|>(.*?)<\|end_of_{name}\|>", told, re.DOTALL)
        for name in ("thought", "solution")
    }
    thought, solved = parts["thought"], parts["solution"]
    if not thought or not solved:
        row.refuse("the answer must be a thought and a solution between <|begin_of_...|> and <|end_of_...|>")
    boxed = _BOXED.findall(solved[1])
    answer = boxed[-1] if boxed else solved[1].strip()
    steps = (thought[1].strip(), solved[1].strip()) if boxed else (thought[1].strip(),)
    return Example("", question, (), answer, steps=steps)


TRACES = (
    Published(
        "r1_onevision",
        "R1-Onevision, the mixture",
        "Fancy-MLLM/R1-Onevision",
        "Apache-2.0",
        {"train": "155k"},
        ("same_number", "same_text"),
        Table(),
        _onevision,
    ),
    Published(
        "pixmo_cap_qa",
        "PixMo Cap-QA",
        "https://huggingface.co/datasets/allenai/pixmo-cap-qa",
        "ODC-BY",
        {"train": "unknown"},
        ("same_text",),
        Table(),
        _pixmo,
        "data/{split}-*.parquet, and images/ with each picture under the SHA-256 of its address",
    ),
    Published(
        "llava_cot_100k",
        "LLaVA-CoT-100k",
        "https://huggingface.co/datasets/Xkev/LLaVA-CoT-100k",
        "Apache-2.0",
        {"train": "99k"},
        ("same_text",),
        Table(("{split}.jsonl",), spread=_pairs),
        _llava_cot,
        "{split}.jsonl, and the pictures at the paths that it names",
    ),
    Published(
        "stratos",
        "Bespoke-Stratos-17k (text)",
        "bespokelabs/Bespoke-Stratos-17k",
        "Apache-2.0",
        {"train": "16.7k"},
        ("same_number", "same_math", "same_text"),
        Table(),
        _stratos,
    ),
)
