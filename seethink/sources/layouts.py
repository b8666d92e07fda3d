"""How each trainer takes its rows, and the files that hold them.

Every layout is read again by `records.read`: what a trainer has no column for stands in columns of ours
(`id choices steps meta`), which the others leave aside.
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
from seethink.sources.shelf import Shelf
from seethink.sources.table import IMAGES, TEXT, Table
from seethink.types import MEDIA_MARK, Example, InputError, Media

# Rows -----------------------------------------------------------------------------------------------------


def _ours(example: Example, shelf: Shelf) -> dict[str, Any]:
    clips = [_clip(medium, shelf) for medium in example.media if medium.kind == "video"]
    return {
        "id": example.id,
        "images": [shelf.path(medium) for medium in example.media if medium.kind == "image"],
        "videos": clips,
        "question": example.question,
        "answer": example.answer,
        "choices": list(example.choices),
        "steps": list(example.steps),
        "meta": dict(example.meta),
    }


def _clip(clip: Media, shelf: Shelf) -> dict[str, Any]:
    """Its path, and which of its frames are looked at."""
    path = shelf.path(clip)
    chosen = clip.choice if isinstance(clip, Video) else {"count": len(clip.load().pictures)}
    return {**{name: value for name, value in chosen.items() if value is not None}, "path": path}


def _llama_factory(example: Example, shelf: Shelf) -> dict[str, Any]:
    return {"messages": _asked_and_said(example), **_paths(example, shelf), **_aside(example)}


def _ms_swift(example: Example, shelf: Shelf) -> dict[str, Any]:
    """Imitation takes the assistant's turn, reinforcement the solution."""
    return {**_llama_factory(example, shelf), "solution": example.answer}


def _trl(example: Example, shelf: Shelf) -> dict[str, Any]:
    texts = MEDIA_MARK.split(marked(example))[::2]
    parts: list[dict[str, Any]] = [{"type": "text", "text": texts[0]}]
    for text in texts[1:]:
        parts += [{"type": "image", "text": None}, {"type": "text", "text": text}]
    return {
        "prompt": [{"role": "user", "content": [part for part in parts if part["text"] != ""]}],
        "images": _held(example, shelf),
        "solution": example.answer,
        **_aside(example),
    }


def _easyr1(example: Example, shelf: Shelf) -> dict[str, Any]:
    return {
        "problem": marked(example),
        "images": _held(example, shelf),
        "answer": example.answer,
        **_aside(example),
    }


def _llava(example: Example, shelf: Shelf) -> dict[str, Any]:
    """For imitation: thought and answer between tags, where there is a thought."""
    return _talked(example, shelf, _said(example))


def _rl(example: Example, shelf: Shelf) -> dict[str, Any]:
    """For reinforcement: the answer alone, and how VLM-R1 is to judge it, where the row says that."""
    method = example.meta.get("accu_reward_method")
    return {**_talked(example, shelf, str(example.answer)), "accu_reward_method": method}


def _talked(example: Example, shelf: Shelf, said: str) -> dict[str, Any]:
    turns = [{"from": "human", "value": marked(example)}, {"from": "gpt", "value": said}]
    media = {
        kind.removesuffix("s"): paths[0] if len(paths) == 1 else paths
        for kind, paths in _paths(example, shelf).items()
    }
    return {**media, "conversations": turns, **_aside(example)}


def _hf(example: Example, shelf: Shelf) -> dict[str, Any]:
    """Solutions as R1-V has them: the answer between tags, the thought before it where there is one."""
    said = _said(example) if example.steps else ANSWER_ONLY.write("", str(example.answer))
    return {
        "problem": marked(example),
        "solution": said,
        "images": _held(example, shelf),
        **_aside(example),
    }


def _dpo(example: Example, shelf: Shelf) -> dict[str, Any]:
    """The two responses of meta `pref`."""
    pref = example.meta.get("pref")
    if not isinstance(pref, Mapping) or not {"chosen", "rejected"} <= pref.keys():
        raise InputError(f"example {example.id} has no two responses (meta pref); leave it out")
    rest = {name: value for name, value in example.meta.items() if name != "pref"}
    told = {name: value for name, value in pref.items() if name not in ("chosen", "rejected")}
    return {
        "id": example.id,
        "prompt": marked(example),
        "chosen": pref["chosen"],
        "rejected": pref["rejected"],
        "answer": example.answer,
        **_paths(example, shelf),
        "meta": rest | ({"pref": told} if told else {}),
    }


def _vrc(example: Example, shelf: Shelf) -> dict[str, Any]:
    aside = _aside(example)
    return {
        "idx": aside.pop("id"),
        "question": marked(example),
        "steps": aside.pop("steps"),
        "final_answer": example.answer,
        **_paths(example, shelf),
        **aside,
    }


def _tsv(example: Example, shelf: Shelf) -> dict[str, Any]:
    """A picture as base64; several as a list of it, in VLMEvalKit's way. Level and category stand in columns
    of their own where meta has them."""
    held = [base64.b64encode(picture.encoded()[0]).decode() for picture in _pictures(example)]
    lists = {"choices": example.choices, "steps": example.steps}
    meta = dict(example.meta)
    bench = {name: meta.pop(name) for name in ("level", "category") if isinstance(meta.get(name), str)}
    return {
        "index": example.id,
        "image": held[0] if len(held) == 1 else as_json(held, example.id) if held else "",
        "question": marked(example),
        **{name: as_json(texts, example.id) for name, texts in lists.items() if texts},
        "answer": example.answer,
        **bench,
        "meta": as_json(meta, example.id) if meta else "",
    }


