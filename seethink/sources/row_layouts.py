"""Rows as each trainer reads them, one function per layout.

`records.read` reads every layout back without loss: data for which a trainer has no column goes into columns
of ours (`id choices steps meta`), which that trainer ignores. What would change its meaning without a column,
such as the turns before a question, is refused.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from typing import Any

from seethink.formats import ANSWER_ONLY
from seethink.media import Image, Video
from seethink.sources.benchmark_rows import LETTERS, options_block
from seethink.sources.marks import CORNERS
from seethink.sources.media_store import MediaStore
from seethink.sources.row_parts import (
    Columns,
    all_learned,
    answered_messages,
    as_json,
    embedded_of,
    extra_columns,
    marked,
    messages_of,
    paired,
    paths_of,
    pictures_of,
    question_of,
    target_of,
    without_history,
)
from seethink.types import MEDIA_MARK, Example, InputError, Media, Turn
from seethink.verify.listed_options import letter_gold
from seethink.verify.options import LETTER_GOLD

# Ours -----------------------------------------------------------------------------------------------------


def ours(example: Example, store: MediaStore) -> Columns:
    clips = [_clip(medium, store) for medium in example.media if medium.kind == "video"]
    return {
        "id": example.id,
        "images": [store.path(medium) for medium in example.media if medium.kind == "image"],
        "videos": clips,
        "history": messages_of(example.history, weight="weight"),
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


def csv_row(example: Example, store: MediaStore) -> Columns:
    """Our columns as cells; lists as JSON."""
    row = {**ours(without_history(example), store), "history": None}
    return {name: cell(value, example.id) for name, value in row.items() if value not in (None, [], {})}


def cell(value: Any, name: str) -> str:
    """A value as a cell of a table."""
    return value if isinstance(value, str) else as_json(value, name)


# Conversations --------------------------------------------------------------------------------------------


def llama_factory(example: Example, store: MediaStore) -> Columns:
    return {"messages": answered_messages(example, ""), **paths_of(example, store), **extra_columns(example)}


def ms_swift(example: Example, store: MediaStore) -> Columns:
    """SFT uses the assistant's turns, RL the solution."""
    messages = answered_messages(example, "loss")
    return {"messages": messages, **paths_of(example, store), "solution": example.answer} | extra_columns(
        example
    )


def ms_swift_objects(example: Example, store: MediaStore) -> Columns:
    """Boxes in the turns, written as `[x1, y1, x2, y2]` in pixels, become `<bbox>` and `objects`, which
    ms-swift puts into the units of the model."""
    row = llama_factory(example, store)
    boxes: list[list[float]] = []

    def marked_box(match: re.Match[str]) -> str:
        box = [float(number) if "." in number else int(number) for number in match[0][1:-1].split(", ")]
        if json.dumps(box) != match[0]:  # such as 1.50, which would be read back as 1.5
            return match[0]
        boxes.append(box)
        return "<bbox>"

    for message in row["messages"]:
        message["content"] = CORNERS.sub(marked_box, message["content"])
    return {**row, "objects": {"ref": [], "bbox": boxes}} if boxes else row


def query(example: Example, store: MediaStore) -> Columns:
    """ms-swift's older layout: pairs of turns in `history`."""
    question, history = paired(example)
    return {
        "query": question,
        "response": target_of(example),
        **history,
        **paths_of(example, store),
        **extra_columns(example),
    }


def alpaca(example: Example, store: MediaStore) -> Columns:
    question, history = paired(example)
    return {
        "instruction": question,
        "input": "",
        "output": target_of(example),
        **history,
        **paths_of(example, store),
        **extra_columns(example),
    }


def llava(example: Example, store: MediaStore) -> Columns:
    """For SFT: thought and answer in tags if there is a thought, else the answer."""
    return _llava_row(example, store, target_of(example))


