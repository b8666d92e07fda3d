"""Which question of the data an answer in another tool's file is about, by hash of its words and pictures.

The words are compared without marks of media and runs of white space, in Unicode NFC; the question alone, or
with its options in one of `LAYOUTS`. Of a prompt, the question is what remains without the words around it,
which are those that most prompts of the file share. Pictures are compared by their pixels. A running number
is never used unless `--key` names it.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from string import ascii_uppercase

from seethink import media
from seethink.evaluate.asked_options import OTHER_OPTIONS, in_own_order
from seethink.evaluate.attempts import transcript
from seethink.evaluate.importers.answers import MAX_ANSWER_CHARACTERS, ImportedAnswer
from seethink.evaluate.joining import question_text
from seethink.types import Example, InputError
from seethink.verify.text import alternatives

LAYOUTS = ("{}. {}", "({}) {}", "{}: {}", "{}) {}")
"""How a line of an option is written."""
INLINE = "{}: {}"
"""How an option is written behind "Options:", with commas between them, as in MMStar."""
TRIED_PROMPTS = 20
"""Prompts in which the words around the question are looked for."""

_TOKENS = re.compile(r"<(?:image|video) ?\d+>|<\|[a-z_]{1,30}\|>")
"""Numbered marks of media, and special tokens of chat templates."""


@dataclass(frozen=True)
class Joined:
    """pairs: each answer with its question. refused: {reason: [file and row]} of the other answers.
    unanswered: questions without an answer, but for those that an ambiguous answer may be about. other_gold:
    file and row of answers whose file has another gold. blind: how many pairs rest on the words alone, since
    the file has no pictures. around: the words that were found around the questions. reordered: file and row
    of answers to a question whose options the file has in another order than the data; the pair's question
    has them as the file does.
    """

    pairs: tuple[tuple[ImportedAnswer, Example], ...]
    refused: Mapping[str, Sequence[str]]
    unanswered: tuple[Example, ...] = ()
    other_gold: tuple[str, ...] = ()
    blind: int = 0
    around: tuple[tuple[str, str], ...] = ()
    reordered: tuple[str, ...] = ()


NOT_THERE = "its question is not in the data"
OTHER_PICTURE = "its question is in the data with another picture"
AMBIGUOUS = "the data ask its question several times, and nothing in the file tells which is meant"
TOO_LONG = f"its answer has more than {MAX_ANSWER_CHARACTERS:,} characters"
NO_KEY = "the column of --key is empty, or its value is not in the data"


def join(answers: Sequence[ImportedAnswer], examples: Sequence[Example], key: str = "") -> Joined:
    """Join by `words` and pictures; with `key`, by the value of that column, which is an id of the data or
    stands in the column of this name of their meta.

    A letter means the option of the answer's own row, if that holds options. What fits no question or several
    is refused, with the reason, and so is a row with other options than its question. Raises InputError for a
    key that several questions of the data share.
    """
    index = _Index(examples)
    found = index.by_key(answers, key) if key else index.by_words(answers)
    pairs: list[tuple[ImportedAnswer, Example]] = []
    refused: dict[str, list[str]] = defaultdict(list)
    reordered: list[str] = []
    for answer, one in zip(answers, found.places, strict=True):
        if why := one if isinstance(one, str) else unusable(answer):
            refused[why].append(answer.where)
            continue
        example = examples[int(one)]
        if (asked := in_own_order(example, answer.choices, answer.prompt)) is None:
            refused[OTHER_OPTIONS].append(answer.where)
            continue
        pairs.append((answer, asked))
        if example.choices and asked.choices != example.choices:
            reordered.append(answer.where)
    answered = {example.id for _, example in pairs}
    return Joined(
        tuple(pairs),
        dict(refused),
        tuple(e for i, e in enumerate(examples) if e.id not in answered and i not in found.possible),
        tuple(answer.where for answer, example in pairs if _golds_differ(answer, example)),
        0 if key else sum(answer.pictures is None and bool(example.media) for answer, example in pairs),
        found.around,
        tuple(reordered),
    )


def unusable(answer: ImportedAnswer) -> str:
    """Why an answer cannot be scored whatever its question is; empty if it can."""
    return answer.refused or (TOO_LONG if len(answer.text) > MAX_ANSWER_CHARACTERS else "")


def words(text: str) -> str:
    """The text as it is compared."""
    return question_text(_TOKENS.sub(" ", unicodedata.normalize("NFC", text)))


def question_id(answer: ImportedAnswer) -> str:
    """An id for the question of an answer whose file is its own data: a hash of its words, options, pictures
    and gold."""
    pictures = [media.pixels_digest(picture) for picture in answer.pictures or ()]
    parts = [words(answer.question or answer.prompt), *answer.choices, *pictures, answer.gold or ""]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


# Data -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Places:
    """places: of each answer, the index of its question, or why there is none. possible: all questions that
    an ambiguous answer may be about."""

    places: list[int | str]
    possible: frozenset[int] = frozenset()
    around: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class _Index:
    """The questions of the data by the hash of their words."""

    examples: Sequence[Example]
    texts: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))

    def __post_init__(self) -> None:
        for i, example in enumerate(self.examples):
            for text in _asked(example):
                self.texts[words(text)].add(i)

    def by_key(self, answers: Sequence[ImportedAnswer], key: str) -> _Places:
        places: dict[str, list[int]] = defaultdict(list)
        for i, example in enumerate(self.examples):
            for value in {example.id, str(example.meta.get(key, example.id))}:
                places[value].append(i)
        values = [_value(answer, key) for answer in answers]
        if shared := next((v for v in values if v is not None and len(places.get(v, ())) > 1), None):
            labels = " and ".join(self.examples[i].label for i in places[shared][:2])
            raise InputError(f"--key {key}: {shared!r} is the key of {labels}; name a column that is unique")
        if not any(value is not None for value in values):
            known = sorted({name for answer in answers[:50] for name in answer.columns})
            raise InputError(f"--key {key}: the file has no such column; it has {', '.join(known[:40])}")
        return _Places([places[v][0] if v is not None and v in places else NO_KEY for v in values])

    def by_words(self, answers: Sequence[ImportedAnswer]) -> _Places:
        texts = [words(answer.question) for answer in answers]
        prompts = [words(answer.prompt or answer.question) for answer in answers]
        hits = [self.texts.get(one) or self.texts.get(two) for one, two in zip(texts, prompts, strict=True)]
        around: list[tuple[str, str]] = []
        while missing := [i for i, hit in enumerate(hits) if not hit]:
            given = [text for i in missing for text in dict.fromkeys((texts[i], prompts[i]))]
            found = self._around(given, first=not around)
            if found is None:
                break
            around.append(found)
            for i in missing:
                inner = (_inside(text, *found) for text in (texts[i], prompts[i]))
                hits[i] = next((self.texts[one] for one in inner if one in self.texts), None)
        found = [self._pictured(one, hit or ()) for one, hit in zip(answers, hits, strict=True)]
        several = frozenset(i for one in found if not isinstance(one, str) and len(one) > 1 for i in one)
        places = [one if isinstance(one, str) else one[0] if len(one) == 1 else AMBIGUOUS for one in found]
        return _Places(places, several, tuple(around))

    def _around(self, prompts: Sequence[str], first: bool) -> tuple[str, str] | None:
        """(before, after): the words around the question in most prompts; at least in two, unless none has
        been found before."""
        tried = Counter(
            (prompt[:at], prompt[at + len(text) :])
            for prompt in prompts[:TRIED_PROMPTS]
            for text in self.texts
            if text and (at := prompt.find(text)) >= 0
        )
        counts = {pair: sum(_inside(prompt, *pair) in self.texts for prompt in prompts) for pair in tried}
        best = max(counts, key=lambda pair: (counts[pair], -len(pair[0]) - len(pair[1])), default=None)
        return best if best is not None and counts[best] >= (1 if first else 2) else None

    def _pictured(self, answer: ImportedAnswer, hits: Iterable[int]) -> list[int] | str:
        """Those questions among `hits` that have the answer's pictures, or why there are none."""
        found = sorted(hits)
        if not found:
            return NOT_THERE
        if answer.pictures is not None:
            shown = tuple(map(media.pixels_digest, answer.pictures))
            found = [i for i in found if tuple(map(media.pixels_digest, self.examples[i].media)) == shown]
        return found or OTHER_PICTURE


