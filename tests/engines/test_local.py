"""The local engine generates what transformers' `generate` does, whatever shares its batch, and samples from
the requested distributions."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

import PIL.Image
import pytest
import torch
from scipy import stats

from seethink.engines import local
from seethink.engines.local import LocalEngine
from seethink.engines.sampling import random_streams
from seethink.formats import ANSWER_ONLY, PREFILLED_THINK, THINK_ANSWER
from seethink.media import Image
from seethink.sources.handwritten import Pages
from seethink.types import GREEDY, Example, InputError, Messages, NotFinite, Sampling
from tests import tiny

WARM = Sampling(n=5, max_tokens=12, seed=3)


def _picture(key: str, width: int, height: int) -> Image:
    return Image.drawn(key, lambda: PIL.Image.linear_gradient("L").resize((width, height)).convert("RGB"))


def _conversations() -> list[Messages]:
    """A page, two pictures at their place in the text, no picture, a begun answer: all of different
    lengths."""
    page, other = Pages(2, "test")
    two = Example("two", "Is <image> the same as <image> or not?", (page.media[0], _picture("wide", 84, 56)))
    return [
        THINK_ANSWER.prompt(page),
        ANSWER_ONLY.prompt(two),
        ANSWER_ONLY.prompt(Example("text", "What is 2 + 2?")),
        PREFILLED_THINK.prompt(other),
    ]


def _talkative(model, eos_bonus: float = 2.5):
    """The model with an ending likely enough that answers end at different times."""
    return _inclined(model, {tiny.processor().tokenizer.eos_token_id: eos_bonus})


def _inclined(model, bonus: Mapping[int, float], others: float = 0.0):
    bias = torch.full((model.config.text_config.vocab_size,), others)
    for token, value in bonus.items():
        bias[token] = value
    model.lm_head.bias = torch.nn.Parameter(bias)
    return model


def _toy(probabilities: Mapping[int, float]) -> LocalEngine:
    """An engine whose every next token has these probabilities, whatever it has read."""
    model = _inclined(
        tiny.qwen2_vl(), {t: float(torch.tensor(p).log()) for t, p in probabilities.items()}, -1e4
    )
    torch.nn.init.zeros_(model.lm_head.weight)
    return LocalEngine(model, tiny.encoder(model))


TEXT_ONLY = ANSWER_ONLY.prompt(Example("text", "Say a letter."))
FOUR = {400: 0.5, 401: 0.25, 402: 0.15, 403: 0.1}


def _standard(messages: Messages) -> dict[str, torch.Tensor]:
    """What the processor's own call makes of a conversation."""
    begun = messages[-1]["content"][0]["text"] if messages[-1]["role"] == "assistant" else ""
    turns = messages[:1]
    bare = [{"role": "user", "content": [
        {"type": "image"} if part["type"] == "image" else part for part in turns[0]["content"]
    ]}]  # fmt: skip
    pictures = [part["image"].load() for part in turns[0]["content"] if part["type"] == "image"]
    text = tiny.processor().apply_chat_template(bare, add_generation_prompt=True, tokenize=False) + begun
    return tiny.processor()(text=[text], images=pictures or None, return_tensors="pt")


# Encoder ----------------------------------------------------------------------------------------------


def test_prompts_are_what_the_standard_processor_call_gives() -> None:
    sizes = [(28, 28), (30, 61), (112, 112), (200, 90), (900, 700)]
    examples = [Example(f"{size}", "What is this?", (_picture(f"{size}", *size),)) for size in sizes]
    several = Example(
        "all", "First <image> then <image>, last <image>.", tuple(e.media[0] for e in examples[:3])
    )
    conversations = [*_conversations(), *(THINK_ANSWER.prompt(e) for e in [*examples, several])]
    prompts = tiny.encoder(tiny.qwen2_vl()).prompts(conversations)
    for messages, prompt in zip(conversations, prompts, strict=True):
        wanted = _standard(messages)
        assert prompt.ids == wanted["input_ids"][0].tolist()
        assert prompt.media.keys() == wanted.keys() & {"pixel_values", "image_grid_thw"}
        for name, tensor in prompt.media.items():
            assert torch.equal(tensor, wanted[name])


