"""How free text ends with an answer: phrases, option letters, counts, yes and no.

Texts are searched with full-width characters read as ASCII; answers are returned as they are written.
"""

from __future__ import annotations

import re

from seethink.formats.values import (
    BREAK,
    FIGURE,
    MOST_BEFORE,
    MOST_LINE,
    Ending,
    denies,
    is_value,
    last_value,
    splits,
    value_of,
    without_parting,
)
from seethink.markup import BOUNDARY, plain, seen_as_ascii

_LAST_PHRASES = 8
"""So many of the last phrases are tried: one without a text after it announces nothing."""

_IS = r"(?:is|are|was|be|would\s+be|should\s+be|must\s+be|will\s+be)\b"
_MARKS = r"(?:\*\*|__|`|\")?"
_GAP = r"(?:[ \t]+(?:to|for|of|here|in|from|among|between)\b[^.:;=\n]{0,80}?)?"
_FIRMLY = r"(?:\s+(?:equal\s+to|most\s+likely|therefore|thus|definitely|clearly|still))?"
_LINKS = rf"{_MARKS}\s*(?:\b{_IS}{_FIRMLY}\s*:?|:|=){_MARKS}"
_STRONG = re.compile(
    "(?:"
    + "|".join(
        (
            r"(?<!to )(?<!other )\b(?:answers?|ans\.?|option|choice)(?:[ \t]+(?:choice|option))?"
            rf"{_GAP}{_LINKS}",
            r"\bI(?:'d|'ll)?\s+(?:(?:would|will|therefore|thus|must|can)\s+){0,3}"
            r"(?:choose|pick|select|go\s+with|opt\s+for)\b:?",
            r"(?<!not )\b(?:is|correspond(?:s|ing)?\s+to|match(?:es|ing)?|align(?:s|ed)?\s+with)\s+"
            r"(?:the\s+)?(?:option|choice)(?=[\s\\$*(\[:]{1,8}(?:text\{)?(?-i:[A-Z])\b)",
            r"(?<!not )\bis\s+(?=[*_$\\]{0,4}\((?-i:[A-Z])\)[ .,*_$\\])",
            r"(?:\b(?:it(?:'s|\s+(?:is|must\s+be|should\s+be|has\s+to\s+be))|so|left\s+with)"
            r"|\bI(?:'d|\s+would)\s+(?:say|guess)(?:\s+(?:that\s+)?it(?:'s|\s+is))?)(?:\s+option)?"
            r"\s+(?=[*(]{0,3}(?-i:[A-Z])[*)]{0,3}[.!]?(?:\s|\Z))(?!(?-i:[AI])\s+\w)",
            r"\((?=(?:option|choice)\s+(?-i:[A-Z])\)[.*]*[ \t]*(?:\n|\Z))",
            r"^[ \t>#*_]*(?:final[ \t]+)?answer[ \t*_]*(?=[$\\(\d-]|(?-i:[A-J])\b)",
            r"^[ \t]*(?:#+[ \t]*[*_]*|[*_]{2})(?:\d+\.[ \t]*)?(?:final[ \t]+)?(?:answer|答案)[ \t*_]*\n",
            r"^####(?=[ \t]*(?:[-$(\\]*\d|\\|(?-i:[A-J])\b|yes\b|no\b|true\b|false\b)[^\n]*\s*\Z)",
            r"(?<![不非])(?:答案|正确选项|最终结果)\s*\]?\s*(?:应当|应该?)?\s*(?:是|为|选择?)?\s*[:=]?(?!\s*[不非])",
            r"(?:^[ \t]*|(?<=[.,;]))答\s*:",
            r"(?:^|(?<=[故应可则们我会该题此以能,.:;\s]))(?<!不[应可会能该])(?<!不应该)选择?(?:选项|项)?(?:是|为)?\s*:?"
            r"(?=[\s\\$*(\[]{0,8}(?:text\{)?(?-i:[A-J])(?![A-Za-z]))",
        )
    )
    + r")\s*",
    re.IGNORECASE | re.MULTILINE,
)
_COUNTS = r"(?:(?:一共|总共|共计|共)(?:有|是)?|图[中里片]{1,2}有)\s*"
_COUNTERS = "[个只条张件名位本辆棵朵颗块头匹]"
_COUNTED = re.compile(rf"(?:图[中里片]{{1,2}})?{_COUNTS}({FIGURE})\s*{_COUNTERS}[\u2e80-\u9fff]{{0,20}}\Z")
"""A count and what is counted, in Chinese."""

