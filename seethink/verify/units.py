"""Units of measure behind a number: their names in English and Chinese, and their ratios."""

from __future__ import annotations

import re
from fractions import Fraction
from functools import lru_cache

_NAMES: dict[str, dict[str, str]] = {
    "length": {
        "1": "m meter metre 米 公尺",
        "1/10": "dm decimeter decimetre 分米",
        "1/100": "cm centimeter centimetre 厘米 公分",
        "1/1000": "mm millimeter millimetre 毫米",
        "1/1000000": "μm um micrometer micrometre micron 微米",
        "1/1000000000": "nm nanometer nanometre 纳米",
        "1000": "km kilometer kilometre 千米 公里",
        "127/5000": 'in inch inches 英寸 " ″',
        "381/1250": "ft foot feet 英尺 ' ′",
        "1143/1250": "yd yard",
        "201168/125": "mi mile 英里",
        "1852": "nmi nautical_mile 海里",
    },
    "length^2": {"10000": "ha hectare 公顷"},
    "length^3": {
        "1/1000": "l liter litre 升",
        "1/1000000": "ml milliliter millilitre 毫升",
    },
    "mass": {
        "1": "kg kilogram 千克 公斤",
        "1/1000": "g gram 克",
        "1/1000000": "mg milligram 毫克",
        "1000": "tonne 吨",
        "1/2": "斤",
        "45359237/100000000": "lb lbs pound",
        "45359237/1600000000": "oz ounce",
    },
    "time": {
        "1": "s sec second 秒 秒钟",
        "1/1000": "ms millisecond 毫秒",
        "60": "min minute 分 分钟",
        "3600": "h hr hour 时 小时 个小时 钟头 个钟头",
        "86400": "day 天 日",
        "604800": "week 周",
    },
    "angle": {"1": "° deg degree 度", "1/60": "' ′ arcmin", "1/3600": '" ″ arcsec'},
    "radian": {"1": "rad radian 弧度"},
    "temperature": {"1": "°c ℃ degree celsius 度 摄氏度"},
    "fahrenheit": {"1": "°f ℉ degree fahrenheit 华氏度"},
    "dollar": {"1": "$ dollar usd us$ 美元", "1/100": "cent"},
    "euro": {"1": "€ euro eur 欧元", "1/100": "cent"},
    "sterling": {"1": "£ pound gbp 英镑", "1/100": "penny pence"},
    "yuan": {"1": "¥ yuan cny rmb 元 人民币", "1/10": "角", "1/100": "分"},
    "pixel": {"1": "px pixel"},
    "newton": {"1": "n newton 牛 牛顿"},
    "joule": {"1": "j joule 焦 焦耳", "1000": "kj kilojoule 千焦"},
    "watt": {"1": "w watt 瓦 瓦特", "1000": "kw kilowatt 千瓦"},
    "volt": {"1": "v volt 伏 伏特", "1000": "kv kilovolt"},
    "ampere": {"1": "a amp ampere 安 安培"},
    "ohm": {"1": "ω ohm 欧 欧姆"},
    "hertz": {"1": "hz hertz 赫兹", "1000": "khz kilohertz"},
    "pascal": {"1": "pa pascal 帕 帕斯卡", "1000": "kpa kilopascal"},
}
"""{kind: {factor to the kind's base unit: its names}}; a name may have several kinds (degree, pound, 分)."""
_KINDS: dict[str, dict[str, Fraction]] = {}
for _kind, _factors in _NAMES.items():
    for _factor, _names in _factors.items():
        for _name in _names.split():
            _KINDS.setdefault(_name.replace("_", " "), {})[_kind] = Fraction(_factor)

_SPACED = {*"njwva"}
"""Symbols that are read as units only in capitals behind a blank; `3a` is a product."""
_ALTERNATIVES = "|".join(
    re.escape(name) for name in sorted(_KINDS, key=len, reverse=True) if name not in _SPACED
)
_KNOWN = (
    r"(?:(?P<power>square|sq\.?|cubic|平方|立方)\s*|degrees?\s+(?=celsius|fahrenheit))?"
    rf"(?:(?P<name>{_ALTERNATIVES})(?:(?<=[a-z]{{2}})s)?|(?P<any>units?|个?单位))(?![a-z])"
    r"(?:\s*\^\s*\{?\s*(?P<exponent>[23])\s*\}?\^?|\s*(?P<sign>[²³])|(?P<digit>[23])(?![0-9])"
    r"|\s+(?P<word>squared|cubed))?"
)
_ONE = re.compile(_KNOWN, re.IGNORECASE)
_UNNAMED = re.sub(r"\?P<\w+>", "?:", _KNOWN)
_PER = r"\s*(?:/|\bper\b|每)\s*"
_NAME = rf"(?:{_ALTERNATIVES})"
_RAISED = r"(?:\^\s*\{?\s*[-\u2212]\s*(?P<power>[123])\s*\}?|⁻(?P<sign>[¹²³]))"
_INVERSE = re.compile(
    rf"(?<![A-Za-z])(?P<above>{_NAME})\s*(?:(?:[·⋅∙•*]|\\cdot)\s*|(?<=\s)|(?<=m)(?=s))(?P<below>{_NAME})\s*{_RAISED}$",
    re.IGNORECASE,
)
"""`m·s^{-1}` and `m s⁻²`, which are written with a slash."""
_STACKED = re.compile(rf"\\frac\s*\{{\s*({_UNNAMED})\s*\}}\s*\{{\s*({_UNNAMED})\s*\}}$", re.IGNORECASE)
_NOT_UNITS = {
    *("half", "third", "quarter", "dozen", "score", "hundred", "thousand", "million", "billion", "trillion"),
    *("pi", "and", "or", "to", "percent", "pct", "percentage", "not", "no", "nor", "but", "maybe", "than"),
    *("wrong", "incorrect", "false", "untrue", "never", "neither", "none", "without", "except", "excluded"),
    *("less", "fewer", "lower", "smaller", "more", "greater", "larger", "higher", "extra", "over", "under"),
    *("above", "below", "almost", "nearly", "about", "approximately", "roughly", "plus", "minus"),
    *("divided", "negative", "fold", "double", "twice", "halves", "short", "off", "past"),
    *("too", "least", "most", "perhaps", "possibly", "probably", "unsure", "bc", "bce"),
    *("ad", "ce", "am", "pm"),
}
"""Words that change or compare the number before them, begin another, or deny it; eras; am and pm."""
_OTHER = r"(?<=\s)[a-z]{2,}|(?<=\s)(?-i:[A-Z])|[\u4e00-\u9fff]{1,4}"
_NOT_COUNTERS = re.compile(r"[不非没或和与到至约多余几半十百千万亿分以左右之是对错少减加负]")
_TAIL = re.compile(
    rf"(?:(?<=[0-9)}}\]])|(?<=\\pi))\s*(?P<unit>{_UNNAMED}(?:{_PER}{_UNNAMED})?|{_OTHER})$", re.IGNORECASE
)
_INNER = re.compile(rf"(?<=[0-9)}}\]])\s*{_UNNAMED}", re.IGNORECASE)
_CURRENCY = re.compile(r"[-+\u2212]?(?P<sign>[$€£¥])\s*(?=[0-9.]+(?:,[0-9]{3})*(?:\.[0-9]+)?$)")
_MAX_CHARACTERS = 40
"""No unit is longer."""


