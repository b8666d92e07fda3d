"""Data card of a synthesis: what the rows are, where they come from, and which examples were dropped."""

from __future__ import annotations

import inspect
from collections.abc import Mapping

from seethink.synth.chain import Chain, step_version
from seethink.synth.ledger import Ledger
from seethink.synth.status import SynthesisStatus, read_status


def data_card(ledger: Ledger, chain: Chain, parts: Mapping[str, int]) -> str:
    """The card in Markdown, with the YAML header by which the Hugging Face hub finds the parts. parts: number
    of rows by part."""
    status = read_status(ledger)
    sections = [
        _header(parts), _rows(chain, parts, status), _outcomes(status), _steps(chain, status), _usage(parts),
    ]  # fmt: skip
    return "\n\n".join(sections) + "\n"


def _header(parts: Mapping[str, int]) -> str:
    configs = "".join(f"\n- config_name: {name}\n  data_files: {name}.parquet" for name in parts)
    configs = f"configs:{configs}" if configs else "configs: []"
    return f"---\n{configs}\ntags:\n- seethink\n- reasoning\n- synthetic\n---"


def _rows(chain: Chain, parts: Mapping[str, int], status: SynthesisStatus) -> str:
    info = status.info
    table = "\n".join(f"| `{name}` | {n:,} |" for name, n in parts.items()) or "| none | 0 |"
    models = {*info.teachers.values()}
    by_role = ", ".join(f"{model} ({role})" for role, model in info.teachers.items())
    source = (
        f"Made by `seethink synth {chain.name}` from {info.examples:,} examples of `{info.data}`. "
        f"Teachers: {models.pop() if len(models) == 1 else by_role}."
    )
    return f"# {chain.name}\n\n{chain.about}\n\n{source}\n\n| part | rows |\n|---|---|\n{table}"


def _outcomes(status: SynthesisStatus) -> str:
    lines = [f"| kept | | | {status.kept:,} |"]
    for state, counts in (("dropped", status.dropped), ("failed", status.failed)):
        lines += [f"| {state} | `{step}` | {why} | {n:,} |" for (step, why), n in counts.items()]
    if status.pending:
        lines.append(f"| pending | | | {status.pending:,} |")
    head = "## Outcomes of the examples\n\n| | step | reason | examples |\n|---|---|---|---|\n"
    return head + "\n".join(lines)


def _steps(chain: Chain, status: SynthesisStatus) -> str:
    """The steps in order, and the calls of each kind; a step may make several kinds of calls."""
    steps = [
        f"| `{step.name}` | `{step_version(step)}` | {_first_paragraph(type(step))} |" for step in chain.steps
    ]
    calls = [
        f"| `{one.step}` | {one.model} | {one.calls:,} | {one.prompt_tokens:,} | {one.tokens:,} |"
        for one in status.calls
    ]
    tables = "| step | version | what it does |\n|---|---|---|\n" + "\n".join(steps)
    if calls:
        tables += "\n\n| call | model | answered | prompt tokens | tokens |\n|---|---|---|---|---|\n"
        tables += "\n".join(calls)
    usage = status.usage
    cost = f", cost {usage.cost:.2f}" if usage.cost else ""
    return f"## Steps\n\n{tables}\n\n{usage.calls:,} answered calls, {usage.tokens:,} tokens{cost}."


def _first_paragraph(step_class: type) -> str:
    doc = inspect.getdoc(step_class) or ""
    return " ".join(doc.split("\n\n")[0].split()).replace("|", "\\|")


def _usage(parts: Mapping[str, int]) -> str:
    first = next(iter(parts), "data")
    return (
        "## Use\n\n```python\nfrom datasets import load_dataset\n\n"
        f'rows = load_dataset("parquet", data_files="{first}.parquet")["train"]\n```\n\n'
        f"`{first}.jsonl` has the same rows in SeeThink's own dialect: `seethink check {first}.jsonl`, "
        f"`seethink train {'dpo' if first == 'pairs' else 'sft'} --data {first}.jsonl`. The images keep the "
        "licences of their sources."
    )
