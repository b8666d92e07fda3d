"""The oracle's replies to every step of the chains, with errors injected at given rates.

Chains run with it without a server, and the quality of their filters can be measured.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from itertools import pairwise

from seethink.engines.base import OnFault, Request
from seethink.engines.oracle import descriptions, prompts, wording
from seethink.engines.oracle.truth import Truth, with_wrong_step
from seethink.formats import THINK_ANSWER, read_any
from seethink.types import Completion, InputError, assistant_prefill

MAX_STEP_TURNS = 4
"""Turns, at most, over which a path of JSON steps spreads the steps of an example."""


@dataclass(frozen=True)
class Rates:
    """Rate of each fault, 0 to 1, among the replies in which it can occur.

    wrong: a wrong final answer, and a thought that leads to it. step: one wrong intermediate step. leak: a
    phrase of `wording.LEAKS` in a thought. json: malformed JSON. refusal: a refusal instead of a description
    or thought. verdict: an inverted verdict of a judge. In a path of JSON steps, `step`, `leak` and `refusal`
    are rates of the whole path, and `wrong` is that of its last step.
    """

    wrong: float = 0.0
    step: float = 0.0
    leak: float = 0.0
    json: float = 0.0
    refusal: float = 0.0
    verdict: float = 0.0

    def __post_init__(self) -> None:
        for name, rate in asdict(self).items():
            if not 0 <= rate <= 1:
                raise InputError(f"the error rate {name}={rate} is not a share; give a number from 0 to 1")

    @classmethod
    def of(cls, rates: Mapping[str, float]) -> Rates:
        """Rates by name. Raises InputError for an unknown name."""
        names = [rate.name for rate in fields(cls)]
        if unknown := [name for name in rates if name not in names]:
            raise InputError(f"the oracle has no error {unknown[0]!r}; its errors are {', '.join(names)}")
        return cls(**rates)


@dataclass
class _Reply:
    """A reply in the making: the request, the truth about its example, and seeded random draws.

    variant: what follows the slash in `request.step`. planted: faults injected so far.
    """

    request: Request
    variant: str
    truth: Truth
    rates: Rates
    seed: int
    planted: set[str] = field(default_factory=set)

    @property
    def chinese(self) -> bool:
        return prompts.is_chinese(self.request.messages)

    def rng(self, name: str) -> random.Random:
        request = self.request
        return random.Random(
            f"oracle/{self.seed}/{request.example.id}/{request.step}/{request.sampling.seed}/{name}"
        )

    def plant(self, fault: str, n_replies: int = 1) -> bool:
        """Draw whether to inject a fault, and record it. n_replies: how many replies share the rate."""
        rate = 1 - (1 - getattr(self.rates, fault)) ** (1 / n_replies)
        if self.rng(fault).random() >= rate:
            return False
        self.planted.add(fault)
        return True

    def conclusion(self) -> tuple[tuple[str, ...], str]:
        """(steps, the answer that they lead to), true or wrong."""
        if not self.plant("wrong"):
            return self.truth.steps, self.truth.answer
        wrong = self.truth.wrong(self.rng("wrong answer"))
        return self.truth.steps_towards(wrong), wrong.answer

    def thought(self) -> tuple[list[str], str]:
        """(paragraphs of a thought, the answer that it leads to)."""
        steps, answer = self.conclusion()
        if self.plant("step"):
            steps = with_wrong_step(steps, self.rng("which step"))
        paragraphs = wording.thought(steps, self.truth.question, answer, self.rng("words"), self.chinese)
        return (
            wording.with_leak(paragraphs, self.rng("where")) if self.plant("leak") else paragraphs
        ), answer


# Replies to the steps ---------------------------------------------------------------------------------------


def _describe(reply: _Reply) -> str:
    kind = reply.variant
    if kind == "route":
        return descriptions.suitable_kind(reply.truth)
    if kind not in descriptions.KINDS:
        raise InputError(f"the oracle has no description {kind!r}; it knows {', '.join(descriptions.KINDS)}")
    return descriptions.describe(reply.truth, kind, reply.rng("words"))


def _prefix(reply: _Reply) -> str:
    (first, *others), answer = reply.thought()
    prefill = assistant_prefill(reply.request.messages)
    mid_sentence = prefill == prefill.rstrip()
    if reply.chinese:
        joint = "，" if mid_sentence else ""
    else:
        joint = ", here is how it goes. " if mid_sentence else "Here is how it goes. "
    thought = "\n\n".join([joint + first, *others])
    return f"{thought}\n</think>\n\n{wording.solution(answer, reply.rng('solution'), reply.chinese)}"


def _reason(reply: _Reply) -> str:
    paragraphs, answer = reply.thought()
    thought = "\n\n".join(paragraphs)
    return f"<think>\n{thought}\n</think>\n\nAnswer: {answer}"


def _rewrite(reply: _Reply) -> str:
    paragraphs = wording.without_leaks(prompts.quoted_texts(reply.request)[-1]).split("\n\n")
    leaks = reply.plant("leak")
    return "\n\n".join(wording.with_leak(paragraphs, reply.rng("where")) if leaks else paragraphs)


def _path_step(reply: _Reply) -> str:
    """One JSON step of a path, or the final answer: that of the path's last step, if it reached one."""
    previous = prompts.previous_steps(reply.request.messages)
    if reply.variant == "final":
        reached = bool(previous) and previous[-1].get("next_action") == "final_answer"
        answer = read_any(previous[-1]["content"]).answer if reached else None
        if answer is None:
            answer = reply.conclusion()[1]
        if not reply.truth.is_right(answer):
            reply.planted.add("wrong")
        return json.dumps({"title": "FINAL ANSWER", "content": answer}, ensure_ascii=False)
    truth, n_turns = reply.truth, _n_turns(reply.truth)
    number, rng = len(previous), reply.rng("words")
    if number == 0:
        opening = rng.choice(("Let me see what is asked. ", "First, the question: ")) + truth.question
        return _step_json("Read the question", [opening], "continue", reply, n_turns)
    last = number >= n_turns - 1
    steps, answer = reply.conclusion() if last else (truth.steps, truth.answer)
    part = _split(steps, n_turns - 1)[min(number, n_turns - 1) - 1]
    if reply.plant("step", n_turns - 1):
        part = with_wrong_step(part, reply.rng("which step"))
    sentences = wording.with_links(part, rng) if rng.random() < 0.5 else [*part]
    title = rng.choice(("Look closely", "Go on", "Work it out")) + f" ({number})"
    if last:
        sentences.append(wording.conclusion(answer, rng))
    return _step_json(title, sentences, "final_answer" if last else "continue", reply, n_turns)