def split(text: str) -> tuple[str, str]:
    """A text as what stands before its unit, and the unit ("" without one), in lower case.

    Known units may be attached (`5cm`, `6米`, `9 m^{2}`, `3 km/h`); any other single word behind a blank, and
    up to four Chinese characters, count as one too ("5 cubes"), except words that change the number. A
    currency sign may also stand in front.
    """
    text = _with_slash(text)
    if paid := _CURRENCY.match(text):
        return text[: paid.start("sign")] + text[paid.end() :], paid["sign"]
    found = _TAIL.search(text, max(0, len(text) - _MAX_CHARACTERS))
    if not found:
        return text, ""
    unit = found["unit"].lower()
    if _parts(unit) is None and ({unit, unit.removesuffix("s")} & _NOT_UNITS or _NOT_COUNTERS.search(unit)):
        return text, ""
    return text[: found.start()].rstrip(), unit


def _with_slash(text: str) -> str:
    """A compound unit with a slash, where it is written with a negative power, as a fraction or in words."""
    end = text[-_MAX_CHARACTERS:]
    end = re.sub(r"\\Omega$", "Ω", end).replace("每二次方", "每平方").replace("每平方秒", "/秒^2")
    end = _STACKED.sub(r"\1/\2", end)
    if inverse := _INVERSE.search(end):
        power = inverse["power"] or str("¹²³".index(inverse["sign"]) + 1)
        end = f"{end[: inverse.start()]}{inverse['above']}/{inverse['below']}" + (
            f"^{power}" if power != "1" else ""
        )
    return text[:-_MAX_CHARACTERS] + end


def split_sum(text: str) -> tuple[str, str]:
    """`split` for a sum whose terms have all the same known unit (`5 cm + 7 cm`)."""
    found = {unit.strip().lower() for unit in _INNER.findall(text)}
    return (_INNER.sub("", text), found.pop()) if len(found) == 1 else (text, "")


def is_known(unit: str) -> bool:
    """Whether a unit is in the table, and no word that happens to follow a number."""
    return _parts(unit) is not None


def ratio(unit: str, other: str) -> Fraction | None:
    """How many of `other` are one `unit`; None if they measure different things.

    A missing unit is that of the other side, and so is "unit".
    """
    kinds, others = _kinds(unit), _kinds(other)
    if kinds is None or others is None:
        return Fraction(1)
    common = kinds.keys() & others.keys()
    return next((kinds[kind] / others[kind] for kind in sorted(common)), None)


@lru_cache(maxsize=1024)
def _kinds(unit: str) -> dict[str, Fraction] | None:
    """{kind: factor} of a unit; None where it may be any."""
    if not unit:
        return None
    if (parts := _parts(unit)) is None:
        singular = unit.removesuffix("s") if len(unit) > 2 else unit
        return _KINDS.get(singular, {singular: Fraction(1)})
    if any(part["any"] for part in parts):
        return None
    kinds = [_powered(part) for part in parts]
    if len(kinds) == 1:
        return kinds[0]
    return {f"{a}/{b}": kinds[0][a] / kinds[1][b] for a in kinds[0] for b in kinds[1]}


def _parts(unit: str) -> list[re.Match[str]] | None:
    """The one or two known units of a text ("km/h"); None if it is no known unit."""
    found = [_ONE.fullmatch(part) for part in re.split(_PER, unit)]
    return [part for part in found if part] if all(found) else None


def _powered(part: re.Match[str]) -> dict[str, Fraction]:
    written = part["power"] or part["exponent"] or part["sign"] or part["digit"] or part["word"] or "1"
    power = {"s": 2, "平": 2, "²": 2, "2": 2, "1": 1}.get(written[0], 3)
    kinds = _KINDS[part["name"]]
    return kinds if power == 1 else {f"{kind}^{power}": factor**power for kind, factor in kinds.items()}
