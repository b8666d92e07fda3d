"""Four turns: greedy at width 1, beams above it, prompt and pictures computed once; searches over stages."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace

import PIL.Image
import pytest

from seethink.engines.local import LocalEngine
from seethink.engines.scripted import ScriptedEngine
from seethink.formats import ANSWER_ONLY, STAGED, THINK_ANSWER
from seethink.formats.messages import chat_message
from seethink.formats.turns import STAGES, stage_requests
from seethink.media import Image
from seethink.solve import SOLVERS, Stages, StepBeam, by_name
from seethink.types import Completion, Example, InputError, Messages, RolloutUsage, Sampling, Task, Turn
from seethink.verify import same_number
from tests import tiny

PICTURE = Image.drawn("p", lambda: PIL.Image.linear_gradient("L").resize((84, 56)).convert("RGB"))
EXAMPLES = [
    Example("0", "How many?", (PICTURE,), answer="7"),
    Example(
        "1",
        "And <image> here?",
        (PICTURE,),
        answer="3",
        history=(Turn("user", "Hi."), Turn("assistant", "Yes?")),
    ),
    Example("2", "What is 2 + 2?\nA. 3\nB. 4", answer="B"),
]


def task(form=THINK_ANSWER) -> Task:
    return Task("t", EXAMPLES, form, same_number)


def tiny_engine(eos: float = 2.5) -> LocalEngine:
    model = tiny.qwen2_vl(max_position_embeddings=2048)
    bias = [0.0] * model.config.text_config.vocab_size
    bias[tiny.processor().tokenizer.eos_token_id] = eos
    model.lm_head.bias = tiny.torch.nn.Parameter(tiny.torch.tensor(bias))
    return LocalEngine(model, tiny.encoder(model))


def last_text(messages: Messages) -> str:
    return "".join(part.get("text", "") for part in messages[-1]["content"])


REPLIES = ["I count.", "There are seven.", "Seven cells.", "7"]


def scripted() -> ScriptedEngine:
    return ScriptedEngine(
        lambda messages: REPLIES[sum(m["role"] == "assistant" for m in messages) - _begun(messages)]
    )


def _begun(messages: Messages) -> int:
    return int(any(last_text([m]) == "Yes?" for m in messages))


# Four turns ---------------------------------------------------------------------------------------------


def test_four_turns_are_asked_in_one_conversation_and_written_in_the_tasks_format() -> None:
    engine = scripted()
    rollouts = Stages()(engine, task(STAGED), EXAMPLES)
    for (one,), example in zip(rollouts, EXAMPLES, strict=True):
        assert one.example is example
        assert one.response.text == STAGED.write(REPLIES[:3], "7") and one.response.fault is None
        assert [part.text for part in one.parts] == REPLIES and [part.name for part in one.parts] == [*STAGES]
        assert one.usage is not None and one.usage.calls == 4
        assert one.response.n_tokens == one.usage.tokens_sampled == sum(len(r.split()) for r in REPLIES)
    assert [score.score.value for (score,) in rollouts] == [1.0, 0.0, None], "B is no number"
    last = engine.conversations[-2]
    history = [chat_message("user", "Hi."), chat_message("assistant", "Yes?")]
    requests = stage_requests(EXAMPLES[1])
    dialogue = [requests[0]]
    for request, reply in zip(requests[1:], REPLIES, strict=False):
        dialogue += [chat_message("assistant", reply), request]
    assert last == [*history, *dialogue], "the dialogue that it was trained on"


def test_a_format_without_a_place_for_the_stages_keeps_the_answer() -> None:
    ((one,), *_) = Stages()(scripted(), task(ANSWER_ONLY), EXAMPLES)
    assert one.response.text == "<answer>7</answer>" and one.response.fault is None


def test_replies_that_the_format_cannot_hold_are_a_fault_and_not_an_exception() -> None:
    engine = ScriptedEngine(lambda messages: "<answer> see <image> <|im_end|>")
    ((one,), *_) = Stages()(engine, task(), EXAMPLES)
    assert one.response.fault is not None and one.score.value == 0.0
    assert "<image>" not in str(engine.conversations[-1][1:]) and "<|im" not in str(engine.conversations[-1])


def test_an_engine_that_does_not_answer_ends_the_conversation_and_is_no_wrong_answer() -> None:
    class Failing(ScriptedEngine):
        def _complete(self, messages: Messages) -> Completion:
            done = super()._complete(messages)
            return (
                replace(done, text="500: down", stop="unanswered") if "show" in last_text(messages) else done
            )

    engine = Failing(lambda messages: "text")
    ((one,),) = Stages()(engine, task(), EXAMPLES[:1])
    assert one.score.value is None and "500: down" in one.score.why
    assert len(engine.conversations) == 2


def test_width_1_is_greedy_decoding_turn_by_turn() -> None:
    engine, plain = tiny_engine(), tiny_engine()
    solved = Stages(max_tokens=6, max_answer_tokens=3)(engine, task(), EXAMPLES)
    for (one,), example in zip(solved, EXAMPLES, strict=True):
        messages: Messages = [chat_message(role, *parts) for role, parts in example.turns()[:-1]]
        replies = []
        for turn, request in enumerate(stage_requests(example)):
            messages = [*messages, request]
            limit = 3 if turn == 3 else 6
            ((reply,),) = plain.generate([messages], Sampling(temperature=0.0, max_tokens=limit))
            replies.append(reply.text)
            messages = [*messages, chat_message("assistant", reply.text)]
        assert [part.text for part in one.parts] == replies


@pytest.mark.parametrize("width", [1, 2, 4])
def test_prompt_and_pictures_are_computed_once_over_all_turns_and_beams(width: int) -> None:
    engine = tiny_engine()
    shown: list[int] = []
    engine.model.model.visual.register_forward_hook(lambda *_: shown.append(1))
    ((one,),) = Stages(width, max_tokens=6, max_answer_tokens=3)(engine, task(), EXAMPLES[:1])
    usage = one.usage
    assert usage is not None and len(shown) == usage.pictures_encoded == 1
    assert usage.calls == 4 and usage.tokens_sampled is not None
    conversation = [stage_requests(EXAMPLES[0])[0]]
    for part, request in zip(one.parts, stage_requests(EXAMPLES[0])[1:], strict=False):
        conversation += [chat_message("assistant", part.text), request]
    whole = len(engine.encoder.prompts([conversation])[0].ids)
    n_generation_prompts = 3 * len(engine.encoder.response_ids("assistant"))
    assert whole <= (usage.tokens_computed or 0) <= whole + n_generation_prompts + 20
    assert engine.prefill.counted.tokens_computed == usage.tokens_computed


def test_counts_of_several_examples_add_up_to_those_of_the_engine() -> None:
    for spec in (
        "direct:max_tokens=5",
        "best_of_n:n=3,max_tokens=5",
        "stages:width=2,max_tokens=5",
        "step_beam:candidates=2,max_tokens=5",
        "step_beam:scorer=judge,candidates=2,max_tokens=4",
        "two_agents:max_tokens=5,max_summary_tokens=5",
        "describe_first:max_tokens=5,max_description_tokens=5",
    ):
        engine = tiny_engine()
        rollouts = by_name(spec)(engine, task(), EXAMPLES)
        total = sum((one.usage for group in rollouts for one in group if one.usage), RolloutUsage())
        counted = engine.prefill.counted
        assert (total.tokens_computed, total.pictures_encoded) == (
            counted.tokens_computed,
            counted.pictures_encoded,
        ), spec
        assert total.seconds > 0 and total.calls >= len(EXAMPLES)


@pytest.mark.parametrize(
    "spec", ["stages:width=9", "stages:width=0", "stages:max_tokens=0", "step_beam:candidates=0"]
)
def test_widths_out_of_range_are_refused(spec: str) -> None:
    with pytest.raises(InputError, match=r"solver \w+: \w+=\d.*at (least|most) \d"):
        by_name(spec)


def test_beams_need_an_engine_that_has_them() -> None:
    with pytest.raises(InputError, match="stages: width=2 needs token-level beams, which ScriptedEngine"):
        Stages(2)(scripted(), task(), EXAMPLES)


# Searches over stages ------------------------------------------------------------------------------------


class Dice:
    """Samples `say(conversation, sample number, seed)`; a text's log-probability is `value(text)`."""

    def __init__(self, say: Callable[[Messages, int, int], str], value: Callable[[str], float]) -> None:
        self.say, self.value = say, value
        self.asked: list[tuple[str, int]] = []

    def generate(self, conversations: Sequence[Messages], sampling: Sampling) -> list[list[Completion]]:
        return [[self._one(messages, i, sampling) for i in range(sampling.n)] for messages in conversations]

    def _one(self, messages: Messages, i: int, sampling: Sampling) -> Completion:
        text = self.say(messages, i, sampling.seed)
        self.asked.append((last_text(messages), sampling.seed))
        return Completion(text, n_tokens=1, token_ids=(1,), logps=(self.value(text),))


