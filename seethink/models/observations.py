"""What an environment shows the model between its turns, as tokens that follow a sampled turn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor

from seethink.formats.messages import chat_message
from seethink.models import chat_template, vision_cache
from seethink.models.batching import continued, join_media, positions_after
from seethink.models.encoder import Encoder, Prompt
from seethink.models.packing import Group, Pack
from seethink.types import Completion, InputError, Media, Messages

_SAID = "seethink"


@dataclass(frozen=True)
class Observed:
    """A prompt that goes on after sampled turns.

    first: the prompt of the first turn. ids, kinds, sampled: of the tokens after it, and which of them the
    model sampled; the others are observations. shown: the observations that show media, in order.
    """

    first: Prompt
    ids: tuple[int, ...] = ()
    kinds: tuple[int, ...] = ()
    sampled: tuple[bool, ...] = ()
    shown: tuple[Prompt, ...] = ()
    key: str = ""

    def said(self, completion: Completion) -> Observed:
        """After a completion."""
        n = len(completion.token_ids)
        return replace(
            self,
            ids=(*self.ids, *completion.token_ids),
            kinds=(*self.kinds, *[0] * n),
            sampled=(*self.sampled, *[True] * n),
        )

    def saw(self, observation: Prompt) -> Observed:
        """After an observation."""
        n = len(observation.ids)
        return replace(
            self,
            ids=(*self.ids, *observation.ids),
            kinds=(*self.kinds, *observation.kinds),
            sampled=(*self.sampled, *[False] * n),
            shown=(*self.shown, observation) if observation.media else self.shown,
            key=f"{self.key}\n{observation.key}",
        )

    def prompt(self) -> Prompt:
        """The whole as one prompt."""
        return continued(self.first, self.ids, self.kinds, self.shown, self.key)


def refuse_media(groups: Sequence[Group], media_token_ids: Sequence[int]) -> None:
    """Raise ValueError if a branch has a media token with a loss, for which there would be no picture."""
    media = set(media_token_ids)
    for group in groups:
        if any(not media.isdisjoint(branch.targets) for branch in group.branches):
            raise ValueError(f"a response to {group.name} contains media tokens; engines must suppress them")


def prompt_media(pack: Pack) -> dict[str, Tensor]:
    """The media of a pack's prompts alone, in the order of their tokens."""
    if not any(branch.shown for branch in pack.branches):
        return pack.media
    media = join_media([group.prompt for group in pack.groups])
    return {name: value.to(pack.ids.device) for name, value in media.items()}


def place(model: Any, pack: Pack, positions: Tensor) -> None:
    """Write the position ids of branches that show media into (3, B, L) M-RoPE `positions`."""
    for row, group in enumerate(pack.groups):
        for number, branch in enumerate(group.branches):
            if branch.shown:
                whole = continued(group.prompt, branch.ids, branch.kinds, branch.shown)
                after = positions_after(model, group.prompt, whole)
                positions[:, row, pack.branch[row] == number] = after.to(positions.device)


class ObservationEncoder:
    """Encodes observations for a model. Raises InputError where its family or its chat template does not
    allow turns whose tokens stay as they were sampled."""

    def __init__(self, model: Any, encoder: Encoder) -> None:
        self.model, self.encoder = model, encoder
        family = encoder.family
        if not family.shared or family.cross or family.blocks:
            raise InputError(
                f"{family.name} cannot be trained with an environment: it does not take pictures after an "
                "answer has begun; use a task without one, or another model family"
            )

    def extend(
        self, before: Observed, number: int, completion: Completion, parts: Sequence[str | Media]
    ) -> Observed:
        """What the model reads after `parts` answered its completion. number: of the rollout, so that two
        that said the same go on with different random numbers. Raises InputError for a clip."""
        if any(not isinstance(part, str) and part.kind == "video" for part in parts):
            raise InputError("an environment answers with texts and pictures; choose frames of the clip")
        (seen,) = vision_cache.with_features(self.model, [self._encoded(parts)])
        after = before.said(completion).saw(seen)
        return replace(after, key=f"{after.key}\n{number}: {completion.text}")

    def _encoded(self, parts: Sequence[str | Media]) -> Prompt:
        """The user's message and the beginning of the assistant's next turn. The sampled turn ends with the
        end-of-turn token, which is left out here."""
        encoder, message = self.encoder, chat_message("user", *parts)
        rest = _after_answer(encoder.processor, message)
        begin = encoder.tokenizer.bos_token or ""  # written, so that the tokenizer does not add it
        seen = encoder.fragment([message], begin + rest)
        lead = len(encoder.tokenizer(begin, add_special_tokens=False).input_ids) if begin else 0
        if seen.ids[lead] != encoder.eos_token_id:
            raise InputError(
                "the chat template ends the assistant's turn otherwise than the model does; an environment "
                f"cannot answer it: {rest[:80]!r}"
            )
        return replace(seen, ids=seen.ids[lead + 1 :], kinds=seen.kinds[lead + 1 :])


def _after_answer(processor: Any, message: dict[str, Any]) -> str:
    """The rendered conversation from the end of an assistant's turn on."""
    turns: Messages = [chat_message("user", _SAID), chat_message("assistant", _SAID)]
    answered = processor.apply_chat_template(turns, tokenize=False)
    begin = answered[: answered.rfind(_SAID) + len(_SAID)]
    whole = chat_template.render(processor, [*turns, message])
    if not whole.startswith(begin):
        raise InputError("the chat template rewrites earlier turns; an environment cannot answer this model")
    return whole[len(begin) :]
