"""Scheduling of completions: the requests of all clients and solvers share the decode steps of one engine.

Over a local model with plain key-value layers a request joins the batch after any decode step and leaves it
when it ends (`ContinuousBatch`): a short answer need not wait for a long one, and every row's tokens can be
told as they come. Any other engine gets micro-batches: what has arrived within `GATHER_S` is one call. A
compiled engine, a family with states or its own `generate` takes a batch as a whole, so nothing can join it,
and its answers are told when they are complete.

Everything that touches the engine runs on one thread; media are decoded and prompts encoded on another.
"""

from __future__ import annotations

import logging
import threading
import time
from abc import ABC, abstractmethod
from collections import Counter, deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from seethink.serve.errors import ApiError
from seethink.types import Completion, Messages, RolloutPart, Sampling

_LOG = logging.getLogger(__name__)

GATHER_S = 0.005
"""How long the first request of an idle engine waits for others."""
JOIN_WAIT_S = 0.02
"""How long a request waits for others before it interrupts the rows that are being decoded; `JOIN_AT` that
wait together do not. Each time, all cached keys are copied."""
JOIN_AT = 4
JOIN_MOST = 8
"""Prompts computed between two decode steps; more would hold up the streams that run."""


@dataclass(frozen=True)
class TokenText:
    """A sampled token as clients see it. text: of the token alone. alternatives: (text, logprob) of the most
    probable tokens at its place."""

    text: str
    logprob: float
    alternatives: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True)
class Accepted:
    """The prompt is encoded, and its completions are under way. prompt_tokens: 0 if unknown."""

    prompt_tokens: int


@dataclass(frozen=True)
class Progress:
    """A completion has grown. text: all of it so far. tokens: those that are new, if they were requested."""

    index: int
    text: str
    tokens: tuple[TokenText, ...] = ()


@dataclass(frozen=True)
class Ended:
    """A completion is complete. tokens: those that no `Progress` told, if they were requested. parts: what a
    solver went through."""

    index: int
    completion: Completion
    tokens: tuple[TokenText, ...] = ()
    parts: tuple[RolloutPart, ...] = ()


@dataclass(frozen=True)
class Failed:
    """The request failed; nothing follows."""

    error: BaseException


ServeEvent = Accepted | Progress | Ended | Failed
"""What happens to a request, in this order; `Progress` only where it was asked for."""


@dataclass(eq=False)
class CompletionJob:
    """Completions of one conversation. sampling: `max_tokens` is the most; `fill`: what the context leaves
    will do as well. seeded: whether the seed matters. stop: texts that end a completion, and are not part of
    it. stream: whether progress is told. alternatives: of each token, that are reported; None reports no
    tokens. deliver: called with each event, on the scheduler's threads. cancelled: nobody waits any more.
    ended: completions that are complete."""

    messages: Messages
    sampling: Sampling
    deliver: Callable[[ServeEvent], None]
    fill: bool = False
    seeded: bool = True
    stop: tuple[str, ...] = ()
    stream: bool = False
    alternatives: int | None = None
    cancelled: bool = False
    ended: int = 0
    arrived_s: float = field(default_factory=time.monotonic)
    prompt: Any = None
    rows: list[Any] = field(default_factory=list, repr=False)

    @property
    def over(self) -> bool:
        """Whether no event follows."""
        return self.cancelled or self.ended == self.sampling.n

    def cancel(self) -> None:
        """Free the job's places. Safe to call from any thread, and after the end."""
        self.cancelled = True
        for row in self.rows:
            row.drop()


class Observer(Protocol):
    """Counts the scheduler's work (`metrics.py`)."""

    def stepped(self, rows: int) -> None:
        """A decode step, or a micro-batch, of so many completions."""
        ...


