"""The verifier of multiple-choice answers."""

from __future__ import annotations

import re
from functools import lru_cache

from seethink.markup import plain, seen_as_ascii
from seethink.types import Example, Response, Score
from seethink.verify.implied import implied
from seethink.verify.options import NONE, Chosen, Options
from seethink.verify.rejected import (
    DENIAL,
    DOUBT,
    HEDGE,
    OPTION_LETTER,
    calls_wrong,
    denied,
    mentioned,
    without_denials,
    without_rejected,
)
from seethink.verify.text import shown, unjudged, unreadable, verdict

MOST_CHARACTERS = 4_000
"""A longer text is no choice."""

_NEARLY, _LIKE = 0.85, 0.5
"""Similarity of a text and the option that it is taken for, alone and beside that option's letter."""
_SENTENCE_WORDS = 5


def same_choice(example: Example, response: Response) -> Score:
    """1 if the answer names the gold's option and no other, else 0.

    Formula: equality of options. An option is named by its letter (A to J, or as many as there are options,
    in either case: `B`, `(B)`, `B.`, "option B", "the answer is B", `\\boxed{\\text{B}}`, `**B**`, 答案是B),
    by its text, or by both; the whole answer must be that, and may explain it ("B, because ..."). The article
    in "a dog" is never option A. A letter beside a text names what both name: if that is nothing, the answer
    may be either, which earns 0, with the reason. So do a second option, and a letter in doubt or denied.
    Signs, case and accents of texts are compared before they are folded. Where options are letters
    themselves, a lone letter may be a place or a text, unless the example's meta says `answer_is_letter`:
    then it is a place. An answer that names no option so may mean the only one whose text or value it holds
    (`implied`). A gold of several options ("A, C") needs exactly these. Range: {0, 1}; unread if the
    answer mentions no option; None if the gold is no option or could be two. Source: the letter rewards of
    VLM-R1, R1-Onevision and Open-R1-Video and CV-Bench's evaluation, without their defects.
    """
    options = Options.of(example)
    gold = chosen(str(example.answer), options)
    several = [] if len(gold) == 1 else _listed(str(example.answer), options)
    is_list = len(several) > 1 and several == sorted(several)
    known = len(gold) == 1 or is_list
    if missing := unjudged(example, response, None if known else "is not one of the options"):
        return missing
    if is_list:
        return verdict(set(several) == set(_listed(str(response.answer), options)), example, response)
    answer = chosen(str(response.answer), options)
    if len(answer) > 1:
        names = " and ".join(map(_letter, sorted(answer)))
        return Score(0.0, f"read {shown(response.answer)}, which may be {names}")
    answer = answer or implied(response, options, example.question)
    if answer:
        return verdict(answer == gold, example, response)
    if _mentions_an_option(str(response.answer)):
        return Score(0.0, f"read {shown(response.answer)}, which is no option")
    return unreadable(response, "which is no option")


def chosen(text: str, options: Options) -> Chosen:
    """The options that the whole text may name; without the options' texts, by letter only."""
    if len(text) > MOST_CHARACTERS:
        return NONE
    core = _without_leads(text)[0]
    if _ASKS.search(core) and not any(option.endswith("?") for option in options.texts):
        return NONE
    found = _named(text, options)
    if not found or options.called(text) or options.called(core):
        return found
    return NONE if found & denied(core, options) else found


