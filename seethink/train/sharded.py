"""Weights divided among the processes: FSDP2 and DeepSpeed, as `accelerate launch` was told.

torch, DeepSpeed and accelerate divide weights, sum gradients and write what a killed run resumes from. Ours
is what they ask of a training: a divided model is computed by all processes together, layer by layer, so
each must make the same calls in the same order (`equal_calls`); where each computes for itself, it needs the
whole weights for that long (`gathered`).
"""

from __future__ import annotations

import atexit
import sys
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from accelerate.state import PartialState
from accelerate.utils import DistributedType, FullyShardedDataParallelPlugin, parse_flag_from_env
from torch import Tensor, distributed, nn
from torch.distributed.fsdp import CPUOffloadPolicy, FSDPModule, MixedPrecisionPolicy
from torch.distributed.tensor import DTensor

from seethink.train import ranks, shared_prefix
from seethink.train.groups import Branch, Group, Pack, pack_groups
from seethink.train.shared_prefix import Scorer
from seethink.types import InputError


def settle(accelerator: Any) -> bool:
    """Whether the launcher asked for sharding; what it asked for is made fit for training.

    Under bf16, FSDP sums gradients in fp32 and log-probabilities stay in fp32; accelerate would round both.
    Raises InputError for what is not supported.
    """
    state = accelerator.state
    if parse_flag_from_env("ACCELERATE_USE_FSDP") and state.distributed_type == DistributedType.MULTI_CPU:
        # on CPUs accelerate would ignore the wish; torch does not
        state.fsdp_plugin = FullyShardedDataParallelPlugin()
        state.distributed_type = PartialState().distributed_type = DistributedType.FSDP
    fsdp, zero = (getattr(state, f"{name}_plugin", None) for name in ("fsdp", "deepspeed"))
    if not (fsdp or zero):
        return False
    devices = zero.deepspeed_config["zero_optimization"] if zero else {}
    kept_on = [devices.get(f"offload_{what}", {}).get("device", "none") for what in ("optimizer", "param")]
    refused = {
        "FSDP version 1 (say fsdp_version: 2)": fsdp and fsdp.fsdp_version != 2,
        "offloading to the CPU": {*kept_on} != {"none"} or (fsdp and fsdp.cpu_offload == CPUOffloadPolicy()),
        "an optimiser of DeepSpeed's own": zero and {"optimizer", "scheduler"} & zero.deepspeed_config.keys(),
        "fp16 (say bf16)": accelerator.mixed_precision == "fp16",
    }
    for what, asked in refused.items():
        if asked:
            raise InputError(f"the launcher asks for {what}, which sharded trainings do not support")
    if fsdp and accelerator.mixed_precision == "bf16":
        fsdp.mixed_precision_policy = MixedPrecisionPolicy(
            torch.bfloat16, reduce_dtype=torch.float32, cast_forward_inputs=False
        )
    atexit.register(_part)
    return True


def _part() -> None:
    """Threads of a process group that is left to the interpreter's end may abort the process."""
    if distributed.is_initialized():
        distributed.destroy_process_group()


def forget_gradients(engine: Any) -> None:
    """ZeRO-3 would keep the last step's gradient of weights that the next one does not reach."""
    if (kept := getattr(engine.optimizer, "grad_partitions_flat_buffer", None)) is not None:
        kept.zero_()


def divided(model: nn.Module) -> bool:
    """Whether this process holds a part of the weights only. ZeRO-2 divides gradients alone."""
    return any(isinstance(p, DTensor) or hasattr(p, "ds_id") for p in model.parameters())


