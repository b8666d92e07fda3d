"""The scheduler over a local model: jobs join and leave its batch between decode steps."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from seethink.serve.scheduler import (
    GATHER_S,
    JOIN_AT,
    JOIN_MOST,
    JOIN_WAIT_S,
    CompletionJob,
    Ended,
    Observer,
    Progress,
    Scheduler,
    TokenText,
    first_stop,
)
from seethink.types import RolloutUsage


class ContinuousBatching(Scheduler):
    """Schedules a `engines.continuous.ContinuousBatch`."""

    reports_tokens = True

    def __init__(self, batch: Any, observer: Observer | None = None, context: int | None = None) -> None:
        super().__init__(batch.engine, observer, context)
        self.batch = batch
        self._owners: dict[Any, _RowText] = {}

    @property
    def busy(self) -> bool:
        return bool(self.batch.rows)

    def work(self) -> None:
        jobs = self._joining()
        if jobs:
            self._join(jobs)
        grown = self.batch.step()
        if self.observer:
            self.observer.stepped(len(grown))
        for row in grown:
            self._report(row)
        gone = [row for row in self._owners if row.ended and row not in grown]
        for row in gone:
            del self._owners[row]

    def drop_all(self, error: Exception) -> None:
        self.batch.clear()
        self._owners.clear()
        super().drop_all(error)

    def _joining(self) -> list[CompletionJob]:
        """The jobs that join now; those that wait for company or for room do not."""
        with self._changed:
            first = self._ready[0] if self._ready else None
            more_come = len(self._ready) < JOIN_AT and self._open > len(self._ready)
        if not self.busy and more_come:
            time.sleep(GATHER_S)
        elif first is None or (more_come and time.monotonic() - first.arrived_s < JOIN_WAIT_S):
            return []
        prompts, rows, longest = 0, 0, 0

        def admits(job: CompletionJob) -> bool:
            nonlocal prompts, rows, longest
            length = max(longest, len(job.prompt.ids) + job.sampling.max_tokens)
            idle = not self.busy and not prompts
            if not idle and (prompts == JOIN_MOST or not self.batch.room_for(rows + job.sampling.n, length)):
                return False
            prompts, rows, longest = prompts + 1, rows + job.sampling.n, length
            return True

        return self._take(admits)

    def _join(self, jobs: Sequence[CompletionJob]) -> None:
        """Add jobs to the batch; where that fails, one by one, so that only those at fault fail."""
        from seethink.engines.continuous import DecodingRow

        rows = []
        for job in jobs:
            job.rows = [
                DecodingRow(job.prompt, job.sampling, i, job.alternatives or 0) for i in range(job.sampling.n)
            ]
            rows += job.rows
            self._owners |= {row: _RowText(job, self.encoder) for row in job.rows}
            if job.cancelled:  # while it got its rows
                job.cancel()
        try:
            self.batch.join(rows)
        except Exception as error:
            for row in rows:
                row.drop()  # some may have joined before others failed
                del self._owners[row]
            if len(jobs) == 1:
                self.fail(jobs[0], error)
            for job in jobs if len(jobs) > 1 else ():
                self._join([job])

    def _report(self, row: Any) -> None:
        """Tell a row's new token, and its end."""
        text = self._owners[row]
        job = text.job
        if job.cancelled:
            row.drop()
            self._owners.pop(row)
            return
        told = text.grow(row)
        if row.ended:
            self._owners.pop(row)
            self._tell(job, text.end(row))
        elif told:
            self._tell(job, told)


@dataclass(eq=False)
class _RowText:
    """The growing text of a row. told: tokens reported so far. start, read: a token's text depends on those
    before it, so the text of `ids[start:]` is compared with that of `ids[start:read]`."""

    job: CompletionJob
    encoder: Any
    text: str = ""
    told: int = 0
    start: int = 0
    read: int = 0
    stopped: bool = False
    _names: dict[int, str] = field(default_factory=dict)

    def grow(self, row: Any) -> Progress | None:
        """Read the row's last token; None where it has not yet become text. `end` tells what is left of a row
        that has ended."""
        if not (self.job.stream or self.job.stop) or row.ended:
            return None
        ids = [choice.token_id for choice in row.choices]
        begun = self.encoder.decode(ids[self.start : self.read])
        grown = self.encoder.decode(ids[self.start :])
        if grown.endswith("\ufffd") or len(grown) <= len(begun):
            return None
        self.text += grown[len(begun) :]
        self.start, self.read = self.read, len(ids)
        if (begin := first_stop(self.text, self.job.stop)) is not None:
            self.text, self.stopped = self.text[:begin], True
            row.ended = "stop"
            return None
        if not self.job.stream:
            return None
        return Progress(row.number, self._without_begun_stop(), self._tokens(row))

    def end(self, row: Any) -> Ended:
        """The whole completion, its text read in one piece."""
        ids = [choice.token_id for choice in row.choices]
        completion = self.encoder.completion(row.prompt, ids, [choice.logp for choice in row.choices])
        usage = RolloutUsage(1, len(ids)) + row.usage
        completion = replace(completion, prompt_tokens=len(row.prompt.ids), usage=usage)
        begin = len(self.text) if self.stopped else first_stop(completion.text, self.job.stop)
        if begin is not None:
            completion = replace(completion, text=completion.text[:begin], stop="stop")
        return Ended(row.number, completion, self._tokens(row))

    def _without_begun_stop(self) -> str:
        """The text without an end with which a stop text may begin."""
        for stop in self.job.stop:
            for size in range(min(len(stop) - 1, len(self.text)), 0, -1):
                if self.text.endswith(stop[:size]):
                    return self.text[:-size]
        return self.text

    def _tokens(self, row: Any) -> tuple[TokenText, ...]:
        if self.job.alternatives is None:
            return ()
        new, self.told = row.choices[self.told :], len(row.choices)
        return tuple(
            TokenText(
                self._name(choice.token_id),
                choice.logprob,
                tuple((self._name(token_id), logprob) for token_id, logprob in choice.alternatives),
            )
            for choice in new
        )

    def _name(self, token_id: int) -> str:
        if token_id not in self._names:
            self._names[token_id] = self.encoder.tokenizer.decode([token_id])
        return self._names[token_id]
