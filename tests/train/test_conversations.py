"""Conversations in training: every answer is learned, after all the turns before it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from seethink.formats import BARE, THINK_ANSWER
from seethink.sources.handwritten import Pages
from seethink.tasks import GoldTraces, with_every_answer
from seethink.train.sft import share
from seethink.types import Example, InputError, Score, Task, Turn
from seethink.verify.judge import Judge
from tests import tiny

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


def test_every_answer_that_may_be_learned_is_an_example_with_the_turns_before_it():
    single = Example("single", "1 + 2?", (), "3")
    first, second, last, other = with_every_answer(task(TALK, single)).examples
    assert [(one.id, one.question, one.answer, one.steps) for one in (first, second)] == [
        ("talk/3", "<image>How many?", "5", ("I count.",)),
        ("talk/7", "So?", "6", ()),
    ]
    assert (first.history, second.history) == (TALK.history[:1], TALK.history[:5])
    assert (first.media, second.media) == ((FIRST,), (FIRST,))
    assert (last, other) == (TALK, single)
    unmarked = replace(
        TALK,
        question="And here?",
        history=tuple(t._replace(text=t.text.replace("<image>", "")) for t in TALK.history),
    )
    assert with_every_answer(task(unmarked)).examples[0].media == (FIRST, SECOND)


def test_data_without_conversations_are_left_as_they_are():
    plain = task(Example("single", "1 + 2?", (), "3"))
    assert with_every_answer(plain) is plain


def test_an_answer_inside_a_conversation_that_cannot_be_read_is_named():
    history = (Turn("user", "?"), Turn("assistant", "<answer>3"))
    broken = replace(TALK, history=history, question="?", media=(), where="my.jsonl, row 4")
    with pytest.raises(InputError, match=r"turn 2 of my\.jsonl, row 4 cannot be read: .* write its answer"):
        with_every_answer(task(broken))


def test_the_model_learns_each_answer_and_sees_every_turn_before_it():
    encoder = tiny.encoder(tiny.qwen2_vl())
    lessons = list(GoldTraces(with_every_answer(task(TALK, form=BARE))))
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
