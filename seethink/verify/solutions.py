"""Solutions in one notation: roots with an index as a list, inequalities as intervals."""

from __future__ import annotations

import re
from dataclasses import dataclass

_OR = re.compile(r"\s*(?:\\cup(?![A-Za-z])|\bor\b)\s*")
_AND = re.compile(r"\s*(?:,|\\(?:wedge|land|cap)(?![A-Za-z])|\band\b)\s*")
_ROOT = re.compile(r"(?P<name>\\?[A-Za-z]+)_?\{?(?P<index>[0-9])\}?\s*=\s*(?P<value>[^=,;<>]+)")
_BETWEEN_ROOTS = re.compile(r"\s*(?:[,;]|\b(?:and|or)\b)\s*")
_MOST_ROOTS = 8
_RELATION = re.compile(r"\s*(\\[lg]e(?![A-Za-z])|<|>)\s*")
_VARIABLE = re.compile(r"[A-Za-z]|\\(?:theta|alpha|beta|lambda)")
_IN = re.compile(r"(?P<variable>[A-Za-z]|\\(?:theta|alpha|beta|lambda))\s*\\in(?![A-Za-z])\s*(?P<set>.*)")
_BUILT = re.compile(r"\\?\{\s*[A-Za-z]\s*(?:\||:|\\mid(?![A-Za-z]))\s*(?P<condition>.*?)\s*\\?\}")
_INTERVAL = re.compile(
    r"(?P<opens>[\[(])\s*(?P<low>[^,\[\]]+?)\s*,\s*(?P<high>[^,\[\]]+?)\s*(?P<closes>[\])])"
)
_COMMAND = re.compile(r"\\(?:frac|sqrt|pi|infty|cdot|times)(?![A-Za-z])")


@dataclass(frozen=True)
class _Span:
    """An interval: an end, and whether it belongs to it. Ends are LaTeX."""

    low: str = r"-\infty"
    high: str = r"\infty"
    has_low: bool = False
    has_high: bool = False

    def __str__(self) -> str:
        opens, closes = "[" if self.has_low else "(", "]" if self.has_high else ")"
        return f"{opens}{self.low}, {self.high}{closes}"

    def within(self, other: _Span) -> _Span | None:
        """What both have in common, if each limits another end."""
        if (self.low == _Span.low) == (other.low == _Span.low) or (self.high == _Span.high) == (
            other.high == _Span.high
        ):
            return None
        low, high = (self, other) if self.low != _Span.low else (other, self)
        return _Span(low.low, high.high, low.has_low, high.has_high)


def alike(gold: str, answer: str) -> tuple[str, str]:
    """Two formulas, in the notation that can be compared: `x_1=2, x_2=3` becomes `2, 3` beside one without
    indices, and `1 \\le x < 3` or `x \\in [1, 3)` becomes `[1, 3)` beside an interval, or beside an
    inequality of the same unknown; a point loses its name beside coordinates without one."""
    gold, answer = _unlabelled(gold, answer), _unlabelled(answer, gold)
    ours, theirs = _roots(gold), _roots(answer)
    if bool(ours) != bool(theirs):
        return ours or gold, theirs or answer
    one, other = _spans(gold), _spans(answer)
    if not one or not other or (one[0] and other[0] and one[0] != other[0]) or not (one[0] or other[0]):
        return gold, answer
    return one[1], other[1]


_LABELLED = re.compile(r"[A-Z]'?\s*=?\s*(?=\([^()]*,[^()]*\)$)")


def _unlabelled(text: str, other: str) -> str:
    """Coordinates without the name of their point (`A(2, 3)`), beside some without one."""
    return text if _LABELLED.match(other) else _LABELLED.sub("", text, count=1)


def _roots(text: str) -> str:
    """`2, 3` for `x_1=2, x_2=3`; empty for anything else."""
    found = [_ROOT.fullmatch(part.strip()) for part in _BETWEEN_ROOTS.split(text, maxsplit=_MOST_ROOTS)]
    roots = [root for root in found if root]
    is_list = len(found) == len(roots) > 1 and len({root["name"] for root in roots}) == 1
    return ", ".join(root["value"].strip() for root in roots) if is_list and _are_numbered(roots) else ""


def _are_numbered(roots: list[re.Match[str]]) -> bool:
    return len({root["index"] for root in roots}) == len(roots)


def _spans(text: str) -> tuple[str, str] | None:
    """The unknown ("" where none is named) and the intervals of a set of numbers; None for anything else."""
    unknown = ""
    if built := _BUILT.fullmatch(text.strip()):
        text = built["condition"]
    if member := _IN.fullmatch(text.strip()):
        unknown, text = member["variable"], member["set"]
    read = [_span(part.strip()) for part in _OR.split(text, maxsplit=_MOST_ROOTS)]
    spans = [span for span in read if span]
    unknowns = {name for name, _ in spans if name} | ({unknown} if unknown else set())
    if len(spans) != len(read) or len(unknowns) > 1:
        return None
    return next(iter(unknowns), ""), r" \cup ".join(str(span) for _, span in spans)


def _span(text: str) -> tuple[str, _Span] | None:
    if (interval := _INTERVAL.fullmatch(text)) and _is_end(interval["low"]) and _is_end(interval["high"]):
        has_low, has_high = interval["opens"] == "[", interval["closes"] == "]"
        high = re.sub(r"^\+\s*", "", interval["high"])
        return "", _Span(interval["low"], high, has_low, has_high)
    if (relations := _inequality(text)) or len(parts := _AND.split(text)) != 2:
        return relations
    one, other = map(_inequality, parts)
    both = one[1].within(other[1]) if one and other and one[0] == other[0] else None
    return (one[0], both) if one and both else None


def _inequality(text: str) -> tuple[str, _Span] | None:
    """`1 \\le x < 3`, `3 > x`, `x \\ge 1`."""
    terms = _RELATION.split(text.strip())
    if len(terms) not in (3, 5):
        return None
    at = next((i for i, term in enumerate(terms[::2]) if _VARIABLE.fullmatch(term)), None)
    ends = [term for i, term in enumerate(terms[::2]) if i != at]
    is_down = {relation in (r"\ge", ">") for relation in terms[1::2]}
    if at is None or len(is_down) > 1 or (len(terms) == 5 and at != 1) or not all(map(_is_end, ends)):
        return None
    unknown = terms[2 * at]
    if True in is_down:
        terms = terms[::-1]
    has = [relation in (r"\ge", r"\le") for relation in terms[1::2]]
    if len(terms) == 5:
        return unknown, _Span(terms[0], terms[4], *has)
    if terms[0] == unknown:
        return unknown, _Span(high=terms[2], has_high=has[0])
    return unknown, _Span(low=terms[0], has_low=has[0])


def _is_end(term: str) -> bool:
    return bool(term) and not re.search(r"[A-Za-z<>=,;]", _COMMAND.sub("", term))
