"""Verifiers of form: grammar, length, repetition, and consistency of thought and answer.

Published rewards with other ranges are mapped to [0, 1] by an affine map, given in each docstring. It changes
no advantage that is divided by its group's standard deviation, and scales the others.
"""

from __future__ import annotations

import math
import re
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

from seethink.types import Example, Response, Score, Verifier
from seethink.verify.box_metrics import boxes_of
from seethink.verify.text import bare, read_quantity, shown


def well_formed(example: Example, response: Response) -> Score:
    """1 if the text obeys its format strictly, else 0.

    Formula: `fault is None`, where `Format.parse` names the fault. Range: {0, 1}; always judged.
    Source: the format reward of R1-V and VLM-R1, computed by the parser that also reads the answer.
    """
    return Score(1.0, "well formed") if response.fault is None else Score(0.0, response.fault)


@dataclass(frozen=True)
class LengthCosine:
    """Cosine length reward: of right answers the short earn more, of wrong ones the long.

    Formula: with c = (1 + cos(pi min(1, tokens / most_tokens))) / 2, which falls from 1 to 0: published
    r = 0.5 + 0.5 c where `correct` gives at least 0.7, else -0.5 - 0.5 c; the score is (r + 1) / 2. Range:
    [0, 1], right from 3/4 up, wrong up to 1/4; None if `correct` is None, or if tokens were not counted.
    Source: Yeo et al. 2025 (arXiv 2502.03373), with the limits of open-r1 and TRL.
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
        bonus = 0.25 * half_cosine(tokens / self.most_tokens)
        value = 0.75 + bonus if right else 0.25 - bonus
        return Score(value, f"{'right' if right else 'wrong'} in {tokens} tokens")


def half_cosine(share: float) -> float:
    """1 at share 0, falling along a cosine to 0 at share 1 and above."""
    return 0.5 * (1 + math.cos(math.pi * min(1.0, share)))


@dataclass(frozen=True)
class PerToken:
    """Length reward, proportional to tokens up to 1.

    Formula: min(1, each * tokens). Range: [0, 1]; None where tokens were not counted. Source:
    VisualThinker-R1-Zero's length reward of 0.001 per token, which is unbounded; it lengthened answers
    without improving them, so use it as a metric.
    """

    each: float = 0.001

    def __call__(self, example: Example, response: Response) -> Score:
        if (tokens := _tokens(response)) is None:
            return Score(None, "tokens were not counted")
        return Score(min(1.0, self.each * tokens), f"{tokens} tokens")


@dataclass(frozen=True)
class SoftOverlong:
    """Soft overlong punishment: completions near the token limit earn less.

    Formula: published r = 0 up to most_tokens - cache_tokens, then falling linearly to -1 at most_tokens and
    above; the score is r + 1. Range: [0, 1]; None where tokens were not counted. Source:
    DAPO (arXiv 2503.14476, eq. 13), there 20,480 and 4,096 tokens.
    """

    most_tokens: int = 1024
    cache_tokens: int = 256

    def __call__(self, example: Example, response: Response) -> Score:
        if (tokens := _tokens(response)) is None:
            return Score(None, "tokens were not counted")
        left = (self.most_tokens - tokens) / self.cache_tokens
        return Score(min(1.0, max(0.0, left)), f"{tokens} of {self.most_tokens} tokens")


def _tokens(response: Response) -> int | None:
    """Tokens of the completion; None if the engine did not count them."""
    return response.n_tokens if response.n_tokens or not response.text else None


_UNITS = re.compile(r"[A-Za-z0-9]{1,20}|[^\sA-Za-z0-9]")


@dataclass(frozen=True)
class Repetition:
    """Share of distinct n-grams.

    Formula: distinct / all runs of `n` words; published r = -(1 - distinct / all), the score is r + 1. A sign
    and a letter of a script without spaces is a word, and words are cut after 20 letters, so that repetition
    without spaces counts. A text shorter than `n` words repeats nothing. Range: (0, 1]; always
    judged. Source: VLM-R1's repetition reward (6-grams of words between spaces), after Yeo et al. 2025.
    """

    n: int = 6

    def __call__(self, example: Example, response: Response) -> Score:
        words = _UNITS.findall(response.text.lower())
        return share_unique(
            [tuple(words[i : i + self.n]) for i in range(len(words) - self.n + 1)], "runs of words"
        )


def box_repetition(example: Example, response: Response) -> Score:
    """Share of distinct boxes in the answer.

    Formula: distinct / all boxes, label included; 1 for none. Range: (0, 1]; None if the answer is not a list
    of boxes. Source: VLM-R1's repetition reward, which counts boxes if it finds JSON.
    """
    boxes = boxes_of(response)
    if boxes is None:
        return Score(None, f"read {shown(response.answer)}, which is not a list of boxes")
    return share_unique(boxes, "boxes")


def share_unique(items: Sequence[Hashable], kind: str) -> Score:
    """distinct / all items, 1 for none; `kind` names them in the reason."""
    distinct = len(set(items))
    return Score(distinct / len(items) if items else 1.0, f"{distinct} distinct of {len(items)} {kind}")


_CONCLUSION = re.compile(
    r"\\boxed\{([^{}]*)\}|\b(?:answer|result|total|count|sum|option|choice)\s*(?:is|:|=)\s*"
    r"([^\n]+?)(?=[.;!](?:\s|$)|\n|$)",
    re.IGNORECASE,
)
_SENTENCE = re.compile(r"[.!?](?:\s+|$)|\n")


@dataclass(frozen=True)
class Consistent:
    """1 if the thought concludes with the given answer, else 0.

    Formula: what the thought last concludes ("the answer is ...", `\\boxed{...}`) is the answer by `same`;
    if it states no conclusion, its last sentence must contain the answer as a whole word. A missing thought
    or answer earns 0. Range: {0, 1}; always judged, without the gold. Source: the think-answer consistency
    that users of R1-V and VLM-R1 ask for (wrong thoughts before right answers).
    """

    same: Verifier

    def __call__(self, example: Example, response: Response) -> Score:
        if not response.thought or not response.answer:
            return Score(0.0, "a thought or an answer is missing")
        if found := _CONCLUSION.findall(response.thought):
            concluded = next(filter(None, found[-1]), "").strip(" :$*")
            gold = Example(id=example.id, question="?", answer=concluded, choices=example.choices)
            agreed = self.same(gold, response).value == 1.0
            why = f"answers {shown(response.answer)}, the thought concludes {shown(concluded)}"
            return Score(float(agreed), why)
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