def _named(text: str, options: Options, concludes: bool = True) -> Chosen:
    """What `chosen` returns if nothing is denied. concludes: a conclusion after another sentence counts; one
    is followed, so that the time stays linear."""
    core, doubts_small = _without_leads(text)
    named = options.called(text) or options.called(core)
    if match := _LONE.fullmatch(core):
        if doubts_small and match["letter"].islower():
            return named
        at = options.at(match["letter"])
        return at if options.by_place and at else named | at
    if named:
        return named
    if (match := _LETTERED.match(core)) and (found := _with_text(match, core, options)):
        return found
    if (match := _LETTER_LAST.fullmatch(core)) and (by_text := options.called(match["text"])):
        return by_text & options.at(match["letter"]) or by_text | options.at(match["letter"])  # "a dog (B)"
    if concludes and (match := _NOT_BUT.match(core) or _CONCLUDES.search(core)):
        found = _named(core[match.end() :], options, concludes=False)
        if match.re is _NOT_BUT:
            return NONE if found & mentioned(match[0], options) else found
        return found if found and _leads_to(core[: match.start()], found, options) else NONE
    told = _TAIL.sub("", core)
    if found := options.called(told) if told != core else options.called(_BECAUSE.split(core, maxsplit=1)[0]):
        return found
    found, more = options.beginning(core)
    more = without_denials(more, options) if not denied(more, options) & found else more
    if len(found) == 1 and (not more or (_APART.match(more) and options.inside(more) <= found)):
        return found if _remarks(more, _letter(min(found)), found, options) else NONE
    return NONE


def _leads_to(said: str, found: Chosen, options: Options) -> bool:
    """Whether a text before a conclusion names and doubts nothing that is not concluded."""
    said = without_rejected(said, lambda letters: bool(mentioned(letters, options) & found))
    said = said if denied(said, options) & found else without_denials(said, options)
    named = mentioned(said, options)
    if _NOT_OTHERS.fullmatch(said):
        return not named & found
    return not DOUBT.search(said) and named <= found


def _with_text(match: re.Match[str], core: str, options: Options) -> Chosen:
    """What a letter and the text after it name."""
    letter, rest = match["closed"] or match["open"], core[match.end() :]
    if not (at := options.at(letter)):
        return NONE
    rest = rest if denied(rest, options) & at else without_denials(rest, options)
    if not rest.strip():
        return at
    if right := _RIGHT.match(rest):
        return at if _explains(rest[right.end() :], letter, reasoned=False) else NONE
    if equals := _EQUALS.match(rest):  # "B = dog"
        by_text = options.called(rest[equals.end() :])
        return by_text and (by_text & at or by_text | at)
    separator = _SEPARATOR.match(rest)
    said = rest[separator.end() :] if separator else rest
    if match["closed"] or separator:
        if by_text := options.called(said) or options.like(said, least=_NEARLY):
            return by_text & at or by_text | at
        by_text, more = options.beginning(said)
        if by_text:
            return by_text | at if not by_text & at else at if _remarks(more, letter, at, options) else NONE
    if reason := _REASON.match(rest):
        return at if _explains(rest[reason.end() :], letter, reasoned=True) else NONE
    if match["closed"] or separator:
        return at if _explains(said, letter) and _may_be(said, at, options) else NONE
    may_be_a_word = letter in "AaIi" and rest[:1].isspace()  # "B dog", but not "A dog"
    return at if options.called(rest) == at and not may_be_a_word else NONE


def _remarks(more: str, letter: str, at: Chosen, options: Options) -> bool:
    """Whether what follows an option's text leaves it chosen: nothing is joined to it, and a sentence of its
    own may deny other things."""
    more = without_denials(more, options) if not denied(more, options) & at else more
    if _AND.match(more) and options.inside(more) - at:
        return False
    if _UNLIKELY.match(more):
        return False
    apart = bool(_APART.match(more)) and not HEDGE.search(more)
    return _explains(more, letter, reasoned=apart)


def _explains(said: str, letter: str, reasoned: bool = False) -> bool:
    """Whether the text after a letter leaves it chosen: no second option, no doubt, no other answer."""
    said = without_rejected(said, lambda letters: letter.upper() in letters)
    if calls_wrong(said):
        return False
    if _other_letters(said, letter) or _concludes_otherwise(letter.upper()).search(said):
        return False
    doubt = DENIAL if len(said.split()) >= _SENTENCE_WORDS else DOUBT
    return reasoned or not doubt.search(said)


