"""Benchmarks by name: questions, prompt, decoding, media resolution and scoring as published, with the
published results. `python -m seethink.benchmarks` writes docs/benchmarks.md."""

from __future__ import annotations

import random
import sys
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import accumulate
from pathlib import Path

from seethink import formats, verify
from seethink.sequences import LazySequence
from seethink.settings import unknown
from seethink.sources import published
from seethink.sources.published import DATA_SETS, MediaView, PublishedDataset
from seethink.sources.published.video import MVBENCH_CLIPS
from seethink.types import Example, Sampling, Task

DEFAULT_SAMPLING = Sampling(temperature=0.0, max_tokens=1_024)
DEFAULT_VIEW = MediaView()


@dataclass(frozen=True)
class BenchmarkExamples(LazySequence[Example]):
    """Several splits as one sequence; if it has more than `max_examples`, a fixed random sample of that
    size."""

    parts: tuple[published.PublishedExamples, ...]
    max_examples: int | None = None

    @property
    def identity(self) -> str:
        return f"{' + '.join(part.identity for part in self.parts)}, at most {self.max_examples}"

    @property
    def view(self) -> MediaView:
        """The resolution at which media are loaded."""
        return self.parts[0].view

    def __len__(self) -> int:
        return len(self._drawn)

    def item(self, i: int) -> Example:
        row, ends = self._drawn[i], list(accumulate(map(len, self.parts)))
        part = bisect_right(ends, row)
        return self.parts[part][row - ends[part]]  # a negative index, from the end of the part

    @cached_property
    def _drawn(self) -> Sequence[int]:
        total = sum(map(len, self.parts))
        if self.max_examples is None or total <= self.max_examples:
            return range(total)
        names = "+".join(f"{part.data.name}/{part.split}" for part in self.parts)
        return sorted(random.Random(f"benchmark/{names}").sample(range(total), self.max_examples))


@dataclass(frozen=True)
class Benchmark:
    """A benchmark as published.

    splits: of the data set `data`, concatenated. claims: published results, {system: value in [0, 1]}, all
    from `source`. format: a name in `formats.FORMATS`. prompt_mode: a name in `formats.PROMPT_MODES`
    (`base`: plain text without chat roles; `direct`: no thought is requested). scorer: names in
    `verify.VERIFIERS`; the data set's own verifiers if empty. max_examples: size of a fixed sample; None for
    all. differs: deviations from the published protocol.
    """

    name: str
    data: str
    splits: tuple[str, ...]
    source: str
    claims: Mapping[str, float] = field(default_factory=dict)
    sampling: Sampling = DEFAULT_SAMPLING
    format: str = "think_answer"
    prompt_mode: str = "suffix"
    view: MediaView = DEFAULT_VIEW
    scorer: tuple[str, ...] = ()
    max_examples: int | None = None
    differs: str = ""

    @property
    def published(self) -> PublishedDataset:
        """The data set."""
        return DATA_SETS[self.data]

    @property
    def verifier(self) -> tuple[str, ...]:
        """Names of the verifiers; the first that can judge a response does."""
        return self.scorer or self.published.verifier

    def task(self, folder: Path | str | None = None, format: str = "", prompt_mode: str = "") -> Task:
        """The benchmark as a Task. Nothing is opened yet.

        folder: a copy of the data set in its published layout; the hub by default. format, prompt_mode:
        override the published ones.
        """
        parts = tuple(published.load(self.data, split, folder, view=self.view) for split in self.splits)
        verifiers = [verify.by_name(name) for name in self.verifier]
        correct = verifiers[0] if len(verifiers) == 1 else verify.first_of(*verifiers)
        verifier = verify.weighted(correct=(correct, 1.0), format=(verify.well_formed, 0.0))
        prompt = formats.by_name(format or self.format, prompt_mode or self.prompt_mode)
        return Task(self.name, BenchmarkExamples(parts, self.max_examples), prompt, verifier)

    # Columns of `seethink eval --list` and docs/benchmarks.md ----------------------------------------------

    @property
    def questions(self) -> str:
        """The number of questions."""
        sizes = [self.published.splits[split] for split in self.splits]
        exact = [rows for rows in sizes if isinstance(rows, int)]
        rows = f"{sum(exact):,}" if len(exact) == len(sizes) else str(sizes[0])
        return rows if self.max_examples is None else f"at most {self.max_examples:,}"

    @property
    def decoding(self) -> str:
        """Sampling parameters in words."""
        sampling = self.sampling
        sampled = f"temperature {sampling.temperature}, top_p {sampling.top_p}"
        return f"{'greedy' if sampling.temperature == 0 else sampled}, {sampling.max_tokens:,} tokens"

    @property
    def resolution(self) -> str:
        """Number of frames and maximum size of media in words."""
        if self.data in CLIPS:
            return f"{self.view.num_frames} frames of at most {self.view.max_frame_px:,} px"
        px = self.view.max_image_px
        return "original size" if px is None else f"pictures of at most {px:,} px"


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