def _step_json(title: str, sentences: Sequence[str], action: str, reply: _Reply, n_turns: int) -> str:
    if reply.plant("leak", n_turns):
        sentences = wording.with_leak(sentences, reply.rng("where"))
    step = {"title": title, "content": " ".join(sentences), "next_action": action}
    return json.dumps(step, ensure_ascii=False)


def _n_turns(truth: Truth) -> int:
    """Turns of a path: one for the question, at most `MAX_STEP_TURNS` for the steps."""
    return 1 + min(MAX_STEP_TURNS, len(truth.steps))


def _split(steps: Sequence[str], n: int) -> list[tuple[str, ...]]:
    """The steps in `n` consecutive parts of about equal length."""
    ends = [round(i * len(steps) / n) for i in range(n + 1)]
    return [tuple(steps[a:b]) for a, b in pairwise(ends)]


def _sample(reply: _Reply) -> str:
    paragraphs, answer = reply.thought()
    return THINK_ANSWER.write("\n\n".join(paragraphs), answer)


def _judge(reply: _Reply) -> str:
    right = _is_right(reply.truth, prompts.quoted_texts(reply.request)[-1]) != reply.plant("verdict")
    finding = "The two agree." if right else "The two do not agree."
    return f"{finding}\nVERDICT: {'right' if right else 'wrong'}"


def _grade(reply: _Reply) -> str:
    """Right paths above wrong ones; among each, more of the true steps and more words are better."""
    paths = prompts.numbered_texts(reply.request)
    grades = {number: _grade_of(reply.truth, text) for number, text in paths.items()}
    if reply.plant("verdict"):
        grades = {number: 101 - grade for number, grade in grades.items()}
    return json.dumps(grades)


def _grade_of(truth: Truth, path: str) -> int:
    share, detail = truth.share_of_steps_in(path), min(1.0, len(path.split()) / 200)
    if _is_right(truth, path):
        return round(40 + 45 * share + 15 * detail - (10 if wording.has_leak(path) else 0))
    return round(1 + 20 * share + 5 * detail)


def _validity(reply: _Reply) -> str:
    text = "\n\n".join(prompts.quoted_texts(reply.request))
    criteria = {
        "steps_correct": reply.truth.share_of_steps_in(text) == 1.0,
        "answer_agrees": _is_right(reply.truth, text),
        "grounded": not wording.has_leak(text),
        "no_irrelevant_steps": True,
    }
    if reply.plant("verdict"):
        valid = all(criteria.values())
        criteria = criteria | {"steps_correct": False} if valid else dict.fromkeys(criteria, True)
    return json.dumps(criteria)


def _is_right(truth: Truth, text: str) -> bool:
    """Whether a text is the right answer, or ends with it."""
    return truth.is_right(text) or truth.is_right(read_any(text).answer)


def _summary(reply: _Reply) -> str:
    steps, answer = reply.conclusion()
    return f"{' '.join(steps[-2:])}\nAnswer: {answer}"


