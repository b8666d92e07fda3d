"""Benchmark of every parser and verifier on random and mutated strings: exceptions, speed, slowest call.

    python -m bench.verifiers --strings 200000 --math 2000

Each string is read by every format and by the lenient reader, and judged by every verifier and published
reward, as an answer to a gold of the verifier's kind, or as the gold itself. Verifiers that are mostly
math-verify get only the first `--math` strings. Times are thread CPU time, so other work on the machine does
not count; math-verify works in a child process and is timed by the clock. Exits 1 if anything raised, left
[0, 1] (a Score refuses that) or, mathematics excepted, took longer than 50 ms. The last line is one JSON
object.
"""

from __future__ import annotations

import argparse
import gc
import json
import platform
import random
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from seethink import systems, verify
from seethink.formats import FORMATS, read_any
from seethink.types import Example, Response, Verifier

LIMIT_MS = 50.0
LONG = 16_000
"""Characters of a long completion, about 4,000 tokens."""
BOXES = '[{"bbox_2d": [0, 0, 100, 100], "label": "cat"}, {"bbox_2d": [200, 0, 300, 100], "label": "dog"}]'
CHOICES = ("a cat", "a dog", "two birds", "none of them")
GOLDS = {
    "same_number": ("5", "3/4", "12 cm", "50%"),
    "same_math": ("5", r"\frac{1}{2}", "x^2-1", r"5\pi"),
    "same_choice": ("B", "(A)", "two birds"),
    "yes_no": ("yes", "no"),
    "any_of_texts": ('["sofa", "couch"]',),
    "box_iou": ("[10, 20, 110, 220]", "None"),
    "box_iou_50": ("[10, 20, 110, 220]",),
    "points": ("[10, 10, 20, 20]", "[[5, 5], [50, 50]]"),
    "ordering": ("B, A, C", "[3, 1, 2]"),
    "ordering_tau": ("one, two, three, four",),
} | dict.fromkeys(("boxes", "ap50", "boxes_f1", "boxes_weighted", "boxes_length"), (BOXES, "None"))
SEEDS = (
    *(
        "<think>3 and 2 make 5</think><answer>5</answer>",
        "<answer>B</answer>",
        r"so \boxed{\frac{1}{2}}.",
        "yes, it is",
    ),
    *(
        "```json\n" + BOXES + "\n```",
        "[10, 20, 110, 220]",
        "[[15, 15], [50, 51]]",
        "B -> A -> C",
        "1. B\n2. A\n3. C",
    ),
    *(
        "The answer is (B) a dog.",
        "1,234.5 cm",
        r"x^2-1 = (x-1)(x+1)",
        "50%",
        '["sofa", "couch"]',
        "None",
        "red cube",
    ),
    *(
        r"\[ \text{Answer: (B)} \]",
        "**B.** a dog, because it barks",
        "所以正确答案是（B）。",
        "故选：B",
        "### Final Answer\n\nB. a dog",
        "So the measure of angle 1 is 120.0.",
        "x = 3 + 4 = 7 cm\n\nI hope this helps!",
        "Final Answer: The final answer is $12,000,023$. I hope it is correct.",
        "A, C and D",
    ),
    *(
        "twenty-one and a half",
        "12 (twelve)",
        "三千二百五十点一",
        "百分之六十",
        '{"reasoning": "3 + 4", "answer": 7}',
        r"x_1=2, x_2=-\frac{1}{3}",
        r"\{x \mid 1 \le x < 3\} \cup [5, \infty)",
        r"8.5\,\mathrm{m\cdot s^{-1}}",
        r"25 \,^\circ\text{C}",
        "B. a dog, not a cat",
        "10 + 2 = 12",
        "图中没有狗",
        "5 \u00b5m",
        "0.005 \u2126",
        "5 \u017f",
        "5㎝",
        "½ ㎏",
        "5 squared",
        r"25^\circ\text{C}",
        "<b>12</b>",
        "B, because C and D are too small",
    ),
)
PIECES = (
    *(
        "<think>",
        "</think>",
        "<answer>",
        "</answer>",
        "```json",
        "```",
        "[",
        "]",
        "{",
        "}",
        '"bbox_2d": ',
        '"label": ',
    ),
    *(
        "\\boxed{",
        "\\frac{",
        "\\text{",
        "$",
        "%",
        "°",
        " or ",
        " and ",
        " not ",
        "the answer is ",
        "option ",
        "\n",
        "\t",
    ),
    *(
        "A",
        "B",
        "(C)",
        "yes",
        "no",
        "None",
        "1e999",
        "NaN",
        "-Infinity",
        "0",
        "5",
        "1/0",
        "9" * 40,
        ", ",
        ".",
        "->",
    ),
    *(
        "\u200b",
        "\u0665",
        "\uff15",
        "\u0412",
        "\ud835\udfd3",
        "\x00",
        "\u202e",
        "é",
        "哈",
        "🙂",
        "答案是",
        "不选",
        "twelve ",
        "hundred ",
        " and a half",
        "两",
        "百",
        "分之",
        " not a cat",
        "-free",
        "或",
        " \\le ",
        "^{-1}",
        '{"answer": ',
        "**",
        " = ",
        "\\(",
        "Answer: ",
        " because ",
        "<",
        ">",
        "(",
        ")",
    ),
    *(
        "\u00b5",
        "\u03bc",
        "\u017f",
        "\u0131",
        "\u0130",
        "\u2126",
        "\u212b",
        "\u212a",
        "ℓ",
        "㎝",
        "㎏",
        "½",
        "²",
        "⁵",
        "₂",
    ),
    *(" m", " cm", "/s", "<b>", "</b>", "\\text", " squared", " tenths", "个", "的平方"),
)


