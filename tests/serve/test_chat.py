"""Chat completions through the openai SDK: answers, streams, log-probabilities, equal to the local engine."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import openai
import pytest

from seethink.attempt import attempt
from seethink.engines.continuous import ContinuousBatch
from seethink.formats.parts import thought_and_content
from seethink.media import Image
from seethink.sources import drawn
from seethink.sources.handwritten import Pages
from seethink.types import Example, Response, Sampling, Score, Task
from tests.serve.served import FORM, Served, asked, plain, png, post, service_of, serving, sprout, user

EXAMPLES = drawn.by_name("counting", 6)


@cache
def thoughtful() -> Example:
    """An easy example that sprout thinks about at length, at temperature 0."""
    easy = drawn.by_name("counting", 6, level=1)
    local = _local(easy, Sampling(temperature=0, max_tokens=200))
    return next(
        example
        for example, (text,) in zip(easy, local, strict=True)
        if len(thought_and_content(FORM, text)[0]) > 40
    )


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    with serving(service_of(sprout())) as server:
        yield server


def _unjudged(example: Example, response: Response) -> Score:
    return Score(None)


def _stored(picture: Any) -> Image:
    """The picture as the server gets it: random streams depend on it."""
    return Image.data(png(picture.load()), "a picture")


def _local(examples: Any, sampling: Sampling) -> list[list[str]]:
    examples = [replace(example, media=tuple(map(_stored, example.media))) for example in examples]
    task = Task("t", examples, FORM, _unjudged)
    rollouts = attempt(sprout(), task, list(examples), sampling)
    return [[rollout.response.text for rollout in group] for group in rollouts]


def test_served_equals_local_at_temperature_0(served: Served) -> None:
    client, texts = served.client(), {}

    def ask(i: int) -> None:
        answer = client.chat.completions.create(
            model="sprout", messages=asked(EXAMPLES[i]), temperature=0, max_tokens=200
        )
        (choice,) = answer.choices
        texts[i] = choice.message.reasoning_content or "", choice.message.content

    threads = [threading.Thread(target=ask, args=[i]) for i in range(len(EXAMPLES))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    local = _local(EXAMPLES, Sampling(temperature=0, max_tokens=200))
    assert [texts[i] for i in range(len(EXAMPLES))] == [thought_and_content(FORM, text) for (text,) in local]
    assert len({text for (text,) in local}) > 3


def test_a_seeded_sample_is_the_local_engines_and_choices_differ(served: Served) -> None:
    sampling = Sampling(3, 1.0, 0.9, 20, 60, seed=11)
    answer = served.client().chat.completions.create(
        model="sprout",
        messages=asked(EXAMPLES[0]),
        n=3,
        seed=11,
        top_p=0.9,
        max_tokens=60,
        extra_body={"top_k": 20},
    )
    ((*local,),) = _local([EXAMPLES[0]], sampling)
    read = [thought_and_content(FORM, text) for text in local]
    assert [(c.message.reasoning or "", c.message.content) for c in answer.choices] == read
    assert [choice.index for choice in answer.choices] == [0, 1, 2]
    assert len(set(local)) == 3


def test_a_stream_comes_token_by_token_and_is_the_whole_answer(served: Served) -> None:
    client, messages = served.client(), asked(thoughtful())
    common = {"model": "sprout", "messages": messages, "temperature": 0, "max_tokens": 200}
    whole = client.chat.completions.create(**common)
    stream = client.chat.completions.create(**common, stream=True, stream_options={"include_usage": True})
    chunks = list(stream)
    deltas = [choice.delta for chunk in chunks for choice in chunk.choices]
    thought = "".join(getattr(delta, "reasoning_content", None) or "" for delta in deltas)
    content = "".join(delta.content or "" for delta in deltas)
    message = whole.choices[0].message
    assert (thought, content) == (message.reasoning_content, message.content)
    assert "".join(getattr(delta, "reasoning", None) or "" for delta in deltas) == thought
    assert sum(bool(getattr(delta, "reasoning", None)) for delta in deltas) > 5
    assert [c.finish_reason for chunk in chunks for c in chunk.choices if c.finish_reason] == ["stop"]
    assert chunks[-1].choices == [] and chunks[-1].usage == whole.usage
    assert all(chunk.usage is None for chunk in chunks[:-1])
    assert deltas[0].role == "assistant"


def test_several_choices_are_streamed_side_by_side(served: Served) -> None:
    common = {"model": "sprout", "messages": asked(EXAMPLES[4]), "n": 3, "seed": 2, "max_tokens": 60}
    client, texts, order = served.client(), {}, []
    for chunk in client.chat.completions.create(**common, stream=True):
        for choice in chunk.choices:
            thought = getattr(choice.delta, "reasoning", None) or ""
            texts[choice.index] = texts.get(choice.index, "") + thought + (choice.delta.content or "")
            order.append(choice.index)
    whole = client.chat.completions.create(**common).choices
    assert [texts[c.index] for c in whole] == [(c.message.reasoning or "") + c.message.content for c in whole]
    assert order[:12] != sorted(order[:12]) and set(order) == {0, 1, 2}


def test_a_model_whose_cache_takes_no_more_rows_is_served_in_micro_batches(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ContinuousBatch, "of", lambda engine: None)
    messages = asked(EXAMPLES[5])
    common = {"model": "sprout", "messages": messages, "temperature": 0, "max_tokens": 60}
    joined = served.client().chat.completions.create(**common)
    with serving(service_of(sprout())) as server:
        client = server.client()
        whole = client.chat.completions.create(**common)
        chunks = list(client.chat.completions.create(**common, stream=True))
        common["max_tokens"] = 1_000
        too_long = common | {"messages": [*user("many " * 3_500), *messages]}
        with pytest.raises(openai.BadRequestError, match="context is 4,096"):
            client.chat.completions.create(**too_long)
    with pytest.raises(openai.BadRequestError, match="context is 4,096"):
        served.client().chat.completions.create(**too_long)
    assert whole.usage == joined.usage
    assert whole.choices[0].message == joined.choices[0].message
    thought = "".join(getattr(c.delta, "reasoning", None) or "" for chunk in chunks for c in chunk.choices)
    assert thought == joined.choices[0].message.reasoning


def test_the_example_of_the_page_runs(served: Served, tmp_path: Path) -> None:
    page = (Path(__file__).parent.parent.parent / "docs" / "serving.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    Pages(1)[0].media[0].load().save(tmp_path / "page.png")
    code = block.replace("http://127.0.0.1:8000", served.url)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0 and "->" in done.stdout, done.stderr


def test_logprobs_are_those_of_the_model_and_cover_every_token(served: Served) -> None:
    common = {
        "model": "sprout",
        "messages": asked(thoughtful()),
        "max_tokens": 12,
        "temperature": 0,
        "logprobs": True,
        "top_logprobs": 3,
    }
    client = served.client()
    whole = client.chat.completions.create(**common)
    (choice,) = whole.choices
    tokens = choice.logprobs.content
    assert len(tokens) == whole.usage.completion_tokens > 3
    for token in tokens:
        assert len(token.top_logprobs) == 3
        assert token.logprob <= token.top_logprobs[0].logprob <= 0
        assert token.bytes == list(token.token.encode())
    streamed = [
        token
        for chunk in client.chat.completions.create(**common, stream=True)
        for part in chunk.choices
        for token in (part.logprobs.content if part.logprobs else ())
    ]
    assert [token.token for token in streamed] == [token.token for token in tokens]
    assert "".join(token.token for token in tokens).strip().startswith(choice.message.reasoning[:9])


def test_a_stop_text_ends_the_answer_before_it(served: Served) -> None:
    client, messages = served.client(), asked(thoughtful())
    common = {"model": "sprout", "messages": messages, "temperature": 0, "max_tokens": 200}
    whole = client.chat.completions.create(**common).choices[0].message.reasoning_content
    stop = whole[len(whole) // 2 :][:5]
    cut = whole[: whole.index(stop)].strip()
    for stream in (False, True):
        answer = client.chat.completions.create(**common, stop=[stop, "never"], stream=stream)
        if stream:
            choices = [choice for chunk in answer for choice in chunk.choices]
            thought = "".join(getattr(choice.delta, "reasoning", None) or "" for choice in choices)
            ended = choices[-1].finish_reason
        else:
            thought, ended = answer.choices[0].message.reasoning, answer.choices[0].finish_reason
        assert (thought, ended) == (cut, "stop")


def test_several_pictures_and_an_earlier_answer_under_either_name(served: Served) -> None:
    def ask(**earlier: str) -> Any:
        messages = [
            *user(plain("red"), "How many?"),
            {"role": "assistant", "content": "3", **earlier},
            *user("And here?", plain("white"), plain("blue")),
        ]
        answer = served.client().chat.completions.create(
            model="sprout", messages=messages, temperature=0, max_tokens=20, logprobs=True
        )
        tokens = [(t.token, round(t.logprob, 3)) for t in answer.choices[0].logprobs.content]
        return answer.usage.prompt_tokens, tokens

    assert ask(reasoning="one two three") == ask(reasoning_content="one two three") != ask()


def test_a_clip_as_frames_and_the_responses_endpoint(served: Served) -> None:
    frames = {"type": "video", "video": [plain("red"), plain("blue"), plain("red"), plain("blue")], "fps": 2}
    message = {"role": "user", "content": [frames, {"type": "text", "text": "What changes?"}]}
    status, answer = post(
        served, "/v1/chat/completions", {"model": "sprout", "messages": [message], "max_tokens": 5}
    )
    assert status == 200 and answer["usage"]["completion_tokens"] == 5
    client, local = served.client(), _local(EXAMPLES, Sampling(temperature=0, max_tokens=200))
    reads = [FORM.parse(text) for (text,) in local]
    example, read = next(pair for pair in zip(EXAMPLES, reads, strict=True) if pair[1].answer)
    content = [
        {"type": "input_image", "image_url": part["image_url"]["url"]}
        if part["type"] == "image_url"
        else {"type": "input_text", "text": part["text"]}
        for part in asked(example)[0]["content"]
    ]
    common = {
        "model": "sprout",
        "input": [{"role": "user", "content": content}],
        "temperature": 0,
        "max_output_tokens": 200,
    }
    response = client.responses.create(**common)
    assert response.output_text == read.answer and response.status == "completed"
    assert response.output[0].content[0].text == read.thought
    events = list(client.responses.create(**common, stream=True))
    assert "".join(e.delta for e in events if e.type == "response.output_text.delta") == read.answer
    assert events[0].type == "response.created" and events[-1].type == "response.completed"
    assert events[-1].response.output_text == read.answer
    assert [event.sequence_number for event in events] == list(range(len(events)))
