"""Published data sets by name, loaded from the hub or from a local copy."""

from __future__ import annotations

from pathlib import Path

from seethink.sources.published.counting import COUNTING
from seethink.sources.published.dataset import MediaView, PublishedDataset, PublishedExamples
from seethink.sources.published.detection import DETECTION
from seethink.sources.published.general import GENERAL
from seethink.sources.published.grounding import GROUNDING
from seethink.sources.published.mathematics import MATHEMATICS
from seethink.sources.published.traces import TRACES
from seethink.sources.published.video import VIDEO
from seethink.types import InputError

DATA_SETS = {
    data.name: data for data in (*GROUNDING, *DETECTION, *COUNTING, *MATHEMATICS, *GENERAL, *TRACES, *VIDEO)
}


def by_name(name: str) -> PublishedDataset:
    """A published data set. Raises InputError for an unknown name."""
    if name not in DATA_SETS:
        raise InputError(f"unknown data set {name!r}; the data sets are {', '.join(DATA_SETS)}")
    return DATA_SETS[name]


def load(
    name: str,
    split: str | None = None,
    source: str | Path | None = None,
    n: int | None = None,
    view: MediaView | None = None,
) -> PublishedExamples:
    """The first `n` examples of a data set, or all. Nothing is opened yet.

    split: the default split if not given. source: a folder in the published layout, or another id on the hub.
    view: the resolution of media. Raises InputError for an unknown data set or split, or n < 1.
    """
    data = by_name(name)
    split = split or next(iter(data.splits))
    if split not in data.splits:
        raise InputError(f"{name} has no split {split!r}; it has {', '.join(data.splits)}")
    if n is not None and n < 1:
        raise InputError(f"n={n} is not a number of examples; set it to at least 1")
    return PublishedExamples(data, split, str(source or data.source), n, view or MediaView())


def clevr_counting(
    n: int | None = None, split: str = "train", source: str | None = None
) -> PublishedExamples:
    """CLEVR CoGenT-A counting, 70,000 rows: how many objects of a rendered scene have some property.

    n: use the first `n` rows only. Source: R1-V,
    https://huggingface.co/datasets/leonardPKU/clevr_cogen_a_train; scenes of CLEVR (Johnson et al., 2017).
    """
    return load("clevr_counting", split, source, n)


def superclevr_200(folder: Path | str) -> PublishedExamples:
    """SuperCLEVR-200: 200 counting questions over scenes of another renderer, from a local copy in `folder`.

    Layout: `superclevr_test200_counting_problems.jsonl` with rows `{image_path, question, ground_truth}`,
    and the pictures at `image_path` below the folder. Source: R1-V's repository; scenes of Super-CLEVR (Li
    et al., 2023).
    """
    return load("superclevr_200", source=folder)


__all__ = [
    "DATA_SETS",
    "MediaView",
    "PublishedDataset",
    "PublishedExamples",
    "by_name",
    "clevr_counting",
    "load",
    "superclevr_200",
]