def _may_be(said: str, at: Chosen, options: Options) -> bool:
    """Whether a text that is no option's may be another wording or an explanation of the letter's option: it
    is most like that option, or long, and does not contain the text of other options alone."""
    inside = options.inside(said)
    if not options.texts or inside:
        return not inside or bool(inside & at)
    return len(said.split()) >= _SENTENCE_WORDS or options.like(said, least=_LIKE) == at


def _other_letters(said: str, letter: str) -> bool:
    """Whether the text names an option with another letter."""
    found = {match[0].upper() for match in OPTION_LETTER.finditer(seen_as_ascii(said))}
    return bool(found - {letter.upper()})


def _mentions_an_option(text: str) -> bool:
    """Whether the text weighs or denies options. Another verifier shall not find an answer in it."""
    text = plain(seen_as_ascii(text[:MOST_CHARACTERS]))
    return bool(OPTION_LETTER.search(text) or DOUBT.search(text))


def _without_leads(text: str) -> tuple[str, bool]:
    """The text without markup and the words that lead to an answer ("so the answer is"); whether the last of
    them may lead to an article ("it is a")."""
    core, small = plain(seen_as_ascii(text)).lstrip("*_ \n\t\x1f").rstrip(), False
    for _ in range(_MOST_LEADS):
        found = [(lead, match) for lead in _LEADS if (match := lead.match(core))]
        if not found:
            break
        lead, match = found[0]
        core, small = core[match.end() :].strip(), lead is _IT_IS
    return core, small


def _listed(text: str, options: Options) -> list[int]:
    """The options that a list of letters names, in its order ("A, C", "A and C", "AC"), or one per line;
    empty if the text is anything else, or without options."""
    lines = [chosen(line, options) for line in text.splitlines()[:26] if line.strip()]
    if len(lines) > 1 and all(len(line) == 1 for line in lines):  # each with its text
        return [place for line in lines for place in line]
    core = _BRACKETS.sub(" ", _without_leads(text)[0]).strip(" .,;")
    if not options.texts or len(text) > MOST_CHARACTERS or not _LIST.fullmatch(core):
        return []
    letters = re.findall(r"[A-Z]", core)
    places = [place for letter in letters for place in options.at(letter)]
    return places if len(set(places)) == len(letters) else []


def _letter(option: int) -> str:
    return chr(ord("A") + option) if option < 26 else f"option {option + 1}"


# Words around an option -----------------------------------------------------------------------------------

_MOST_LEADS = 5
_BEST = (
    r"(?:(?:most|only|single|correct|right|best|final|likely|appropriate|suitable|accurate|plausible|closest|"
    r"true|proper|chosen|selected)\s+){0,3}"
)
_THING = (
    r"(?:ans|answer|option|choice|selection|letter|solution|response|conclusion|result|one)(?:s|\(s\))?\b"
)
_IS = r"(?:is|are|was|be|would\s+be|should\s+be|must\s+be|will\s+be|has\s+to\s+be)\b"
_SURELY = r"(?:(?:most\s+likely|likely|therefore|thus|clearly|definitely|simply|indeed|that)\b\s*)?"

