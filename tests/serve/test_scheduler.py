"""Whatever a round of work raises fails the requests that are under way, and the next are answered."""

from __future__ import annotations

import queue
from types import SimpleNamespace
from typing import Any

import pytest

from seethink.serve.continuous import ContinuousBatching
from seethink.serve.scheduler import CompletionJob, Ended, Failed, MicroBatches, Scheduler, ServeEvent
from seethink.types import Completion, Sampling

SAMPLING = Sampling(temperature=0.0, max_tokens=4)


class Engine:
    """Answers, and gives one answer too few to the first call."""

    calls = 0

    def generate(self, prompts: Any, sampling: Sampling) -> list[list[Completion]]:
        self.calls += 1
        answers = [[Completion("yes")] for _ in prompts]
        return answers[self.calls == 1 :]


class Batch:
    """A batch whose engine has no encoder, so that the prompts of its jobs have no length. rows: said to be
    there, so that there is a step, which fails."""

    def __init__(self) -> None:
        self.engine, self.rows, self.cleared = SimpleNamespace(encoder=None), [], 0

    def clear(self) -> None:
        self.rows = []
        self.cleared += 1

    def step(self) -> None:
        raise MemoryError("no room for a step")


def job(events: queue.Queue[ServeEvent], text: str) -> CompletionJob:
    return CompletionJob(
        [{"role": "user", "content": [{"type": "text", "text": text}]}], SAMPLING, events.put
    )


@pytest.fixture
def started(request: pytest.FixtureRequest) -> Any:
    scheduler: Scheduler = request.param()
    scheduler.start()
    yield scheduler
    scheduler.close()
    assert not scheduler.alive


@pytest.mark.parametrize("started", [lambda: MicroBatches(Engine())], indirect=True)
def test_an_engine_with_too_few_answers_fails_one_request_and_not_the_server(
    started: Scheduler, caplog
) -> None:
    events: queue.Queue[ServeEvent] = queue.Queue()
    started.submit(job(events, "first"))
    failed = events.get(timeout=10)
    assert isinstance(failed, Failed) and isinstance(failed.error, ValueError) and started.alive
    assert "the requests under way failed" in caplog.text
    started.submit(job(events, "second"))
    told = [events.get(timeout=10) for _ in range(2)]
    assert isinstance(told[1], Ended) and told[1].completion.text == "yes"
    assert started.waiting == 0 and events.empty()


@pytest.mark.parametrize("started", [lambda: ContinuousBatching(Batch())], indirect=True)
def test_a_request_that_cannot_be_weighed_fails_and_is_not_tried_forever(started: Any) -> None:
    events: queue.Queue[ServeEvent] = queue.Queue()
    for text in ("first", "second"):
        started.submit(job(events, text))
        assert isinstance(events.get(timeout=10), Failed)
    assert started.batch.cleared == 2 and started.alive and started.waiting == 0


def test_a_step_that_fails_empties_the_batch_and_the_thread_goes_on(caplog) -> None:
    batch = Batch()
    batch.rows.append("a row of a client that has gone")
    scheduler = ContinuousBatching(batch)
    scheduler.start()
    scheduler.call(lambda engine: None)  # after the first round
    scheduler.close()
    assert batch.cleared == 1 and "no room for a step" in caplog.text
