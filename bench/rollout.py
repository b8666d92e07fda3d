"""Sampling G answers to each of B questions about a picture: each prompt computed once and branched, against
transformers' `generate`, told of G answers (it encodes each picture once and computes every prompt G times),
and given G copies of each prompt and picture, as trainers give them to it.

    python -m bench.rollout --prompt 272 --response 64 --group 8

Same model, fp32, same prompts, temperature 1, exactly C tokens an answer (no end of turn is drawn). The
rivals at their best: all rows in one batch, with a cache, the same attention kernels. Timed runs alternate,
after one of each for warming up; the least counts. The ideal counts tokens, G (P + C) / (P + G C). The last
line is one JSON object.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from statistics import median
from types import SimpleNamespace
from typing import Any

import torch

from bench.shape import IMAGE, Shape, build, data, last_line
from seethink.engines.batch import join_media
from seethink.engines.local import LocalEngine
from seethink.families import FAMILIES, Prompt
from seethink.types import Sampling

END = 2
"""Never drawn, by either."""


def ours(model: Any, prompts: list[Prompt], shape: Shape) -> int:
    encoder = SimpleNamespace(
        family=FAMILIES[0], eos_token_id=END, media_token_ids=[IMAGE, END], decode=lambda ids: ""
    )
    sampling = Sampling(n=shape.group, temperature=1.0, max_tokens=shape.response)
    answers = LocalEngine(model, encoder).complete(prompts, sampling)  # type: ignore[arg-type]
    return sum(answer.n_tokens for group in answers for answer in group)


def repeated(model: Any, prompts: list[Prompt], shape: Shape) -> int:
    return generate(model, [prompt for prompt in prompts for _ in range(shape.group)], shape, copies=1)


@torch.inference_mode()
def generate(model: Any, prompts: list[Prompt], shape: Shape, copies: int | None = None) -> int:
    ids = torch.tensor([prompt.ids for prompt in prompts])
    out = model.generate(
        input_ids=ids,
        attention_mask=torch.ones_like(ids),
        mm_token_type_ids=torch.tensor([prompt.kinds for prompt in prompts]),
        **join_media(prompts),
        num_return_sequences=copies or shape.group,
        do_sample=True,
        temperature=1.0,
        top_k=0,
        max_new_tokens=shape.response,
        suppress_tokens=[IMAGE, END],
        eos_token_id=None,
        pad_token_id=0,
    )
    return out[:, ids.shape[1] :].numel()


WAYS: dict[str, Callable[[Any, list[Prompt], Shape], int]] = {
    "ours": ours,
    "generate": generate,
    "repeated": repeated,
}


def main() -> None:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("--prompt", type=int, default=272, help="prompt tokens")
    parser.add_argument("--response", type=int, default=64, help="tokens of each answer")
    parser.add_argument("--group", type=int, default=8, help="answers to a question")
    parser.add_argument("--questions", type=int, default=2, help="questions in a batch")
    parser.add_argument("--runs", type=int, default=3, help="timed runs of each")
    chosen = parser.parse_args()
    shape = Shape(chosen.prompt, chosen.response, chosen.group, chosen.questions)
    model, prompts = build().eval(), [group.prompt for group in data(shape)]
    seconds: dict[str, list[float]] = {name: [] for name in WAYS}
    for turn in range(chosen.runs + 1):
        for name, sample in WAYS.items():
            started = time.perf_counter()
            tokens = sample(model, prompts, shape)
            if turn:
                seconds[name].append(time.perf_counter() - started)
            if tokens != shape.questions * shape.group * shape.response:
                raise SystemExit(f"{name} sampled {tokens} tokens; the comparison would not be fair")
    for name, found in seconds.items():
        print(f"{name:9} {min(found):.2f} s (median {median(found):.2f})")
    mine, theirs, copied = (min(found) for found in seconds.values())
    print(
        last_line(
            "rollout",
            shape,
            mine,
            ("transformers generate(num_return_sequences=G)", theirs),
            {"ratio_over_repeated_prompts": copied / mine},
        )
    )


if __name__ == "__main__":
    main()
