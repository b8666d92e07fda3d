"""The request of Insight-V's summary agent, which reads a question and a process of reasoning and answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from seethink.formats.messages import spoken
from seethink.types import Example

SUMMARY_PROMPT = (
    "Below are a question about the picture and a process of reasoning about it, which may be right or not. "
    "Find out for yourself whether it is, and do not say so. If it is right, sum it up and answer from it; "
    "if it is not, put it aside and answer from the picture. End with a line that begins with 'Answer:' and "
    "gives the final answer."
)
"""Prompt of the summary model, in training and in use; ours, after Insight-V's."""


def summary_request(example: Example, steps: Sequence[str], prompt: str = SUMMARY_PROMPT) -> Example:
    """The example as a prompt of the summary model: QUESTION, with media, and REASON PROCESS. The
    steps are data: marks of media and control tokens in them are none."""
    process = spoken("\n".join(steps))
    question = f"{prompt}\n\nQUESTION: {_question_with_marks(example)}\n\nREASON PROCESS:\n{process}"
    return replace(example, question=question)


def _question_with_marks(example: Example) -> str:
    """The question with a mark for each medium, which places the media inside the field."""
    return "".join(part if isinstance(part, str) else f"<{part.kind}>" for part in example.parts())
