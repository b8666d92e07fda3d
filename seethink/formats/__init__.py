"""Formats: prompts and answer grammars, by name.

A format is two-way: `parse(write(thought, answer))` returns thought and answer (property-tested), and `write`
refuses what `parse` could not read. `read_any` is the lenient reader, which finds a final answer in any form.
docs/formats.md has the table of grammars and prompt modes.
"""

from __future__ import annotations

from dataclasses import replace

from seethink import identity, own
from seethink.formats.base_format import PROMPT_MODES, BaseFormat, PromptMode
from seethink.formats.lenient import STEPWISE_WORDS, by_steps, lists_several, read_any, stated
from seethink.formats.lines import BareFormat, BoxedFormat, LineFormat
from seethink.formats.numbered_steps import JsonFormat, StepFormat
from seethink.formats.tags import TAGS, TagFormat
from seethink.types import InputError

_ANSWER = "Give only the final answer, inside <answer> </answer>."

THINK_ANSWER = TagFormat(
    "think_answer",
    "First think step by step inside <think> </think>, then give the final answer inside <answer> </answer>.",
    direct_instruction=_ANSWER,
)
ANSWER_ONLY = TagFormat("answer_only", _ANSWER, thinks=False)
PREFILLED_THINK = replace(THINK_ANSWER, name="prefilled_think", prefill="<think>")
CAPTION_THINK = TagFormat(
    "caption_think",
    "First describe what the question needs of the picture inside <caption> </caption>, then think step by "
    "step inside <think> </think>, then give the final answer inside <answer> </answer>.",
    direct_instruction=_ANSWER,
    stages=("caption", "think"),
)
STAGED = TagFormat(
    "staged",
    "Answer in four parts: your plan inside <SUMMARY> </SUMMARY>, what the picture shows of it inside "
    "<CAPTION> </CAPTION>, your reasoning step by step inside <REASONING> </REASONING>, and the final answer "
    "alone inside <CONCLUSION> </CONCLUSION>.",
    direct_instruction="Give only the final answer, inside <CONCLUSION> </CONCLUSION>.",
    stages=("SUMMARY", "CAPTION", "REASONING"),
    final="CONCLUSION",
)
THOUGHTS_SUMMARY = TagFormat(
    "thoughts_summary",
    "First think step by step inside <thoughts> </thoughts>, then give the final answer inside <output> "
    "</output>.",
    direct_instruction="Give only the final answer, inside <output> </output>.",
    stages=("thoughts",),
    final="output",
)
STEPS = StepFormat(
    "steps",
    "Answer in numbered steps. Begin each with a line 'Step 1:' that names it and a line 'Action 1:' that "
    "carries it out, and end with a line 'Final Answer:' and the final answer.",
    direct_instruction="Give only the final answer, after 'Final Answer:'.",
)
JSON_STEPS = JsonFormat(
    "json_steps",
    'Answer as a JSON array of steps, {"title": ..., "content": ..., "next_action": "continue"}; the last '
    'step says "final_answer" instead of "continue". After them comes {"title": "FINAL ANSWER", "content": '
    "...} with the final answer alone.",
    direct_instruction='Give only the final answer, as JSON: {"title": "FINAL ANSWER", "content": ...}.',
)
BOXED = BoxedFormat(
    "boxed",
    "Think step by step, and put the final answer in \\boxed{} at the end.",
    direct_instruction="Give only the final answer, in \\boxed{}.",
)
ANSWER_LINE = LineFormat(
    "answer_line",
    "Think step by step, and give the final answer at the end, on a line that begins with 'Answer:'.",
    direct_instruction="Give only the final answer, after 'Answer:'.",
)
BOX_JSON = TagFormat(
    "box_json",
    "First think step by step inside <think> </think>, then give all boxes inside <answer> </answer>, as a "
    'JSON list of {"bbox_2d": [x1, y1, x2, y2], "label": ...}; the empty list if there are none.',
    direct_instruction="Give only the boxes, inside <answer> </answer>, as a JSON list of "
    '{"bbox_2d": [x1, y1, x2, y2], "label": ...}; the empty list if there are none.',
    boxes=True,
)
BARE = BareFormat("bare", "Answer with the final answer alone.")
VERBATIM = BareFormat("verbatim", "")

FORMATS: dict[str, BaseFormat] = {
    form.name: form
    for form in (
        THINK_ANSWER,
        ANSWER_ONLY,
        PREFILLED_THINK,
        CAPTION_THINK,
        STAGED,
        THOUGHTS_SUMMARY,
        STEPS,
        JSON_STEPS,
        BOXED,
        ANSWER_LINE,
        BOX_JSON,
        BARE,
        VERBATIM,
    )
}


def by_name(name: str, prompt_mode: str = "suffix") -> BaseFormat:
    """A format of `FORMATS`, or your own by its address (`./mine.py:TERSE`, docs/own.md), in a mode of
    `PROMPT_MODES`. Raises InputError for an unknown name or mode."""
    if own.is_address(name):
        return _own(name).with_prompt_mode(prompt_mode)
    if name not in FORMATS:
        known = ", ".join(FORMATS)
        raise InputError(f"unknown format {name!r}; the formats are {known}; your own is ./FILE.py:NAME")
    return FORMATS[name].with_prompt_mode(prompt_mode)


def _own(address: str) -> BaseFormat:
    found = own.load("format", address)
    if not isinstance(found, BaseFormat):
        what = f"the class {found.__name__}" if isinstance(found, type) else f"{found!r:.60}"
        raise InputError(
            f"{address} is {what}; a format is an instance, such as TagFormat('terse', 'Answer inside "
            "<answer> </answer>.', thinks=False)"
        )
    try:
        identity.plain(found)
    except TypeError as error:
        raise InputError(f"{address}: {error}") from error
    return found


__all__ = [
    "ANSWER_LINE",
    "ANSWER_ONLY",
    "BARE",
    "BOXED",
    "BOX_JSON",
    "CAPTION_THINK",
    "FORMATS",
    "JSON_STEPS",
    "PREFILLED_THINK",
    "PROMPT_MODES",
    "STAGED",
    "STEPS",
    "STEPWISE_WORDS",
    "TAGS",
    "THINK_ANSWER",
    "THOUGHTS_SUMMARY",
    "VERBATIM",
    "BareFormat",
    "BaseFormat",
    "BoxedFormat",
    "JsonFormat",
    "LineFormat",
    "PromptMode",
    "StepFormat",
    "TagFormat",
    "by_name",
    "by_steps",
    "lists_several",
    "read_any",
    "stated",
]
