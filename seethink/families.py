"""What differs between model families: how a conversation becomes ids and media tensors, and what attention
sees.

A family is one `Family` entry in `FAMILIES`, found by the `model_type` of a checkpoint's config.
Everything here works on what processors and models hand out; no torch is imported.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from seethink import chat
from seethink.boxes import Box, Point, scale_written
from seethink.media import Frames, Image
from seethink.types import Completion, Frame, FrameKind, InputError, Media, Messages, begun_answer

LLAVA_PARTS = {
    "vision": ("model.vision_tower.",),
    "projector": ("model.multi_modal_projector.", "model.image_newline"),
    "language": ("model.language_model.", "lm_head."),
}


@dataclass(frozen=True)
class Family:
    """How one model family takes pictures. The defaults describe LLaVA and most that came after it.

    parts: for each part that is frozen or scheduled separately, how its parameters' names begin; the longest
    beginning wins. mrope: positions are (time, height, width) triples that the model computes with
    `get_rope_index`. media_axis: along which axis the media of several prompts are put together. blocks: the
    tokens of one picture also see each other backwards. cross: pictures are seen by cross-attention, through
    a mask with a row for each token. segments: the vision tower takes all pictures as one row of patches
    (see `engines/segments.py`). shared: branches can share a row (`train/shared_prefix.py`); others take full
    rows, which is equal and slower. boxes: what it counts in when it names a place, as its makers say
    (docs/formats.md has the sources); pixels of the picture as it was given where they say nothing.
    """

    name: str
    model_types: tuple[str, ...]
    parts: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: LLAVA_PARTS)
    mrope: bool = False
    media_axis: int = 0
    blocks: bool = False
    cross: bool = False
    segments: bool = False
    shared: bool = True
    boxes: FrameKind = "original"

    def alike(self, media: Mapping[str, Any]) -> tuple[Any, ...]:
        """Prompts for which this is equal may stand in one batch.

        One kind of media a batch: GLM-4V's pictures and clips have the same placeholder. With cross-attention
        also one number of pictures: its rows are not indifferent to padding pictures.
        """
        pictures = media["pixel_values"].shape[1] if self.cross and media else None
        return (*sorted(media), pictures)

    def part_of(self, parameter: str) -> str | None:
        """Which part a parameter belongs to; None for one that no part names."""
        begun = [(len(p), part) for part, ps in self.parts.items() for p in ps if parameter.startswith(p)]
        return max(begun)[1] if begun else None


_QWEN_PARTS = {
    "vision": ("model.visual.",),
    "projector": ("model.visual.merger.", "model.visual.deepstack_merger_list."),
    "language": ("model.language_model.", "lm_head."),
}
_IDEFICS_PARTS = {
    "vision": ("model.vision_model.",),
    "projector": ("model.connector.",),
    "language": ("model.text_model.", "lm_head."),
}
_MLLAMA_PARTS = {**LLAVA_PARTS, "vision": ("model.vision_model.",)}

FAMILIES = (
    Family("qwen2-vl", ("qwen2_vl",), _QWEN_PARTS, mrope=True, segments=True, boxes="thousandths"),
    Family("qwen2.5-vl", ("qwen2_5_vl",), _QWEN_PARTS, mrope=True, segments=True, boxes="resized"),
    Family("qwen3-vl", ("qwen3_vl", "qwen3_vl_moe"), _QWEN_PARTS, mrope=True, boxes="thousandths"),
    Family("glm-4v", ("glm4v",), _QWEN_PARTS, mrope=True, boxes="thousandths"),
    Family("llava", ("llava", "llava_next", "llava_onevision"), boxes="unit"),
    Family("internvl", ("internvl",), boxes="thousandths"),
    Family("mistral3", ("mistral3",)),
    Family("aria", ("aria",)),
    Family("idefics", ("idefics3", "smolvlm"), _IDEFICS_PARTS, media_axis=1),
    Family("gemma3", ("gemma3",), blocks=True),
    Family("mllama", ("mllama",), _MLLAMA_PARTS, cross=True),
)


def family_of(config: Any) -> Family:
    """The entry of a model's type; for a type without one, a family that takes the unshared path."""
    for family in FAMILIES:
        if config.model_type in family.model_types:
            return family
    return Family(config.model_type, (config.model_type,), shared=False)


