"""The chains, each named after its system; `CHAINS[name]()` gives one as it is run by default."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, make_dataclass
from typing import Any, get_type_hints

from seethink.settings import override, unknown
from seethink.synth.chain import Chain
from seethink.synth.chains.insight_v import insight_v
from seethink.synth.chains.open_r1_multimodal import open_r1_multimodal
from seethink.synth.chains.open_r1_video import open_r1_video
from seethink.synth.chains.r1_onevision import r1_onevision
from seethink.synth.chains.r1_vision import r1_vision
from seethink.synth.chains.r1v_distill import r1v_distill
from seethink.types import Example

CHAINS: dict[str, Callable[..., Chain]] = {
    "r1_vision": r1_vision,
    "r1_onevision": r1_onevision,
    "insight_v": insight_v,
    "r1v_distill": r1v_distill,
    "open_r1_multimodal": open_r1_multimodal,
    "open_r1_video": open_r1_video,
}


def by_name(
    name: str, settings: Mapping[str, object] = {}, read: Callable[[str], Sequence[Example]] | None = None
) -> Chain:
    """The chain with some of its parameters as text, such as `{"paths": "8"}`; `read` gives the examples of
    one that wants some, by the address of a file. Raises InputError for what the chain has not."""
    if name not in CHAINS:
        raise unknown("chain", name, CHAINS)
    given = dict(settings)
    examples = {
        part: read(str(given.pop(part)))
        for part, kind in _parameters(name).items()
        if kind == Sequence[Example] and part in given and read is not None
    }
    return CHAINS[name](**asdict(override(_defaults(name), given, name)), **examples)


def settings_of(name: str) -> list[str]:
    """What can be set of a chain, each as `parameter=default`; examples are set by the name of their file."""
    defaults = [f"{part}={value}" for part, value in asdict(_defaults(name)).items()]
    files = [part for part, kind in _parameters(name).items() if kind == Sequence[Example]]
    return [*defaults, *(f"{part}=FILE" for part in files)]


def _parameters(name: str) -> dict[str, Any]:
    return {part: kind for part, kind in get_type_hints(CHAINS[name]).items() if part != "return"}


def _defaults(name: str) -> Any:
    """The plain parameters of a chain with their defaults, as the fields of a dataclass."""
    plain = {part: kind for part, kind in _parameters(name).items() if kind != Sequence[Example]}
    signature = inspect.signature(CHAINS[name]).parameters
    return make_dataclass(name, plain.items())(**{part: signature[part].default for part in plain})
