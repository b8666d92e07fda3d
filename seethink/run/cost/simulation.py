"""A discrete-event simulation: work that waits for other work and for a resource that does one thing at a
time."""

from __future__ import annotations

import heapq
from collections import defaultdict, deque
from collections.abc import Hashable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Activity:
    """Something that takes `seconds` on `resource` once all of `after` is done. kind: for accounts."""

    name: Hashable
    kind: str
    resource: Hashable
    seconds: float
    after: tuple[Hashable, ...] = ()


@dataclass(frozen=True)
class Timeline:
    """When each work began and ended, in seconds."""

    spans: dict[Hashable, tuple[float, float]]
    works: dict[Hashable, Activity]

    @property
    def seconds(self) -> float:
        """From the beginning to the last end."""
        return max((end for _, end in self.spans.values()), default=0.0)

    def busy(self, resources: Sequence[Hashable]) -> dict[str, float]:
        """{kind: seconds} over some resources; "waiting" is the rest of their time."""
        wanted, known = set(resources), defaultdict(float)
        for name, (start, end) in self.spans.items():
            if self.works[name].resource in wanted:
                known[self.works[name].kind] += end - start
        return {**known, "waiting": max(0.0, self.seconds * len(wanted) - sum(known.values()))}


def simulate(works: Sequence[Activity]) -> Timeline:
    """Carry out `works`: each resource takes what became ready first. Raises ValueError where some work waits
    for itself or for what does not exist."""
    by_name = {work.name: work for work in works}
    missing = {work.name: len(set(work.after)) for work in works}
    followers: dict[Hashable, list[Hashable]] = defaultdict(list)
    for work in works:
        for earlier in set(work.after):
            followers[earlier].append(work.name)
    queues: dict[Hashable, deque[Activity]] = defaultdict(deque)
    idle = {work.resource for work in works}
    spans: dict[Hashable, tuple[float, float]] = {}
    ends: list[tuple[float, int, Activity]] = []

    def start(resource: Hashable, now: float) -> None:
        if resource in idle and queues[resource]:
            work = queues[resource].popleft()
            idle.discard(resource)
            spans[work.name] = (now, now + work.seconds)
            heapq.heappush(ends, (now + work.seconds, len(spans), work))

    for work in works:
        if not missing[work.name]:
            queues[work.resource].append(work)
    for resource in list(queues):
        start(resource, 0.0)
    while ends:
        now, _, done = heapq.heappop(ends)
        idle.add(done.resource)
        for name in followers[done.name]:
            missing[name] -= 1
            if not missing[name]:
                queues[by_name[name].resource].append(by_name[name])
                start(by_name[name].resource, now)
        start(done.resource, now)
    if len(spans) < len(by_name):
        stuck = next(name for name in by_name if name not in spans)
        raise ValueError(f"{stuck!r} waits for what never happens")
    return Timeline(spans, by_name)
