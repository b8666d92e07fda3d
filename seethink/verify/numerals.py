"""Numbers in digits that are written otherwise than `1234.5`: grouped, with a decimal comma, with a scale."""

from __future__ import annotations

import re
from decimal import Decimal

from seethink.verify import units

_GROUP = "[1-9][0-9]{0,2}"
_GROUPED = tuple(
    (re.compile(pattern), str.maketrans(signs))
    for pattern, signs in (
        (rf"{_GROUP}(?:\.[0-9]{{3}})+,[0-9]+|{_GROUP}(?:\.[0-9]{{3}}){{2,}}", {".": "", ",": "."}),
        (rf"{_GROUP}(?: [0-9]{{3}})+,[0-9]+", {" ": "", ",": "."}),
        (rf"{_GROUP}(?:['\u2019][0-9]{{3}})+(?:[.,][0-9]+)?", {"'": "", "\u2019": "", ",": "."}),
    )
)
"""`1.234,5` and `1.234.567`, `1 234,5`, `1'234.5`: one number, and nothing else."""
_MAY_BE_LIST = tuple(
    (re.compile(pattern), str.maketrans(signs))
    for pattern, signs in (
        (rf"(?!{_GROUP},[0-9]{{3}}$)[0-9]+,[0-9]+", {",": "."}),
        (r"[1-9][0-9]?(?:,[0-9]{2})+,[0-9]{3}(?:\.[0-9]+)?", {",": ""}),
    )
)
"""`3,5` and `12,34,567`: a number in Europe and in India, or a list."""
_PLAIN = (
    (re.compile(r"[0-9]+(?:\.[0-9]+)?|\.[0-9]+|[1-9][0-9]{0,2}(?:,[0-9]{3})+(?:\.[0-9]+)?"), {ord(","): ""}),
)
_SCALES = {
    **{"k": 3, "K": 3, "M": 6, "B": 9, "T": 12},
    **dict.fromkeys(("mn", "Mn", "mio", "Mio", "Mio."), 6),
    **dict.fromkeys(("bn", "Bn", "mrd", "Mrd", "Mrd."), 9),
}
"""Powers of ten. `m` and `b` are none: 5 m are metres."""
_NUMBER = re.compile(
    r"(?P<lead>[-+\u2212]?\s*(?:[$€£¥]\s*)?)(?P<digits>[0-9.][0-9.,'\u2019 ]*(?<=[0-9])|[0-9])"
    r"(?:[eE](?P<exponent>[-+]?0?[1-9][0-9]?)(?![0-9]))?"
    rf"(?:\s?(?P<scale>{'|'.join(map(re.escape, sorted(_SCALES, key=len, reverse=True)))})(?![A-Za-z0-9]))?"
    r"(?P<rest>.*)"
)


def is_ambiguous(text: str) -> bool:
    """Whether digits and commas may be one number or several (`3,5`)."""
    return any(pattern.fullmatch(text) for pattern, _ in _MAY_BE_LIST)


def regrouped(text: str) -> str | None:
    """A text that begins with a number as it is grouped in Europe, with plain digits for it: `1.234,5 m` is
    `1234.5 m`. None for any other text, and for `3,5` and `1.234`."""
    read = _NUMBER.fullmatch(text)
    plain = read and _plain(read["digits"], _GROUPED)
    if not read or plain is None:
        return None
    exponent = f"e{read['exponent']}" if read["exponent"] else ""
    return (
        f"{read['lead']}{plain}{exponent}{text[read.end('exponent') if exponent else read.end('digits') :]}"
    )


def in_plain_digits(text: str, said: str) -> str | None:
    """A text that begins with a number, with plain digits for it: also `3,5` as 3.5, `12,34,567`, `1e3`, `1k`
    as 1000, `2.5M`, `$3bn`. None for any other text. A single separator before three digits is that of
    English: `1.234` is little more than one, `1,234` is more than a thousand.

    said: the question and the gold; a symbol that stands there is a unit (300 K)."""
    read = _NUMBER.fullmatch(text)
    plain = read and _plain(read["digits"], (*_GROUPED, *_MAY_BE_LIST, *_PLAIN))
    if not read or plain is None:
        return None
    unit = " K" if read["scale"] == "K" and units.is_symbol("K", said) else ""
    power = int(read["exponent"] or 0) + (0 if unit else _SCALES.get(read["scale"], 0))
    value = Decimal(plain).scaleb(power)
    return f"{read['lead']}{value:f}{unit}{read['rest']}"


def _plain(digits: str, spellings: tuple[tuple[re.Pattern[str], dict[int, str]], ...]) -> str | None:
    """The digits of the first spelling that they have."""
    return next((digits.translate(signs) for pattern, signs in spellings if pattern.fullmatch(digits)), None)