_SHOWS = (
    r"\b(?:image|picture|photo|scene|figure|diagram)\s+(?:clearly\s+)?"
    r"(?:shows|contains|has|depicts|features)\s+"
)
_WEAK = re.compile(
    rf"(?:\b(?:sum|total|count|number|difference|result)s?{_GAP}{_LINKS}\s*)"
    rf"|(?P<counts>(?:\bthere\s+(?:is|are|(?:appear|seem)s?\s+to\s+be)\s+|{_SHOWS}|\bI\s+(?:can\s+)?(?:count|see)\s+)"
    rf"(?:(?:a\s+total\s+of|exactly|only|about|approximately|around|roughly)\s+)?[*_$]*(?={FIGURE}\b))"
    rf"|(?P<chinese>{_COUNTS}(?={FIGURE}\s*{_COUNTERS}))",
    re.IGNORECASE,
)
_BEGINS_WITH_COUNT = re.compile(
    rf"\A\W*({FIGURE})\s[^.\n]{{1,60}}\b(?:is|are)\s+(?:visible|shown|present|seen|in\s+(?:the|this)\s)",
    re.IGNORECASE,
)
_TOTAL = re.compile(
    rf"(?:\b(?:so|hence|thus|therefore|altogether|mak(?:es?|ing)|giv(?:es?|ing)|that\s+is|total(?:s|ling|ing|\s+of)?)\b"
    rf"|\bi\.e\.|=)[\s,:]*(?:(?:a\s+total\s+of|there\s+are|it\s+is)\s+)?[*_$]*({FIGURE})\b"
    rf"|\b({FIGURE})\s+(?:\w+\s+){{0,2}}(?:in\s+total|altogether|in\s+all)\b",
    re.IGNORECASE,
)
_FURTHER = re.compile(
    rf"(?:\b(?:and|plus|with|of)\b|,)\s*(?:\w+\s+)?{FIGURE}\b(?!\s+of\b)|\banother\b|\b\w+\s+more\b",
    re.IGNORECASE,
)
"""After a count: others are counted beside it."""
_NUMBER = re.compile(rf"(?:[-0-9.,\s+*/()\u00d7]{{1,60}}=\s*)?(-?\d+(?:[.,]\d+)+|{FIGURE})", re.IGNORECASE)
_NO_ANSWER = re.compile(
    r"[\s*_]*(?:(?:(?:in)?correct|wrong|unclear|unknown)\b(?!\s+(?!because|since|as|but|and|so|here)[a-z])"
    r"|(?:less|more)\b)",
    re.IGNORECASE,
)
"""What is said of an answer, and is none ("wrong result" may be one)."""
_WRONG_LETTERS = re.compile(
    r"[\s*_(\[]*[A-Z][)\]*_]*(?:\s*(?:[,、和与]|\band\b|\bor\b)\s*[*_(\[]*[A-Z][)\]*_]*){0,8}\s*(?:选?项)?\s*"
    r"(?:(?:is|are)\s+|[都均是])?(?:错|不正确|不对|不符|(?:incorrect|wrong|false|not\s+(?:correct|right))\b)"
)
"""Letters of options that are called wrong, which are no answer."""
_VERDICT = re.compile(
    r"^[ \t>*_#\d.-]{0,8}(?:option\s+)?[(\[]?(?P<letter>(?-i:[A-J]))[)\].:*_][^\n]{0,300}?"
    r"(?:(?<![a-z不])(?<!not )(?P<right>correct|right|true|正确|[\u2713\u2714\u2705])"
    r"|(?:incorrect|wrong|false|not\s+(?:correct|right|true)|错误?|不正确|[\u2717\u2718\u274c]))[\s.*_!)\uFE0F\u3002]*$",
    re.IGNORECASE | re.MULTILINE,
)
_LEAST_VERDICTS = 3
_RIGHT_LETTER = re.compile(
    r"(?P<chinese>[A-Z])\s*选?项?\s*(?:才?是|为)?正确|\b[Oo]ption\s+\((?P<small>[a-z])\)\s+is\s+correct\b"
    r"|(?:[(\[][A-Z][)\]]|\b[A-Z])[*_]{0,2}\s+(?:is|would\s+be|must\s+be|should\s+be)\s+"
    r"(?:(?:therefore|clearly|the|my)\s+)*(?:(?:most|only)\s+)?(?:correct|right|best|answer|appropriate|suitable)\b"
)