def test_equal_candidates_are_merged_sampled_again_and_counted() -> None:
    """The first round gives one text four times; later rounds give a new one for each seed."""
    engine = Dice(
        lambda messages, i, seed: "same " if seed == 0 else f"text {i} {seed % 7}", lambda text: -len(text)
    )
    ((one,),) = StepBeam(candidates=3, rounds=4)(engine, task(), EXAMPLES[:1])
    drawn = Counter(text for text, _ in engine.asked)
    assert one.usage is not None and one.usage.calls == len(engine.asked)
    assert one.usage.duplicates == sum(drawn.values()) - 4 * 3, "three distinct ones are left of each stage"
    assert {part.text for part in one.parts} == {"same "}, "the shortest, by this engine's log-probabilities"


def test_candidates_that_stay_equal_are_fewer_and_not_padded() -> None:
    engine = Dice(lambda messages, i, seed: "same", lambda text: -1.0)
    ((one,),) = StepBeam(candidates=3, rounds=2)(engine, task(), EXAMPLES[:1])
    assert one.usage is not None
    assert one.usage.calls == 4 * (3 + 2) and one.usage.duplicates == 4 * (3 + 2 - 1)


VALUES = {"a": -1.0, "b": -2.0, "aa": -9.0, "ab": -8.0, "ba": -1.0, "bb": -5.0}


