"""The content of a row, independent of its dialect, and how lists and conversations are read from columns."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from seethink.sources.cells import evaluated, listed
from seethink.sources.row_reader import Row
from seethink.types import Turn

ROLES = {
    **dict.fromkeys(("system", "developer"), "system"),
    **dict.fromkeys(("user", "human"), "user"),
    **dict.fromkeys(("assistant", "gpt", "bot"), "assistant"),
}
"""Role of a turn as data sets name it -> its role in a chat template."""
PART_KINDS = {
    **dict.fromkeys(("image", "image_url", "input_image"), "image"),
    **dict.fromkeys(("video", "video_url"), "video"),
}
"""Type of a content part -> kind of its medium."""
TEXT_PARTS = ("text", "input_text", "output_text")
"""Types of a content part that is a text; those of OpenAI's Responses API among them."""
_OF_MESSAGES = (
    *({"role", "content"}, {"role", "tool_calls"}, {"from", "value"}),
    *({"user", "assistant"}, {"human", "assistant"}),
)
"""Keys of which a message has all of one set."""
_NAMED = re.compile(r"<(?P<kind>img|image|video)>(?P<name>[^<>\n]+)</(?P=kind)>")
"""A medium named in a text, as in the first data of ms-swift."""
_NAMED_OR_MARKED = re.compile(f"{_NAMED.pattern}|<(?P<mark>image|video)>")
_LEARNED = ("weight", "loss", "loss_weight")
"""Names of a turn's weight in the loss: OpenAI, ms-swift, LLaMA-Factory."""


@dataclass(frozen=True)
class ParsedRow:
    """The content of a row. answer: as in the file, None if there is none. images: set by dialects with a
    picture column of their own. media: (kind, medium) of every mark in reading order, where messages contain
    media themselves; None for one that is in a column."""

    question: Any
    answer: Any
    steps: Any = None
    choices: Any = None
    images: Any = None
    history: tuple[Turn, ...] = ()
    media: tuple[tuple[str, Any], ...] = ()


