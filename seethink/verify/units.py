"""Units of measure behind a number: their names in English and Chinese, the common ones in German, French and
Spanish, and their ratios."""

from __future__ import annotations

import re
import unicodedata
from fractions import Fraction
from functools import lru_cache

_NAMES: dict[str, dict[str, str]] = {
    "length": {
        "1": "m meter metre 米 公尺 metern mètre metro",
        "1/10": "dm decimeter decimetre 分米",
        "1/100": "cm centimeter centimetre 厘米 公分 zentimeter zentimetern centimètre centímetro",
        "1/1000": "mm millimeter millimetre 毫米 millimetern millimètre milímetro",
        "1/1000000": "μm um micrometer micrometre micron 微米",
        "1/1000000000": "nm nanometer nanometre 纳米",
        "1/10000000000": "å angstrom ångström 埃",
        "1000": "km kilometer kilometre 千米 公里 kilometern kilomètre kilómetro",
        "127/5000": 'in inch inches 英寸 " ″',
        "381/1250": "ft foot feet 英尺 ' ′",
        "1143/1250": "yd yard",
        "201168/125": "mi mile 英里",
        "1852": "nmi nautical_mile 海里",
    },
    "length/time": {"5/18": "kmph kph", "1397/3125": "mph"},
    "length^2": {"10000": "ha hectare 公顷"},
    "length^3": {
        "1/1000": "l liter litre 升 litern litro",
        "1/1000000": "ml milliliter millilitre 毫升",
        "1/1000000000": "μl microliter microlitre 微升",
    },
    "mass": {
        "1": "kg kilogram 千克 公斤 kilogramm kilogramme kilogramo kilo",
        "1/1000": "g gram 克 gramm gramme gramo",
        "1/1000000": "mg milligram 毫克",
        "1/1000000000": "μg microgram 微克",
        "1000": "tonne 吨",
        "1/2": "斤",
        "45359237/100000000": "lb lbs pound",
        "45359237/1600000000": "oz ounce",
    },
    "time": {
        "1": "s sec second 秒 秒钟 sekunde sekunden seconde segundo",
        "1/1000": "ms millisecond 毫秒",
        "1/1000000": "μs microsecond 微秒",
        "60": "min minute 分 分钟 minuten minuto",
        "3600": "h hr hour 时 小时 个小时 钟头 个钟头 stunde stunden heure hora",
        "86400": "day 天 日 tage tagen jour día días",
        "604800": "week 周 woche wochen semaine semana",
    },
    "angle": {"1": "° deg degree 度 grad degré grado", "1/60": "' ′ arcmin", "1/3600": '" ″ arcsec'},
    "radian": {"1": "rad radian 弧度"},
    "temperature": {"1": "°c ℃ degree celsius 度 摄氏度 grad degré grado"},
    "kelvin": {"1": "kelvin 开尔文"},
    "fahrenheit": {"1": "°f ℉ degree fahrenheit 华氏度"},
    "dollar": {"1": "$ dollar usd us$ 美元 dólar dólares", "1/100": "cent ¢"},
    "euro": {"1": "€ euro eur 欧元", "1/100": "cent ¢"},
    "sterling": {"1": "£ pound gbp 英镑", "1/100": "penny pence"},
    "yuan": {"1": "¥ yuan cny rmb 元 人民币", "1/10": "角", "1/100": "分"},
    "pixel": {"1": "px pixel"},
    "newton": {"1": "n newton 牛 牛顿"},
    "joule": {"1": "j joule 焦 焦耳", "1000": "kj kilojoule 千焦"},
    "watt": {"1": "w watt 瓦 瓦特", "1000": "kw kilowatt 千瓦"},
    "volt": {"1": "v volt 伏 伏特", "1000": "kv kilovolt"},
    "ampere": {"1": "a amp ampere 安 安培", "1/1000": "ma milliamp milliampere 毫安"},
    "ohm": {"1": "ω ohm 欧 欧姆"},
    "hertz": {
        **{"1": "hz hertz 赫兹", "1000": "khz kilohertz", "1000000": "mhz megahertz"},
        "1000000000": "ghz gigahertz",
    },
    "byte": {"1": "byte", "1000": "kb kilobyte", "1000000": "mb megabyte", "1000000000": "gb gigabyte"},
    "mole": {"1": "mol mole 摩尔"},
    "decibel": {"1": "db decibel 分贝"},
    "pascal": {"1": "pa pascal 帕 帕斯卡", "1000": "kpa kilopascal"},
}
"""{kind: {factor to the kind's base unit: its names}}; a name may have several kinds (degree, pound, 分)."""


