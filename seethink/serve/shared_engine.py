"""Engines for solvers, whose requests share the decode steps of all others."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from seethink.engines.base import BeamEngine, Beams
from seethink.serve.errors import bad_request
from seethink.serve.scheduler import Accepted, CompletionJob, Ended, Failed, Scheduler, ServeEvent
from seethink.solve.metering import ReusingEngine
from seethink.solve.second_engine import AdaptableEngine
from seethink.types import Completion, Messages, Sampling


class SharedEngine:
    """An `Engine` whose conversations join those of all other requests. A solver runs in a thread of its
    own. cancelled: set once nobody waits for the solver. prompt_tokens, completion_tokens: of
    all that it requested."""

    def __init__(self, scheduler: Scheduler, cancelled: threading.Event) -> None:
        self._scheduler, self._cancelled = scheduler, cancelled
        self.prompt_tokens = self.completion_tokens = 0

    def generate(self, conversations: Sequence[Messages], sampling: Sampling) -> list[list[Completion]]:
        """`sampling.n` completions of each conversation, in order. Raises ApiError once cancelled."""
        changed = threading.Condition()
        answers: list[dict[int, Completion]] = [{} for _ in conversations]
        prompt_tokens = [0] * len(answers)
        errors: list[BaseException] = []

        def deliver(owner: int, event: ServeEvent) -> None:
            with changed:
                if isinstance(event, Failed):
                    errors.append(event.error)
                elif isinstance(event, Accepted):
                    prompt_tokens[owner] = event.prompt_tokens
                elif isinstance(event, Ended):
                    answers[owner][event.index] = event.completion
                changed.notify_all()

        jobs = [
            CompletionJob(messages, sampling, lambda event, owner=i: deliver(owner, event), fill=True)
            for i, messages in enumerate(conversations)
        ]
        try:
            for job in jobs:
                self._scheduler.submit(job)
            with changed:
                while not errors and any(len(answer) < sampling.n for answer in answers):
                    if self._cancelled.is_set():
                        raise bad_request("the client has gone", code="cancelled")
                    changed.wait(0.2)
        finally:
            for job in jobs:
                job.cancel()
        if errors:
            raise errors[0]
        self.prompt_tokens += sum(prompt_tokens)
        self.completion_tokens += sum(one.n_tokens for answer in answers for one in answer.values())
        return [
            [replace(answer[i], prompt_tokens=prompt_tokens[owner]) for i in range(sampling.n)]
            for owner, answer in enumerate(answers)
        ]


class SharedLocalEngine(SharedEngine):
    """The same over an engine with beams, adapters and kept prompts. What other requests cannot share, a beam
    search and completions with an adapter, is computed between two decode steps, which wait for it."""

    adapter = ""

    def beam_search(self, conversations: Sequence[Messages], beams: Beams) -> list[list[Completion]]:
        """As the engine's."""
        return self._called(self._scheduler.call(lambda engine: engine.beam_search(conversations, beams)))

    def use_adapter(self, folder: str) -> None:
        """Use an adapter for this engine's requests from now on."""
        self.adapter = folder

    @contextmanager
    def reuse(self) -> Iterator[None]:
        """Keep prompts, of all requests, until the end of the context."""
        context = self._scheduler.call(lambda engine: engine.reuse())
        self._scheduler.call(lambda _: context.__enter__())
        try:
            yield
        finally:
            self._scheduler.call(lambda _: context.__exit__(None, None, None))

    def generate(self, conversations: Sequence[Messages], sampling: Sampling) -> list[list[Completion]]:
        """`sampling.n` completions of each conversation, in order. Raises ApiError once cancelled."""
        if not self.adapter:
            return super().generate(conversations, sampling)
        return self._called(
            self._scheduler.call(lambda engine: self._adapted(engine, conversations, sampling))
        )

    def _adapted(
        self, engine: Any, conversations: Sequence[Messages], sampling: Sampling
    ) -> list[list[Completion]]:
        engine.use_adapter(self.adapter)
        try:
            return engine.generate(conversations, sampling)
        finally:
            engine.use_adapter("")

    def _called(self, answers: list[list[Completion]]) -> list[list[Completion]]:
        """The completions, counted."""
        if self._cancelled.is_set():
            raise bad_request("the client has gone", code="cancelled")
        self.completion_tokens += sum(one.n_tokens for answer in answers for one in answer)
        return answers


def shared_engine(scheduler: Scheduler, cancelled: threading.Event) -> SharedEngine:
    """An engine for one solver that can do what the scheduler's can."""
    can = all(isinstance(scheduler.engine, kind) for kind in (BeamEngine, AdaptableEngine, ReusingEngine))
    return (SharedLocalEngine if can else SharedEngine)(scheduler, cancelled)
