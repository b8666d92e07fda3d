"""The cost model of a training against what was measured on one card, and simulated schedules against times
that can be told by hand."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
import torch
from transformers import Qwen2_5_VLForConditionalGeneration

from bench import gpu
from bench.shape import Shape
from seethink.cli.app import main
from seethink.run.cost import figures
from seethink.run.cost.estimate import limit_of, million_questions, scaling
from seethink.run.cost.figures import Figure, Figures
from seethink.run.cost.known_models import CALIBRATION_MODEL, KNOWN_MODELS, model_cost
from seethink.run.cost.schedules import TrainingJob, one_step_off, scaled, stops_scaling, synchronous
from seethink.run.cost.simulation import Activity, simulate
from seethink.run.cost.step import CALIBRATION_ROWS, CHUNK_BYTES, CardCost, sampled_lengths
from seethink.run.cost.workload import BF16, Question, assumed_question, forward_flops, kept_bytes
from seethink.train import memory
from seethink.train.configs import GRPOConfig, TrainingConfig
from tests import tiny
from tests.package_source import ROOT

RESULTS = (ROOT / "bench" / "RESULTS.md").read_text(encoding="utf-8")
SECTION = RESULTS.partition("\n## gpu.py")[2].partition("\n## ")[0]
MODEL = CALIBRATION_MODEL
ONE_CARD = CardCost(MODEL, Figures())
GIB = 2**30


def measured() -> dict[int, dict[str, float]]:
    """{P: {column: seconds}} of the table of updates."""
    head, _, *rows = [line.strip("| ").split(" | ") for line in SECTION.splitlines() if line.startswith("|")]
    return {int(row[0]): dict(zip(head[1:], map(float, row[1:]), strict=True)) for row in rows}


def question(p: int, copies: int = 1, answers: int = 8) -> Question:
    rows, columns = Shape(p, 512, answers, 1).picture
    return Question(p, 4 * rows * columns, answers, 512, copies)


def test_updates_are_predicted_within_a_fifth_of_the_table_from_two_of_its_cells() -> None:
    table = measured()
    assert set(table) == {350, 1300, 4096}
    given = Figures().short_update.value, Figures().long_update.value
    assert given == (table[350]["shared, branching"], table[4096]["shared, branching"])
    for p, row in table.items():
        for column, copies in (("shared, branching", 1), ("shared, flex", 1), ("TRL", 8), ("repeated", 8)):
            told = ONE_CARD.update_s(question(p, copies), TrainingConfig())
            assert told == pytest.approx(row[column], rel=0.2), (p, column)


def test_memory_is_predicted_within_a_fifth_of_the_measured_peaks() -> None:
    found = re.search(r"Peak memory at P 1300:.*branching (\d+) GiB.*TRL (\d+) GiB with half", SECTION, re.S)
    assert found
    ours, theirs = map(float, found.groups())

    def peak(asked: Question) -> float:  # bf16 weights and gradients, no optimiser
        states = 2 * BF16 * MODEL.parameters + CHUNK_BYTES * MODEL.text.vocabulary
        return (states + kept_bytes(MODEL, asked, checkpointed=False)) / GIB

    assert peak(question(1300)) == pytest.approx(ours, rel=0.2)
    assert peak(question(1300, copies=4, answers=4)) == pytest.approx(theirs, rel=0.2)


def test_sampling_is_predicted_within_a_fifth_of_the_measured_rate() -> None:
    (rate,) = re.findall(r"sampled (\d+) tokens/s", SECTION)
    lengths = [[256] * 8] * 4
    seconds = ONE_CARD.rollout_s(question(350), lengths, 256)
    assert sum(map(sum, lengths)) / seconds == pytest.approx(float(rate), rel=0.2)
    assert Figures().rollout.value == float(rate) and CALIBRATION_ROWS == 32


def test_a_figure_that_is_called_measured_stands_in_the_results() -> None:
    for name, figure in Figures().all.items():
        assert figure.origin in (figures.MEASURED, figures.DATA_SHEET, figures.ASSUMED), name
        if figure.origin == figures.MEASURED:
            section = re.match(r"RESULTS.md, (\w+\.py)", figure.source)
            assert section
            text = RESULTS.partition(f"\n## {section[1]}")[2].partition("\n## ")[0]
            written = f"{figure.value * (1e3 if figure.value < 0.01 else 1):g}"
            assert re.search(rf"(?<![\d.]){re.escape(written)}0?(?!\d)", text), name


@pytest.mark.parametrize(
    ("name", "parameters"),
    [("Qwen2-VL-2B", 2.21e9), ("Qwen2-VL-7B", 8.29e9), ("Qwen2.5-VL-3B", 3.75e9), ("Qwen2.5-VL-7B", 8.29e9)],
)
def test_the_published_sizes_give_the_published_numbers_of_parameters(name: str, parameters: float) -> None:
    assert KNOWN_MODELS[f"Qwen/{name}-Instruct"].parameters == pytest.approx(parameters, rel=0.005)


def test_operations_are_those_that_the_benchmark_counts_on_the_model_itself() -> None:
    with torch.device("meta"):
        model = Qwen2_5_VLForConditionalGeneration._from_config(gpu.model_config(tiny=False, layers=None))
    for p, copies in ((350, 1), (1300, 8)):
        shape = Shape(p, 512, 8, 1)
        counted = gpu.weight_flops(model, shape, copies) + gpu.attention_flops(model, shape, copies)
        assert 3 * forward_flops(MODEL, question(p, copies)) == pytest.approx(counted, rel=0.01)


def test_what_a_pack_keeps_is_what_the_memory_estimate_counts(tmp_path) -> None:
    model = tiny.qwen2_5_vl()
    config = model.config
    cost = model_cost(tiny.saved(tmp_path / "base", model))
    assert cost and cost.parameters == pytest.approx(sum(p.numel() for p in model.parameters()), rel=0.12)
    from seethink.formats import ANSWER_ONLY
    from seethink.models.policy import PolicyModel
    from seethink.sources.handwritten import Pages

    (prompt,) = tiny.encoder(model).prompts([ANSWER_ONLY.prompt(Pages(1, "train", seed=3)[0])])
    shape = memory.PromptShape(prompt, (20,) * 4)
    patches = len(prompt.media["pixel_values"])
    for checkpointed in (False, True):
        training = TrainingConfig(gradient_checkpointing=checkpointed)
        counted = memory.activations(PolicyModel(model), shape, training)
        told = kept_bytes(cost, Question(len(prompt.ids), patches, 4, 20), checkpointed, memory.FP32)
        # checkpointed, this counts the larger of the two stacks' open layer, the estimate both
        assert told == pytest.approx(counted, rel=0.35 if checkpointed else 1e-9)
    assert config.vision_config.depth == cost.tower.layers


# Events -----------------------------------------------------------------------------------------------------


def test_work_waits_for_earlier_work_and_for_its_resource() -> None:
    works = [
        Activity("a", "cook", "stove", 3.0),
        Activity("b", "cook", "stove", 2.0),
        Activity("c", "eat", "table", 1.0, ("a",)),
        Activity("d", "eat", "table", 5.0, ("a", "b")),
    ]
    timeline = simulate(works)
    assert timeline.spans == {"a": (0, 3), "b": (3, 5), "c": (3, 4), "d": (5, 10)}
    assert timeline.seconds == 10
    assert timeline.busy(["stove", "table"]) == {"cook": 5, "eat": 6, "waiting": 9}
    assert simulate([]).seconds == 0
    with pytest.raises(ValueError, match="never happens"):
        simulate([Activity("a", "x", 0, 1.0, ("b",)), Activity("b", "x", 0, 1.0, ("a",))])
    with pytest.raises(ValueError, match="never happens"):
        simulate([Activity("a", "x", 0, 1.0, ("nobody",))])


def figured(**values: float) -> Figures:
    known = {name: replace(Figures().all[name], value=value) for name, value in values.items()}
    return replace(Figures(), **known)


def job(prompts: int = 16, cards: int = 1, **values: float) -> TrainingJob:
    config = GRPOConfig.of(prompts_per_step=prompts, num_generations=8, max_completion_length=512)
    return TrainingJob(MODEL, assumed_question(MODEL, 1300, 8, 512), config, figured(**values), cards)


def test_a_synchronous_step_on_one_card_is_the_sum_of_its_parts() -> None:
    one = job(prompts=2, spread=1e-9, mean_length=1.0)
    cost, training = one.cost, one.config.training
    lengths = [[512] * 8] * 2
    told = cost.rollout_s(one.prompt, lengths, 512) + 2 * cost.update_s(one.prompt, training)
    told += cost.optimiser_s(training, reference=False) + 2 * (0.02 + 8 * 0.001)
    assert synchronous(one).seconds == pytest.approx(told, rel=1e-3)
    assert sum(synchronous(one).shares.values()) == pytest.approx(1)


def test_overlapping_schedules_take_as_long_as_the_slower_half() -> None:
    """Two cards, one that samples: after the first steps a step takes the longer of sampling and learning."""
    two = job(prompts=2, cards=2, spread=1e-9, mean_length=1.0)
    longer = two.cost.rollout_s(two.prompt, [[512] * 8] * 2, 512) + 2 * 0.028 + two.cost.weights_s
    learning = replace(two.cost, cards=1)
    for steps in (10, 40):
        found = one_step_off(two, steps)
        ends = 2 * learning.update_s(two.prompt, two.config.training)
        ends += learning.optimiser_s(two.config.training, False)
        assert found.learners == 1 and learning.update_s(two.prompt, two.config.training) < longer
        assert found.seconds == pytest.approx(longer + ends / steps, rel=0.02)
    with pytest.raises(ValueError, match="two cards"):
        one_step_off(job(cards=1))


def test_more_spread_makes_cards_wait_and_the_mean_of_lengths_stays() -> None:
    even, spread = (synchronous(job(prompts=64, cards=8, spread=value)) for value in (1e-9, 1.0))
    assert even.shares["waiting"] < 0.01 < 0.1 < spread.shares["waiting"]
    lengths = sampled_lengths(job(prompts=512, spread=0.3).config, figured(spread=0.3), "x")
    assert len(lengths) == 512 and {len(group) for group in lengths} == {8}
    flat = [length for group in lengths for length in group]
    assert 1 <= min(flat) <= max(flat) <= 512
    assert sum(flat) / len(flat) == pytest.approx(256, rel=0.05)


def test_where_it_stops_scaling_and_why() -> None:
    cards, why = stops_scaling(job(prompts=16))
    assert cards <= 16 and "completions" in why
    assert stops_scaling(job(spread=1e-9, rollout=1e9, network=1e15), most=64)[1].startswith("a group is not")
    assert limit_of(job(prompts=512), 8).startswith("scales to 8 cards")
    slow = job(prompts=512, network=1e6, rollout=1e9)
    cards, why = stops_scaling(slow)
    assert cards == 8 and "gradients" in why, "the network between nodes is slow"


def test_a_larger_batch_keeps_every_card_busy() -> None:
    alone, many = synchronous(job()), synchronous(scaled(job(), 64, larger_batch=True))
    assert many.prompts == 64 * alone.prompts
    assert alone.card_seconds < many.card_seconds < 1.5 * alone.card_seconds


def test_tables_have_both_schedules_at_every_number_of_cards() -> None:
    rows = scaling(job(), 12)
    assert [(row.cards, row.schedule) for row in rows] == [
        (1, "synchronous"), (8, "synchronous"), (8, "one step off-policy"),
        (12, "synchronous"), (12, "one step off-policy"),
    ]  # fmt: skip


def test_sharded_states_and_adapters_cost_what_they_should() -> None:
    large = KNOWN_MODELS["Qwen/Qwen2.5-VL-7B-Instruct"]
    plain, adapters = TrainingConfig(), TrainingConfig.of(lora_rank=16)
    alone, eight = CardCost(large, Figures()), CardCost(large, Figures(), 8)
    assert alone.sharded(plain, False) and not alone.sharded(adapters, False)
    asked = assumed_question(large, 1300, 8, 512)
    again = TrainingConfig(gradient_checkpointing=True)
    assert alone.memory(asked, again, False) > Figures().memory.value > eight.memory(asked, again, False)
    assert alone.states(plain, reference=True) - alone.states(plain, False) == 4 * large.parameters
    assert alone.update_s(asked, adapters) < 0.75 * alone.update_s(asked, plain)
    assert alone.update_s(asked, again) == pytest.approx(4 / 3 * alone.update_s(asked, plain))
    assert eight.gradients_s(adapters, False, 1) < eight.gradients_s(plain, False, 1)
    assert alone.gradients_s(plain, False, 4) == 0


def test_a_million_questions() -> None:
    told = million_questions(job(), calls_of_example=3.0)
    assert told.calls == 3e6
    assert told.cpu_hours == pytest.approx(3e6 * 0.5e-3 / 3600)
    assert told.teacher_hours == pytest.approx(3e6 * 600 / 2000 / 3600)
    assert told.training_hours == pytest.approx(1e6 / 16 * synchronous(job()).seconds / 3600)


# The command ------------------------------------------------------------------------------------------------


def shown(capsys, *arguments: str) -> str:
    with pytest.raises(SystemExit) as ended:
        main(["show", "r1v", *arguments])
    assert not ended.value.code
    return capsys.readouterr().out


def test_show_at_full_scale_prints_time_disk_memory_hours_and_every_figure(capsys) -> None:
    out = shown(capsys, "--scale", "full", "--nodes", "2", "--gpus", "8", "grpo.rollout_backend=vllm")
    assert "estimate for 16 H200, from figures of one card; nothing was run on more" in out
    for stage in ("sft", "grpo", "eval/base"):
        assert re.search(rf"^{stage}: [\d.,]+ hours, [\d.,]+ GPU hours, disk [\d.,]+ GB, GPU memory \d+ GB$",
            out, re.MULTILINE), stage  # fmt: skip
    assert "report: not estimated" in out and "vLLM on an accelerator: not measured" in out
    for name, figure in Figures().all.items():
        assert re.search(rf"^ +{name} .*{re.escape(figure.origin)}: {re.escape(figure.source)}$", out, re.M)
    assert re.search(r"16 cards +one step off-policy \(\d+ learn\)", out)
    assert "stops scaling at" in out


def test_show_at_tiny_scale_has_no_estimate_unless_cards_are_given(capsys) -> None:
    assert "estimate for" not in shown(capsys)
    out = shown(capsys, "--gpus", "1")
    assert "estimate for 1 H200" in out and "one step off" not in out


def test_more_cards_than_were_looked_at_are_refused(capsys) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["show", "r1v", "--nodes", "65", "--gpus", "8"])
    assert ended.value.code == 2
    assert "--nodes 65 --gpus 8 are 520 cards; 512 at most" in capsys.readouterr().err


def test_units_are_written_with_prefixes() -> None:
    some = ((989e12, "FLOP/s"), (5e10, "byte/s"), (0.5, ""))
    assert [Figure(value, unit, "", "").text for value, unit in some] == ["989 TFLOP/s", "50 Gbyte/s", "0.5"]