_IT_IS = re.compile(
    rf"(?:(?:it|that|this|which)(?:'s\b|\s+{_IS})|(?:should|must|would|has\s+to)\s+be\b)\s*:?\s*",
    re.IGNORECASE,
)
_LEADS = (
    re.compile(
        r"(?:so|thus|hence|therefore|then|finally|overall|in\s+(?:conclusion|summary)|conclusion|sure|okay|ok|"
        r"definitely|clearly|still)\b[\s,:!.]+",
        re.IGNORECASE,
    ),
    re.compile(
        r"(?:based|according|looking|judging|given|considering|from|after|in|as)\b"
        r"(?:(?!\b(?:not|or|[B-HJ])\b)[^,.:;\n]){1,120},\s*",
        re.IGNORECASE,
    ),
    re.compile(
        rf"[(\[]?(?:(?:the|my|our|your|this)\s+)?{_BEST}{_THING}(?:\s+{_THING})?"
        r"(?:\s+(?:to|for|of|here|in|from|among|that)\b[^.:;=\n]{0,80}?(?=:|\s(?:is|are|would|should|must)\b))?"
        rf"\s*(?:{_IS}\s*)?{_SURELY}(?:[:=\u2192]|->)*\s*",
        re.IGNORECASE,
    ),
    re.compile(
        r"(?:(?:I|we)(?:'d|'ll|'m)?\s+(?:(?:would|will|therefore|thus|am|can|must|should|have|confidently|to|"
        r"going)\s+){0,4})?(?:choose|chose|chosen|pick|select(?:ed)?|go(?:ing)?\s+with|opt\s+for)\b"
        r"[\s:]*",
        re.IGNORECASE,
    ),
    re.compile(
        r"(?:I|we)(?:'d|\s+would)?\s+(?:think|believe|conclude|say)\b\s*(?:that\b)?[\s:]*", re.IGNORECASE
    ),
    _IT_IS,
    re.compile(
        r"(?:[k-zK-Z\u03b1-\u03c9]|[A-Z]{2,3}|(?:\\angle|∠)\s*[A-Z0-9]{1,3}|\\[a-z]{2,8}\s?)?\s*=(?!=)\s*"
    ),
    re.compile(
        r"(?:所以|因此|因而|故而|综上(?:所述)?|由此可[知见得]|由图可知|可知|那么|于是|最终|总之|故(?=答案|正确))[\s,:]*"
    ),
    re.compile(
        r"\[?(?:本题|该题|此题|这道?题|题目)?的?(?:(?:正确|最终|最佳|最合适|最后|标准|唯一)的?)?"
        r"(?:答案|选项|选择|结果|答(?=\s*[:\]]))\]?\s*(?:应当|应该?|就)?\s*(?:是|为|选(?!项|择))?\s*[:,]?\s*"
    ),
    re.compile(r"(?:我们?|应该?|应当|故|则|本题|该题|此题|因此|所以|只能|会|将)*选择?(?:是|为|项)?\s*:?\s*"),
    re.compile(r"我?(?:认为|觉得|想)\s*|正确的(?:选项|答案)?[是为]\s*:?\s*"),
    re.compile(r"(?:应当|应该?|就|故)?[是为]\s*:?\s*"),
)