def test_a_prompt_with_a_begun_answer_ends_with_it() -> None:
    encoder = tiny.encoder(tiny.qwen2_vl())
    prompt = encoder.prompts([_conversations()[3]])[0]
    assert prompt.prefill == "<think>"
    assert encoder.tokenizer.decode(prompt.ids).endswith("<|im_start|>assistant\n<think>")


def test_a_picture_asked_about_several_times_is_processed_once() -> None:
    loads = []

    def draw() -> PIL.Image.Image:
        loads.append(1)
        return PIL.Image.new("RGB", (56, 56))

    questions = [Example(f"{i}", f"Question {i}?", (Image.drawn("same", draw),)) for i in range(3)]
    prompts = tiny.encoder(tiny.qwen2_vl()).prompts([THINK_ANSWER.prompt(q) for q in questions])
    assert len(loads) == 1
    pixels = [prompt.media["pixel_values"] for prompt in prompts]
    assert all(torch.equal(pixels[0], other) for other in pixels[1:])
    assert len({prompt.key for prompt in prompts}) == 3


@pytest.mark.parametrize("token", ["<|image_pad|>", "<|video_pad|>", "<|im_end|>", "<|vision_start|>"])
@pytest.mark.parametrize("n_pictures", [0, 1])
def test_control_tokens_inside_a_question_are_an_input_error(n_pictures: int, token: str) -> None:
    media = (_picture("p", 56, 56),) * n_pictures
    sly = THINK_ANSWER.prompt(Example("sly", f"What does {token} mean?", media))
    with pytest.raises(InputError, match=re.escape(token)):
        tiny.encoder(tiny.qwen2_vl()).prompts([sly])


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_logits_that_are_not_numbers_stop_the_rollout_with_the_question_named(temperature: float) -> None:
    model = tiny.qwen2_vl()
    encoder = tiny.encoder(model)
    first, second = (THINK_ANSWER.prompt(Example(f"{i}", f"Question {i}?")) for i in range(2))
    mark = encoder.tokenizer(" 1", add_special_tokens=False).input_ids[-1]
    assert mark in encoder.prompts([second])[0].ids and mark not in encoder.prompts([first])[0].ids
    with torch.no_grad():
        model.get_input_embeddings().weight[mark] = torch.nan
    sampling = Sampling(n=1 + (temperature > 0), temperature=temperature, max_tokens=4)
    with pytest.raises(NotFinite, match="Question 1"):
        LocalEngine(model, encoder).generate([first, second], sampling)


# The shared prefill -----------------------------------------------------------------------------------


@pytest.mark.parametrize("family", tiny.FAMILIES)
def test_greedy_answers_equal_those_of_generate_row_by_row(family: str) -> None:
    model = _talkative(tiny.FAMILIES[family]())
    encoder = tiny.encoder(model)
    answers = LocalEngine(model, encoder).generate(_conversations(), Sampling(temperature=0.0, max_tokens=24))
    assert {answer.stop for (answer,) in answers} == {"stop", "length"}, "answers end at different times"
    for messages, (answer,) in zip(_conversations(), answers, strict=True):
        row = _standard(messages)
        wanted = model.generate(
            **row, do_sample=False, max_new_tokens=24, eos_token_id=encoder.eos_token_id,
            suppress_tokens=encoder.media_token_ids,
        )  # fmt: skip
        assert list(answer.token_ids) == wanted[0, row["input_ids"].shape[1] :].tolist()


@torch.inference_mode()
def _by_hand(model, encoder, prompt, sampling: Sampling, number: int) -> list[int]:
    """One completion without cache and batch: the whole row is computed again for every token."""
    uniforms = random_streams([prompt], sampling)[number].double()
    ids: list[int] = []
    while len(ids) < sampling.max_tokens and encoder.eos_token_id not in ids:
        row = torch.tensor([[*prompt.ids, *ids]])
        kinds = (row == encoder.image_token_id).int()
        logits = model(input_ids=row, mm_token_type_ids=kinds, use_cache=False, **prompt.media).logits[0, -1]
        logits[encoder.media_token_ids] = -torch.inf
        mass = (logits / sampling.temperature).double().softmax(-1).cumsum(-1)
        ids.append(int((mass <= uniforms[len(ids)] * mass[-1]).sum()))
    return ids


