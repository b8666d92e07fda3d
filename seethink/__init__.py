"""SeeThink trains vision-language models to reason, and measures what they learned. Its nine core types are
here."""

from typing import TYPE_CHECKING, Any

from seethink.types import Engine, Example, Format, Response, Score, Solver, Task, Verifier

if TYPE_CHECKING:
    from seethink.run.run import Run

__version__ = "0.1.0"
__all__ = ["Engine", "Example", "Format", "Response", "Run", "Score", "Solver", "Task", "Verifier"]


def __getattr__(name: str) -> Any:
    """Import `Run` on first access: verifying answers needs none of its dependencies."""
    if name == "Run":
        from seethink.run.run import Run

        return Run
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
