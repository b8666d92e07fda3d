"""The scales of a recipe: the same stages with other sizes."""

from __future__ import annotations

from typing import TypeVar

from seethink.settings import unknown
from seethink.types import InputError

SCALES = ("smoke", "tiny", "one_gpu", "full")
_FALLS_BACK = {"smoke": "tiny", "one_gpu": "full"}

T = TypeVar("T")


class Scale(str):
    """The name of a scale; called, it selects a value: `run.scale(smoke=8, tiny=2_000, full=70_000)`."""

    def __new__(cls, name: str) -> Scale:
        if name not in SCALES:
            raise unknown("scale", name, SCALES)
        return super().__new__(cls, name)

    def __call__(self, **values: T) -> T:
        """smoke falls back to tiny, one_gpu to full. Raises InputError where the recipe has no such scale."""
        if foreign := values.keys() - set(SCALES):
            raise TypeError(f"no such scale: {', '.join(sorted(foreign))}")
        for name in (str(self), _FALLS_BACK.get(self)):
            if name in values:
                return values[name]
        raise InputError(f"this recipe has no scale {self}; it has {', '.join(values)}")
