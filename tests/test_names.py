"""docs/names.md lists every setting, metric and option that exists, and no other."""

from __future__ import annotations

import re
from dataclasses import MISSING, fields
from importlib import import_module
from pathlib import Path

import pytest

from seethink.cli.app import load_command
from seethink.formats import ANSWER_ONLY
from seethink.settings import leaves, override
from seethink.train.configs import DPOConfig, GRPOConfig, RolloutConfig, SFTConfig, TrainingConfig
from seethink.train.grpo_metrics import RolloutStatistics, UpdateStatistics, step_metrics
from seethink.types import InputError, Task
from seethink.verify import same_number

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "names.md").read_text(encoding="utf-8")
SECTIONS = {section.splitlines()[0]: section for section in PAGE.split("\n## ")[1:]}
SETTINGS = {
    "Settings of every method": leaves(TrainingConfig()),
    "SFT": leaves(SFTConfig()).keys() - leaves(TrainingConfig()).keys(),
    "DPO": leaves(DPOConfig()).keys() - leaves(TrainingConfig()).keys(),
    "Rollouts": leaves(RolloutConfig()),
    "GRPO": leaves(GRPOConfig()).keys() - leaves(TrainingConfig()).keys() - leaves(RolloutConfig()).keys(),
}


def rows(title: str) -> list[list[str]]:
    """The cells of the table in the section whose title starts with `title`, without its head."""
    (section,) = (text for head, text in SECTIONS.items() if head.startswith(title))
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def names(title: str) -> list[str]:
    """The names in backticks in the first column of a section's table."""
    return [name for row in rows(title) for name in names_of(row)]


def names_of(row: list[str]) -> list[str]:
    return re.findall(r"`([^`]+)`", row[0])


@pytest.mark.parametrize("title", SETTINGS)
def test_every_setting_is_listed_once_and_no_unknown_one(title: str) -> None:
    assert sorted(names(title)) == sorted(SETTINGS[title])


def test_every_row_has_a_cell_for_each_column() -> None:
    for title in (*SETTINGS, "Metrics", "Command line"):
        assert {len(row) for row in rows(title)} == {5}, title


TRL_CONFIGS = {
    "SFT": (SFTConfig(), "trl.trainer.sft_config"),
    "DPO": (DPOConfig(), "trl.trainer.dpo_config"),
    "GRPO": (GRPOConfig(), "trl.trainer.grpo_config"),
}


@pytest.mark.parametrize("method", TRL_CONFIGS)
def test_where_a_default_differs_from_that_of_trl_the_row_gives_theirs(method: str) -> None:
    config, module = TRL_CONFIGS[method]
    theirs = {
        field.name: field.default if field.default_factory is MISSING else field.default_factory()
        for field in fields(getattr(import_module(module), f"{method}Config"))
    }
    titles = ("Settings of every method", *(("Rollouts", "GRPO") if method == "GRPO" else (method,)))
    differences = {name: row[4] for title in titles for row in rows(title) for name in names_of(row)}
    equal_names = leaves(config).keys() & theirs.keys()
    assert len(equal_names) >= 10
    for name in equal_names:
        if leaves(config)[name] != theirs[name]:
            ours, default = as_written(leaves(config)[name]), as_written(theirs[name])
            assert re.search(
                rf"(?<![\w.]){re.escape(ours)}\b.*TRL.*(?<![\w.]){default}\b", differences[name]
            ), name


def as_written(default: object) -> str:
    """A default as the page writes it: 1e-6, 3, sigmoid."""
    if isinstance(default, list):
        return ", ".join(default)
    return f"{default:g}".replace("e-0", "e-") if isinstance(default, float) else str(default)


def test_every_metric_of_grpo_is_listed() -> None:
    task = Task("none", (), ANSWER_ONLY, same_number)
    logged = step_metrics(RolloutStatistics(task), UpdateStatistics())
    listed = names("Metrics")
    assert len(listed) == len(set(listed))
    assert logged.keys() <= set(listed)


def test_no_unknown_metric_is_listed() -> None:
    logging_modules = (
        *("grpo", "grpo_metrics", "dpo", "sft", "trainer", "resumable"),
        *("diagnosis", "history", "held_out"),
    )
    texts = [(ROOT / f"seethink/train/{name}.py").read_text(encoding="utf-8") for name in logging_modules]
    source = "".join(texts).replace("rewards/{name}/mean", "rewards/<part>/mean")
    logged_by_transformers = {"grad_norm", "learning_rate"}
    for name in set(names("Metrics")) - logged_by_transformers:
        assert f'"{name}"' in source, name


def test_every_command_and_option_exists() -> None:
    commands = [load_command(name) for name in ("train", "eval", "synth")]
    commands += [chain for command in commands for chain in getattr(command, "commands", {}).values()]
    options = {option for command in commands for param in command.params for option in param.opts}
    for name in names("Command line"):
        assert name in options or name.startswith("seethink train "), name


@pytest.mark.parametrize("method", TRL_CONFIGS)
def test_a_setting_by_its_name_elsewhere_is_answered_with_ours(method: str) -> None:
    config, _ = TRL_CONFIGS[method]
    titles = ("Settings of every method", *(("Rollouts", "GRPO") if method == "GRPO" else (method,)))
    theirs = {
        name: names_of(row)[0]
        for title in titles
        for row in rows(title)
        for cell in row[1:4]
        for name in re.findall(r"`(?:[a-z_]+\.)*([a-z_0-9]+)`", cell)  # verl's without their groups
        if name not in {*leaves(config), "name", "logger", "len", "dtype"}
    }
    assert len(theirs) > 10
    for name, ours in theirs.items():
        with pytest.raises(InputError, match=f"no field '{name}'; its name here is .*docs/names") as error:
            override(config, {name: "1"}, method)
        assert ours in str(error.value), name
        with pytest.raises(InputError, match=f"no field '{name}'"):
            config.replace(**{name: 1})


def test_what_has_no_counterpart_is_answered_with_the_reason() -> None:
    listed = [
        name for row in rows("Settings of theirs") for name in names_of(row) if re.fullmatch("[a-z_]+", name)
    ]
    assert len(listed) > 8
    for name in {*listed} - {"custom_reward_function"}:  # verl's
        with pytest.raises(InputError, match=rf"no field '{name}'; .*docs/names.md"):
            override(GRPOConfig(), {name: "1"}, "grpo")


def test_every_other_name_leads_to_a_setting_and_is_none_itself() -> None:
    for config in (SFTConfig(), GRPOConfig()):
        known = leaves(config).keys() | leaves(DPOConfig()).keys()
        for name, ours in config.other_names.items():
            assert name not in leaves(config)
            first = re.match(r"\w+(?=,|$)", ours)
            assert first is None or first[0] in known, name
