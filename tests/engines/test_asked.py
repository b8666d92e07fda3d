"""A teacher as an engine: all is asked at one time, and what it does not answer is said."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from seethink.attempt import attempt, lenient
from seethink.engines.asked import AskedEngine
from seethink.engines.chat import ChatTeacher
from seethink.engines.teacher import Call, Fault, Reply, Unanswered
from seethink.formats import ANSWER_ONLY
from seethink.types import GREEDY, Completion, Example, InputError, Messages, Sampling, Task
from seethink.verify import same_text
from seethink.verify.judge import Judge
from tests.engines.asking import QUICK, turn
from tests.servers import ChatServer, Told


@dataclass
class Meeting:
    """A teacher that answers none before `together` calls have come, and echoes them."""

    together: int = 1
    fails: Callable[[Call], bool] = lambda call: False
    name: str = "meeting"
    calls: list[Call] = field(default_factory=list)
    at_once: int = 0
    most: int = 0
    closed: bool = False

    async def answer(self, call: Call, fault: Fault) -> Reply:
        self.calls.append(call)
        self.at_once += 1
        self.most = max(self.most, self.at_once)
        while len(self.calls) < self.together:
            await asyncio.sleep(0)
        self.at_once -= 1
        if self.fails(call):
            fault("500", "tired")
            raise Unanswered("500", "after 1 try: tired")
        text = call.messages[0]["content"][0]["text"]
        return Reply(text, "length" if text == "long" else "stop", 1, len(text))

    async def close(self) -> None:
        self.closed = True


async def here(teacher: Meeting) -> Meeting:
    return teacher


def asked(*texts: str) -> list[Messages]:
    return [[turn(text)] for text in texts]


def test_all_are_on_their_way_at_once_and_come_back_in_order() -> None:
    teacher, texts = Meeting(together=40), [f"question {i}" for i in range(40)]
    before = threading.active_count()
    with AskedEngine(here(teacher)) as engine:
        replies = engine.generate(asked(*texts), GREEDY)
        assert engine.generate([], GREEDY) == []
    assert replies == [[Completion(text, "stop", len(text))] for text in texts]
    assert (teacher.most, teacher.closed, threading.active_count()) == (40, True, before)


def test_no_more_are_on_their_way_than_may_be() -> None:
    teacher = Meeting(together=3)
    with AskedEngine(here(teacher), at_once=3) as engine:
        engine.generate(asked(*map(str, range(20))), GREEDY)
    assert (teacher.most, len(teacher.calls)) == (3, 20)


def test_several_completions_are_calls_with_seeds_of_their_own() -> None:
    teacher = Meeting()
    with AskedEngine(here(teacher)) as engine:
        replies = engine.generate(asked("a", "long"), Sampling(n=3, seed=7))
    assert [[c.stop for c in own] for own in replies] == [["stop"] * 3, ["length"] * 3]
    assert sorted((c.sampling.seed, c.sampling.n) for c in teacher.calls) == [
        (7, 1), (7, 1), (8, 1), (8, 1), (9, 1), (9, 1)
    ]  # fmt: skip


def test_what_is_not_answered_says_so_and_is_counted_and_told_once(caplog) -> None:
    teacher = Meeting(fails=lambda call: "bad" in call.messages[0]["content"][0]["text"])
    with caplog.at_level(logging.WARNING), AskedEngine(here(teacher)) as engine:
        [[good], [bad], [worse]] = engine.generate(asked("good", "bad", "bad too"), GREEDY)
    assert (good.stop, bad.stop, worse.stop) == ("stop", "unanswered", "unanswered")
    assert bad.text == "500: after 1 try: tired"
    assert (engine.unanswered, engine.faults) == ({"500": 2}, {"500": 2})
    assert [record.getMessage() for record in caplog.records] == [
        "meeting gives no answer (500): after 1 try: tired"
    ]


def test_an_error_that_no_call_survives_is_raised_and_the_thread_ends() -> None:
    before = threading.active_count()
    with ChatServer() as server:
        with pytest.raises(InputError, match="has no model other"):
            AskedEngine(ChatTeacher.open(server.url, "other", terms=QUICK))
        server.models = (("fake", "vllm"),)
        with AskedEngine(ChatTeacher.open(server.url, terms=QUICK)) as engine:
            server.key = "secret"
            with pytest.raises(InputError, match="OPENAI_API_KEY"):
                engine.generate(asked("a", "b"), GREEDY)
    assert threading.active_count() == before


def test_trouble_that_passes_is_mended_and_trouble_that_stays_leaves_none() -> None:
    broken, tries = Told(500, {"error": {"message": "broken"}}), Counter()

    def reply(body):
        wanted = "crimson" in str(body)
        tries[wanted] += 1
        return "VERDICT: right" if wanted and tries[wanted] == 3 else broken

    example = Example("1", "Colour?", answer="red")
    pairs = [(example, ANSWER_ONLY.parse(f"<answer>{word}</answer>")) for word in ("crimson", "blue")]
    with ChatServer(reply) as server, AskedEngine(ChatTeacher.open(server.url, terms=QUICK)) as engine:
        judge = Judge(engine.teacher.name, engine)
        judge.ask(pairs)
        scores = [judge(*pair) for pair in pairs]
    assert [score.value for score in scores] == [1.0, None]
    assert scores[1].why == "the judge fake does not answer: 500: after 3 tries: broken"
    assert len(judge.tally.failed) == engine.unanswered.total() == 1
    assert tries == {True: 3, False: 3} and engine.faults == {"500": 5}


def test_an_attempt_that_nobody_answered_is_unjudged() -> None:
    task = Task("colours", [Example("1", "Colour?", answer="red")], ANSWER_ONLY, same_text)
    with AskedEngine(here(Meeting(fails=lambda call: True))) as engine:
        ((rollout,),) = attempt(engine, task, list(task.examples), GREEDY)
    assert (rollout.score.value, lenient(task, rollout)[1].value) == (None, None)
    assert rollout.score.why == "there is no answer to judge: 500: after 1 try: tired"
