"""Frozen configs changed by text such as `kl_weight=0`; unknown words are answered with the near ones."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import fields, replace
from types import NoneType
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from seethink.types import InputError

T = TypeVar("T")

_BOOLS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
_EXPECTED = {int: "a whole number", float: "a number", bool: "true or false"}


def unknown(kind: str, word: str, known: Iterable[str]) -> InputError:
    """The error that answers an unknown word: the near ones first, then all."""
    known = list(known)
    near = difflib.get_close_matches(word, known, n=3, cutoff=0.5)
    meant = f"; did you mean {' or '.join(near)}?" if near else ";"
    return InputError(f"unknown {kind} {word!r}{meant} known: {', '.join(known) or 'none'}")


def override(config: T, values: Mapping[str, object], where: str) -> T:
    """`config` with `values` in place, each read as the type of its field. `where` stands in the messages.

    Raises InputError for an unknown field, a value of another type, and values that the config refuses.
    """
    kinds = get_type_hints(type(config))
    names = [field.name for field in fields(config)]  # type: ignore[arg-type]
    for name in values:
        if name not in names:
            raise unknown(f"field of {where}:", name, names)
    typed = {name: _read(value, kinds[name], f"{where}: {name}={value}") for name, value in values.items()}
    try:
        return replace(config, **typed)  # type: ignore[type-var]
    except ValueError as error:
        raise InputError(f"{where}: {error}") from error


def parse(text: str) -> tuple[str, str]:
    """`name=value` as a pair. Raises InputError if it is not one."""
    name, equals, value = (part.strip() for part in text.partition("="))
    if not (name and equals):
        raise InputError(f"{text!r} is not a setting; write name=value, for example learning_rate=1e-6")
    return name, value


def _read(value: object, kind: Any, where: str) -> Any:
    """Through text even where the value is typed already: YAML reads 1e-6 as a string."""
    text = str(value).strip()
    choices = get_args(kind)
    if get_origin(kind) is Literal:
        if text not in choices:
            raise InputError(f"{where} is not one of {', '.join(choices)}")
        return text
    if NoneType in choices:
        if text.lower() in ("none", "null"):
            return None
        (kind,) = (choice for choice in choices if choice is not NoneType)
        return _read(text, kind, where)
    if get_origin(kind) is tuple:
        parts = [part for part in re.split(r"[\s,()\[\]]+", text) if part]
        if len(parts) != len(choices):
            raise InputError(f"{where} is not {len(choices)} values, such as 0.1,0.9")
        return tuple(_read(part, choice, where) for part, choice in zip(parts, choices, strict=True))
    if kind is bool:
        if text.lower() not in _BOOLS:
            raise InputError(f"{where} is not {_EXPECTED[bool]}")
        return _BOOLS[text.lower()]
    try:
        typed = kind(text)
        if typed != typed:  # NaN, which would pass every comparison that guards a config
            raise ValueError(text)
        return typed
    except ValueError as error:
        raise InputError(f"{where} is not {_EXPECTED[kind]}") from error
