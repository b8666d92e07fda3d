"""Rows of two responses to one prompt: the columns in which TRL, LLaMA-Factory and ms-swift write them."""

from __future__ import annotations

from seethink.sources.cells import listed
from seethink.sources.parsed_row import Conversation, ParsedRow, messages_in
from seethink.sources.row_reader import Row

CHOSEN = ("chosen", "chosen_messages")
REJECTED = ("rejected", "rejected_messages", "rejected_response")
CONVERSATIONS = ("messages", "conversations", "conversation")
"""Columns that hold whole conversations."""
TEXTS = ("prompt", "question", "query")
"""Columns that hold a question as text."""
PROMPT = (*TEXTS, *CONVERSATIONS, "instruction", "input", "history", "system")


def pair(row: Row) -> ParsedRow:
    """The prompt that both responses answer."""
    return parsed_pair(row)[0]


def parsed_pair(row: Row) -> tuple[ParsedRow, str, str]:
    """(prompt, better response, worse response). The prompt is that of its columns, or what both responses,
    given as whole conversations, begin with; ms-swift's better response ends `messages`."""
    prompt = _prompt(row)
    better, worse = (_response(row, _column(row, names)) for names in (CHOSEN, REJECTED))
    if better is None and prompt.said is not None:
        better = Conversation(row, [prompt.turns.pop()])
    for name, response in (("chosen", better), ("rejected", worse)):
        if response is None or not isinstance(response.said, str) or not response.said.strip():
            said = row.values.get(name)
            row.refuse(
                f"{name} must be a text, or messages that end with the assistant's text, not {said!r:.40}"
            )
    assert better and worse
    begin, other = (response.turns[:-1] for response in (better, worse))
    if begin and other and begin != other:
        row.refuse("chosen and rejected begin with different turns; give both the same prompt")
    begun = begin or other
    if begun and begun == prompt.turns[:-1]:  # UltraFeedback repeats the better conversation in `messages`
        prompt.turns.pop()
    if prompt.turns and begun not in ([], prompt.turns):
        row.refuse("chosen or rejected begins with other turns than the prompt; leave them out")
    if (better.media and not begin) or (worse.media and not other):
        row.refuse("a response contains a picture or a clip; a response is text")
    if not prompt.turns:
        prompt = Conversation(row, begun, better.media if begin else worse.media)
        prompt.add_system()
    if not prompt.turns:
        row.refuse("there is no question; give the prompt", kind="no question")
    if prompt.said is not None:
        row.refuse("the prompt ends with the assistant's turn; end it with the question")
    return prompt.parsed(), better.said, worse.said


def _prompt(row: Row) -> Conversation:
    """The turns of the prompt's columns; none, if the responses hold them."""
    prompt, value = Conversation(row), row.values.get
    said = {"prompt": messages_in(value("prompt")), **{name: listed(value(name)) for name in CONVERSATIONS}}
    messages = [name for name, turns in said.items() if isinstance(turns, dict | list)]
    texts = [instruction(row), *(value(name) for name in TEXTS)]
    text = next((text for text in texts if text is not None), None)
    if messages:
        prompt.add_messages(messages[0], said[messages[0]])
        prompt.add_system()
    elif text is not None:
        prompt.add_history()
        prompt.add("user", text, "prompt")
    return prompt


def instruction(row: Row) -> str | None:
    """Alpaca's question: `instruction` and `input`, joined by a line break; None without both."""
    given = [row.values.get(name) for name in ("instruction", "input")]
    texts = [text for text in given if isinstance(text, str) and text.strip()]
    return "\n".join(texts) if texts else None


def _column(row: Row, names: tuple[str, ...]) -> str | None:
    return next((name for name in names if row.values.get(name) is not None), None)


def _response(row: Row, column: str | None) -> Conversation | None:
    """The turns of a response: a text that holds no messages is the assistant's."""
    if column is None:
        return None
    response, value = Conversation(row), row.values[column]
    if messages := messages_in(value):
        response.add_messages(column, messages)
    elif isinstance(value, str):
        response.add("assistant", value, column)
    return response
