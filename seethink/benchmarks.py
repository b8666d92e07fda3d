"""Named test Tasks as their authors ran them: which questions, how they are asked, decoded, seen and scored,
and the numbers that were published. `python -m seethink.benchmarks` writes docs/benchmarks.md."""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import accumulate
from pathlib import Path
from typing import overload

from seethink import formats, verify
from seethink.settings import unknown
from seethink.sources import published
from seethink.sources.published import DATA_SETS, Published, View
from seethink.sources.published.video import MVBENCH_CLIPS
from seethink.types import Example, Sampling, Task

USUAL, WHOLE = Sampling(temperature=0.0, max_tokens=1_024), View()


@dataclass(frozen=True)
class Questions(Sequence[Example]):
    """Several splits as one test; of more than `at_most` questions, so many are drawn, always the same."""

    parts: tuple[published.Examples, ...]
    at_most: int | None = None

    @property
    def identity(self) -> str:
        return f"{' + '.join(part.identity for part in self.parts)}, at most {self.at_most}"

    def __len__(self) -> int:
        return len(self._drawn)

    @overload
    def __getitem__(self, index: int) -> Example: ...
    @overload
    def __getitem__(self, index: slice) -> list[Example]: ...
    def __getitem__(self, index: int | slice) -> Example | list[Example]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        i = self._drawn[index]
        for part, end in zip(self.parts, accumulate(map(len, self.parts)), strict=True):
            if i < end:
                return part[i - end]  # from the end of the part, as far as from its end in all
        raise IndexError(index)

    @cached_property
    def _drawn(self) -> Sequence[int]:
        total = sum(map(len, self.parts))
        if self.at_most is None or total <= self.at_most:
            return range(total)
        names = "+".join(f"{part.data.name}/{part.split}" for part in self.parts)
        return sorted(random.Random(f"benchmark/{names}").sample(range(total), self.at_most))


@dataclass(frozen=True)
class Benchmark:
    """A test as published.

    splits: of the data set `data`, taken together. claims: published numbers, {what was tested: 0 to 1}, all
    from `source`. form: a name from `formats.FORMATS`; mode: where its instruction stands (`suffix`, `base`:
    plain text without chat roles, `direct`: no thought asked for). scorer: names from `verify.VERIFIERS`,
    the data set's own if empty. differs: where the published test is another one than ours.
    """

    name: str
    data: str
    splits: tuple[str, ...]
    source: str
    claims: Mapping[str, float] = field(default_factory=dict)
    sampling: Sampling = USUAL
    form: str = "think_answer"
    mode: str = "suffix"
    view: View = WHOLE
    scorer: tuple[str, ...] = ()
    at_most: int | None = None
    differs: str = ""

    @property
    def published(self) -> Published:
        return DATA_SETS[self.data]

    @property
    def verifier(self) -> tuple[str, ...]:
        return self.scorer or self.published.verifier

    def task(self, folder: Path | str | None = None, form: str = "", mode: str = "") -> Task:
        """The Task that training and evaluation take; nothing is opened yet.

        folder: a copy of the data set in its published layout; the hub's if not given. form, mode: others
        than the published ones.
        """
        parts = tuple(published.load(self.data, split, folder, view=self.view) for split in self.splits)
        named = [verify.by_name(name) for name in self.verifier]
        correct = named[0] if len(named) == 1 else verify.first_of(*named)
        judged = verify.weighted(correct=(correct, 1.0), format=(verify.well_formed, 0.0))
        asked = formats.by_name(form or self.form, mode or self.mode)
        return Task(self.name, Questions(parts, self.at_most), asked, judged)

    # What `seethink eval --list` and docs/benchmarks.md show -----------------------------------------------

    @property
    def questions(self) -> str:
        told = [self.published.splits[split] for split in self.splits]
        exact = [rows for rows in told if isinstance(rows, int)]
        rows = f"{sum(exact):,}" if len(exact) == len(told) else str(told[0])
        return rows if self.at_most is None else f"at most {self.at_most:,}"

    @property
    def decoding(self) -> str:
        drawn = self.sampling
        how = "greedy" if drawn.temperature == 0 else f"temperature {drawn.temperature}, top_p {drawn.top_p}"
        return f"{how}, {drawn.max_tokens:,} tokens"

    @property
    def seen(self) -> str:
        if self.data in CLIPS:
            return f"{self.view.frames} frames of at most {self.view.frame_px:,} px"
        px = self.view.picture_px
        return "whole pictures" if px is None else f"pictures of at most {px:,} px"