@lru_cache(maxsize=4096)
def _letter(character: str) -> str:
    """A letter, or a sign made of letters, in its usual characters: ㎝ is `cm`, ℓ `l`, U+00B5 μ, ℃ `°C`.

    Small digits and fractions, which would run into a number, stay."""
    tag = unicodedata.decomposition(character).partition(">")[0]
    usual = unicodedata.normalize("NFKC", character)
    return usual if tag not in _RAISED_TAGS and (usual[0].isalpha() or usual[0] == "°") else character


_RAISED_TAGS = {"<super", "<sub", "<fraction", "<circle"}


def _usual(text: str) -> str:
    return text if text.isascii() else "".join(map(_letter, text))


def _key(text: str) -> str:
    """A text as units are matched and looked up: usual characters, lower case, as long as `_usual` of it."""
    usual = _usual(text)
    return "".join(low if len(low := c.lower()) == 1 else c for c in usual)


_KINDS: dict[str, dict[str, Fraction]] = {}
for _kind, _factors in _NAMES.items():
    for _factor, _names in _factors.items():
        for _name in _names.split():
            _KINDS.setdefault(_key(_name.replace("_", " ")), {})[_kind] = Fraction(_factor)

_SPACED = {*"njwva"}
"""Symbols that are read as units only in capitals behind a blank; `3a` is a product."""
_PREFIXES = "mg"
"""Symbols that are units in capitals only where they are named in small: 5 M may be five million."""
_ALTERNATIVES = "|".join(
    re.escape(name) for name in sorted(_KINDS, key=len, reverse=True) if name not in _SPACED
)
_KNOWN = (
    r"(?:(?P<power>square|sq\.?|quadrat|cubic|kubik|平方|立方)\s*|degrees?\s+(?=celsius|fahrenheit))?"
    rf"(?:(?P<name>{_ALTERNATIVES})(?:(?<=[a-z]{{2}})s)?|(?P<any>units?|个?单位))(?![a-z])"
    r"(?:\s*\^\s*\{?\s*(?P<exponent>[23])\s*\}?\^?|\s*(?P<sign>[²³])|(?P<digit>[23])(?![0-9])"
    r"|\s+(?P<word>squared|cubed))?"
)
"""All patterns are matched against `_key` of a text, none ignores case: what they match, `_KINDS` has."""
_ONE = re.compile(_KNOWN)
_UNNAMED = re.sub(r"\?P<\w+>", "?:", _KNOWN)
_PER = r"\s*(?:/|\bper\b|每)\s*"
_NAME = rf"(?:{_ALTERNATIVES})"
_RAISED = r"(?:\^\s*\{?\s*[-\u2212]\s*(?P<power>[123])\s*\}?|⁻(?P<sign>[¹²³]))"
_INVERSE = re.compile(
    rf"(?<![a-z])(?P<above>{_NAME})\s*(?:(?:[·⋅∙•*]|\\cdot)\s*|(?<=\s)|(?<=m)(?=s))(?P<below>{_NAME})\s*{_RAISED}$"
)
"""`m·s^{-1}` and `m s⁻²`, which are written with a slash."""
_STACKED = re.compile(rf"\\frac\s*\{{\s*({_UNNAMED})\s*\}}\s*\{{\s*({_UNNAMED})\s*\}}$")
_GREEK = re.compile(r"\\(?:(mu)(?![A-Za-z])\s*(?=[A-Za-z]{1,10}$)|Omega\s*$)")
"""Letters of units that are commands in a formula."""
_LETTER = "a-zß-öø-ÿ"
_OTHER = rf"(?<=\s)[{_LETTER}]+|[\u4e00-\u9fff]{{1,5}}"
_TAIL = re.compile(rf"(?:(?<=[0-9)}}\]])|(?<=\\pi))\s*(?P<unit>{_UNNAMED}(?:{_PER}{_UNNAMED})?|{_OTHER})$")
_INNER = re.compile(rf"(?<=[0-9)}}\]])\s*{_UNNAMED}")
_CURRENCY = re.compile(r"[-+\u2212]?(?P<sign>[$€£¥])\s*(?=[0-9.]+(?:,[0-9]{3})*(?:\.[0-9]+)?$)")
_MAX_CHARACTERS = 40
"""No unit is longer."""

# Nouns behind a number -----------------------------------------------------------------------------------

