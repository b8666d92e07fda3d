"""The limit on the length of prompts: a longer one is an error, or is left out and counted; never
truncated."""

from __future__ import annotations

from collections.abc import Sequence

from seethink.models.encoder import Prompt
from seethink.train.configs import TrainingConfig
from seethink.types import InputError


def within_prompt_length(
    prompts: Sequence[Prompt], names: Sequence[str], config: TrainingConfig
) -> list[bool]:
    """Which prompts have at most `max_prompt_length` tokens, media included.

    Raises InputError for the first that is longer, unless `filter_overlong_prompts` leaves it out.
    """
    limit = config.max_prompt_length
    short = [limit is None or len(prompt.ids) <= limit for prompt in prompts]
    if not all(short) and not config.filter_overlong_prompts:
        at = short.index(False)
        raise InputError(
            f"the prompt of {names[at]} has {len(prompts[at].ids):,} tokens, more than max_prompt_length="
            f"{limit}; raise it, make its media smaller, or say filter_overlong_prompts=true"
        )
    return short
