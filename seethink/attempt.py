"""One attempt: prompt, completion, parse, verify. Only this module calls parse and then a verifier."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from seethink.boxes import write_places
from seethink.environment import complete
from seethink.formats import lists_several, read_any, stated
from seethink.markup import without_stop_tokens
from seethink.models.families import places_in_pixels
from seethink.types import (
    Completion,
    CoordinateFrame,
    Engine,
    Example,
    InputError,
    Messages,
    Response,
    Rollout,
    Sampling,
    Score,
    SFTExample,
    Task,
    assistant_prefill,
)
from seethink.verify import rules
from seethink.verify.combine import FirstOf, prefetch, scored


def attempt(
    engine: Engine, task: Task, examples: Sequence[Example], sampling: Sampling
) -> list[list[Rollout]]:
    """`sampling.n` rollouts of each example, in order."""
    prompts = [task.format.prompt(example) for example in examples]
    return judge_all(task, examples, prompts, complete(engine, task, examples, prompts, sampling))


def judge_all(
    task: Task,
    examples: Sequence[Example],
    prompts: Sequence[Messages],
    completions: Sequence[Sequence[Completion]],
) -> list[list[Rollout]]:
    """`judge` for all completions of each example's prompt, in order.

    A judge model in the task's verifier gets all its requests in one batch, those of `lenient` included.
    """
    parsed = [
        [_parse(task, example, completion, assistant_prefill(messages)) for completion in group]
        for example, messages, group in zip(examples, prompts, completions, strict=True)
    ]

    def pairs() -> Iterator[tuple[Example, Response]]:
        for example, responses in zip(examples, parsed, strict=True):
            for response in responses:
                if response.stop != "unanswered":
                    yield from ((example, response), (example, _parse_leniently(example, response)))

    prefetch(task.verifier, pairs())
    return [
        [Rollout(example, response, _verify(task, example, response)) for response in responses]
        for example, responses in zip(examples, parsed, strict=True)
    ]


def judge(task: Task, example: Example, completion: Completion, prefill: str = "") -> Rollout:
    """Parse a completion by the task's format and score it by the task's verifier.

    An exception of the verifier propagates, with a note that names the example.
    """
    response = _parse(task, example, completion, prefill)
    return Rollout(example, response, _verify(task, example, response))


def _parse(task: Task, example: Example, completion: Completion, prefill: str) -> Response:
    begun = "" if completion.earlier else prefill  # which the first turn continued
    response = task.format.parse(without_stop_tokens(begun + completion.text))
    return replace(
        _in_original_pixels(example, response, completion.frame),
        stop=completion.stop,
        n_tokens=completion.n_tokens,
        token_ids=completion.token_ids,
        logps=completion.logps,
        earlier=completion.earlier,
    )


def _in_original_pixels(example: Example, response: Response, frame: CoordinateFrame | None) -> Response:
    """The response with the boxes or points of its answer in pixels of the original picture."""
    boxes, points, answer = None, None, response.answer
    if answer is not None:
        answer = without_stop_tokens(answer)
        boxes, points = places_in_pixels(answer, frame, example.media)
    return replace(response, answer=answer, boxes=boxes, points=points, frame=frame)


def headline(task: Task, score: Score) -> Score:
    """The part of a score that is reported; the whole score if the verifier has no such part."""
    return score.parts.get(task.headline, score)


def lenient(task: Task, rollout: Rollout) -> tuple[Response, Score]:
    """The rollout's text read by the lenient reader, and the headline score of the answer found."""
    response = _parse_leniently(rollout.example, rollout.response)
    return response, headline(task, _verify(task, rollout.example, response))


def _parse_leniently(example: Example, strict: Response) -> Response:
    read = read_any(strict.text, lists_several(example.answer), sentences=True)
    response = _in_original_pixels(example, read, strict.frame)
    return replace(response, stop=strict.stop, n_tokens=strict.n_tokens)


def agreement(task: Task, rollout: Rollout) -> Score:
    """Whether the answer given is what the thought last states, by the task's rules with the answer given as
    the reference: no model is asked, and no code of a user's, which may find its reference elsewhere. None
    where one of the two is missing or cannot be compared."""
    response = rollout.response
    said = stated(response.thought or "")
    if said is None or response.answer is None:
        return Score(None, "the thought states no answer, or none is given")
    given = replace(rollout.example, answer=write_places(response.boxes, response.points) or response.answer)
    concluded = _in_original_pixels(given, replace(response, answer=said, fault=None), response.frame)
    score = FirstOf(rules(task.verifier, task.headline))(given, concluded)
    return Score(None, score.why) if score.unread else score


def _verify(task: Task, example: Example, response: Response) -> Score:
    if response.stop == "unanswered":
        return Score(None, f"there is no answer to judge: {response.text}")
    return scored(task.verifier, example, response)


def sft_example(task: Task, example: Example) -> SFTExample:
    """The example's own steps and answer as a reply in the task's format.

    Raises InputError if there is no answer, or if it cannot be written in this format.
    """
    if example.answer is None:
        raise InputError(f"{example.label} has no answer to teach; give it one or leave it out")
    try:
        text = task.format.write(example.steps, example.answer)
    except ValueError as error:
        raise InputError(f"{example.label} cannot be written: {error}") from error
    return SFTExample(example=example, format=task.format, text=text)