@pytest.mark.parametrize("family", tiny.FAMILIES)
def test_sampled_branches_equal_rows_written_one_by_one_without_a_cache(family: str) -> None:
    model = _talkative(tiny.FAMILIES[family](), 4.0)
    encoder = tiny.encoder(model)
    prompts = encoder.prompts(_conversations())
    sampling = Sampling(n=3, temperature=0.8, max_tokens=8, seed=11)
    answers = LocalEngine(model, encoder).complete(prompts, sampling)
    for prompt, branches in zip(prompts, answers, strict=True):
        assert len({branch.token_ids for branch in branches}) > 1, "the branches part"
        for number, branch in enumerate(branches):
            assert list(branch.token_ids) == _by_hand(model, encoder, prompt, sampling, number)


def _said(answers) -> list[list[tuple[int, ...]]]:
    return [[completion.token_ids for completion in completions] for completions in answers]


@pytest.mark.parametrize("keep_rows", [0.0, 1.1], ids=["never", "always"])
def test_dropping_finished_rows_from_the_cache_changes_nothing(keep_rows: float, monkeypatch) -> None:
    model = _talkative(tiny.qwen2_vl(), 5.0)
    engine = LocalEngine(model, tiny.encoder(model))
    usual = engine.generate(_conversations(), WARM)
    assert len({c.n_tokens for completions in usual for c in completions}) > 4, (
        "answers end at different times"
    )
    monkeypatch.setattr(local, "KEEP_ROWS", keep_rows)
    assert _said(engine.generate(_conversations(), WARM)) == _said(usual)


def test_an_answer_does_not_depend_on_what_else_is_asked_nor_on_the_order() -> None:
    model = _talkative(tiny.qwen2_vl(), 4.0)
    encoder = tiny.encoder(model)
    engine, frugal = LocalEngine(model, encoder), LocalEngine(model, encoder, max_tokens_per_batch=1)
    together = _said(engine.generate(_conversations(), WARM))
    assert _said(engine.generate(_conversations()[::-1], WARM)) == together[::-1]
    assert _said(frugal.generate(_conversations(), WARM)) == together
    assert [_said(engine.generate([messages], WARM))[0] for messages in _conversations()] == together


def test_fewer_completions_are_the_first_of_more() -> None:
    model = _talkative(tiny.qwen2_vl())
    engine = LocalEngine(model, tiny.encoder(model))
    more, fewer = (engine.generate(_conversations(), Sampling(n=n, max_tokens=6)) for n in (4, 2))
    assert _said(fewer) == [completions[:2] for completions in _said(more)]


def test_seeds_repeat_and_differ() -> None:
    engine = LocalEngine(tiny.qwen2_vl(), tiny.encoder(tiny.qwen2_vl()))
    one, again, other = (
        _said(engine.generate(_conversations(), Sampling(n=3, max_tokens=5, seed=s))) for s in (1, 1, 2)
    )
    assert one == again
    assert all(set(a).isdisjoint(b) for a, b in zip(one, other, strict=True))


# Sampling ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("temperature", [1.0, 2.0])
def test_sampled_pairs_have_the_frequencies_of_softmax(temperature: float) -> None:
    sampling = Sampling(n=2000, temperature=temperature, max_tokens=2, seed=5)
    (answers,) = _toy(FOUR).generate([TEXT_ONLY], sampling)
    chance = torch.tensor(list(FOUR.values()), dtype=torch.float64).pow(1 / temperature)
    chance = chance / chance.sum()
    pairs = [(a, b) for a in FOUR for b in FOUR]
    seen = [sum(c.token_ids == pair for c in answers) for pair in pairs]
    assert stats.chisquare(seen, (2000 * torch.outer(chance, chance)).flatten().numpy()).pvalue > 0.01


def test_top_k_keeps_the_likeliest_and_their_proportions() -> None:
    (answers,) = _toy(FOUR).generate([TEXT_ONLY], Sampling(n=900, top_k=2, max_tokens=1))
    first = [completion.token_ids[0] for completion in answers]
    assert set(first) == {400, 401}
    assert stats.binomtest(first.count(400), 900, 2 / 3).pvalue > 0.01