def equal_calls(packs: Sequence[Pack], scorer: Scorer) -> list[tuple[Pack, bool]]:
    """The packs and whether each is work, in an order that is the same in all processes.

    A process with fewer packs of a kind than another repeats one of them idly, which must weigh nothing;
    where it has none, the first process that has one lends it. Everyone must call it.
    """
    mine: dict[str, list[Pack]] = {}
    for pack in packs:
        mine.setdefault(_kind(pack, scorer), []).append(pack)
    counts = ranks.everyone([{kind: len(some) for kind, some in mine.items()}])
    wanted = {kind: max(count.get(kind, 0) for count in counts) for kind in sorted(set().union(*counts))}
    spare = {kind: min(some, key=lambda pack: pack.ids.numel()) for kind, some in mine.items()}
    first = {kind: [kind in count for count in counts].index(True) for kind in wanted}
    lent = {
        kind: [Group(g.prompt, [Branch(b.ids, b.trained) for b in g.branches]) for g in pack.groups]
        for kind, pack in spare.items()
        if first[kind] == ranks.number() and not all(kind in count for count in counts)
    }
    for borrowed in ranks.everyone([lent]):
        for kind in borrowed.keys() - spare.keys():
            [spare[kind]] = pack_groups(borrowed[kind], sys.maxsize)
    calls = []
    for kind, count in wanted.items():
        work = mine.get(kind, [])
        calls += [(pack, True) for pack in work] + [(spare[kind], False)] * (count - len(work))
    return calls


def _kind(pack: Pack, scorer: Scorer) -> str:
    """Packs for which this is equal make the same calls of divided parts: of the vision tower or not; of the
    language model, without shared rows, for every branch; of the head, where ZeRO-3 divides it by itself."""
    prompt = pack.groups[0].prompt
    rows = 1 if scorer.family.shared else len(pack.branches)
    alone = hasattr(scorer.model.lm_head.weight, "ds_id")
    heads = -(-len(pack.targets) // shared_prefix.ROWS_PER_CHUNK) if alone else 1
    return repr((prompt.family.alike(prompt.media), rows, heads))


@contextmanager
def gathered(model: nn.Module) -> Iterator[None]:
    """The whole weights in every process, and no exchange at any call of the model. Everyone must enter.

    So each may call it as often as it likes, as rollouts do. What is changed meanwhile is lost.
    """
    units = [module for module in model.modules() if isinstance(module, FSDPModule)]
    partitioned = [parameter for parameter in model.parameters() if hasattr(parameter, "ds_id")]
    with ExitStack() as stack:
        for unit in units:
            unit.unshard()
            stack.callback(unit.reshard)
        if partitioned:
            import deepspeed  # pyright: ignore[reportMissingImports]

            stack.enter_context(deepspeed.zero.GatheredParameters(partitioned))
        if units or partitioned:
            stack.enter_context(_without_hooks(model))
        yield


@contextmanager
def _without_hooks(model: nn.Module) -> Iterator[None]:
    """By hooks, a layer's weights are gathered before its call and freed after it."""
    kept = [(module, module._forward_pre_hooks, module._forward_hooks) for module in model.modules()]
    for module, _, _ in kept:
        module._forward_pre_hooks, module._forward_hooks = OrderedDict(), OrderedDict()
    try:
        yield
    finally:
        for module, before, after in kept:
            module._forward_pre_hooks, module._forward_hooks = before, after


def make_whole(model: nn.Module) -> None:
    """In process 0, `model` becomes an ordinary one in fp32 on the CPU, its weights gathered one by one.
    It is trained no more. Everyone must call it."""
    made: dict[int, nn.Parameter] = {}  # tied weights stay one
    for name, value in list(model.named_parameters(remove_duplicate=False)):
        if id(value) not in made:
            full = _whole(value)  # together, also where it is not kept
            made[id(value)] = nn.Parameter(full.cpu().float(), False) if ranks.number() == 0 else value
        owner, _, leaf = name.rpartition(".")
        model.get_submodule(owner)._parameters[leaf] = made[id(value)]
    for module in model.modules():
        module._state_dict_pre_hooks.clear()  # they would put the divided weights back


def _whole(value: Tensor) -> Tensor:
    """Under bf16, DeepSpeed computes with rounded weights and trains fp32 ones: those are what is kept."""
    if isinstance(value, DTensor):
        return value.full_tensor().detach()
    if hasattr(value, "ds_id") or hasattr(value, "_hp_mapping"):
        import deepspeed  # pyright: ignore[reportMissingImports]

        if (trained := deepspeed.utils.safe_get_full_fp32_param(value)) is not None:
            return trained.detach()
        if not value.numel():
            with deepspeed.zero.GatheredParameters([value]):
                return value.detach().clone()
    return value.detach()
