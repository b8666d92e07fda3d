"""The chains, each named after its system; `CHAINS[name]()` gives one as it is run by default."""

from __future__ import annotations

from collections.abc import Callable

from seethink.synth.chain import Chain
from seethink.synth.chains.insight_v import insight_v
from seethink.synth.chains.open_r1_multimodal import open_r1_multimodal
from seethink.synth.chains.open_r1_video import open_r1_video
from seethink.synth.chains.r1_onevision import r1_onevision
from seethink.synth.chains.r1_vision import r1_vision
from seethink.synth.chains.r1v_distill import r1v_distill

CHAINS: dict[str, Callable[..., Chain]] = {
    "r1_vision": r1_vision,
    "r1_onevision": r1_onevision,
    "insight_v": insight_v,
    "r1v_distill": r1v_distill,
    "open_r1_multimodal": open_r1_multimodal,
    "open_r1_video": open_r1_video,
}
