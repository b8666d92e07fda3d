"""What a text says of options that it does not choose."""

from __future__ import annotations

import re
from collections.abc import Callable

_FALSE = r"(?:wrong|incorrect|false|invalid|not\s+(?:correct|right))\b|错|不对|不正确"
_UNFIT = r"(?:impossible|irrelevant|absent|missing|excluded|eliminated|ruled\s+out|too\s+[a-z]+)\b"
_FAILS = (
    r"(?!(?:be\s+)?(?:wrong|incorrect|false|bad|too|only|just|fail|lack|miss|excluded?|eliminated?|ruled?|un|im|in))"
    r"[a-z]+\b"
)
_WRONG = re.compile(
    r"(?:(?<![A-Za-z])(?:(?:[Oo]ptions?|选项)\s*)?([A-HJ-Z](?:\s*(?:,|[和与及]|\band\b|\bor\b)\s*(?:(?:and|or)\s+)?"
    r"[A-Z](?![A-Za-z])){0,8})|\b(?:[Tt]he\s+)?(?:[Oo]ther|[Rr]emaining)s?(?:\s+(?:options|choices|answers|ones))?)"
    rf"(?:\s+(?:is|are)(?:\s+(?:all|both|clearly|simply|much|far))?\s+(?:{_FALSE}|{_UNFIT}|not\s+{_FAILS})"
    rf"|\s+(?:(?:is|are|do|does|can|could)n't|(?:do|does|can|could)\s+not|cannot)\s+{_FAILS}"
    rf"|项?\s*[都均]?(?:明显)?(?:[太过][\u4e00-\u9fff]了?|是?(?:{_FALSE}|不符合?(?:题意)?)的?))",
)
"""`C and D are too small`, `the others are wrong`; group 1 is the letters, I none of them."""


def without_rejected(said: str, is_kept: Callable[[str], bool]) -> str:
    """The text without clauses that other options are wrong or unfit; is_kept: whether a clause is about
    the chosen one, by the letters that it names, and stays."""
    return _WRONG.sub(lambda wrong: wrong[0] if is_kept(wrong[1] or "") else " ", said)


def calls_wrong(said: str) -> bool:
    """Whether a clause says of an option that it is wrong."""
    return any(re.search(_FALSE, wrong[0]) for wrong in _WRONG.finditer(said))
