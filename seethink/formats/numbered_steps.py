"""Formats of thoughts in numbered steps: as lines, and as JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from seethink.formats.base_format import STEP_SEPARATOR, BaseFormat, steps_of
from seethink.types import Response

FINAL = "Final Answer:"
_MARK = re.compile(r"^(Step|Action) ([0-9]{1,4}):", re.MULTILINE)
_FENCE = re.compile(r"```(?:json)?\s*(.*?)\s*```", re.DOTALL)


@dataclass(frozen=True)
class StepFormat(BaseFormat):
    """Lines `Step 1: ...`, each optionally followed by `Action 1: ...`, then `Final Answer: ...`.

    A step's first line is its title, the rest its action. Source: VRC-Bench of LlamaV-o1.
    """

    def parse(self, text: str) -> Response:
        head, mark, rest = text.partition(FINAL)
        answer = (rest.strip() or None) if mark and FINAL not in rest else None
        marks = list(_MARK.finditer(head))
        ends = [*(mark.start() for mark in marks[1:]), len(head)]
        contents = [head[mark.end() : end].strip() for mark, end in zip(marks, ends, strict=False)]
        steps: list[str] = []
        for match, part in zip(marks, contents, strict=True):
            if match[1] == "Step" or not steps:
                steps.append(part)
            else:
                steps[-1] = f"{steps[-1]}\n{part}"
        fault = self._fault(text, [(m[1], int(m[2])) for m in marks], contents, answer)
        if fault is None and head[: marks[0].start() if marks else len(head)].strip():
            fault = "text before the first step"
        return Response(
            text, STEP_SEPARATOR.join(steps) if steps else None, answer, tuple(steps), fault=fault
        )

    def write(self, thought: str | Sequence[str], answer: str) -> str:
        steps = steps_of(thought) if self.thinks else []
        lines = [line for i, step in enumerate(steps, 1) for line in _step(i, step)]
        return self._checked("\n".join([*lines, f"{FINAL} {answer.strip()}"]), steps, answer)

    def _fault(
        self, text: str, marks: Sequence[tuple[str, int]], contents: Sequence[str], answer: str | None
    ) -> str | None:
        if (count := text.count(FINAL)) != 1:
            return f"{FINAL} occurs {count} times, not once"
        if text.partition(FINAL)[0].rpartition("\n")[2].strip():
            return f"{FINAL} does not begin its line"
        number = 0
        for i, (kind, found) in enumerate(marks):
            follows = i > 0 and marks[i - 1] == ("Step", found)
            number += kind == "Step"
            if found != number or (kind == "Action" and not follows):
                return f"{kind} {found} is out of order"
            if not contents[i]:
                return f"{kind} {found} is empty"
        if self.thinks and not number:
            return "the thought is empty"
        if not self.thinks and number:
            return "a thought where none is asked for"
        return None if answer else "the answer is empty"


def _step(number: int, step: str) -> list[str]:
    title, _, action = step.partition("\n")
    if action and title == title.strip() and action == action.strip():
        return [f"Step {number}: {title}", f"Action {number}: {action}"]
    return [f"Step {number}: {step}"]


@dataclass(frozen=True)
class JsonFormat(BaseFormat):
    """A JSON array, or consecutive objects: steps `{"title", "content", "next_action"}`, then
    `{"title": "FINAL ANSWER", "content"}`.

    next_action is "continue", in the last step "final_answer". The default title is "Step n". Source: the
    progressive generator of Insight-V.
    """

    def parse(self, text: str) -> Response:
        try:
            rows = _rows(text)
        except (ValueError, RecursionError) as error:
            return Response(text, fault=f"not JSON: {error}"[:200])
        final = [row for row in rows if _is_final(row)]
        answer = final[0].get("content") if len(final) == 1 else None
        answer = (answer.strip() or None) if isinstance(answer, str) else None
        steps = tuple(_step_text(i, row) for i, row in enumerate(rows, 1) if not _is_final(row))
        fault = self._fault(rows, answer)
        return Response(text, STEP_SEPARATOR.join(steps) if steps else None, answer, steps, fault=fault)

    def write(self, thought: str | Sequence[str], answer: str) -> str:
        steps = steps_of(thought) if self.thinks else []
        after = [*["continue"] * (len(steps) - 1), "final_answer"]
        rows: list[dict[str, str]] = [
            {"title": f"Step {i}", "content": step, "next_action": after[i - 1]}
            for i, step in enumerate(steps, 1)
        ]
        rows.append({"title": "FINAL ANSWER", "content": answer.strip()})
        return self._checked(json.dumps(rows, ensure_ascii=False), steps, answer)

    def _fault(self, rows: Sequence[dict[str, Any]], answer: str | None) -> str | None:
        if (count := sum(map(_is_final, rows))) != 1:
            return f"FINAL ANSWER occurs {count} times, not once"
        *steps, final = rows
        if not _is_final(final):
            return "a step after the final answer"
        for i, row in enumerate(steps, 1):
            if set(row) != {"title", "content", "next_action"}:
                return f"step {i} has {', '.join(row) or 'no key'}, not title, content, next_action"
            if not all(isinstance(row[key], str) and row[key].strip() for key in ("title", "content")):
                return f"step {i} has an empty title or content, or one that is not text"
            if row["next_action"] != ("continue" if i < len(steps) else "final_answer"):
                return f"step {i} has next_action {row['next_action']!r:.40}"
        if set(final) != {"title", "content"}:
            return f"the final answer has {', '.join(final)}, not title, content"
        if self.thinks and not steps:
            return "the thought is empty"
        if not self.thinks and steps:
            return "a thought where none is asked for"
        return None if answer else "the answer is empty"


def _rows(text: str) -> list[dict[str, Any]]:
    """The JSON objects of a text. Raises ValueError for anything else in it, or for a duplicate key."""
    fenced = _FENCE.fullmatch(text.strip())
    text, at = (fenced[1] if fenced else text.strip()), 0
    decoder, found = json.JSONDecoder(object_pairs_hook=_unique), []
    while at < len(text):
        value, at = decoder.raw_decode(text, at)
        found += value if isinstance(value, list) else [value]
        at = len(text) - len(text[at:].lstrip())
    if not found or not all(isinstance(row, dict) for row in found):
        raise ValueError("no objects")
    return found


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(row := dict(pairs)) != len(pairs):
        raise ValueError("a key occurs twice")
    return row


def _is_final(row: dict[str, Any]) -> bool:
    title = row.get("title")
    return isinstance(title, str) and title.strip().upper() == "FINAL ANSWER"


def _step_text(number: int, row: dict[str, Any]) -> str:
    """A step as text: its content, after its title unless that is the default one."""
    title, content = (str(row.get(key, "")).strip() for key in ("title", "content"))
    return content if title in ("", f"Step {number}") else f"{title}: {content}"
