"""Numbers in words, English and Chinese, written in digits."""

from __future__ import annotations

import re
from fractions import Fraction

from seethink.markup import seen_as_ascii
from seethink.verify import units

_ONES = {
    **{"zero": 0, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8},
    **{"nine": 9, "ten": 10, "eleven": 11, "twelve": 12, "thirteen": 13, "fourteen": 14, "fifteen": 15},
    **{"sixteen": 16, "seventeen": 17, "eighteen": 18, "nineteen": 19},
}
_TENS = {
    **{"twenty": 20, "thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "seventy": 70, "eighty": 80},
    **{"ninety": 90},
}
_SCALES = {"dozen": 12, "thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}
_ORDINALS = {
    "third": 3,
    "fourth": 4,
    "fifth": 5,
    "sixth": 6,
    "seventh": 7,
    "eighth": 8,
    "ninth": 9,
    "tenth": 10,
}
_PARTS = {
    **{"half": 2, "halves": 2, "quarter": 4, "quarters": 4},
    **_ORDINALS,
    **{f"{name}s": below for name, below in _ORDINALS.items()},
}
_ELSEWHERE = {
    word: number
    for numbers in (
        "eins zwei drei vier fünf sechs sieben acht neun zehn _ zwölf",
        "_ deux trois quatre cinq _ _ huit neuf dix onze douze",
        "_ _ tres cuatro cinco _ siete ocho nueve diez _ doce",
    )
    for number, word in enumerate(numbers.split(), start=1)
}
"""German, French and Spanish, as far as they are no words of English ("elf", "once", "dos") or articles."""
_ABROAD = re.compile(rf"({'|'.join(_ELSEWHERE.keys() - {'_'})})(?=\s|$)", re.IGNORECASE)
_WORD = re.compile(r"[a-z]+(?![a-z])")
_GAP = re.compile(r"(?:,?\s+|-)(?:and\s+)?")
_DIGITS = re.compile(r"[0-9]+(?:,[0-9]{3})*(?:\.[0-9]+)?")
_LEAD = re.compile(r"(?:there\s+(?:is|are)\s+)?(?P<sign>(?:minus|negative)\s+|-\s*)?", re.IGNORECASE)
_CURRENCY = re.compile(r"[-+]?[$€£¥]\s*(?=[0-9])")
_BESIDE = re.compile(r"(?P<one>[^()]+?)\s*\((?P<other>[^()]+)\)(?P<rest>[^()]*)")
_ORDINAL = re.compile(rf"[\s-]+(?:first|{'|'.join(_ORDINALS)})\b|(?<=ty)[\s-]+second\b")
_MOST_CHARACTERS = 120

_CHINESE_DIGITS = {
    **{digit: i for i, digit in enumerate("零一二三四五六七八九")},
    **{digit: i for i, digit in enumerate("〇壹贰叁肆伍陆柒捌玖")},
    "两": 2,
}
_CHINESE_TENS = {"十": 10, "拾": 10, "百": 100, "佰": 100, "千": 1000, "仟": 1000}
_D = "[" + "".join(_CHINESE_DIGITS) + "]"
_N = "[" + "".join((*_CHINESE_DIGITS, *_CHINESE_TENS)) + "廿卅万亿]"
_CHINESE = re.compile(
    rf"(?P<sign>负)?(?:(?P<percent>百分之)(?P<of_hundred>{_N}+(?:点{_D}+)?|[0-9]+(?:[.][0-9]+)?)"
    rf"|(?:(?P<whole>{_N}+)又)?(?P<below>{_N}+|[0-9]+)分之(?P<above>{_N}+|[0-9]+)"
    rf"|(?P<half>一半|半(?=个))|(?P<number>{_N}+)(?:点(?P<decimals>{_D}+))?)"
)
_SCALED = re.compile(r"(?P<digits>[-+]?[0-9]+(?:,[0-9]{3})*(?:\.[0-9]+)?)\s*(?P<scale>万亿|[万亿])")
_MAY_BE = re.compile(
    rf"{'|'.join((*_ONES, *_TENS, *_SCALES, *_PARTS, 'hundred'))}|{_N}|半|{_ABROAD.pattern}", re.IGNORECASE
)
"""In every text that holds a number in words; a text without is read no further."""
_COUNTED = re.compile(r"[个只条张件名位本辆棵朵颗块头匹人次种台支根座架艘枚粒盏幅度]|\s|$")
"""What may follow a Chinese number that is no word of another meaning (一样, 一些), beside units."""


def in_digits(text: str) -> str | None:
    """A text that begins with a number in words, with digits for it: "twelve cubes" is `12 cubes`, 三分之二
    `2/3`, 百分之六十 `60%`, "2.5 million" `2500000`, and "12 (twelve)" `12`. None for any other text, and
    where two numbers stand side by side ("one two", 两三个).
    """
    if len(text) > _MOST_CHARACTERS or not _MAY_BE.search(text):
        return None
    text = seen_as_ascii(text)
    if beside := _BESIDE.fullmatch(text):
        one, other = (in_digits(beside[name]) or beside[name] for name in ("one", "other"))
        return f"{one}{beside['rest']}" if one == other and text[0] != "(" else None
    if abroad := _ABROAD.match(text):
        return f"{_ELSEWHERE[abroad[1].lower()]}{text[abroad.end() :]}"
    return _from_chinese(text) or _from_english(text)


def _from_english(text: str) -> str | None:
    if currency := _CURRENCY.match(text):
        found = _from_english(text[currency.end() :])
        return found and currency[0] + found
    lead = _LEAD.match(text)
    at = lead.end() if lead else 0
    if not (read := _amount(text.lower(), at)):
        return None
    value, end = read
    rest = text[end:].lower()
    if re.match(r"[\w.]|-?[0-9]", rest) or _ORDINAL.match(text.lower(), end) or _number(rest, _skip(rest, 0)):
        return None
    sign = "-" if lead and lead["sign"] else ""
    return f"{sign}{_written(value)}{text[end:]}"


def _amount(text: str, at: int) -> tuple[Fraction, int] | None:
    """A number in words from this position on, with its fraction ("two and a half", "three quarters")."""
    if found := _fraction(text, at):
        return found
    if not (read := _number(text, at)):
        return None
    (value, end), after = read, _skip(text, read[1])
    if re.match(r"point\b", text[after:]):
        return _decimals(text, value, after + len("point"))
    if "and" in text[end:after] and (part := _fraction(text, after)):
        return value + part[0], part[1]
    scaled_digits = not text[at].isdigit() or re.search("[a-z]", text[at:end])
    return (value, end) if scaled_digits else None


def _fraction(text: str, at: int) -> tuple[Fraction, int] | None:
    """`half`, `a third`, `two thirds`, `2 thirds`."""
    above, after = Fraction(1), at
    if article := re.match(r"an?\s+", text[at:]):
        after = at + article.end()
    elif read := _number(text, at):
        above, after = read[0], _skip(text, read[1])
    word = _WORD.match(text, after)
    if not word or word[0] not in _PARTS or (after == at and word[0] != "half") or above.denominator > 1:
        return None
    if (above == 1) == word[0].endswith("s"):
        return None
    return above / _PARTS[word[0]], word.end()


def _number(text: str, at: int) -> tuple[Fraction, int] | None:
    """A whole number in words, or digits before words that multiply them, and where it ends."""
    total, group, end, least = Fraction(0), Fraction(0), at, 10**15
    is_begun, after = False, at
    if digits := _DIGITS.match(text, at):
        group, end, is_begun = Fraction(digits[0].replace(",", "")), digits.end(), True
        after = _skip(text, end)
    elif article := re.match(r"an?\s+(?=(?:hundred|dozen|thousand|million|billion|trillion)\b)", text[at:]):
        group, after = Fraction(1), at + article.end()
        is_begun = True
    room = 0 if digits else 1000
    while word := _WORD.match(text, after):
        name = word[0]
        if name in _TENS and room > 90 and not (digits and end == digits.end()):
            group, room = group + _TENS[name], 9
        elif name in _ONES and room >= _ONES[name] and (_ONES[name] or not is_begun):
            group, room = group + _ONES[name], 0
        elif name == "hundred" and 0 < group < 100:
            group, room = group * 100, 99
        elif name in _SCALES and group and _SCALES[name] < least:
            least = _SCALES[name]
            total, group, room = total + group * least, Fraction(0), 1000 if least > 12 else 0
        else:
            break
        is_begun, end = True, word.end()
        after = _skip(text, end)
    return (total + group, end) if is_begun and end > at else None


def _skip(text: str, at: int) -> int:
    gap = _GAP.match(text, at)
    return gap.end() if gap else at


def _decimals(text: str, value: Fraction, at: int) -> tuple[Fraction, int] | None:
    figures, end = "", at
    while (word := _WORD.match(text, _skip(text, end))) and _ONES.get(word[0], 10) < 10:
        figures, end = figures + str(_ONES[word[0]]), word.end()
    return (value + Fraction(int(figures), 10 ** len(figures)), end) if figures else None


def _from_chinese(text: str) -> str | None:
    if scaled := _SCALED.match(text):
        value = Fraction(scaled["digits"].replace(",", ""))
        return _with_rest(_written(value * _scale(scaled["scale"])), text[scaled.end() :])
    if not (read := _CHINESE.match(text)):
        return None
    sign, rest = "-" if read["sign"] else "", text[read.end() :]
    if read["half"]:
        return _with_rest(f"{sign}1/2", rest)
    if read["percent"]:
        share = read["of_hundred"]
        value = _chinese(share)
        return None if value is None else _with_rest(f"{sign}{_written(value)}%", rest)
    if read["below"]:
        below, above, whole = (_chinese(read[name] or "零") for name in ("below", "above", "whole"))
        if not below or above is None or whole is None:
            return None
        return _with_rest(sign + _written(whole + above / below), rest)
    value = _chinese(read["number"] + ("点" + read["decimals"] if read["decimals"] else ""))
    if value is not None and rest.startswith("个半"):
        value, rest = value + Fraction(1, 2), rest.removeprefix("个半")
    return None if value is None else _with_rest(sign + _written(value), rest)


def _chinese(text: str) -> Fraction | None:
    """A Chinese number, or digits; None for digits side by side (二三), except years and with zeros."""
    if re.fullmatch(r"[0-9]+(?:\.[0-9]+)?", text):
        return Fraction(text)
    whole, _, decimals = text.partition("点")
    part = Fraction(0)
    if decimals:
        part = Fraction(int("".join(str(_CHINESE_DIGITS[d]) for d in decimals)), 10 ** len(decimals))
    whole = whole.replace("廿", "二十").replace("卅", "三十")
    if all(d in _CHINESE_DIGITS for d in whole):
        figures = "".join(str(_CHINESE_DIGITS[d]) for d in whole)
        is_number = len(figures) == 1 or len(figures) == 4 or "0" in figures[1:]
        return (
            Fraction(int(figures)) + part if is_number and (len(figures) == 1 or "两" not in whole) else None
        )
    value = _sections(whole)
    return None if value is None else value + part


def _sections(text: str) -> Fraction | None:
    """A Chinese number with 十, 百, 千, 万 and 亿; a last digit without one counts in tenths of the last
    (一百二 is 120)."""
    total = section = digit = 0
    last, has_zero, above = 10, False, 10**9
    for character in text:
        if character in _CHINESE_DIGITS:
            if digit:
                return None
            digit = _CHINESE_DIGITS[character]
            has_zero = has_zero or digit == 0
        elif character in "万亿":
            last, is_ten_thousand = _scale(character), character == "万"
            section += digit
            if not total + section or (total % 10**8 if is_ten_thousand else total >= 10**8):
                return None
            total = total + section * last if is_ten_thousand else (total + section) * last
            section, digit, has_zero, above = 0, 0, False, 10**9
        else:
            last = _CHINESE_TENS[character]
            if last >= above or (not digit and last > 10):
                return None
            section, digit, above, has_zero = section + (digit or 1) * last, 0, last, False
    if digit and last > 10 and not has_zero:
        digit *= last // 10
    return Fraction(total + section + digit)


def _scale(name: str) -> int:
    return {"万": 10**4, "亿": 10**8, "万亿": 10**12}[name]


def _written(value: Fraction) -> str:
    """The number as an integer, a decimal that ends, or a fraction."""
    for places in range(13):
        if 10**places % value.denominator == 0:
            figures = str(value.numerator * 10**places // value.denominator).zfill(places + 1)
            return f"{figures[: len(figures) - places]}.{figures[len(figures) - places :]}".rstrip(".")
    return f"{value.numerator}/{value.denominator}"


def _with_rest(number: str, rest: str) -> str | None:
    """A Chinese number before what it counts; None before what makes another word of it (一样, 十几)."""
    return number + rest if _COUNTED.match(rest) or units.is_known(rest.strip().lower()) else None
