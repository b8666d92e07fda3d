"""Encoder: conversations as model inputs, that is token ids and the processor's tensors for pictures and
clips."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from seethink.media import Frames, Image
from seethink.models import chat_template
from seethink.models.control_tokens import ControlTokens
from seethink.models.families import FAMILIES, Family, family_of, in_model_coordinates
from seethink.types import Completion, CoordinateFrame, InputError, Media, Messages, assistant_prefill


@dataclass
class Prompt:
    """A conversation as a model takes it.

    ids: token ids, media placeholders expanded. kinds: 1 for tokens of a picture, 2 of a clip, else 0. media:
    the processor's tensors for all media; empty for text alone. key: identity of ids and media. prefill: text
    of the assistant's turn that `ids` end with, if any. family: the model family that it is encoded for.
    frame: coordinates of boxes in the answer, which refer to the first picture. text, loaded: the input of
    the processor, for engines that have their own: the chat template's text with one placeholder for each
    medium, and the decoded media in order. pad_token_id: fills rows of a batch; never a media token, which
    would want a picture. media_keys: identities of the media, in order."""

    ids: list[int]
    kinds: list[int] = field(default_factory=list)
    media: dict[str, Any] = field(default_factory=dict)
    key: str = ""
    prefill: str = ""
    family: Family = FAMILIES[0]
    frame: CoordinateFrame | None = None
    text: str = ""
    loaded: tuple[Any, ...] = ()
    pad_token_id: int = 0
    media_keys: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self.kinds = self.kinds or [0] * len(self.ids)

    def head(self, length: int) -> Prompt:
        """The first `length` tokens of the prompt, which must hold all of its media tokens."""
        masked = {k: v[:, :length] for k, v in self.media.items() if k == "cross_attention_mask"}
        return replace(self, ids=self.ids[:length], kinds=self.kinds[:length], media={**self.media, **masked})


def count_media_tokens(prompt: Prompt, processor: Any) -> tuple[int, int] | None:
    """(placeholder tokens of the prompt's media, features that the model computes for them); None where the
    processor returns no grid of patches."""
    grids = [prompt.media[name] for name in ("image_grid_thw", "video_grid_thw") if name in prompt.media]
    if not grids:
        return None
    merged = processor.image_processor.merge_size**2
    placeholders = sum(kind > 0 for kind in prompt.kinds)
    return placeholders, sum(int(grid.prod(-1).sum()) for grid in grids) // merged


@dataclass
class _ProcessedMedia:
    """Output of the processor for some media, reused for other texts about them. replacements: the text that
    each picture's and each clip's placeholder expands to. has_kinds: whether the processor returns kinds."""

    media: dict[str, Any]
    replacements: list[list[str]]
    has_kinds: bool


class Encoder:
    """Turns conversations into prompts by the processor's own call.

    decoded, processed: media decoded and calls of the processor since the beginning.
    """

    def __init__(self, processor: Any, config: Any) -> None:
        self.processor = processor
        self.family = family_of(config)
        refuse_unsuitable(processor, config)
        _keep_frame_sizes(processor)
        self.tokenizer = processor.tokenizer
        self.image_token_id: int = config.image_token_id
        self.patch_px: int = getattr(getattr(config, "vision_config", None), "patch_size", 0)
        self.media_token_ids = sorted(_media_token_ids(config))
        self.control_tokens = ControlTokens(processor, self.media_token_ids)
        self.eos_token_id = chat_template.end_of_turn(processor)
        self.clips = chat_template.has_video_placeholder(processor)
        self.decoded, self.processed = 0, 0

    def prompts(self, conversations: Sequence[Messages]) -> list[Prompt]:
        """A prompt for each conversation. A medium that occurs several times is decoded once; the same media
        in the same order are processed once. For a family without video input a clip becomes pictures, each
        preceded by its time.

        Raises InputError where a text contains a control token, such as a picture's placeholder.
        """
        media = {medium.key: medium for messages in conversations for medium in media_of(messages)}
        loaded: dict[str, Any] = {key: self._loaded(medium) for key, medium in media.items()}
        self.decoded += len(loaded)
        if not self.clips:
            conversations = [_frame_by_frame(messages, loaded) for messages in conversations]
        processed: dict[tuple[str, ...], _ProcessedMedia] = {}
        return [self._prompt(messages, loaded, processed) for messages in conversations]

    def response_ids(self, text: str) -> list[int]:
        """Token ids of a whole assistant turn, end-of-turn token included. Raises InputError where the text
        contains a control token."""
        self.control_tokens.refuse([text], "response")
        return [*self.tokenizer(text, add_special_tokens=False).input_ids, self.eos_token_id]

    def unexpanded_ids(self, prompt: Prompt) -> list[int]:
        """Token ids of the prompt with one placeholder for each medium."""
        return self.tokenizer(prompt.text, **self._tokenizer_options(prompt.text)).input_ids

    def whole_row(self, prompt: Prompt, ids: Sequence[int]) -> Prompt | None:
        """A prompt and its response as one prompt, with the kinds of all tokens as the processor tells them;
        None where it tells none by the tokens alone."""
        tell: Any = getattr(self.processor, "create_mm_token_type_ids", None)
        if not takes(tell, [prompt.ids]) or tell([prompt.ids])[0] != prompt.kinds:
            return None
        row = [*prompt.ids, *ids]
        return replace(prompt, ids=row, kinds=tell([row])[0])

    def reply_ids(self, prompt: Prompt, text: str) -> list[int]:
        """Token ids of the response `text` (prefill included) that follow the prompt's prefill, boxes in the
        model's coordinates."""
        return self.response_ids(in_model_coordinates(text, prompt.frame).removeprefix(prompt.prefill))

    def decode(self, ids: Sequence[int]) -> str:
        """Text of token ids, special tokens left out."""
        return self.tokenizer.decode(ids, skip_special_tokens=True)

    def completion(
        self,
        prompt: Prompt,
        ids: Sequence[int],
        logps: Sequence[float] = (),
        mask: Sequence[Sequence[int]] = (),
    ) -> Completion:
        """A Completion from sampled token ids, their log-probabilities and their sampling mask."""
        ended = bool(ids) and ids[-1] == self.eos_token_id
        text = self.decode(ids[:-1] if ended else ids)
        stop = "stop" if ended else "length"
        return Completion(text, stop, len(ids), tuple(ids), tuple(logps), tuple(mask), prompt.frame)

    def _loaded(self, medium: Media) -> Any:
        """The decoded medium. A clip of fewer frames than the model joins to one patch, of one frame above
        all, repeats its last, as processors do with an odd frame; some refuse such a clip instead."""
        loaded: Any = medium.load()
        least = getattr(getattr(self.processor, "video_processor", None), "temporal_patch_size", None) or 1
        if not (self.clips and isinstance(loaded, Frames) and len(loaded.pictures) < least):
            return loaded
        pictures, times_s = (
            (*given, *given[-1:] * (least - len(given))) for given in (loaded.pictures, loaded.times_s)
        )
        return replace(loaded, pictures=pictures, times_s=times_s)

    def fragment(self, messages: Messages, text: str) -> Prompt:
        """A part of a conversation, rendered already as `text`, with the media of `messages`; its ids begin
        with the tokenizer's first special token, if it has one. Raises InputError as `prompts` does."""
        self.control_tokens.refuse(texts_of(messages))
        media = media_of(messages)
        own = tuple(self._loaded(medium) for medium in media)
        self.decoded += len(own)
        ids, kinds, tensors = self._process(text, own, tuple(medium.key for medium in media), {})
        key = f"{text}\n{[medium.key for medium in media]}"
        return Prompt(
            ids,
            kinds if tensors else [],
            tensors,
            key,
            family=self.family,
            loaded=own,
            pad_token_id=self.eos_token_id,
            media_keys=tuple(medium.key for medium in media),
        )

    def _prompt(
        self,
        messages: Messages,
        loaded: Mapping[str, Any],
        processed: dict[tuple[str, ...], _ProcessedMedia],
    ) -> Prompt:
        self.control_tokens.refuse(texts_of(messages))
        prefill = assistant_prefill(messages)
        text = chat_template.render(self.processor, messages[:-1] if prefill else messages) + prefill
        keys = tuple(medium.key for medium in media_of(messages))
        own = tuple(loaded[key] for key in keys)
        if keys in processed:
            ids, kinds, media = self._reuse(text, processed[keys])
        else:
            ids, kinds, media = self._process(text, own, keys, processed)
        key, frame = f"{text}\n{list(keys)}", self._frame(own, media)
        kinds, pad_id = kinds if media else [], self.eos_token_id
        return Prompt(ids, kinds, media, key, prefill, self.family, frame, text, own, pad_id, keys)

    def _tokenizer_options(self, text: str) -> dict[str, Any]:
        """Where the chat template wrote the first special token, the tokenizer must not add it again."""
        bos = self.tokenizer.bos_token
        return {"add_special_tokens": False} if bos and text.startswith(bos) else {}

    def _frame(self, loaded: Sequence[Any], media: Mapping[str, Any]) -> CoordinateFrame | None:
        """Coordinates of the first picture; None without one."""
        size = next((picture.size for picture in loaded if not isinstance(picture, Frames)), None)
        if size is None:
            return None
        if self.family.boxes == "resized":
            _, rows, columns = media["image_grid_thw"][0].tolist()
            return CoordinateFrame("resized", size, (columns * self.patch_px, rows * self.patch_px))
        units = {"thousandths": (1000, 1000), "unit": (1, 1), "original": size}
        return CoordinateFrame(self.family.boxes, size, units[self.family.boxes])

    def _process(
        self,
        text: str,
        media: Sequence[Any],
        keys: tuple[str, ...],
        processed: dict[tuple[str, ...], _ProcessedMedia],
    ) -> tuple[list[int], list[int], dict[str, Any]]:
        """(ids, kinds, media tensors) by the processor's own call."""
        clips = [medium for medium in media if isinstance(medium, Frames)]
        pictures = [medium for medium in media if not isinstance(medium, Frames)]
        for kind, given in (("image", pictures), ("video", clips)):
            placeholder = getattr(self.processor, f"{kind}_token", None)
            if placeholder and (placed := text.count(placeholder)) != len(given):
                raise InputError(f"the chat template placed {placed} of {len(given)} media of kind {kind}")
        options = self._tokenizer_options(text) | ({"images": pictures} if pictures else {})
        if clips:
            options["videos"] = [list(clip.pictures) for clip in clips]
            options |= {"do_sample_frames": False, "video_metadata": [_metadata(clip) for clip in clips]}
        if media and self.family.shared and not self.family.cross:
            options["return_text_replacement_offsets"] = True
        self.processed += 1
        try:
            out = dict(self.processor(text=[text], return_tensors="pt", **options))
        except (ValueError, TypeError, KeyError, IndexError) as error:
            name, why = type(self.processor).__name__, str(error).strip()[:300]
            raise InputError(f"{name} refuses the question ({why}): {text[-200:]!r}") from error
        out.pop("labels", None)  # PaliGemma's, of the prompt alone
        ids = out.pop("input_ids")[0].tolist()
        out.pop("attention_mask", None)
        found = [out.pop(name, None) for name in ("mm_token_type_ids", "token_type_ids")]
        kinds = next((k[0].tolist() for k in found if k is not None), [])
        if (offsets := out.pop("text_replacement_offsets", None)) is not None:
            replacements = [
                [p["replacement"] for p in offsets[0] if p["type"] == kind] for kind in ("image", "video")
            ]
            processed[keys] = _ProcessedMedia(out, replacements, bool(kinds))
        return ids, kinds, out

    def _reuse(self, text: str, known: _ProcessedMedia) -> tuple[list[int], list[int], dict[str, Any]]:
        """As `_process`, for another text about media that were processed already."""
        (expanded,), _ = self.processor.get_text_with_replacements([text], *known.replacements)
        ids = self.tokenizer(expanded, **self._tokenizer_options(text)).input_ids
        kinds = self.processor.create_mm_token_type_ids([ids])[0] if known.has_kinds else []
        return ids, kinds, known.media


def refuse_unsuitable(processor: Any, config: Any) -> None:
    """Raise InputError for a model that does not take conversations with pictures as rows of tokens."""
    lacks = {
        "it writes with a decoder of its own, apart from the prompt": getattr(
            config, "is_encoder_decoder", False
        ),
        "its processor has no tokenizer": not hasattr(processor, "tokenizer"),
        "its config names no token that stands for a picture": getattr(config, "image_token_id", None)
        is None,
        "its processor has no chat template; save one with it": not getattr(processor, "chat_template", None),
    }
    for lack, true in lacks.items():
        if true:
            raise InputError(f"{config.model_type} cannot be used here: {lack}")


def _keep_frame_sizes(processor: Any) -> None:
    """Some processors of clips may cap the pixels of a frame. Here `max_px` does so; a later version, whose
    default they announce with a warning, must not change what a checkpoint was trained on."""
    clips: Any = getattr(processor, "video_processor", None)
    if getattr(clips, "cap_pixels_per_frame", False) is None:
        clips.cap_pixels_per_frame = False


def takes(function: Any, *given: object) -> bool:
    """Whether there is a function and it can be called with these arguments."""
    if function is None:
        return False
    try:
        inspect.signature(function).bind(*given)
    except TypeError:
        return False
    return True


def texts_of(messages: Messages) -> list[str]:
    """The texts of a conversation, in order."""
    return [part["text"] for m in messages for part in m["content"] if part["type"] == "text"]


def media_of(messages: Messages) -> list[Media]:
    """The media of a conversation, in order."""
    return [part[part["type"]] for m in messages for part in m["content"] if part["type"] != "text"]


def _frame_by_frame(messages: Messages, loaded: dict[str, Any]) -> Messages:
    """The messages with clips as pictures and times; the pictures are added to `loaded`."""

    def expand(part: Mapping[str, Any]) -> list[dict[str, Any]]:
        if part["type"] != "video":
            return [dict(part)]
        frames, parts = loaded[part["video"].key], []
        for i, (picture, time_s) in enumerate(zip(frames.pictures, frames.times_s, strict=True)):
            image = Image.drawn(f"{part['video'].key}/{i}", lambda p=picture: p)
            loaded[image.key] = picture
            parts += [{"type": "text", "text": f"{time_s:.1f} s: "}, {"type": "image", "image": image}]
        return parts

    return [{**m, "content": [new for part in m["content"] for new in expand(part)]} for m in messages]


def _metadata(frames: Frames) -> dict[str, Any]:
    """Video metadata for processors. They count in source frames, here of one millisecond, so that every
    chosen frame keeps its time, of those of the part used, so that the rate of the chosen is theirs."""
    part_s = frames.length_s if frames.part_s is None else frames.part_s
    return {
        "total_num_frames": max(1, round(1000 * part_s)),
        "fps": 1000,
        "duration": frames.length_s,
        "frames_indices": [round(1000 * time_s) for time_s in frames.times_s],
    }


def _media_token_ids(config: Any) -> set[int]:
    """Tokens that a response must not contain: media placeholders, and the markers around them."""
    media = re.compile(r"(image|video|audio|vision|visual|bo[aiv]|eo[aiv])\w*_token_(id|ids|index)$")
    named = {"image_token_id": config.image_token_id, **vars(config)}  # some spell it image_token_index
    found = [value for name, value in named.items() if media.match(name) and value is not None]
    return {token for value in found for token in (value if isinstance(value, list | tuple) else [value])}
