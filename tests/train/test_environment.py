"""Rollouts of several turns: an environment answers with texts and pictures, and training learns only what
the model said."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import PIL.Image
import pytest
import torch
from safetensors.torch import load_file

from seethink.attempt import attempt, judge
from seethink.engines.local import LocalEngine
from seethink.environment import MAX_TURNS, roll_out
from seethink.formats import ANSWER_ONLY, PREFILLED_THINK
from seethink.formats.messages import chat_message
from seethink.media import Image
from seethink.models.encoder import Encoder
from seethink.models.names import SPROUT
from seethink.models.observations import ObservationEncoder, Observed, refuse_media
from seethink.models.packing import Branch, Group, pack_groups
from seethink.models.policy import PolicyModel
from seethink.solve.best_of_n import BestOfN
from seethink.solve.direct import Direct
from seethink.sources.handwritten import Pages
from seethink.train.configs import GRPOConfig
from seethink.train.grpo import grpo
from seethink.train.sampling import RolloutSampler
from seethink.types import Completion, Example, InputError, Media, Response, Sampling, Score, Task
from tests import tiny, vlms

COLOURS = ("red", "green", "blue", "white")


def picture(colour: str, size: tuple[int, int] = (84, 56)) -> Image:
    return Image.drawn(f"{colour} {size}", lambda: PIL.Image.new("RGB", size, colour))


EXAMPLES = [Example(str(i), f"What is it? <image> {i}", (picture(c),), "7") for i, c in enumerate(COLOURS)]


def zoom(example: Example, texts: Sequence[str]) -> Sequence[str | Media] | None:
    """Twice a picture, of another size each time."""
    return None if len(texts) > 2 else ["Look: ", picture("black", (56 * len(texts), 56)), " What now?"]


def words(example: Example, texts: Sequence[str]) -> Sequence[str | Media] | None:
    return ["Are you sure?"] if len(texts) == 1 else None


def variety(example: Example, response: Response) -> Score:
    text = "".join((*response.earlier, response.text))
    return Score(round(len(set(text)) / (1 + len(text)), 3))


def task(environment=zoom) -> Task:
    return Task("zoom", EXAMPLES, ANSWER_ONLY, variety, environment=environment)


# The loop --------------------------------------------------------------------------------------------------


def scripted(texts: Sequence[str], stop: str = "stop"):
    """Completions in the order of `texts`, two tokens each."""
    left = iter(texts)

    def complete(prompts, sampling):
        return [
            [Completion(next(left), stop, 2, (1, 2), (-0.5, -0.25)) for _ in range(sampling.n)]
            for _ in prompts
        ]

    return complete


def test_an_episode_ends_where_the_environment_has_no_answer() -> None:
    ((episode,),) = roll_out(
        words,
        EXAMPLES[:1],
        ["p"],
        scripted(["first", "second"]),
        lambda p, n, c, o: f"{p}|{c.text}|{o[0]}",
        Sampling(),
    )
    assert episode.texts == ("first", "second")
    assert episode.prompt == "p|first|Are you sure?"
    whole = episode.completion()
    assert (whole.text, whole.earlier, whole.n_tokens) == ("second", ("first",), 4)
    assert whole.token_ids == (1, 2, 1, 2) and whole.logps == (-0.5, -0.25, -0.5, -0.25)


def test_a_turn_that_was_cut_off_is_not_answered() -> None:
    ((episode,),) = roll_out(words, EXAMPLES[:1], ["p"], scripted(["cut"], "length"), None, Sampling())
    assert episode.texts == ("cut",) and episode.completion().stop == "length"


def test_an_environment_that_never_ends_is_ended() -> None:
    ((episode,),) = roll_out(
        lambda example, texts: ["more"],
        EXAMPLES[:1],
        [0],
        scripted("x" * 99),
        lambda p, n, c, o: p + 1,
        Sampling(),
    )
    assert len(episode.turns) == MAX_TURNS and episode.prompt == MAX_TURNS - 1


def test_the_prefill_is_of_the_first_turn_alone() -> None:
    graded = Task("t", EXAMPLES, PREFILLED_THINK, variety)
    last = Completion("<think>two</think><answer>7</answer>", earlier=("one",))
    rollout = judge(graded, EXAMPLES[0], last, "<think>")
    assert rollout.response.answer == "7" and rollout.response.fault is None
    assert rollout.response.earlier == ("one",)


# Tokens ----------------------------------------------------------------------------------------------------


def test_an_observation_continues_the_conversation_as_the_chat_template_writes_it() -> None:
    model = tiny.qwen2_vl()
    encoder = tiny.encoder(model)
    messages = ANSWER_ONLY.prompt(EXAMPLES[0])
    (prompt,) = encoder.prompts([messages])
    said = encoder.response_ids("a red one")
    parts = ["Look: ", picture("black"), " What now?"]
    completion = encoder.completion(prompt, said)
    after = ObservationEncoder(model, encoder).extend(Observed(prompt), 0, completion, parts).prompt()
    (whole,) = encoder.prompts(
        [[*messages, chat_message("assistant", "a red one"), chat_message("user", *parts)]]
    )
    assert after.ids == whole.ids and after.kinds == whole.kinds
    assert after.media.keys() == whole.media.keys() and after.media_keys == whole.media_keys
    for name, value in whole.media.items():
        torch.testing.assert_close(after.media[name], value)


def test_two_rollouts_that_said_the_same_go_on_with_different_random_numbers() -> None:
    model = tiny.qwen2_vl()
    encoder = tiny.encoder(model)
    (prompt,) = encoder.prompts([ANSWER_ONLY.prompt(EXAMPLES[0])])
    completion, observer = (
        encoder.completion(prompt, encoder.response_ids("one")),
        ObservationEncoder(model, encoder),
    )
    keys = {observer.extend(Observed(prompt), n, completion, ["And?"]).prompt().key for n in (0, 1)}
    assert len(keys) == 2


@pytest.mark.parametrize("environment", [zoom, words])
@pytest.mark.parametrize("name", ["qwen2_vl", "qwen2_5_vl"])
def test_shared_rows_with_observations_equal_ordinary_rows(name: str, environment) -> None:
    model = tiny.FAMILIES[name]()
    _assert_equal_to_ordinary_rows(model, tiny.encoder(model), environment)


@pytest.mark.parametrize("name", [name for name in vlms.BUILDERS if name not in ("gemma3", "mllama")])
def test_in_every_family(name: str) -> None:
    _assert_equal_to_ordinary_rows(*vlms.build(name), zoom)


def _episodes(model, encoder: Encoder, environment) -> list[Group]:
    """Two groups of three rollouts each; their turns are random tokens, closed by the end of the turn."""
    observer, generator = ObservationEncoder(model, encoder), torch.Generator().manual_seed(1)
    prompts = encoder.prompts([ANSWER_ONLY.prompt(example) for example in EXAMPLES[:2]])

    def complete(observed, sampling):
        def said(one: Observed) -> Completion:
            ids = torch.randint(300, 1000, (4,), generator=generator).tolist()
            return encoder.completion(one.first, [*ids, encoder.eos_token_id])

        return [[said(one) for _ in range(sampling.n)] for one in observed]

    found = roll_out(
        environment, EXAMPLES[:2], [*map(Observed, prompts)], complete, observer.extend, Sampling(n=3)
    )
    groups = []
    for prompt, own in zip(prompts, found, strict=True):
        wholes = [one.prompt.said(one.turns[-1]) for one in own]
        groups.append(Group(prompt, [Branch(w.ids, w.sampled, kinds=w.kinds, shown=w.shown) for w in wholes]))
    return groups


def _assert_equal_to_ordinary_rows(model, encoder: Encoder, environment) -> None:
    groups = _episodes(model, encoder, environment)
    policy = PolicyModel(model).eval()
    (pack,) = pack_groups(groups, 10**6)
    n = sum(branch.n_trained for branch in pack.branches)
    assert len(pack.targets) == n and set(pack.targets.tolist()).isdisjoint(encoder.media_token_ids)
    refuse_media(groups, encoder.media_token_ids)
    weights = torch.linspace(-1, 1, n)
    found, grads = {}, {}
    for shared in (True, False):
        model.zero_grad()
        logps, _ = policy._logps(pack, shared)
        (logps * weights).sum().backward()
        found[shared] = logps.detach()
        grads[shared] = {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
    torch.testing.assert_close(found[True], found[False], atol=1e-5, rtol=0)
    largest = max(float(g.abs().max()) for g in grads[False].values())
    for name, gradient in grads[False].items():
        torch.testing.assert_close(grads[True][name], gradient, atol=1e-5 * largest, rtol=1e-4)
    assert any("vis" in name for name in grads[True])


# Training --------------------------------------------------------------------------------------------------


def again(example: Example, texts: Sequence[str]) -> Sequence[str | Media] | None:
    """The upper half of the page, once."""
    if len(texts) > 1:
        return None
    (page,) = example.media
    upper = Image.drawn(f"upper half of {page.key}", lambda: page.load().crop((0, 0, 112, 56)))
    return ["Look again: ", upper, " What is the answer?"]


def test_grpo_learns_from_rollouts_of_several_turns(tmp_path: Path) -> None:
    pages = Task("twice", Pages(4, "train", seed=3), ANSWER_ONLY, variety, environment=again)
    config = GRPOConfig.of(
        learning_rate=1e-4, prompts_per_step=4, num_generations=4, max_steps=2, max_completion_length=24
    )
    rows: list[dict] = []
    out = grpo("sprout", pages, config, tmp_path / "run", on_step=rows.append)
    attempts = [
        json.loads(line)
        for line in (tmp_path / "run" / "attempts.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    assert len(attempts) == 2 * 4 * 4
    went_on = [row for row in attempts if row.get("earlier")]
    assert len(went_on) > 16, "most first answers end by themselves, and are answered"
    assert all(len(row["earlier"]) == 1 and row["n_tokens"] > 1 for row in went_on)
    assert all(math.isfinite(row["loss"]) for row in rows if "loss" in row)
    before, after = (load_file(Path(one) / "model.safetensors") for one in (SPROUT, out))
    assert any(not torch.equal(before[name].float(), after[name].float()) for name in before)


def test_an_evaluation_goes_on_turn_by_turn_too() -> None:
    pages = Task("twice", Pages(2, "test", seed=3), ANSWER_ONLY, variety, environment=again)
    for sampling in (Sampling(temperature=0.0, max_tokens=24), Sampling(n=2, max_tokens=24)):
        engine = LocalEngine.load("sprout")
        rollouts = Direct(sampling)(engine, pages, [*pages.examples])
        assert [len(group) for group in rollouts] == [sampling.n] * 2
        repeated = attempt(engine, pages, [*pages.examples], sampling)
        assert [[one.response.text for one in group] for group in repeated] == [
            [one.response.text for one in group] for group in rollouts
        ]
        for rollout in (one for group in rollouts for one in group):
            assert len(rollout.response.earlier) == 1
            assert rollout.usage.calls == 2
        for group in rollouts:  # the page and its half, once each: what was encoded is kept
            assert sum(one.usage.pictures_encoded for one in group) in (2, 3)


def test_vllm_cannot_have_an_environment_yet(tmp_path: Path) -> None:
    model = tiny.qwen2_vl()
    config = GRPOConfig.of(rollout_backend="http://127.0.0.1:9/v1")
    rollouts = SimpleNamespace(config=config)
    with pytest.raises(InputError, match="rollout_backend=local"):
        RolloutSampler(task(), rollouts, model, tiny.encoder(model))


def test_what_does_not_go_with_an_environment_is_refused() -> None:
    model = tiny.qwen2_vl()
    rollouts = SimpleNamespace(config=GRPOConfig.of(overlong_buffer_len=8))
    with pytest.raises(InputError, match="overlong_buffer_len=0"):
        RolloutSampler(task(), rollouts, model, tiny.encoder(model))
    with pytest.raises(InputError, match="zoom has an environment; answer it directly"):
        BestOfN()(LocalEngine(model, tiny.encoder(model)), task(), EXAMPLES)


def test_a_family_that_cannot_take_pictures_in_an_answer_is_refused() -> None:
    model, encoder = vlms.build("gemma3")
    with pytest.raises(InputError, match="gemma3 cannot be trained with an environment"):
        ObservationEncoder(model, encoder)
