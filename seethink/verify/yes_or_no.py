"""The verifier of yes/no answers."""

from __future__ import annotations

import re

from seethink.markup import plain, seen_as_ascii
from seethink.types import Example, Response, Score
from seethink.verify.text import unjudged, unreadable, verdict

_LEAD = (
    r"(?:(?:so|thus|hence|therefore),?\s+|(?:based\s+on|according\s+to|from|in)\s[^,.;:\n]{1,60},\s+)?"
    r"(?:(?:the|my)\s+)?(?:(?:final|correct)\s+)?"
    r"(?:answer\b\s*(?:is\b)?\s*:?\s*)?"
)
_YES_NO = re.compile(
    rf"{_LEAD}[\"'`*_(\[]*(?P<word>yes|no)\b[\"'`*_)\]]*"
    r"(?:\s*$|\s*[.,;:!\n\u2013\u2014-]|\s+(?=(?:it|he|she|they|there|this|that|these|those|the|i|we|you)\b))(?P<rest>.*)",
    re.IGNORECASE | re.DOTALL,
)
_SUBJECT = (
    r"(?:it|that|this|(?:the|this)\s+(?:statement|claim|sentence|description|assertion))(?:'s|\s+is)\s+"
)
_RIGHT, _WRONG = r"(?:true|correct)\b", r"(?:false|untrue|incorrect|not\s+(?:true|correct))\b"
_CLAIM = re.compile(
    rf"{_LEAD}(?:{_SUBJECT})?[\"'`*_(\[]*(?:(?P<right>{_RIGHT})|{_WRONG})[\"'`*_)\]]*(?:\s*$|\s*[.,;:!\n])(?P<rest>.*)",
    re.IGNORECASE | re.DOTALL,
)
"""A statement is called true or false."""
_AGAINST_RIGHT = re.compile(r"\b(?:no|not|false|untrue|incorrect|wrong)\b|n't\b", re.IGNORECASE)
_AGAINST_WRONG = re.compile(rf"\byes\b|(?<!not )\b{_RIGHT}", re.IGNORECASE)
_YES = re.compile(rf"\byes\b|\b{_SUBJECT}{_RIGHT}", re.IGNORECASE)
_ALONE_NO = re.compile(rf"\bno\b(?!\s+\w)|\b{_SUBJECT}{_WRONG}", re.IGNORECASE)
_ALONE = {
    **dict.fromkeys(("y", "t", "\u2713", "\u2714", "\u2705", "ja", "oui", "s\u00ed", "\u306f\u3044"), "yes"),
    **dict.fromkeys(("n", "f", "\u2717", "\u2718", "\u274c", "nein", "non", "\u3044\u3044\u3048"), "no"),
}
"""Answers, not golds: a gold `T` may be a letter. Neither are `1`, a count, and `right`, a side."""
_ENDS = r"(?=\s*(?:$|[.,;:!\n]))"
_CHINESE_CLAIM = "(?:(?:[这该此上][个种句]?|题[中干]的?)?(?:说法|陈述|描述|判断|叙述|命题|句子)是?)?"
_CHINESE_WORD = (
    rf"(?:(?P<yes>(?:确实|当然)?[是有对](?:的|啊|呀|了)?|是这样的?|没错的?|{_CHINESE_CLAIM}(?:正确的?|真的?|对的?))"
    rf"|(?:并?(?:没有|不是|不对)|当然不是?|否|不)(?:的|啊|呀)?|并?不是这样的?"
    rf"|{_CHINESE_CLAIM}(?:错误?[的了]?|不正确的?|不对的?|假的?))"
)
_CHINESE_YES_NO = re.compile(
    rf"(?:所以|因此)?,?(?:(?:最终|正确)?答案\s*[是为]?\s*:?\s*)?{_CHINESE_WORD}{_ENDS}"
)
_CHINESE_EITHER = re.compile(rf"[,.;:!\s]{_CHINESE_WORD}{_ENDS}|吗|\?")


def yes_no(example: Example, response: Response) -> Score:
    """1 if answer and gold are both yes, or both no, else 0.

    Formula: equality of the word with which a text begins, which must be `yes` or `no` as a whole word
    ("know" and "not" hold none) and be followed by the end, punctuation or a clause ("yes it is"); true,
    correct and false, incorrect, 是, 对, 有, 正确 and 否, 不是, 没有, 错误 before the end or punctuation are
    yes and no too, and so is an answer that is only a mark or a letter (✓, Y, T) or in one Chinese clause
    (没有狗, 图中有一只狗), or repeats the question's words or denies them ("There is no dog."). A
    contradiction is ambiguous and earns 0: a "yes" after no, or a "no" after yes
    that determines no noun ("yes, there is no dog" is a yes). Range: {0, 1};
    unread if the answer begins with neither; None if the gold is neither. Source: VLM-R1's yes_no reward,
    which takes the first such letters anywhere.
    """
    gold = _yes_or_no(str(example.answer))
    if missing := unjudged(example, response, None if gold else "is neither yes nor no"):
        return missing
    said = str(response.answer)
    answer = said_yes_or_no(said, example.question) or echo(response.text, example.question)
    if answer is None:
        return unreadable(response, "which is neither yes nor no")
    return verdict(gold == answer, example, response)


