"""A synchronous engine on an asynchronous one: concurrency, order, failures."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from seethink.attempt import attempt, lenient
from seethink.engines.base import OnFault, Request, RequestFailed
from seethink.engines.chat import ChatEngine
from seethink.engines.sync import SyncEngine
from seethink.formats import ANSWER_ONLY
from seethink.types import GREEDY, Completion, Example, InputError, Messages, Sampling, Task
from seethink.verify import same_text
from seethink.verify.judge import Judge
from tests.engines.chat_requests import QUICK, message
from tests.servers import ChatServer, HttpReply


@dataclass
class MeetingEngine:
    """Replies only when `together` requests have arrived; echoes them."""

    together: int = 1
    fails: Callable[[Request], bool] = lambda request: False
    name: str = "meeting"
    requests: list[Request] = field(default_factory=list)
    in_flight: int = 0
    most: int = 0
    closed: bool = False

    async def complete(self, request: Request, on_fault: OnFault) -> Completion:
        self.requests.append(request)
        self.in_flight += 1
        self.most = max(self.most, self.in_flight)
        while len(self.requests) < self.together:
            await asyncio.sleep(0)
        self.in_flight -= 1
        if self.fails(request):
            on_fault("500", "tired")
            raise RequestFailed("500", "after 1 try: tired")
        text = request.messages[0]["content"][0]["text"]
        return Completion(text, "length" if text == "long" else "stop", len(text), prompt_tokens=1)

    async def close(self) -> None:
        self.closed = True


async def opened(meeting: MeetingEngine) -> MeetingEngine:
    return meeting


def conversations(*texts: str) -> list[Messages]:
    return [[message(text)] for text in texts]


def test_requests_run_concurrently_and_come_back_in_order() -> None:
    meeting, texts = MeetingEngine(together=40), [f"question {i}" for i in range(40)]
    before = threading.active_count()
    with SyncEngine(opened(meeting)) as engine:
        replies = engine.generate(conversations(*texts), GREEDY)
        assert engine.generate([], GREEDY) == []
    assert replies == [[Completion(text, "stop", len(text), prompt_tokens=1)] for text in texts]
    assert (meeting.most, meeting.closed, threading.active_count()) == (40, True, before)


def test_no_more_than_max_concurrency_requests_are_in_flight() -> None:
    meeting = MeetingEngine(together=3)
    with SyncEngine(opened(meeting), max_concurrency=3) as engine:
        engine.generate(conversations(*map(str, range(20))), GREEDY)
    assert (meeting.most, len(meeting.requests)) == (3, 20)


def test_several_completions_are_requests_with_their_own_seeds() -> None:
    meeting = MeetingEngine()
    with SyncEngine(opened(meeting)) as engine:
        replies = engine.generate(conversations("a", "long"), Sampling(n=3, seed=7))
    assert [[c.stop for c in own] for own in replies] == [["stop"] * 3, ["length"] * 3]
    assert sorted((c.sampling.seed, c.sampling.n) for c in meeting.requests) == [
        (7, 1), (7, 1), (8, 1), (8, 1), (9, 1), (9, 1)
    ]  # fmt: skip


def test_failed_requests_are_marked_counted_and_logged_once(caplog) -> None:
    meeting = MeetingEngine(fails=lambda request: "bad" in request.messages[0]["content"][0]["text"])
    with caplog.at_level(logging.WARNING), SyncEngine(opened(meeting)) as engine:
        [[good], [bad], [worse]] = engine.generate(conversations("good", "bad", "bad too"), GREEDY)
    assert (good.stop, bad.stop, worse.stop) == ("stop", "unanswered", "unanswered")
    assert bad.text == "500: after 1 try: tired"
    assert (engine.failures, engine.faults) == ({"500": 2}, {"500": 2})
    assert [record.getMessage() for record in caplog.records] == [
        "meeting does not answer (500): after 1 try: tired"
    ]


def test_an_error_of_every_request_is_raised_and_the_thread_ends() -> None:
    before = threading.active_count()
    with ChatServer() as server:
        with pytest.raises(InputError, match="has no model other"):
            SyncEngine(ChatEngine.open(server.url, "other", policy=QUICK))
        server.models = (("fake", "vllm"),)
        with SyncEngine(ChatEngine.open(server.url, policy=QUICK)) as engine:
            server.key = "secret"
            with pytest.raises(InputError, match="OPENAI_API_KEY"):
                engine.generate(conversations("a", "b"), GREEDY)
    assert threading.active_count() == before


def test_transient_faults_are_retried_and_permanent_ones_give_no_verdict() -> None:
    broken, tries = HttpReply(500, {"error": {"message": "broken"}}), Counter()

    def reply(body):
        wanted = "crimson" in str(body)
        tries[wanted] += 1
        return "VERDICT: right" if wanted and tries[wanted] == 3 else broken

    example = Example("1", "Colour?", answer="red")
    pairs = [(example, ANSWER_ONLY.parse(f"<answer>{word}</answer>")) for word in ("crimson", "blue")]
    with ChatServer(reply) as server, SyncEngine(ChatEngine.open(server.url, policy=QUICK)) as engine:
        judge = Judge(engine.name, engine)
        judge.prefetch(pairs)
        scores = [judge(*pair) for pair in pairs]
    assert [score.value for score in scores] == [1.0, None]
    assert scores[1].why == "the judge fake does not answer: 500: after 3 attempts: broken"
    assert len(judge.statistics.failed) == engine.failures.total() == 1
    assert tries == {True: 3, False: 3} and engine.faults == {"500": 5}


def test_an_unanswered_attempt_is_unjudged() -> None:
    task = Task("colours", [Example("1", "Colour?", answer="red")], ANSWER_ONLY, same_text)
    with SyncEngine(opened(MeetingEngine(fails=lambda request: True))) as engine:
        ((rollout,),) = attempt(engine, task, list(task.examples), GREEDY)
    assert (rollout.score.value, lenient(task, rollout)[1].value) == (None, None)
    assert rollout.score.why == "there is no answer to judge: 500: after 1 try: tired"
