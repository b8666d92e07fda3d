"""The summary agent answers from a sound chain and on its own from a flawed one, and never blind."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import PIL.Image
import pytest
import torch
from peft import LoraConfig

from seethink.engines.local import LocalEngine
from seethink.engines.scripted import ScriptedEngine
from seethink.evaluate.evaluate import evaluate
from seethink.formats import THINK_ANSWER
from seethink.formats.agents import SUMMARY_PROMPT
from seethink.media import Image
from seethink.solve import DescribeFirst, TwoAgents, by_name
from seethink.solve.second_engine import engine_of
from seethink.types import Completion, Example, InputError, Messages, Sampling, Task
from seethink.verify import same_number
from tests import tiny

PICTURE = Image.drawn("p", lambda: PIL.Image.linear_gradient("L").resize((84, 56)).convert("RGB"))
EXAMPLES = [Example(str(i), f"How many in {i}?", (PICTURE,), answer="7") for i in range(2)]
TASK = Task("t", EXAMPLES, THINK_ANSWER, same_number)


def text_of(messages: Messages) -> str:
    return "".join(part.get("text", "") for message in messages for part in message["content"])


def agents(messages: Messages) -> str:
    """The reasoning agent errs about the second question; the summary agent knows a flawed chain when it
    reads one."""
    text = text_of(messages)
    if SUMMARY_PROMPT not in text:
        return (
            f"<think>I see {7 if 'in 0' in text else 9}.</think><answer>{7 if 'in 0' in text else 9}</answer>"
        )
    assert "<answer>" not in text, "the chain comes without the agent's answer"
    return (
        "All seven were counted.\nAnswer: 7"
        if "I see 7" in text
        else "There are seven in the picture.\nAnswer: 7"
    )


def test_sound_chains_are_followed_and_flawed_ones_overruled() -> None:
    engine = ScriptedEngine(agents)
    sound, flawed = (one for (one,) in TwoAgents()(engine, TASK, EXAMPLES))
    for one in (sound, flawed):
        assert one.response.answer == "7" and one.score.value == 1.0 and one.response.fault is None
        assert [part.name for part in one.parts] == ["chain", "summary"]
        assert one.usage is not None and one.usage.calls == 2
    assert (sound.parts[0].value, flawed.parts[0].value) == (1.0, 0.0)
    assert sound.response.thought == "I see 7. All seven were counted."


def test_followed_and_overruled_chains_are_counted(tmp_path: Path) -> None:
    """The agent of this test follows every sound chain; of flawed ones it mends that of question 1 and
    follows that of question 2."""
    examples = [Example(str(i), f"How many in {i}?", answer="7") for i in range(3)]
    said = {"0": "7", "1": "9", "2": "9"}

    def both(messages: Messages) -> str:
        text = text_of(messages)
        number = next(i for i in said if f"in {i}" in text)
        if SUMMARY_PROMPT not in text:
            return f"<think>I see {said[number]}.</think><answer>{said[number]}</answer>"
        return "Seen.\nAnswer: 9" if number == "2" else "Seen.\nAnswer: seven"

    task = Task("t", examples, THINK_ANSWER, same_number)
    rows = evaluate(ScriptedEngine(both), [task], TwoAgents(), tmp_path / "a", tmp_path / "media")["t"]
    assert rows["chains"] == {
        "sound": {"n": 1, "followed": 1, "overruled": 0, "right": 1},
        "flawed": {"n": 2, "followed": 1, "overruled": 1, "right": 1},
        "unjudged": 0,
    }
    direct = evaluate(ScriptedEngine(both), [task], by_name("direct"), tmp_path / "b", tmp_path / "media")
    assert "chains" not in direct["t"]


def test_both_agents_see_the_picture_and_the_summary_agent_the_chain_in_its_field() -> None:
    engine = ScriptedEngine(agents)
    TwoAgents()(engine, TASK, EXAMPLES[:1])
    for messages in engine.conversations:
        assert [p for m in messages for p in m["content"] if p["type"] == "image"] == [
            {"type": "image", "image": PICTURE}
        ]
    assert "QUESTION: How many in 0?\n\nREASON PROCESS:\nI see 7." in text_of(engine.conversations[1])


def test_a_chain_that_cannot_be_read_is_given_whole() -> None:
    engine = ScriptedEngine(lambda m: "Answer: 7" if SUMMARY_PROMPT in text_of(m) else "seven <image> it is")
    ((one,),) = TwoAgents()(engine, TASK, EXAMPLES[:1])
    assert "REASON PROCESS:\nseven [image] it is" in text_of(engine.conversations[1])
    assert one.response.answer == "7"


def test_a_summary_in_the_tasks_own_format_is_read_too_and_an_unreadable_one_is_a_fault() -> None:
    for said, answer in (("<think>x</think><answer>7</answer>", "7"), ("no idea", None)):
        engine = ScriptedEngine(
            lambda m, said=said: said if SUMMARY_PROMPT in text_of(m) else "<think>a</think>"
        )
        ((one,),) = TwoAgents()(engine, TASK, EXAMPLES[:1])
        assert one.response.answer == answer and (one.response.fault is None) == (answer is not None)


def test_an_unanswered_chain_is_not_summarised() -> None:
    class Down(ScriptedEngine):
        def _complete(self, messages: Messages) -> Completion:
            super()._complete(messages)
            return Completion("500: down", "unanswered")

    engine = Down(lambda messages: "")
    rollouts = TwoAgents()(engine, TASK, EXAMPLES)
    assert [one.score.value for (one,) in rollouts] == [None, None] and len(engine.conversations) == 2
    assert [one.score.value for (one,) in DescribeFirst()(engine, TASK, EXAMPLES)] == [None, None]


# Adapters -----------------------------------------------------------------------------------------------


def engine() -> LocalEngine:
    model = tiny.qwen2_vl()
    return LocalEngine(model, tiny.encoder(model))


def adapter(folder: Path, seed: int, target: str = "q_proj") -> str:
    model = tiny.qwen2_vl()
    model.add_adapter(LoraConfig(r=2, target_modules=rf".*language_model.*\.{target}"))
    torch.manual_seed(seed)
    for name, weight in model.named_parameters():
        if "lora_" in name:
            torch.nn.init.normal_(weight, std=0.8)
    model.save_pretrained(folder)
    return str(folder)


GREEDY = Sampling(temperature=0.0, max_tokens=6)


def test_two_adapters_share_one_base_and_each_agent_has_its_own(tmp_path: Path) -> None:
    """Switched in place, an adapter gives what a model with that adapter alone gives; the picture is encoded
    once for both."""
    reasoning, summary = adapter(tmp_path / "r", 1), adapter(tmp_path / "s", 2)
    prompt = THINK_ANSWER.prompt(EXAMPLES[0])
    alone = {}
    for folder in ("", reasoning, summary):
        one = engine()
        one.use_adapter(folder)
        alone[folder] = one.generate([prompt], GREEDY)[0][0].token_ids
    assert len(set(alone.values())) == 3
    switching = engine()
    with switching.reuse():
        for folder in (reasoning, summary, "", summary, reasoning, ""):
            switching.use_adapter(folder)
            assert switching.generate([prompt], GREEDY)[0][0].token_ids == alone[folder]
    assert switching.prefill.counted.pictures_encoded == 1
    solver = TwoAgents(reasoning, summary, max_summary_tokens=4, sampling=GREEDY)
    ((rollout,),) = solver(switching, TASK, EXAMPLES[:1])
    assert rollout.parts[0].text == switching.encoder.decode(alone[reasoning])
    assert rollout.usage is not None and rollout.usage.pictures_encoded == 1
    assert switching.generate([prompt], GREEDY)[0][0].token_ids == alone[""], "no adapter is left on"


def test_what_is_no_adapter_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no adapter_config\.json"):
        engine().use_adapter(str(tmp_path))
    with pytest.raises(InputError, match=r"needs an engine that switches adapters.*ScriptedEngine"):
        TwoAgents("some/where")(ScriptedEngine(agents), TASK, EXAMPLES)
    with pytest.raises(InputError, match=r"solver two_agents: summary_adapter=a: leave it out"):
        by_name("two_agents:summary_adapter=a,summary_model=b")
    with pytest.raises(InputError, match="unknown format 'rhyme'"):
        by_name("two_agents:summary_format=rhyme")


# Descriptions -------------------------------------------------------------------------------------------


def describing(messages: Messages) -> str:
    text = text_of(messages)
    return "seven <image> cells" if text == "Describe the picture." else "<think>a</think><answer>7</answer>"


@pytest.mark.parametrize("show_picture", [True, False])
def test_the_description_is_at_hand_with_the_picture_or_instead_of_it(show_picture: bool) -> None:
    scripted = ScriptedEngine(describing)
    examples = [*EXAMPLES[:1], Example("t", "2 + 5?", answer="7")]
    first, text_only = (one for (one,) in DescribeFirst(show_picture=show_picture)(scripted, TASK, examples))
    _, asked, plain = scripted.conversations
    assert "seven [image] cells" in text_of(asked) and "How many in 0?" in text_of(asked)
    assert any(part["type"] == "image" for part in asked[0]["content"]) is show_picture
    assert plain == THINK_ANSWER.prompt(examples[1]), "without media there is nothing to describe"
    assert [part.name for part in first.parts] == ["description"] and text_only.parts == ()
    assert first.example is examples[0] and first.usage is not None and first.usage.calls == 2


def test_the_picture_is_encoded_once_for_description_and_answer() -> None:
    one = engine()
    solver = by_name("describe_first:max_tokens=4,max_description_tokens=4")
    ((rollout,),) = solver(one, TASK, EXAMPLES[:1])
    assert rollout.usage is not None and rollout.usage.pictures_encoded == 1


def test_threads_take_turns_with_a_second_model_that_is_loaded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    inside, most, loaded = [], [], []

    def slow(messages: Messages) -> str:
        inside.append(1)
        most.append(len(inside))
        time.sleep(0.01)
        inside.pop()
        return "yes"

    def load(name: str) -> ScriptedEngine:
        time.sleep(0.05)
        loaded.append(name)
        return ScriptedEngine(slow)

    monkeypatch.setattr(LocalEngine, "load", load)
    question = [[{"role": "user", "content": [{"type": "text", "text": "?"}]}]]

    def ask(_: int) -> None:
        engine_of("a second model", ScriptedEngine(agents)).generate(question * 2, Sampling())

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(ask, range(4)))
    assert loaded == ["a second model"] and most == [1] * 8