_ANSWER_LINE = re.compile(r"^[ \t>*_#]*(?:final[ \t]+)?answer[ \t*_]*:", re.IGNORECASE | re.MULTILINE)


def last_answer_line(text: str) -> int:
    """Where the last line begins that begins with "Answer:"; -1 if there is none."""
    return max((line.start() for line in _ANSWER_LINE.finditer(seen_as_ascii(text))), default=-1)


def last_phrase(text: str) -> Ending | None:
    """The last answer after a phrase that announces one ("the answer is", "Answer:", `#### 42`, 答案是), in a
    sentence that says which letter is right ("B is correct"), or in a last line that is an option."""
    seen = seen_as_ascii(text)
    found = [_option_in_the_last_line(without_parting(text))]
    for phrase in list(_STRONG.finditer(seen))[-_LAST_PHRASES:]:
        found.append((phrase.start(), _after(text, seen, phrase)))
    for letter in list(_RIGHT_LETTER.finditer(seen))[-1:]:
        alone = letter["chinese"] or letter["small"]
        found.append(
            (letter.start(), alone.upper()) if alone else _sentence_around(text, seen, letter.start())
        )
    last = max((ending for ending in found if ending and ending[1]), default=None)
    if not last or (corrected := _corrected(text, *last)):
        return last and corrected
    return last[0], joined(last[1], text, text.find(last[1], last[0]) + len(last[1]))


def only_right(text: str) -> Ending | None:
    """The letter of the only option of a list that is called right, where each ends with such a verdict."""
    verdicts = list(_VERDICT.finditer(text))
    right = [verdict for verdict in verdicts if verdict["right"]]
    if len(right) != 1 or len({verdict["letter"] for verdict in verdicts}) < _LEAST_VERDICTS:
        return None
    return right[0].start("letter"), right[0]["letter"]


def joined(answer: str, text: str, at: int) -> str:
    """The answer with the value or letter that the text gives beside it from this position on ("(or 43)")."""
    if not answer or not (also := _ALSO.match(seen := seen_as_ascii(text), at)):
        return answer
    line = seen[also.end() : also.end() + MOST_LINE].split("\n", 1)[0]
    other = line[: _sentence_end(line)].strip(" *_$.")
    other = other.rstrip(")") if other.count(")") > other.count("(") else other
    differs = other.strip("()") != answer.strip("()")
    is_other = differs and (is_value(other) or re.fullmatch(r"\(?[A-Z]\)?", other))
    return f"{answer} or {other}" if is_other else answer


_ALSO = re.compile(
    r"[\s.;!*_)\]$}]*[(\[]?\s*(?:(?:(?:but|though)\s+)?(?:it|this|that|the\s+answer)\s+(?:could|might|may)\s+"
    r"(?:(?:also|equally|as\s+well)\s+)?be|or|alternatively|oder|或者?|也可能是)[\s,:]*"
    r"(?:(?:maybe|perhaps|possibly|even)\s+)?",
    re.IGNORECASE,
)


