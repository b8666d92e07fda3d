"""The server's Prometheus metrics."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

_SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)
_ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256)


class ServerMetrics:
    """Counts of one server, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "seethink_requests", "Requests, by route and status.", ["route", "status"], registry=self.registry
        )
        self.seconds = Histogram(
            "seethink_request_seconds",
            "From the request to the end of its answer.",
            ["route"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.first_text = Histogram(
            "seethink_first_text_seconds",
            "From the request to the first text of a streamed answer.",
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.prompt_tokens = Counter(
            "seethink_prompt_tokens", "Tokens of prompts, media included.", registry=self.registry
        )
        self.completion_tokens = Counter(
            "seethink_completion_tokens", "Tokens of answers.", registry=self.registry
        )
        self.cancelled = Counter(
            "seethink_cancelled_requests", "Requests whose client hung up.", registry=self.registry
        )
        self.rows = Histogram(
            "seethink_rows_per_step",
            "Completions in a decode step or micro-batch.",
            buckets=_ROWS,
            registry=self.registry,
        )
        self.running = Gauge("seethink_running_requests", "Requests at work.", registry=self.registry)

    def watch(self, name: str, help_text: str, value: Callable[[], float]) -> None:
        """A gauge whose value is asked for."""
        Gauge(name, help_text, registry=self.registry).set_function(value)

    def stepped(self, rows: int) -> None:
        """A decode step, or a micro-batch, of so many completions."""
        self.rows.observe(rows)

    def text(self) -> bytes:
        """All metrics, as Prometheus reads them."""
        return generate_latest(self.registry)