CLIPS = ("longvideobench", "mvbench", "videomme", "open_r1_video_4k")
VLM_R1 = "VLM-R1, https://github.com/om-ai-lab/VLM-R1"
R1_V = "R1-V, https://github.com/StarsfieldAI/R1-V"
OPEN_R1 = "open-r1-multimodal, https://github.com/EvolvingLMMs-Lab/open-r1-multimodal"
VISUAL_THINKER = "VisualThinker-R1-Zero, arXiv 2503.05132"
ONEVISION = "R1-Onevision, arXiv 2503.10615"
LLAMAV_O1 = "LlamaV-o1, arXiv 2501.06186"
INSIGHT_V = "Insight-V, arXiv 2411.14432"
OPEN_R1_VIDEO = "Open-R1-Video, https://github.com/Wang-Xiaodong1899/Open-R1-Video"
VIDEO_R1 = "Video-R1's issues 45 and 49, https://github.com/tulerfeng/Video-R1"

_JUDGED = "scored there by a language model that extracts and compares; here by rules"
_LENGTH = "the length of answers is not told there"


def _greedy(max_tokens: int) -> Sampling:
    return Sampling(temperature=0.0, max_tokens=max_tokens)


def _expressions(
    name: str, data: str, split: str, claims: Mapping[str, float], differs: str = ""
) -> Benchmark:
    """VLM-R1's grounding test: right is an IoU above 0.5."""
    told = (
        "2,000 questions are drawn there by a shuffle of its own; the base was asked there without a thought"
    )
    return Benchmark(
        name,
        data,
        (split,),
        VLM_R1,
        claims,
        _greedy(256),
        scorer=("box_iou_50",),
        at_most=2_000,
        differs=f"{told}; {differs}" if differs else told,
    )


def _grounding() -> Iterator[Benchmark]:
    issue = "the number is of issue 271, after 600 steps"
    yield _expressions("refcoco_val", "refcoco", "val", {"3B GRPO": 0.896}, issue)
    yield _expressions("refcoco_plus_val", "refcoco_plus", "val", {"3B GRPO": 0.841}, issue)
    yield _expressions("refcocog_val", "refcocog", "val", {"3B GRPO": 0.8645}, issue)
    lisa = {"3B base": 0.5651, "3B SFT 600 steps": 0.5482, "3B GRPO 600 steps": 0.6314}
    yield _expressions("lisa_grounding", "lisa_grounding", "test", lisa)
    gta = {"3B base": 0.718, "3B SFT": 0.704, "3B GRPO": 0.674}
    yield _expressions("refgta", "refgta", "subsample", gta, "the numbers are after training on COCO")


def _detection() -> Iterator[Benchmark]:
    coco = {"3B base": 0.138, "3B SFT": 0.178, "3B GRPO": 0.201}
    kept = "measured there on a filtered part that was not released, over all pictures at once"
    yield Benchmark("coco_val", "coco", ("val2017",), VLM_R1, coco, _greedy(1_024), differs=kept)
    arms = ("3B base", "7B base", "3B SFT", "3B GRPO")
    published_nms_ap = {
        "celebrity": (0.132, 0.484, 0.504, 0.550),
        "logo": (0.265, 0.358, 0.349, 0.346),
        "landmark": (0.213, 0.446, 0.507, 0.479),
        "color": (0.029, 0.030, 0.043, 0.045),
        "material": (0.116, 0.105, 0.076, 0.097),
        "position": (0.479, 0.405, 0.337, 0.429),
        "relationship": (0.131, 0.162, 0.131, 0.215),
        "negation": (0.387, 0.390, 0.344, 0.377),
    }
    differs = "measured there by NMS-AP over all pictures at once; here by the mean of the pictures' mAP"
    for kind, numbers in published_nms_ap.items():
        claims: dict[str, float] = dict(zip(arms, numbers, strict=True))
        yield Benchmark(f"ovdeval_{kind}", "ovdeval", (kind,), VLM_R1, claims, differs=differs)


def _counting() -> Iterator[Benchmark]:
    script = {"2B base": 0.480, "2B GRPO 100 steps": 0.825}
    figure = {"2B base, figure": 0.43, "2B SFT, figure": 0.425, "72B, figure": 0.78, "R1-V, figure": 0.81}
    claims = script | figure | {"2B base, asked directly": 0.86}
    yield Benchmark("superclevr_200", "superclevr_200", ("test",), R1_V, claims, _greedy(256))
    shifted = {"2B base": 0.53, "2B SFT": 0.30, "72B": 0.94, "R1-V": 0.99}
    yield Benchmark("clevr_cogent_a", "clevr_cogent_a", ("train",), R1_V, {}, _greedy(256))
    yield Benchmark("clevr_cogent_b", "clevr_cogent_b", ("train",), R1_V, shifted, _greedy(256))


