"""The scale `full` of each recipe has the settings that its authors published; tables in `published/`."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from seethink import systems
from seethink.run.run import Run
from seethink.run.scale import Scale
from seethink.run.stage import Stage
from seethink.settings import leaves
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
        f"{stage}.{field}": (published, planned[stage][field])
        for stage, fields in table.items()
        for field, published in fields.items()
        if planned[stage][field] != published
    }
    assert differing == {}


def test_a_figure_that_differs_is_found(tmp_path) -> None:
    stages = Run("r1v", Scale("full"), tmp_path, overrides=["grpo.beta=0"]).dry_run(
        systems.recipe("r1v").recipe
    )
    table = tomllib.loads((TABLES / "r1v.toml").read_text(encoding="utf-8"))
    assert known(stages["grpo"])["beta"] != table["grpo"]["beta"]
