"""Tasks and results in the layouts of lmms-eval 0.7: a task folder for `--include_path`, and its samples."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from seethink.attempt import headline, judge
from seethink.evaluate.attempts import AttemptRow
from seethink.lock import writable
from seethink.sources import writing
from seethink.types import PLAIN, Completion, Example, InputError, Task, assistant_prefill

UNJUDGED = float("nan")
"""An answer that cannot be judged, among numbers; `judged_mean` leaves it out."""

_UTILS = '''"""Questions, prompt and scoring of this task are those of SeeThink, which must be importable:
`pip install --no-deps seethink`, then `pip install math-verify rapidfuzz`."""

from pathlib import Path

from seethink.evaluate.lmms_bridge import TaskFunctions, judged_mean
from seethink.systems import verifier
from seethink.tasks import load_task

_FOLDER = Path(__file__).resolve().parent / "data"
_TASK = load_task(_FOLDER, {form!r}, {mode!r}, verifier({verifier!r}))
_FUNCTIONS = TaskFunctions(_TASK)

doc_to_messages = _FUNCTIONS.doc_to_messages
doc_to_text = _FUNCTIONS.doc_to_text
doc_to_visual = _FUNCTIONS.doc_to_visual
process_results = _FUNCTIONS.process_results
__all__ = ["doc_to_messages", "doc_to_text", "doc_to_visual", "judged_mean", "process_results"]
'''
_YAML = """task: {name}
dataset_path: json
dataset_kwargs:
  data_files:
    test: {questions}
test_split: test
output_type: generate_until
doc_to_messages: !function utils.doc_to_messages
doc_to_visual: !function utils.doc_to_visual
doc_to_text: !function utils.doc_to_text
doc_to_target: answer
process_results: !function utils.process_results
metric_list:
  - metric: correct
    aggregation: !function utils.judged_mean
    higher_is_better: true
generation_kwargs:
  max_new_tokens: {max_tokens}
  temperature: 0
  do_sample: false
metadata:
  version: 0
"""


@dataclass(frozen=True)
class TaskFunctions:
    """The functions that a task of lmms-eval names; `doc` is a row of its `questions.jsonl`."""

    task: Task = field(repr=False)  # lmms-eval writes the functions' repr into its results

    @cached_property
    def _examples(self) -> dict[str, Example]:
        return {example.id: example for example in self.task.examples}

    def doc_to_messages(self, doc: Mapping[str, Any]) -> list[dict[str, Any]]:
        """The prompt of our format, with pictures in their places."""
        messages = self.task.format.prompt(self._examples[doc["id"]])
        return [
            {"role": message["role"], "content": [_part(part) for part in message["content"]]}
            for message in messages
        ]

    def doc_to_text(self, doc: Mapping[str, Any], lmms_eval_specific_kwargs: Any = None) -> str:
        """The words of the prompt, for models that take pictures apart."""
        contents = [message["content"] for message in self.task.format.prompt(self._examples[doc["id"]])]
        return "".join(part["text"] for content in contents for part in content if part["type"] == "text")

    def doc_to_visual(self, doc: Mapping[str, Any]) -> list[Any]:
        """The decoded pictures; of clips, the frames that are taken."""
        loaded = [medium.load() for medium in self._examples[doc["id"]].media]
        return [picture for one in loaded for picture in getattr(one, "pictures", [one])]

    def process_results(self, doc: Mapping[str, Any], results: Sequence[str]) -> dict[str, Any]:
        """{"correct": the headline score, `UNJUDGED` where there is none; "question_id": ours}. lmms-eval
        writes both into its samples, which hold no other key of the question."""
        example = self._examples[doc["id"]]
        prefill = assistant_prefill(self.task.format.prompt(example))
        score = judge(self.task, example, Completion(str(results[0])), prefill).score
        value = headline(self.task, score).value
        return {"correct": UNJUDGED if value is None else value, "question_id": doc["id"]}


def judged_mean(values: Sequence[float]) -> float:
    """The mean of the judged answers."""
    judged = [value for value in values if value == value]
    return sum(judged) / len(judged) if judged else UNJUDGED


def _part(part: Mapping[str, Any]) -> dict[str, Any]:
    """A part of our prompts as one of lmms-eval's; a clip by its path."""
    kind = part["type"]
    if kind == "text":
        return {"type": "text", "text": part["text"]}
    medium = part[kind]
    return {"type": kind, "url": str(medium.path) if kind == "video" else medium.load()}


def write_task(task: Task, verifier: str, max_tokens: int, folder: Path) -> str:
    """Write `folder` for `--include_path`, with the task's questions and pictures in it. Returns the task's
    name there, that of the folder.

    verifier: its name, as in `--verifier`. Raises InputError for a folder that is not empty, a prompt that
    ends with the beginning of an answer, which lmms-eval's chat models do not continue, and for questions
    without an answer.
    """
    form = task.format
    first = form.prompt(task.examples[0])
    if first[-1]["role"] == "assistant" or first[0]["role"] == PLAIN:
        raise InputError(
            f"the format {form.name} in mode {form.prompt_mode} begins the answer itself, which chat models "
            "of lmms-eval do not continue; choose another --format or --prompt-mode"
        )
    if missing := next((example for example in task.examples if example.answer is None), None):
        raise InputError(f"{missing.label} has no answer; give it one or leave it out")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"{folder} exists and is not empty; give a new folder, or empty it")
    part = folder.absolute().with_name(f".{folder.absolute().name}.{os.getpid()}.part")
    names = {
        "name": _task_name(folder.absolute().name),
        "questions": str(folder.absolute() / "questions.jsonl"),
    }
    with writable(folder, "choose another folder"):
        try:
            writing.write(task.examples, part / "data")
            utils = _UTILS.format(form=form.name, mode=form.prompt_mode, verifier=verifier)
            (part / "utils.py").write_text(utils, encoding="utf-8")
            yaml = _YAML.format(max_tokens=max_tokens, **names)
            (part / f"{names['name']}.yaml").write_text(yaml, encoding="utf-8")
            lines = (
                json.dumps({"id": example.id, "question": example.question, "answer": example.answer})
                for example in task.examples
            )
            (part / "questions.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
            os.replace(part, folder)
        finally:
            shutil.rmtree(part, ignore_errors=True)
    return names["name"]


def _task_name(name: str) -> str:
    return "".join(c if c.isalnum() or c == "_" else "_" for c in name)


# Samples --------------------------------------------------------------------------------------------------


def samples(rows: Sequence[AttemptRow]) -> Iterator[dict[str, Any]]:
    """Attempts as rows of lmms-eval's `*_samples_*.jsonl`: `doc_id` counts questions; `resps` is left out,
    since it equals `filtered_resps`."""
    numbers: dict[str, int] = {}
    for row in rows:
        yield {
            "doc_id": numbers.setdefault(row["id"], len(numbers)),
            "target": str(row["gold"]),
            "filtered_resps": row["text"],
            "token_counts": [{"output_tokens": row["n_tokens"]}],
            "doc_hash": row["id"],
            "input": row["question"],
            "correct": row["correct"],
        }


def write_samples(rows: Sequence[AttemptRow], folder: Path) -> list[Path]:
    """A file `seethink_samples_TASK.jsonl` for each task, in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for task in dict.fromkeys(row["task"] for row in rows):
        path = folder / f"seethink_samples_{_task_name(task)}.jsonl"
        part = path.with_suffix(f".{os.getpid()}.part")
        lines = (
            json.dumps(row, ensure_ascii=False) for row in samples([r for r in rows if r["task"] == task])
        )
        part.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        os.replace(part, path)
        paths.append(path)
    return paths
