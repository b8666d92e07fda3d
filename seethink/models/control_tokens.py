"""Control tokens of a model, such as the end of a turn or a picture's placeholder: a text of the data must
not hold one."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from seethink.types import InputError


class ControlTokens:
    """The tokens that the tokenizer marks as special, and the placeholders and markers of media.

    Other added tokens, such as a format's `<think>`, are ordinary text. Which of them a text would produce is
    asked of the tokenizer itself, where the text looks as if it held one."""

    def __init__(self, processor: Any, media_token_ids: Iterable[int]) -> None:
        self._tokenizer = tokenizer = processor.tokenizer
        added = tokenizer.added_tokens_decoder
        special = {i for i, token in added.items() if token.special} | {*tokenizer.all_special_ids}
        ids = sorted(special | {*media_token_ids})
        named = zip(ids, tokenizer.convert_ids_to_tokens(ids), strict=True)
        self._by_id = {i: str(token) for i, token in named if token}  # a config may name more than there are
        self._unknown = tokenizer.unk_token_id
        placeholders = (getattr(processor, f"{kind}_token", None) for kind in ("image", "video"))
        self._placeholders = {token for token in placeholders if isinstance(token, str)}
        written = sorted(self._placeholders | {*self._by_id.values()}, key=len, reverse=True)
        self._written = re.compile("|".join(map(re.escape, written)))
        self._normalised = any(added[i].normalized for i in ids if i in added)

    def first_in(self, text: str) -> str | None:
        """The first control token that `text` would become; None if it would become none."""
        match = self._written.search(text)
        if match and match[0] in self._placeholders:
            return match[0]
        if not match and not self._normalised:
            return None
        produced = self._tokenizer(text, add_special_tokens=False).input_ids
        found = (i for i in produced if i in self._by_id)
        # a character without a token becomes the unknown token, which nobody wrote
        return next((self._by_id[i] for i in found if i != self._unknown or self._by_id[i] in text), None)

    def refuse(self, texts: Iterable[str], what: str = "text") -> None:
        """Raise InputError for the first of `texts` that holds a control token. what: the word
        for them in messages."""
        for text in texts:
            if token := self.first_in(text):
                at = max(0, text.find(token) - 80)
                problem = f"the {what} contains {token!r}, a control token of the model"
                raise InputError(f"{problem}; reword it: {text[at : at + 200]!r}")
