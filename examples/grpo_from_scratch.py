"""GRPO from scratch: how a model is taught to reason by reinforcement, in one file of plain torch.

    python examples/grpo_from_scratch.py --steps 20

A small vision-language model looks at pages of handwritten digits and answers questions about them. To every
question it writes several answers; a verifier pays each of them; answers that earned more than their siblings
become likelier, the others less likely. That is all: no value model, no written-out reasoning to copy.

The library (`seethink.train.grpo`) computes the same loss and the same gradients; a test holds the two
together. It differs for speed and safety. Here every answer is a full row with its own copy of prompt and
picture, there the answers to one question share them. It leaves out groups in which all earned the same:
their advantage is 0 (with a KL weight they still count here). It cuts steps into packs, saves, resumes,
writes down every attempt, and stops at the first value that is not a number.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers import AutoModelForImageTextToText, AutoProcessor

from seethink import verify
from seethink.families import resolve
from seethink.formats import THINK_ANSWER
from seethink.sources.handwritten import Pages
from seethink.types import Example, Task

SAME = verify.first_of(verify.same_number, verify.same_text)
PAID = verify.weighted(correct=(SAME, 1.0), format=(verify.well_formed, 0.5))
TASK = Task("pages", Pages(100_000, "train", cells=(4, 4), digits=(4, 12)), THINK_ANSWER, PAID)


@dataclass(frozen=True)
class Settings:
    """clip: how far, as a ratio, one rollout may move a token's probability. kl_weight: pull to the start."""

    questions: int = 8
    answers: int = 8
    max_tokens: int = 96
    temperature: float = 1.0
    learning_rate: float = 5e-5
    clip: float = 0.2
    kl_weight: float = 0.0
    normalise: str = "sequence"


@dataclass
class Rollout:
    """One question, its G answers as token ids, and what each was paid."""

    prompt: dict[str, Tensor]
    answers: list[list[int]]
    rewards: list[float]


# 1. Ask. The task's format owns the words, so training and testing cannot drift apart. ----------------------


def prompt_of(processor: Any, example: Example) -> dict[str, Tensor]:
    """`input_ids` (1, P), `pixel_values` (patches, channels * patch area), `image_grid_thw` (pictures, 3)."""
    (message,) = TASK.format.prompt(example)
    content = [part if part["type"] == "text" else {"type": "image"} for part in message["content"]]
    asked = [{"role": "user", "content": content}]
    text = processor.apply_chat_template(asked, add_generation_prompt=True, tokenize=False)
    pictures = [medium.load() for medium in example.media]
    return dict(processor(text=[text], images=pictures, return_tensors="pt"))


# 2. Answer G times, 3. read every answer, 4. pay it. --------------------------------------------------------


def roll_out(model: Any, processor: Any, example: Example, settings: Settings) -> Rollout:
    """Policy gradients assume answers drawn from the whole distribution: no top-k, no top-p, no penalties.

    Media tokens are the one exception: no picture would stand behind them.
    """
    prompt, eos, config = prompt_of(processor, example), processor.tokenizer.eos_token_id, model.config
    marks = [config.vision_start_token_id, config.vision_end_token_id]
    rows = model.generate(
        **prompt,
        do_sample=True,
        temperature=settings.temperature,
        top_k=0,
        top_p=1.0,
        repetition_penalty=1.0,
        suppress_tokens=[config.image_token_id, config.video_token_id, *marks],
        num_return_sequences=settings.answers,
        max_new_tokens=settings.max_tokens,
        eos_token_id=eos,
    )[:, prompt["input_ids"].shape[1] :].tolist()
    answers = [row[: row.index(eos) + 1] if eos in row else row for row in rows]
    texts = [processor.tokenizer.decode(answer, skip_special_tokens=True) for answer in answers]
    scores = [TASK.verifier(example, TASK.format.parse(text)) for text in texts]
    rewards = [score.value for score in scores if score.value is not None]
    if len(rewards) < len(scores):
        raise ValueError(f"an answer to {example.id} cannot be judged; about these pages every answer can")
    return Rollout(prompt, answers, rewards)


# 5. How likely was every token of every answer? -------------------------------------------------------------


