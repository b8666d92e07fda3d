"""The options of a command as the fields of a dataclass."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, TypeVar, get_type_hints

T = TypeVar("T")


def takes(options: type[T]) -> Callable[[Callable[[T], None]], Callable[..., None]]:
    """A command whose options are the fields of a dataclass, so that commands can share them."""
    told = get_type_hints(options, include_extras=True)  # each in the module of the class that has it
    parameters = inspect.signature(options).parameters.values()
    signature = inspect.Signature([part.replace(annotation=told[part.name]) for part in parameters])

    def decorate(command: Callable[[T], None]) -> Callable[..., None]:
        def call(**values: Any) -> None:
            command(options(**values))

        call.__doc__ = command.__doc__
        call.__signature__ = signature  # type: ignore[attr-defined]
        call.__annotations__ = {name: part.annotation for name, part in signature.parameters.items()}
        return call

    return decorate
