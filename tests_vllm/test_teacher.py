"""A teacher on a vLLM server: what it is asked is what the local model is asked, and whole chains of it."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

from seethink.engines.chat import ChatTeacher, Terms
from seethink.engines.local import LocalEngine
from seethink.engines.teacher import Call, Reply, Unanswered
from seethink.families import SPROUT
from seethink.media import Image
from seethink.sources.handwritten import Pages
from seethink.sources.records import read
from seethink.synth.chain import Chain
from seethink.synth.chains import CHAINS
from seethink.synth.draft import Draft
from seethink.synth.run import Synthesis, synthesise
from seethink.synth.steps.answer import Answer
from seethink.synth.steps.sample import Sample
from seethink.types import GREEDY, Example, InputError, Messages, Sampling
from tests.synth.rewriter import files, synth
from tests_vllm.models import QUESTIONS, clip, question
from tests_vllm.serving import WHOLE, serving

KEY = "of-the-tests"
CONTEXT = 1024
"""Of the server, in tokens: less than most steps ask for, so that they get as many as fit."""


@pytest.fixture(scope="module")
def url(tmp_path_factory) -> Iterator[str]:
    options = ("--served-model-name", "sprout", "--api-key", KEY, "--max-model-len", str(CONTEXT), *WHOLE)
    options += ("--structured-outputs-config", '{"backend": "xgrammar", "disable_any_whitespace": true}')
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OPENAI_API_KEY", KEY)
        with serving(SPROUT, tmp_path_factory.mktemp("teacher") / "log", *options) as url:
            yield url


@pytest.fixture(scope="module")
def local() -> LocalEngine:
    return LocalEngine.load("sprout")


def asked(url: str, use: Callable[[ChatTeacher], Awaitable[Any]]) -> Any:
    async def whole() -> Any:
        teacher = await ChatTeacher.open(url, terms=Terms(wait_s=0))
        try:
            return await use(teacher)
        finally:
            await teacher.close()

    return asyncio.run(whole())


def call(messages: Messages, **more: Any) -> Call:
    return Call("test", Example("1", "?"), "see", messages, **more)


def unexpected(kind: str, told: str) -> None:
    pytest.fail(f"{kind}: {told}")


def answers(url: str, *calls: Call) -> list[Reply]:
    async def use(teacher: ChatTeacher) -> list[Reply]:
        return await asyncio.gather(*(teacher.answer(one, unexpected) for one in calls))

    return asked(url, use)


def answered(url: str) -> int:
    """How many requests the server has answered since it was started."""
    with urlopen(f"{url.removesuffix('/v1')}/metrics") as told:
        found = re.findall(r"^vllm:request_success_total\{.*\} (\S+)$", told.read().decode(), re.MULTILINE)
    return round(sum(map(float, found)))


def test_greedy_answers_and_prompts_are_those_of_the_local_engine(url, local) -> None:
    sampling = Sampling(temperature=0, max_tokens=12)
    prompts = local.encoder.prompts(list(QUESTIONS.values()))
    theirs = [some[0] for some in local.complete(prompts, sampling)]
    ours = answers(url, *(call(messages, sampling=sampling) for messages in QUESTIONS.values()))
    assert [reply.text for reply in ours] == [completion.text for completion in theirs]
    assert [reply.prompt_tokens for reply in ours] == [len(prompt.ids) for prompt in prompts]
    assert [reply.tokens for reply in ours] == [len(completion.token_ids) for completion in theirs]
    assert {reply.stop for reply in ours} <= {"stop", "length"}


def test_frames_of_a_clip_arrive_as_pictures_with_their_times(url, local, tmp_path) -> None:
    film = clip(tmp_path / "film.mp4")
    frames = film.load()
    told = [
        part
        for i, time_s in enumerate(frames.times_s)
        for part in (f"{time_s:.1f} s: ", Image.drawn(f"frame {i}", lambda i=i: frames.pictures[i]))
    ]
    (reply,) = answers(url, call(question(film, "What happens?"), sampling=GREEDY))
    (prompt,) = local.encoder.prompts([question(*told, "What happens?")])
    assert len(told) == 8 and reply.prompt_tokens == len(prompt.ids)


def test_a_schema_is_obeyed_by_a_model_that_would_not(url) -> None:
    schema = {
        "type": "object",
        "properties": {"sure": {"enum": ["yes", "no"]}, "n": {"enum": [1, 2, 3]}},
        "required": ["sure", "n"],
        "additionalProperties": False,
    }
    (reply,) = answers(url, call(QUESTIONS["one picture"], schema=schema))
    told = json.loads(reply.text)
    assert told["sure"] in ("yes", "no") and told["n"] in (1, 2, 3)


def test_a_call_gets_as_many_tokens_as_fit_and_one_that_is_too_long_fails_alone(url) -> None:
    begun = question("How many circles are there?")

    async def use(teacher: ChatTeacher) -> tuple[Reply, int]:
        longest = Sampling(temperature=1.0, max_tokens=CONTEXT - 1, seed=3)
        reply = await teacher.answer(call(begun, sampling=longest), lambda *told: None)
        with pytest.raises(Unanswered, match="maximum context length"):
            await teacher.answer(call(question("many " * CONTEXT)), lambda *told: None)
        return reply, teacher.limitless

    reply, limitless = asked(url, use)
    assert limitless == 1 and 0 < reply.tokens <= CONTEXT - reply.prompt_tokens


def test_a_wrong_key_and_an_unknown_model_are_told_at_once(url, monkeypatch) -> None:
    with pytest.raises(InputError, match="has no model other; it serves sprout"):
        asked(f"{url}#other", lambda teacher: asyncio.sleep(0))
    monkeypatch.setenv("OPENAI_API_KEY", "another")
    with pytest.raises(InputError, match="wants the key in the environment variable OPENAI_API_KEY"):
        asked(url, lambda teacher: asyncio.sleep(0))


@pytest.mark.parametrize("name", CHAINS)
def test_every_chain_accounts_for_all_it_was_given_and_asks_nothing_twice(
    name, url, tmp_path, capsys
) -> None:
    command = (name, "--data", "drawn:4", "--teacher", url, "--out", tmp_path)
    before = answered(url)
    assert synth(*command) == 0
    told = status(tmp_path, capsys)
    dropped = sum(end["examples"] for end in told["dropped"])
    assert (told["kept"] + dropped, told["failed"], told["pending"]) == (4, [], 0)
    assert answered(url) - before == told["spent"]["calls"] > 0
    rows = files(tmp_path)
    assert synth(*command) == 0
    assert files(tmp_path) == rows and answered(url) - before == told["spent"]["calls"]


def test_what_the_model_can_do_becomes_rows_and_what_it_gets_wrong_does_not(url, tmp_path) -> None:
    """Rejection sampling of `sprout` on the pages that it was raised on."""
    steps = (Sample(paths=8, retries=0, sampling=Sampling(temperature=0.8, max_tokens=400)), Answer())
    chain = Chain("mined", "Right samples alone.", steps, right)

    async def teachers() -> Any:
        return dict.fromkeys(("see", "reason", "judge"), await ChatTeacher.open(url))

    job = Synthesis(chain, Pages(12, "test"), "pages", teachers, tmp_path)
    told, written = synthesise(job)
    assert told.kept + sum(told.dropped.values()) == 12 and not told.failed
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
