"""Writers of the row layouts and files that each trainer reads.

`records.read` reads every layout back without loss: data for which a trainer has no column goes into columns
of ours (`id choices steps meta`), which that trainer ignores.
"""

from __future__ import annotations

import base64
import csv
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seethink.formats import ANSWER_ONLY, THINK_ANSWER
from seethink.media import Image, Video
from seethink.sources.media_store import MediaStore
from seethink.sources.parquet import IMAGES, TEXT, ParquetWriter
from seethink.types import MEDIA_MARK, Example, InputError, Media

# Rows -----------------------------------------------------------------------------------------------------


def _ours(example: Example, store: MediaStore) -> dict[str, Any]:
    clips = [_clip(medium, store) for medium in example.media if medium.kind == "video"]
    return {
        "id": example.id,
        "images": [store.path(medium) for medium in example.media if medium.kind == "image"],
        "videos": clips,
        "question": example.question,
        "answer": example.answer,
        "choices": list(example.choices),
        "steps": list(example.steps),
        "meta": dict(example.meta),
    }


def _clip(clip: Media, store: MediaStore) -> dict[str, Any]:
    """The clip's path and frame selection."""
    path = store.path(clip)
    frames = clip.frame_selection if isinstance(clip, Video) else {"count": len(clip.load().pictures)}
    return {**{name: value for name, value in frames.items() if value is not None}, "path": path}


def _llama_factory(example: Example, store: MediaStore) -> dict[str, Any]:
    return {"messages": _conversation(example), **_paths(example, store), **_extra_columns(example)}


def _ms_swift(example: Example, store: MediaStore) -> dict[str, Any]:
    """SFT uses the assistant's turn, RL the solution."""
    return {**_llama_factory(example, store), "solution": example.answer}


def _trl(example: Example, store: MediaStore) -> dict[str, Any]:
    texts = MEDIA_MARK.split(marked(example))[::2]
    parts: list[dict[str, Any]] = [{"type": "text", "text": texts[0]}]
    for text in texts[1:]:
        parts += [{"type": "image", "text": None}, {"type": "text", "text": text}]
    return {
        "prompt": [{"role": "user", "content": [part for part in parts if part["text"] != ""]}],
        "images": _embedded(example, store),
        "solution": example.answer,
        **_extra_columns(example),
    }


def _easyr1(example: Example, store: MediaStore) -> dict[str, Any]:
    return {
        "problem": marked(example),
        "images": _embedded(example, store),
        "answer": example.answer,
        **_extra_columns(example),
    }


def _llava(example: Example, store: MediaStore) -> dict[str, Any]:
    """For SFT: thought and answer in tags if there is a thought, else the answer."""
    return _llava_row(example, store, _target(example))


def _rl(example: Example, store: MediaStore) -> dict[str, Any]:
    """For RL: the answer only, with VLM-R1's reward method if the row has one."""
    method = example.meta.get("accu_reward_method")
    return {**_llava_row(example, store, str(example.answer)), "accu_reward_method": method}


def _llava_row(example: Example, store: MediaStore, target: str) -> dict[str, Any]:
    turns = [{"from": "human", "value": marked(example)}, {"from": "gpt", "value": target}]
    media = {
        kind.removesuffix("s"): paths[0] if len(paths) == 1 else paths
        for kind, paths in _paths(example, store).items()
    }
    return {**media, "conversations": turns, **_extra_columns(example)}


def _hf(example: Example, store: MediaStore) -> dict[str, Any]:
    """Solutions as in R1-V: the answer in tags, after the thought if there is one."""
    solution = _target(example) if example.steps else ANSWER_ONLY.write("", str(example.answer))
    return {
        "problem": marked(example),
        "solution": solution,
        "images": _embedded(example, store),
        **_extra_columns(example),
    }