def rl(example: Example, store: MediaStore) -> Columns:
    """For RL: the answer only, with VLM-R1's reward method if the row has one."""
    method = example.meta.get("accu_reward_method")
    return {**_llava_row(example, store, str(example.answer)), "accu_reward_method": method}


def _llava_row(example: Example, store: MediaStore, target: str) -> Columns:
    names = {"system": "system", "user": "human", "assistant": "gpt"}
    turns = [*all_learned(marked(example), example.label), Turn("assistant", target)]
    media = {
        kind.removesuffix("s"): paths[0] if len(paths) == 1 else paths
        for kind, paths in paths_of(example, store).items()
    }
    conversations = [{"from": names[turn.role], "value": turn.text} for turn in turns]
    return {**media, "conversations": conversations, **extra_columns(example)}


def openai(example: Example, store: MediaStore) -> Columns:
    """Pictures stand in their turns, as data URLs."""
    pictures = iter(pictures_of(example))
    messages = answered_messages(example, "weight")
    for message in messages:
        texts = MEDIA_MARK.split(message["content"])[::2]
        if len(texts) > 1:
            parts: list[dict[str, Any]] = [{"type": "text", "text": texts[0]}]
            for text in texts[1:]:
                url = {"type": "image_url", "image_url": {"url": _data_url(next(pictures))}}
                parts += [url, {"type": "text", "text": text}]
            message["content"] = [part for part in parts if part.get("text") != ""]
    return {"messages": messages, **extra_columns(example)}


def _data_url(picture: Image) -> str:
    data, form = picture.encoded()
    return f"data:image/{form.lower()};base64,{base64.b64encode(data).decode()}"


# TRL, EasyR1, open-r1 -------------------------------------------------------------------------------------


def trl(example: Example, store: MediaStore) -> Columns:
    """For GRPO."""
    return {"prompt": _prompt(example), **_held(example, store), "solution": example.answer}


def trl_sft(example: Example, store: MediaStore) -> Columns:
    """For SFT; TRL learns the completion alone."""
    return {"prompt": _prompt(example), "completion": [_reply(target_of(example))], **_held(example, store)}


def trl_messages(example: Example, store: MediaStore) -> Columns:
    """For SFT on whole conversations."""
    return {"messages": [*_prompt(example), _reply(target_of(example))], **_held(example, store)}


def trl_dpo(example: Example, store: MediaStore) -> Columns:
    """The two responses in meta `pref`."""
    pref, rest = _pref(example)
    chosen, rejected = ([_reply(pref[name])] for name in ("chosen", "rejected"))
    return {
        "prompt": _prompt(example),
        "chosen": chosen,
        "rejected": rejected,
        "answer": example.answer,
        "images": embedded_of(example, store),
        "id": example.id,
        "meta": as_json(rest, example.id) if rest else None,
    }


def _prompt(example: Example) -> list[dict[str, Any]]:
    """Messages of parts, which TRL fills with the pictures of the column `images`."""
    pictures_of(example)
    return [
        {"role": turn.role, "content": _parts(turn.text)}
        for turn in all_learned(marked(example), example.label)
    ]


def _reply(text: str) -> dict[str, Any]:
    return {"role": "assistant", "content": [{"type": "text", "text": text}]}


def _parts(text: str) -> list[dict[str, Any]]:
    texts = MEDIA_MARK.split(text)[::2]
    parts: list[dict[str, Any]] = [{"type": "text", "text": texts[0]}]
    for after in texts[1:]:
        parts += [{"type": "image", "text": None}, {"type": "text", "text": after}]
    return [part for part in parts if part["text"] != ""]


def easyr1(example: Example, store: MediaStore) -> Columns:
    return {"problem": question_of(example), **_held(example, store), "answer": example.answer}


def hf(example: Example, store: MediaStore) -> Columns:
    """Solutions as in R1-V: the answer in tags, after the thought if there is one."""
    solution = target_of(example) if example.steps else ANSWER_ONLY.write("", str(example.answer))
    return {"problem": question_of(example), "solution": solution, **_held(example, store)}