class Scheduler(ABC):
    """One engine, its thread, and the jobs that wait for it. reports_tokens: whether tokens and progress can
    be told. context: most tokens of a prompt and its completion; None if unknown."""

    reports_tokens = False

    def __init__(self, engine: Any, observer: Observer | None = None, context: int | None = None) -> None:
        self.engine, self.observer, self.context = engine, observer, context
        self.encoder = getattr(engine, "encoder", None)
        self._changed = threading.Condition()
        self._ready: deque[CompletionJob] = deque()
        self._begun: list[CompletionJob] = []
        self._calls: deque[tuple[Future[Any], Callable[[Any], Any]]] = deque()
        self._open = 0
        self._closing = False
        self._encoding = ThreadPoolExecutor(1, "seethink-encode")
        self._thread = threading.Thread(target=self._run, name="seethink-engine", daemon=True)

    def start(self) -> None:
        """Begin to work."""
        self._thread.start()

    def submit(self, job: CompletionJob) -> None:
        """Take a job; its events follow. Safe to call from any thread."""
        with self._changed:
            if self._closing:
                raise ApiError(503, "the server is shutting down", "shutting_down")
            self._open += 1
        self._encoding.submit(self._prepare, job)

    def call(self, function: Callable[[Any], Any]) -> Any:
        """The result of `function(engine)`, run on the engine's thread between two rounds of work, which wait
        for it. Raises what it raises."""
        result: Future[Any] = Future()
        with self._changed:
            self._open += 1
            self._calls.append((result, function))
            self._changed.notify_all()
        return result.result()

    @property
    def alive(self) -> bool:
        """Whether the engine's thread runs."""
        return self._thread.is_alive()

    @property
    def waiting(self) -> int:
        """Jobs that are not yet being decoded."""
        return self._open

    def close(self) -> None:
        """Finish what was accepted, then end the thread."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        if self._thread.is_alive():
            self._thread.join()
        self._encoding.shutdown()

    def _prepare(self, job: CompletionJob) -> None:
        """Encode a job's prompt, on the encoding thread."""
        try:
            if not job.cancelled:
                self.encode(job)
        except Exception as error:
            job.cancelled = True
            self._tell(job, Failed(error))
        with self._changed:
            if job.cancelled:
                self._open -= 1
            else:
                self._ready.append(job)
            self._changed.notify_all()

    def _tell(self, job: CompletionJob, event: ServeEvent) -> None:
        job.ended += isinstance(event, Ended)
        try:
            job.deliver(event)
        except RuntimeError as error:  # the event loop of a client that has gone is closed
            _LOG.info("an event could not be delivered: %s", error)
            job.cancel()

    def encode(self, job: CompletionJob) -> None:
        """Encode a job's prompt, and tell that it is accepted; on the encoding thread. An engine without an
        encoder encodes for itself, and tells later. Raises ApiError or InputError for what does not fit."""
        if self.encoder is None:
            return
        (job.prompt,) = self.encoder.prompts([job.messages])
        tokens, room = len(job.prompt.ids), self.context
        if room is not None:
            self._fit(job, tokens, room)
        self._tell(job, Accepted(tokens))

    def _fit(self, job: CompletionJob, tokens: int, room: int) -> None:
        if tokens + (1 if job.fill else job.sampling.max_tokens) > room:
            asked = "" if job.fill else f" and {job.sampling.max_tokens:,} tokens of completion"
            message = f"the messages have {tokens:,} tokens{asked}, and the model's context is {room:,}"
            raise ApiError(400, message, "context_length_exceeded", "messages")
        job.sampling = replace(job.sampling, max_tokens=min(job.sampling.max_tokens, room - tokens))

    def _run(self) -> None:
        while True:
            with self._changed:
                while not (self._ready or self._calls or self.busy):
                    if self._closing and not self._open:
                        return
                    self._changed.wait()
                calls = [self._calls.popleft() for _ in range(len(self._calls))]
                self._open -= len(calls)
            for result, function in calls:
                try:
                    result.set_result(function(self.engine))
                except BaseException as error:
                    result.set_exception(error)
            if self._ready or self.busy:
                try:
                    self.work()
                except Exception as error:
                    _LOG.exception("the requests under way failed")
                    self.drop_all(error)

    def drop_all(self, error: Exception) -> None:
        """Fail all jobs that have begun; where none has, the one that would be next, which must not be tried
        forever."""
        begun = [job for job in self._begun if not job.over]
        for job in begun or self._take(lambda job: not self._begun):
            self.fail(job, error)

    def fail(self, job: CompletionJob, error: BaseException) -> None:
        """Tell a job that is not over that it failed, and free its places."""
        if not job.over:
            job.cancel()
            self._tell(job, Failed(error))

    def _take(self, admits: Callable[[CompletionJob], bool]) -> list[CompletionJob]:
        """The jobs that are ready and still wanted, up to the first that is not admitted."""
        with self._changed:
            jobs: list[CompletionJob] = []
            self._begun = [job for job in self._begun if not job.over]
            while self._ready and (self._ready[0].cancelled or admits(self._ready[0])):
                self._open -= 1
                job = self._ready.popleft()
                if not job.cancelled:
                    jobs.append(job)
                    self._begun.append(job)
            return jobs

    @property
    def busy(self) -> bool:
        """Whether there is work although no job is ready."""
        return False

    @abstractmethod
    def work(self) -> None:
        """One round of work, on the engine's thread. What it raises fails the jobs that have begun."""


