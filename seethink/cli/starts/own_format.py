"""A format: an instruction and a grammar. Name it as --format ./my_format.py:LOOK."""

from seethink.formats import TagFormat

LOOK = TagFormat(
    name="look",
    instruction="Say what you see inside <look> </look>, then ANSWER inside <answer> </answer>.",
    direct_instruction="Give only ANSWER inside <answer> </answer>.",
    stages=("look",),  # tags around the thought
    final="answer",  # tag around the answer
)
