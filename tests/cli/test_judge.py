"""A judge at the command line: called once for each answer that the rules cannot judge, or for every answer;
its summary; its rewards in training. Model and judge are small fakes, everything between them is real."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path
from typing import Any

import PIL.Image
import pytest

from seethink.cli.app import main
from seethink.engines import chat
from seethink.engines.local import LocalEngine
from seethink.engines.sync import SyncEngine
from seethink.evaluate.attempts import read_rows
from seethink.types import Completion
from seethink.verify.judge import ATTRIBUTES
from tests import fakes, tiny
from tests.engines.chat_requests import QUICK
from tests.fakes import evaluations
from tests.servers import ChatServer, HttpReply

GRADES = json.dumps(dict.fromkeys(ATTRIBUTES, 8))
ROWS = (("red", "crimson"), ("red", "blue"), ("3", "3"), ("4", "5"), ("a cat", "a kitten"))
"""Gold and what the model says."""
RIGHT = {"crimson", "a kitten", "3", "fire"}
"""What the judge finds right."""


class Obedient:
    """An engine that answers with the word that the question names."""

    def generate(self, conversations, sampling):
        texts = ("".join(part.get("text", "") for part in turns[0]["content"]) for turns in conversations)
        words = [re.search(r"Say: (.*?)\.", text)[1] for text in texts]  # type: ignore[index]
        return [[Completion(f"<think>I think.</think><answer>{word}</answer>")] for word in words]


def judging(body: dict[str, Any]) -> str:
    prompt = body["messages"][-1]["content"]
    candidate = re.search(r"Candidate:\n<<<\n(.*?)\n>>>", prompt, re.DOTALL)
    assert candidate
    if "Grade each" in prompt:
        return GRADES
    return f"VERDICT: {'right' if candidate[1] in RIGHT else 'wrong'}"


@pytest.fixture(autouse=True)
def world(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(chat, "RequestPolicy", lambda: QUICK)
    monkeypatch.setattr(LocalEngine, "load", lambda name: Obedient())
    fakes.model_folder(tmp_path / "base")
    rows = [{"question": f"Say: {answer}.", "answer": gold, "steps": ["I look."]} for gold, answer in ROWS]
    Path("my.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


OWN = ("--model", "base", "--data", "my.jsonl", "--verifier", "same_number")


def call(capsys, *words):
    """(exit code, lines of stdout, stderr) of a command."""
    with pytest.raises(SystemExit) as exited:
        main([str(word) for word in words])
    printed = capsys.readouterr()
    return exited.value.code or 0, printed.out.splitlines(), printed.err


def evaluated(capsys, *words) -> list[str]:
    code, out, err = call(capsys, "eval", *OWN, *words)
    assert (code, err) == (0, "")
    return out


def attempts() -> list[dict[str, Any]]:
    return list(read_rows(evaluations()[-1] / "attempts.jsonl"))


def correct() -> list[float | None]:
    return [row["correct"] for row in attempts()]


def test_the_judge_decides_where_the_rules_cannot_and_is_called_once(capsys) -> None:
    with ChatServer(judging) as server:
        out = evaluated(capsys, "--judge-base-url", server.url)
        assert server.n_requests == 3
        assert correct() == [1.0, 0.0, 1.0, 0.0, 1.0]
        assert [row["parts"]["rules"]["value"] for row in attempts()] == [None, None, 1.0, 0.0, None]
        assert "judge fake: 3 calls, 0 replies from runs/eval/judge.sqlite" in out
        assert "the rules judged 2 of 5 attempts, the judge 3 of the other 3" in out

        out = evaluated(capsys, "--judge-base-url", server.url)
        assert any(line.startswith("eval: skipped") for line in out)
        out = evaluated(capsys, "--judge-base-url", server.url, "max_tokens=99")
        assert "judge fake: 0 calls, 3 replies from runs/eval/judge.sqlite" in out
        assert (server.n_requests, correct()) == (3, [1.0, 0.0, 1.0, 0.0, 1.0])
    assert not list(Path("runs/eval").glob("judge.sqlite-*")), "closed"


def test_without_a_judge_they_stay_unjudged(capsys) -> None:
    out = evaluated(capsys)
    assert correct() == [None, None, 1.0, 0.0, None]
    assert not any("judge" in line.replace("unjudged", "") for line in out)
    assert not Path("runs/eval/judge.sqlite").exists()


def test_a_judge_for_everything_is_compared_with_the_rules(capsys) -> None:
    rows = [
        {"question": f"Say: {answer}.", "answer": gold} for gold, answer in (("3", "3"), ("4", "fire"), *ROWS)
    ]
    Path("my.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    with ChatServer(judging) as server:
        out = evaluated(capsys, "--judge-base-url", server.url, "--judge-for", "all")
    assert correct() == [1.0, 1.0, 1.0, 0.0, 1.0, 0.0, 1.0]
    assert (
        "rules and judge agree on 75.0% of 4 attempts (Cohen's kappa 0.50); 3 more were not judged by both"
    ) in out  # right, wrong, right, wrong by the rules; right, right, right, wrong by the judge
    assert server.n_requests == 6, "the first question occurs twice"


def test_a_failing_server_leaves_none_is_counted_and_called_again_by_retry(
    capsys,
) -> None:
    broken = HttpReply(500, {"error": {"message": "out of order"}})
    with ChatServer(lambda body: broken if "crimson" in str(body) else judging(body)) as server:
        out = evaluated(capsys, "--judge-base-url", server.url)
        assert correct() == [None, 0.0, 1.0, 0.0, 1.0]
        assert (
            "1 calls failed, most often with 500: after 3 attempts: out of order; to try again, add --retry"
        ) in out
        assert "the rules judged 2 of 5 attempts, the judge 2 of the other 3" in out
        assert "the judge fake does not answer: 500: after 3 attempts: out of order" in attempts()[0]["why"]

        server.reply = judging
        out = evaluated(capsys, "--judge-base-url", server.url, "--retry")
        assert "answered again: 1 questions" in out
    assert correct() == [1.0, 0.0, 1.0, 0.0, 1.0]
    assert "judge fake: 1 calls, 0 replies from runs/eval/judge.sqlite" in out


def test_steps_are_graded_beside_the_answer_without_reward(capsys) -> None:
    with ChatServer(judging) as server:
        out = evaluated(capsys, "--judge-base-url", server.url, "--steps-judge")
    assert [row["parts"]["steps"]["value"] for row in attempts()] == [pytest.approx(0.8)] * 5
    assert correct() == [1.0, 0.0, 1.0, 0.0, 1.0]
    assert "steps by 10 attributes: mean 0.800 over 5 attempts" in out


def test_a_truncated_reply_of_the_judge_is_no_verdict(capsys) -> None:
    long = {"choices": [{"message": {"content": "VERDICT: right"}, "finish_reason": "length"}]}
    with ChatServer(lambda body: long) as server:
        out = evaluated(capsys, "--judge-base-url", server.url, "--judge-max-tokens", 64)
        assert {body["max_tokens"] for body in server.bodies} == {64}
    assert "the rules judged 2 of 5 attempts, the judge 0 of the other 3" in out
    assert "the reply of the judge fake was cut off at 64 tokens" in attempts()[0]["why"]


def _damaged() -> None:
    Path("runs/eval").mkdir(parents=True)
    Path("runs/eval/judge.sqlite").write_bytes(b"no database at all, but a text of some length" * 20)


def test_a_judge_that_cannot_be_used_is_one_message_before_any_work(capsys, monkeypatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.setenv("KEY", "no such key")
    with ChatServer(judging, key="secret", models=(("a", "me"), ("b", "me"))) as server:
        gone = ChatServer()
        with gone:
            pass
        for words, message in [
            (("--judge-base-url", server.url), "OPENAI_API_KEY, which is not set: no such key"),
            (("--judge-base-url", server.url, "--judge-key-env", "KEY"), "KEY, which is not the right one"),
            (("--judge-base-url", gone.url), f"the server at {gone.url} cannot be reached"),
            (("--judge-base-url", "localhost"), "is not the address of a server"),
            (("--judge-model", "m"), "--judge-model needs --judge-base-url URL"),
            (("--steps-judge",), "--steps-judge needs --judge-base-url URL"),
        ]:
            code, out, err = call(capsys, "eval", *OWN, *words)
            assert (code, out) == (2, []) and err.count("error: ") == 1 and message in err, err
        server.key = ""
        code, _, err = call(capsys, "eval", *OWN, "--judge-base-url", server.url)
        assert code == 2 and "serves a, b; name one of them" in err
        assert server.n_requests == 0 and not Path("runs").exists()
        assert "judge b: 3 calls" in "\n".join(
            evaluated(capsys, "--judge-base-url", server.url, "--judge-model", "b", "--out", "other")
        )
        _damaged()
        code, out, err = call(capsys, "eval", *OWN, "--judge-base-url", server.url, "--judge-model", "a")
        assert (code, out) == (2, []) and "judge.sqlite is damaged" in err


def test_the_judge_is_shown_the_picture(capsys) -> None:
    PIL.Image.new("RGB", (8, 8), "red").save("page.png")
    row = {"question": "Say: crimson.", "answer": "red", "image": "page.png"}
    Path("my.jsonl").write_text(json.dumps(row), encoding="utf-8")
    with ChatServer(lambda body: "VERDICT: right") as server:
        evaluated(capsys, "--judge-base-url", server.url)
    (body,) = server.bodies
    shown, *texts = body["messages"][0]["content"]
    _, _, data = shown["image_url"]["url"].partition(";base64,")
    assert base64.b64decode(data) == Path("page.png").read_bytes()
    assert [part["type"] for part in texts] == ["text", "text"] and correct() == [1.0]


def test_another_judge_is_another_evaluation(capsys) -> None:
    with ChatServer(judging, models=(("a", "me"), ("b", "me"))) as server:
        evaluated(capsys, "--judge-base-url", f"{server.url}#a")
        out = evaluated(capsys, "--judge-base-url", f"{server.url}#b")
    assert "eval: started" in out and len(evaluations()) == 2
    assert (server.n_requests, {body["model"] for body in server.bodies}) == (6, {"a", "b"})


@pytest.mark.parametrize("method", ["sft", "dpo"])
def test_trainings_that_judge_nothing_refuse_a_judge(capsys, method) -> None:
    if method == "dpo":
        Path("my.jsonl").write_text('{"prompt": "?", "chosen": "a", "rejected": "b"}\n', encoding="utf-8")
    own = OWN[: OWN.index("--verifier")]
    code, out, err = call(capsys, "train", method, *own, "--judge-base-url", "http://localhost:1/v1")
    assert (
        (code, out) == (2, []) and "--judge-base-url judges nothing: " in err and "no --test to score" in err
    )


def test_grpo_is_rewarded_by_the_judge_and_logs_the_rules_beside_it(capsys, tmp_path, monkeypatch) -> None:
    from seethink.train.rollouts import Rollouts

    tiny.saved(tmp_path / "model")
    words = ("crimson", "7", "crimson", "navy")

    def complete(self, prompts, sampling):
        texts = (f"<think>So.</think><answer>{word}</answer>" for word in words)
        ids = [tiny.processor().tokenizer(text)["input_ids"] for text in texts]
        completions = [
            Completion(f"<think>So.</think><answer>{w}</answer>", "stop", len(i), tuple(i))
            for w, i in zip(words, ids, strict=True)
        ]
        return [completions for _ in prompts]

    def generate(self, conversations, sampling):
        batches.append(len(conversations))
        return put(self, conversations, sampling)

    batches, put = [], SyncEngine.generate
    monkeypatch.setattr(Rollouts, "complete", complete)
    monkeypatch.setattr(SyncEngine, "generate", generate)
    settings = ("max_steps=2", "prompts_per_step=5", "num_generations=4", "max_completion_length=40")
    with ChatServer(judging) as server:
        code, out, err = call(
            capsys, "train", "grpo", "--model", tmp_path / "model", "--data", "my.jsonl",
            "--verifier", "same_number", "--judge-base-url", server.url, *settings,
        )  # fmt: skip
    assert code == 0, err
    first, second = read_rows(Path("runs/train-grpo/grpo/metrics.jsonl"))
    assert (first["unjudged"], second["unjudged"], first["frac_reward_zero_std"]) == (0, 0, 0)
    assert first["rewards/correct/mean"] == pytest.approx(5 * 2 / 20) and first["rewards/rules/mean"] == 0.0
    assert batches == [13], (
        "all at once: three texts with three different answers, two numbers with two words"
    )
    assert server.n_requests == 13
    assert "judge fake: 13 calls, 0 replies from runs/train-grpo/judge.sqlite" in out
    assert "the rules judged 4 of 40 attempts, the judge 36 of the other 36" in out


# Where replies are kept -------------------------------------------------------------------------------------


def test_equal_answers_of_two_models_get_one_verdict(capsys) -> None:
    """A judge need not say the same twice; two arms that gave the same answer must not differ by its mood."""
    fakes.model_folder(Path("tuned"), b"other weights")
    with ChatServer(judging) as server:
        evaluated(capsys, "--judge-base-url", server.url)
        asked = server.n_requests
        server.reply = lambda body: "VERDICT: wrong"
        code, out, _ = call(capsys, "eval", "--model", "tuned", *OWN[2:], "--judge-base-url", server.url)
        assert code == 0 and server.n_requests == asked
    assert correct() == [1.0, 0.0, 1.0, 0.0, 1.0]
    assert f"judge fake: 0 calls, {asked} replies from runs/eval/judge.sqlite" in out


def test_two_servers_with_models_of_one_name_share_no_verdict(capsys) -> None:
    with ChatServer(judging) as server:
        evaluated(capsys, "--judge-base-url", server.url)
        with ChatServer(lambda body: "VERDICT: wrong") as other:
            out = evaluated(capsys, "--judge-base-url", other.url)
            assert other.n_requests == server.n_requests == 3
    assert correct() == [0.0, 0.0, 1.0, 0.0, 0.0]
    assert "judge fake: 3 calls, 0 replies from runs/eval/judge.sqlite" in out


def test_replies_are_kept_in_out_or_in_the_file_that_is_named(capsys) -> None:
    with ChatServer(judging) as server:
        evaluated(capsys, "--judge-base-url", server.url, "--out", "own")
        assert Path("own/judge.sqlite").is_file() and not Path("runs").exists()
        evaluated(capsys, "--judge-base-url", server.url, "--out", "two", "--judge-cache", "own/judge.sqlite")
        assert server.n_requests == 3 and not Path("two/judge.sqlite").exists()


def test_an_audit_tells_how_far_rules_and_judge_agree_without_deciding(capsys) -> None:
    rows = [
        {"question": f"Say: {answer}.", "answer": gold}
        for gold, answer in (("3", "3"), ("4", "4"), ("4", "5"), *ROWS)
    ]
    Path("my.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    with ChatServer(judging) as server:
        out = evaluated(capsys, "--judge-base-url", server.url, "--judge-audit", 1)
    assert correct() == [1.0, 1.0, 0.0, 1.0, 0.0, 1.0, 0.0, 1.0], "the rules decide where they can"
    assert [row["parts"]["audit"]["value"] for row in attempts()] == [1, 0, 0, 1, 0, 1, 0, 1]
    assert (
        "rules and judge agree on 80.0% of 5 attempts (Cohen's kappa 0.62); 3 more were not judged by both"
    ) in out, "they differ about 4"
    assert "the rules judged 5 of 8 attempts, the judge 3 of the other 3" in out


def test_an_audit_of_a_share_is_that_of_the_same_questions_in_every_evaluation() -> None:
    from seethink.types import Example, Response
    from seethink.verify.judge import Audited, Judge

    class Right:
        def generate(self, conversations, sampling):
            return [[Completion("VERDICT: right")] for _ in conversations]

    audit = Audited(Judge("m", Right()), 0.2)
    chosen = [
        i for i in range(2_000) if audit(Example(str(i), "?", answer="3"), Response("", answer="3")).value
    ]
    assert 0.17 < len(chosen) / 2_000 < 0.23
    again = Audited(Judge("n", Right()), 0.2)
    assert all(again(Example(str(i), "?", answer="4"), Response("", answer="5")).value for i in chosen)


def test_grades_of_every_attribute_are_recorded_and_averaged_here(capsys) -> None:
    grades = {name: 1 + i for i, name in enumerate(ATTRIBUTES)}
    with ChatServer(
        lambda body: json.dumps(grades) if "Grade each" in str(body) else judging(body)
    ) as server:
        evaluated(capsys, "--judge-base-url", server.url, "--steps-judge")
    found = json.loads((evaluations()[-1] / "stage.json").read_text(encoding="utf-8"))["result"]["my"]
    assert found["step_grades"]["mean"] == pytest.approx(0.55)
    assert found["step_grades"]["attributes"] == pytest.approx({k: v / 10 for k, v in grades.items()})


def test_answers_of_another_tool_are_judged_too(capsys):
    """Rules judge numbers; the judge is asked about the words, and its summary is about the rescored rows."""
    rows = [
        {"index": i, "question": f"Say: {said}.", "answer": gold, "prediction": said}
        for i, (gold, said) in enumerate(ROWS)
    ]
    Path("theirs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    with ChatServer(judging) as server:
        judge = ("--judge-base-url", server.url)
        words = ("theirs.jsonl", "--data", "my.jsonl", "--verifier", "same_number", "--out", "out")
        code, out, err = call(capsys, "rescore", *words, *judge)
    assert (code, err) == (0, "")
    found = [row["correct"] for row in read_rows(Path("out/attempts.jsonl"))]
    assert found == [1.0, 0.0, 1.0, 0.0, 1.0]
    assert any("the rules judged 2 of 5 attempts, the judge 3 of the other 3" in line for line in out)