_NUMERALS = (
    "(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|(?:thir|four|fif|six|seven|eigh|nine)teen"
    "|(?:twen|thir|for|fif|six|seven|eigh|nine)ty)"
)
_PARTS = (
    "(?:half|halve|third|quarter|(?:four|fif|six|seven|eigh|nin|ten|eleven|twelf|hundred|thousand|[a-z]*illion"
    "|(?:thir|four|fif|six|seven|eigh|nine)teen|(?:twent|thirt|fort|fift|sixt|sevent|eight|ninet)ie)th)"
)
_CHANGES = re.compile(
    rf"(?:{_PARTS}|dozen|score|gross|hundred|thousand|[a-z]*illion|googol|myriad|lakh|crore|grand|mil|mn|bn"
    r"|squared|cubed|factorial|reciprocal|inverse|inverted|negated|log|ln|exp|sin|cos|tan"
    r"|mod|modulo|choose|permille|permil|percent|prozent|ciento|pct|percentage|pp|bps|pi|i"
    r"|fold|[a-z]+fold|single|double|triple|treble|quadruple|quintuple|doubled|tripled|halved|twice|thrice"
    r"|divided|negative|plus|minus|less|fewer|lower|smaller|more|greater|larger|higher|extra|over|under|above"
    r"|below|almost|nearly|about|approximately|roughly|ish|odd|or|to|and|than|each|apiece|too|least|most|max|min"
    r"|not|no|nor|but|maybe|wrong|incorrect|false|untrue|never|neither|none|without|except|excluded|perhaps"
    r"|possibly|probably|unsure|short|off|past|bc|bce|ad|ce|am|pm|st|nd|rd|th|is|was|has|this|its|yes"
    r"|versus|vs|always|sometimes|besides|thus|isn|hence|ths)s?"
)
"""Words that change or compare the number before them, begin another, or deny it; eras; am and pm."""
_GROUPS = re.compile(
    rf"(?:{_NUMERALS}|pair|couple|duo|trio|twin|triplet|quartet|quintet|sextet|octet|tuple|group|set|zeroe?"
    r"|root|power|multiple|opposite|(?:twen|thir|for|fif|six|seven|eigh|nine)tie)s?"
)
"""Nouns that count several things at once: 5 pairs may be 10. They are units where they are asked for."""
_PLURAL = re.compile(
    r"[a-z]{2,}(?<!s)s|people|persons?|children|(?:wo)?men|fish|sheep|mice|geese|teeth|dice"
    r"|total|altogether|left|remaining|visible"
)
_CHINESE_CHANGES = re.compile(
    r"[不非没或和与到至约多余几半十百千万亿分以左右之是对错少减加负倍幂的]"
    r"|[次平开乘]方|立方(?!体)|方根|根号|阶乘|倒数|位数|进制|^[成折打双番]$|^[成折番]"
)
_COUNTERS = re.compile(
    r"[个只条张件名位本辆棵朵颗块头匹人次种台支根座架艘枚粒盏幅度把杯瓶碗盘盒袋箱包串束片篇首部门口户栋排行列"
    r"步类项款场轮圈笔封份岁年月层级页家所间扇面边段句字词集节回趟遍滴株羽尾顶道处样站点号楼][\u4e00-\u9fff]{0,4}"
)


def split(text: str, said: str | None = None) -> tuple[str, str]:
    """A text as what stands before its unit, and the unit ("" without one), in lower case.

    Known units may be attached (`5cm`, `6米`, `9 m^{2}`, `3 km/h`); a currency sign may also stand in front.
    One other word counts as a unit where it can only be the noun that is counted: a plural, or any after 1
    ("5 cubes", "1 cube"), a Chinese counter with a noun (5个, 5只狗), or a word of `said`. Never a word that
    changes the number ("5 squared", "5 tenths", 5成).

    said: the question and the gold, for an answer; None for a gold, whose noun is its own.
    """
    seen = _with_slash(text)
    if paid := _CURRENCY.match(seen):
        return seen[: paid.start("sign")] + seen[paid.end() :], paid["sign"]
    key = _key(seen[-_MAX_CHARACTERS:])
    found = _TAIL.search(key)
    if not found or not _may_follow(seen, found, seen if said is None else said):
        return text, ""
    before = seen[: len(seen) - len(key) + found.start()]
    return before.rstrip(), found["unit"]


def _may_follow(seen: str, found: re.Match[str], said: str) -> bool:
    """Whether the word behind the number is a unit, or the noun that is counted."""
    unit = found["unit"]
    if unit in _PREFIXES and seen[-1].isupper():
        return bool(re.search(rf"(?<![A-Za-z]){unit}(?![A-Za-z])", said))
    if _parts(unit) is not None:
        return True
    said = _usual(said)
    if len(unit) == 1 and unit.isascii():
        symbol = seen[-1]
        return symbol.isupper() and (unit in _SPACED or is_symbol(symbol, said))
    if unit[0] >= "\u4e00":
        if _CHINESE_CHANGES.search(unit):
            return False
        return bool(_COUNTERS.fullmatch(unit)) or unit in said
    if _CHANGES.fullmatch(unit):
        return False
    is_one = re.search(r"(?<![0-9./}])1$", found.string[: found.start()])
    is_plain = not _GROUPS.fullmatch(unit) and bool(is_one or _PLURAL.fullmatch(unit))
    return is_plain or not _forms(unit).isdisjoint(_said_forms(said))


