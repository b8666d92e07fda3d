"""The page of a synthesis: how many examples each step kept or dropped, and the traces of single examples."""

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
from seethink.report.page import keep_other_files, render_page, write_atomically
from seethink.report.pictures import EmbeddedImage, embed_image
from seethink.synth.data_address import load_examples
from seethink.synth.ledger import ExampleRecord, Ledger
from seethink.synth.status import SynthesisStatus, open_ledger, read_status
from seethink.types import Example, InputError

WordDiff = tuple[tuple[str, str], ...]
"""(kind, text) in order; the kinds are "same", "removed" and "added"."""
TEXTS = ("thought", "final", "twin")


@dataclass(frozen=True)
class FunnelStep:
    """A step of the chain: how many examples reached it, and how many it dropped, as (reason, examples)."""

    name: str
    reached: int
    reasons: tuple[tuple[str, int], ...]

    @property
    def dropped(self) -> int:
        """Examples that went no further, over all reasons."""
        return sum(n for _, n in self.reasons)


@dataclass(frozen=True)
class TraceStep:
    """What one step did to an example.

    formal: parts of the formal description that it added. texts: {name of a text it wrote: difference from
    the text before}. rewritten: (question or answer, before, after). paths: reasoning paths, only at the
    last step that changed them. pref: the preference pair, if it built one.
    """

    name: str
    models: str
    passed: bool | None
    why: str
    formal: tuple[Mapping[str, str], ...] = ()
    texts: tuple[tuple[str, WordDiff], ...] = ()
    rewritten: tuple[tuple[str, str, str], ...] = ()
    paths: tuple[Mapping[str, Any], ...] = ()
    pref: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class ExampleTrace:
    """The path of one example through the chain. end: "kept" or the reason as one word, for the filter.
    outcome: the end in words."""

    id: str
    question: str
    gold: str | None
    pictures: tuple[EmbeddedImage, ...]
    state: str
    end: str
    outcome: str
    steps: tuple[TraceStep, ...]


def write_traces(folder: Path, out: Path, limit: int) -> tuple[int, int]:
    """Write the page of the synthesis in `folder` to `out`; returns (examples shown, examples finished).

    At most `limit` examples are shown, sampled from every outcome. Raises InputError where the examples are
    no longer those that the synthesis started from, or where `out` is another file than such a page.
    """
    keep_other_files(out)
    with open_ledger(folder) as ledger, TemporaryDirectory() as temporary:
        status = read_status(ledger)
        examples = _examples(ledger, status)
        ends = _ends(ledger)
        chosen = sample_evenly(ends, limit)
        traces = [
            _trace(done, examples[done.index], Path(temporary))
            for done in ledger.examples()
            if done.index in chosen
        ]
        names = {"kept": "kept"} | {_slug(reason): reason for state, reason in ends if state != "kept"}
        counts = {"all": sum(map(len, ends.values()))} | dict.fromkeys(names, 0)
        for (state, reason), indices in ends.items():
            counts["kept" if state == "kept" else _slug(reason)] += len(indices)
        page = render_page(
            "traces.html",
            title=f"{status.info.chain}: {folder}",
            status=status,
            funnel=_funnel(status),
            traces=traces,
            ends=names,
            counts={"": [counts]},
        )
        write_atomically(out, page)
    return len(traces), counts["all"]


def _examples(ledger: Ledger, status: SynthesisStatus) -> Sequence[Example]:
    info = status.info
    images = Path(info.images) if info.images else None
    examples = load_examples(info.address or info.data, info.world, images)
    known = json.loads(ledger.read_about("identity") or "{}").get("data")
    if identity.of_sequence(examples) != known:
        raise InputError(
            f"{info.data} has changed since this synthesis started, so its pictures cannot be shown; "
            "restore the file"
        )
    return examples


def _ends(ledger: Ledger) -> dict[tuple[str, str], list[int]]:
    """{(state, reason): indices of the examples that ended so}"""
    ends: dict[tuple[str, str], list[int]] = {}
    for at, state, reason in ledger.query("SELECT at, state, reason FROM examples ORDER BY at"):
        ends.setdefault((state, reason), []).append(at)
    return ends


