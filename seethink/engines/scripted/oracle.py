"""A teacher that knows the truth of drawn worlds, and errs as often as it is told to: chains run without a
server, and their filters can be measured."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from itertools import pairwise

from seethink.engines.scripted import heard, seen, speech
from seethink.engines.scripted.truth import Truth, erring
from seethink.engines.teacher import Call, Fault, Reply
from seethink.formats import THINK_ANSWER, read_any
from seethink.types import InputError, begun_answer

MOST_TURNS = 4
"""In so many turns, at most, the oracle tells the steps of an example."""


@dataclass(frozen=True)
class Rates:
    """How often a reply has a fault, 0 to 1 each, of the replies in which there can be one.

    wrong: a wrong final answer, and a thought that leads to it. step: one wrong step on the way. leak: a
    phrase of `speech.LEAKS` in a thought. json: JSON that cannot be read. refusal: no description, no
    thought. verdict: a judge that says the opposite. In a path of JSON steps, `step`, `leak` and `refusal`
    are the rates of the whole path, and `wrong` is that of its last step.
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
                raise InputError(f"the error rate {name}={rate} is no share; give a number from 0 to 1")

    @classmethod
    def of(cls, told: Mapping[str, float]) -> Rates:
        names = [rate.name for rate in fields(cls)]
        if unknown := [name for name in told if name not in names]:
            raise InputError(f"the oracle knows no error {unknown[0]!r}; its errors are {', '.join(names)}")
        return cls(**told)


@dataclass
class _Asked:
    """A call, what is true of its example, and what the dice say. planted: faults put into the reply."""

    call: Call
    what: str
    truth: Truth
    rates: Rates
    seed: int
    planted: set[str] = field(default_factory=set)

    @property
    def _key(self) -> str:
        return f"oracle/{self.seed}/{self.call.example.id}/{self.call.step}/{self.call.sampling.seed}"

    @property
    def zh(self) -> bool:
        return heard.chinese(self.call.messages)

    def rng(self, name: str) -> random.Random:
        return random.Random(f"{self._key}/{name}")

    def errs(self, kind: str, n: int = 1) -> bool:
        """Whether the reply is to have this fault; where it may be in any of `n` replies, as rarely in
        each."""
        rate = 1 - (1 - getattr(self.rates, kind)) ** (1 / n)
        if self.rng(kind).random() >= rate:
            return False
        self.planted.add(kind)
        return True

    def reasoned(self) -> tuple[list[str], str]:
        """(paragraphs of a thought, the answer that it leads to)"""
        steps, answer = self.led()
        if self.errs("step"):
            steps = erring(steps, self.rng("which step"))
        told = speech.thought(steps, self.truth.question, answer, self.rng("words"), self.zh)
        return (speech.leaking(told, self.rng("where")) if self.errs("leak") else told), answer

    def led(self) -> tuple[tuple[str, ...], str]:
        """(steps, the answer to which they lead), true or not."""
        if not self.errs("wrong"):
            return self.truth.steps, self.truth.answer
        wrong = self.truth.wrong(self.rng("wrong answer"))
        return self.truth.steps_to(wrong), wrong.answer


# What each step asks for ------------------------------------------------------------------------------------


def _describe(asked: _Asked) -> str:
    if asked.what == "route":
        return seen.route(asked.truth)
    if asked.what not in seen.KINDS:
        raise InputError(f"the oracle describes no {asked.what!r}; it knows {', '.join(seen.KINDS)}")
    return seen.described(asked.truth, asked.what, asked.rng("words"))


def _prefix(asked: _Asked) -> str:
    (first, *others), answer = asked.reasoned()
    begun = begun_answer(asked.call.messages)
    if asked.zh:
        joined = "，" if begun == begun.rstrip() else ""
    else:
        joined = ", here is how it goes. " if begun == begun.rstrip() else "Here is how it goes. "
    told = "\n\n".join([joined + first, *others])
    return f"{told}\n</think>\n\n{speech.solution(answer, asked.rng('solution'), asked.zh)}"


def _reason(asked: _Asked) -> str:
    told, answer = asked.reasoned()
    paragraphs = "\n\n".join(told)
    return f"<think>\n{paragraphs}\n</think>\n\nAnswer: {answer}"


def _rewrite(asked: _Asked) -> str:
    told = speech.seen(heard.given(asked.call)[-1]).split("\n\n")
    return "\n\n".join(speech.leaking(told, asked.rng("where")) if asked.errs("leak") else told)