def _corrected(text: str, start: int, answer: str) -> Ending | None:
    """The value that corrects an answer ("7. However, with the shadow it is 8.")."""
    after = text.find(answer, start) + len(answer)
    if not (correction := _CORRECTS.match(seen_as_ascii(text), after)):
        return None
    rest = text[correction.end() :]
    value = (0, rest.strip().rstrip(".")) if is_value(rest) else last_value(rest)
    if not value or (value[0] and not _OF_THE_ANSWER.search(rest[max(0, value[0] - _HEAD) : value[0]])):
        return None
    return correction.end() + value[0], value[1]


_CORRECTS = re.compile(
    r"[\s.;!*_)\]]*(?:however|actually|wait|but|no|hmm|correction|rather)\b[\s,.:;-]*"
    r"|[\s.;!*_)\]]*(?:不对|不是|等等|更正|但是?|其实)[\s,.:;]*",
    re.IGNORECASE,
)
_OF_THE_ANSWER = re.compile(
    rf"(?:\b(?:it|this|that|there|they|one|answer|total|count|number|value|result)(?:\s+{_IS}|'s)"
    r"|应该?是?|答案[是为]|(?:\A|[\s,，。])是|有)\s*(?:actually|really|about|:)?\s*\Z",
    re.IGNORECASE,
)
"""Before a value: it is said of the answer, not of something else ("but a full turn is 360")."""


def announced(text: str) -> str | None:
    """The answer of a short text that is nothing but a phrase and the answer ("So the answer is 7.")."""
    seen = seen_as_ascii(text)
    phrases = list(_STRONG.finditer(seen))
    if len(phrases) != 1 or len(seen[: phrases[0].start()].split()) > _WORDS_BEFORE:
        return None
    answer = _after(text, seen, phrases[0])
    return answer if answer and seen.rstrip(" \n\t.").endswith(seen_as_ascii(answer)) else None


_WORDS_BEFORE = 3


def last_quantity(text: str) -> Ending | None:
    """The last answer after a phrase that may announce one ("the sum is", "the number of cubes is", "there
    are 5")."""
    seen = seen_as_ascii(text)
    found = []
    for phrase in list(_WEAK.finditer(seen))[-_LAST_PHRASES:]:
        counts = phrase["counts"] or phrase["chinese"]
        number = _NUMBER.match(seen, phrase.end()) if counts else None
        found.append((phrase.start(), _counted(seen, number) if number else _after(text, seen, phrase)))
    if begins := _BEGINS_WITH_COUNT.match(seen):
        found.append((begins.start(1), begins[1]))
    return max((ending for ending in found if ending[1]), default=None)


def _counted(seen: str, number: re.Match[str]) -> str:
    """A count; the total where the text goes on to one ("3 dogs and 4 cats, so 7"), and nothing where it
    counts others beside it."""
    rest = seen[number.end() : number.end() + MOST_LINE].split("\n\n", 1)[0]
    if totals := list(_TOTAL.finditer(rest)):
        return totals[-1][1] or totals[-1][2]
    rest = rest[: _sentence_end(rest)]
    return number[1] if not _FURTHER.search(rest) or splits(number[1], rest) else ""


