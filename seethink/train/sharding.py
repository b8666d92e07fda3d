"""Weights sharded over processes by FSDP2 or DeepSpeed, as `accelerate launch` configures it.

torch, DeepSpeed and accelerate shard weights, reduce gradients and write checkpoints. This module adapts a
training to them: a sharded model is computed by all processes together, layer by layer, so each must make the
same calls in the same order (`equal_calls`); where each computes for itself, it needs the whole weights
meanwhile (`gather_weights`)."""

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

from seethink.models.packing import Branch, Group, Pack, pack_groups
from seethink.models.policy import PolicyModel
from seethink.train import ranks
from seethink.types import InputError


def configure(accelerator: Any) -> bool:
    """Adapt the sharding that the launcher asked for; returns whether it asked for any.

    Under bf16, FSDP reduces gradients in fp32 and log-probabilities stay in fp32; accelerate would round
    both. Raises InputError for options that are not supported."""
    state = accelerator.state
    if parse_flag_from_env("ACCELERATE_USE_FSDP") and state.distributed_type == DistributedType.MULTI_CPU:
        # accelerate ignores FSDP on CPUs; torch supports it
        state.fsdp_plugin = FullyShardedDataParallelPlugin()
        state.distributed_type = PartialState().distributed_type = DistributedType.FSDP
    fsdp, zero = (getattr(state, f"{name}_plugin", None) for name in ("fsdp", "deepspeed"))
    if not (fsdp or zero):
        return False
    devices = zero.deepspeed_config["zero_optimization"] if zero else {}
    offload = [devices.get(f"offload_{what}", {}).get("device", "none") for what in ("optimizer", "param")]
    refused = {
        "FSDP version 1 (say fsdp_version: 2)": fsdp and fsdp.fsdp_version != 2,
        "offloading to the CPU": {*offload} != {"none"} or (fsdp and fsdp.cpu_offload == CPUOffloadPolicy()),
        "an optimiser of DeepSpeed's own": zero and {"optimizer", "scheduler"} & zero.deepspeed_config.keys(),
        "fp16 (say bf16)": accelerator.mixed_precision == "fp16",
    }
    for option, requested in refused.items():
        if requested:
            raise InputError(f"the launcher asks for {option}, which sharded trainings do not support")
    if fsdp and accelerator.mixed_precision == "bf16":
        fsdp.mixed_precision_policy = MixedPrecisionPolicy(
            torch.bfloat16, reduce_dtype=torch.float32, cast_forward_inputs=False
        )
    atexit.register(_destroy_process_group)
    return True


def _destroy_process_group() -> None:
    """Threads of a process group that is still open when the interpreter exits may abort the process."""
    if distributed.is_initialized():
        distributed.destroy_process_group()


def forget_gradients(engine: Any) -> None:
    """Clear gradients that ZeRO-3 would keep from the last step for weights that this step does not reach."""
    if (kept := getattr(engine.optimizer, "grad_partitions_flat_buffer", None)) is not None:
        kept.zero_()


def is_sharded(model: nn.Module) -> bool:
    """Whether this process holds only a part of the weights. ZeRO-2 shards gradients alone."""
    return any(isinstance(p, DTensor) or hasattr(p, "ds_id") for p in model.parameters())


def equal_calls(packs: Sequence[Pack], policy: PolicyModel) -> list[tuple[Pack, bool]]:
    """Packs, and whether each has a weight, in an order of kinds that is the same in all processes, so that
    all make equal collective calls. Every process must call it.

    A process with fewer packs of a kind than another repeats one of them with weight zero; if it has none, it
    gets one from the first process that has.
    """
    mine: dict[str, list[Pack]] = {}
    for pack in packs:
        mine.setdefault(_kind(pack, policy), []).append(pack)
    counts = ranks.all_gather([{kind: len(some) for kind, some in mine.items()}])
    wanted = {kind: max(count.get(kind, 0) for count in counts) for kind in sorted(set().union(*counts))}
    spare = {kind: min(some, key=lambda pack: pack.ids.numel()) for kind, some in mine.items()}
    first = {kind: [kind in count for count in counts].index(True) for kind in wanted}
    lent = {
        kind: [Group(g.prompt, [Branch(b.ids, b.trained) for b in g.branches]) for g in pack.groups]
        for kind, pack in spare.items()
        if first[kind] == ranks.rank() and not all(kind in count for count in counts)
    }
    for borrowed in ranks.all_gather([lent]):
        for kind in borrowed.keys() - spare.keys():
            [spare[kind]] = pack_groups(borrowed[kind], sys.maxsize)
    calls = []
    for kind, count in wanted.items():
        own = mine.get(kind, [])
        calls += [(pack, True) for pack in own] + [(spare[kind], False)] * (count - len(own))
    return calls


def _kind(pack: Pack, policy: PolicyModel) -> str:
    """A key: packs with equal keys make the same calls of sharded modules. These are the vision tower or not,
    the language model once per branch without shared rows, and the output layer where ZeRO-3 shards it by
    itself."""
    prompt = pack.groups[0].prompt
    rows = 1 if policy.family.shared else len(pack.branches)
    alone = policy.family.shared and hasattr(policy.model.lm_head.weight, "ds_id")
    heads = policy.head_calls(pack) if alone else 1
    return repr((prompt.family.alike(prompt.media), rows, heads))


@contextmanager
def gather_weights(model: nn.Module) -> Iterator[None]:
    """Context with the whole weights in every process, without communication when the model is called, so
    that each process may call it as often as its rollouts need. Changes to the weights are lost. Every
    process must enter."""
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
    """Suspend the hooks that gather a layer's weights before its call and free them after it."""
    kept = [(module, module._forward_pre_hooks, module._forward_hooks) for module in model.modules()]
    for module, _, _ in kept:
        module._forward_pre_hooks, module._forward_hooks = OrderedDict(), OrderedDict()
    try:
        yield
    finally:
        for module, before, after in kept:
            module._forward_pre_hooks, module._forward_hooks = before, after


def make_whole(model: nn.Module) -> None:
    """Turn `model` of process 0 into an ordinary fp32 model on the CPU, gathering its weights one by one,
    after training. Every process must call it."""
    whole: dict[int, nn.Parameter] = {}  # by id, so that tied weights stay tied
    for name, value in list(model.named_parameters(remove_duplicate=False)):
        if id(value) not in whole:
            full = _gathered(value)  # a collective call, also where the result is not kept
            whole[id(value)] = nn.Parameter(full.cpu().float(), False) if ranks.rank() == 0 else value
        owner, _, leaf = name.rpartition(".")
        model.get_submodule(owner)._parameters[leaf] = whole[id(value)]
    for module in model.modules():
        module._state_dict_pre_hooks.clear()  # they would restore the sharded weights


def _gathered(value: Tensor) -> Tensor:
    """The whole weight. Under bf16 DeepSpeed computes with rounded weights and trains fp32 ones, which are
    returned."""
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
