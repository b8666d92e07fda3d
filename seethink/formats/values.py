"""Values in free text: the one that the last sentence ends with, and the end of a chain of equations.

Texts are searched with full-width characters read as ASCII; answers are returned as they are written.
"""

from __future__ import annotations

import re

from seethink.markup import seen_as_ascii, without_outer_marks

Ending = tuple[int, str]
"""The position and the text of an answer."""

MOST_LINE = 2_000
"""Characters of a line after a phrase that are read."""
MOST_BEFORE = 300
FIGURE = (
    r"(?:-?\d+|(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve)\b"
    "|[一二三四五六七八九十百两]{1,4})"
)
"""A count, in digits or words."""
_PARTING = re.compile(
    r"(?:[ \t\n]*(?:(?:I\s+)?hope\s+(?:this|that|it)\b[^.!?\n]*[.!?]"
    r"|(?:Please\s+)?let\s+me\s+know\b[^.!?\n]*[.!?]"
    r"|(?:Is\s+there\s+any\w*|Do\s+you\s+have|Would\s+you\s+like|Feel\s+free)\b[^.!?\n]*[.!?]))+\s*\Z",
    re.IGNORECASE,
)
BREAK = re.compile(r"\n|[.;?!]\s+")
_MOST_VALUE = 40
_VALUE = re.compile(
    r"(?=[^A-Za-z]*(?:\\[A-Za-z]+[^A-Za-z]*)*[0-9\u03c0])"
    r"[^A-Za-z=\u2e80-\uffef]*(?:\\[A-Za-z]+[^A-Za-z=\u2e80-\uffef]*)*"
    r"(?:(?:(?:square|cubic)\s+)?[A-Za-z\u2e80-\u9fff]{1,12}(?:[\^/]?[A-Za-z0-9\u00b2\u00b3]{1,6})?)?"
    r"(?:\s+(?:long|wide|tall|high|deep|old|apart|away|in\s+total|altogether))?[\s.)}\]$*]*"
)
_EXTENT = re.compile(r"\s+(?:long|wide|tall|high|deep|old|apart|away|in\s+total|altogether)[\s.]*\Z")
"""After a value and its unit."""
_IN_WORDS = re.compile(
    rf"{FIGURE}(?:[ -](?:hal(?:f|ves)|thirds?|quarters?|(?:four|fif|six|seven|eigh|nin|ten)ths?|percent))?"
    r"|(?:百分之|[一二三四五六七八九十百]{1,4}分之)[一二三四五六七八九十百]{1,5}",
    re.IGNORECASE,
)
"""A count, a fraction or a percentage in words."""
_OPERATOR = re.compile(
    r"\S\s*[+*\u00d7\u00f7]\s*\S|\S\s+[-\u2212]\s+\S|\\(?:times|cdot|div)\b|[0-9)]\s*[-\u2212]\s*[0-9(]"
)
_COMPUTED = re.compile(rf"{_OPERATOR.pattern}|[A-Za-z/\u03c0\u221a\u00b0]")
"""In a term of a chain of equations that is not a plain number."""
_UNKNOWN = re.compile(r"(?<![A-Za-z\\])(?!(?<=[0-9] )[mgshlLAVWNJ]\b)[A-Za-z](?![A-Za-z])")
"""A letter that stands for a number; `5 m` are metres."""
_SEVERAL = re.compile(r"[,;](?!\d{3})|\b(?:and|or)\b|[或和]|\A\W*[A-Z][.):]")
_RELATION = r"(?:[<>]=?|!=|[\u2260\u2264\u2265]|\\(?:[gl]eq?|neq?)\b)"
_EQUATION = r"[A-Za-z][A-Za-z_0-9{}']{0,8}\s*=\s*[^=,;\n]{1,30}?"
_EQUATIONS = re.compile(
    rf"(?<![A-Za-z0-9_\\]){_EQUATION}(?:[\s$]*(?:[,;]|(?:,\s*)?\b(?:and|or)\b|[或和])[\s$]*{_EQUATION})+[\s.$)*]*\Z"
)
"""Values of several unknowns, or several of one ("x = 2 or x = 3")."""
_RELATED = re.compile(_RELATION)
_INEQUALITY = re.compile(rf"(?<![A-Za-z0-9_\\])[A-Za-z]\s*{_RELATION}\s*[^=<>\n]{{1,30}}\Z")
_SAYS = re.compile(
    r"(?:(?<!there )(?<!not )(?<!n't )(?<!never )"
    r"\b(?:is|are|was|equals?|be|measures|weighs|costs?|needs?|pays?|spends?|has|have|get|got|gives?(?:\s+us)?|yields?|shows?|reads?|displays?|(?:comes?|amounts?|adds?\s+up|sums?)\s+to)\b"
    r"|(?<![<>!:])=|(?<![不非])(?<!不会)(?<!不能)(?<!不可能)(?<!不应该)(?:是|为|得|等于))\s*:?\s*"
    r"(?:(?:equal\s+to|about|approximately|exactly|therefore)\s+)?",
    re.IGNORECASE,
)


