"""DPO: what its reference says is computed once, kept in the training's folder, and never again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from seethink.formats import ANSWER_ONLY
from seethink.models.loading import load_policy
from seethink.models.packing import pack_groups
from seethink.sources.handwritten import Pages
from seethink.train import dpo as module
from seethink.train.configs import DPOConfig
from seethink.train.dpo import DPOMethod, dpo
from seethink.train.reference import ReferenceCache, ReferenceModel
from seethink.types import PreferencePair
from tests import tiny

ROOT = Path(__file__).parents[2]
PAGES = Pages(6, "train", seed=4)
PAIRS = [PreferencePair(page, ANSWER_ONLY, "<answer>1</answer>", "I do not know.") for page in PAGES]
CONFIG = DPOConfig.of(
    learning_rate=1e-3, train_batch_size=4, num_train_epochs=3, save_steps=2, lr_scheduler_type="constant"
)


def rows(out: Path) -> list[dict]:
    lines = (out / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    return [{name: value for name, value in json.loads(line).items() if name != "seconds"} for line in lines]


def test_what_is_kept_is_what_the_model_that_training_began_with_says(tmp_path) -> None:
    base = tiny.saved(tmp_path / "base")
    dpo(base, PAIRS, CONFIG, tmp_path / "out")
    policy, encoder = load_policy(base)
    cache = ReferenceCache(base, policy, tmp_path / "out" / "reference")
    cache.load()
    assert sorted(cache.known) == list(range(len(PAIRS)))
    method = DPOMethod(cache, encoder, PAIRS, CONFIG)
    for number, group in zip(range(len(PAIRS)), method._groups(range(len(PAIRS))), strict=True):
        (pack,) = pack_groups([group], 10_000)
        with torch.no_grad():
            wanted = policy(pack)
        torch.testing.assert_close(torch.cat(cache.known[number]), wanted, atol=1e-5, rtol=0)


def test_no_second_model_is_loaded_and_each_pair_is_seen_once_by_the_reference(tmp_path, monkeypatch) -> None:
    """Three epochs, two files of references."""
    calls: list[int] = []
    compute = ReferenceCache.compute

    def counted(self, groups, untrained, config):
        calls.extend(groups)
        return compute(self, groups, untrained, config)

    def refused(self, pack, temperature=1.0):
        raise AssertionError("the policy itself is the reference before its first step")

    monkeypatch.setattr(ReferenceCache, "compute", counted)
    monkeypatch.setattr(ReferenceModel, "__call__", refused)
    monkeypatch.setattr(module, "BLOCK", 4)
    dpo(tiny.saved(tmp_path / "base"), PAIRS, CONFIG, tmp_path / "out")
    assert sorted(calls) == list(range(len(PAIRS)))
    assert sorted(file.name for file in (tmp_path / "out" / "reference").iterdir()) == [
        "0.safetensors",
        "4.safetensors",
    ]
    first, *_, last = rows(tmp_path / "out")
    assert first["rewards/margins"] == pytest.approx(0.0, abs=1e-6) and first["loss"] == pytest.approx(
        0.6931, abs=1e-4
    )
    assert last["rewards/margins"] > 0.0


def test_a_longer_training_asks_the_reference_only_of_pairs_that_are_new(tmp_path, monkeypatch) -> None:
    base, short = tiny.saved(tmp_path / "base"), CONFIG.replace(num_train_epochs=1, max_steps=1)
    dpo(base, PAIRS, short, tmp_path / "out")
    (kept,) = (tmp_path / "out" / "reference").iterdir()
    before = kept.read_bytes()
    dpo(base, PAIRS, short.replace(max_steps=3), tmp_path / "out")
    dpo(base, PAIRS, short.replace(max_steps=3), tmp_path / "whole")
    assert kept.read_bytes() == before and len([*(tmp_path / "out" / "reference").iterdir()]) == 2
    ends = [load_file(tmp_path / out / "checkpoint" / "model.safetensors") for out in ("out", "whole")]
    for name, value in ends[1].items():
        torch.testing.assert_close(ends[0][name], value, atol=1e-6, rtol=0)


def train(base: str, out: str, kill_at: int | None = None) -> Path:
    """Killed as under `kill -9` at a step, or with 0 between two files of references."""

    def watch(row: dict) -> None:
        if row["step"] == kill_at and "loss" in row:
            os.kill(os.getpid(), signal.SIGKILL)

    module.BLOCK = 4
    if kill_at == 0:
        save = os.replace

        def killed(source, target):
            save(source, target)
            if Path(target).parent.name == "reference":
                os.kill(os.getpid(), signal.SIGKILL)

        os.replace = killed
    return dpo(base, PAIRS, CONFIG, Path(out), watch)


@pytest.mark.parametrize("kill_at", [0, 3])
def test_a_killed_training_ends_as_an_undisturbed_one(tmp_path, kill_at: int) -> None:
    base, cut, whole = tiny.saved(tmp_path / "base"), tmp_path / "cut", tmp_path / "whole"
    code = f"from tests.train.test_dpo import train; train({base!r}, {str(cut)!r}, kill_at={kill_at})"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == -signal.SIGKILL
    assert len([*(cut / "reference").glob("*.safetensors")]) == (2 if kill_at else 1)
    ends = [load_file(train(base, str(out)) / "model.safetensors") for out in (cut, whole)]
    for name, value in ends[1].items():
        torch.testing.assert_close(ends[0][name], value, atol=1e-6, rtol=0)
    counted = ("media_decoded", "processor_calls")  # the references that were kept read no picture again
    for row, other in zip(rows(cut), rows(whole), strict=True):
        same = {name: value for name, value in other.items() if name not in counted}
        assert {name: row[name] for name in same} == pytest.approx(same, rel=1e-5, abs=1e-6)