def said_yes_or_no(said: str, question: str) -> str | None:
    """The yes or no of an answer to a question; None if it is neither."""
    alone = _ALONE.get(plain(said).strip(" .!*_\x1f").casefold())
    return _yes_or_no(said) or _chinese_clause(said) or alone or echo(said, question)


_ASKED = re.compile(r"[^.?!\n]*\?")
_ASKS_WHETHER = re.compile(r"\W*(?:is|are|was|were|do|does|did|can|has|have)\b(?!.*\bor\b)", re.IGNORECASE)
_MOST_ECHO = 240
_WORD = re.compile(r"n't\b|[^\W_]+(?:-[^\W_]+)*?(?=n't\b)|[^\W_]+(?:-[^\W_]+)*", re.IGNORECASE)
_IDLE = {
    *("is", "are", "was", "were", "be", "do", "does", "did", "doe", "can", "has", "have", "there", "here"),
    *("it", "this", "that", "these", "those", "a", "an", "the", "any", "some", "all", "in", "of", "on", "at"),
    *("image", "picture", "photo", "photograph", "scene", "figure", "video", "i", "you", "we", "see", "seen"),
    *("show", "shown", "contain", "include", "depict", "feature", "visible", "present", "appear", "seem"),
    *("to", "so", "therefore", "based"),
}
"""Words that say nothing of what is asked for, singular."""
_DENIES = frozenset({"no", "not", "n't", "cannot"})


def echo(said: str, question: str) -> str | None:
    """The yes or no of one sentence that repeats what the question asks ("There is a dog in the image."), in
    the same order, or denies it; None for any other, with other words."""
    asked = _ASKED.findall(question)
    if len(asked) != 1 or not _ASKS_WHETHER.match(asked[0]) or len(said) > _MOST_ECHO:
        return None
    if not (subject := _content(asked[0])) or re.search(r"[.!?]\s+\S|\?", said):
        return None
    told = _content(said)
    denials = [i for i, word in enumerate(told) if word in _DENIES]
    if len(denials) == 1 and subject in (
        told[denials[0] + 1 :],
        [word for word in told if word not in _DENIES],
    ):
        return "no"
    return "yes" if told == subject else None


def _content(text: str) -> list[str]:
    """The words of a sentence, singular, without idle ones."""
    words = (word.lower() for word in _WORD.findall(text))
    singular = (word.removesuffix("s") if len(word) > 3 else word for word in words)
    return [word for word in singular if word not in _IDLE]


def is_yes_or_no(text: str) -> bool:
    """Whether the whole text is yes or no ("Yes.", 没有)."""
    return _yes_or_no(text) is not None and len(re.findall(r"\w+", plain(text))) == 1


_CLAUSE = re.compile(
    r"(?:(?:这[张幅]?)?(?:图|照|画)[片像中里面上]{0,3}|画面[中里]?|这里|这)?(?:并|确实|的确)?"
    r"(?:(?P<no>没有?看[到见]|看不[到见]|(?:没有|没|无)(?!有?(?:问题|意见|错|事|关系|什么|所谓))|不存在|不是)|(?P<yes>可以看[到见]|能看[到见]|看[得到见]+|存在|有))"
    r"[\u4e00-\u9fff]{0,12}[.!]?"
)
_UNSURE = re.compile("[吗么呢不没否非无]|可能|也许|大概|时候|有时|或|有点|有些")


def _chinese_clause(text: str) -> str | None:
    """The yes or no of a text that is one Chinese clause about what there is; None with a second negation."""
    text = plain(seen_as_ascii(text)).strip()
    if not (clause := _CLAUSE.fullmatch(text)):
        return None
    said = text.replace(clause["no"], "", 1) if clause["no"] else text
    return None if _UNSURE.search(said) else "no" if clause["no"] else "yes"


def _yes_or_no(text: str) -> str | None:
    text = plain(seen_as_ascii(text)).strip()
    if match := _CHINESE_YES_NO.match(text):
        others = _CHINESE_EITHER.finditer(text, match.end())
        if any(bool(other["yes"]) != bool(match["yes"]) or other[0] in "吗?" for other in others):
            return None
        return "yes" if match["yes"] else "no"
    if claim := _CLAIM.match(text):
        other = _AGAINST_RIGHT if claim["right"] else _AGAINST_WRONG
        return None if other.search(claim["rest"]) else "yes" if claim["right"] else "no"
    if not (match := _YES_NO.match(text)):
        return None
    word = match["word"].lower()
    other = _ALONE_NO if word == "yes" else _YES
    return None if other.search(match["rest"]) else word