class MicroBatches(Scheduler):
    """Calls of any engine, each with the jobs of equal sampling that arrived within `GATHER_S`. Jobs without
    a seed of their own share one, unless they ask the same."""

    def work(self) -> None:
        time.sleep(GATHER_S)
        calls: dict[tuple[Sampling, int], list[CompletionJob]] = {}
        asked: Counter[tuple[Sampling, Any]] = Counter()
        for job in self._take(lambda job: True):
            sampling, turn = job.sampling, 0
            if not job.seeded or sampling.temperature == 0:  # any seed will do, but equal ones are no samples
                sampling = replace(sampling, seed=0)
                turn = asked[sampling, _words(job.messages)]
                asked[sampling, _words(job.messages)] += 1
            calls.setdefault((sampling, turn), []).append(job)
        for jobs in calls.values():
            if jobs := [job for job in jobs if not job.cancelled]:
                self._answer(jobs, jobs[0].sampling)

    def _answer(self, jobs: Sequence[CompletionJob], sampling: Sampling) -> None:
        try:
            if self.encoder is None:
                answers = self.engine.generate([job.messages for job in jobs], sampling)
            else:
                answers = self.engine.complete([job.prompt for job in jobs], sampling)
        except Exception as error:
            if len(jobs) == 1:
                self.fail(jobs[0], error)
            for job in jobs if len(jobs) > 1 else ():  # one of them is at fault: the others must not fail
                self._answer([job], sampling)
            return
        if self.observer:
            self.observer.stepped(len(jobs) * sampling.n)
        for job, completions in zip(jobs, answers, strict=True):
            if self.encoder is None:
                self._tell(job, Accepted(completions[0].prompt_tokens))
            for index, completion in enumerate(completions):
                self._tell(job, Ended(index, _cut(completion, job.stop)))


def _words(messages: Messages) -> tuple[Any, ...]:
    """What a conversation says and shows, to tell equal ones."""
    parts = (part for message in messages for part in message["content"])
    return tuple(part["text"] if part["type"] == "text" else part[part["type"]].key for part in parts)


def _cut(completion: Completion, stop: Sequence[str]) -> Completion:
    """The completion up to the first stop text."""
    begin = first_stop(completion.text, stop)
    return completion if begin is None else replace(completion, text=completion.text[:begin], stop="stop")


def first_stop(text: str, stop: Sequence[str]) -> int | None:
    """Where the first of the stop texts begins."""
    return min((i for i in map(text.find, stop) if i >= 0), default=None)