@dataclass
class Conversation:
    """Turns as they are added, (role, content, learned), and the media of their parts: as in `ParsedRow`."""

    row: Row
    turns: list[tuple[str, Any, bool]] = field(default_factory=list)
    media: list[tuple[str, Any]] = field(default_factory=list)

    def add(self, role: str, content: Any, column: str, learned: bool = True) -> None:
        """Add a turn. content: a text, a number, or a list of parts, each a text or a medium."""
        if isinstance(content, list):
            content = "".join(self._part(part, column) for part in content)
        elif isinstance(content, str):
            content = self._unnamed(content)
        self.turns.append((role, content, learned or role != "assistant"))

    def add_messages(self, column: str, value: Any = None) -> None:
        """Add the messages of a column: `{role, content}`, `{from, value}`, or `{human, assistant}`, which is
        two turns. value: of the column, if it is not the whole column."""
        messages = listed(self.row.values.get(column) if value is None else value)
        messages = [messages] if isinstance(messages, dict) else messages
        if not isinstance(messages, list) or not all(isinstance(message, dict) for message in messages):
            shape = f"{column} must be messages, [{{role: user, content: ...}}, {{role: assistant, ...}}]"
            self.row.refuse(f"{shape}, not {messages!r:.40}")
        if not messages:
            self.row.refuse(f"{column} has no turns; give at least a question")
        for number, message in enumerate(messages, 1):
            self._add_message(message, f"turn {number} of {column}")

    def _add_message(self, message: Mapping[str, Any], place: str) -> None:
        role = _given(message, "role", "from")
        if role is None and (pair := [name for name in message if name in ROLES]):
            for name in pair:
                self.add(ROLES[name], message[name], place)
            return
        if not isinstance(role, str) or role not in ROLES or message.get("tool_calls"):
            known = "system, user (human) and assistant (gpt); tool calls cannot be read"
            self.row.refuse(f"{place} has the role {role!r:.40}; the roles are {known}")
        learned = all(message.get(name) not in (0, False) or message.get(name) is None for name in _LEARNED)
        self.add(ROLES[role], _given(message, "content", "value"), place, learned)

    def add_history(self) -> None:
        """Add the columns `system`, unless a system turn stands first, and `history`: messages, or pairs of
        a question and an answer."""
        self.add_system()
        history = listed(self.row.values.get("history"))
        if isinstance(history, list) and all(isinstance(pair, list | tuple) for pair in history):
            for pair in history:
                if len(pair) != 2:
                    self.row.refuse(f"history must be pairs [question, answer], not {pair!r:.40}")
                self.add("user", pair[0], "history")
                self.add("assistant", pair[1], "history")
        elif history:
            self.add_messages("history", history)

    def add_system(self) -> None:
        """Put the column `system` first, if it is given and no system turn is there."""
        system = self.row.values.get("system")
        if system and not (self.turns and self.turns[0][0] == "system"):
            self.turns.insert(0, ("system", system, True))

    def parsed(self, answer: Any = None, steps: Any = None) -> ParsedRow:
        """The row: the last turn of the user is the question, and the assistant's turn behind it the answer,
        unless another one is given. A turn whose weight is 0 is no answer."""
        turns = list(self.turns)
        if turns[-1][0] == "assistant":
            _, said, learned = turns.pop()
            if answer is None and not learned:
                self.row.refuse("the last turn has the weight 0, so nothing is learned; remove the turn")
            answer = said if answer is None else answer
        if not turns or turns[-1][0] != "user":
            self.row.refuse(
                "there is no question before the last answer; add the user's turn", kind="no question"
            )
        *before, (_, question, _) = turns
        for number, (role, text, _) in enumerate(before, 1):
            if not isinstance(text, str) or not text.strip():
                self.row.refuse(f"turn {number} ({role}) must be a text, not {text!r:.40}")
        history = tuple(Turn(*turn) for turn in before)  # type: ignore[arg-type]
        return ParsedRow(question, answer, steps, history=history, media=tuple(self.media))

    @property
    def said(self) -> Any:
        """The content of the last turn, if it is the assistant's, else None."""
        return self.turns[-1][1] if self.turns and self.turns[-1][0] == "assistant" else None

    def _part(self, part: Any, column: str) -> str:
        """The text of a part of a turn; for a medium, its mark."""
        kind = part.get("type") or _only_kind(part) if isinstance(part, dict) else None
        if kind in PART_KINDS:
            what = PART_KINDS[kind]
            given = _given(part, kind, what, f"{what}_url", "url", "path", "base64", "value", "source")
            if given is None and part.get("file_id"):
                self.row.refuse(f"{column} names an uploaded file, {part['file_id']!r:.40}; give the picture")
            if isinstance(given, dict):  # `url` of OpenAI, `data` of Anthropic, else {bytes, path}
                given = next((given[name] for name in ("url", "data") if name in given), given)
            self.media.append((what, given))
            return f"<{what}>"
        text = _given(part, "text", "value") if kind in TEXT_PARTS else None
        if not isinstance(text, str):
            self.row.refuse(f"a part of {column} must be of type text, image or video, not {part!r:.60}")
        return self._unnamed(text)

    def _unnamed(self, text: str) -> str:
        """The text with a mark for each medium, which may be named in it: `<img>a.png</img>`."""
        for match in _NAMED_OR_MARKED.finditer(text):
            kind = (match["kind"] or match["mark"]).replace("img", "image")
            self.media.append((kind, match["name"]))
        return _NAMED.sub(lambda match: f"<{match['kind'].replace('img', 'image')}>", text)


def _only_kind(part: Mapping[str, Any]) -> str | None:
    """The kind of a part that has no type, {"image": ...} or {"text": ...}, by its only value."""
    named = [name for name in (*PART_KINDS, "text") if part.get(name) is not None]
    return named[0] if len(named) == 1 else None


def _given(values: Mapping[str, Any], *names: str) -> Any:
    """The first of these values that is not None."""
    return next((values[name] for name in names if values.get(name) is not None), None)


def messages_in(value: Any) -> Any:
    """The messages of a column that may hold a text instead: a list or an object as it is, and what a text
    that is one of messages holds, as tables write them; None for any other text, boxes in JSON among them."""
    if not isinstance(value, str):
        return value if isinstance(value, dict | list) else None
    found = evaluated(json.loads, value) if value.lstrip().startswith("{") else listed(value)
    first = found[0] if isinstance(found, list) and found else found
    return found if isinstance(first, dict) and any(names <= first.keys() for names in _OF_MESSAGES) else None


def media_in(value: Any) -> list[Any]:
    """A medium or a list of media as a list, without nulls, which are how tables say that there is none."""
    return [cell for cell in _cells(value) if cell not in (None, _NO_PICTURE)]


def empty_media(row: Row, columns: tuple[str, ...]) -> dict[str, int]:
    """{column: number of its nulls} of those of these columns that have some and are no null themselves."""
    values = {name: row.values[name] for name in columns if row.values.get(name) is not None}
    nulls = {name: len(_cells(value)) - len(media_in(value)) for name, value in values.items()}
    return {name: n for name, n in nulls.items() if n}


def _cells(value: Any) -> list[Any]:
    value = listed(value)
    return value if isinstance(value, list) else [value]


_NO_PICTURE = {"bytes": None, "path": None}
"""A null of a column of pictures, as `datasets` stores it."""