_PLACES: Mapping[FrameKind, int] = {"unit": 3}
"""Decimals of a written corner; whole numbers where nothing is said."""


def to_pixels(boxes: Sequence[Box], frame: Frame) -> tuple[Box, ...]:
    """Boxes that a model named, in pixels of the original picture."""
    x, y = _pixels_of(frame)
    return tuple(box.scaled(x, y) for box in boxes)


def points_to_pixels(points: Sequence[Point], frame: Frame) -> tuple[Point, ...]:
    """The same for points."""
    x, y = _pixels_of(frame)
    return tuple((px * x, py * y) for px, py in points)


def _pixels_of(frame: Frame) -> tuple[float, float]:
    """How many pixels of the original picture one unit of the model is, across and down."""
    x, y = (pixels / units for pixels, units in zip(frame.size, frame.units, strict=True))
    return x, y


def as_named(text: str, frame: Frame | None) -> str:
    """A text whose boxes and points are in pixels of the original picture, as a model is to say it."""
    if frame is None or frame.kind == "original":
        return text
    x, y = (units / pixels for pixels, units in zip(frame.size, frame.units, strict=True))
    return scale_written(text, x, y, _PLACES.get(frame.kind, 0))


@dataclass
class Prompt:
    """A conversation as the model takes it.

    ids: token ids with every media placeholder expanded. kinds: 1 where an id stands for a picture, 2 for a
    clip, else 0. media: the processor's tensors for all media of the prompt; empty for text. key: identity of
    ids and media. begun: text of the begun answer that `ids` end with, if any. family: whose prompt it is.
    frame: of the boxes in its answer, which are those of its first picture. text, loaded: the same before the
    processor, for engines that have their own: what the chat template wrote, placeholders not yet expanded,
    and the loaded pictures and clips in their order.
    """

    ids: list[int]
    kinds: list[int] = field(default_factory=list)
    media: dict[str, Any] = field(default_factory=dict)
    key: str = ""
    begun: str = ""
    family: Family = FAMILIES[0]
    frame: Frame | None = None
    text: str = ""
    loaded: tuple[Any, ...] = ()

    def __post_init__(self) -> None:
        self.kinds = self.kinds or [0] * len(self.ids)

    def head(self, length: int) -> Prompt:
        """The prompt's first `length` tokens, all media among them."""
        masked = {k: v[:, :length] for k, v in self.media.items() if k == "cross_attention_mask"}
        return replace(self, ids=self.ids[:length], kinds=self.kinds[:length], media={**self.media, **masked})


def features(prompt: Prompt, processor: Any) -> tuple[int, int] | None:
    """How many tokens stand for the prompt's media, and how many features the model makes of them; None where
    the processor does not tell the grid of patches."""
    grids = [prompt.media[name] for name in ("image_grid_thw", "video_grid_thw") if name in prompt.media]
    if not grids:
        return None
    merged = processor.image_processor.merge_size**2
    standing = sum(kind > 0 for kind in prompt.kinds)
    return standing, sum(int(grid.prod(-1).sum()) for grid in grids) // merged


@dataclass
class _Seen:
    """Media of a prompt as they were processed: tensors, what stands in the text for each picture and for
    each clip, and whether the processor tells the kinds of tokens."""

    media: dict[str, Any]
    replacements: list[list[str]]
    marked: bool


