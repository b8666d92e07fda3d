"""The status of a synthesis at the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich import box
from rich.console import Console
from rich.table import Table

from seethink.cli.tables import say

if TYPE_CHECKING:
    from seethink.synth.status import SynthesisStatus


def show_status(console: Console, status: SynthesisStatus) -> None:
    """Examples by state and reason, requests by step and model, tokens, cost and errors."""
    info = status.info
    table = Table(title=f"{info.chain}: {info.examples:,} examples of {info.data}", box=box.SIMPLE)
    for column in ("", "step", "reason", "examples"):
        table.add_column(column, justify="right" if column == "examples" else "left")
    table.add_row("kept", "", "", f"{status.kept:,}")
    for state, reasons in (("dropped", status.dropped), ("failed", status.failed)):
        for (step, reason), n in reasons.items():
            table.add_row(state, step, reason, f"{n:,}")
    if status.pending:
        table.add_row("pending", "", "", f"{status.pending:,}")
    console.print(table)
    if status.calls:
        console.print(_requests(status))
    cost = f", cost {status.usage.cost:.4f}" if status.usage.cost else ""
    say(console, f"{status.usage.calls:,} requests completed, {status.usage.tokens:,} tokens{cost}")
    if status.faults:
        kinds = ", ".join(f"{n:,} {kind}" for kind, n in status.faults.items())
        say(console, f"{sum(status.faults.values()):,} attempts failed: {kinds}")
    for (step, kind), sentence in status.messages.items():
        say(console, f"failed at {step}, {kind}: {sentence}")


def _requests(status: SynthesisStatus) -> Table:
    """A row for each step, and for each model where there are several."""
    models = list(dict.fromkeys(usage.model for usage in status.calls))
    several = len(models) > 1
    table = Table(box=box.SIMPLE, caption=None if several else f"model {models[0]}")
    for column in ("step", *(["model"] if several else []), "requests", "prompt tokens", "tokens"):
        table.add_column(column, justify="left" if column in ("step", "model") else "right", overflow="fold")
    for usage in status.calls:
        counts = (f"{n:,}" for n in (usage.calls, usage.prompt_tokens, usage.tokens))
        table.add_row(usage.step, *([usage.model] if several else []), *counts)
    return table
