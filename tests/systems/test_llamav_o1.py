"""LlamaV-o1: what is done instead of its five best-known defects, and the rows of its two stages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from seethink import systems
from seethink.engines.base import Beams
from seethink.engines.local import LocalEngine
from seethink.engines.scripted import ScriptedEngine
from seethink.evaluate.evaluate import evaluate
from seethink.formats import ANSWER_LINE, STAGED, VERBATIM
from seethink.formats.turns import CAPTION, PLAN, REASON, STAGES
from seethink.run.run import Run
from seethink.run.scale import Scale
from seethink.settings import leaves
from seethink.solve import Stages, by_name
from seethink.sources import drawn
from seethink.systems.llamav_o1.dialogues import Dialogues, FirstQuestions, Openings, StagedQuestions
from seethink.systems.llamav_o1.step_grades import graded_by_rules
from seethink.systems.llamav_o1.turns import dialogue, opening
from seethink.tasks import GoldTraces
from seethink.types import Completion, Example, InputError, Messages, Response, Sampling, Task
from seethink.verify import same_answer
from seethink.verify.judge import Judge
from tests import tiny

CHARTS = StagedQuestions(drawn.by_name("charts", 3, "train"), per_picture=2)


def texts_of(messages: Messages, role: str) -> list[str]:
    return [
        "".join(part.get("text", "") for part in message["content"])
        for message in messages
        if message["role"] == role
    ]


# The five defects -------------------------------------------------------------------------------------------


def test_the_judge_of_final_answers_reads_the_gold_answer_and_an_unreadable_verdict_counts_as_none() -> None:
    """Published: it reads the gold steps, and what cannot be parsed leaves the denominator. One verdict:
    tests/verify/test_judge.py; here two that differ, and a judge that is down for one answer."""
    example = Example("1", "Which colour?", answer="red", steps=("It is left.", "The left one is red."))

    class HalfDown(ScriptedEngine):
        def _complete(self, messages: Messages) -> Completion:
            done = super()._complete(messages)
            return replace(done, stop="unanswered") if "crimson" in texts_of(messages, "user")[0] else done

    engine = HalfDown(lambda messages: "VERDICT: right\nVERDICT: wrong")
    judge = Judge("judge", engine)
    scores = [judge(example, Response(said, answer=said)) for said in ("ruby", "crimson")]
    assert [score.value for score in scores] == [None, None]
    (shown,) = texts_of(engine.conversations[0], "user")
    assert "red" in shown and "It is left." not in shown


def test_every_turn_asks_with_a_sentence_and_the_same_one_as_in_training() -> None:
    """Published: the adapter sends the names of the stages. Of one question: tests/solve/test_stages.py; here
    the second question of a dialogue, whose history is not asked again."""
    rows = CHARTS[:2]
    engine = ScriptedEngine(lambda messages: "text")
    Stages()(engine, Task("t", rows[:1], STAGED, same_answer), rows[:1])
    asked = texts_of(engine.conversations[-1], "user")
    talk = dialogue(rows)
    trained = [turn.text for turn in talk.history if turn.role == "user"] + [talk.question]
    assert not {text.casefold() for text in (*asked, *trained)} & {*STAGES}
    assert asked[1:] == trained[1:4] == trained[5:], "the words of training, for each question"
    assert trained[0].startswith("<image>") and "<image>" not in trained[4] and trained[4].endswith(PLAN)


def test_candidates_are_sampled_and_the_beams_that_were_asked_for_are_used() -> None:
    """Published: the adapter's four candidates are greedy, thus equal, and it loses num_beams. Equal
    candidates: tests/solve/test_stages.py; here what reaches the engine."""
    with pytest.raises(InputError, match="temperature"):
        by_name("step_beam:temperature=0")

    class Searching(ScriptedEngine):
        beams: Sequence[Beams] = ()

        def beam_search(self, conversations: Sequence[Messages], beams: Beams) -> list[list[Completion]]:
            self.beams = [*self.beams, beams]
            return self.generate(conversations, Sampling())

    engine, rows = Searching(lambda messages: "text"), CHARTS[:1]
    by_name("stages:width=3,max_tokens=20,max_answer_tokens=5")(
        engine, Task("t", rows, STAGED, same_answer), rows
    )
    assert [(one.width, one.max_tokens) for one in engine.beams] == [(3, 20)] * 3 + [(3, 5)]


def test_a_question_whose_conversation_breaks_off_stays_in_the_denominator(tmp_path) -> None:
    """Published: any exception skips the item silently, and averages ignore it."""
    rows = [replace(row, answer="4") for row in CHARTS[:4:2]]

    class Failing(ScriptedEngine):
        def _complete(self, messages: Messages) -> Completion:
            done, asked = super()._complete(messages), texts_of(messages, "user")
            lost = rows[1].question in asked[0] and asked[-1] == REASON
            return replace(done, stop="unanswered") if lost else done

    engine = Failing(lambda messages: "4")
    result = evaluate(engine, [Task("t", rows, STAGED, same_answer)], Stages(), tmp_path, tmp_path / "media")
    assert (result["t"]["n"], result["t"]["unanswered"], result["t"]["value"]) == (2, 1, 0.5)


def test_both_screens_of_a_question_are_encoded_once_for_all_four_turns_and_beams() -> None:
    """Published: the picture is encoded anew in each turn. Of one picture: tests/solve/test_stages.py."""
    model = tiny.qwen2_vl(max_position_embeddings=2048)
    engine, rows = LocalEngine(model, tiny.encoder(model)), StagedQuestions(drawn.by_name("screens", 1))
    solver = Stages(width=2, max_tokens=3, max_answer_tokens=2)
    ((one,),) = solver(engine, Task("t", rows, STAGED, same_answer), rows)
    assert one.usage is not None and (one.usage.calls, one.usage.pictures_encoded) == (4, 2)


# Rows of the two stages -------------------------------------------------------------------------------------


def test_questions_about_one_picture_differ_and_the_answer_to_each_is_known() -> None:
    rows = StagedQuestions(drawn.by_name("exams", 20, "train"), per_picture=2)
    pairs = [rows[i : i + 2] for i in range(0, 40, 2)]
    assert all(a.media == b.media and a.id != b.id for a, b in pairs)
    assert sum(a.question != b.question for a, b in pairs) >= 10, "where the scene allows another one"
    for row in rows:
        assert len(row.steps) == 3 and all(row.steps) and row.answer
        assert STAGED.parse(STAGED.write(row.steps, row.answer)).answer == row.answer


def test_the_first_stage_teaches_plan_and_caption_alone() -> None:
    rows = Openings(CHARTS)
    assert len(rows) == 6
    lesson = GoldTraces(Task("openings", rows, VERBATIM, same_answer))[0]
    assert [one.text for one in (*lesson.earlier, lesson)] == [*CHARTS[0].steps[:2]]
    assert lesson.example.question == CAPTION and opening(CHARTS[0]) == rows[0]


def test_neighbours_about_one_picture_make_a_dialogue_and_their_number_is_known_before() -> None:
    whole = Dialogues(CHARTS, 3)
    assert [len(whole.about(i)) for i in range(3)] == [2, 2, 2]
    assert whole[1] == dialogue(CHARTS[2:4]) and len(whole[1].history) == 14
    assert [row.id for row in FirstQuestions(whole)] == [row.id for row in whole]
    short = Dialogues(CHARTS, 5, longest=1)
    assert [len(short.about(i)) for i in range(5)] == [1] * 5
    with pytest.raises(InputError, match="make 3 dialogues, not 4; set n to at most that"):
        Dialogues(CHARTS, 4)[0]


@pytest.mark.parametrize("scale", ["tiny", "full"])
def test_what_is_said_in_one_text_may_be_as_long_as_four_turns(tmp_path, scale: str) -> None:
    stages = Run("llamav_o1", Scale(scale), tmp_path).dry_run(systems.recipe("llamav_o1").recipe)
    turns = stages["eval/beams4"].config
    for name in ("pass_rate", "eval/base"):
        assert leaves(stages[name].config)["max_tokens"] == 3 * turns.max_tokens + turns.max_answer_tokens
    for name in ("controls/greedy", "controls/majority", "controls/likeliest"):
        control = getattr(stages[name].config, "one", stages[name].config)
        assert control == turns.replace(width=1, temperature=float(name != "controls/greedy"))


# Grades by rules --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "covered", "other"),
    [
        ("Ann has 3. Bob has 4. 3 + 4 = 7.", 1.0, {}),
        ("Ann has 3.\n3 + 4 = 8.", 1 / 3, {"Faithfulness-Step": 0.5}),
        ("Ann has 3.\nann has 3", 1 / 3, {"Repetition-Token": 0.5}),
        ("How many do both have?\nBob has 4.", 1 / 3, {"Redundancy": 0.5}),
    ],
)
def test_steps_are_graded_in_four_attributes(said: str, covered: float, other: dict[str, float]) -> None:
    example = Example(
        "1", "How many do both have?", answer="7", steps=("Ann has 3. Bob has 4.", "3 + 4 = 7.")
    )
    score = graded_by_rules(example, ANSWER_LINE.parse(f"{said}\nAnswer: 7"))
    known = {"Faithfulness-Step": 1.0, "Repetition-Token": 1.0, "Redundancy": 1.0} | other
    found = {name: part.value for name, part in score.parts.items()}
    assert found == pytest.approx(known | {"Semantic Coverage-Step": covered})
    assert score.value == pytest.approx(sum(found.values()) / 4)


def test_without_a_thought_the_grade_is_0_and_without_reference_steps_there_is_none() -> None:
    bare = Example("1", "?", answer="7", steps=("a",))
    assert graded_by_rules(bare, Response("7", answer="7")).value == 0.0
    assert graded_by_rules(replace(bare, steps=()), Response("7", thought="a", answer="7")).value is None