def _asked(example: Example) -> Iterator[str]:
    """The question as prompts hold it: alone, and with its options."""
    for text in dict.fromkeys((example.question, transcript(example))):
        yield text
        for layout in LAYOUTS if example.choices else ():
            lettered = zip(ascii_uppercase, example.choices, strict=False)
            yield "\n".join([text, *(layout.format(letter, choice) for letter, choice in lettered)])
        if example.choices:
            lettered = zip(ascii_uppercase, example.choices, strict=False)
            yield f"{text}\nOptions: {', '.join(map(INLINE.format, *zip(*lettered, strict=True)))}"


def _inside(text: str, before: str, after: str) -> str:
    """The text between the two; empty if it is not between them."""
    fits = len(text) >= len(before) + len(after) and text.startswith(before) and text.endswith(after)
    return text[len(before) : len(text) - len(after)].strip() if fits else ""


def _value(answer: ImportedAnswer, key: str) -> str | None:
    value = answer.columns.get(key)
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # a table without integers
    return None if value is None else str(value)


def _golds_differ(answer: ImportedAnswer, example: Example) -> bool:
    """Whether both have a gold and they are other texts, but for case and space; an option's letter is its
    text, and a list of texts is any of them."""
    if answer.gold is None or example.answer is None:
        return False
    return not _names(answer.gold, example) & _names(example.answer, example)


def _names(gold: str, example: Example) -> set[str]:
    texts = {words(text).casefold() for text in (gold, *alternatives(gold))}
    lettered = dict(zip(ascii_uppercase, example.choices, strict=False))
    letter = gold.strip().strip("().:").upper()
    if letter in lettered:
        texts.add(words(lettered[letter]).casefold())
    return texts