def is_symbol(symbol: str, said: str) -> bool:
    """Whether a capital is a symbol in the question or in the gold. M, B and T are millions and more."""
    names = "(?<![0-9])K|kelvins?" if symbol == "K" else symbol
    return symbol not in "MBT" and bool(re.search(rf"(?<![A-Za-z])(?:{names})(?![A-Za-z])", said))


@lru_cache(maxsize=256)
def _said_forms(said: str) -> frozenset[str]:
    return frozenset().union(*map(_forms, re.findall(rf"[{_LETTER}]{{2,}}", said.lower())))


def _forms(word: str) -> frozenset[str]:
    """A noun and what may be its singular."""
    return frozenset({word, word.removesuffix("s"), word.removesuffix("es"), re.sub("ies$", "y", word)})


def _with_slash(text: str) -> str:
    """A compound unit with a slash, where it is written with a negative power, as a fraction or in words; the
    end of the text in usual characters."""
    end = _usual(text[-_MAX_CHARACTERS:])
    end = _GREEK.sub(lambda sign: "μ" if sign[1] else "Ω", end)
    end = end.replace("每二次方", "每平方").replace("每平方秒", "/秒^2")
    key = _key(end)
    if stacked := _STACKED.search(key):
        end = f"{end[: stacked.start()]}{stacked[1]}/{stacked[2]}"
    elif inverse := _INVERSE.search(key):
        power = inverse["power"] or str("¹²³".index(inverse["sign"]) + 1)
        end = f"{end[: inverse.start()]}{inverse['above']}/{inverse['below']}" + (
            f"^{power}" if power != "1" else ""
        )
    return text[:-_MAX_CHARACTERS] + end


_PART = rf"([0-9]+(?:\.[0-9]+)?)\s*({_NAME})(?:(?<=[a-z]{{2}})s)?(?![a-z])"
_MIXED = re.compile(rf"{_PART}\s*,?\s*(?:and\s+)?{_PART}(?:\s*,?\s*(?:and\s+)?{_PART})?")


def merged(text: str) -> str:
    """A measure in two or three units, large before small, in the smallest of them ("2 hours 30 minutes" is
    `150 minute`, `5'6"` is `66 "`); any other text as it is."""
    found = _MIXED.fullmatch(_key(text.strip())) if len(text) <= _MAX_CHARACTERS else None
    if not found:
        return text
    parts = [part for part in found.groups() if part]
    names, total = parts[1::2], Fraction(parts[0])
    names = ["ft", "in"] if names == ["'", '"'] else names  # not of an angle
    for above, below, figure in zip(names, names[1:], parts[2::2], strict=False):
        ratio_of = ratio(above, below)
        if ratio_of is None or ratio_of <= 1 or Fraction(figure) >= ratio_of:
            return text
        total = total * ratio_of + Fraction(figure)
    return f"{float(total):.10g} {names[-1]}"


def split_sum(text: str) -> tuple[str, str]:
    """`split` for a sum whose terms have all the same known unit (`5 cm + 7 cm`)."""
    usual, key = _usual(text), _key(text)
    found = [*_INNER.finditer(key)]
    is_prefix = any(usual[unit.start() : unit.end()].strip() in {*_PREFIXES.upper()} for unit in found)
    if is_prefix or len(names := {unit[0].strip() for unit in found}) != 1:
        return text, ""
    for unit in reversed(found):
        usual = usual[: unit.start()] + usual[unit.end() :]
    return usual, names.pop()


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
        unit = _key(unit)
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
    found = [_ONE.fullmatch(part) for part in re.split(_PER, _key(unit))]
    return [part for part in found if part] if all(found) else None


def _powered(part: re.Match[str]) -> dict[str, Fraction]:
    written = part["power"] or part["exponent"] or part["sign"] or part["digit"] or part["word"] or "1"
    power = {"s": 2, "q": 2, "平": 2, "²": 2, "2": 2, "1": 1}.get(written[0], 3)
    kinds = _KINDS[part["name"]]
    return kinds if power == 1 else {f"{kind}^{power}": factor**power for kind, factor in kinds.items()}
