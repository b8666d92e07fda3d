"""A page to leaf through a synthesis: what became of the examples at every step, and each one's walk, with
its pictures, texts and verdicts."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from seethink import identity, media
from seethink.report.gallery import question_text
from seethink.report.page import render, write_whole
from seethink.report.pictures import Picture, embed
from seethink.synth.chains import CHAINS
from seethink.synth.data import examples_of
from seethink.synth.ledger import Finished, Ledger
from seethink.synth.status import Status, opened, read_status
from seethink.types import Example, InputError

Changed = tuple[tuple[str, str], ...]
"""Words that stayed ("same"), went ("gone") and came ("new"), in order."""
TEXTS = ("thought", "final", "twin")


@dataclass(frozen=True)
class Level:
    """A step of the chain: how many examples came to it, and what it dropped, by reason."""

    step: str
    reached: int
    lost: tuple[tuple[str, int], ...]

    @property
    def dropped(self) -> int:
        return sum(n for _, n in self.lost)


@dataclass(frozen=True)
class Shown:
    """One step of a walk. texts: what it wrote, by name, against what stood there before. asked: question and
    answer as it made them, before and after. paths: as the walk left them, at the step that changed them
    last."""

    step: str
    models: str
    passed: bool | None
    why: str
    formal: tuple[Mapping[str, str], ...] = ()
    texts: tuple[tuple[str, Changed], ...] = ()
    asked: tuple[tuple[str, str, str], ...] = ()
    paths: tuple[Mapping[str, Any], ...] = ()
    pref: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Walk:
    """end: "kept", or the reason; as a name of one word. told: the end as a sentence."""

    id: str
    question: str
    gold: str | None
    pictures: tuple[Picture, ...]
    state: str
    end: str
    told: str
    stops: tuple[Shown, ...]


def write_walks(folder: Path, out: Path, limit: int) -> tuple[int, int]:
    """Write the page of the synthesis in `folder`, with `limit` examples of which every end has its share;
    (examples shown, examples that ended). Raises InputError where the data are not what they were."""
    with opened(folder) as ledger, TemporaryDirectory() as drawn:
        status = read_status(ledger)
        examples = _examples(ledger, status)
        ends = _ends(ledger)
        chosen = sample(ends, limit)
        walks = [
            _walk(done, examples[done.at], Path(drawn)) for done in ledger.finished() if done.at in chosen
        ]
        names = {"kept": "kept"} | {_name(why): why for state, why in ends if state != "kept"}
        counts = {"all": sum(map(len, ends.values()))} | dict.fromkeys(names, 0)
        for (state, why), places in ends.items():
            counts["kept" if state == "kept" else _name(why)] += len(places)
        levels = _levels(status)
        context = {
            "status": status,
            "levels": levels,
            "walks": walks,
            "ends": names,
            "counts": {"": [counts]},
        }
        write_whole(out, render("walks.html", title=f"{status.about.chain}: {folder}", **context))
    return len(walks), counts["all"]


def _examples(ledger: Ledger, status: Status) -> Sequence[Example]:
    about = status.about
    images = Path(about.images) if about.images else None
    examples = examples_of(about.address or about.data, CHAINS[about.chain]().world, images)
    known = json.loads(ledger.about("identity") or "{}").get("data")
    if identity.of_sequence(examples) != known:
        raise InputError(f"{about.data} is not what this synthesis was made of; its pictures cannot be shown")
    return examples


def _ends(ledger: Ledger) -> dict[tuple[str, str], list[int]]:
    """The places of the examples by (state, reason)."""
    ends: dict[tuple[str, str], list[int]] = {}
    for at, state, reason in ledger.counted("SELECT at, state, reason FROM examples ORDER BY at"):
        ends.setdefault((state, reason), []).append(at)
    return ends


def sample(ends: Mapping[Any, Sequence[int]], limit: int) -> set[int]:
    """At most `limit` places, evenly spaced in each group; small groups are shown whole before large ones get
    more than their share."""
    chosen: set[int] = set()
    left, groups = limit, sorted(ends.values(), key=len)
    for i, places in enumerate(groups):
        n = min(len(places), left // (len(groups) - i))
        chosen |= {places[j * len(places) // n] for j in range(n)}
        left -= n
    return chosen


def _levels(status: Status) -> list[Level]:
    lost: dict[str, list[tuple[str, int]]] = {}
    for ends in (status.dropped, status.failed):
        for (step, reason), n in ends.items():
            lost.setdefault(step, []).append((reason, n))
    reached = status.about.examples - status.pending
    levels = []
    for step in dict.fromkeys(("select", *status.about.steps, *lost)):
        level = Level(step, reached, tuple(lost.get(step, ())))
        if step in status.about.steps or level.lost:
            levels.append(level)
        reached -= level.dropped
    return levels


# One walk -------------------------------------------------------------------------------------------------


def _walk(done: Finished, example: Example, drawn: Path) -> Walk:
    paths = [media.keep(medium, drawn / "media") for medium in example.media]
    kept = done.state == "kept"
    return Walk(
        id=example.id,
        question=question_text(example.question),
        gold=example.answer,
        pictures=tuple(embed(drawn / path) for path in paths),
        state=done.state,
        end="kept" if kept else _name(done.reason),
        told="kept" if kept else f"{done.state} at {done.step}: {done.reason}. {done.why}",
        stops=tuple(_stops(done.draft["walk"], example)),
    )


def _name(reason: str) -> str:
    return re.sub(r"\W+", "-", reason).strip("-").lower() or "other"


def _stops(walk: Sequence[Mapping[str, Any]], example: Example) -> Iterator[Shown]:
    before: dict[str, Any] = {"question": example.question, "answer": example.answer}
    last = max((i for i, stop in enumerate(walk) if "paths" in (stop["made"] or {})), default=None)
    for i, stop in enumerate(walk):
        made = stop["made"] or {}
        new: Mapping[str, Any] = made.get("example", {})
        changed = {name: new[name] for name in ("question", "answer") if name in new}
        formal = made.get("formal", ())
        verdict = stop["verdict"] or {}
        yield Shown(
            step=stop["step"],
            models=", ".join(stop["models"]),
            passed=verdict.get("passed"),
            why=verdict.get("why", ""),
            formal=tuple(part for part in formal if part not in before.get("formal", ())),
            texts=tuple((name, words(before.get(name), made[name])) for name in TEXTS if made.get(name)),
            asked=tuple((name, str(before[name]), str(text)) for name, text in changed.items()),
            paths=tuple(made["paths"]) if i == last else (),
            pref=new.get("meta", {}).get("pref"),
        )
        before |= {name: made[name] for name in ("formal", *TEXTS) if name in made} | changed


def words(before: str | None, after: str) -> Changed:
    """What stayed, went and came between two texts, word by word; all is the same where there was none."""
    if not before or before == after:
        return (("same", after),)
    old, new = (re.findall(r"\s+|[^\s]+", text) for text in (before, after))
    told: list[tuple[str, str]] = []
    for kind, a, b, c, d in difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if kind == "equal":
            told.append(("same", "".join(old[a:b])))
            continue
        told += [
            (name, text) for name, text in (("gone", "".join(old[a:b])), ("new", "".join(new[c:d]))) if text
        ]
    return tuple(told)
