"""The chat engine on a vLLM server: the prompts are those of the local engine; whole chains run with it."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

from seethink import systems
from seethink.engines.base import Request, RequestFailed
from seethink.engines.chat import ChatEngine
from seethink.engines.http import RequestPolicy
from seethink.engines.local import LocalEngine
from seethink.media import Image
from seethink.models.names import SPROUT
from seethink.sources.handwritten import Pages
from seethink.sources.records import read
from seethink.synth.chain import Chain
from seethink.synth.draft import Draft
from seethink.synth.steps.answer import AnswerStep
from seethink.synth.steps.sample import SampleStep
from seethink.synth.synthesis import Synthesis, synthesise
from seethink.types import GREEDY, Completion, Example, InputError, Messages, Sampling
from tests.synth.rewriting_server import files, synth
from tests_vllm.models import QUESTIONS, clip, question
from tests_vllm.serving import CPU_OPTIONS, serving

KEY = "secret"
CONTEXT = 1024
"""Context length of the server in tokens, shorter than most steps request."""


@pytest.fixture(scope="module")
def url(tmp_path_factory) -> Iterator[str]:
    options = (
        "--served-model-name",
        "sprout",
        "--api-key",
        KEY,
        "--max-model-len",
        str(CONTEXT),
        *CPU_OPTIONS,
    )
    options += ("--structured-outputs-config", '{"backend": "xgrammar", "disable_any_whitespace": true}')
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OPENAI_API_KEY", KEY)
        with serving(SPROUT, tmp_path_factory.mktemp("teacher") / "log", *options) as url:
            yield url


@pytest.fixture(scope="module")
def local() -> LocalEngine:
    return LocalEngine.load("sprout")


def with_engine(url: str, use: Callable[[ChatEngine], Awaitable[Any]]) -> Any:
    async def run() -> Any:
        engine = await ChatEngine.open(url, policy=RequestPolicy(startup_timeout_s=0))
        try:
            return await use(engine)
        finally:
            await engine.close()

    return asyncio.run(run())


def request(messages: Messages, **fields: Any) -> Request:
    return Request("test", Example("1", "?"), "vision", messages, **fields)


def unexpected(kind: str, message: str) -> None:
    pytest.fail(f"{kind}: {message}")


def complete(url: str, *requests: Request) -> list[Completion]:
    async def use(engine: ChatEngine) -> list[Completion]:
        return await asyncio.gather(*(engine.complete(one, unexpected) for one in requests))

    return with_engine(url, use)


def answered(url: str) -> int:
    """Requests that the server has answered since its start."""
    with urlopen(f"{url.removesuffix('/v1')}/metrics") as response:
        metrics = response.read().decode()
    counts = re.findall(r"^vllm:request_success_total\{.*\} (\S+)$", metrics, re.MULTILINE)
    return round(sum(map(float, counts)))


def test_greedy_answers_and_prompts_are_those_of_the_local_engine(url, local) -> None:
    sampling = Sampling(temperature=0, max_tokens=12)
    prompts = local.encoder.prompts(list(QUESTIONS.values()))
    theirs = [some[0] for some in local.complete(prompts, sampling)]
    ours = complete(url, *(request(messages, sampling=sampling) for messages in QUESTIONS.values()))
    assert [reply.text for reply in ours] == [completion.text for completion in theirs]
    assert [reply.prompt_tokens for reply in ours] == [len(prompt.ids) for prompt in prompts]
    assert [reply.n_tokens for reply in ours] == [len(completion.token_ids) for completion in theirs]
    assert {reply.stop for reply in ours} <= {"stop", "length"}


def test_frames_of_a_clip_arrive_as_pictures_with_their_times(url, local, tmp_path) -> None:
    film = clip(tmp_path / "film.mp4")
    frames = film.load()
    parts = [
        part
        for i, time_s in enumerate(frames.times_s)
        for part in (f"{time_s:.1f} s: ", Image.drawn(f"frame {i}", lambda i=i: frames.pictures[i]))
    ]
    (reply,) = complete(url, request(question(film, "What happens?"), sampling=GREEDY))
    (prompt,) = local.encoder.prompts([question(*parts, "What happens?")])
    assert len(parts) == 8 and reply.prompt_tokens == len(prompt.ids)


def test_a_schema_is_obeyed_by_a_model_that_would_not(url) -> None:
    schema = {
        "type": "object",
        "properties": {"sure": {"enum": ["yes", "no"]}, "n": {"enum": [1, 2, 3]}},
        "required": ["sure", "n"],
        "additionalProperties": False,
    }
    (reply,) = complete(url, request(QUESTIONS["one picture"], schema=schema))
    content = json.loads(reply.text)
    assert content["sure"] in ("yes", "no") and content["n"] in (1, 2, 3)


def test_a_request_gets_as_many_tokens_as_fit_and_one_that_is_too_long_fails_alone(url) -> None:
    short = question("How many circles are there?")

    async def use(engine: ChatEngine) -> tuple[Completion, int]:
        longest = Sampling(temperature=1.0, max_tokens=CONTEXT - 1, seed=3)
        reply = await engine.complete(request(short, sampling=longest), lambda *_: None)
        with pytest.raises(RequestFailed, match="maximum context length"):
            await engine.complete(request(question("many " * CONTEXT)), lambda *_: None)
        return reply, engine.requests_without_limit

    reply, without_limit = with_engine(url, use)
    assert without_limit == 1 and 0 < reply.n_tokens <= CONTEXT - reply.prompt_tokens


def test_a_wrong_key_and_an_unknown_model_are_reported_when_the_engine_opens(url, monkeypatch) -> None:
    with pytest.raises(InputError, match="has no model other; it serves sprout"):
        with_engine(f"{url}#other", lambda engine: asyncio.sleep(0))
    monkeypatch.setenv("OPENAI_API_KEY", "another")
    with pytest.raises(InputError, match="wants the key in the environment variable OPENAI_API_KEY"):
        with_engine(url, lambda engine: asyncio.sleep(0))


@pytest.mark.parametrize("name", systems.chains())
def test_every_chain_accounts_for_all_examples_and_repeats_no_request(name, url, tmp_path, capsys) -> None:
    command = (name, "--data", "drawn:4", "--teacher", url, "--out", tmp_path)
    before = answered(url)
    assert synth(*command) == 0
    report = status(tmp_path, capsys)
    dropped = sum(end["examples"] for end in report["dropped"])
    assert (report["kept"] + dropped, report["failed"], report["pending"]) == (4, [], 0)
    assert answered(url) - before == report["spent"]["calls"] > 0
    rows = files(tmp_path)
    assert synth(*command) == 0
    assert files(tmp_path) == rows and answered(url) - before == report["spent"]["calls"]


def test_right_samples_of_the_model_become_rows_and_wrong_ones_do_not(url, tmp_path) -> None:
    """Rejection sampling of `sprout` on pages like those of its training."""
    steps = (SampleStep(paths=8, retries=0, sampling=Sampling(temperature=0.8, max_tokens=400)), AnswerStep())
    chain = Chain("mined", "Right samples alone.", steps, right)

    async def teachers() -> Any:
        return dict.fromkeys(("vision", "text", "judge"), await ChatEngine.open(url))

    job = Synthesis(chain, Pages(12, "test"), "pages", teachers, tmp_path)
    result, written = synthesise(job)
    assert result.kept + sum(result.dropped.values()) == 12 and not result.failed
    rows = read(tmp_path / "rows" / "data.jsonl")
    golds = {example.id: example.answer for example in job.examples}
    assert len(rows) == written.rows["data"] >= 5
    assert {row.id.rpartition("/")[0] for row in rows} <= set(golds) and all(row.steps for row in rows)


def right(draft: Draft) -> Iterator[tuple[str, Example]]:
    for number, path in enumerate(draft.paths):
        if path.correct:
            example = draft.example
            assert path.answer == example.answer
            yield (
                "data",
                Example(
                    f"{example.id}/{number}",
                    example.question,
                    example.media,
                    example.answer,
                    steps=path.steps,
                ),
            )


def status(out: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    capsys.readouterr()
    assert synth("status", out, "--json") == 0
    return json.loads(capsys.readouterr().out)