def _dpo(example: Example, store: MediaStore) -> dict[str, Any]:
    """The two responses in meta `pref`."""
    pref = example.meta.get("pref")
    if not isinstance(pref, Mapping) or not {"chosen", "rejected"} <= pref.keys():
        raise InputError(f"example {example.id} has no pair of responses (meta pref); leave it out")
    rest = {name: value for name, value in example.meta.items() if name != "pref"}
    details = {name: value for name, value in pref.items() if name not in ("chosen", "rejected")}
    return {
        "id": example.id,
        "prompt": marked(example),
        "chosen": pref["chosen"],
        "rejected": pref["rejected"],
        "answer": example.answer,
        **_paths(example, store),
        "meta": rest | ({"pref": details} if details else {}),
    }


def _vrc(example: Example, store: MediaStore) -> dict[str, Any]:
    extra = _extra_columns(example)
    return {
        "idx": extra.pop("id"),
        "question": marked(example),
        "steps": extra.pop("steps"),
        "final_answer": example.answer,
        **_paths(example, store),
        **extra,
    }


def _tsv(example: Example, store: MediaStore) -> dict[str, Any]:
    """Pictures as base64, several as a list, as in VLMEvalKit. Level and category of meta are columns of
    their own."""
    images = [base64.b64encode(picture.encoded()[0]).decode() for picture in _pictures(example)]
    lists = {"choices": example.choices, "steps": example.steps}
    meta = dict(example.meta)
    bench = {name: meta.pop(name) for name in ("level", "category") if isinstance(meta.get(name), str)}
    return {
        "index": example.id,
        "image": images[0] if len(images) == 1 else as_json(images, example.id) if images else "",
        "question": marked(example),
        **{name: as_json(texts, example.id) for name, texts in lists.items() if texts},
        "answer": example.answer,
        **bench,
        "meta": as_json(meta, example.id) if meta else "",
    }


def marked(example: Example) -> str:
    """The question with a mark for every medium; unmarked media are marked at its start."""
    if MEDIA_MARK.search(example.question):
        return example.question
    return "".join(f"<{medium.kind}>" for medium in example.media) + example.question


def _conversation(example: Example) -> list[dict[str, str]]:
    return [{"role": "user", "content": marked(example)}, {"role": "assistant", "content": _target(example)}]


def _target(example: Example) -> str:
    """The answer, or thought and answer in tags if there are steps."""
    answer = str(example.answer)
    return THINK_ANSWER.write(" ".join(example.steps), answer) if example.steps else answer


def _paths(example: Example, store: MediaStore) -> dict[str, list[str]]:
    return {
        f"{kind}s": [store.path(medium) for medium in example.media if medium.kind == kind]
        for kind in ("image", "video")
    }


def _embedded(example: Example, store: MediaStore) -> list[dict[str, Any]]:
    return [store.embedded(medium) for medium in _pictures(example)]


def _pictures(example: Example) -> list[Image]:
    pictures = [medium for medium in example.media if isinstance(medium, Image)]
    if len(pictures) < len(example.media):
        raise InputError(
            f"example {example.id} has a clip, for which this dialect has no column; leave it out"
        )
    return pictures


def _extra_columns(example: Example) -> dict[str, Any]:
    """The columns that these dialects lack; meta as JSON text, since a table column has one type."""
    meta = as_json(dict(example.meta), example.id) if example.meta else None
    return {
        "id": example.id,
        "choices": list(example.choices),
        "steps": list(example.steps),
        "meta": meta,
    }


# Files ----------------------------------------------------------------------------------------------------

Rows = Iterator[dict[str, Any]]
_EXTRA_FEATURES: dict[str, Any] = {"id": TEXT, "choices": [TEXT], "steps": [TEXT], "meta": TEXT}
_CONTENT_PART: dict[str, Any] = {"type": TEXT, "text": TEXT}
_TSV_COLUMNS: tuple[str, ...] = (
    "index",
    "image",
    "question",
    "choices",
    "steps",
    "answer",
    "level",
    "category",
    "meta",
)