_LONE = re.compile(
    r"[\s\"'*_(\[{<$.:#-]*(?P<letter>[A-Za-z])[\s\"'*_)\]}>$.,;:!\u2713\u2714\u2705]*(?:选?项)?[\s.]*"
)
_LETTERED = re.compile(
    r"[\s\"'*_$]*(?:[(\[{<]\s*(?P<closed>[A-Za-z])\s*[)\]}>]|(?P<open>[A-Za-z])(?![A-Za-z']))"
)
_SEPARATOR = re.compile(r"[\"'*_$\] ]*(?:[.):,;]+|\u2014|[\u2013-](?=\s|[^\W\d])|\x1f|\n|(?=[(\[]))\s*")
_EQUALS = re.compile(r"[\"'*_$\])\s]*(?:[=-]>|[=/\u2192])\s*")
_APART = re.compile(r"[\"'*_\s\x1f]*[.,;:!(\u2014-]")
_UNLIKELY = re.compile(
    r"\s*(?:\b(?:is|are|was|were|seems?|looks?|does|do|would\s+be)(?:\s+\w+)?\s+(?:less|no|not|never|hardly|"
    r"unlikely|absent|missing|false|wrong)\b|\b(?:is|are|was|were|does|do)n't\b)|\W*no\W*\Z",
    re.IGNORECASE,
)
"""After an option's text: it is not what is chosen."""
_ASKS = re.compile(r"\?[\s\"'*_)\]$]*\Z")
_AND = re.compile(r"\W*(?:and\b|or\b|[&/+,]|[和或与及])", re.IGNORECASE)
_LETTER_LAST = re.compile(
    r"(?P<text>[^()\[\]]{1,300})[(\[]\s*(?:(?:option|choice|answer|选项)\s*)?(?P<letter>[A-Z])\s*[)\]][\s.\"'*]*",
    re.IGNORECASE,
)
_CONCLUDES = re.compile(
    r"[,.;:\n]\s*(?:so|thus|hence|therefore|which\s+means(?:\s+that)?)?,?\s*(?:the|my)\s+"
    r"(?:(?:correct|right|best|final)\s+)?(?:answer|option|choice)\s+(?:is|must\s+be|should\s+be)\b"
    r"|[.;\n]\s*(?:final\s+)?answer\s*:"
    r"|[,.;:\n]\s*(?:所以|因此|故)?(?:正确)?答案(?:是|为|:)|[,.;:\n]\s*(?:所以|因此|故)?应?选"
    r"|[,.;:\n]\s*(?:(?:so|thus|hence|therefore)\b|所以|因此|故),?"
    r"(?=\s*(?:it\s+is\s+)?(?:option\s+)?[(\[\"'*_]{0,4}[A-Z]\b\W{0,6}\Z)",
    re.IGNORECASE,
)
_NOT_BUT = re.compile(r"not\s[^.;:!?\n]{1,120}?,?\s+but\s+(?:rather\s+)?", re.IGNORECASE)
_NOT_OTHERS = re.compile(
    r"\W*(?:(?:it|this|that)(?:'s|\s+is)?\s+)?(?:(?:not|neither|can(?:no|')t\s+be)\s|不是)[^.;:!?\n]{1,120}",
    re.IGNORECASE,
)
_TAIL = re.compile(
    rf"(?<!\s)\s+is\s+(?:correct|right|(?:the\s+)?{_BEST}{_THING})[\s.!]*$",
    re.IGNORECASE,
)
_RIGHT = re.compile(
    rf"[\"'*_\s]*(?:(?:option|answer)\s+)?{_IS}\s+(?:(?:therefore|thus|clearly|the|my|our|indeed)\s+){{0,2}}"
    rf"(?:{_BEST}{_THING}|most\s+likely|correct\b|right\b|best\b|true\b)"
    r"|\s*(?:选?项)?(?:[是为]?(?:正确|对|最佳|最合适)的?|[是为])(?:答案|选项|选择)?(?=[\s.,;]|$)",
    re.IGNORECASE,
)
_REASON = re.compile(
    r"[\"'*_\s,.;:)(\u2013\u2014-]*(?:(?:because|since|as|due\s+to|for|given|reason(?:ing)?|explanation|"
    r"justification|which|so)\b|因为|由于|理由|原因|解析|解释|说明|依据)",
    re.IGNORECASE,
)
_BECAUSE = re.compile(r"\s*[,.;]?\s+(?:because|since)\b|[,.;]?\s*(?:因为|由于)", re.IGNORECASE)
_BRACKETS = re.compile(r"[()\[\]\"'*_{}\x1f]+")
_LIST = re.compile(
    r"(?:(?:all|both)\s+(?:of\s+)?)?(?:[A-Z]{2,26}|[A-Z](?:\s*(?:[,;&/+]|\band\b|[和与及])?\s*(?:and\s+)?[A-Z](?![A-Za-z]))+)"
)


@lru_cache(maxsize=64)
def _concludes_otherwise(letter: str) -> re.Pattern[str]:
    """Another answer than this letter, after words that lead to one."""
    return re.compile(
        rf"(?:\b(?:answer|option|choice)s?\s*(?:is|are|:|=)+|答案[是为:]+|应?选)(?![\s\"'*_(\[:]*{letter}\b)",
        re.IGNORECASE,
    )