def _held(example: Example, store: MediaStore) -> Columns:
    return {"images": embedded_of(example, store), **extra_columns(example)}


# Pairs, benchmarks ----------------------------------------------------------------------------------------


def dpo(example: Example, store: MediaStore) -> Columns:
    """The two responses in meta `pref`."""
    pref, rest = _pref(example)
    turns = marked(example)
    return {
        "id": example.id,
        "prompt": turns[0].text if len(turns) == 1 else messages_of(all_learned(turns, example.label)),
        "chosen": pref["chosen"],
        "rejected": pref["rejected"],
        "answer": example.answer,
        **paths_of(example, store),
        "meta": rest,
    }


def ms_swift_dpo(example: Example, store: MediaStore) -> Columns:
    """The two responses in meta `pref`; the better one ends the messages."""
    pref, rest = _pref(example)
    return {
        "id": example.id,
        "messages": messages_of([*marked(example), Turn("assistant", pref["chosen"])], "loss"),
        "rejected_response": pref["rejected"],
        "answer": example.answer,
        **paths_of(example, store),
        "meta": rest,
    }


def _pref(example: Example) -> tuple[Mapping[str, Any], dict[str, Any]]:
    """(meta `pref`, the rest of meta, with what `pref` has beside the responses)."""
    pref = example.meta.get("pref")
    if not isinstance(pref, Mapping) or not {"chosen", "rejected"} <= pref.keys():
        raise InputError(f"{example.label} has no pair of responses (meta pref); leave it out")
    rest = {name: value for name, value in example.meta.items() if name != "pref"}
    details = {name: value for name, value in pref.items() if name not in ("chosen", "rejected")}
    return pref, rest | ({"pref": details} if details else {})


def vrc(example: Example, store: MediaStore) -> Columns:
    extra = extra_columns(example)
    return {
        "idx": extra.pop("id"),
        "question": question_of(example),
        "steps": extra.pop("steps"),
        "final_answer": example.answer,
        **paths_of(example, store),
        **extra,
    }


def tsv(example: Example, store: MediaStore) -> Columns:
    """Pictures as base64, several as a list, as in VLMEvalKit; options that end the question and some texts
    of meta are columns of their own."""
    images = [base64.b64encode(picture.encoded()[0]).decode() for picture in pictures_of(example)]
    question, choices = question_of(example), list(example.choices)
    if letter_gold(choices) and not example.meta.get(LETTER_GOLD):
        raise InputError(
            f"{example.label} has choices that are letters, and this dialect takes the answer for the letter "
            f"of a place; set {LETTER_GOLD} in meta if it is one, or write another dialect"
        )
    columns: dict[str, str] = {}
    block = f"\n{options_block(choices)}"
    if 0 < len(choices) <= len(LETTERS) and question.endswith(block):
        columns = dict(zip(LETTERS, choices, strict=False))
        question, choices = question.removesuffix(block), []
    meta = dict(example.meta)
    bench = {name: meta.pop(name) for name in BENCH_COLUMNS if isinstance(meta.get(name), str)}
    more = {"choices": choices, "steps": list(example.steps), "meta": meta}
    return {
        "index": example.id,
        "image": images[0] if len(images) == 1 else as_json(images, example.id) if images else "",
        "question": question,
        **columns,
        "answer": example.answer,
        **bench,
        **{name: as_json(value, example.id) for name, value in more.items() if value},
    }


BENCH_COLUMNS = ("level", "category", "l2-category", "split")


def llava_questions(example: Example, store: MediaStore) -> Columns:
    """Questions alone, for an evaluation: answers and steps are left out."""
    media = [store.path(picture) for picture in pictures_of(example)]
    extra = extra_columns(example)
    return {
        "question_id": extra["id"],
        "image": media[0] if len(media) == 1 else media,
        "text": question_of(example),
        "choices": extra["choices"],
        "meta": extra["meta"],
    }
