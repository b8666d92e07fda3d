"""Many clients at once: nobody's answer is another's, who hangs up frees a place, and a server that ends
finishes what it accepted; one that is killed leaves errors, no silence."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from itertools import count
from pathlib import Path
from typing import Any

import aiohttp
import openai
import pytest

from seethink.engines.scripted import ScriptedEngine
from seethink.models.encoder import media_of
from seethink.serve.app import EventStream, Slot
from seethink.serve.scheduler import Accepted, CompletionJob, Ended
from seethink.types import Example, Sampling
from tests.serve.served import FORM, asked, body, plain, post, service_of, serving, sprout, user
from tests.serve.test_chat import EXAMPLES

CHAT = "/v1/chat/completions"


def _red(messages: Any) -> str:
    """The red and green of the picture's first pixel as a number: what only this picture tells."""
    (picture,) = (medium.load() for medium in media_of(messages))
    red, green, _ = picture.getpixel((0, 0))
    return f"</think><answer>{256 * red + green}</answer>"


def test_two_hundred_clients_get_the_answers_to_their_own_pictures() -> None:
    numbers = [7 * i + 3 for i in range(200)]
    with serving(service_of(ScriptedEngine(_red))) as server:

        async def ask(client: openai.AsyncOpenAI, number: int, stream: bool) -> str:
            messages = user(plain((number // 256, number % 256, 0)), "Which number?")
            answer = await client.chat.completions.create(model="sprout", messages=messages, stream=stream)
            if not stream:
                return answer.choices[0].message.content
            return "".join([c.delta.content or "" async for chunk in answer for c in chunk.choices])

        async def all_of_them() -> list[str]:
            async with openai.AsyncOpenAI(
                base_url=f"{server.url}/v1", api_key="x", max_retries=0, timeout=60
            ) as client:
                return await asyncio.gather(*(ask(client, n, n % 2 == 0) for n in numbers))

        assert asyncio.run(all_of_them()) == [str(number) for number in numbers]
        while server.service.running:  # a place is freed right after the last byte was sent
            time.sleep(0.02)
        metrics = post(server, "/metrics")[1]
    assert 'seethink_requests_total{route="/v1/chat/completions",status="200"} 200.0' in metrics
    assert "seethink_running_requests 0.0" in metrics


def test_rows_that_join_and_leave_a_running_batch_do_not_change_each_other() -> None:
    """Each example is asked in several lengths at shifted times; equal requests get equal answers."""
    server_engine = sprout()
    found: dict[tuple[int, int], set[str]] = {}
    rows = Counter[int]()
    service = service_of(server_engine)
    counted = service.scheduler.observer.stepped
    service.scheduler.observer.stepped = lambda n: (rows.update([n]), counted(n))[1]  # type: ignore[method-assign]
    with serving(service) as server:

        def ask(i: int, tokens: int, wait_s: float) -> None:
            time.sleep(wait_s)
            answer = post(server, CHAT, body(asked(EXAMPLES[i]), max_tokens=tokens))[1]
            message = answer["choices"][0]["message"]
            found.setdefault((i, tokens), set()).add(f"{message['reasoning']}|{message['content']}")

        threads = [
            threading.Thread(target=ask, args=[i, tokens, 0.05 * turn])
            for turn, (i, tokens) in enumerate([(i, t) for t in (60, 20, 90, 60, 20) for i in (0, 1, 2)])
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(found) == 9 and all(len(texts) == 1 for texts in found.values()), found
    for i in (0, 1, 2):
        (short,), (middle,), (long,) = (found[i, tokens] for tokens in (20, 60, 90))
        assert middle.startswith(short.rstrip("|")[:-1]) and long.startswith(middle.rstrip("|")[:-1])
    assert max(rows) > 1


def test_a_client_that_hangs_up_frees_its_rows() -> None:
    service = service_of(sprout())
    batch = service.scheduler.batch  # type: ignore[attr-defined]
    batch.encoder.eos_token_id, end = -1, batch.encoder.eos_token_id  # answers that do not end by themselves
    try:
        with serving(service) as server:

            async def hang_up(stream: bool) -> None:
                request = body(asked(EXAMPLES[0]), max_tokens=1_000, stream=stream, n=2, temperature=1)
                async with aiohttp.ClientSession() as session:
                    asking = asyncio.ensure_future(session.post(f"{server.url}{CHAT}", json=request))
                    while not batch.rows:
                        await asyncio.sleep(0.01)
                    asking.cancel()

            for stream in (False, True):
                asyncio.run(hang_up(stream))
                deadline = time.monotonic() + 20
                while (batch.rows or service.running) and time.monotonic() < deadline:
                    time.sleep(0.02)
                assert not batch.rows and not service.running
            assert service.metrics.cancelled._value.get() == 2
    finally:
        batch.encoder.eos_token_id = end


def test_a_failing_step_fails_the_rows_in_it_and_no_later_request(monkeypatch: pytest.MonkeyPatch) -> None:
    service = service_of(sprout())
    prefill = service.scheduler.engine.prefill
    with serving(service) as server:
        with monkeypatch.context() as patched:
            patched.setattr(prefill, "step", lambda *_: 1 / 0)
            status, answer = post(server, CHAT, body(asked(EXAMPLES[0])))
            assert (status, answer["error"]["code"]) == (500, "internal_error")
            ordinary, steps = type(prefill).step, count()
            patched.setattr(
                prefill, "step", lambda *given: 1 / 0 if next(steps) == 3 else ordinary(prefill, *given)
            )
            stream = post(server, CHAT, body(asked(EXAMPLES[0]), stream=True))[1]
            steps = count()
            with pytest.raises(openai.APIError, match="the server failed"):
                list(server.client().chat.completions.create(**body(asked(EXAMPLES[0]), stream=True)))
        events = [line for line in stream.splitlines() if line]
        assert events[-1] == "data: [DONE]" and events[-3] == "event: error"
        assert json.loads(events[-2].removeprefix("data: "))["error"]["code"] == "internal_error"
        assert post(server, CHAT, body(asked(EXAMPLES[0])))[0] == 200


def test_prompts_that_joined_before_one_failed_are_computed_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Prompts with and without a picture are computed apart; the second kind fails once."""
    scheduler: Any = service_of(sprout()).scheduler
    ordinary, calls, events = scheduler.batch._join, count(), []

    def failing(runs: Any) -> None:
        if next(calls) == 1:
            raise RuntimeError("no memory")
        ordinary(runs)

    monkeypatch.setattr(scheduler.batch, "_join", failing)
    for example in (Example("text", "How many?"), EXAMPLES[0]):
        scheduler.submit(CompletionJob(FORM.prompt(example), Sampling(max_tokens=3), events.append))
    while len(scheduler._ready) < 2:
        time.sleep(0.01)
    scheduler.start()
    scheduler.close()
    assert next(calls) == 4, "two together, then each by itself"
    assert [type(event) for event in events] == [Accepted] * 2 + [Ended] * 2


def test_a_client_that_reads_nothing_loses_its_place_at_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seethink.serve.app.LAST_WORDS_S", 0.05)
    service = service_of(ScriptedEngine(_red))

    async def never(*_: Any) -> Any:
        await asyncio.Event().wait()

    async def chunks() -> Any:
        yield b"data: 1\n\n"

    async def stream() -> None:
        slot = Slot(service)
        assert service.running == 1
        late = asyncio.get_running_loop().time() + 0.05
        sent = []

        async def send(message: Any) -> None:
            sent.append(message)
            if len(sent) > 1:
                await never()

        async with asyncio.timeout(10):
            await EventStream(slot, chunks(), b"data: 0\n\n", late)({}, never, send)

    asyncio.run(stream())
    assert service.running == 0


# Ending ---------------------------------------------------------------------------------------------------


@pytest.fixture
def process(tmp_path: Path) -> Any:
    """The command, on sprout, in a process of its own; (process, port)."""
    root = Path(__file__).parent.parent.parent
    command = [sys.executable, "-u", "-m", "seethink", "serve", "sprout", "--port", "0", "--format", "none"]
    environment = os.environ | {"PYTHONPATH": str(root), "COLUMNS": "200"}
    running = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment, cwd=tmp_path)
    port = 0
    while not port:
        line = running.stdout.readline()  # type: ignore[union-attr]
        assert line, "the server ended"
        if found := re.search(r"http://127\.0\.0\.1:(\d+)", line):
            port = int(found[1])
    yield running, port
    running.kill()
    running.wait()
    running.stdout.close()  # type: ignore[union-attr]


async def _wait_until_up(port: int) -> None:
    async with aiohttp.ClientSession() as session:
        for _ in range(600):
            try:
                async with session.get(f"http://127.0.0.1:{port}/health") as response:
                    assert response.status == 200
                    return
            except aiohttp.ClientError:
                await asyncio.sleep(0.1)
    raise AssertionError("the server did not come up")


async def _streams(port: int, n: int, at: int, begun: Any) -> list[str]:
    """How n streams end: "done", or the name of the error. begun: called when `at` of them have begun."""
    started = 0

    async def one(client: openai.AsyncOpenAI, i: int) -> str:
        nonlocal started
        try:
            stream = await client.chat.completions.create(
                model="sprout", messages=user(f"How many? {i}"), stream=True, max_tokens=300, seed=i
            )
            first = True
            async for chunk in stream:
                if first:
                    first, started = False, started + 1
                    if started == at:
                        begun()
                if any(choice.finish_reason for choice in chunk.choices):
                    return "done"
            return "ended without a finish_reason"
        except (openai.APIError, Exception) as error:
            return type(error).__name__

    async with openai.AsyncOpenAI(
        base_url=f"http://127.0.0.1:{port}/v1", api_key="x", max_retries=0, timeout=60
    ) as client:
        return await asyncio.gather(*(one(client, i) for i in range(n)))


def test_a_server_that_is_killed_leaves_its_clients_with_errors(process: Any) -> None:
    running, port = process
    asyncio.run(_wait_until_up(port))
    ends = asyncio.run(asyncio.wait_for(_streams(port, 50, 5, lambda: running.kill()), 60))
    assert "ended without a finish_reason" not in ends
    assert sum(end != "done" for end in ends) > 0, ends


def test_a_server_that_is_told_to_end_finishes_its_streams(process: Any) -> None:
    running, port = process
    asyncio.run(_wait_until_up(port))
    ends = asyncio.run(_streams(port, 8, 8, lambda: running.send_signal(signal.SIGTERM)))
    assert ends == ["done"] * 8
    running.wait(60)
