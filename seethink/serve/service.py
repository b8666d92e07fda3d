"""What the server serves: a model, a format and a solver; and the way from a checked request to events."""

from __future__ import annotations

import asyncio
import secrets
import threading
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from math import prod
from typing import Any

from seethink.formats import BaseFormat
from seethink.serve.conversation import UNCHANGED, task_of
from seethink.serve.errors import ApiError, bad_request
from seethink.serve.limits import Limits
from seethink.serve.media_parts import MediaOpener
from seethink.serve.metrics import ServerMetrics
from seethink.serve.requests import ChatRequest
from seethink.serve.scheduler import (
    Accepted,
    CompletionJob,
    Ended,
    Failed,
    Scheduler,
    ServeEvent,
)
from seethink.serve.shared_engine import shared_engine
from seethink.settings import leaves, override
from seethink.solve import SOLVERS, Stages, by_name
from seethink.types import Completion, InputError, Rollout, Sampling, Task, assistant_prefill

SEEDS = 2**31


@dataclass(frozen=True)
class Query:
    """A checked request. task: of its one example. prefill: text with which every answer begins. solver: None
    for the direct one, whose completions are the engine's own."""

    request: ChatRequest
    task: Task
    prefill: str
    sampling: Sampling
    solver: Any = None

    @property
    def stop(self) -> tuple[str, ...]:
        """Texts that end an answer."""
        stop = self.request.stop
        return (stop,) if isinstance(stop, str) else tuple(stop or ())

    @property
    def alternatives(self) -> int | None:
        """Of each token, that are reported; None reports no tokens."""
        return (self.request.top_logprobs or 0) if self.request.logprobs else None


@dataclass
class Service:
    """The parts of a server. names: that clients may call the model. solver: `NAME:OPTION=VALUE,...`, of
    requests that name none."""

    scheduler: Scheduler
    form: BaseFormat
    names: tuple[str, ...]
    solver: str = "direct"
    limits: Limits = field(default_factory=Limits)
    metrics: ServerMetrics = field(default_factory=ServerMetrics)
    running: int = 0

    def __post_init__(self) -> None:
        self._opening = ThreadPoolExecutor(8, "seethink-media")
        self._solving = ThreadPoolExecutor(self.limits.max_concurrency, "seethink-solve")
        by_name(self.solver)  # raises InputError for an unknown one
        self.scheduler.observer = self.metrics
        self.metrics.watch(
            "seethink_waiting_requests", "Requests that are not yet decoded.", lambda: self.scheduler.waiting
        )

    def close(self) -> None:
        """Finish what was accepted, and end all threads."""
        self._solving.shutdown()
        self.scheduler.close()
        self._opening.shutdown()

    # From a request to a query ------------------------------------------------------------------------------

    async def query(self, request: ChatRequest) -> Query:
        """The request, checked against the limits, its media opened. Raises ApiError or InputError."""
        if request.model not in self.names:
            message = f"there is no model {request.model[:100]!r}; this server serves {', '.join(self.names)}"
            raise ApiError(404, message, "model_not_found", "model")
        sampling = self._sampling(request)
        solver = self._solver(request, sampling)
        _refuse_unsupported(request, solver, self.scheduler.reports_tokens)
        opener = MediaOpener(self.limits)
        loop = asyncio.get_running_loop()
        form = UNCHANGED if request.verbatim else self.form
        try:
            task = await loop.run_in_executor(self._opening, task_of, request.messages, form, opener)
        finally:
            opener.cancelled.set()  # a thread cannot be cancelled: it looks
        prefill = assistant_prefill(task.format.prompt(task.examples[0]))
        return Query(request, task, prefill, sampling, solver)

    def _sampling(self, request: ChatRequest) -> Sampling:
        given = {request.max_tokens, request.max_completion_tokens} - {None}
        if len(given) > 1:
            raise bad_request("max_tokens and max_completion_tokens differ; give one", "max_tokens")
        most = next(iter(given), None) or self.limits.max_tokens
        if most > self.limits.max_tokens:
            raise bad_request(f"at most {self.limits.max_tokens:,} tokens are generated here", "max_tokens")
        if request.n > self.limits.max_n:
            raise bad_request(f"at most {self.limits.max_n} completions are generated here", "n")
        seed = secrets.randbelow(SEEDS) if request.seed is None else request.seed
        try:
            return Sampling(request.n, request.temperature, request.top_p, request.top_k, most, seed)
        except ValueError as error:
            raise bad_request(str(error), "n") from error

    def _solver(self, request: ChatRequest, sampling: Sampling) -> Any:
        """The solver with the request's options; None for the direct one. What the server was started with
        may name code, files and models; a request may not."""
        spec = self.solver if request.solver is None else request.solver
        if request.solver is not None and request.solver not in SOLVERS:
            raise bad_request(f"unknown solver; the solvers are {', '.join(SOLVERS)}", "solver")
        if request.solver == self.solver.partition(":")[0]:
            spec = self.solver
        options = dict(request.solver_options)
        if spec.partition(":")[0] == "direct":
            if options:
                raise bad_request("the solver direct has no options of its own", "solver_options")
            self._refuse_size(sampling.n * sampling.max_tokens)
            return None
        solver = by_name(spec)
        known = leaves(solver)
        for name in options:
            if name not in known or not isinstance(known[name], int | float):
                numbers = ", ".join(key for key, old in known.items() if isinstance(old, int | float))
                raise bad_request(
                    f"unknown option {name[:100]!r}; a request may set {numbers}", "solver_options"
                )
        given = request.model_fields_set
        shared = {"temperature", "top_p", "top_k"} & given & known.keys()
        values = {name: getattr(sampling, name) for name in shared}
        values |= {"seed": sampling.seed} if "seed" in known else {}
        values |= {"max_tokens": sampling.max_tokens} if "max_tokens" in known else {}
        try:
            solver = override(solver, {k: str(v).lower() for k, v in options.items()}, "the solver")
            if isinstance(solver, Stages) and solver.width > 1:  # beams are not sampled
                values.pop("temperature", None)
            values = {name: str(value).lower() for name, value in values.items() if name not in options}
            solver = override(solver, values, "the solver")
        except (InputError, ValueError) as error:
            raise bad_request(str(error), "solver_options") from error
        self._refuse_size(_size(leaves(solver), sampling.max_tokens))
        return solver

    def _refuse_size(self, tokens: int) -> None:
        if tokens > self.limits.max_sampled:
            asked = f"{tokens:,} tokens in all (completions times beams times tokens)"
            message = f"the request may sample {asked}, more than {self.limits.max_sampled:,}"
            raise bad_request(message, "max_tokens", "too_many_tokens")

    # From a query to events ---------------------------------------------------------------------------------

    async def events(self, query: Query, stream: bool) -> AsyncIterator[ServeEvent]:
        """What happens to a query, to the last of its completions. Closing the iterator frees its places.
        stream: whether progress is told. Raises what failed."""
        loop, arrived = asyncio.get_running_loop(), asyncio.Queue[ServeEvent]()

        def deliver(event: ServeEvent) -> None:
            loop.call_soon_threadsafe(arrived.put_nowait, event)

        cancel = self._start(query, stream, deliver)
        left = query.sampling.n if query.solver is None else 1
        try:
            while left:
                event = await arrived.get()
                if isinstance(event, Failed):
                    raise event.error
                if isinstance(event, Ended) and event.completion.stop == "unanswered":
                    raise ApiError(502, "the engine gave no answer", "unanswered")
                left -= isinstance(event, Ended)
                yield event
        finally:
            cancel()

    def _start(self, query: Query, stream: bool, deliver: Callable[[ServeEvent], None]) -> Callable[[], None]:
        """Begin to work on a query. Returns what cancels it."""
        if query.solver is not None:
            cancelled = threading.Event()
            self._solving.submit(self._solve, query, cancelled, deliver)
            return cancelled.set
        request = query.request
        job = CompletionJob(
            query.task.format.prompt(query.task.examples[0]),
            query.sampling,
            deliver,
            fill=request.max_tokens is None and request.max_completion_tokens is None,
            seeded=request.seed is not None,
            stop=query.stop,
            stream=stream,
            alternatives=query.alternatives,
        )
        self.scheduler.submit(job)
        return job.cancel

    def _solve(self, query: Query, cancelled: threading.Event, deliver: Callable[[ServeEvent], None]) -> None:
        """Run a solver; of its rollouts, the first is the answer."""
        try:
            engine = shared_engine(self.scheduler, cancelled)
            ((rollout, *_),) = query.solver(engine, query.task, query.task.examples)
            deliver(Accepted(engine.prompt_tokens))
            deliver(
                Ended(0, _completion(rollout, query.prefill, engine.completion_tokens), parts=rollout.parts)
            )
        except Exception as error:
            if not cancelled.is_set():
                deliver(Failed(error))


