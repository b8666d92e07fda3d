"""A server with `--format raw`, asked as lmms-eval asks it with a task folder of ours."""

from __future__ import annotations

from typing import Any

from seethink.attempt import attempt, headline
from seethink.evaluate.lmms_bridge import TaskFunctions, judged_mean
from seethink.formats import THINK_ANSWER
from seethink.formats.any_form import ANY_FORM
from seethink.sources import drawn
from seethink.tasks import weighted_reward
from seethink.types import Sampling, Task
from seethink.verify import VERIFIERS
from tests.serve.served import body, data_uri, png, post, service_of, serving, sprout, user


def test_the_task_of_lmms_eval_gets_our_texts_and_our_number_from_the_server() -> None:
    task = Task("t", drawn.by_name("counting", 6), THINK_ANSWER, weighted_reward(VERIFIERS["same_number"]))
    functions = TaskFunctions(task)
    texts, values = [], []
    with serving(service_of(sprout(), form=ANY_FORM)) as served:
        for example in task.examples:
            doc = {"id": example.id}
            (message,) = functions.doc_to_messages(doc)
            parts = [
                p["text"] if p["type"] == "text" else data_uri(png(p["url"])) for p in message["content"]
            ]
            answer = served.client().chat.completions.create(
                model="sprout", messages=user(*parts), temperature=0, max_tokens=100
            )
            texts.append(answer.choices[0].message.content)
            values.append(functions.process_results(doc, [texts[-1]])["correct"])
        url, asking = data_uri(png(task.examples[0].media[0].load())), "/v1/chat/completions"
        statuses = {
            detail: post(served, asking, body(_detailed(url, detail)))[0]
            for detail in ("auto", "high", "low")
        }
    assert statuses == {"auto": 200, "high": 200, "low": 400}  # a picture is never taken smaller
    ours = [one for (one,) in attempt(sprout(), task, task.examples, Sampling(temperature=0, max_tokens=100))]
    assert texts == [rollout.response.text for rollout in ours]
    assert any("<answer>" in text for text in texts)
    scores = [headline(task, rollout.score).value for rollout in ours]
    assert judged_mean(values) == sum(scores) / len(scores)


def _detailed(url: str, detail: str) -> list[dict[str, Any]]:
    (message,) = user(url, "How many?")
    message["content"][0]["image_url"]["detail"] = detail
    return [message]


def test_the_messages_stay_as_they_are() -> None:
    (example,) = drawn.by_name("counting", 1)
    (message,) = ANY_FORM.prompt(example)
    picture, text = message["content"]
    assert (picture["type"], text) == ("image", {"type": "text", "text": example.question})
