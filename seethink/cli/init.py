"""The command that writes a folder to start from: pictures, questions, a verifier and a format."""

from __future__ import annotations

import json
import os
import shlex
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from seethink.cli.tables import say
from seethink.types import InputError

WORLD = "counting"
ROWS: Mapping[str, tuple[str, int]] = {"rows.jsonl": ("train", 64), "held_out.jsonl": ("test", 32)}
"""{file: (split of the drawn world, number of questions)}"""

VERIFIER = '''"""A verifier: what an answer is worth. Name it as --verifier ./my_verifier.py:near."""

from seethink.types import Example, Response, Score


def near(example: Example, response: Response) -> Score:
    """1 for the reference's number, 0.5 for one beside it, else 0.

    example.answer is the reference, response.answer what the format read from the completion.
    """
    try:
        answer = int(response.answer or "")
    except ValueError:
        return Score(0.0, f"{response.answer!r} is no whole number", unread=True)
    if not example.answer.isdecimal():
        return Score(None, "the reference is no whole number")  # cannot be judged, which is not 0
    distance = abs(answer - int(example.answer))
    return Score({0: 1.0, 1: 0.5}.get(distance, 0.0), f"{distance} away from {example.answer}")
'''
FORMAT = '''"""A format: an instruction and a grammar. Name it as --format ./my_format.py:LOOK."""

from seethink.formats import TagFormat

LOOK = TagFormat(
    name="look",
    instruction="Say what you see inside <look> </look>, then the number inside <answer> </answer>.",
    direct_instruction="Give only the number inside <answer> </answer>.",
    stages=("look",),  # tags around the thought
    final="answer",  # tag around the answer
)
'''
NEXT = """cd {folder}
seethink check rows.jsonl --verifier ./my_verifier.py:near
seethink eval --model sprout --data held_out.jsonl --verifier ./my_verifier.py:near --out runs/before
seethink train grpo --model sprout --data rows.jsonl --verifier ./my_verifier.py:near --out runs/own \\
    learning_rate=5e-5 max_steps=20
seethink eval --model runs/own --data held_out.jsonl --verifier ./my_verifier.py:near --out runs/after
seethink look runs/own"""
ABOUT = """# A folder to start from

- `pictures/`, `rows.jsonl`, `held_out.jsonl`: a question a line, with the path of its picture and the answer.
  Put yours in their place; `seethink check rows.jsonl` finds every fault.
- `my_verifier.py`, `my_format.py`: code of your own, for `--verifier` and `--format`. The bundled model
  `sprout` was not taught the format: it needs a training before it obeys.

```bash
{commands}
```
"""

app = typer.Typer()


@app.command(epilog="Example: seethink init mine")
def init(folder: Annotated[Path, typer.Argument(metavar="DIR", help="New folder.")]) -> None:
    """Write a folder to start from: pictures, questions, a verifier and a format."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"{folder} is there already and not empty; name a new folder")
    folder.parent.mkdir(parents=True, exist_ok=True)
    part = folder.with_name(f".{folder.resolve().name}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir()
    (part / "pictures").mkdir()
    for name, (split, count) in ROWS.items():
        _write_rows(part, name, split, count)
    commands = NEXT.format(folder=shlex.quote(str(folder)))
    texts = {
        "my_verifier.py": VERIFIER,
        "my_format.py": FORMAT,
        "README.md": ABOUT.format(commands=commands.partition("\n")[2]),
    }
    for name, text in texts.items():
        (part / name).write_text(text, encoding="utf-8")
    os.replace(part, folder)
    say(Console(), f"{folder}: {', '.join([*ROWS, *texts])}; next:\n\n{commands}")


def _write_rows(folder: Path, name: str, split: str, count: int) -> None:
    """A file of rows and their pictures, from a drawn world."""
    from seethink.sources.drawn import by_name

    rows = []
    for i, example in enumerate(by_name(WORLD, count, split)):
        picture = f"pictures/{split}-{i:02}.png"
        example.media[0].load().save(folder / picture)
        rows.append({"image": picture, "question": example.question, "answer": example.answer})
    text = "".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows)
    (folder / name).write_text(text, encoding="utf-8")