def without_parting(text: str) -> str:
    """The text without the sentences with which assistants take leave ("I hope this helps!")."""
    tail = text[-MOST_BEFORE:]
    parting = _PARTING.search(tail)
    return text[: len(text) - len(tail) + parting.start()] if parting else text


def last_value(text: str) -> Ending | None:
    """The value with which the last sentence ends, after a verb or an equals sign ("the angle is 120.0."), or
    that stands on a line of its own, in a formula or after a colon."""
    text = without_parting(text)
    if (named := _IS_THE_ANSWER.search(text[-MOST_BEFORE:])) and is_value(named[1]):
        return text.rfind(named[0]) + named[0].find(named[1]), named[1]
    lines = [line for line in text[-MOST_LINE:].split("\n") if line.strip(" \t\r*`")]
    last = lines[-1] if lines else ""
    in_display = last.strip() in ("\\]", "$$") and len(lines) > 1
    last = lines[-2] if in_display else last
    formula = without_outer_marks(last)
    alone = (
        in_display or formula != last.strip() or (lines[-2:-1] and lines[-2].rstrip().endswith((":", "：")))
    )
    if formula and alone and is_value(formula):
        return text.rfind(last), formula
    seen = seen_as_ascii(last)
    begins = max((stop.end() for stop in BREAK.finditer(seen) if stop.end() < len(seen.rstrip())), default=0)
    if whole := _EQUATIONS.search(seen, begins) or _INEQUALITY.search(seen.rstrip(" .$*"), begins):
        return text.rfind(last) + whole.start(), last[whole.start() : whole.end()].strip(" .*").replace(
            "$", ""
        )
    says = [] if denies(seen.rstrip(" .!*")) else list(_SAYS.finditer(seen, begins))
    if not says or not is_value(seen[says[-1].end() :].replace("*", "")):
        return None
    if "=" in says[-1][0]:
        left = says[-2].end() if says[1:] else begins
        if unsolved(seen[left : says[-1].start()]):
            return text.rfind(last) + left, last[left:].strip(" .*")
        if not all(map(_COMPUTED.search, seen[begins : says[-1].start()].split("="))):
            return None
    value = _EXTENT.sub("", last[says[-1].end() :].replace("**", "").strip())
    value = value.replace("$", "") if value.count("$") % 2 and value[0] != "$" else value
    return text.rfind(last) + says[-1].end(), value


_FALSE_THAT = re.compile(
    r"\b(?:not\s+(?:true|correct|the\s+case|clear|sure)|false|wrong|incorrect|doubt)\s+that\b[^.!?\n]*\Z",
    re.IGNORECASE,
)
_NOT = re.compile(r"\b(?:not|no|never)\b[^.!?\n]*\Z|n't\b[^.!?\n]*\Z", re.IGNORECASE)


def denies(before: str, in_brackets: bool = False) -> bool:
    """Whether the sentence that stands before an answer says that it is none; with a negation at all, if the
    answer stands in brackets."""
    return bool(_FALSE_THAT.search(before) or (in_brackets and _NOT.search(before)))


def first_value(text: str) -> Ending | None:
    """A value alone on the first line, before an explanation."""
    first, _, rest = text.strip().partition("\n")
    is_list = is_value(rest.strip().split("\n")[0])
    return (text.find(first), first) if rest and is_value(first) and not is_list else None


_IS_THE_ANSWER = re.compile(
    r"(?:\A|(?<=[.;!?\n,])\s*)(?:(?:so|thus|hence|therefore),?\s+)?([^.,;:\n]{1,40}(?:\.[0-9]+)?)\s+is\s+"
    r"(?:(?:therefore|thus)\s+)?(?:(?:the|my)\s+(?:(?:final|correct|right)\s+)?answer|correct|right)[\s.!*]*\Z",
    re.IGNORECASE,
)
_COPULA = re.compile(
    r"(?:(?:the|this|it|its|they|these|that)\b[^.,;:\n]{0,60}?(?:\s(?:is|are|was|were|says|reads)\s+|'s\s+)"
    r"|(?:(?![不非没无否]|可能|也许|或许|大概)[\u4e00-\u9fff]){1,20}[是为](?!不))(?:[a-z]+\s+in\s+(?=[0-9]{4}\.?\Z))?"
    r"(?:at\s+(?=\())?((?:[^.,;:\n]|,\s?[0-9]{3}|\([^()\n]{1,40}\)|[.](?=[A-Za-z0-9\"'])|(?<=\b[A-Z])\.\s|(?<=\b[DM]r)\.\s){1,60}?)[.\u3002]?",
    re.IGNORECASE,
)


def complement(text: str) -> Ending | None:
    """What the only sentence of a text says that something is ("The colour of the car is red.")."""
    begins = text.strip()
    if not (said := _COPULA.fullmatch(begins)) or re.search(r"\b(?:is|are)\b", said[1]):
        return None
    return text.find(begins) + said.start(1), said[1]