def token_logps(model: Any, rollouts: Sequence[Rollout], temperature: float) -> tuple[Tensor, Tensor]:
    """Log-probabilities (R, L - 1) of each next token, and the mask (R, L - 1) of those inside answers.

    R answers in all, each a row of prompt and answer with its own copy of the pictures, padded to length L.
    """
    rows = [(r.prompt, r.prompt["input_ids"][0].tolist(), answer) for r in rollouts for answer in r.answers]
    length = max(len(prompt) + len(answer) for _, prompt, answer in rows)
    ids, real, answered = torch.zeros(3, len(rows), length, dtype=torch.long)
    for i, (_, prompt, answer) in enumerate(rows):
        end = len(prompt) + len(answer)
        ids[i, :end] = torch.tensor(prompt + answer)
        real[i, :end] = 1
        answered[i, len(prompt) : end] = 1
    pictures = {name: torch.cat([p[name] for p, _, _ in rows]) for name in ("pixel_values", "image_grid_thw")}
    kinds = (ids == model.config.image_token_id).int()
    logits = model(input_ids=ids, attention_mask=real, mm_token_type_ids=kinds, **pictures).logits[:, :-1]
    logps = (logits.float() / temperature).log_softmax(-1).gather(-1, ids[:, 1:, None])[..., 0]
    return logps, answered[:, 1:]


# 6. The loss. -----------------------------------------------------------------------------------------------


def advantages(rewards: Sequence[float]) -> Tensor:
    """(G,) how many standard deviations an answer did better than its siblings (arXiv 2402.03300, 4.1.2)."""
    paid = torch.tensor(rewards)
    return (paid - paid.mean()) / (paid.std() + 1e-4)


def grpo_loss(
    model: Any,
    rollouts: Sequence[Rollout],
    settings: Settings,
    old: Tensor | None = None,
    reference: Tensor | None = None,
) -> Tensor:
    """The loss of one step (DeepSeekMath, arXiv 2402.03300, equation 3).

    old (R, L - 1): log-probabilities under the policy that wrote the answers; None if `model` is that policy.
    reference (R, L - 1): those under the model that training began with; needed with a KL weight.
    """
    logps, mask = token_logps(model, rollouts, settings.temperature)
    gain = torch.cat([advantages(rollout.rewards) for rollout in rollouts])[:, None]  # (R, 1)
    ratio = (logps - (logps.detach() if old is None else old)).exp()
    clipped = ratio.clamp(1 - settings.clip, 1 + settings.clip)
    loss = -torch.minimum(ratio * gain, clipped * gain)  # (R, L - 1)
    if settings.kl_weight:
        if reference is None:
            raise ValueError("a KL weight needs the reference's log-probabilities")
        change = reference - logps
        loss = loss + settings.kl_weight * (change.exp() - change - 1)  # k3: unbiased, never negative
    if settings.normalise == "token":
        return (loss * mask).sum() / mask.sum()  # the mean over all tokens: long answers weigh more
    return ((loss * mask).sum(1) / mask.sum(1)).mean()  # the mean over answers of their mean over tokens


# 7. And again. ----------------------------------------------------------------------------------------------


def train(name: str, steps: int, settings: Settings) -> None:
    path = resolve(name)
    processor = AutoProcessor.from_pretrained(path)
    model, start = (AutoModelForImageTextToText.from_pretrained(path, dtype=torch.float32) for _ in range(2))
    optimiser = torch.optim.AdamW(model.parameters(), lr=settings.learning_rate, weight_decay=0.0)
    for step in range(1, steps + 1):
        asked = [TASK.examples[step * settings.questions + i] for i in range(settings.questions)]
        rollouts = [roll_out(model, processor, example, settings) for example in asked]
        with torch.no_grad():
            reference = token_logps(start, rollouts, settings.temperature)[0] if settings.kl_weight else None
        optimiser.zero_grad()
        grpo_loss(model, rollouts, settings, reference=reference).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        paid = torch.tensor([rollout.rewards for rollout in rollouts])  # (questions, G)
        print(f"step {step}: reward {paid.mean():.3f}, {int((paid.std(1) > 0).sum())} groups with spread")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="GRPO in one file of plain torch.")
    parser.add_argument("--model", default="sprout", help="a Qwen2-VL model: alias, folder or hub id")
    parser.add_argument("--steps", type=int, default=20, help="rollout batches, one update each")
    parser.add_argument("--kl-weight", type=float, default=0.0, help="beta; 0 measures no distance")
    parser.add_argument("--learning-rate", type=float, default=Settings.learning_rate)
    given = parser.parse_args()
    torch.manual_seed(0)
    train(given.model, given.steps, Settings(kl_weight=given.kl_weight, learning_rate=given.learning_rate))