def _path(messages: Messages) -> str:
    return "".join(last_text([m])[-1:] for m in messages if m["role"] == "assistant")


def deceptive() -> Dice:
    """A tree whose best first stage leads to bad second stages. Texts spell the path: a, b, aa, ab, ..."""
    return Dice(
        lambda messages, i, seed: _path(messages) + "ab"[i % 2], lambda text: VALUES.get(text[:2], -1.0)
    )


def test_a_wider_beam_finds_what_a_narrow_one_loses() -> None:
    found = {}
    for width in (1, 2):
        ((one,),) = StepBeam(width=width, candidates=2, scorer="logprob_sum")(
            deceptive(), task(), EXAMPLES[:1]
        )
        found[width] = (one.parts[1].text, one.parts[-1].value)
    assert found[1][0] == "ab" and found[2][0] == "ba"
    assert found[2][1] > found[1][1]


def test_the_tree_search_goes_back_to_a_better_branch() -> None:
    ((one,),) = StepBeam("best_first", candidates=2, scorer="logprob_sum", expansions=20)(
        deceptive(), task(), EXAMPLES[:1]
    )
    assert one.parts[1].text == "ba" and len(one.parts) == 4
    ((short,),) = StepBeam("best_first", candidates=2, expansions=1)(deceptive(), task(), EXAMPLES[:1])
    assert len(short.parts) == 4 and short.usage is not None and short.usage.calls == 2 + 3, (
        "completed greedily"
    )


def test_a_process_reward_model_is_asked_about_every_step() -> None:
    class Rewarding(Dice):
        def _one(self, messages: Messages, i: int, sampling: Sampling) -> Completion:
            text = last_text(messages)
            if "Is this step right" not in text:
                return super()._one(messages, i, sampling)
            step = text.split("Is this step right")[0].split()[-1]
            chance = 0.9 if step.endswith("b") else 0.2
            return Completion("yes", n_tokens=1, logps=(math.log(chance),))

    engine = Rewarding(deceptive().say, lambda text: -1.0)
    ((one,),) = by_name("step_beam:candidates=2,scorer=process")(engine, task(), EXAMPLES[:1])
    assert [part.text for part in one.parts] == ["b", "bb", "bbb", "bbbb"]
    assert one.parts[-1].value == pytest.approx(0.9) and one.usage is not None
    assert one.usage.calls == 4 * 2 + 2 * (1 + 2 + 3 + 4)


def test_searches_repeat_with_their_seed_whatever_shares_the_batch() -> None:
    for spec in ("step_beam:candidates=2,max_tokens=4,width=2", "step_beam:search=best_first,max_tokens=4"):
        together = by_name(spec)(tiny_engine(), task(), EXAMPLES)
        alone = [by_name(spec)(tiny_engine(), task(), [example])[0] for example in EXAMPLES]
        assert [[p.text for p in one.parts] for (one,) in together] == [
            [p.text for p in one.parts] for (one,) in alone
        ]


def test_every_solver_gives_rollouts_with_usage_for_every_example() -> None:
    for name, cls in SOLVERS.items():
        engine = ScriptedEngine(lambda messages: "<think>a</think><answer>7</answer>\nAnswer: 7")
        solver = cls() if name not in ("best_of_n", "step_beam") else by_name(f"{name}:{_scorer(name)}")
        rollouts = solver(engine, task(), EXAMPLES)
        assert [one.example for one, *_ in rollouts] == EXAMPLES
        assert all(one.usage is not None for group in rollouts for one in group), name
        assert solver(engine, task(), []) == []


def _scorer(name: str) -> str:
    return "select=majority" if name == "best_of_n" else "scorer=judge"