def sample_evenly(groups: Mapping[Any, Sequence[int]], limit: int) -> set[int]:
    """At most `limit` indices, evenly spaced within each group. Each group gets an equal share of `limit`;
    what small groups leave over goes to larger ones."""
    chosen: set[int] = set()
    left, by_size = limit, sorted(groups.values(), key=len)
    for i, indices in enumerate(by_size):
        n = min(len(indices), left // (len(by_size) - i))
        chosen |= {indices[j * len(indices) // n] for j in range(n)}
        left -= n
    return chosen


def _funnel(status: SynthesisStatus) -> list[FunnelStep]:
    reasons: dict[str, list[tuple[str, int]]] = {}
    for ends in (status.dropped, status.failed):
        for (step, reason), n in ends.items():
            reasons.setdefault(step, []).append((reason, n))
    reached = status.info.examples - status.pending
    funnel = []
    for name in dict.fromkeys(("select", *status.info.steps, *reasons)):
        step = FunnelStep(name, reached, tuple(reasons.get(name, ())))
        if name in status.info.steps or step.reasons:
            funnel.append(step)
        reached -= step.dropped
    return funnel


# The trace of one example -----------------------------------------------------------------------------------


def _trace(done: ExampleRecord, example: Example, folder: Path) -> ExampleTrace:
    """The trace of a finished example. Its pictures are saved under `folder` to be embedded."""
    paths = [media.save_preview(medium, folder / "media") for medium in example.media]
    kept = done.state == "kept"
    return ExampleTrace(
        id=example.id,
        question=question_text(example.question),
        gold=example.answer,
        pictures=tuple(embed_image(folder / path) for path in paths),
        state=done.state,
        end="kept" if kept else _slug(done.reason),
        outcome="kept" if kept else f"{done.state} at {done.step}: {done.reason}. {done.why}",
        steps=tuple(_steps(done.draft["walk"], example)),
    )


def _slug(reason: str) -> str:
    return re.sub(r"\W+", "-", reason).strip("-").lower() or "other"


def _steps(records: Sequence[Mapping[str, Any]], example: Example) -> Iterator[TraceStep]:
    before: dict[str, Any] = {"question": example.question, "answer": example.answer}
    last = max((i for i, record in enumerate(records) if "paths" in (record["made"] or {})), default=None)
    for i, record in enumerate(records):
        changes = record["made"] or {}
        rewritten: Mapping[str, Any] = changes.get("example", {})
        changed = {name: rewritten[name] for name in ("question", "answer") if name in rewritten}
        formal = changes.get("formal", ())
        verdict = record["verdict"] or {}
        yield TraceStep(
            name=record["step"],
            models=", ".join(record["models"]),
            passed=verdict.get("passed"),
            why=verdict.get("why", ""),
            formal=tuple(part for part in formal if part not in before.get("formal", ())),
            texts=tuple(
                (name, word_diff(before.get(name), changes[name])) for name in TEXTS if changes.get(name)
            ),
            rewritten=tuple((name, str(before[name]), str(text)) for name, text in changed.items()),
            paths=tuple(changes["paths"]) if i == last else (),
            pref=rewritten.get("meta", {}).get("pref"),
        )
        before |= {name: changes[name] for name in ("formal", *TEXTS) if name in changes} | changed


def word_diff(before: str | None, after: str) -> WordDiff:
    """Difference between two texts by words; all of `after` is "same" where there is no text before."""
    if not before or before == after:
        return (("same", after),)
    old, new = (re.findall(r"\s+|[^\s]+", text) for text in (before, after))
    parts: list[tuple[str, str]] = []
    for kind, a, b, c, d in difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        removed, added = "".join(old[a:b]), "".join(new[c:d])
        if kind == "equal":
            parts.append(("same", removed))
        else:
            parts += [(name, text) for name, text in (("removed", removed), ("added", added)) if text]
    return tuple(parts)