def _save_lines(rows: Rows, folder: Path) -> None:
    with (folder / "data.jsonl").open("w", encoding="utf-8") as out:
        for row in rows:
            out.write(as_json(filled(row), str(row.get("id", row.get("idx")))) + "\n")


def _save_llama_factory(rows: Rows, folder: Path) -> None:
    """A JSON array, and the `dataset_info.json` that LLaMA-Factory reads when its `dataset_dir` is this
    folder."""
    with (folder / "data.json").open("w", encoding="utf-8") as out:
        for i, row in enumerate(rows):
            out.write(("[" if i == 0 else ",") + "\n" + as_json(filled(row, "images", "videos"), row["id"]))
        out.write("\n]\n")
    columns = {name: name for name in ("messages", "images", "videos")}
    tags = {"role_tag": "role", "content_tag": "content", "user_tag": "user", "assistant_tag": "assistant"}
    entry = {"file_name": "data.json", "formatting": "sharegpt", "columns": columns, "tags": tags}
    (folder / "dataset_info.json").write_text(json.dumps({"data": entry}, indent=2), encoding="utf-8")


def _save_trl(rows: Rows, folder: Path) -> None:
    prompt = [{"role": TEXT, "content": [_CONTENT_PART]}]
    _save_parquet(rows, folder, {"prompt": prompt, "images": IMAGES, "solution": TEXT, **_EXTRA_FEATURES})


def _save_easyr1(rows: Rows, folder: Path) -> None:
    _save_parquet(rows, folder, {"problem": TEXT, "images": IMAGES, "answer": TEXT, **_EXTRA_FEATURES})


def _save_hf(rows: Rows, folder: Path) -> None:
    _save_parquet(rows, folder, {"problem": TEXT, "images": IMAGES, "solution": TEXT, **_EXTRA_FEATURES})


def _save_tsv(rows: Rows, folder: Path) -> None:
    with (folder / "data.tsv").open("w", encoding="utf-8", newline="") as out:
        table = csv.DictWriter(out, _TSV_COLUMNS, restval="", delimiter="\t", lineterminator="\n")
        table.writeheader()
        for row in rows:
            table.writerow(row)


def _save_parquet(rows: Rows, folder: Path, features: dict[str, Any]) -> None:
    with ParquetWriter(folder / "data.parquet", features) as table:
        for row in rows:
            table.add(row)


def filled(row: dict[str, Any], *always: str) -> dict[str, Any]:
    """The row without its empty columns, except those in `always`."""
    return {name: value for name, value in row.items() if name in always or value not in (None, [], {})}


def as_json(value: Any, name: str) -> str:
    """JSON text. Raises InputError naming the example for values that JSON or UTF-8 cannot represent."""
    try:
        text = json.dumps(value, ensure_ascii=False)
        text.encode()  # fails for a lone surrogate
        return text
    except (TypeError, UnicodeEncodeError) as error:
        raise InputError(f"example {name} cannot be written as JSON: {error}; correct it") from error


@dataclass(frozen=True)
class RowWriter:
    """The row layout and the file format of one trainer."""

    row: Callable[[Example, MediaStore], dict[str, Any]]
    save: Callable[[Rows, Path], None]


ROW_WRITERS = {
    "ours": RowWriter(_ours, _save_lines),
    "llama-factory": RowWriter(_llama_factory, _save_llama_factory),
    "ms-swift": RowWriter(_ms_swift, _save_lines),
    "trl": RowWriter(_trl, _save_trl),
    "easyr1": RowWriter(_easyr1, _save_easyr1),
    "llava": RowWriter(_llava, _save_lines),
    "rl": RowWriter(_rl, _save_lines),
    "hf": RowWriter(_hf, _save_hf),
    "dpo": RowWriter(_dpo, _save_lines),
    "vrc": RowWriter(_vrc, _save_lines),
    "tsv": RowWriter(_tsv, _save_tsv),
}