_CLOSED = re.compile(r"[^.!?\u3002\n]{3,240}(?:(?<=[A-Z0-9])\.[^.!?\u3002\n]{1,60})?[.!\u3002][\s*\"']*\Z")
_CONCLUDING = re.compile(
    r"(?:so|thus|hence|therefore|in\s+(?:conclusion|summary)|overall|based\s+on)\b|所以|因此|综上",
    re.IGNORECASE,
)
_REFUSES = re.compile(
    r"\b(?:sorry|unable|unclear|apologi[sz]e|i\s+(?:am|do|can|would\s+need)"
    r"|cannot\s+(?:see|answer|say|tell))\b|\bcan't\b|\bdon't\s+(?:know|have)\b|抱歉|无法|不能|不清楚|不知道",
    re.IGNORECASE,
)
"""In a sentence that says that there is no answer, or speaks of the speaker."""


def closing_sentence(text: str) -> Ending | None:
    """The only sentence of a text, or the last one if it says that it concludes, closed by its full stop: an
    answer that only the question or its options can tell from a remark."""
    said = without_parting(text).strip()
    breaks = [stop.end() for stop in BREAK.finditer(seen_as_ascii(said)) if stop.end() < len(said)]
    start = breaks[-1] if breaks else 0
    last = said[start:].strip()
    if not _CLOSED.fullmatch(last) or _REFUSES.search(last) or (start and not _CONCLUDING.match(last)):
        return None
    return text.rfind(last), last


def value_of(answer: str) -> str:
    """The value that a sentence is about ("The value of x is 14") or gives a reason for ("14, since ...")."""
    if (reason := _SINCE.search(answer)) and is_value(answer[: reason.start()]):
        return answer[: reason.start()]
    said = complement(answer)
    return said[1] if said and is_value(said[1]) else answer


_SINCE = re.compile(r",?\s+(?:since|because|given\s+that)\b", re.IGNORECASE)


def splits(figure: str, rest: str) -> bool:
    """Whether the text after a count splits it into parts of the same sum ("2: one here, one there")."""
    parts = [_count(part) for part in _PART.findall(rest)]
    return len(parts) > 1 and sum(parts) == _count(figure)


_PART = re.compile(rf"(?<![\w.]){FIGURE}(?![\w.])", re.IGNORECASE)
_WORDS = (
    *("", "one", "two", "three", "four", "five", "six", "seven"),
    *("eight", "nine", "ten", "eleven", "twelve"),
)


def _count(figure: str) -> int:
    word = figure.lower()
    return _WORDS.index(word) if word in _WORDS else int(word) if word.lstrip("-").isdecimal() else -1


def chain_end(answer: str) -> str:
    """The value at the end of a computation ("x = 3 + 4 = 7 cm", "3 + 4 = 7"); any other answer as it is. Two
    different numbers that are called equal ("x = 4 = 5") are none, and neither are several equations, or one
    that is not solved ("x^2 + y^2 = 25")."""
    if "=" not in answer or len(answer) > MOST_BEFORE or _SEVERAL.search(answer) or _RELATED.search(answer):
        return answer
    *terms, value = (term.strip() for term in answer.split("="))
    if len(terms) == 1 and not (re.search(r"\d", terms[0]) and _OPERATOR.search(terms[0])):
        return answer
    if len(terms) == 1 and _UNKNOWN.search(terms[0]):
        return answer
    return without_outer_marks(value) if all(map(_COMPUTED.search, terms)) and is_value(value) else answer


_PROSE = re.compile(
    r"[^\W\d_]*[a-z][^\W\d_]{3,}|[^\W\d_]{5,}|[\u2e80-\uffef]|\?"
    r"|\b(?:am|an|as|at|be|but|by|if|is|it|no|not|of|on|so|the|to|we|yes)\b",
    re.IGNORECASE,
)
_COMMAND = re.compile(r"\\[A-Za-z]+")
_RELATES = re.compile(
    rf"=|{_RELATION}|[\u222a\u2225\u22a5\u224c\u2245\u223d]|\\(?:cup|in|cong|sim|parallel|perp)\b"
    r"|\A\W*[(\[][^()\[\]]*,[^()\[\]]*[)\]]\W*\Z"
)
_MOST_FORMULA = 120


def unsolved(term: str) -> bool:
    """Whether the side of an equation computes with unknowns ("x^2 + y^2"): the other is no answer."""
    return bool(_UNKNOWN.search(term) and _OPERATOR.search(term)) and not _PROSE.search(
        _COMMAND.sub("", term)
    )


def lone_formula(text: str) -> Ending | None:
    """A text that is nothing but one relation or set ("y = 2x + 3", "x < 1 or x > 3")."""
    said = text.strip()
    plain = _COMMAND.sub(" ", seen_as_ascii(said))
    if len(said) > _MOST_FORMULA or "\n" in said or _PROSE.search(plain) or re.match(r"\W*[A-Z][.):]", said):
        return None
    return (text.find(said), said) if _RELATES.search(seen_as_ascii(said)) else None


def is_value(said: str) -> bool:
    said = without_outer_marks(said.strip().rstrip("."))
    if len(said) > _MOST_VALUE:
        return False
    return bool(_IN_WORDS.fullmatch(said) or (_VALUE.fullmatch(said) and not _OPERATOR.search(said)))
