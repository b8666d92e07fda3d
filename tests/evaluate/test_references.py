"""An evaluation whose verifier can judge no reference answer is refused before a model is loaded."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from seethink import verify
from seethink.cli.app import main
from seethink.evaluate.references import PROBED, refuse_unjudgeable, spread
from seethink.formats import ANSWER_ONLY, BARE, STAGED, THINK_ANSWER
from seethink.types import Example, InputError, Response, Score, Task

FORMS = (THINK_ANSWER, ANSWER_ONLY, BARE)


def task(*answers: str | None, verifier: Any = verify.yes_no, form: Any = THINK_ANSWER) -> Task:
    examples = [Example(f"e{i}", "?", answer=answer) for i, answer in enumerate(answers)]
    return Task("questions", examples, form, verifier)


def test_a_verifier_that_can_judge_no_reference_answer_is_refused():
    message = "can judge no row, so nothing would be measured; example e0: .* is neither yes nor no.*; choose"
    with pytest.raises(InputError, match=message):
        refuse_unjudgeable([task("yes"), task("4", "5")])


def test_a_text_that_equals_a_reference_answer_says_nothing_of_whether_it_can_be_read():
    with pytest.raises(InputError, match=r"can judge no row.*'cat' is not one number"):
        refuse_unjudgeable([task("cat", "dog", "cat", verifier=verify.same_number)])
    refuse_unjudgeable([task("cat", "3", verifier=verify.same_number)])


@pytest.mark.parametrize("name", ["length_cosine", "per_token", "soft_overlong"])
def test_rewards_of_length_can_judge_references_that_no_engine_counted(name):
    refuse_unjudgeable([task("4", "5", verifier=verify.by_name(name), form=form) for form in FORMS])
    length = (verify.by_name(name), 1.0)
    weighted = verify.weighted(correct=(verify.same_number, 1.0), length=length)
    refuse_unjudgeable([task("4", "5", verifier=weighted)])


def test_one_that_can_be_judged_is_enough_and_the_rest_is_not_looked_at():
    seen: list[str] = []

    def choosy(example: Example, response: Response) -> Score:
        seen.append(example.id)
        return Score(1.0) if example.answer == "4" else Score(None, "not four")

    refuse_unjudgeable([task("3", "4", "5", "6", verifier=choosy)])
    assert seen == ["e0", "e1"]


def test_questions_without_answers_and_formats_without_a_reply_say_nothing():
    refuse_unjudgeable([task(None, None), task("4", form=STAGED)])
    with pytest.raises(InputError, match=r"none of 1 rows looked at, .*example e1"):
        refuse_unjudgeable([task(None, "4")])


def test_a_judge_model_is_not_asked():
    class Judge:
        uses_judge = True

        def prefetch(self, pairs: Any) -> None: ...

        def __call__(self, example: Example, response: Response) -> Score:
            raise AssertionError("a call of the judge")

    refuse_unjudgeable([task("4", verifier=Judge())])


@pytest.mark.parametrize("n", [0, 1, PROBED, PROBED + 1, 9 * PROBED + 3])
def test_rows_are_looked_at_evenly_over_the_data(n):
    chosen = spread(range(n))
    assert min(n, PROBED) / 2 <= len(chosen) <= PROBED
    assert len({b - a for a, b in pairwise(chosen)}) <= 1


def test_the_command_line_refuses_it(tmp_path: Path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows = Path("my.jsonl")
    rows.write_text(json.dumps({"question": "How many?", "answer": 3}) + "\n", encoding="utf-8")
    with pytest.raises(SystemExit) as exited:
        main(["eval", "--model", "sprout", "--data", "my.jsonl", "--verifier", "yes_no"])
    error = " ".join(capsys.readouterr().err.split())
    assert exited.value.code == 2
    assert error.startswith("error: the verifier can judge no row, so nothing would be measured; my.jsonl, ")