_JUDGED = "published scores by a language model that extracts and compares answers; here by rules"
_LENGTH = "the published maximum length of answers is unknown"


def _greedy(max_tokens: int) -> Sampling:
    return Sampling(temperature=0.0, max_tokens=max_tokens)


def _expressions(
    name: str, data: str, split: str, claims: Mapping[str, float], differs: str = ""
) -> Benchmark:
    """VLM-R1's grounding test: correct is an IoU above 0.5."""
    sample = "another random sample of 2,000 questions; the published base was prompted without a thought"
    return Benchmark(
        name,
        data,
        (split,),
        VLM_R1,
        claims,
        _greedy(256),
        scorer=("box_iou_50",),
        max_examples=2_000,
        differs=f"{sample}; {differs}" if differs else sample,
    )


def _grounding() -> Iterator[Benchmark]:
    issue = "published result from issue 271, after 600 steps"
    yield _expressions("refcoco_val", "refcoco", "val", {"3B GRPO": 0.896}, issue)
    yield _expressions("refcoco_plus_val", "refcoco_plus", "val", {"3B GRPO": 0.841}, issue)
    yield _expressions("refcocog_val", "refcocog", "val", {"3B GRPO": 0.8645}, issue)
    lisa = {"3B base": 0.5651, "3B SFT 600 steps": 0.5482, "3B GRPO 600 steps": 0.6314}
    yield _expressions("lisa_grounding", "lisa_grounding", "test", lisa)
    gta = {"3B base": 0.718, "3B SFT": 0.704, "3B GRPO": 0.674}
    yield _expressions("refgta", "refgta", "subsample", gta, "published results after training on COCO")


def _detection() -> Iterator[Benchmark]:
    coco = {"3B base": 0.138, "3B SFT": 0.178, "3B GRPO": 0.201}
    subset = "published results on an unreleased filtered subset, mAP over all pictures together"
    yield Benchmark("coco_val", "coco", ("val2017",), VLM_R1, coco, _greedy(1_024), differs=subset)
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
    differs = "published metric NMS-AP over all pictures together; here the mean of the pictures' mAP"
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
    whole = "published scoring (`geoqa_eval@r1v`) applies math-verify to the whole output; here to the answer"
    yield Benchmark("geoqa", "geoqa_test", ("test",), R1_V, geoqa, _greedy(1_024), differs=whole)
    view = MediaView(max_image_px=2_359_296)
    reasoned = {"2B base": 0.486, "2B GRPO": 0.494, "7B base": 0.609, "7B GRPO": 0.606}
    for name, mode, form, claims in (
        ("mathvista", "suffix", "think_answer", reasoned),
        ("mathvista_direct", "direct", "answer_only", {"2B base": 0.516, "7B base": 0.571}),
    ):
        yield Benchmark(
            name, "mathvista", ("testmini",), OPEN_R1, claims, format=form, prompt_mode=mode, view=view,
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
        format="prefilled_think", prompt_mode="base",
        differs="the published prompt names no tags; results of base and SFT from the paper, unverified",
    )  # fmt: skip
    for name, mode, form, claims in (
        ("mmmu_val", "suffix", "think_answer",
         {"2B base": 0.312, "2B GRPO": 0.3522, "7B base": 0.419, "7B GRPO": 0.494}),
        ("mmmu_val_direct", "direct", "answer_only", {"2B base": 0.397, "7B base": 0.508}),
    ):  # fmt: skip
        yield Benchmark(
            name, "mmmu", ("validation",), OPEN_R1, claims, format=form, prompt_mode=mode,
            view=MediaView(max_image_px=2_359_296), differs=_LENGTH,
        )  # fmt: skip
    graded = {"7B base": 0.321, "R1-Onevision-7B": 0.362, "72B base": 0.520, "GPT-4o": 0.496}
    reproduced = {"7B base, reproduced": 0.3694, "SFT, reproduced": 0.3397, "RL, reproduced": 0.3726}
    yield Benchmark(
        "r1_onevision_bench", "r1_onevision_bench", ("train",), ONEVISION, graded | reproduced,
        _greedy(4_096),
        differs=f"{_JUDGED}; reproduced by rules, "
        "https://github.com/wuxu0119/r1-onevision-robustness-study",
    )  # fmt: skip
    sampled = Sampling(temperature=0.6, top_p=0.9, max_tokens=1_024)
    vrc = {"base": 0.4840, "LLaVA-CoT": 0.5409, "LlamaV-o1": 0.5649, "GPT-4o": 0.5928}
    yield Benchmark(
        "vrc_bench", "vrc_bench", ("test",), LLAMAV_O1, vrc, sampled, format="think_answer",
        differs=f"final answers only; published with four turns and four beams, here one turn; {_JUDGED}",
    )  # fmt: skip
    turns = "published with four turns, here one"
    star = {"base": 0.498, "LLaVA-CoT": 0.576, "curriculum": 0.5813, "LlamaV-o1": 0.5953}
    yield Benchmark("mmstar", "mmstar", ("val",), LLAMAV_O1, star, sampled, differs=turns)
    diagrams = {"base": 0.773, "LLaVA-CoT": 0.857, "curriculum": 0.8018, "LlamaV-o1": 0.8124}
    yield Benchmark("ai2d", "ai2d", ("test",), LLAMAV_O1, diagrams, sampled, differs=turns)
    charts = {"base 8B": 0.694, "Insight-V 8B": 0.774, "base 7B": 0.757, "Insight-V 7B": 0.815}
    yield Benchmark(
        "chartqa", "chartqa", ("test",), INSIGHT_V, charts,
        Sampling(temperature=0.2, top_p=0.95, max_tokens=4_096),
        differs="published with two agents, here one model",
    )  # fmt: skip