def _after(text: str, seen: str, phrase: re.Match[str]) -> str:
    """The answer after a phrase: the rest of its sentence; the rest of its line if it begins with an option's
    letter; a formula on lines of its own, whole."""
    start = phrase.end()
    line = seen[start : start + MOST_LINE].split("\n", 1)[0]
    if denies(seen[max(0, phrase.start() - MOST_BEFORE) : phrase.start()], in_brackets=phrase[0][0] == "("):
        return ""
    closing = _DISPLAY.get(line.strip())
    if closing and (stop := seen.find(closing, start + len(line), start + MOST_LINE)) >= 0:
        return text[start + len(line) : stop].strip()
    if "\n" not in phrase[0]:
        before = seen[max(0, start - MOST_BEFORE) : start].rpartition("\n")[2]
        line = _emphasised(line) if before.count("**") % 2 else line
        line = line[: _closes(line, _open_mark(before))]
    end = len(line) if _LETTER_START.match(plain(line[:_HEAD])) else _sentence_end(line)
    answer = text[start : start + end].strip()
    answer = answer.replace("**", "") if answer.count("**") % 2 else answer
    if counted := _COUNTED.match(answer):
        return counted[1]
    if (other := _NOT_ANOTHER.search(answer)) and other[1].strip() not in answer[: other.start()]:
        answer = answer[: other.start()]
    is_list = (
        "\n" in phrase[0] and len({*map(str.strip, _OPTIONS.findall(seen[start : start + MOST_LINE]))}) > 1
    )
    answer = value_of(answer)
    return "" if is_list or _NO_ANSWER.match(line) or _WRONG_LETTERS.match(answer) else answer


def _emphasised(line: str) -> str:
    """The rest of what is in bold type when the line begins; all of the line if another answer follows."""
    bold, _, rest = line.partition("**")
    return line if _ALTERNATIVE.match(rest) else bold


_ALTERNATIVE = re.compile(r"[\s,(]*(?:(?:or|and|but)\b|[或和但])", re.IGNORECASE)
"""What follows an answer and gives another one beside it."""
_NOT_ANOTHER = re.compile(r",\s(?:and\s)?not\s([^,.;]{1,40})\Z", re.IGNORECASE)
_DISPLAY = {"\\[": "\\]", "$$": "$$", "```": "```", "```text": "```"}
_HEAD = 60
_LETTER_START = re.compile(
    rf"[\s\"'*_$]*(?:[(\[]\s*[A-Z]\s*[)\]]|[A-Z][ \t]*(?:[.):,]|{BOUNDARY}|$))", re.MULTILINE
)
_CLOSING = {"(": ")", "[": "]", "{": "}", "'": "'", '"': '"', "`": "`"}


def _open_mark(line: str) -> str | None:
    """The innermost bracket or quote that is open at the end of the beginning of a line."""
    opened: list[str] = []
    for at, mark in enumerate(line):
        if opened and mark == _CLOSING[opened[-1]]:
            opened.pop()
        elif mark in "([{" or (mark in "'\"`" and (at == 0 or line[at - 1] in " \t(")):
            opened.append(mark)
    return opened[-1] if opened else None


def _closes(line: str, mark: str | None) -> int:
    """Where a mark that was open before the line is closed in it; the line's length if nowhere."""
    depth = 0
    for at, character in enumerate(line if mark else ""):
        if character == _CLOSING[mark or ""] and depth == 0:
            return at
        depth += (character == mark) - (character == _CLOSING[mark or ""])
    return len(line)


# Sentences ------------------------------------------------------------------------------------------------

_STOP = re.compile(r"[.;!](?=\s|\Z)|[.;](?=[\u2e80-\uffef])")
_ABBREVIATED = re.compile(
    r"(?:\b(?:Dr|Mr|Mrs|Ms|St|Mt|No|vs|Prof|Fig|approx|ca|cf)|\b[A-Z]\.[A-Z]|\w [A-Z])\Z"
)
_MAY_END = re.compile(r"(?:\b[a-z]\.[a-z]|\b(?:etc|Inc|Co|Ltd|Jr|Sr|ft|in|sq|oz|lb))\Z")


def _sentence_end(line: str) -> int:
    """Where the first sentence of a line ends, without its full stop. Abbreviations end none."""
    for stop in _STOP.finditer(line):
        before, after = line[max(0, stop.start() - 8) : stop.start()], line[stop.end() :].lstrip()
        if stop[0] == "." and after and _ABBREVIATED.search(before):
            continue
        if stop[0] == "." and after[:1].islower() and _MAY_END.search(before):
            continue
        return stop.start()
    return len(line)


