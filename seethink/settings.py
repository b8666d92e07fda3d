"""Settings: frozen dataclasses, possibly nested, overridden by leaf name (`beta=0.04`). Errors about unknown
names suggest similar ones."""

from __future__ import annotations

import difflib
import math
import operator
import re
from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass, replace
from types import NoneType
from typing import Any, ClassVar, Literal, Self, TypeVar, get_args, get_origin, get_type_hints

from seethink.types import InputError

T = TypeVar("T")

_BOOLS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
_RELATIONS = {"at least": operator.ge, "at most": operator.le, "above": operator.gt, "below": operator.lt}
_EXPECTED = {int: "a whole number", float: "a number", bool: "true or false"}


class Config:
    """Base of frozen dataclasses of settings, whose fields may be such dataclasses themselves.

    Leaf names are unique in the whole, so a name alone sets a value at any depth. other_names: what other
    libraries call a setting -> its name here, or what to do instead, for messages.
    """

    other_names: ClassVar[Mapping[str, str]] = {}

    def __post_init__(self) -> None:
        """Raise ValueError for a value that is none of its field's literals: types bind nobody in Python."""
        kinds = get_type_hints(type(self))
        for field in fields(self):  # type: ignore[arg-type]
            value, kind = getattr(self, field.name), kinds[field.name]
            if get_origin(kind) is Literal and value not in get_args(kind):
                raise ValueError(
                    f"{field.name}={value!r} is not one of {', '.join(map(repr, get_args(kind)))}"
                )

    def require(self, **limits: str) -> None:
        """Raise ValueError naming the first setting that breaks its limit: `require(beta="at least 0")`.
        Limits are "at least N", "at most N", "above N" and "below N", joined by "and"; None passes, infinity
        and NaN do not."""
        for name, limit in limits.items():
            value = getattr(self, name)
            if value is not None and not math.isfinite(value):
                raise ValueError(f"{name}={value}: it must be a finite number, {limit}")
            for words in limit.split(" and "):
                relation, _, bound = words.rpartition(" ")
                if value is not None and not _RELATIONS[relation](value, float(bound)):
                    raise ValueError(f"{name}={value}: it must be {limit}")

    @classmethod
    def of(cls, **values: Any) -> Self:
        """The defaults with `values` replaced, by leaf name: `GRPOConfig.of(learning_rate=5e-5,
        beta=0.04)`."""
        return cls().replace(**values)

    def replace(self, **values: Any) -> Self:
        """A copy with `values` replaced. Raises InputError for an unknown name, ValueError for bad values."""
        return _replaced(self, values, type(self).__name__)


def leaves(config: Any) -> dict[str, Any]:
    """{name: value} of every setting, nested ones included, in field order."""
    values: dict[str, Any] = {}
    for field in fields(config):
        value = getattr(config, field.name)
        values |= leaves(value) if is_dataclass(value) else {field.name: value}
    return values


def described(config: Any) -> list[str]:
    """A line for each setting, nested ones included: `name=default` as `override` reads it, and what it may
    be."""
    types = _types(config)
    return [
        f"{name}={written_setting(value)}  ({_words(types[name])})" for name, value in leaves(config).items()
    ]


def written_setting(value: Any) -> str:
    """A value as `override` reads it."""
    if isinstance(value, tuple | list):
        return ",".join(map(written_setting, value))
    return str(value).lower() if value is None or isinstance(value, bool) else str(value)


def _words(kind: Any) -> str:
    choices = get_args(kind)
    if get_origin(kind) is Literal:
        return ", ".join(choices)
    if NoneType in choices:
        return f"{_words(next(choice for choice in choices if choice is not NoneType))}, or none"
    if get_origin(kind) is tuple:
        return f"{len(choices)} values with commas between them"
    return _EXPECTED.get(kind, "text")


def unknown(kind: str, name: str, known: Iterable[str]) -> InputError:
    """The error for an unknown name: similar names first, then all."""
    known = list(known)
    similar = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    suggestion = f"; did you mean {' or '.join(similar)}?" if similar else ";"
    return InputError(f"unknown {kind} {name!r}{suggestion} known: {', '.join(known) or 'none'}")


def unknown_field(config: Any, name: str, where: str) -> InputError:
    """The error for a setting that `config` lacks."""
    if ours := getattr(config, "other_names", {}).get(name):
        named = "its name here is " if re.match(r"\w+(,|$)", ours) else ""
        return InputError(f"{where} has no field {name!r}; {named}{ours} (docs/names.md)")
    return unknown(f"field of {where}:", name, leaves(config))


def override(config: T, values: Mapping[str, object], where: str) -> T:
    """`config` with `values` replaced, by leaf name, each parsed as the type of its field. `where`: a stage
    or a file, named in messages.

    Raises InputError for an unknown name, a value of another type, and values that the config refuses.
    """
    types = _types(config)
    for name in values:
        if name not in types:
            raise unknown_field(config, name, where)
    typed = {name: _parsed(value, types[name], f"{where}: {name}={value}") for name, value in values.items()}
    try:
        return _replaced(config, typed, where)
    except InputError:
        raise
    except ValueError as error:
        raise InputError(f"{where}: {error}") from error


def parse(text: str) -> tuple[str, str]:
    """`name=value` as a pair. Raises InputError if it is not one."""
    name, equals, value = (part.strip() for part in text.partition("="))
    if not (name and equals):
        raise InputError(f"{text!r} is not a setting; write name=value, for example learning_rate=1e-6")
    return name, value


def _types(config: Any) -> dict[str, Any]:
    """{leaf name: type}"""
    hints = get_type_hints(type(config))
    types: dict[str, Any] = {}
    for field in fields(config):
        value = getattr(config, field.name)
        types |= _types(value) if is_dataclass(value) else {field.name: hints[field.name]}
    return types


def _replaced(config: T, values: Mapping[str, Any], where: str) -> T:
    """Replace nested configs first, so that the outer config checks the new values."""
    changed: dict[str, Any] = {}
    left = dict(values)
    for field in fields(config):  # type: ignore[arg-type]
        value = getattr(config, field.name)
        if field.name in left:
            changed[field.name] = left.pop(field.name)
        elif is_dataclass(value) and (
            own := {name: left.pop(name) for name in leaves(value) if name in left}
        ):
            changed[field.name] = _replaced(value, own, where)
    if left:
        raise unknown_field(config, next(iter(left)), where)
    return replace(config, **changed)  # type: ignore[type-var]


def _parsed(value: object, kind: Any, where: str) -> Any:
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
        return _parsed(text, kind, where)
    if get_origin(kind) is tuple:
        parts = [part for part in re.split(r"[\s,()\[\]]+", text) if part]
        if len(parts) != len(choices):
            raise InputError(f"{where} is not {len(choices)} values, such as 0.1,0.9")
        return tuple(_parsed(part, choice, where) for part, choice in zip(parts, choices, strict=True))
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