@pytest.mark.parametrize(
    ("top_p", "kept"), [(0.4, {400}), (0.7, {400, 401}), (0.8, {400, 401, 402}), (1.0, set(FOUR))]
)
def test_top_p_keeps_the_fewest_tokens_that_hold_its_mass(top_p: float, kept: set[int]) -> None:
    (answers,) = _toy(FOUR).generate([TEXT_ONLY], Sampling(n=200, top_p=top_p, max_tokens=1))
    assert {completion.token_ids[0] for completion in answers} == kept


@pytest.mark.parametrize("sampling", [Sampling(temperature=0.0, max_tokens=6), Sampling(n=4, max_tokens=6)])
def test_media_tokens_are_never_sampled_however_much_the_model_likes_them(sampling: Sampling) -> None:
    tokens = [tiny.processor().tokenizer.convert_tokens_to_ids(f"<|{name}|>")
              for name in ("image_pad", "video_pad", "vision_start", "vision_end")]  # fmt: skip
    model = _inclined(tiny.qwen2_vl(), dict.fromkeys(tokens, 1e4))
    answers = LocalEngine(model, tiny.encoder(model)).generate(_conversations(), sampling)
    assert all(set(tokens).isdisjoint(c.token_ids) for completions in answers for c in completions)


def test_a_checkpoints_own_generation_config_never_leaks_in(tmp_path) -> None:
    model = tiny.qwen2_vl()
    model.save_pretrained(tmp_path)
    tiny.processor().save_pretrained(tmp_path)
    habits = dict(
        do_sample=True, temperature=0.01, repetition_penalty=3.0, top_k=1, max_new_tokens=2, eos_token_id=5
    )
    (tmp_path / "generation_config.json").write_text(json.dumps(habits), encoding="utf-8")
    loaded, plain = LocalEngine.load(str(tmp_path)), LocalEngine(model, tiny.encoder(model))
    assert loaded.model.generation_config.repetition_penalty == 3.0
    for sampling in (WARM, Sampling(temperature=0.0, max_tokens=12)):
        assert _said(loaded.generate(_conversations(), sampling)) == _said(
            plain.generate(_conversations(), sampling)
        )


# What comes back --------------------------------------------------------------------------------------


def test_an_answer_that_ends_by_itself_stops_and_a_longer_one_is_cut() -> None:
    eos = tiny.processor().tokenizer.eos_token_id
    (answers,) = _toy({400: 0.7, eos: 0.3}).generate([TEXT_ONLY], Sampling(n=60, max_tokens=4))
    assert {c.stop for c in answers} == {"stop", "length"}
    for completion in answers:
        assert completion.n_tokens == len(completion.token_ids) <= 4
        assert completion.token_ids.count(eos) == (completion.stop == "stop")
        assert completion.stop == "stop" or completion.n_tokens == 4
        assert completion.stop == "length" or completion.token_ids[-1] == eos


def test_token_ids_decode_to_the_text() -> None:
    model = _talkative(tiny.qwen2_vl(), 4.0)
    encoder = tiny.encoder(model)
    for completions in LocalEngine(model, encoder).generate(_conversations(), WARM):
        for completion in completions:
            assert encoder.decode(completion.token_ids) == completion.text
            assert "<|im_end|>" not in completion.text


def test_a_begun_answer_is_continued_not_repeated() -> None:
    encoder = tiny.encoder(tiny.qwen2_vl())
    said = encoder.tokenizer("A</think><answer>", add_special_tokens=False).input_ids
    engine = _toy({said[0]: 1.0})
    (answer,) = engine.generate([_conversations()[3]], Sampling(temperature=0.0, max_tokens=2))[0]
    assert answer.text == "AA"


def test_answers_come_in_the_order_of_the_questions() -> None:
    model = tiny.qwen2_vl()
    engine = LocalEngine(model, tiny.encoder(model), max_tokens_per_batch=400)
    assert engine.generate([], GREEDY) == []
    answers = engine.generate(_conversations(), Sampling(n=2, max_tokens=3))
    assert [len(completions) for completions in answers] == [2] * 4
