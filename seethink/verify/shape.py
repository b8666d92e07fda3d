"""Judgement of form: whether a text obeys the grammar it was asked for."""

from seethink.types import Example, Response, Score


def well_formed(example: Example, response: Response) -> Score:
    """1 if the text obeys its format to the letter, else 0.

    Formula: `fault is None`, where `Format.parse` names the fault. Range: {0, 1}; always judged.
    Source: the format reward of R1-V and VLM-R1, told by the parser that also reads the answer.
    """
    return Score(1.0, "well formed") if response.fault is None else Score(0.0, response.fault)