class Encoder:
    """Turns conversations into prompts by the processor's own call; a medium that occurs several times in
    one call of `prompts` is loaded once."""

    def __init__(self, processor: Any, config: Any) -> None:
        self.processor = processor
        self.tokenizer = processor.tokenizer
        self.family = family_of(config)
        self.image_token_id: int = config.image_token_id
        self.patch_px: int = getattr(getattr(config, "vision_config", None), "patch_size", 0)
        self.media_token_ids = sorted(_media_token_ids(config))
        self.eos_token_id = chat.end_of_turn(processor)
        self.clips = chat.places_clips(processor)
        self.decoded, self.processed = 0, 0  # media loaded, and calls of the processor, since the beginning

    def prompts(self, conversations: Sequence[Messages]) -> list[Prompt]:
        """Media that occur several times are loaded once, and processed once where they stand together. To a
        family without clips of its own a clip is pictures, each with its time before it.

        Raises InputError where a conversation's text itself contains a control token, such as a picture's
        placeholder.
        """
        media = {medium.key: medium for messages in conversations for medium in _media(messages)}
        loaded: dict[str, Any] = {key: medium.load() for key, medium in media.items()}
        self.decoded += len(loaded)
        if not self.clips:
            conversations = [_frame_by_frame(messages, loaded) for messages in conversations]
        seen: dict[tuple[str, ...], _Seen] = {}
        return [self._prompt(messages, loaded, seen) for messages in conversations]

    def response_ids(self, text: str) -> list[int]:
        """Ids of a whole assistant turn, end-of-turn token included."""
        return [*self.tokenizer(text, add_special_tokens=False).input_ids, self.eos_token_id]

    def asked_ids(self, prompt: Prompt) -> list[int]:
        """Ids of the prompt's text as it stands, one placeholder for each medium."""
        return self.tokenizer(prompt.text, **self._told(prompt.text)).input_ids

    def reply_ids(self, prompt: Prompt, text: str) -> list[int]:
        """What is left to say of `text` after what the prompt has begun, boxes as the model names them."""
        return self.response_ids(as_named(text, prompt.frame).removeprefix(prompt.begun))

    def decode(self, ids: Sequence[int]) -> str:
        return self.tokenizer.decode(ids, skip_special_tokens=True)

    def completion(self, prompt: Prompt, ids: Sequence[int], logps: Sequence[float] = ()) -> Completion:
        """Tokens sampled after a prompt as an engine hands them out."""
        ended = bool(ids) and ids[-1] == self.eos_token_id
        text = self.decode(ids[:-1] if ended else ids)
        return Completion(
            text, "stop" if ended else "length", len(ids), tuple(ids), tuple(logps), prompt.frame
        )

    def _refuse_control(self, messages: Messages) -> None:
        """A turn's end inside a question would end the turn there, a placeholder would be a picture."""
        parts = [part for message in messages for part in message["content"] if part["type"] == "text"]
        for text in (part["text"] for part in parts):
            for token in self.tokenizer.all_special_tokens:
                if token in text:
                    told = f"{token!r}, a control token of the model; reword it: {text[:200]!r}"
                    raise InputError(f"the text contains {told}")

    def _prompt(
        self, messages: Messages, loaded: Mapping[str, Any], seen: dict[tuple[str, ...], _Seen]
    ) -> Prompt:
        self._refuse_control(messages)
        begun = begun_answer(messages)
        asked = chat.written(self.processor, messages[:-1] if begun else messages)
        keys, text = tuple(medium.key for medium in _media(messages)), asked + begun
        told, shown = self._told(text), tuple(loaded[key] for key in keys)
        if keys in seen:
            ids, kinds, media = self._again(text, told, seen[keys])
        else:
            ids, kinds, media = self._process(text, told, shown, keys, seen)
        key, frame = f"{text}\n{list(keys)}", self._frame(shown, media)
        return Prompt(ids, kinds if media else [], media, key, begun, self.family, frame, text, shown)

    def _told(self, text: str) -> dict[str, Any]:
        """How to tokenise `text`: where the chat template wrote the first token, it is not added again."""
        bos = self.tokenizer.bos_token
        return {"add_special_tokens": False} if bos and text.startswith(bos) else {}

    def _frame(self, loaded: Sequence[Any], media: Mapping[str, Any]) -> Frame | None:
        """That of the first picture; None without one."""
        size = next((picture.size for picture in loaded if not isinstance(picture, Frames)), None)
        if size is None:
            return None
        if self.family.boxes == "resized":
            _, rows, columns = media["image_grid_thw"][0].tolist()
            return Frame("resized", size, (columns * self.patch_px, rows * self.patch_px))
        units = {"thousandths": (1000, 1000), "unit": (1, 1), "original": size}
        return Frame(self.family.boxes, size, units[self.family.boxes])

    def _process(
        self,
        text: str,
        told: Mapping[str, Any],
        media: Sequence[Any],
        keys: tuple[str, ...],
        seen: dict[tuple[str, ...], _Seen],
    ) -> tuple[list[int], list[int], dict[str, Any]]:
        """(ids, kinds, media tensors) by the processor's own call."""
        clips = [medium for medium in media if isinstance(medium, Frames)]
        pictures = [medium for medium in media if not isinstance(medium, Frames)]
        for kind, given in (("image", pictures), ("video", clips)):
            placeholder = getattr(self.processor, f"{kind}_token", None)
            if placeholder and (placed := text.count(placeholder)) != len(given):
                raise InputError(f"the chat template placed {placed} of {len(given)} media of kind {kind}")
        wanted: dict[str, Any] = {"images": pictures} if pictures else {}
        if clips:
            wanted["videos"] = [list(clip.pictures) for clip in clips]
            wanted |= {"do_sample_frames": False, "video_metadata": [_metadata(clip) for clip in clips]}
        if media and self.family.shared and not self.family.cross:
            wanted["return_text_replacement_offsets"] = True
        self.processed += 1
        out = dict(self.processor(text=[text], return_tensors="pt", **told, **wanted))
        ids = out.pop("input_ids")[0].tolist()
        out.pop("attention_mask", None)
        kinds = [out.pop(name, None) for name in ("mm_token_type_ids", "token_type_ids")]
        marked = next((k[0].tolist() for k in kinds if k is not None), [])
        if (offsets := out.pop("text_replacement_offsets", None)) is not None:
            stands = [
                [p["replacement"] for p in offsets[0] if p["type"] == kind] for kind in ("image", "video")
            ]
            seen[keys] = _Seen(out, stands, bool(marked))
        return ids, marked, out

    def _again(
        self, text: str, told: Mapping[str, Any], seen: _Seen
    ) -> tuple[list[int], list[int], dict[str, Any]]:
        """The same for another text about the same media: only the text is new."""
        (expanded,), _ = self.processor.get_text_with_replacements([text], *seen.replacements)
        ids = self.tokenizer(expanded, **told).input_ids
        kinds = self.processor.create_mm_token_type_ids([ids])[0] if seen.marked else []
        return ids, kinds, seen.media


