"""Conversations in training: every answer is learned, after all the turns before it."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from seethink import verify
from seethink.formats import BARE, THINK_ANSWER, VERBATIM
from seethink.models.packing import Group, pack_groups
from seethink.models.policy import PolicyModel
from seethink.sources.handwritten import Pages
from seethink.systems.llamav_o1.turns import dialogue
from seethink.tasks import GoldTraces
from seethink.train.configs import SFTConfig
from seethink.train.preflight import check_examples
from seethink.train.sft import SFTMethod, share
from seethink.types import Example, InputError, Score, SFTExample, Task, Turn
from seethink.verify.judge import Judge
from tests import tiny, vlms

PAGES = Pages(2, "train", seed=4)
FIRST, SECOND = (PAGES[i].media[0] for i in range(2))
TALK = Example(
    "talk",
    "And here?<image>",
    (FIRST, SECOND),
    "7",
    history=(
        Turn("system", "Be brief."),
        Turn("user", "<image>How many?"),
        Turn("assistant", "<think>I count.</think><answer>5</answer>"),
        Turn("user", "Sure?"),
        Turn("assistant", "No.", learned=False),
        Turn("user", "So?"),
        Turn("assistant", "6"),
    ),
)


def task(*examples, form=THINK_ANSWER):
    return Task("talks", examples, form, lambda example, response: Score(1.0))


def test_every_answer_that_may_be_learned_is_learned_after_the_turns_before_it():
    single = Example("single", "1 + 2?", (), "3")
    talk, other = GoldTraces(task(TALK, single))
    first, second = (lesson.example for lesson in talk.earlier)
    assert [(one.id, one.question, one.answer, one.steps) for one in (first, second)] == [
        ("talk/3", "<image>How many?", "5", ("I count.",)),
        ("talk/7", "So?", "6", ()),
    ]
    assert (first.history, second.history) == (TALK.history[:1], TALK.history[:5])
    assert (first.media, second.media) == ((FIRST,), (FIRST,))
    assert (talk.example, other.example, other.earlier) == (TALK, single, ())
    unmarked = replace(
        TALK,
        question="And here?",
        history=tuple(t._replace(text=t.text.replace("<image>", "")) for t in TALK.history),
    )
    assert GoldTraces(task(unmarked))[0].earlier[0].example.media == (FIRST, SECOND)


def test_an_answer_inside_a_conversation_that_cannot_be_read_is_named():
    history = (Turn("user", "?"), Turn("assistant", "<answer>3"))
    broken = replace(TALK, history=history, question="?", media=(), where="my.jsonl, row 4")
    with pytest.raises(InputError, match=r"turn 2 of my\.jsonl, row 4 cannot be read: .* write its answer"):
        list(GoldTraces(task(broken)))


def test_the_model_learns_each_answer_and_sees_every_turn_before_it():
    encoder = tiny.encoder(tiny.qwen2_vl())
    (talk,) = GoldTraces(task(TALK, form=BARE))
    lessons = (*talk.earlier, talk)
    prompts = encoder.prompts([lesson.format.prompt(lesson.example) for lesson in lessons])
    pad = encoder.image_token_id
    shown = [[i for i, t in enumerate(p.ids) if t == pad and p.ids[i - 1] != pad] for p in prompts]
    assert [len(starts) for starts in shown] == [1, 1, 2]
    texts = [encoder.tokenizer.decode([t for t in prompt.ids if t != pad]) for prompt in prompts]
    for before, said in zip(texts, ("How many?", "So?", "And here?"), strict=True):
        assert "Be brief." in before and said in before
    assert all("No." in text for text in texts[1:]) and "No." not in texts[0]

    learned = []
    for group in share(lessons, prompts, encoder):
        for branch in group.branches:
            ids = [t for t, trained in zip(branch.ids, branch.trained, strict=True) if trained]
            learned.append(encoder.decode(ids))
    assert learned == ["5", "6", "7"]


def test_a_judge_sees_the_turns_before_the_question():
    from seethink.types import Response

    (message,) = Judge("judge", None).prompt(TALK, Response("7", answer="7"))
    shown = [part.get("text") or part["image"] for part in message["content"]]
    assert shown.index(FIRST) < shown.index(SECOND)
    whole = "".join(part for part in shown if isinstance(part, str))
    assert "system: Be brief." in whole and "assistant: No." in whole and "user: And here?" in whole


# One row for a whole conversation ------------------------------------------------------------------------

STAGES = ("I look, then count.", "A page of digits.")
QUESTIONS = [replace(PAGES[0], steps=(*STAGES, " ".join(PAGES[0].steps)))]
QUESTIONS.append(replace(QUESTIONS[0], id="odd", question="How many digits are odd?", answer="3"))
TEXT_TALK = Example("sums", "And 3?", answer="6", history=(Turn("user", "1 + 2?"), Turn("assistant", "3")))


def lessons_of(*examples: Example) -> list[SFTExample]:
    return list(GoldTraces(Task("talks", examples, VERBATIM, verify.same_answer)))


def turns_of(lessons: list[SFTExample]) -> list[SFTExample]:
    return [turn for lesson in lessons for turn in (*lesson.earlier, lesson)]


def together_and_apart(encoder, lessons: list[SFTExample]) -> tuple[list[Group], list[Group]]:
    turns = turns_of(lessons)
    prompts = encoder.prompts([turn.format.prompt(turn.example) for turn in turns])
    apart = [share([turn], [prompt], encoder)[0] for turn, prompt in zip(turns, prompts, strict=True)]
    return share(turns, prompts, encoder), apart


def learned_by(model, groups: list[Group]) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """(log-probabilities in the order of the turns, gradients)"""
    model.zero_grad()
    logps = []
    for group in groups:
        (pack,) = pack_groups([group], 10_000)
        found = PolicyModel(model)(pack)
        (-found).sum().backward()
        logps.append(found.detach())
    return torch.cat(logps), {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}


def test_a_dialogue_in_stages_is_one_row_with_one_picture_and_a_loss_on_the_answers_alone() -> None:
    (lesson,) = lessons_of(dialogue(QUESTIONS))
    encoder = tiny.encoder(tiny.qwen2_vl())
    ((group,), apart) = together_and_apart(encoder, [lesson])
    assert (len(apart), len(group.branches)) == (8, 1)
    assert len(group.prompt.media["image_grid_thw"]) == 1
    (branch,) = group.branches
    assert [*group.prompt.ids, *branch.ids] == [*apart[-1].prompt.ids, *apart[-1].branches[0].ids]
    learned = [token for token, trained in zip(branch.ids, branch.trained, strict=True) if trained]
    assert learned == [token for one in apart for token in one.branches[0].ids]
    replies = encoder.tokenizer.decode(learned).split(encoder.tokenizer.eos_token)
    texts = [*QUESTIONS[0].steps, QUESTIONS[0].answer, *QUESTIONS[1].steps, QUESTIONS[1].answer]
    assert replies == [*texts, ""]


@pytest.mark.parametrize("name", ["qwen2_vl", "idefics3", "gemma3", "llava"])
def test_a_conversation_in_one_row_equals_a_row_for_each_turn(name: str) -> None:
    """One about a picture, and one of text alone."""
    model, encoder = vlms.build(name)
    groups, apart = together_and_apart(encoder, lessons_of(dialogue(QUESTIONS), TEXT_TALK))
    assert [len(group.branches) for group in groups] == [1, 1] and len(apart) == 10
    assert sum(group.length for group in groups) < 0.5 * sum(group.length for group in apart)
    (found, gradients), (wanted, separate) = learned_by(model, groups), learned_by(model, apart)
    torch.testing.assert_close(found, wanted, atol=1e-5, rtol=0)
    largest = max(float(g.abs().max()) for g in separate.values())
    assert gradients.keys() == separate.keys()
    for n, gradient in separate.items():
        if not n.endswith("k_proj.bias"):  # zero: softmax does not see it, so fp32 holds rounding alone
            off = (gradients[n] - gradient).abs().max() / (gradient.abs().max() + 1e-5 * largest)
            assert off < 1e-4, (n, float(off))


def test_a_template_that_rewrites_answers_once_they_are_history_has_a_branch_for_each() -> None:
    encoder = tiny.encoder(tiny.qwen2_vl())
    template = encoder.processor.chat_template
    try:
        encoder.processor.chat_template = template.replace("<|im_end|>", " <|im_end|>")
        (group,), apart = together_and_apart(encoder, lessons_of(dialogue(QUESTIONS[:1])))
    finally:
        encoder.processor.chat_template = template
    rows = [[*one.prompt.ids, *one.branches[0].ids] for one in apart]
    assert [[*group.prompt.ids, *branch.ids] for branch in group.branches] == rows
    assert len(group.branches) == 4


def test_shuffling_keeps_a_conversation_together_and_a_batch_counts_conversations() -> None:
    talks = lessons_of(*(dialogue([replace(q, id=f"{q.id}/{i}")]) for i, q in enumerate(QUESTIONS * 3)))
    method = SFTMethod(tiny.encoder(tiny.qwen2_vl()), talks, SFTConfig.of(train_batch_size=4))
    groups = [group for step in range(2) for group in method.groups(step)]
    branches = [branch for group in groups for branch in group.branches]
    assert len(branches) == len(talks) == 6
    assert all(
        sum(b.trained[i] and not b.trained[i + 1] for i in range(len(b.ids) - 1)) == 3 for b in branches
    )


def test_a_fault_in_an_earlier_answer_is_found_before_the_first_step(tmp_path) -> None:
    (lesson,) = lessons_of(replace(TEXT_TALK, where="my.jsonl, row 4"))
    broken = replace(lesson, earlier=(replace(lesson.earlier[0], text="<|im_end|>"),))
    with pytest.raises(InputError, match=r"my\.jsonl, row 4: .*<\|im_end\|>"):
        check_examples(tiny.saved(tmp_path / "base"), [broken], SFTConfig(), tmp_path / "out", print)
