"""The figures that estimates rest on, each with its source. What was not measured says so."""

from __future__ import annotations

from dataclasses import dataclass, fields

MEASURED, DATA_SHEET, ASSUMED = "measured", "data sheet", "assumed, not measured"


@dataclass(frozen=True)
class Figure:
    """A number with its unit. origin: one of the three words above. source: where it stands."""

    value: float
    unit: str
    origin: str
    source: str

    @property
    def text(self) -> str:
        """The number with its unit, from a billion on with a prefix."""
        scale, prefix = next(((n, p) for n, p in ((1e12, "T"), (1e9, "G")) if self.value >= n), (1, ""))
        return f"{self.value / scale:,.4g} {prefix}{self.unit}".rstrip()


@dataclass(frozen=True)
class Figures:
    """Of a cluster of nodes with eight H200 each, and of this library on them.

    Rates of the card: `peak`, `memory_bandwidth`, `memory`. What was measured: seconds of an update of one
    question with 8 answers of 512 tokens (`short_update`, `long_update`, by the length of its prompt), tokens
    a second of the local engine for 4 questions with 8 answers (`rollout`); both in `bench/RESULTS.md`.
    Links: a card's share of its node's (`node_link`) and of the network between nodes (`network`), of which a
    transfer reaches `link_share`. mean_length, spread: the mean of completions as a share of their limit, and
    their standard deviation over that mean.
    """

    peak: Figure = Figure(989e12, "FLOP/s", DATA_SHEET, "H200 SXM, bf16 without sparsity")
    memory_bandwidth: Figure = Figure(4.8e12, "byte/s", DATA_SHEET, "H200 SXM")
    memory: Figure = Figure(141e9, "byte", DATA_SHEET, "H200 SXM")
    node_link: Figure = Figure(450e9, "byte/s", DATA_SHEET, "NVLink of an H200, one direction")
    network: Figure = Figure(50e9, "byte/s", DATA_SHEET, "one 400 Gb/s adapter for each card")
    link_share: Figure = Figure(0.7, "", ASSUMED, "share of a link's rate that a collective call reaches")
    cards_of_node: Figure = Figure(8, "cards", DATA_SHEET, "HGX H200")
    short_update: Figure = Figure(0.455, "s", MEASURED, "RESULTS.md, gpu.py: 3B, P 350, C 512, G 8")
    long_update: Figure = Figure(1.006, "s", MEASURED, "RESULTS.md, gpu.py: 3B, P 4096, C 512, G 8")
    rollout: Figure = Figure(542, "token/s", MEASURED, "RESULTS.md, gpu.py: local engine, 3B, 32 rows")
    call_s: Figure = Figure(0.5e-3, "s", MEASURED, "RESULTS.md, synth.py: CPU time of a call to a teacher")
    picture_s: Figure = Figure(0.02, "s", ASSUMED, "decoding and processing a picture, on one core")
    mean_length: Figure = Figure(0.5, "", ASSUMED, "mean completion over max_completion_length")
    spread: Figure = Figure(0.5, "", ASSUMED, "standard deviation of a completion's length over its mean")
    launch_s: Figure = Figure(20e-6, "s", ASSUMED, "start of a collective call, for each doubling of cards")
    verify_s: Figure = Figure(1e-3, "s", ASSUMED, "scoring one completion")
    teacher: Figure = Figure(2_000, "token/s", ASSUMED, "a served teacher of 7B, for each card")
    teacher_tokens: Figure = Figure(600, "tokens", ASSUMED, "a teacher's reply")
    attempt: Figure = Figure(2_000, "byte", ASSUMED, "a row of attempts.jsonl without its tokens")

    @property
    def all(self) -> dict[str, Figure]:
        """{name: figure}, in the order above."""
        return {field.name: getattr(self, field.name) for field in fields(self)}
