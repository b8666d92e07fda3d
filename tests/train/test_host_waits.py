"""No pass of an update waits for an accelerator: nothing on it is read by the host before the step's end.

There is no accelerator here. What would be on it is marked: the weights, a pack once it was moved, and all
that is computed from them; what reads a marked tensor on the host fails."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten

from seethink.models.packing import Branch, Group, Pack, pack_groups
from seethink.models.policy import PolicyModel
from seethink.train.finite import FiniteLosses
from seethink.types import NotFinite
from tests import tiny
from tests.train.test_grpo import _formed, _method

READ = {
    *("tolist", "item", "__bool__", "__int__", "__float__", "__index__", "numpy", "cpu", "nonzero", "unique"),
    *("unique_consecutive", "bincount", "masked_select", "equal"),
}
READING_OPS = ("_local_scalar_dense", "nonzero", "masked_select", "unique", "bincount", "is_nonzero", "equal")


class Waits(AssertionError):
    """Something on the accelerator was read."""


class Marked:
    """The storages of what would be on the accelerator; kept alive, so that none is used again."""

    def __init__(self) -> None:
        self.places: set[int] = set()
        self.alive: list[Tensor] = []

    def mark(self, tensor: Tensor) -> Tensor:
        self.places.add(tensor.untyped_storage().data_ptr())
        self.alive.append(tensor)
        return tensor

    def any(self, values: Any) -> bool:
        leaves = tree_flatten(values)[0]
        return any(isinstance(x, Tensor) and x.untyped_storage().data_ptr() in self.places for x in leaves)


class Operations(TorchDispatchMode):
    """Marks what is computed from marked tensors; fails where an operation reads one."""

    def __init__(self, marked: Marked) -> None:
        super().__init__()
        self.marked = marked

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        on_device = self.marked.any((args, kwargs))
        name = func.overloadpacket.__name__
        if on_device and name in READING_OPS:
            raise Waits(f"aten::{name}")
        if name.startswith(("index", "_index_put")) and not name.startswith("index_"):
            for place in tree_flatten(args[1])[0]:
                if isinstance(place, Tensor) and place.dtype == torch.bool and self.marked.any(place):
                    raise Waits(f"aten::{name} with a mask")
        if name == "repeat_interleave" and self.marked.any(args[:1]) and kwargs.get("output_size") is None:
            raise Waits(f"aten::{name}")
        found = func(*args, **kwargs)
        if on_device:
            for tensor in tree_flatten(found)[0]:
                if isinstance(tensor, Tensor):
                    self.marked.mark(tensor)
        return found


class Calls(TorchFunctionMode):
    """Fails where Python reads a marked tensor; `to` moves a tensor, which is then another and marked."""

    def __init__(self, marked: Marked) -> None:
        super().__init__()
        self.marked = marked

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        name = getattr(func, "__name__", "")
        if name in READ and self.marked.any(args[:1]):
            raise Waits(name)
        found = func(*args, **kwargs)
        moved = name == "to" and any(isinstance(x, torch.device) for x in (*args[1:], *kwargs.values()))
        if moved and not self.marked.any(found):
            found = self.marked.mark(found.detach().clone())
        return found


def update(policy: PolicyModel, groups: list[Group], loss: Any) -> None:
    """Forward and backward passes of all packs, two groups each, as the trainer makes them."""
    marked = Marked()
    for weight in (*policy.parameters(), *policy.buffers()):
        marked.mark(weight)
    packs = pack_groups(groups, 2 * groups[0].length)
    finite = FiniteLosses()
    with Calls(marked), Operations(marked):
        for pack in packs:
            moved = pack.to(torch.device("cpu"))
            assert marked.any(moved.ids) and not marked.any(moved.host.ids)
            losses = loss(policy, moved) * moved.weights
            finite.add(moved, losses)
            losses.sum().backward()
    finite.check(1)


@pytest.mark.parametrize("family", tiny.FAMILIES)
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"importance_sampling_level": "sequence"},
        {"loss_type": "cispo", "epsilon_high": 5.0},
        {"rollout_backend": "http://localhost:1/v1", "importance_sampling_mode": "sequence_mask"},
    ],
    ids=["grpo", "gspo", "cispo", "corrected"],
)
def test_an_update_of_grpo_reads_nothing_from_the_accelerator(family: str, settings: dict[str, Any]) -> None:
    model = tiny.FAMILIES[family]().train()
    groups, _ = _formed([[1.0, 0.0, 0.0], [0.0, 1.0, 0.5, 0.25]])
    groups[0].branches.append(Branch([400, 401, 402], weight=0.1, copied=True))
    method = _method(model)
    method.config = method.config.replace(**settings)
    update(method.policy, groups, method.loss)
    assert torch.cat(method.update.entropy).numel() > 3


def test_what_waits_is_found() -> None:
    model = tiny.qwen2_vl().train()
    groups, _ = _formed([[1.0, 0.0, 0.0]])
    policy = PolicyModel(model)

    def reads(of: str) -> Any:
        def loss(policy: PolicyModel, pack: Pack) -> Tensor:
            logps = policy(pack)
            spoilt = {
                "item": lambda: logps.sum().item(),
                "float": lambda: float(logps.sum()),
                "bool": lambda: bool((logps > 0).all()),
                "mask": lambda: logps[pack.copied],
                "list": lambda: pack.ids.tolist(),
                "count": lambda: torch.bincount(pack.owner),
            }
            spoilt[of]()
            return logps

        return loss

    for of in ("item", "float", "bool", "mask", "list", "count"):
        with pytest.raises(Waits):
            update(policy, groups, reads(of))


def test_a_loss_that_is_not_finite_is_found_after_the_last_pack_and_named() -> None:
    groups = [SimpleNamespace(name=name, branches=[0, 0]) for name in ("a", "b")]
    finite = FiniteLosses()
    finite.check(3)
    owner = torch.tensor([0, 0, 1, 2, 3])
    finite.add(SimpleNamespace(groups=groups, owner=owner), torch.ones(5))
    spoilt = torch.tensor([1.0, 1.0, 1.0, float("nan"), 1.0])
    finite.add(SimpleNamespace(groups=groups, owner=owner), spoilt)
    with pytest.raises(NotFinite, match="step 3: the loss of b is not finite"):
        finite.check(3)
    finite.check(4)
