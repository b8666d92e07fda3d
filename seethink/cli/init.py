"""The command that writes a folder to start from: pictures, questions, a verifier and a format."""

from __future__ import annotations

import json
import os
import shlex
import shutil
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from seethink.cli.starts import STARTS, Start
from seethink.cli.tables import say
from seethink.settings import unknown
from seethink.types import InputError

ROWS: Mapping[str, str] = {"rows.jsonl": "train", "held_out.jsonl": "test"}
"""{file: split of the drawn world}"""
COMMANDS = """cd {folder}
seethink check rows.jsonl --verifier {verifier}{format}
seethink train {method} --model sprout --data rows.jsonl --verifier {verifier}{format} \\
    --test held_out.jsonl --out runs/own {settings}
seethink ask --model runs/own{format} {picture} {question}
seethink look runs/own"""
ABOUT = """# A folder to start from

The questions ask {about}. The pictures are drawn. Put yours in their place, with your questions and answers.

- `rows.jsonl`: a question a line, with the path of its picture and its answer{steps}.
- `held_out.jsonl`: questions about other pictures. `--test` asks them before and after the training; its last
  lines say what changed, and whether that may be chance.
- `my_verifier.py`: what an answer is worth, `--verifier {verifier}`.
- `my_format.py`: how an answer is asked for and read, `--format ./my_format.py:LOOK`. The commands below keep
  a format whose tags the bundled model `sprout` writes: rewards cannot teach it tags that it never writes.

```bash
{commands}
```
"""

app = typer.Typer()


@app.command(epilog="Example: seethink init mine --start boxes")
def init(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="New folder.")],
    start: Annotated[str, typer.Option(help=f"{', '.join(STARTS)}.")] = "counting",
) -> None:
    """Write a folder to start from: pictures, questions, a verifier and a format."""
    if start not in STARTS:
        raise unknown("starting point", start, STARTS)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"{folder} is there already and not empty; name a new folder")
    folder.parent.mkdir(parents=True, exist_ok=True)
    part = folder.with_name(f".{folder.resolve().name}.part")
    shutil.rmtree(part, ignore_errors=True)
    (part / "pictures").mkdir(parents=True)
    chosen = STARTS[start]
    rows = {name: _write_rows(part, name, split, chosen) for name, split in ROWS.items()}
    commands = _commands(chosen, folder, rows["held_out.jsonl"][0])
    texts = {
        "my_verifier.py": _source(chosen.module),
        "my_format.py": _source("own_format.py").replace("ANSWER", chosen.answer),
        "README.md": ABOUT.format(
            about=chosen.about,
            steps=", with the steps that lead to it" if chosen.steps else "",
            verifier=_address(chosen),
            commands=commands.partition("\n")[2],
        ),
    }
    for name, text in texts.items():
        (part / name).write_text(text, encoding="utf-8")
    os.replace(part, folder)
    say(Console(), f"{folder}: {', '.join([*ROWS, *texts])}; next:\n\n{commands}")


def _write_rows(folder: Path, name: str, split: str, start: Start) -> list[dict[str, Any]]:
    """A file of rows and their pictures; returns the rows."""
    rows: list[dict[str, Any]] = []
    count = start.rows if split == "train" else start.held_out
    for i, example in enumerate(start.examples(split, count)):
        picture = f"pictures/{split}-{i:03}.png"
        example.media[0].load().save(folder / picture)
        row = {"image": picture, "question": example.question, "answer": example.answer}
        if example.choices:
            row["choices"] = example.choices
        if start.steps:
            row["steps"] = example.steps
        rows.append(row)
    text = "".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows)
    (folder / name).write_text(text, encoding="utf-8")
    return rows


def _commands(start: Start, folder: Path, row: Mapping[str, Any]) -> str:
    """What to run next. row: one that `ask` asks."""
    return COMMANDS.format(
        folder=shlex.quote(str(folder)),
        verifier=_address(start),
        method=start.method,
        format=f" --format {start.format}" if start.format != "think_answer" else "",
        settings=" ".join(f"{name}={value}" for name, value in start.settings.items()),
        picture=row["image"],
        question=shlex.quote(row["question"]),
    )


def _address(start: Start) -> str:
    return f"./my_verifier.py:{start.verifier}"


def _source(name: str) -> str:
    return resources.files("seethink.cli.starts").joinpath(name).read_text(encoding="utf-8")
