"""Kept prompts and encoded media change no number, and what is computed is what is counted."""

from __future__ import annotations

import PIL.Image
import pytest

from seethink.engines import prefill
from seethink.engines.local import LocalEngine
from seethink.formats import ANSWER_ONLY
from seethink.media import Image
from seethink.sources.handwritten import Pages
from seethink.types import Completion, Example, Messages, RolloutUsage, Sampling
from tests import tiny

GREEDY = Sampling(temperature=0.0, max_tokens=6)
WARM = Sampling(n=3, max_tokens=5, seed=2)


def picture(key: str, width: int = 84, height: int = 56) -> Image:
    return Image.drawn(key, lambda: PIL.Image.linear_gradient("L").resize((width, height)).convert("RGB"))


def engine(family: str = "qwen2_vl") -> LocalEngine:
    model = tiny.FAMILIES[family]()
    return LocalEngine(model, tiny.encoder(model))


def say(messages: Messages, *texts: str) -> Messages:
    turns = [
        {"role": role, "content": [{"type": "text", "text": text}]}
        for role, text in zip(("assistant", "user") * len(texts), texts, strict=False)
    ]
    return [*messages, *turns]


def first_turns() -> list[Messages]:
    page, other = Pages(2, "test")
    two = Example("two", "Is <image> the same as <image> or not?", (page.media[0], picture("wide")))
    plain = Example("text", "What is 2 + 2?")
    return [ANSWER_ONLY.prompt(example) for example in (page, two, plain, other)]


def second_turns() -> list[Messages]:
    said = ["One.", "Both are the same, I would say.", "", "It has four rows."]
    asked = ["Why?", "And which is the wider of the two?", "Go on.", "Then how many cells are there?"]
    return [say(one, *pair) for one, *pair in zip(first_turns(), said, asked, strict=True)]


def ids(answers: list[list[Completion]]) -> list[list[tuple[int, ...]]]:
    return [[one.token_ids for one in group] for group in answers]


def used(answers: list[list[Completion]]) -> RolloutUsage:
    return sum((one.usage for group in answers for one in group if one.usage), RolloutUsage())


@pytest.mark.parametrize("family", tiny.FAMILIES)
@pytest.mark.parametrize("sampling", [GREEDY, WARM], ids=["greedy", "sampled"])
def test_prompts_that_begin_like_kept_ones_are_continued_alike(family: str, sampling: Sampling) -> None:
    """In one batch: beginnings of several lengths, a new prompt, and one that was computed before."""
    conversations = [
        *second_turns(),
        ANSWER_ONLY.prompt(Example("new", "Who?", (picture("n"),))),
        *first_turns()[:1],
    ]
    whole = engine(family).generate(conversations, sampling)
    keeping = engine(family)
    with keeping.reuse():
        keeping.generate(first_turns(), GREEDY)
        again = keeping.generate(conversations, sampling)
    assert ids(again) == ids(whole)
    assert used(again).pictures_encoded == 1 < (used(whole).pictures_encoded or 0)
    assert (used(again).tokens_computed or 0) < (used(whole).tokens_computed or 0) / 2
    for some, others in zip(again, whole, strict=True):
        for one, other in zip(some, others, strict=True):
            assert one.logps == pytest.approx(other.logps, abs=1e-4)


def test_the_counts_are_those_of_the_modules() -> None:
    """Tokens that enter the language model, and pictures that enter the vision tower."""
    one = engine()
    seen = {"tokens": 0, "pictures": 0}

    def count_tokens(module, args, kwargs) -> None:
        if kwargs["inputs_embeds"].shape[1] > 1:  # a prefill; one prompt, so no padding
            seen["tokens"] += kwargs["inputs_embeds"].shape[1]

    def count_pictures(module, args, kwargs) -> None:
        seen["pictures"] += len(kwargs["grid_thw"])

    one.model.model.language_model.register_forward_pre_hook(count_tokens, with_kwargs=True)
    one.model.model.visual.register_forward_pre_hook(count_pictures, with_kwargs=True)
    total = RolloutUsage()
    with one.reuse():
        for messages in [*first_turns(), *second_turns()]:
            total += used(one.generate([messages], WARM))
    assert (total.tokens_computed, total.pictures_encoded) == (seen["tokens"], seen["pictures"])
    assert seen["pictures"] == 4, "second turns encode nothing"
    assert (one.prefill.counted.tokens_computed, one.prefill.counted.pictures_encoded) == tuple(seen.values())
    total += used(one.generate(first_turns()[:1], WARM))
    assert seen["pictures"] == total.pictures_encoded == 5, "nothing is kept after the context"


def test_a_completion_holds_its_own_tokens_and_the_first_what_the_prompt_took() -> None:
    one = engine()
    (group,) = one.generate(first_turns()[:1], WARM)
    usages = [completion.usage for completion in group]
    assert [usage and usage.tokens_sampled for usage in usages] == [len(c.token_ids) for c in group]
    assert [usage and usage.calls for usage in usages] == [1, 1, 1]
    n_prompt = len(one.encoder.prompts(first_turns()[:1])[0].ids)
    assert [usage and usage.tokens_computed for usage in usages] == [n_prompt, 0, 0]
    assert [usage and usage.pictures_encoded for usage in usages] == [1, 0, 0]


def test_a_medium_is_encoded_once_wherever_it_stands() -> None:
    shown = (picture("a"),)
    before = ANSWER_ONLY.prompt(Example("1", "<image> What is it?", shown))
    behind = ANSWER_ONLY.prompt(Example("2", "What is this: <image>?", shown))
    keeping = engine()
    with keeping.reuse():
        both = keeping.generate([before, behind], GREEDY)
    assert used(both).pictures_encoded == 1
    assert ids(both) == ids(engine().generate([before, behind], GREEDY))


def test_the_oldest_prompts_go_when_there_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    keeping = engine()
    lengths = [len(prompt.ids) for prompt in keeping.encoder.prompts(first_turns())]
    text = keeping.model.config.text_config
    per_token = 2 * text.num_hidden_layers * text.num_key_value_heads * 4 * text.hidden_size
    per_token //= text.num_attention_heads
    monkeypatch.setattr(prefill, "KEPT_BYTES", (lengths[3] + lengths[2]) * per_token)
    with keeping.reuse():
        for messages in first_turns():
            keeping.generate([messages], GREEDY)
        fresh = [
            used(keeping.generate([messages], GREEDY)).tokens_computed for messages in first_turns()[::-1]
        ]
    assert fresh[:2] == [1, 1], "the two newest were kept, and one token is computed for its logits"
    assert fresh[2] == lengths[1] and fresh[3] == lengths[0]