def texts(n: int, seed: int = 0) -> Iterator[str]:
    """`n` strings: mutated answers, sequences of significant pieces, and noise; one in fifty is long."""
    for i in range(n):
        rng = random.Random(f"verifiers/{seed}/{i}")
        kind = i % 3
        if kind == 0:
            text = _mutated(rng, rng.choice(SEEDS))
        elif kind == 1:
            text = "".join(rng.choices(PIECES, k=rng.randint(0, 40)))
        else:
            text = "".join(
                chr(rng.choice((rng.randrange(32, 127), rng.randrange(0x3000))))
                for _ in range(rng.randint(0, 60))
            )
        if i % 100 == 7:
            text *= rng.randint(50, 200)
        elif i % 100 == 57:  # one piece, repeated
            piece = rng.choice((*PIECES, " ", "<think></think><answer>", "[1, 2, 3, 4], "))
            text = piece * (LONG // len(piece))
        elif i % 500 == 33:
            text = json.dumps([rng.choices(range(300), k=4) for _ in range(rng.randint(100, 1000))])
        yield text[:LONG]


def _mutated(rng: random.Random, text: str) -> str:
    for _ in range(rng.randint(1, 6)):
        i, j = sorted(rng.choices(range(len(text) + 1), k=2))
        text = rng.choice(
            (
                text[:i] + text[j:],  # cut out
                text[:j] + text[i:],  # repeated
                text[:i] + rng.choice(PIECES) + text[i:],
                text[:i] + rng.choice(SEEDS) + text[j:],
                text[:i] + text[i:j][::-1] + text[j:],
                text[:j],  # truncated
            )
        )
    return text


def verifiers() -> dict[str, Verifier]:
    """All verifiers, and published rewards as name@system."""
    published = {f"{name}@{system}": v for system, of in systems.rewards().items() for name, v in of.items()}
    return verify.VERIFIERS | published


def asks_math(name: str) -> bool:
    """Whether the verifier calls math-verify for most strings. `same_answer` and what holds it do for some,
    and are timed without its process."""
    return (
        name == "same_math"
        or name.startswith(("same_math@", "same_answer@", "geoqa_eval@"))
        or name
        in (
            "same_choice@visualthinker",
            "same_choice@open_r1_video",
        )
    )


def pair(name: str, text: str, i: int) -> tuple[Example, Response]:
    """The text as an answer to one of the verifier's golds; every eighth time as the gold."""
    golds = GOLDS.get(name.partition("@")[0], ("5", "red cube", "odd by 3"))
    gold = golds[i % len(golds)]
    gold, answer = (text, gold) if i % 8 == 5 else (gold, text)
    example = Example(id="1", question="?", answer=gold, choices=CHOICES if i % 2 else ())
    whole = f"<think>{answer}</think><answer>{answer}</answer>"
    return example, Response(
        text=whole, thought=answer or None, answer=answer, n_tokens=1 + len(answer) % 3000
    )


@dataclass
class Times:
    """Calls and seconds of one parser or verifier."""

    calls: int = 0
    seconds: float = 0.0
    slowest_s: float = 0.0
    slowest: str = ""

    def call(self, clock: Callable[[], float], text: str, work: Callable[[], Any]) -> None:
        start = clock()
        work()
        took = clock() - start
        self.calls += 1
        self.seconds += took
        if took > self.slowest_s:
            self.slowest_s, self.slowest = took, text


def measure(strings: Sequence[str] | Iterator[str], math: int) -> tuple[dict[str, Times], list[str]]:
    """Times by name, and the exceptions ("name: exception on text"); there should be none."""
    judges = verifiers()
    readers = {**{f"read {name}": f.parse for name, f in FORMATS.items()}, "read any": read_any}
    times = {name: Times() for name in (*readers, *judges)}
    raised: list[str] = []

    def call(name: str, clock: Callable[[], float], text: str, work: Callable[[], Any]) -> None:
        try:
            times[name].call(clock, text, work)
        except Exception as error:
            raised.append(f"{name}: {error!r} on {text[:200]!r}")

    for i, text in enumerate(strings):
        for name, reader in readers.items():
            call(name, time.thread_time, text, lambda reader=reader, text=text: reader(text))
        for name, verifier in judges.items():
            if asks_math(name) and i >= math:
                continue
            clock = time.perf_counter if asks_math(name) else time.thread_time
            example, response = pair(name, text, i)
            call(name, clock, text, lambda v=verifier, e=example, r=response: v(e, r))
    return times, raised


def right_a_second(name: str, verifier: Verifier, seconds: float = 0.05) -> float:
    """Verdicts per second on right answers, which take the whole path of the verifier."""
    gold = GOLDS.get(name.partition("@")[0], ("red cube",))[0]
    answer = f"```json\n{gold}\n```" if "@" in name and gold == BOXES else gold
    example = Example(id="1", question="?", answer=gold, choices=CHOICES)
    whole = f"<think>The answer is {gold}.</think><answer>{answer}</answer>"
    response = Response(whole, thought=f"The answer is {gold}.", answer=answer, n_tokens=100)
    clock = time.perf_counter if asks_math(name) else time.thread_time
    verifier(example, response)  # starts math-verify's process
    calls, start = 0, clock()
    while (took := clock() - start) < seconds:
        verifier(example, response)
        calls += 1
    return calls / took


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--strings", type=int, default=200_000)
    parser.add_argument("--math", type=int, default=2_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    gc.disable()  # a collection would count as a slow call
    right = {name: right_a_second(name, verifier) for name, verifier in verifiers().items()}
    times, raised = measure(texts(options.strings, options.seed), options.math)

    print(f"{'':32} {'calls':>8} {'a second':>10} {'of right answers':>17} {'slowest':>10}")
    for name, t in times.items():
        each = f"{right[name]:17,.0f}" if name in right else f"{'':17}"
        rate = t.calls / max(t.seconds, 1e-9)
        print(f"{name:32} {t.calls:8,} {rate:10,.0f} {each} {1000 * t.slowest_s:7.2f} ms")
    for line in raised[:20]:
        print("raised:", line)
    slow = {n: t for n, t in times.items() if not asks_math(n) and 1000 * t.slowest_s > LIMIT_MS}
    for name, t in slow.items():
        print(f"slow: {name} on {t.slowest[:200]!r} ({len(t.slowest)} characters)")
    worst = max((n for n in times if not asks_math(n)), key=lambda n: times[n].slowest_s)
    line = {
        "name": "verifiers",
        "strings": options.strings,
        "calls": sum(t.calls for t in times.values()),
        "raised": len(raised),
        "slower_than_50_ms": sorted(slow),
        "slowest": {"name": worst, "ms": round(1000 * times[worst].slowest_s, 3)},
        "a_second": {name: round(t.calls / max(t.seconds, 1e-9)) for name, t in times.items()},
        "right_a_second": {name: round(rate) for name, rate in right.items()},
        "versions": {"python": platform.python_version(), "seethink": version("seethink")},
    }
    print(json.dumps(line))
    sys.exit(1 if raised or slow else 0)


if __name__ == "__main__":
    main()
