"""The options of a command as the fields of a dataclass."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")


def takes(options: type[T]) -> Callable[[Callable[[T], None]], Callable[..., None]]:
    """A command whose options are the fields of a dataclass, so that commands can share them."""
    signature = inspect.signature(options, eval_str=True)

    def decorate(command: Callable[[T], None]) -> Callable[..., None]:
        def call(**values: Any) -> None:
            command(options(**values))

        call.__doc__ = command.__doc__
        call.__signature__ = signature  # type: ignore[attr-defined]
        call.__annotations__ = {name: part.annotation for name, part in signature.parameters.items()}
        return call

    return decorate
