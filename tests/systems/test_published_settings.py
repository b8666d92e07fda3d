"""The scale `full` of each recipe has the settings that its authors published; tables in `published/`. What
they claim stands beside the model of which they claim it."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from seethink import systems
from seethink.run.comparison import Claim
from seethink.run.run import Run
from seethink.run.scale import Scale
from seethink.run.stage import Stage
from seethink.settings import leaves
from seethink.sources import published
from tests.systems.test_folders import NINE

TABLES = Path(__file__).with_name("published")
"""{system}.toml: a table for each stage. `model` and `examples` are the stage's model and number of examples;
max_image_px, num_frames and max_frame_px are of its media; everything else is a setting of its config.
`unpublished` lists the trainings of which the authors say nothing."""
NAMES = sorted(NINE & set(systems.names("recipe")))


def known(stage: Stage) -> dict[str, Any]:
    """What a table can say of a stage."""
    model = stage.inputs.get("model")
    return {
        **(leaves(stage.config) if stage.config is not None else {}),
        **stage.examples.view,
        "model": str(model.base) if model else None,
        "examples": stage.examples.count,
    }


@pytest.mark.parametrize("name", NAMES)
def test_every_figure_of_the_table_is_the_setting_of_its_stage(name: str, tmp_path) -> None:
    table = tomllib.loads((TABLES / f"{name}.toml").read_text(encoding="utf-8"))
    stages = Run(name, Scale("full"), tmp_path).dry_run(systems.recipe(name).recipe)
    unpublished = {*table.pop("unpublished", ())}
    trained = {stage for stage in stages if stages[stage].trains}
    assert trained - unpublished <= {stage for stage, fields in table.items() if fields}
    assert unpublished <= trained
    planned = {stage: known(stages[stage]) for stage in table}
    differing = {
        f"{stage}.{field}": (expected, planned[stage][field])
        for stage, fields in table.items()
        for field, expected in fields.items()
        if planned[stage][field] != expected
    }
    assert differing == {}


def test_a_figure_that_differs_is_found(tmp_path) -> None:
    stages = Run("r1v", Scale("full"), tmp_path, overrides=["grpo.beta=0"]).dry_run(
        systems.recipe("r1v").recipe
    )
    table = tomllib.loads((TABLES / "r1v.toml").read_text(encoding="utf-8"))
    assert known(stages["grpo"])["beta"] != table["grpo"]["beta"]


# What is claimed, and of what -------------------------------------------------------------------------------


def claimed(name: str, scale: str) -> dict[tuple[str, str, float], tuple[str, str]]:
    """{(task, arm, published number): (source, model that the arm starts from)} of a recipe's report."""
    found: dict[tuple[str, str, float], tuple[str, str]] = {}

    class Watched(Run):
        def compare(self, name, results, *claims):
            stages = {stage.artefact_key: stage for stage in self.stages.values()}
            bases = {arm: str(stages[one.key].inputs["model"].base) for arm, one in results.items()}
            for claim in (one for one in claims if isinstance(one, Claim)):
                for arm, value in claim.paper.items():
                    found[claim.task, arm, value] = claim.source, bases.get(arm, "")
            super().compare(name, results, *claims)

    systems.recipe(name).recipe(Watched(name, Scale(scale), Path("nowhere"), dry=True))
    return found


@pytest.mark.parametrize("name", NAMES)
def test_no_number_of_a_large_model_stands_beside_a_smaller_one(name: str) -> None:
    small, large = claimed(name, "one_gpu"), claimed(name, "full")
    shared = {number for number in small.keys() & large.keys() if small[number][1] != large[number][1]}
    assert shared == set()
    for source, base in (*small.values(), *large.values()):
        for size in re.findall(r"\b\d+B\b", source):
            assert size.lower() in base.lower(), f"{source!r} beside {base}"


@pytest.mark.parametrize("scale", ["one_gpu", "full"])
@pytest.mark.parametrize("name", NAMES)
def test_every_model_that_is_trained_is_tested_or_trained_further(name: str, scale: str, tmp_path) -> None:
    stages = Run(name, Scale(scale), tmp_path).dry_run(systems.recipe(name).recipe)
    needed = {need.key for stage in stages.values() for need in stage.needs}
    assert {n for n, stage in stages.items() if stage.trains and stage.artefact_key not in needed} == set()


def test_all_systems_look_for_a_data_set_in_one_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    folders: dict[str, set[str]] = {}
    load = published.load

    def watched(name, split=None, source=None, *rest, **named):
        folders.setdefault(name, set()).update([str(source)] if source else [])
        return load(name, split, source, *rest, **named)

    monkeypatch.setattr(published, "load", watched)
    for name in NAMES:
        systems.recipe(name).recipe(Run(name, Scale("full"), Path("nowhere"), dry=True))
    assert len(folders) > 10 and {name for name, found in folders.items() if len(found) > 1} == set()
