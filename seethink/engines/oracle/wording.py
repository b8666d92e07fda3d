"""Wordings of the oracle: thoughts in several styles, leaks, refusals, malformed JSON."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence

_LEAKING = {
    "based on the caption": "Based on the caption, I go on. ",
    "based on the description": "Based on the description, this is so. ",
    "visualizing the image": "Visualizing the image, I get this. ",
    "the provided description": "The provided description says it. ",
}
LEAKS = tuple(_LEAKING)
"""Phrases of an injected leak, in lower case: they reveal that a description was read instead of a picture
seen."""
_TEXTUAL = r"(?:(?:provided|given|formal|textual|image|picture|scene)\s+)*(?:caption|description)s?"
_LEAK_PATTERNS = tuple(
    (re.compile(rf"\b{phrase}", re.IGNORECASE), replacement)
    for phrase, replacement in (
        (rf"(?:based on|according to|from|in) the {_TEXTUAL}", "looking at the picture"),
        (r"visuali[sz]ing the (?:image|picture)", "looking at the picture"),
        (rf"the {_TEXTUAL}", "the picture"),
    )
)

_REFUSALS = (
    "I'm sorry, but I can't help with this picture.",
    "I cannot answer questions about this image.",
    "Sorry, I am not able to look at this.",
)
_REFUSALS_ZH = ("抱歉，我无法回答这个问题。", "我无法查看这张图片。")
_OPENINGS = (
    "I have to find out: {question}",
    "The question is: {question}",
    "Let me read the question again: {question}",
)
_OPENINGS_ZH = ("问题是：{question}", "我需要回答：{question}")
_LINKS = (
    ("First: ", "Then: ", "Next: ", "After that: "),
    ("I begin with this. ", "I go on. ", "Now the next part. ", "And further. "),
    ("Here is what I see. ", "I also see this. ", "Moreover. ", "Looking on. "),
)
_LINKS_ZH = (("首先，", "然后，", "接着，", "再看，"), ("先看：", "再看：", "此外：", "接下来："))
_CHECKS = (
    "Wait, let me go over that once more. I end up in the same place, so nothing was missed.",
    "I check it the other way round, and it comes out the same.",
)
_CHECKS_ZH = ("等一下，再检查一遍，结果相同。", "换一种方法核对，结果一致。")
_ENDS = ("So the answer is {}.", "Hence the answer is {}.", "This means that the answer is {}.")
_ENDS_ZH = ("所以答案是 {}。", "因此答案是 {}。")
_SOLUTIONS = ("The answer is {}.", "**Answer:** {}", "\\boxed{{{}}}")
"""`formats.read_any` reads the answer of each."""


def thought(
    steps: Sequence[str], question: str, answer: str, rng: random.Random, chinese: bool = False
) -> list[str]:
    """Paragraphs of a thought: every step word for word, then the answer; in two of three styles also the
    question, and in one a check."""
    end = rng.choice(_ENDS_ZH if chinese else _ENDS).format(answer)
    style = rng.choice(("terse", "plain", "careful"))
    if style == "terse":
        return [" ".join(steps), end]
    opening = rng.choice(_OPENINGS_ZH if chinese else _OPENINGS).format(question=question)
    checks = [rng.choice(_CHECKS_ZH if chinese else _CHECKS)] if style == "careful" else []
    return [opening, *with_links(steps, rng, chinese), *checks, end]


def with_links(steps: Sequence[str], rng: random.Random, chinese: bool = False) -> list[str]:
    """Every step, preceded by a few linking words."""
    first, *others = rng.choice(_LINKS_ZH if chinese else _LINKS)
    links = [first, *(others[i % len(others)] for i in range(len(steps) - 1))]
    return [link + step for link, step in zip(links, steps, strict=True)]


def conclusion(answer: str, rng: random.Random) -> str:
    """A sentence that states the answer."""
    return rng.choice(_ENDS).format(answer)


def solution(answer: str, rng: random.Random, chinese: bool = False) -> str:
    """The text after a thought: the answer in one of several forms that can be read."""
    return _SOLUTIONS[-1].format(answer) if chinese else rng.choice(_SOLUTIONS).format(answer)


def with_leak(paragraphs: Sequence[str], rng: random.Random) -> list[str]:
    """The paragraphs, one of them preceded by one of `LEAKS`."""
    at = rng.randrange(len(paragraphs))
    leak = _LEAKING[rng.choice(LEAKS)]
    return [leak + paragraph if i == at else paragraph for i, paragraph in enumerate(paragraphs)]


def has_leak(text: str) -> bool:
    """Whether a text contains one of `LEAKS` or a similar phrase."""
    return any(pattern.search(text) for pattern, _ in _LEAK_PATTERNS)


def without_leaks(text: str) -> str:
    """The text with leaks replaced by words of someone who sees the picture."""
    for pattern, replacement in _LEAK_PATTERNS:
        text = pattern.sub(lambda m, replacement=replacement: _with_case_of(m[0], replacement), text)
    return text


def _with_case_of(original: str, text: str) -> str:
    return text[0].upper() + text[1:] if original[0].isupper() else text


def refusal(rng: random.Random, chinese: bool = False) -> str:
    """A refusal to answer."""
    return rng.choice(_REFUSALS_ZH if chinese else _REFUSALS)


def broken_json(text: str, rng: random.Random) -> str:
    """The JSON cut off, or without its colons, so that it cannot be parsed."""
    if '": ' in text and rng.random() < 0.5:
        return text.replace('": ', '" ')
    return text[: 1 + int(len(text) * rng.uniform(0.2, 0.6))].rstrip("}] ")