def marked(example: Example) -> str:
    """The question with a mark for every medium; unmarked media stand before it."""
    if MEDIA_MARK.search(example.question):
        return example.question
    return "".join(f"<{medium.kind}>" for medium in example.media) + example.question


def _asked_and_said(example: Example) -> list[dict[str, str]]:
    return [{"role": "user", "content": marked(example)}, {"role": "assistant", "content": _said(example)}]


def _said(example: Example) -> str:
    """The answer alone, or, where there are steps, thought and answer between tags."""
    answer = str(example.answer)
    return THINK_ANSWER.write(" ".join(example.steps), answer) if example.steps else answer


def _paths(example: Example, shelf: Shelf) -> dict[str, list[str]]:
    return {
        f"{kind}s": [shelf.path(medium) for medium in example.media if medium.kind == kind]
        for kind in ("image", "video")
    }


def _held(example: Example, shelf: Shelf) -> list[dict[str, Any]]:
    return [shelf.held(medium) for medium in _pictures(example)]


def _pictures(example: Example) -> list[Image]:
    pictures = [medium for medium in example.media if isinstance(medium, Image)]
    if len(pictures) < len(example.media):
        raise InputError(f"example {example.id} has a clip, which this dialect cannot hold; leave it out")
    return pictures


def _aside(example: Example) -> dict[str, Any]:
    """What these dialects have no place for; meta as JSON text, since tables want one type a column."""
    meta = as_json(dict(example.meta), example.id) if example.meta else None
    return {
        "id": example.id,
        "choices": list(example.choices),
        "steps": list(example.steps),
        "meta": meta,
    }


# Files ----------------------------------------------------------------------------------------------------

Rows = Iterator[dict[str, Any]]
_ASIDE: dict[str, Any] = {"id": TEXT, "choices": [TEXT], "steps": [TEXT], "meta": TEXT}
_PART: dict[str, Any] = {"type": TEXT, "text": TEXT}
_TSV: tuple[str, ...] = (
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
    """An array, and the entry by which LLaMA-Factory finds it when its `dataset_dir` is this folder."""
    with (folder / "data.json").open("w", encoding="utf-8") as out:
        for i, row in enumerate(rows):
            out.write(("[" if i == 0 else ",") + "\n" + as_json(filled(row, "images", "videos"), row["id"]))
        out.write("\n]\n")
    columns = {name: name for name in ("messages", "images", "videos")}
    tags = {"role_tag": "role", "content_tag": "content", "user_tag": "user", "assistant_tag": "assistant"}
    entry = {"file_name": "data.json", "formatting": "sharegpt", "columns": columns, "tags": tags}
    (folder / "dataset_info.json").write_text(json.dumps({"data": entry}, indent=2))


def _save_trl(rows: Rows, folder: Path) -> None:
    prompt = [{"role": TEXT, "content": [_PART]}]
    _save_parquet(rows, folder, {"prompt": prompt, "images": IMAGES, "solution": TEXT, **_ASIDE})


def _save_easyr1(rows: Rows, folder: Path) -> None:
    _save_parquet(rows, folder, {"problem": TEXT, "images": IMAGES, "answer": TEXT, **_ASIDE})


def _save_hf(rows: Rows, folder: Path) -> None:
    _save_parquet(rows, folder, {"problem": TEXT, "images": IMAGES, "solution": TEXT, **_ASIDE})


def _save_tsv(rows: Rows, folder: Path) -> None:
    with (folder / "data.tsv").open("w", encoding="utf-8", newline="") as out:
        table = csv.DictWriter(out, _TSV, restval="", delimiter="\t", lineterminator="\n")
        table.writeheader()
        for row in rows:
            table.writerow(row)


def _save_parquet(rows: Rows, folder: Path, features: dict[str, Any]) -> None:
    with Table(folder / "data.parquet", features) as table:
        for row in rows:
            table.add(row)


def filled(row: dict[str, Any], *always: str) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name in always or value not in (None, [], {})}


def as_json(value: Any, name: str) -> str:
    try:
        text = json.dumps(value, ensure_ascii=False)
        text.encode()  # half a surrogate pair is no character
        return text
    except (TypeError, UnicodeEncodeError) as error:
        raise InputError(f"example {name} cannot be written as JSON: {error}; mend it") from error


@dataclass(frozen=True)
class Layout:
    """How one trainer takes its data."""

    row: Callable[[Example, Shelf], dict[str, Any]]
    save: Callable[[Rows, Path], None]


LAYOUTS = {
    "ours": Layout(_ours, _save_lines),
    "llama-factory": Layout(_llama_factory, _save_llama_factory),
    "ms-swift": Layout(_ms_swift, _save_lines),
    "trl": Layout(_trl, _save_trl),
    "easyr1": Layout(_easyr1, _save_easyr1),
    "llava": Layout(_llava, _save_lines),
    "rl": Layout(_rl, _save_lines),
    "hf": Layout(_hf, _save_hf),
    "dpo": Layout(_dpo, _save_lines),
    "vrc": Layout(_vrc, _save_lines),
    "tsv": Layout(_tsv, _save_tsv),
}