def _sentence_around(text: str, seen: str, at: int) -> Ending:
    """The sentence with this position."""
    start = max((stop.end() for stop in BREAK.finditer(seen, max(0, at - MOST_BEFORE), at)), default=0)
    start = start if at - start <= MOST_BEFORE else at
    line = seen[at : at + MOST_LINE].split("\n", 1)[0]
    return start, text[start : at + _sentence_end(line)].strip()


# Letters --------------------------------------------------------------------------------------------------

_FIRST_LETTER = re.compile(
    rf"\s*[(\[]?([A-Z])(?:[)\]]*[.:)\]](?=\s|$)|\s+(?:because|since|as)\b|{BOUNDARY}"
    r"|[ \t]*\n|\s*$|(?<![AI])(?:, | [\u2013-] |\u2014))"
)
_OPTIONS = re.compile(
    r"(?<!\w)(?:\([A-Z]\)|[A-Z][.)])(?=\s+\S)|^\(?[A-Z](?:[.:)](?=\s|$)|\)?[ \t]*$)", re.MULTILINE
)
_LINE_LETTER = re.compile(rf"[\s\"'*-]*(?:[(\[]\s*[A-Z]\s*[)\]]|[A-Z])(?:[\s\"'*.:)]*$|[.)]\s|\s*{BOUNDARY})")


def first_letter(text: str) -> Ending | None:
    """An option's letter with which the text begins, and the paragraph after it, if no second option is named
    in the same way."""
    begins = text.lstrip()
    letter = _FIRST_LETTER.match(plain(seen_as_ascii(begins[:_HEAD])))
    if letter and {named.strip("(.:) \t") for named in _OPTIONS.findall(seen_as_ascii(begins))} <= {
        letter[1]
    }:
        return len(text) - len(begins), begins.partition("\n\n")[0]
    return None


def _option_in_the_last_line(text: str) -> Ending | None:
    """The last line if it begins with an option's letter and is not the end of a list of options."""
    *before, last = ["", "", *(line for line in text[-MOST_LINE:].split("\n") if line.strip())]
    if not last or not before[-1] or not _LINE_LETTER.match(plain(seen_as_ascii(last[:_HEAD]))):
        return None
    if _LINE_LETTER.match(plain(seen_as_ascii(before[-1][:_HEAD]))):
        return None
    return text.rfind(last), last


_FIRST_WORD = re.compile(
    r"\W*(?:(?:based\s+on|according\s+to|from|in)\s[^,.;:\n]{1,60},\s+(?=(?:yes|no)\b))?"
    r"(?:(?:yes|no|nope|yep)\b[*_\"']*(?:[,.;:!\u2014]|\s[\u2013\u2014-]\s)|(?:是的?|对的?|有的|不是的?|没有|不|否)[,.;!])",
    re.IGNORECASE,
)
_THERE_IS_NO = re.compile(
    r"\bthere\s+(?:(?:is|are|was|were)(?:n't|\s+not)|(?:is|are)\s+no)\b(?!\s+(?:more|less|fewer)\b)[^.\n]*[.!]?\s*\Z",
    re.IGNORECASE,
)
_SO_YES = re.compile(r"\b(?:but|so|hence|therefore)[\s,]+(yes|no)[\s.!]*\Z", re.IGNORECASE)


def first_word(text: str) -> Ending | None:
    """A yes or no with which the text begins, and the paragraph after it."""
    begins = text.lstrip()
    if not _FIRST_WORD.match(seen_as_ascii(begins)):
        return None
    return len(text) - len(begins), begins.partition("\n\n")[0]


def says_no(text: str) -> Ending | None:
    """The "no" of a last sentence that says that something is not there; the yes or no that ends the text."""
    if last := _SO_YES.search(text[-MOST_LINE:]):
        return len(text) - len(text[-MOST_LINE:]) + last.start(1), last[1]
    denied = _THERE_IS_NO.search(text[-MOST_LINE:])
    return (len(text) - len(text[-MOST_LINE:]) + denied.start(), "no") if denied else None