def _direct(reply: _Reply) -> str:
    return reply.conclusion()[1]


def _question(reply: _Reply) -> str:
    paragraphs, answer = reply.thought()
    request = reply.rng("asks").choice(("Give the answer alone.", "Reply with nothing but the answer."))
    content = {
        "question": f"{reply.request.example.question} {request}",
        "thought": "\n\n".join(paragraphs),
        "answer": answer,
    }
    return json.dumps(content, ensure_ascii=False)


def _distill(reply: _Reply) -> str:
    paragraphs, answer = reply.thought()
    thought = "\n\n".join(paragraphs)
    return f"<think>\n{thought}\n</think>\n\n**The answer is: {answer}**"


STEPS: dict[str, Callable[[_Reply], str]] = {
    "describe": _describe, "prefix": _prefix, "reason": _reason, "rewrite": _rewrite, "steps": _path_step,
    "sample": _sample, "judge": _judge, "grade": _grade, "validity": _validity, "summary": _summary,
    "direct": _direct, "question": _question, "distill": _distill,
}  # fmt: skip
"""By the part of `Request.step` before the slash."""
NEVER_REFUSED = ("judge", "grade", "validity", "direct", "steps/final")
"""Steps that neither describe nor think."""
JSON_STEPS = ("steps", "grade", "validity", "question", "describe/boxes")


@dataclass(frozen=True)
class Oracle:
    """AsyncEngine that answers every step of the chains about drawn worlds, `ShapeGrids` and `Pages`.

    The truth comes from `request.example`, everything else from the messages: the thought to rewrite, the
    answer to judge, the paths to grade, the progress of a path. In thoughts it recognises its own sentences
    only, word for word; `steps_correct` and grades say nothing about other texts. Faults and wordings are
    functions of a hash of seed, example, step and sampling seed. delay_s: duration of every reply.

    `complete` raises InputError for an example of no drawn world and for an unknown step, and ValueError
    where a request lacks the text that it is about.
    """

    rates: Rates = Rates()
    seed: int = 0
    delay_s: float = 0.0

    @classmethod
    def from_text(cls, errors: str, seed: int = 0, delay_s: float = 0.0) -> Oracle:
        """From rates such as `wrong=0.3,leak=0.1`; the oracle of an empty text makes no errors."""
        rates: dict[str, float] = {}
        for part in filter(None, map(str.strip, errors.split(","))):
            name, _, rate = (word.strip() for word in part.partition("="))
            if name in rates:
                raise InputError(f"the error {name!r} is given twice; give it once")
            try:
                rates[name] = float(rate)
            except ValueError:
                raise InputError(
                    f"the error {part!r} cannot be read; write name=share, such as wrong=0.3"
                ) from None
        return cls(Rates.of(rates), seed, delay_s)

    @property
    def name(self) -> str:
        """`oracle` with its rates and seed."""
        settings = [f"{name}={rate:g}" for name, rate in asdict(self.rates).items() if rate]
        settings += [f"seed={self.seed}"] if self.seed else []
        return f"oracle ({', '.join(settings)})" if settings else "oracle"

    async def complete(self, request: Request, on_fault: OnFault) -> Completion:
        """The reply to a request; tokens are counted in words."""
        if self.delay_s:
            await asyncio.sleep(self.delay_s)
        text, _ = self.reply(request)
        parts = [part for message in request.messages for part in message["content"]]
        prompt_tokens = sum(len(part["text"].split()) for part in parts if "text" in part)
        return Completion(text, n_tokens=len(text.split()), prompt_tokens=prompt_tokens)

    async def close(self) -> None:
        """Nothing to free."""

    def planted(self, request: Request) -> frozenset[str]:
        """The faults of the reply to a request, by the names of `Rates`. A refusal and malformed JSON have no
        other fault."""
        return self.reply(request)[1]

    def reply(self, request: Request) -> tuple[str, frozenset[str]]:
        """(the text, its faults)."""
        step, _, variant = request.step.partition("/")
        if step not in STEPS:
            raise InputError(f"the oracle has no step {request.step!r}; it knows {', '.join(STEPS)}")
        reply = _Reply(request, variant, Truth(request.example), self.rates, self.seed)
        names = {step, f"{step}/{variant}"}
        n_replies = _n_turns(reply.truth) if step == "steps" else 1
        if names.isdisjoint(NEVER_REFUSED) and reply.plant("refusal", n_replies):
            return wording.refusal(reply.rng("words"), reply.chinese), frozenset({"refusal"})
        text = STEPS[step](reply)
        if not names.isdisjoint(JSON_STEPS) and reply.plant("json"):
            return wording.broken_json(text, reply.rng("words")), frozenset({"json"})
        if assistant_prefill(request.messages).strip() == "<think>":
            text = text.removeprefix("<think>")
        return text, frozenset(reply.planted)
