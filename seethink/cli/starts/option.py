"""A verifier: what an answer is worth. Name it as --verifier ./my_verifier.py:option."""

from string import ascii_uppercase

from seethink.types import Example, Response, Score


def option(example: Example, response: Response) -> Score:
    """1 for the reference's option, by its letter or its text, else 0.

    example.answer is the letter of the reference, example.choices are the texts of the options, and
    response.answer is what the format read from the completion.
    """
    letters = ascii_uppercase[: len(example.choices)]
    by_name = {text.casefold(): letter for letter, text in zip(letters, example.choices, strict=True)}
    if example.answer is None or example.answer not in [*letters]:
        return Score(None, "the reference is no option's letter")  # cannot be judged, which is not 0
    said = (response.answer or "").strip(" ().")
    letter = by_name.get(said.casefold(), said.upper())
    if letter not in [*letters]:
        return Score(0.0, f"{response.answer!r} is no option", unread=True)
    return Score(float(letter == example.answer), f"option {letter}, the reference is {example.answer}")
