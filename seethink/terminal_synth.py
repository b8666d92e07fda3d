"""What a synthesis tells the person at the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich import box
from rich.console import Console
from rich.table import Table

from seethink.terminal import say

if TYPE_CHECKING:
    from seethink.synth.status import Status


def show_status(console: Console, status: Status) -> None:
    """What became of the examples, who was asked what, and what it took."""
    about = status.about
    table = Table(title=f"{about.chain}: {about.examples:,} examples of {about.data}", box=box.SIMPLE)
    for column in ("", "step", "reason", "examples"):
        table.add_column(column, justify="right" if column == "examples" else "left")
    table.add_row("kept", "", "", f"{status.kept:,}")
    for state, ends in (("dropped", status.dropped), ("failed", status.failed)):
        for (step, reason), n in ends.items():
            table.add_row(state, step, reason, f"{n:,}")
    if status.pending:
        table.add_row("pending", "", "", f"{status.pending:,}")
    console.print(table)
    if status.asked:
        console.print(_asked(status))
    cost = f", cost {status.spent.cost:.4f}" if status.spent.cost else ""
    say(console, f"{status.spent.calls:,} calls answered, {status.spent.tokens:,} tokens{cost}")
    if status.faults:
        kinds = ", ".join(f"{n:,} {kind}" for kind, n in status.faults.items())
        say(console, f"{sum(status.faults.values()):,} tries failed: {kinds}")
    for (step, kind), sentence in status.told.items():
        say(console, f"failed at {step}, {kind}: {sentence}")


def _asked(status: Status) -> Table:
    """A line for each kind of call; by model only where there are several."""
    models = list(dict.fromkeys(one.model for one in status.asked))
    several = len(models) > 1
    table = Table(box=box.SIMPLE, caption=None if several else f"asked of {models[0]}")
    for column in ("call", *(["model"] if several else []), "answered", "prompt tokens", "tokens"):
        table.add_column(column, justify="left" if column in ("call", "model") else "right", overflow="fold")
    for one in status.asked:
        counts = (f"{n:,}" for n in (one.calls, one.prompt_tokens, one.tokens))
        table.add_row(one.step, *([one.model] if several else []), *counts)
    return table
