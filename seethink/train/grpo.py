"""Group relative policy optimisation: rollouts -> scores -> advantages -> groups -> policy gradient."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from seethink.attempt import headline, judge_all
from seethink.models import vision_cache
from seethink.models.encoder import Encoder
from seethink.models.host_inputs import places
from seethink.models.loading import load_policy
from seethink.models.packing import Branch, Group, Pack
from seethink.models.policy import LogProbs, PolicyModel
from seethink.train import objectives, ranks
from seethink.train.attempt_log import AttemptLog
from seethink.train.configs import GRPOConfig
from seethink.train.grpo_metrics import RolloutStatistics, UpdateStatistics, step_metrics
from seethink.train.guard import guarded
from seethink.train.held_out import HeldOut
from seethink.train.importance import correction
from seethink.train.methods import OnStep
from seethink.train.preflight import check_task
from seethink.train.probes import rollout_probes
from seethink.train.prompt_sampler import PromptSampler
from seethink.train.reference import ReferenceModel
from seethink.train.rollouts import Rollouts
from seethink.train.sampling import RolloutSampler, SampledGroup, with_traces
from seethink.train.sharding import gather_weights
from seethink.train.token_log import TokenLog
from seethink.train.trainer import GroupTrainer
from seethink.types import Sampling, Task


@guarded("grpo")
def grpo(  # noqa: PLR0913  (what every training takes)
    model: str,
    task: Task,
    config: GRPOConfig,
    out: Path,
    media: Path | None = None,
    on_step: OnStep = lambda row: None,
    held_out: HeldOut | None = None,
) -> Path:
    """Reinforce what `task.verifier` rewards; returns `out/checkpoint`, a folder for `from_pretrained`.

    Every attempt is written to `out/attempts.jsonl`, its pictures under `media`. Called again on the same
    `out` (`guarded`) it continues; InputError for other settings. Without `on_step`, a bar on a terminal.
    held_out: answered every `eval_steps`."""
    task = check_task(model, task, config, out, on_step)
    policy, encoder = load_policy(model, config.training.adapter.load_in_4bit)
    method = GRPOMethod(model, policy, encoder, task, config)
    method.log = AttemptLog(out / "attempts.jsonl", media or out / "media")
    if config.training.monitoring.log_tokens:
        method.tokens = TokenLog(out / "tokens.jsonl", encoder.processor.tokenizer.decode)
    method.rollouts.weights_folder = out / "rollout-weights"
    try:
        trainer = GroupTrainer(policy, method, config.training, config.max_steps, out, on_step)
        return trainer.fit(held_out)
    finally:
        method.rollouts.close()


class GRPOMethod:
    """GRPO for the trainer: each rollout batch feeds `num_iterations` optimiser steps."""

    journals: Sequence[str] = ("attempts.jsonl", "tokens.jsonl")
    log = AttemptLog(None)

    def __init__(
        self, model: str, policy: PolicyModel, encoder: Encoder, task: Task, config: GRPOConfig
    ) -> None:
        self.policy, self.encoder, self.task, self.config = policy, encoder, task, config
        self.num_iterations = config.num_iterations
        self.rollouts = Rollouts(model, policy.model, encoder, config)
        self.sample = RolloutSampler(task, self.rollouts, policy.model, encoder)
        self.temperature = config.rollout.temperature if config.rollout.rollout_backend == "local" else None
        self.reference = ReferenceModel(model, policy)
        self.sampler = PromptSampler(task.examples, config)
        self.batch: list[Group] = []
        self.statistics = RolloutStatistics(task)
        self.update, self.tokens = UpdateStatistics(), TokenLog()

    def groups(self, step: int) -> list[Group]:
        """A new rollout batch at every `num_iterations`-th step; the same groups in between."""
        batch, iteration = divmod(step, self.num_iterations)
        self.tokens.begin(step + 1, step - iteration + 1)
        if iteration == 0:
            self.batch = self._roll_out(batch, step)
        return self.batch

    def probes(self) -> list[Group]:
        return rollout_probes(self.task, self.encoder, self.rollouts, self.config)

    def begin_update(self) -> None:
        self.update, self.tokens.rows = UpdateStatistics(), []

    def loss(self, policy: LogProbs, pack: Pack) -> Tensor:
        """(N,) policy gradient plus beta times KL; of reference traces the negative log-likelihood.

        The first update of a rollout is on-policy: its own detached log-probabilities are the old ones, so no
        second pass is made."""
        logps, entropy = policy(pack, self.config.rollout.temperature, with_entropy=True)
        lengths = [branch.n_trained for branch in pack.branches]
        for branch, now in zip(pack.branches, logps.detach().split(lengths), strict=True):
            branch.old = now if branch.old is None else branch.old
        old = torch.cat([branch.old for branch in pack.branches if branch.old is not None])
        losses, clipped = self._policy_gradient(logps, old, pack)
        losses = losses * self._importance_weights(old, pack)
        sampled = places([not branch.copied for branch in pack.branches], lengths).to(logps.device)
        self.update.clipped.append(clipped.float()[sampled])
        self.update.entropy.append(entropy[sampled])
        self.tokens.add(pack, logps, entropy)
        if self.config.beta:
            kl = objectives.kl_divergence(
                logps, self._reference_logps(pack, lengths), self.config.kl_estimator
            )
            self.update.kl.append(kl.detach()[sampled])
            losses = losses + self.config.beta * kl
        return torch.where(pack.copied, objectives.nll(logps), losses)

    def _policy_gradient(self, logps: Tensor, old: Tensor, pack: Pack) -> tuple[Tensor, Tensor]:
        clip_range = self.config.clip_range
        if self.config.loss_type == "cispo":
            return objectives.cispo_policy_gradient(logps, old, pack.advantages, clip_range[1])
        if self.config.importance_sampling_level == "sequence":
            return objectives.sequence_policy_gradient(logps, old, pack.advantages, pack.owner, clip_range)
        return objectives.clipped_policy_gradient(logps, old, pack.advantages, *clip_range)

    def _importance_weights(self, old: Tensor, pack: Pack) -> Tensor:
        """(N,) corrections for an engine that samples with other probabilities than the trained model's."""
        own = zip(pack.branches, old.split([branch.n_trained for branch in pack.branches]), strict=True)
        sampled = torch.cat([old.new_tensor(b.sampled) if b.sampled else logps for b, logps in own])
        weights, held = correction(old, sampled, pack.owner, self.config.rollout)
        self.update.compare(pack.branches, old, sampled, held)
        return weights

    def _reference_logps(self, pack: Pack, lengths: Sequence[int]) -> Tensor:
        """(N,) log-probabilities under the reference model, computed once per rollout batch."""
        if any(branch.reference is None for branch in pack.branches):
            logps = self.reference(pack, self.config.rollout.temperature)
            for branch, fixed in zip(pack.branches, logps.split(lengths), strict=True):
                branch.reference = fixed
        return torch.cat([branch.reference for branch in pack.branches if branch.reference is not None])

    def metrics(self) -> dict[str, float | None]:
        self.tokens.write()
        known = step_metrics(self.statistics, self.update)
        if self.config.rollout.rollout_backend == "local":
            return known
        return known | {
            "request_retries": ranks.all_sum(self.rollouts.retries),
            "incomplete_sampling_masks": ranks.all_sum(self.rollouts.incomplete_masks),
        }

    # A rollout batch ---------------------------------------------------------------------------------------

    def _roll_out(self, batch: int, step: int) -> list[Group]:
        """Sample completions, score them, and keep the groups whose rewards differ; where there are too few,
        sample other prompts, `dynamic_sampling_retries` times at most."""
        size = self.config.rollout.prompts_per_step
        if self.sampler.batch != batch:
            self.sampler.resume(batch, self.log.path)
        indices = self.sampler.next()
        self.statistics = RolloutStatistics(self.task)
        with gather_weights(self.policy):
            self.rollouts.sync_weights(step)
        sampled = self._sample(ranks.local_shard(indices), batch, step)
        groups = form_groups(sampled, self.config, self.statistics)
        for retry in range(self.config.rollout.dynamic_sampling_retries):
            missing = self.sampler.replacements(retry, indices)[: size - ranks.all_sum(len(groups))]
            if not missing:
                break
            indices += missing
            sampled += self._sample(ranks.local_shard(missing), batch, step)
            groups = form_groups(sampled, self.config, self.statistics)
        self.rollouts.sleep()
        self.statistics.resampled = len(indices) - size
        self.statistics.passed_over = self.sampler.passed_over
        return with_traces(groups, sampled, self.task, self.encoder, self.config.sft_loss_coef)

    def _sample(self, indices: Sequence[int], batch: int, step: int) -> list[SampledGroup]:
        """The prompts at `indices` and their scored completions, which are written to `attempts`."""
        examples = [self.task.examples[i] for i in indices]
        messages = [self.task.format.prompt(example) for example in examples]
        prompts = self.encoder.prompts(messages)
        sampling = Sampling(
            n=self.config.rollout.num_generations,
            temperature=self.config.rollout.temperature,
            top_p=self.config.rollout.top_p,
            top_k=self.config.rollout.top_k,
            max_tokens=self.config.rollout.max_completion_length,
            seed=random.Random(f"{self.config.training.seed}/rollout/{batch}").getrandbits(63),
        )
        with gather_weights(self.policy):
            prompts = vision_cache.with_features(self.policy.model, prompts)
            completions, branches = self.sample(examples, prompts, sampling)
        rollouts = judge_all(self.task, examples, messages, completions)
        every = [rollout for group in rollouts for rollout in group]
        correct = ({"id": r.example.id, "correct": headline(self.task, r.score).value} for r in every)
        self.sampler.record(ranks.all_gather(correct))
        self.log.write(self.task, prompts, rollouts, step + 1)
        return [SampledGroup(*parts) for parts in zip(prompts, rollouts, branches, strict=True)]


