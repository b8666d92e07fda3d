"""A verifier: what an answer is worth. Name it as --verifier ./my_verifier.py:near."""

from seethink.types import Example, Response, Score


def near(example: Example, response: Response) -> Score:
    """1 for the reference's number, 0.25 for one beside it, else 0.

    example.answer is the reference, response.answer what the format read from the completion.
    """
    gold = example.answer or ""
    if not gold.isdecimal():
        return Score(None, "the reference is no whole number")  # cannot be judged, which is not 0
    try:
        answer = int(response.answer or "")
    except ValueError:
        return Score(0.0, f"{response.answer!r} is no whole number", unread=True)
    distance = abs(answer - int(gold))
    return Score({0: 1.0, 1: 0.25}.get(distance, 0.0), f"{distance} away from {gold}")
