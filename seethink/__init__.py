"""SeeThink teaches small vision-language models to reason. Nine words hold it together."""

from typing import TYPE_CHECKING, Any

from seethink.types import Engine, Example, Format, Response, Score, Solver, Task, Verifier

if TYPE_CHECKING:
    from seethink.run import Run

__version__ = "0.1.0"
__all__ = ["Engine", "Example", "Format", "Response", "Run", "Score", "Solver", "Task", "Verifier"]


def __getattr__(name: str) -> Any:
    """Run comes with the terminal's tables and bars; who only judges answers need not wait for them."""
    if name == "Run":
        from seethink.run import Run

        return Run
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