def form_groups(
    sampled: Sequence[SampledGroup], config: GRPOConfig, statistics: RolloutStatistics
) -> list[Group]:
    """Scored rollouts as groups; what is left out is counted in `statistics`.

    Completions that could not be judged take no part. A group whose rewards are all equal has no advantage:
    it is skipped, but its tokens stay in the normaliser, so skipping changes no gradient (with KL it does: a
    skipped group is not pulled towards the reference either). Only with dynamic sampling is the step
    normalised over what was kept, as in DAPO."""
    statistics.rollouts = [list(group.rollouts) for group in sampled]
    rewarded = [
        [
            (branch, rollout.score.value + _overlong(branch, config))
            for rollout, branch in zip(group.rollouts, group.branches, strict=True)
            if rollout.score.value is not None
        ]
        for group in sampled
    ]
    if config.overlong_buffer_len:
        statistics.overlong = [_overlong(branch, config) for group in rewarded for branch, _ in group]
    statistics.unjudged = sum(map(len, statistics.rollouts)) - sum(map(len, rewarded))
    spread = [len({reward for _, reward in group}) > 1 for group in rewarded]
    statistics.zero_std_groups = len(spread) - sum(spread)
    dynamic = config.rollout.dynamic_sampling_retries > 0
    counted = [group for group, uneven in zip(rewarded, spread, strict=True) if uneven or not dynamic]
    lengths = [branch.n_trained for group in counted for branch, _ in group]
    weights = iter(
        objectives.token_weights(
            lengths,
            config.loss_type,
            config.rollout.max_completion_length,
            ranks.all_gather(lengths),
            ranks.world_size(),
        )
    )
    batch = ranks.all_gather([reward for group in rewarded for _, reward in group])
    groups = []
    for source, group, uneven in zip(sampled, rewarded, spread, strict=True):
        own = [next(weights) for _ in group] if uneven or not dynamic else []
        if not uneven:
            continue
        gains = objectives.advantages(
            [reward for _, reward in group], config.advantage_estimator, config.scale_rewards, batch
        ).tolist()
        branches = [
            replace(branch, weight=w, advantage=a)
            for (branch, _), w, a in zip(group, own, gains, strict=True)
        ]
        groups.append(Group(source.prompt, branches, source.rollouts[0].example.id))
    return groups


def _overlong(branch: Branch, config: GRPOConfig) -> float:
    """What the length of a completion costs: at most 0."""
    limit = config.rollout.max_completion_length
    return objectives.overlong_penalty(branch.n_trained, limit, config.overlong_buffer_len)
