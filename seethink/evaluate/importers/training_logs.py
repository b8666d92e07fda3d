"""Rollouts of trainings: verl's `{step}.jsonl`, TRL's `completions_*.parquet`, and verifiers' `results.jsonl`
and `traces.jsonl`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from seethink.evaluate.importers.answers import (
    ImportedAnswer,
    ImportedFile,
    NamedColumns,
    conversation,
    flat,
    gold_in,
    number_in,
    numbers_of,
    reply,
    rows_read,
    text_in,
)
from seethink.evaluate.importers.files import OpenedFile

# verl -----------------------------------------------------------------------------------------------------


def fits_verl(file: OpenedFile) -> bool:
    return {"input", "output", "score"} <= file.columns


def verl(file: OpenedFile, columns: NamedColumns) -> ImportedFile:
    """Rows of `trainer.rollout_data_dir` or `validation_data_dir`: decoded prompts, without pictures."""
    stem = file.path.stem
    left = ("step", "input", "output", "gts")

    def read(row: Mapping[str, Any], where: str) -> Iterator[ImportedAnswer]:
        yield ImportedAnswer(
            where=where,
            text=text_in(row.get("output")) or "",
            prompt=text_in(row.get("input")) or "",
            gold=gold_in(row.get("gts")),
            reported=numbers_of({"score": row.get("score"), **row}, left),
            step=_step(row.get("step"), int(stem) if stem.isdecimal() else None),
            columns=flat(row),
        )

    return ImportedFile("verl", file.path.resolve().parent.name, rows_read(file.placed, read), complete=False)


# TRL ------------------------------------------------------------------------------------------------------


def fits_trl(file: OpenedFile) -> bool:
    return {"step", "prompt", "completion"} <= file.columns


_GOLDS = ("solution", "answer", "ground_truth")
"""Columns of the data that a trainer logs beside its rewards."""


def trl(file: OpenedFile, columns: NamedColumns) -> ImportedFile:
    """Rows of `log_completions`: reward functions are the numeric columns after the completion. There are no
    pictures."""
    left = ("step", "prompt", "completion", "advantage", *_GOLDS)

    def read(row: Mapping[str, Any], where: str) -> Iterator[ImportedAnswer]:
        asked = conversation(row["prompt"], file.path.parent, where)
        gold = next((row[name] for name in _GOLDS if name in row), None)
        yield ImportedAnswer(
            where=where,
            text=reply(row["completion"]),
            question=asked.question,
            prompt=asked.prompt,
            gold=gold_in(gold),
            reported=numbers_of(row, left),
            step=_step(row.get("step"), None),
            columns=flat(row),
        )

    found = rows_read(file.placed, read)
    return ImportedFile("TRL", file.path.resolve().parent.parent.name, found, complete=False)


# verifiers ------------------------------------------------------------------------------------------------


def fits_verifiers(file: OpenedFile) -> bool:
    traced = {"task", "traces"} <= file.columns or {"task", "nodes", "rewards"} <= file.columns
    return traced or {"prompt", "completion", "reward"} <= file.columns


def verifiers(file: OpenedFile, columns: NamedColumns) -> ImportedFile:
    """Rollouts of an evaluation (`results.jsonl`), or traces, alone or in their episodes (`traces.jsonl`)."""
    root, traced = file.path.parent, bool({"traces", "nodes"} & file.columns)

    def read(row: Mapping[str, Any], where: str) -> Iterable[ImportedAnswer]:
        return _traces(row, where, root) if traced else [_rollout(row, where, root)]

    return ImportedFile("verifiers", root.resolve().name, rows_read(file.placed, read), complete=False)


_VERIFIERS = (
    *("id", "example_id", "prompt", "completion", "answer", "info", "error", "timing", "task", "metrics"),
    *("is_completed", "is_truncated", "stop_condition", "tool_defs", "token_usage", "trajectory"),
)


def _rollout(row: Mapping[str, Any], where: str, root: Path) -> ImportedAnswer:
    asked = conversation(row.get("prompt"), root, where)
    usage = row.get("token_usage")
    error = row.get("error")
    return ImportedAnswer(
        where=where,
        text=reply(row.get("completion")),
        question=asked.question,
        prompt=asked.prompt,
        pictures=asked.pictures,
        gold=gold_in(row.get("answer")),
        number=str(row.get("example_id", row.get("id", ""))),
        reported=numbers_of({"reward": row.get("reward"), **row}, _VERIFIERS),
        truncated=bool(row.get("is_truncated")),
        n_tokens=int(usage.get("output_tokens") or 0) if isinstance(usage, Mapping) else 0,
        failed=str(error) if error else "",
        columns=flat(row),
    )


def _traces(row: Mapping[str, Any], where: str, root: Path) -> Iterator[ImportedAnswer]:
    """An answer for each trace of an episode, or for a row that is one: what the model sampled last."""
    for trace in row.get("traces") or ([row] if "nodes" in row else []):
        data = ((trace.get("task") or row.get("task") or {}).get("data")) or {}
        nodes = trace.get("nodes") or []
        given = [node.get("message") or {} for node in nodes if not node.get("sampled")]
        sampled = [node.get("message") or {} for node in nodes if node.get("sampled")]
        asked = conversation(given or data.get("prompt"), root, where)
        calls, errors = trace.get("calls") or [], trace.get("errors") or []
        usage = [(call.get("usage") or {}).get("completion_tokens") or 0 for call in calls]
        yield ImportedAnswer(
            where=where,
            text=trace.get("root_reply") or reply(sampled[-1:]),
            question=asked.question,
            prompt=asked.prompt,
            pictures=asked.pictures,
            gold=gold_in(next((data[n] for n in ("answer", "target", "solution") if n in data), None)),
            number=str(data.get("id", data.get("idx", ""))),
            reported=_rewards(trace),
            truncated=any(call.get("finish_reason") == "length" for call in calls),
            n_tokens=sum(usage),
            failed=str(errors[0].get("message")) if errors else "",
            columns=flat(data),
        )


def _rewards(trace: Mapping[str, Any]) -> dict[str, float]:
    """The reward, which is the sum of weight times score, then each score by name."""
    rewards = {name: one for name, one in (trace.get("rewards") or {}).items() if one}
    scores = {name: number_in(one.get("score")) for name, one in rewards.items()}
    known = {name: score for name, score in scores.items() if score is not None}
    if not known:
        return {}
    total = sum(score * float(rewards[name].get("weight", 1.0)) for name, score in known.items())
    return {"reward": total} | {f"rewards/{name}": score for name, score in known.items()}


# Values ---------------------------------------------------------------------------------------------------


def _step(value: Any, default: int | None) -> int | None:
    number = number_in(value)
    return default if number is None else int(number)
