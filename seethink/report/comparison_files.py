"""A comparison as Markdown, LaTeX and CSV: the tables of a paper."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping, Sequence
from typing import Any

from seethink.evaluate.joining import ByArm
from seethink.evaluate.questions import question_score
from seethink.report.comparison_words import one_sentence
from seethink.report.page import MINUS, NO_BREAK, p_value, percent, points
from seethink.report.scores import score_table

Table = tuple[list[str], list[list[str]]]
"""(head, rows)"""


def scores(report: Mapping[str, Any]) -> Table:
    """A row for each arm, a column for each task: percent with the 95 % interval, and published numbers."""
    table = score_table(report)
    claimed = {claim["task"] for claim in report["claims"]}
    head = ["arm"]
    for cell in table[0][1]:
        head += [cell.task, *([f"{cell.task}, published"] if cell.task in claimed else [])]
    rows = []
    for arm, cells in table:
        row = [arm]
        for cell in cells:
            row += [_score(cell.result), *([percent(cell.paper)] if cell.task in claimed else [])]
        rows.append(row)
    return head, rows


def _score(result: Mapping[str, Any] | None) -> str:
    if result is None or result["value"] is None:
        return percent(None)
    return f"{percent(result['value'])} ({percent(result['low'])} to {percent(result['high'])})"


def tests(rows: Sequence[Mapping[str, Any]], named: Sequence[str] = ("task",)) -> Table:
    """A row for each paired test: points with the interval, p values and counts. named: what its questions
    are."""
    head = [*named, "arms", "difference", "95 % interval", "p", "p (Holm)", "n", "only first", "only second"]
    return head, [
        [
            *(str(row[name]) for name in named),
            f"{row['b']} - {row['a']}",
            points(row["difference"]),
            f"{points(row['low'])} to {points(row['high'])}",
            p_value(row["p"]),
            p_value(row["p_holm"]),
            *(f"{row[name]:,}" for name in ("n", "only_a", "only_b")),
        ]
        for row in rows
    ]


GROUP = ("task", "key", "group")


def markdown(report: Mapping[str, Any]) -> str:
    """The conclusion, what speaks against it, and the tables."""
    parts = [f"# {_md(report['recipe'])}", _md(one_sentence(report))]
    parts += ["\n".join(f"- {_md(warning)}" for warning in report["warnings"])] if report["warnings"] else []
    parts += [_md_table(scores(report)), _md_table(tests(report["tests"]))]
    parts += [_md_table(tests(report["groups"], GROUP))] if report["groups"] else []
    return "\n\n".join(parts) + "\n"


def _md_table(table: Table) -> str:
    head, rows = table
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(_md(cell) for cell in line)} |" for line in lines)


def _md(text: str) -> str:
    """Text that is shown as it is, on one line."""
    return re.sub(r"([\\`*_{}\[\]<>|#~])", r"\\\1", " ".join(text.split())) if text != "---" else text


_TEX = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    NO_BREAK: "~",
    MINUS: "$-$",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "—": "---",
    "–": "--",
    **{mark: f"\\{mark}" for mark in "&%$#_"},
}


def tex(text: str) -> str:
    """Text as LaTeX prints it."""
    return "".join(_TEX.get(mark, mark) for mark in " ".join(text.split(" ")))


def latex(report: Mapping[str, Any]) -> str:
    """Two tables for a paper, with the rules of the package booktabs."""
    captions = (
        (scores(report), f"{one_sentence(report)} Percent, with 95 % intervals."),
        (tests(report["tests"]), "Paired tests on the same questions; p values corrected by Holm's method."),
    )
    return "% \\usepackage{booktabs}\n" + "\n".join(_tex_table(*one) for one in captions)


def _tex_table(table: Table, caption: str) -> str:
    head, rows = table
    lines = [" & ".join(map(tex, line)) + r" \\" for line in (head, *rows)]
    return "\n".join(
        [
            r"\begin{table}",
            r"\centering",
            rf"\caption{{{tex(caption)}}}",
            rf"\begin{{tabular}}{{l{'r' * (len(head) - 1)}}}",
            r"\toprule",
            lines[0],
            r"\midrule",
            *lines[1:],
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table}",
            "",
        ]
    )


# CSV --------------------------------------------------------------------------------------------------------


def csv_files(report: Mapping[str, Any], questions: Sequence[ByArm]) -> dict[str, str]:
    """{name of a file: its text}: scores, tests, groups and questions, with numbers as they are."""
    arms = list(report["results"])
    columns = ("value", "low", "high", "n", "clusters", "unjudged", "unanswered", "missing")
    measured = [
        {"arm": arm, "task": task} | {name: result[name] for name in columns}
        for arm, by_task in report["results"].items()
        for task, result in by_task.items()
    ]
    of_test = (
        "a",
        "b",
        "difference",
        "low",
        "high",
        "p",
        "p_holm",
        "n",
        "only_a",
        "only_b",
        "clusters",
        "deff",
    )
    of_task = ("task", *of_test, "least_difference", "questions_needed")
    answered = [
        {
            "task": own[arms[0]][0]["task"],
            "id": own[arms[0]][0]["id"],
            "question": own[arms[0]][0]["question"],
        }
        | {f"{arm}: score": question_score(own[arm]) for arm in arms}
        | {f"{arm}: answer": own[arm][0].get("said") for arm in arms}
        for own in questions
    ]
    return {
        "scores.csv": _csv(measured),
        "tests.csv": _csv([{name: row[name] for name in of_task} for row in report["tests"]]),
        "groups.csv": _csv([{name: row[name] for name in (*GROUP, *of_test)} for row in report["groups"]]),
        "questions.csv": _csv(answered),
    }


def _csv(rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows with a head line. A text that a spreadsheet would run as a formula gets an apostrophe before
    it."""
    out = io.StringIO()
    if rows:
        writer = csv.DictWriter(out, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows({name: _inert(value) for name, value in row.items()} for row in rows)
    return out.getvalue()


def _inert(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r") else value
