"""Two agents, as Insight-V answers: one writes a chain of reasoning, one judges it silently and answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from seethink import formats
from seethink.attempt import headline, judge_all
from seethink.evaluate.chains import CHAIN
from seethink.formats.agents import summary_request
from seethink.solve.metering import Meter, reusing
from seethink.solve.options import SolverOptions
from seethink.solve.second_engine import engine_of, with_adapter
from seethink.solve.writing import composed, judged
from seethink.types import GREEDY, Engine, Example, Response, Rollout, RolloutPart, Sampling, Task

AGENTS = (CHAIN, "summary")
"""Names of a rollout's parts. The value of the first is the score of the reasoning agent's own answer."""
LONG = replace(GREEDY, max_tokens=1024)


@dataclass(frozen=True)
class TwoAgents(SolverOptions):
    """A reasoning agent answers step by step; a summary agent reads question and process, judges it without
    saying so, and answers from it if it is sound, on its own if not (Insight-V).

    The reasoning agent is asked in the task's format, the summary agent by `formats.agents.SUMMARY_PROMPT` in
    `summary_format`; both see the picture. reasoning_adapter, summary_adapter: folders of LoRA adapters of
    the engine's model, switched in place. summary_model: another model for the summary; the engine's own by
    default. sampling: of the reasoning. max_summary_tokens: of the summary, which is greedy.
    """

    reasoning_adapter: str = ""
    summary_adapter: str = ""
    summary_model: str = ""
    summary_format: str = "answer_line"
    max_summary_tokens: int = 512
    sampling: Sampling = field(default=LONG)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.require(max_summary_tokens="at least 1")
        formats.by_name(self.summary_format)
        if self.sampling.n != 1:
            raise ValueError(f"n={self.sampling.n}: it must be 1, one chain for each question")
        if self.summary_adapter and self.summary_model:
            raise self.refuse("summary_adapter", "leave it out, or summary_model, which is another model")

    def answer(self, engine: Engine, task: Task, examples: Sequence[Example]) -> list[list[Rollout]]:
        """One rollout for each example, its thought being the chain and the summary; a summary without an
        answer in `summary_format` is read in the task's."""
        meter, form = Meter(len(examples)), formats.by_name(self.summary_format)
        other = engine_of(self.summary_model, engine)
        with reusing(other):
            prompts = [task.format.prompt(example) for example in examples]
            reasoner = with_adapter(engine, self.reasoning_adapter)
            chains = meter.ask(reasoner, range(len(examples)), prompts, self.sampling)
            reasoned = [one for (one,) in judge_all(task, examples, prompts, chains)]
            live = [i for i, one in enumerate(reasoned) if one.response.stop != "unanswered"]
            requests = [summary_request(examples[i], process(reasoned[i].response)) for i in live]
            greedy = replace(GREEDY, max_tokens=self.max_summary_tokens)
            asked = [form.prompt(request) for request in requests]
            replies = meter.ask(with_adapter(other, self.summary_adapter), live, asked, greedy)
        completions = [group[0] for group in chains]
        parts: list[tuple[RolloutPart, ...]] = [
            (RolloutPart(AGENTS[0], one.response.text, headline(task, one.score).value),) for one in reasoned
        ]
        for i, (reply,) in zip(live, replies, strict=True):
            read = form.parse(form.prefill + reply.text)
            steps = [*process(reasoned[i].response), read.thought or ""]
            both = [chains[i][0], reply]
            completions[i] = reply if read.answer is None else composed(task, steps, read.answer, both)
            parts[i] = (*parts[i], RolloutPart(AGENTS[1], reply.text))
        rollouts = judged(task, examples, [[one] for one in completions])
        return meter.give([[replace(one, parts=own)] for (one,), own in zip(rollouts, parts, strict=True)])


def process(response: Response) -> list[str]:
    """The chain that the summary agent reads: the steps or the thought, without the answer; the whole text
    where neither can be read."""
    return [*(response.steps or (response.thought or response.text,))]
