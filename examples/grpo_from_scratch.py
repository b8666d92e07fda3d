"""GRPO from scratch: reinforcement learning of reasoning in one file of plain torch.

    python examples/grpo_from_scratch.py --max-steps 20

A small vision-language model answers questions about pages of handwritten digits. For each prompt it samples
a group of completions; a verifier rewards each of them; completions with a higher reward than the rest of
their group become more likely, the others less likely. There is no value model and no reasoning to imitate.

The library (`seethink.train.grpo`) computes the same loss and the same gradients; a test compares the two. It
differs in speed and safety. Here every completion is a full row with its own copy of prompt and picture;
there the completions of a prompt share them. The library leaves out groups whose rewards are all equal, since
their advantages are 0 (with beta > 0 they still count here), splits steps into packs, saves and resumes,
records every attempt, and stops at the first value that is not finite.
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
from seethink.formats import THINK_ANSWER
from seethink.models.names import resolve
from seethink.sources.handwritten import Pages
from seethink.types import Example, Task

CORRECT = verify.first_of(verify.same_number, verify.same_text)
REWARD = verify.weighted(correct=(CORRECT, 1.0), format=(verify.well_formed, 0.5))
TASK = Task("pages", Pages(100_000, "train", cells=(4, 4), digits=(4, 12)), THINK_ANSWER, REWARD)


@dataclass(frozen=True)
class Settings:
    """Names and meanings as in `GRPOConfig`."""

    prompts_per_step: int = 8
    num_generations: int = 8
    max_completion_length: int = 96
    temperature: float = 1.0
    learning_rate: float = 5e-5
    epsilon: float = 0.2
    beta: float = 0.0
    loss_type: str = "grpo"


@dataclass
class Rollout:
    """A prompt, its G completions as token ids, and the reward of each."""

    prompt: dict[str, Tensor]
    completions: list[list[int]]
    rewards: list[float]


# 1. Prompt. The task's format words it, so training and testing use the same prompts. -----------------------


def prompt_of(processor: Any, example: Example) -> dict[str, Tensor]:
    """`input_ids` (1, P), `pixel_values` (patches, channels * patch area), `image_grid_thw` (pictures, 3)."""
    (message,) = TASK.format.prompt(example)
    content = [part if part["type"] == "text" else {"type": "image"} for part in message["content"]]
    messages = [{"role": "user", "content": content}]
    text = processor.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
    pictures = [medium.load() for medium in example.media]
    return dict(processor(text=[text], images=pictures, return_tensors="pt"))


# 2. Sample G completions, 3. parse, 4. reward. --------------------------------------------------------------


def roll_out(model: Any, processor: Any, example: Example, settings: Settings) -> Rollout:
    """Sample and score a group. Policy gradients assume samples of the whole distribution: no top-k, no
    top-p, no penalties. Media tokens alone are suppressed, since no picture belongs to a sampled one.
    """
    prompt, eos, config = prompt_of(processor, example), processor.tokenizer.eos_token_id, model.config
    vision_marks = [config.vision_start_token_id, config.vision_end_token_id]
    rows = model.generate(
        **prompt,
        do_sample=True,
        temperature=settings.temperature,
        top_k=0,
        top_p=1.0,
        repetition_penalty=1.0,
        suppress_tokens=[config.image_token_id, config.video_token_id, *vision_marks],
        num_return_sequences=settings.num_generations,
        max_new_tokens=settings.max_completion_length,
        eos_token_id=eos,
    )[:, prompt["input_ids"].shape[1] :].tolist()
    completions = [row[: row.index(eos) + 1] if eos in row else row for row in rows]
    texts = [processor.tokenizer.decode(completion, skip_special_tokens=True) for completion in completions]
    scores = [TASK.verifier(example, TASK.format.parse(text)) for text in texts]
    rewards = [score.value for score in scores if score.value is not None]
    if len(rewards) < len(scores):
        raise ValueError(f"a completion of {example.id} has no score; in this task every completion has one")
    return Rollout(prompt, completions, rewards)


# 5. Log-probabilities of every token of every completion. ---------------------------------------------------


def token_logps(model: Any, rollouts: Sequence[Rollout], temperature: float) -> tuple[Tensor, Tensor]:
    """Log-probabilities (R, L - 1) of each next token, and the mask (R, L - 1) of those inside completions.

    R completions in all, each a row of prompt and completion with its own copy of the pictures, padded to
    length L.
    """
    rows = [(r.prompt, r.prompt["input_ids"][0].tolist(), ids) for r in rollouts for ids in r.completions]
    length = max(len(prompt) + len(completion) for _, prompt, completion in rows)
    ids, attended, completed = torch.zeros(3, len(rows), length, dtype=torch.long)
    for i, (_, prompt, completion) in enumerate(rows):
        end = len(prompt) + len(completion)
        ids[i, :end] = torch.tensor(prompt + completion)
        attended[i, :end] = 1
        completed[i, len(prompt) : end] = 1
    pictures = {name: torch.cat([p[name] for p, _, _ in rows]) for name in ("pixel_values", "image_grid_thw")}
    image_tokens = (ids == model.config.image_token_id).int()
    output = model(input_ids=ids, attention_mask=attended, mm_token_type_ids=image_tokens, **pictures)
    logps = (output.logits[:, :-1].float() / temperature).log_softmax(-1).gather(-1, ids[:, 1:, None])[..., 0]
    return logps, completed[:, 1:]


# 6. The loss. -----------------------------------------------------------------------------------------------


def advantages(rewards: Sequence[float]) -> Tensor:
    """(G,) rewards, standardised within the group (DeepSeekMath, arXiv 2402.03300, section 4.1.2)."""
    rewards_g = torch.tensor(rewards)
    return (rewards_g - rewards_g.mean()) / (rewards_g.std() + 1e-4)


def grpo_loss(
    model: Any,
    rollouts: Sequence[Rollout],
    settings: Settings,
    old: Tensor | None = None,
    reference: Tensor | None = None,
) -> Tensor:
    """The loss of one step (DeepSeekMath, arXiv 2402.03300, equation 3).

    old (R, L - 1): log-probabilities under the policy that sampled the completions; None if `model` is that
    policy. reference (R, L - 1): log-probabilities under the initial model; needed where beta > 0.
    """
    logps, mask = token_logps(model, rollouts, settings.temperature)
    advantage = torch.cat([advantages(rollout.rewards) for rollout in rollouts])[:, None]  # (R, 1)
    ratio = (logps - (logps.detach() if old is None else old)).exp()
    clipped = ratio.clamp(1 - settings.epsilon, 1 + settings.epsilon)
    loss = -torch.minimum(ratio * advantage, clipped * advantage)  # (R, L - 1)
    if settings.beta:
        if reference is None:
            raise ValueError("beta > 0 needs the reference's log-probabilities")
        change = reference - logps
        loss = loss + settings.beta * (change.exp() - change - 1)  # k3: unbiased, never negative
    if settings.loss_type == "dapo":
        return (loss * mask).sum() / mask.sum()  # mean over all tokens: long completions weigh more
    return ((loss * mask).sum(1) / mask.sum(1)).mean()  # mean over completions of the mean over tokens


# 7. Repeat. -------------------------------------------------------------------------------------------------


def train(name: str, max_steps: int, settings: Settings) -> None:
    path = resolve(name)
    processor = AutoProcessor.from_pretrained(path)
    load = AutoModelForImageTextToText.from_pretrained
    model, initial = (load(path, dtype=torch.float32) for _ in range(2))
    optimiser = torch.optim.AdamW(model.parameters(), lr=settings.learning_rate, weight_decay=0.0)
    for step in range(1, max_steps + 1):
        first = step * settings.prompts_per_step
        examples = TASK.examples[first : first + settings.prompts_per_step]
        rollouts = [roll_out(model, processor, example, settings) for example in examples]
        with torch.no_grad():
            reference = token_logps(initial, rollouts, settings.temperature)[0] if settings.beta else None
        optimiser.zero_grad()
        grpo_loss(model, rollouts, settings, reference=reference).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        rewards = torch.tensor([rollout.rewards for rollout in rollouts])  # (prompts, G)
        groups = int((rewards.std(1) > 0).sum())
        print(f"step {step}: reward {rewards.mean():.3f}, {groups} groups with different rewards")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="GRPO in one file of plain torch.")
    parser.add_argument("--model", default="sprout", help="a Qwen2-VL model: alias, folder or hub id")
    parser.add_argument("--max-steps", type=int, default=20, help="optimiser steps")
    parser.add_argument("--beta", type=float, default=0.0, help="weight of the KL divergence")
    parser.add_argument("--learning-rate", type=float, default=Settings.learning_rate)
    options = parser.parse_args()
    torch.manual_seed(0)
    settings = Settings(beta=options.beta, learning_rate=options.learning_rate)
    train(options.model, options.max_steps, settings)
