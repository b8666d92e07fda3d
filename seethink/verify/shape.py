"""Judgement of form: grammar, length, repetition, and whether the thought leads to the answer.

Published rewards of other ranges are mapped to [0, 1] by an affine map, which changes no advantage that is
divided by its group's deviation, and by one that only scales where it is not; each docstring gives it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

from seethink.boxes import read_boxes
from seethink.types import Example, Response, Score, Verifier
from seethink.verify.text import bare, read_quantity, shown


def well_formed(example: Example, response: Response) -> Score:
    """1 if the text obeys its format to the letter, else 0.

    Formula: `fault is None`, where `Format.parse` names the fault. Range: {0, 1}; always judged.
    Source: the format reward of R1-V and VLM-R1, told by the parser that also reads the answer.
    """
    return Score(1.0, "well formed") if response.fault is None else Score(0.0, response.fault)


@dataclass(frozen=True)
class LengthCosine:
    """Short right answers earn most, long wrong ones least.

    Formula: with share = min(1, tokens / most_tokens), c = (1 + cos(pi share)) / 2: published r = 0.5 + 0.5 c
    where `correct` gives at least 0.7, else -0.5 + 0.5 c; the score is (r + 0.5) / 1.5. Range: [0, 1], right
    above 2/3, wrong below 1/3; None where `correct` is, or where tokens were not counted. Source: VLM-R1's
    length reward after Yeo et al. 2025 (arXiv 2502.03373), with real correctness and the clamp that its code
    lacks.
    """

    correct: Verifier
    most_tokens: int = 1024
    enough: float = 0.7

    def __call__(self, example: Example, response: Response) -> Score:
        judged = self.correct(example, response)
        if judged.value is None:
            return judged
        if (tokens := _tokens(response)) is None:
            return Score(None, "tokens were not counted")
        right = judged.value >= self.enough
        reward = half_cosine(tokens / self.most_tokens) + (0.5 if right else -0.5)
        value = min(1.0, max(0.0, (reward + 0.5) / 1.5))
        return Score(value, f"{'right' if right else 'wrong'} in {tokens} tokens")


def half_cosine(share: float) -> float:
    """0.5 at share 0, falling to 0 at share 1 and beyond."""
    return 0.25 * (1 + math.cos(math.pi * min(1.0, share)))


@dataclass(frozen=True)
class PerToken:
    """Longer earns more, up to a point.

    Formula: min(1, each * tokens). Range: [0, 1]; None where tokens were not counted. Source:
    VisualThinker-R1-Zero's length reward of 0.001 a token, which has no end; it lengthened answers and did
    not better them, so it is a probe rather than a goal.
    """

    each: float = 0.001

    def __call__(self, example: Example, response: Response) -> Score:
        if (tokens := _tokens(response)) is None:
            return Score(None, "tokens were not counted")
        return Score(min(1.0, self.each * tokens), f"{tokens} tokens")


@dataclass(frozen=True)
class SoftOverlong:
    """Answers that near the limit earn less.

    Formula: published r = 0 up to most_tokens - cache_tokens, then falling straight to -1 at most_tokens and
    beyond; the score is r + 1. Range: [0, 1]; None where tokens were not counted. Source: soft overlong
    punishment of DAPO (arXiv 2503.14476, eq. 13), there 20,480 and 4,096 tokens.
    """

    most_tokens: int = 1024
    cache_tokens: int = 256

    def __call__(self, example: Example, response: Response) -> Score:
        if (tokens := _tokens(response)) is None:
            return Score(None, "tokens were not counted")
        left = (self.most_tokens - tokens) / self.cache_tokens
        return Score(min(1.0, max(0.0, left)), f"{tokens} of {self.most_tokens} tokens")


def _tokens(response: Response) -> int | None:
    """How many tokens were said; None where the engine does not know."""
    return response.n_tokens if response.n_tokens or not response.text else None


_UNITS = re.compile(r"[A-Za-z0-9]{1,20}|[^\sA-Za-z0-9]")


@dataclass(frozen=True)
class Repetition:
    """How much of the text is said once.

    Formula: different / all runs of `n` words; published r = -(1 - different / all), the score is r + 1. A
    sign and a letter of a script without blanks is a word, and a word is cut after 20 letters, so that
    repetition without blanks shows. A text shorter than `n` words repeats nothing. Range: (0, 1]; always
    judged. Source: VLM-R1's repetition reward (6-grams of the words between blanks), after Yeo et al. 2025.
    """

    n: int = 6

    def __call__(self, example: Example, response: Response) -> Score:
        words = _UNITS.findall(response.text.lower())
        return said_once(
            [tuple(words[i : i + self.n]) for i in range(len(words) - self.n + 1)], "runs of words"
        )


def box_repetition(example: Example, response: Response) -> Score:
    """How many of the answer's boxes are said once.

    Formula: different / all boxes, label included; 1 for none. Range: (0, 1]; None where the answer is no
    boxes. Source: VLM-R1's repetition reward, which counts boxes where it finds JSON.
    """
    told = response.boxes if response.boxes is not None else read_boxes(response.answer or "")
    if told is None:
        return Score(None, f"read {shown(response.answer)}, which is no boxes")
    return said_once(told, "boxes")


def said_once(items: Sequence[Hashable], what: str) -> Score:
    different = len(set(items))
    return Score(different / len(items) if items else 1.0, f"{different} different of {len(items)} {what}")


_CONCLUSION = re.compile(
    r"\\boxed\{([^{}]*)\}|\b(?:answer|result|total|count|sum|option|choice)\s*(?:is|:|=)\s*"
    r"([^\n]+?)(?=[.;!](?:\s|$)|\n|$)",
    re.IGNORECASE,
)
_SENTENCE = re.compile(r"[.!?](?:\s+|$)|\n")


@dataclass(frozen=True)
class Consistent:
    """1 if the thought leads to the answer that is given, else 0.

    Formula: what the thought last concludes ("the answer is ...", `\\boxed{...}`) is the answer by `same`;
    where it concludes nothing in words, its last sentence names the answer, as a whole word. A missing
    thought or answer earns 0. Range: {0, 1}; always judged; gold plays no part. Source: the think-answer
    consistency that users of R1-V and VLM-R1 miss (wrong thoughts before right answers).
    """

    same: Verifier

    def __call__(self, example: Example, response: Response) -> Score:
        if not response.thought or not response.answer:
            return Score(0.0, "a thought or an answer is missing")
        if found := _CONCLUSION.findall(response.thought):
            concluded = next(filter(None, found[-1]), "").strip(" :$*")
            gold = Example(id=example.id, question="?", answer=concluded, choices=example.choices)
            agreed = self.same(gold, response).value == 1.0
            said = "as" if agreed else "but"
            return Score(
                float(agreed), f"answers {shown(response.answer)}, {said} the thought says {shown(concluded)}"
            )
        sentences = [s for s in _SENTENCE.split(response.thought) if s.strip()] or [""]
        named = _names(sentences[-1], response.answer)
        return Score(
            float(named), f"the thought ends {shown(sentences[-1])}, the answer is {shown(response.answer)}"
        )


def _names(sentence: str, answer: str) -> bool:
    quantity = read_quantity(answer)
    if quantity is not None:
        found = (read_quantity(word.strip(".,;:!?()*$")) for word in sentence.split())
        return any(q is not None and q.value == quantity.value for q in found)
    return bool(re.search(rf"(?<!\w){re.escape(bare(answer))}(?!\w)", bare(sentence))) and bool(bare(answer))