def _turn(asked: _Asked) -> str:
    """A step of a path, or the answer at its end: that to which the steps led, where they led anywhere."""
    before = heard.turns(asked.call.messages)
    if asked.what == "final":
        done = bool(before) and before[-1].get("next_action") == "final_answer"
        led = read_any(before[-1]["content"]).answer if done else None
        answer = asked.led()[1] if led is None else led
        if not asked.truth.right(answer):
            asked.planted.add("wrong")
        return json.dumps({"title": "FINAL ANSWER", "content": answer}, ensure_ascii=False)
    truth, n = asked.truth, _turns_of(asked.truth)
    at, rng = len(before), asked.rng("words")
    if at == 0:
        told = [rng.choice(("Let me see what is asked. ", "First, the question: ")) + truth.question]
        return _as_step("Read the question", told, "continue", asked, n)
    last = at >= n - 1
    steps, answer = asked.led() if last else (truth.steps, truth.answer)
    part = _parts(steps, n - 1)[min(at, n - 1) - 1]
    if asked.errs("step", n - 1):
        part = erring(part, asked.rng("which step"))
    told = speech.linked(part, rng) if rng.random() < 0.5 else [*part]
    title = rng.choice(("Look closely", "Go on", "Work it out")) + f" ({at})"
    if last:
        told.append(speech.concluded(answer, rng))
    return _as_step(title, told, "final_answer" if last else "continue", asked, n)


def _as_step(title: str, told: Sequence[str], action: str, asked: _Asked, n: int) -> str:
    told = speech.leaking(told, asked.rng("where")) if asked.errs("leak", n) else told
    step = {"title": title, "content": " ".join(told), "next_action": action}
    return json.dumps(step, ensure_ascii=False)


def _turns_of(truth: Truth) -> int:
    """How many turns a path takes: the question, and the steps in at most `MOST_TURNS`."""
    return 1 + min(MOST_TURNS, len(truth.steps))


def _parts(steps: Sequence[str], n: int) -> list[tuple[str, ...]]:
    """The steps cut into `n` runs, about equally long."""
    ends = [round(i * len(steps) / n) for i in range(n + 1)]
    return [tuple(steps[a:b]) for a, b in pairwise(ends)]


def _sample(asked: _Asked) -> str:
    told, answer = asked.reasoned()
    return THINK_ANSWER.write("\n\n".join(told), answer)


def _judge(asked: _Asked) -> str:
    right = _answers(asked.truth, heard.given(asked.call)[-1]) != asked.errs("verdict")
    found = "The two agree." if right else "The two do not agree."
    return f"{found}\nVERDICT: {'right' if right else 'wrong'}"


def _grade(asked: _Asked) -> str:
    """Right paths above wrong ones; of each, those that say more of the true steps, and more words."""
    grades = {number: _grade_of(asked.truth, text) for number, text in heard.numbered(asked.call).items()}
    if asked.errs("verdict"):
        grades = {number: 101 - grade for number, grade in grades.items()}
    return json.dumps(grades)


def _grade_of(truth: Truth, path: str) -> int:
    true, detail = truth.said_in(path), min(1.0, len(path.split()) / 200)
    if _answers(truth, path):
        return round(40 + 45 * true + 15 * detail - (10 if speech.leaks(path) else 0))
    return round(1 + 20 * true + 5 * detail)


def _validity(asked: _Asked) -> str:
    told = "\n\n".join(heard.given(asked.call))
    found = {
        "steps_correct": asked.truth.said_in(told) == 1.0,
        "answer_agrees": _answers(asked.truth, told),
        "grounded": not speech.leaks(told),
        "no_irrelevant_steps": True,
    }
    if asked.errs("verdict"):
        found = dict.fromkeys(found, True) if not all(found.values()) else found | {"steps_correct": False}
    return json.dumps(found)


def _answers(truth: Truth, text: str) -> bool:
    """Whether a text is the right answer, or ends with it."""
    return truth.right(text) or truth.right(read_any(text).answer)


def _summary(asked: _Asked) -> str:
    steps, answer = asked.led()
    return f"{' '.join(steps[-2:])}\nAnswer: {answer}"


def _direct(asked: _Asked) -> str:
    return asked.led()[1]