def _media(messages: Messages) -> list[Media]:
    return [part[part["type"]] for m in messages for part in m["content"] if part["type"] != "text"]


def _frame_by_frame(messages: Messages, loaded: dict[str, Any]) -> Messages:
    """Clips as pictures with their times; the pictures are added to `loaded`."""

    def unfolded(part: Mapping[str, Any]) -> list[dict[str, Any]]:
        if part["type"] != "video":
            return [dict(part)]
        frames, told = loaded[part["video"].key], []
        for i, (picture, time_s) in enumerate(zip(frames.pictures, frames.times_s, strict=True)):
            image = Image.drawn(f"{part['video'].key}/{i}", lambda p=picture: p)
            loaded[image.key] = picture
            told += [{"type": "text", "text": f"{time_s:.1f} s: "}, {"type": "image", "image": image}]
        return told

    return [{**m, "content": [new for part in m["content"] for new in unfolded(part)]} for m in messages]


def _metadata(frames: Frames) -> dict[str, Any]:
    """What processors want to know about a clip whose frames we chose: they count in source frames, here
    of a millisecond each, so that every frame keeps its time."""
    return {
        "total_num_frames": round(1000 * frames.length_s),
        "fps": 1000,
        "duration": frames.length_s,
        "frames_indices": [round(1000 * time_s) for time_s in frames.times_s],
    }


def _media_token_ids(config: Any) -> set[int]:
    """What a response must not hold: placeholders, and the marks around them."""
    names = ("image_token_id", "video_token_id", "vision_start_token_id", "vision_end_token_id")
    more = ("image_start_token_id", "image_end_token_id", "video_start_token_id", "video_end_token_id")
    marks = ("boi_token_id", "eoi_token_id", "boi_token_index", "eoi_token_index", "video_token_index")
    found = (getattr(config, name, None) for name in (*names, *more, *marks))
    return {token for token in found if token is not None}


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
