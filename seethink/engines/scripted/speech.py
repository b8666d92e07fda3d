"""How the oracle talks: thoughts in several wordings, phrases that leak, refusals, broken JSON."""

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
"""Phrases of a planted leak, in lower case: they say that the picture was read about and not seen."""
_TEXTUAL = r"(?:(?:provided|given|formal|textual|image|picture|scene)\s+)*(?:caption|description)s?"
_UNSEEN = tuple(
    (re.compile(rf"\b{phrase}", re.IGNORECASE), instead)
    for phrase, instead in (
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
"""Each is one that `formats.read_any` reads."""


def thought(
    steps: Sequence[str], question: str, answer: str, rng: random.Random, zh: bool = False
) -> list[str]:
    """Paragraphs: perhaps the question, every step word for word, perhaps a check, and the answer."""
    end = rng.choice(_ENDS_ZH if zh else _ENDS).format(answer)
    manner = rng.choice(("terse", "plain", "careful"))
    if manner == "terse":
        return [" ".join(steps), end]
    opening = rng.choice(_OPENINGS_ZH if zh else _OPENINGS).format(question=question)
    checks = [rng.choice(_CHECKS_ZH if zh else _CHECKS)] if manner == "careful" else []
    return [opening, *linked(steps, rng, zh), *checks, end]


def linked(steps: Sequence[str], rng: random.Random, zh: bool = False) -> list[str]:
    """Every step with a few words before it."""
    first, *others = rng.choice(_LINKS_ZH if zh else _LINKS)
    links = [first, *(others[i % len(others)] for i in range(len(steps) - 1))]
    return [link + step for link, step in zip(links, steps, strict=True)]


def concluded(answer: str, rng: random.Random) -> str:
    return rng.choice(_ENDS).format(answer)


def solution(answer: str, rng: random.Random, zh: bool = False) -> str:
    """What is said after a thought: free in its form, and the answer can be read off it."""
    return _SOLUTIONS[-1].format(answer) if zh else rng.choice(_SOLUTIONS).format(answer)


def leaking(paragraphs: Sequence[str], rng: random.Random) -> list[str]:
    """The thought with one of `LEAKS` in it."""
    at = rng.randrange(len(paragraphs))
    leak = _LEAKING[rng.choice(LEAKS)]
    return [leak + paragraph if i == at else paragraph for i, paragraph in enumerate(paragraphs)]


def leaks(text: str) -> bool:
    """Whether it says that it was read about: one of `LEAKS`, or a phrase like them."""
    return any(pattern.search(text) for pattern, _ in _UNSEEN)


def seen(text: str) -> str:
    """The text as someone says it who looked at the picture."""
    for pattern, instead in _UNSEEN:
        text = pattern.sub(lambda m, instead=instead: _cased(m[0], instead), text)
    return text


def _cased(like: str, text: str) -> str:
    return text[0].upper() + text[1:] if like[0].isupper() else text


def refusal(rng: random.Random, zh: bool = False) -> str:
    return rng.choice(_REFUSALS_ZH if zh else _REFUSALS)


def broken(told: str, rng: random.Random) -> str:
    """The JSON cut off, or without its colons: no object can be read from it."""
    if '": ' in told and rng.random() < 0.5:
        return told.replace('": ', '" ')
    return told[: 1 + int(len(told) * rng.uniform(0.2, 0.6))].rstrip("}] ")