def _mathematics() -> Iterator[Benchmark]:
    geoqa = {"7B base": 0.3063, "7B GRPO": 0.3872, "3B base": 0.3541, "3B GRPO": 0.4748}
    whole = "math-verify reads the whole output there, here the answer alone"
    yield Benchmark("geoqa", "geoqa_test", ("test",), R1_V, geoqa, _greedy(1_024), differs=whole)
    asked = View(picture_px=2_359_296)
    reasoned = {"2B base": 0.486, "2B GRPO": 0.494, "7B base": 0.609, "7B GRPO": 0.606}
    for name, mode, form, claims in (
        ("mathvista", "suffix", "think_answer", reasoned),
        ("mathvista_direct", "direct", "answer_only", {"2B base": 0.516, "7B base": 0.571}),
    ):
        yield Benchmark(
            name, "mathvista", ("testmini",), OPEN_R1, claims, form=form, mode=mode, view=asked,
            differs=f"{_JUDGED}; {_LENGTH}",
        )  # fmt: skip
    vision = {"7B base": 0.254, "7B SFT": 0.263, "R1-Onevision-7B": 0.299, "3B base": 0.217, "3B": 0.237}
    verse = {"7B base": 0.436, "7B SFT": 0.434, "R1-Onevision-7B": 0.464, "3B base": 0.347, "3B": 0.386}
    long = _greedy(4_096)
    yield Benchmark("mathvision", "mathvision", ("testmini",), ONEVISION, vision, long, differs=_JUDGED)
    yield Benchmark("mathverse", "mathverse", ("testmini",), ONEVISION, verse, long, differs=_JUDGED)


def _exams() -> Iterator[Benchmark]:
    yield Benchmark(
        "cv_bench", "cv_bench", ("test",), VISUAL_THINKER,
        {"2B base": 0.3138, "2B base SFT": 0.5784, "VisualThinker-R1-Zero": 0.5947},
        form="prefilled_think", mode="base",
        differs="asked there without naming any tag; numbers of base and SFT are from the paper, unverified",
    )  # fmt: skip
    for name, mode, form, claims in (
        ("mmmu_val", "suffix", "think_answer",
         {"2B base": 0.312, "2B GRPO": 0.3522, "7B base": 0.419, "7B GRPO": 0.494}),
        ("mmmu_val_direct", "direct", "answer_only", {"2B base": 0.397, "7B base": 0.508}),
    ):  # fmt: skip
        yield Benchmark(
            name, "mmmu", ("validation",), OPEN_R1, claims, form=form, mode=mode,
            view=View(picture_px=2_359_296), differs=_LENGTH,
        )  # fmt: skip
    graded = {"7B base": 0.321, "R1-Onevision-7B": 0.362, "72B base": 0.520, "GPT-4o": 0.496}
    again = {"7B base, reproduced": 0.3694, "SFT, reproduced": 0.3397, "RL, reproduced": 0.3726}
    yield Benchmark(
        "r1_onevision_bench", "r1_onevision_bench", ("train",), ONEVISION, graded | again, _greedy(4_096),
        differs=f"{_JUDGED}; reproduced: by rules, https://github.com/wuxu0119/r1-onevision-robustness-study",
    )  # fmt: skip
    sampled = Sampling(temperature=0.6, top_p=0.9, max_tokens=1_024)
    vrc = {"base": 0.4840, "LLaVA-CoT": 0.5409, "LlamaV-o1": 0.5649, "GPT-4o": 0.5928}
    yield Benchmark(
        "vrc_bench", "vrc_bench", ("test",), LLAMAV_O1, vrc, sampled, form="think_answer",
        differs=f"final answers alone; four turns with four beams there, one turn here; {_JUDGED}",
    )  # fmt: skip
    turns = "four turns there, one here"
    star = {"base": 0.498, "LLaVA-CoT": 0.576, "curriculum": 0.5813, "LlamaV-o1": 0.5953}
    yield Benchmark("mmstar", "mmstar", ("val",), LLAMAV_O1, star, sampled, differs=turns)
    diagrams = {"base": 0.773, "LLaVA-CoT": 0.857, "curriculum": 0.8018, "LlamaV-o1": 0.8124}
    yield Benchmark("ai2d", "ai2d", ("test",), LLAMAV_O1, diagrams, sampled, differs=turns)
    charts = {"base 8B": 0.694, "Insight-V 8B": 0.774, "base 7B": 0.757, "Insight-V 7B": 0.815}
    yield Benchmark(
        "chartqa", "chartqa", ("test",), INSIGHT_V, charts,
        Sampling(temperature=0.2, top_p=0.95, max_tokens=4_096), differs="two agents there, one model here",
    )  # fmt: skip


