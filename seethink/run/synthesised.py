"""Training data that a chain of an earlier stage writes: rows with reasoning, and preference pairs."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from seethink import identity
from seethink.run.stage import Artefact, Stage
from seethink.run.stage_data import StageData
from seethink.synth.chain import Chain
from seethink.synth.export import DATA, PAIRED, ROWS
from seethink.synth.teachers import ORACLE, Teachers, addresses_by_role
from seethink.train.methods import OnStep
from seethink.types import Example, Format, InputError, PreferencePair


@dataclass(frozen=True)
class SynthConfig:
    """The teacher of a chain.

    teacher: address of a server, http://host:port/v1#MODEL, or the oracle of drawn worlds, with its error
    rates as in `oracle:wrong=0.3,leak=0.1`. vision_teacher, text_teacher, judge_teacher: another one for
    requests with pictures, of text alone, and for verdicts. key_env: environment variable with the API key.
    max_concurrency: requests in flight.
    """

    teacher: str = ORACLE
    vision_teacher: str = ""
    text_teacher: str = ""
    judge_teacher: str = ""
    key_env: str = "OPENAI_API_KEY"
    max_concurrency: int = field(default=64, metadata={"identity": False})


@dataclass(frozen=True)
class Synthesised(Artefact):
    """The result of a synthesis. folder: that of its stage. size: number of examples that the chain was
    given."""

    folder: Path
    size: int

    def rows(self, *parts: str) -> SynthesisedRows:
        """The kept rows, with their reasoning as steps: of "data", or of these parts, one after the other."""
        return SynthesisedRows(self, parts or (DATA,))

    def pairs(self, form: Format) -> SynthesisedPairs:
        """The preference pairs, prompted in `form`."""
        return SynthesisedPairs(self, form)

    def file(self, part: str) -> Path:
        """The rows of a part. Raises InputError before the synthesis is finished, and where it kept none."""
        rows = self.folder / ROWS
        if not rows.is_dir():
            raise InputError(f"the rows of {self.folder.name} are known when it is finished")
        file = rows / f"{part}.jsonl"
        if not file.exists():
            raise InputError(
                f"{self.folder.name} kept no row of the part {part}; see `seethink look {self.folder}`"
            )
        return file


@dataclass(frozen=True)
class SynthesisedRows(StageData[Example]):
    """Rows of some parts of a synthesis, read when they are first needed."""

    synthesis: Synthesised
    parts: tuple[str, ...]

    @property
    def made_by(self) -> Artefact:
        return self.synthesis

    @property
    def identity(self) -> str:
        return identity.digest(["synthesised", self.synthesis.key, *self.parts])

    def __len__(self) -> int:
        return len(self._rows) if (self.synthesis.folder / ROWS).is_dir() else self.synthesis.size

    def item(self, i: int) -> Example:
        return self._rows[i]

    @cached_property
    def _rows(self) -> Sequence[Example]:
        from seethink.sources import records

        return [row for part in self.parts for row in records.read(self.synthesis.file(part))]


@dataclass(frozen=True)
class SynthesisedPairs(StageData[PreferencePair]):
    """The preference pairs of a synthesis, read when they are first needed."""

    synthesis: Synthesised
    form: Format

    @property
    def made_by(self) -> Artefact:
        return self.synthesis

    @property
    def identity(self) -> str:
        return identity.digest(["synthesised pairs", self.synthesis.key, identity.plain(self.form)])

    def __len__(self) -> int:
        return len(self._pairs) if (self.synthesis.folder / ROWS).is_dir() else self.synthesis.size

    def item(self, i: int) -> PreferencePair:
        return self._pairs[i]

    @cached_property
    def _pairs(self) -> Sequence[PreferencePair]:
        from seethink.sources.preferences import read_pairs

        return read_pairs(self.synthesis.file(PAIRED), self.form)


def synthesised(
    stage: Stage, chain: Chain, examples: Sequence[Example], on_step: OnStep
) -> dict[str, dict[str, int]]:
    """Run the chain in the stage's folder; {"rows": {part: number of rows}}. Raises InputError where examples
    failed: the same run tries them again."""
    from seethink.engines.http import RequestPolicy
    from seethink.synth.execute import examples_in_flight
    from seethink.synth.synthesis import Synthesis, progress_row, synthesise

    config: SynthConfig = stage.config
    policy = RequestPolicy(max_concurrency=config.max_concurrency)
    job = Synthesis(
        chain=chain,
        examples=examples,
        data=stage.name,
        open_teachers=Teachers(tuple(addresses_by_role(config).items()), policy, config.key_env),
        out=stage.folder,
        max_concurrency=examples_in_flight(config.max_concurrency),
    )
    status, written = synthesise(job, lambda counts: on_step(progress_row(counts)))
    if failed := sum(status.failed.values()):
        raise InputError(f"{failed:,} examples of {stage.name} failed; the same command tries them again")
    return {"rows": dict(written.rows)}


def synthesis_inputs(chain: Chain, examples: Sequence[Example]) -> dict[str, Any]:
    """The identity of a synthesis but for its settings."""
    rows = chain.build_rows
    known = rows.__qualname__ if inspect.isfunction(rows) else identity.plain(rows)
    return {"chain": [chain.name, chain.key, known], "examples": identity.of_sequence(examples)}
