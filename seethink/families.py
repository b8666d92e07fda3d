"""What differs between model families: how a conversation becomes ids and media tensors, and how positions
run.

A family is one `Family` entry in `FAMILIES`, found by the `model_type` of a checkpoint's config.
Everything here works on what processors and models hand out; no torch is imported.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from seethink.types import InputError, Media, Messages, begun_answer


@dataclass(frozen=True)
class Family:
    """How one model family takes pictures.

    parts: attribute paths of the parts that are frozen or scheduled separately.
    mrope: positions are (time, height, width) triples that the model computes with `get_rope_index`.
    causal: every layer of the language model attends to all that came before, and to nothing else.
    segments: the vision tower takes all pictures as one row of patches (see `engines/segments.py`).
    """

    name: str
    model_types: tuple[str, ...]
    parts: Mapping[str, str]
    mrope: bool
    causal: bool
    segments: bool

    def picture_tokens(self, grid: Sequence[int], processor: Any) -> int:
        """Prompt tokens of one picture whose patches form `grid` = (time, height, width)."""
        time, height, width = (int(side) for side in grid)
        return time * height * width // processor.image_processor.merge_size**2


QWEN_VL = Family(
    name="qwen-vl",
    model_types=("qwen2_vl", "qwen2_5_vl"),
    parts={
        "vision": "model.visual.",
        "projector": "model.visual.merger.",
        "language": "model.language_model.",
    },
    mrope=True,
    causal=True,
    segments=True,
)
FAMILIES = (QWEN_VL,)


def family_of(config: Any) -> Family:
    for family in FAMILIES:
        if config.model_type in family.model_types:
            return family
    known = ", ".join(t for family in FAMILIES for t in family.model_types)
    raise InputError(f"models of type {config.model_type!r} are not supported yet; supported are {known}")


@dataclass
class Prompt:
    """A conversation as the model takes it.

    ids: token ids with every media placeholder expanded. media: the processor's tensors, one a picture
    (`pixel_values` (patches, channels * patch area), `image_grid_thw` (1, 3)); empty for text. key:
    identity of ids and media. begun: text of the begun answer that `ids` end with, if any.
    """

    ids: list[int]
    media: dict[str, list[Any]] = field(default_factory=dict)
    key: str = ""
    begun: str = ""


class Encoder:
    """Turns conversations into prompts; a picture that occurs several times in one call is processed once."""

    def __init__(self, processor: Any, config: Any) -> None:
        self.processor = processor
        self.tokenizer = processor.tokenizer
        self.family = family_of(config)
        self.image_token_id = config.image_token_id
        self.media_token_ids = sorted({config.image_token_id, config.video_token_id, *_vision_marks(config)})
        self.eos_token_id: int = self.tokenizer.eos_token_id

    def prompts(self, conversations: Sequence[Messages]) -> list[Prompt]:
        """Raises InputError where a conversation's text itself contains a control token, such as a picture's
        placeholder."""
        pictures = self._process([m for messages in conversations for m in _media(messages)])
        return [self._prompt(messages, pictures) for messages in conversations]

    def response_ids(self, text: str) -> list[int]:
        """Ids of a whole assistant turn, end-of-turn token included."""
        return [*self.tokenizer(text, add_special_tokens=False).input_ids, self.eos_token_id]

    def decode(self, ids: Sequence[int]) -> str:
        return self.tokenizer.decode(ids, skip_special_tokens=True)

    def _process(self, media: Sequence[Media]) -> dict[str, dict[str, Any]]:
        """Processor tensors of each distinct picture, by key."""
        distinct = list({medium.key: medium for medium in media}.items())
        if not distinct:
            return {}
        out = self.processor.image_processor(
            images=[medium.load() for _, medium in distinct], return_tensors="pt"
        )
        grids, patches, start = out["image_grid_thw"], out["pixel_values"], 0
        processed = {}
        for row, (key, _) in enumerate(distinct):
            n = int(grids[row].prod())
            processed[key] = {
                "pixel_values": patches[start : start + n],
                "image_grid_thw": grids[row : row + 1],
            }
            start += n
        return processed

    def _refuse_control(self, messages: Messages) -> None:
        """A turn's end inside a question would end the turn there, a placeholder would be a picture."""
        parts = [part for message in messages for part in message["content"] if part["type"] == "text"]
        for text in (part["text"] for part in parts):
            for token in self.tokenizer.all_special_tokens:
                if token in text:
                    told = f"{token!r}, a control token of the model; reword it: {text[:200]!r}"
                    raise InputError(f"the text contains {told}")

    def _prompt(self, messages: Messages, pictures: Mapping[str, dict[str, Any]]) -> Prompt:
        self._refuse_control(messages)
        begun = begun_answer(messages)
        text = self.processor.apply_chat_template(
            _bare(messages[:-1] if begun else messages), tokenize=False, add_generation_prompt=True
        )
        media = _media(messages)
        ids, seen = [], 0
        for token in self.tokenizer(text + begun, add_special_tokens=False).input_ids:
            if token != self.image_token_id:
                ids.append(token)
                continue
            grid = pictures[media[seen].key]["image_grid_thw"][0]
            ids += [token] * self.family.picture_tokens(grid, self.processor)
            seen += 1
        if seen != len(media):
            raise InputError(f"the chat template placed {seen} of {len(media)} pictures")
        keys = [medium.key for medium in media]
        names = ("pixel_values", "image_grid_thw") if media else ()
        tensors = {name: [pictures[key][name] for key in keys] for name in names}
        return Prompt(ids, tensors, key=f"{text}{begun}\n{keys}", begun=begun)


def _media(messages: Messages) -> list[Media]:
    return [part[part["type"]] for m in messages for part in m["content"] if part["type"] != "text"]


def _bare(messages: Messages) -> Messages:
    """The messages as chat templates expect them: media by type alone."""
    return [
        {
            **m,
            "content": [part if part["type"] == "text" else {"type": part["type"]} for part in m["content"]],
        }
        for m in messages
    ]


def _vision_marks(config: Any) -> list[int]:
    return [
        t
        for name in ("vision_start_token_id", "vision_end_token_id")
        if (t := getattr(config, name, None)) is not None
    ]


SPROUT = Path(__file__).parent / "sprout"


def resolve(name: str) -> str:
    """What `from_pretrained` takes for a model's name. Raises InputError for a folder that is not there."""
    if name == "sprout":
        if not (SPROUT / "config.json").exists():
            raise InputError(
                "the bundled model is not in this installation; `seethink run sprout` rebuilds it"
            )
        return str(SPROUT)
    folder = Path(name).expanduser()
    if folder.is_dir():
        if not (folder / "config.json").exists():
            raise InputError(f"{name} holds no config.json, so it is not a model folder")
        return str(folder)
    if name.startswith((".", "/", "~")) or name.count("/") != 1:
        raise InputError(
            f"there is no model at {name}; give 'sprout', a folder, or a hub id such as owner/name"
        )
    return name
