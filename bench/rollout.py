"""Sampling G answers to each of B questions about a picture: each prompt computed once and branched, against
transformers' `generate`, told of G answers (it encodes each picture once and computes every prompt G times),
and given G copies of each prompt and picture, as trainers give them to it.

    python -m bench.rollout --prompt 272 --response 64 --group 8 --rival trl

Same model, fp32, same prompts, temperature 1, exactly C tokens an answer (no end of turn is drawn). The
rivals at their best: all rows in one batch, with a cache, the same attention kernels. `trl` is the rollout of
TRL's GRPOTrainer, which hands `generate` copies; see `bench/rival.py`. Timed runs alternate, after one of
each for warming up; the least counts. The ideal counts tokens, G (P + C) / (P + G C). The last line is one
JSON object.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from types import SimpleNamespace
from typing import Any

import torch

from bench.shape import IMAGE, Shape, arguments, build, data, last_line, parsed
from seethink.engines.batch import join_media
from seethink.engines.local import LocalEngine
from seethink.families import FAMILIES, Prompt
from seethink.types import Completion, Sampling

END = 2
"""Never drawn, by any of them."""
RIVALS = ("generate", "repeated", "trl")


def ours(model: Any, prompts: list[Prompt], shape: Shape) -> int:
    encoder = SimpleNamespace(
        family=FAMILIES[0],
        eos_token_id=END,
        media_token_ids=[IMAGE, END],
        completion=lambda prompt, ids: Completion("", n_tokens=len(ids)),
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


def ways(model: Any, shape: Shape, rival: str, folder: Path) -> dict[str, Callable[[list[Prompt]], int]]:
    """What samples answers to prompts and returns how many tokens; ours first, then the rival."""
    theirs: dict[str, Callable[[list[Prompt]], int]] = {
        "generate": partial(generate, model, shape=shape),
        "repeated": partial(repeated, model, shape=shape),
    }
    if rival == "trl":
        from bench.rival import Rival

        never = {"suppress_tokens": [IMAGE, END], "eos_token_id": None}
        trainer = Rival(build(), shape, folder, generation_kwargs=never)
        trainer.eos_token_ids = []  # it would cut answers there
        theirs["trl"] = lambda prompts: sum(map(len, trainer.rollout(prompts, shape.group)))
    return {"ours": partial(ours, model, shape=shape), rival: theirs[rival], **theirs}


def main() -> None:
    parser = arguments(__doc__, RIVALS)
    parser.add_argument("--runs", type=int, default=3, help="timed runs of each")
    given, shape = parsed(parser)
    model, prompts = build().eval(), [group.prompt for group in data(shape)]
    with tempfile.TemporaryDirectory() as folder:
        sampled = ways(model, shape, given.rival, Path(folder))
        seconds: dict[str, list[float]] = {name: [] for name in sampled}
        for turn in range(given.runs + 1):
            for name, sample in sampled.items():
                started = time.perf_counter()
                tokens = sample(prompts)
                if turn:
                    seconds[name].append(time.perf_counter() - started)
                if tokens != shape.questions * shape.group * shape.response:
                    raise SystemExit(f"{name} sampled {tokens} tokens; the comparison would not be fair")
    for name, found in seconds.items():
        print(f"{name:9} {min(found):.2f} s (median {median(found):.2f})")
    best = {name: min(found) for name, found in seconds.items()}
    more = {"ratio_over_repeated_prompts": best["repeated"] / best["ours"]}
    print(last_line("rollout", shape, best["ours"], (given.rival, best[given.rival]), more))


if __name__ == "__main__":
    main()