def _completion(rollout: Rollout, prefill: str, tokens: int) -> Completion:
    """A solver's answer. tokens: that all of its samples took."""
    response = rollout.response
    stop: Any = response.stop
    return Completion(response.text.removeprefix(prefill), stop, tokens, frame=response.frame)


def _size(options: dict[str, Any], max_tokens: int) -> int:
    """Tokens that a solver may sample: completions times beams times tokens, those of all that it writes."""
    lengths = {"max_tokens": max_tokens} | {k: v for k, v in options.items() if k.endswith("tokens")}
    others = {"seed", "top_k", *lengths}
    counts = [v for k, v in options.items() if type(v) is int and k not in others]
    return prod(max(1, count) for count in counts) * sum(lengths.values())


def _refuse_unsupported(request: ChatRequest, solver: Any, reports_tokens: bool) -> None:
    """Raise ApiError for combinations that have no meaning."""
    if request.top_logprobs is not None and not request.logprobs:
        raise bad_request("top_logprobs needs logprobs: true", "top_logprobs")
    if request.logprobs and (solver is not None or not reports_tokens):
        raise bad_request("logprobs are known of the solver direct on a local model alone", "logprobs")
    if solver is not None and (request.n > 1 or request.stop):
        name = "n" if request.n > 1 else "stop"
        raise bad_request(f"{name} applies to the solver direct; others give one whole answer", name)
    stop = [request.stop] if isinstance(request.stop, str) else request.stop or []
    if len(stop) > 4 or not all(0 < len(text) <= 100 for text in stop):
        raise bad_request("stop takes up to four texts of 1 to 100 characters", "stop")
    if request.stream_options is not None and not request.stream:
        raise bad_request("stream_options needs stream: true", "stream_options")
    if request.logprobs and request.response_format is not None and request.response_format.type != "text":
        raise bad_request("logprobs and a response_format of JSON are not given together", "logprobs")