def _clips() -> Iterator[Benchmark]:
    view = MediaView(num_frames=16, max_frame_px=153_664)
    for name, mode, form, claims in (
        ("longvideobench", "suffix", "think_answer", {"7B base": 0.4189, "Open-R1-Video-7B": 0.4899}),
        ("longvideobench_direct", "direct", "answer_only", {"7B base": 0.5333}),
    ):
        yield Benchmark(
            name, "longvideobench", ("val",), OPEN_R1_VIDEO, claims, _greedy(512), form, mode, view,
            differs=f"{_LENGTH}; without subtitles",
        )  # fmt: skip
    arm = f"published result of GRPO without SFT, 16 frames; {_LENGTH}"
    yield Benchmark(
        "mvbench", "mvbench", tuple(MVBENCH_CLIPS), VIDEO_R1, {"7B GRPO": 0.604}, view=view,
        differs=f"{arm}; without episodic_reasoning, whose 200 clips are published as single frames",
    )  # fmt: skip
    yield Benchmark(
        "videomme", "videomme", ("test",), VIDEO_R1, {"7B GRPO": 0.538}, view=view,
        differs=f"{arm}; without subtitles",
    )  # fmt: skip


BENCHMARKS = {
    benchmark.name: benchmark
    for group in (_grounding, _detection, _counting, _mathematics, _exams, _clips)
    for benchmark in group()
}


def by_name(name: str) -> Benchmark:
    """A benchmark. Raises InputError for an unknown name."""
    if name not in BENCHMARKS:
        raise unknown("benchmark", name, BENCHMARKS)
    return BENCHMARKS[name]


# The page -------------------------------------------------------------------------------------------------

_PAGE = """# Benchmarks and published data

Generated by `python -m seethink.benchmarks > docs/benchmarks.md` from the tables in `seethink/benchmarks.py`
and `seethink/sources/published/`; a test keeps this page up to date.

`seethink eval --list` prints the benchmarks. `seethink eval --model M --benchmark NAME` runs one; data sets
that the hub does not serve completely need `--benchmark-dir DIR`. Prompts are worded by SeeThink, equally for
every model. Results are the published ones, in percent; "differs" gives the deviations from the published
protocol.

## Benchmarks

{benchmarks}

## Data sets

Loaded from the hub by id, or from a folder in the published layout: parquet files, a dataset saved by
`save_to_disk`, or the files in the last column. Exact row counts are checked; the others are quoted from the
source.

{data}
"""


def page() -> str:
    """docs/benchmarks.md as text."""
    benchmarks = [
        (
            f"`{b.name}`",
            f"`{b.data}` {' '.join(b.splits) if len(b.splits) < 3 else f'{len(b.splits)} splits'}",
            b.questions,
            " or ".join(f"`{name}`" for name in b.verifier),
            f"`{b.format}`, {b.prompt_mode}",
            f"{b.decoding}; {b.resolution}",
            "; ".join(f"{arm} {100 * value:.4g}" for arm, value in b.claims.items()) or "-",
            b.source,
            b.differs or "-",
        )
        for b in BENCHMARKS.values()
    ]
    data_sets = [
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
    columns = ("name", "data", "questions", "scorer", "prompt", "decoding", "published", "source", "differs")
    data_columns = ("name", "title", "source", "licence", "rows", "verifier", "folder")
    return _PAGE.format(benchmarks=_table(columns, benchmarks), data=_table(data_columns, data_sets))


def _rows(data: PublishedDataset) -> str:
    sizes = [
        f"{split} {rows:,}" if isinstance(rows, int) else f"{split} {rows}"
        for split, rows in data.splits.items()
    ]
    equal = len({text.split()[-1] for text in sizes}) == 1 and len(sizes) > 3
    return f"{len(sizes)} splits, each {sizes[0].split(maxsplit=1)[1]}" if equal else ", ".join(sizes)


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', '/') for cell in line)} |" for line in lines)


if __name__ == "__main__":
    sys.stdout.write(page())