def _clips() -> Iterator[Benchmark]:
    seen = View(frames=16, frame_px=153_664)
    for name, mode, form, claims in (
        ("longvideobench", "suffix", "think_answer", {"7B base": 0.4189, "Open-R1-Video-7B": 0.4899}),
        ("longvideobench_direct", "direct", "answer_only", {"7B base": 0.5333}),
    ):
        yield Benchmark(
            name, "longvideobench", ("val",), OPEN_R1_VIDEO, claims, _greedy(512), form, mode, seen,
            differs=f"{_LENGTH}; subtitles are left out",
        )  # fmt: skip
    ours = f"the number is of GRPO without SFT, 16 frames; {_LENGTH}"
    yield Benchmark(
        "mvbench", "mvbench", tuple(MVBENCH_CLIPS), VIDEO_R1, {"7B GRPO": 0.604}, view=seen,
        differs=f"{ours}; without episodic_reasoning, whose 200 clips are published as single frames",
    )  # fmt: skip
    yield Benchmark(
        "videomme", "videomme", ("test",), VIDEO_R1, {"7B GRPO": 0.538}, view=seen,
        differs=f"{ours}; without subtitles",
    )  # fmt: skip


BENCHMARKS = {
    benchmark.name: benchmark
    for group in (_grounding, _detection, _counting, _mathematics, _exams, _clips)
    for benchmark in group()
}


def by_name(name: str) -> Benchmark:
    if name not in BENCHMARKS:
        raise unknown("task", name, BENCHMARKS)
    return BENCHMARKS[name]


# The page -------------------------------------------------------------------------------------------------

_PAGE = """# Benchmarks and published data

Written by `python -m seethink.benchmarks > docs/benchmarks.md` from the tables in `seethink/benchmarks.py`
and `seethink/sources/published/`; a test compares them.

`seethink eval --list` prints the benchmarks; `seethink eval --model M --task NAME` runs one, with
`--folder DIR` where the data set is not on the hub as a whole. The wording of the prompts is ours, the same
for every model. Numbers are what was published, in percent; "differs" says where that test was another one.

## Benchmarks

{benchmarks}

## Data sets

From the hub by id, or from a folder in the layout that its authors publish: its parquet files, a dataset that
`save_to_disk` wrote, or what the last column names. Exact row counts are checked; others are as they were
told.

{data}
"""


def page() -> str:
    tests = [
        (
            f"`{b.name}`",
            f"`{b.data}` {' '.join(b.splits) if len(b.splits) < 3 else f'{len(b.splits)} splits'}",
            b.questions,
            " or ".join(f"`{name}`" for name in b.verifier),
            f"`{b.form}`, {b.mode}",
            f"{b.decoding}; {b.seen}",
            "; ".join(f"{arm} {100 * value:.4g}" for arm, value in b.claims.items()) or "-",
            b.source,
            b.differs or "-",
        )
        for b in BENCHMARKS.values()
    ]
    sets = [
        (
            f"`{d.name}`",
            d.title,
            f"[{d.source.removeprefix('https://')}]({d.address})",
            d.licence,
            _rows(d),
            " or ".join(f"`{name}`" for name in d.verifier),
            d.layout or "-",
        )
        for d in DATA_SETS.values()
    ]
    asked = ("name", "data", "questions", "scorer", "prompt", "decoding", "published", "source", "differs")
    held = ("name", "what", "source", "licence", "rows", "verifier", "folder")
    return _PAGE.format(benchmarks=_markdown(asked, tests), data=_markdown(held, sets))


def _rows(data: Published) -> str:
    told = [
        f"{split} {rows:,}" if isinstance(rows, int) else f"{split} {rows}"
        for split, rows in data.splits.items()
    ]
    alike = len({text.split()[-1] for text in told}) == 1 and len(told) > 3
    return f"{len(told)} splits, each {told[0].split(maxsplit=1)[1]}" if alike else ", ".join(told)


def _markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', '/') for cell in line)} |" for line in lines)


if __name__ == "__main__":
    sys.stdout.write(page())
