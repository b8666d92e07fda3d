"""vLLM behind the endpoint: micro-batches, the local engine's greedy answers, and counted prompts."""

from __future__ import annotations

import threading
from typing import Any

from seethink.engines.local import LocalEngine
from seethink.engines.vllm import VllmEngine
from seethink.models.loading import load_encoder
from tests.serve.served import FORM, asked, body, post, service_of, serving
from tests.serve.test_chat import EXAMPLES
from tests_vllm.test_in_process import MEMORY

CHAT = "/v1/chat/completions"


def _answers(engine: Any) -> list[Any]:
    """Message and usage of each example, all asked at once."""
    found: dict[int, Any] = {}
    with serving(service_of(engine, form=FORM)) as server:

        def ask(i: int) -> None:
            status, answer = post(server, CHAT, body(asked(EXAMPLES[i]), max_tokens=24))
            assert status == 200, answer
            found[i] = answer["choices"][0]["message"], answer["usage"]

        threads = [threading.Thread(target=ask, args=[i]) for i in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert (post(server, CHAT, body(logprobs=True))[0] == 400) is isinstance(engine, VllmEngine)
    return [found[i] for i in range(4)]


def test_vllm_serves_the_local_engines_answers() -> None:
    encoder, _ = load_encoder("sprout")
    engine = VllmEngine("sprout", encoder, "float32", MEMORY)
    try:
        assert _answers(engine) == _answers(LocalEngine.load("sprout"))
    finally:
        engine.close()
