"""Time of sampling G answers to each of B questions about an image.

    python -m bench.rollout --prompt 272 --response 64 --group 8 --rival trl

ours      each prompt is computed once, and its answers branch off
generate  transformers' `generate` with num_return_sequences=G: each image is encoded once, each prompt
          computed G times
repeated  `generate` on G copies of each prompt and image, as trainers call it
trl       the rollout of TRL's GRPOTrainer, which gives `generate` copies; see `bench/rival.py`

Same model in fp32, same prompts, temperature 1, exactly C tokens per answer (the end token is suppressed).
The rivals run in their best case: all rows in one batch, with a cache, the same attention kernels. Timed
runs alternate after one warm-up run of each; the minimum counts. The ideal ratio counts tokens:
G (P + C) / (P + G C). The last line is one JSON object.
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

from bench.shape import IMAGE, Shape, build, data, last_line, parse, shape_parser
from seethink.engines.local import LocalEngine
from seethink.models.batching import join_media
from seethink.models.encoder import Prompt
from seethink.models.families import FAMILIES
from seethink.types import Completion, Sampling

END = 2
"""The end token, suppressed in every engine."""
RIVALS = ("generate", "repeated", "trl")


def ours(model: Any, prompts: list[Prompt], shape: Shape) -> int:
    """Sample with our engine; returns the number of sampled tokens."""
    encoder = SimpleNamespace(
        family=FAMILIES[0],
        eos_token_id=END,
        media_token_ids=[IMAGE, END],
        completion=lambda prompt, ids, logps, mask: Completion("", n_tokens=len(ids)),
    )
    sampling = Sampling(n=shape.group, temperature=1.0, max_tokens=shape.response)
    answers = LocalEngine(model, encoder).complete(prompts, sampling)  # type: ignore[arg-type]
    return sum(answer.n_tokens for group in answers for answer in group)


def repeated(model: Any, prompts: list[Prompt], shape: Shape) -> int:
    """Sample with `generate` from G copies of each prompt; returns the number of sampled tokens."""
    return generate(model, [prompt for prompt in prompts for _ in range(shape.group)], shape, answers=1)


@torch.inference_mode()
def generate(model: Any, prompts: list[Prompt], shape: Shape, answers: int | None = None) -> int:
    """Sample `answers` (default G) per prompt with `generate`; returns the number of sampled tokens."""
    ids = torch.tensor([prompt.ids for prompt in prompts])
    out = model.generate(
        input_ids=ids,
        attention_mask=torch.ones_like(ids),
        mm_token_type_ids=torch.tensor([prompt.kinds for prompt in prompts]),
        **join_media(prompts),
        num_return_sequences=answers or shape.group,
        do_sample=True,
        temperature=1.0,
        top_k=0,
        max_new_tokens=shape.response,
        suppress_tokens=[IMAGE, END],
        eos_token_id=None,
        pad_token_id=0,
    )
    return out[:, ids.shape[1] :].numel()


def samplers(model: Any, shape: Shape, rival: str, folder: Path) -> dict[str, Callable[[list[Prompt]], int]]:
    """{name: function that samples answers to prompts and returns the number of tokens}, ours first."""
    theirs: dict[str, Callable[[list[Prompt]], int]] = {
        "generate": partial(generate, model, shape=shape),
        "repeated": partial(repeated, model, shape=shape),
    }
    if rival == "trl":
        from bench.rival import Rival

        no_end = {"suppress_tokens": [IMAGE, END], "eos_token_id": None}
        trainer = Rival(build(), shape, folder, generation_kwargs=no_end)
        trainer.eos_token_ids = []  # otherwise answers are cut there
        theirs["trl"] = lambda prompts: sum(map(len, trainer.rollout(prompts, shape.group)))
    return {"ours": partial(ours, model, shape=shape), rival: theirs[rival], **theirs}


def main() -> None:
    parser = shape_parser(__doc__, RIVALS)
    parser.add_argument("--runs", type=int, default=3, help="timed runs of each")
    args, shape = parse(parser)
    model, prompts = build().eval(), [group.prompt for group in data(shape)]
    with tempfile.TemporaryDirectory() as folder:
        functions = samplers(model, shape, args.rival, Path(folder))
        seconds: dict[str, list[float]] = {name: [] for name in functions}
        for turn in range(args.runs + 1):
            for name, sample in functions.items():
                started = time.perf_counter()
                tokens = sample(prompts)
                if turn:
                    seconds[name].append(time.perf_counter() - started)
                if tokens != shape.questions * shape.group * shape.response:
                    raise SystemExit(f"{name} sampled {tokens} tokens; the comparison would not be fair")
    for name, times in seconds.items():
        print(f"{name:9} {min(times):.2f} s (median {median(times):.2f})")
    best = {name: min(times) for name, times in seconds.items()}
    more = {"ratio_over_repeated_prompts": best["repeated"] / best["ours"]}
    print(last_line("rollout", shape, best["ours"], (args.rival, best[args.rival]), more))


if __name__ == "__main__":
    main()
