"""The atom: ask, answer, parse, verify. Every verb of this project is a use of it, and only this file joins
the last two."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from seethink import media
from seethink.boxes import read_boxes, read_points
from seethink.families import points_to_pixels, to_pixels
from seethink.formats import by_steps, read_any
from seethink.types import (
    Completion,
    Engine,
    Example,
    Frame,
    InputError,
    Lesson,
    Messages,
    Response,
    Rollout,
    Sampling,
    Score,
    Task,
    begun_answer,
)
from seethink.verify.combine import ask_ahead, scored


def attempt(
    engine: Engine, task: Task, examples: Sequence[Example], sampling: Sampling
) -> list[list[Rollout]]:
    """`sampling.n` rollouts of each example, in order."""
    asked = [task.format.prompt(example) for example in examples]
    answered = engine.generate(asked, sampling)
    return judge_all(task, examples, asked, answered)


def judge_all(
    task: Task,
    examples: Sequence[Example],
    asked: Sequence[Messages],
    answered: Sequence[Sequence[Completion]],
) -> list[list[Rollout]]:
    """`judge` for all completions of each example, which answer to `asked`, in order. A judge in the task's
    verifier is asked in one go about all of them, and about what `lenient` will read in them."""
    read = [
        [_read(task, completion, begun_answer(messages)) for completion in completions]
        for messages, completions in zip(asked, answered, strict=True)
    ]

    def pairs() -> Iterator[tuple[Example, Response]]:
        for example, responses in zip(examples, read, strict=True):
            for response in responses:
                if response.stop != "unanswered":
                    yield from ((example, response), (example, _read_leniently(response)))

    ask_ahead(task.verifier, pairs())
    return [
        [Rollout(example, response, _verified(task, example, response)) for response in responses]
        for example, responses in zip(examples, read, strict=True)
    ]


def judge(task: Task, example: Example, completion: Completion, begun: str = "") -> Rollout:
    """Read a completion by the task's format and judge it by the task's verifier.

    A verifier that raises stops the caller; the exception says which example it failed on.
    """
    response = _read(task, completion, begun)
    return Rollout(example, response, _verified(task, example, response))


def _read(task: Task, completion: Completion, begun: str) -> Response:
    return replace(
        _located(task.format.parse(begun + completion.text), completion.frame),
        stop=completion.stop,
        n_tokens=completion.n_tokens,
        token_ids=completion.token_ids,
        logps=completion.logps,
    )


def _located(response: Response, frame: Frame | None) -> Response:
    """The response with the boxes or points of its answer in pixels of the original picture."""
    if frame is None or response.answer is None:
        return replace(response, boxes=None, points=None, frame=frame)
    boxes, points = read_boxes(response.answer), read_points(response.answer)
    return replace(
        response,
        boxes=None if boxes is None else to_pixels(boxes, frame),
        points=None if points is None else points_to_pixels(points, frame),
        frame=frame,
    )


def headline(task: Task, score: Score) -> Score:
    """The part of a score that is reported; the whole score where the verifier has no such part."""
    return score.parts.get(task.headline, score)


def lenient(task: Task, rollout: Rollout) -> tuple[Response, Score]:
    """The same text read in whatever form its final answer stands, and the headline score of that answer."""
    read = _read_leniently(rollout.response)
    return read, headline(task, _verified(task, rollout.example, read))


def _read_leniently(said: Response) -> Response:
    return replace(_located(read_any(said.text), said.frame), stop=said.stop, n_tokens=said.n_tokens)


def record(task: Task, rollout: Rollout, pictures: Path, step: int | None = None) -> dict[str, Any]:
    """An attempt as a row of attempts.jsonl. Pictures are kept under `pictures`, once each."""
    example, response, score = rollout.example, rollout.response, rollout.score
    read, forgiving = lenient(task, rollout)
    return {
        "task": task.name,
        "format": task.format.name,
        "mode": task.format.mode,
        "id": example.id,
        "step": step,
        "question": example.question,
        "media": [media.keep(medium, pictures) for medium in example.media],
        "clips": [medium.choice for medium in example.media if isinstance(medium, media.Video)],
        "gold": example.answer,
        "meta": {k: v for k, v in example.meta.items() if isinstance(v, str | int | float)},
        "text": response.text,
        "thought": response.thought,
        "said": response.answer,
        "boxes": None if response.boxes is None else [box.corners for box in response.boxes],
        "stop": response.stop,
        "n_tokens": response.n_tokens,
        "fault": response.fault,
        "value": score.value,
        "why": score.why,
        "parts": {name: {"value": part.value, "why": part.why} for name, part in score.parts.items()},
        "correct": headline(task, score).value,
        "lenient": {"value": forgiving.value, "said": read.answer, "why": forgiving.why},
        "by_steps": by_steps(response.text),
    }


def _verified(task: Task, example: Example, response: Response) -> Score:
    if response.stop == "unanswered":
        return Score(None, f"there is no answer to judge: {response.text}")
    return scored(task.verifier, example, response)


def lesson(task: Task, example: Example) -> Lesson:
    """The example's own steps and answer, as a model that obeys the task's format would write them.

    Raises InputError where there is no answer, or where it cannot be written in this format.
    """
    if example.answer is None:
        raise InputError(f"example {example.id} has no answer to teach; give it one or leave it out")
    try:
        text = task.format.write(example.steps, example.answer)
    except ValueError as error:
        raise InputError(f"example {example.id} cannot be written: {error}") from error
    return Lesson(example=example, format=task.format, text=text)
