"""The data card of a synthesis: what the rows are, where they come from, and what did not become a row."""

from __future__ import annotations

import inspect
from collections.abc import Mapping

from seethink.synth.chain import Chain, version_of
from seethink.synth.ledger import Ledger
from seethink.synth.status import Status, read_status


def card(ledger: Ledger, chain: Chain, parts: Mapping[str, int]) -> str:
    """Markdown with the head by which the Hugging Face hub finds the parts."""
    status = read_status(ledger)
    sections = [_head(parts), _rows(chain, parts, status), _ends(status), _steps(chain, status), _use(parts)]
    return "\n\n".join(sections) + "\n"


def _head(parts: Mapping[str, int]) -> str:
    configs = "".join(f"\n- config_name: {name}\n  data_files: {name}.parquet" for name in parts)
    told = f"configs:{configs}" if configs else "configs: []"
    return f"---\n{told}\ntags:\n- seethink\n- reasoning\n- synthetic\n---"


def _rows(chain: Chain, parts: Mapping[str, int], status: Status) -> str:
    table = "\n".join(f"| `{name}` | {n:,} |" for name, n in parts.items()) or "| none | 0 |"
    models = {*status.about.teachers.values()}
    roles = ", ".join(f"{model} to {role}" for role, model in status.about.teachers.items())
    asked = models.pop() if len(models) == 1 else roles
    made = (
        f"Made by `seethink synth {chain.name}` of {status.about.examples:,} examples from "
        f"`{status.about.data}`. Asked: {asked}."
    )
    return f"# {chain.name}\n\n{chain.about}\n\n{made}\n\n| part | rows |\n|---|---|\n{table}"


def _ends(status: Status) -> str:
    lines = [f"| kept | | | {status.kept:,} |"]
    for state, ends in (("dropped", status.dropped), ("failed", status.failed)):
        lines += [f"| {state} | `{step}` | {why} | {n:,} |" for (step, why), n in ends.items()]
    if status.pending:
        lines.append(f"| pending | | | {status.pending:,} |")
    return (
        "## What became of the examples\n\n| | step | reason | examples |\n|---|---|---|---|\n"
        + "\n".join(lines)
    )


def _steps(chain: Chain, status: Status) -> str:
    """The steps in order, and what was asked for each kind of call; a step may ask several kinds, named after
    it or after what is asked."""
    lines = [
        f"| `{step.name}` | `{version_of(step)}` | {_first_sentence(type(step))} |" for step in chain.steps
    ]
    asked = [
        f"| `{one.step}` | {one.model} | {one.calls:,} | {one.prompt_tokens:,} | {one.tokens:,} |"
        for one in status.asked
    ]
    told = "| step | version of its wording | what it does |\n|---|---|---|\n" + "\n".join(lines)
    if asked:
        told += (
            "\n\n| call | model | answered | prompt tokens | tokens |\n|---|---|---|---|---|\n"
            + "\n".join(asked)
        )
    spent = status.spent
    cost = f", at a cost of {spent.cost:.2f}" if spent.cost else ""
    return f"## Steps\n\n{told}\n\n{spent.calls:,} answered calls, {spent.tokens:,} tokens{cost}."


def _first_sentence(kind: type) -> str:
    return " ".join((inspect.getdoc(kind) or "").split("\n\n")[0].split()).replace("|", "\\|")


def _use(parts: Mapping[str, int]) -> str:
    first = next(iter(parts), "data")
    return (
        "## Use\n\n```python\nfrom datasets import load_dataset\n\n"
        f'rows = load_dataset("parquet", data_files="{first}.parquet")["train"]\n```\n\n'
        f"`{first}.jsonl` is the same in SeeThink's own dialect: `seethink check {first}.jsonl`, "
        f"`seethink train {'dpo' if first == 'pairs' else 'sft'} --data {first}.jsonl`. Pictures keep the "
        "licences of their sources."
    )