def _question(asked: _Asked) -> str:
    told, answer = asked.reasoned()
    asks = asked.rng("asks").choice(("Give the answer alone.", "Reply with nothing but the answer."))
    question = f"{asked.call.example.question} {asks}"
    return json.dumps(
        {"question": question, "thought": "\n\n".join(told), "answer": answer}, ensure_ascii=False
    )


def _distill(asked: _Asked) -> str:
    told, answer = asked.reasoned()
    paragraphs = "\n\n".join(told)
    return f"<think>\n{paragraphs}\n</think>\n\n**The answer is: {answer}**"


FORMS: dict[str, Callable[[_Asked], str]] = {
    "describe": _describe, "prefix": _prefix, "reason": _reason, "rewrite": _rewrite, "steps": _turn,
    "sample": _sample, "judge": _judge, "grade": _grade, "validity": _validity, "summary": _summary,
    "direct": _direct, "question": _question, "distill": _distill,
}  # fmt: skip
"""By the first part of `Call.step`."""
SILENT = ("judge", "grade", "validity", "direct", "steps/final")
"""Steps that are never refused: they neither describe nor think."""
AS_JSON = ("steps", "grade", "validity", "question", "describe/boxes")


@dataclass(frozen=True)
class Oracle:
    """Answers every step of the six chains about drawn worlds, `Counting` and `Pages`.

    What is true it takes from `call.example`, and all else from the messages: the thought it rewrites, the
    answer it judges, the paths it grades, how far a path has come. Of thoughts it knows its own sentences
    again, word for word; a judge's `steps_correct` and grades say nothing of anybody else's. Whether a reply
    has a fault, and how it is worded, hangs on a hash of seed, example, step and sampling seed. delay_s: how
    long every reply takes.

    `answer` raises InputError for an example of which nothing is known and for a step that is none of its
    own, and ValueError where a call lacks the text that it is about.
    """

    rates: Rates = Rates()
    seed: int = 0
    delay_s: float = 0.0

    @classmethod
    def from_text(cls, errors: str, seed: int = 0, delay_s: float = 0.0) -> Oracle:
        """`Oracle.from_text("wrong=0.3,leak=0.1")`; of an empty text, one that never errs."""
        told: dict[str, float] = {}
        for part in filter(None, map(str.strip, errors.split(","))):
            name, _, rate = (word.strip() for word in part.partition("="))
            if name in told:
                raise InputError(f"the error {name!r} is given twice; give it once")
            try:
                told[name] = float(rate)
            except ValueError:
                raise InputError(
                    f"the error {part!r} cannot be read; write name=share, such as wrong=0.3"
                ) from None
        return cls(Rates.of(told), seed, delay_s)

    @property
    def name(self) -> str:
        rates = [f"{name}={rate:g}" for name, rate in asdict(self.rates).items() if rate]
        told = ", ".join([*rates, *([f"seed={self.seed}"] if self.seed else [])])
        return f"oracle ({told})" if told else "oracle"

    async def answer(self, call: Call, fault: Fault) -> Reply:
        if self.delay_s:
            await asyncio.sleep(self.delay_s)
        text, _ = self._made(call)
        asked = sum(
            len(part["text"].split()) for m in call.messages for part in m["content"] if "text" in part
        )
        return Reply(text, prompt_tokens=asked, tokens=len(text.split()))

    async def close(self) -> None: ...

    def planted(self, call: Call) -> frozenset[str]:
        """The faults of its reply to this call, by the names of `Rates`. A refusal, or JSON that cannot be
        read, has no other fault: nothing else is said."""
        return self._made(call)[1]

    def _made(self, call: Call) -> tuple[str, frozenset[str]]:
        form, _, what = call.step.partition("/")
        if form not in FORMS:
            raise InputError(f"the oracle answers no step {call.step!r}; it knows {', '.join(FORMS)}")
        asked = _Asked(call, what, Truth(call.example), self.rates, self.seed)
        names = {form, f"{form}/{what}"}
        replies = _turns_of(asked.truth) if form == "steps" else 1
        if names.isdisjoint(SILENT) and asked.errs("refusal", replies):
            return speech.refusal(asked.rng("words"), asked.zh), frozenset({"refusal"})
        text = FORMS[form](asked)
        if not names.isdisjoint(AS_JSON) and asked.errs("json"):
            return speech.broken(text, asked.rng("words")), frozenset({"json"})
        if begun_answer(call.messages).strip() == "<think>":
            text = text.removeprefix("<think>")
        return text, frozenset(asked.planted)
