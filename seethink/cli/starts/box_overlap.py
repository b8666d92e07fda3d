"""A verifier: what an answer is worth. Name it as --verifier ./my_verifier.py:box_overlap."""

from seethink.boxes import read_boxes
from seethink.types import Example, Response, Score
from seethink.verify.box_metrics import iou


def box_overlap(example: Example, response: Response) -> Score:
    """The overlap of the answer's one box with the reference's, as intersection over union, from 0 to 1.

    example.answer is the reference, in pixels. response.boxes are the answer's boxes, converted to pixels
    from whatever units the model writes; None where no model wrote it.
    """
    gold = read_boxes(example.answer or "")
    if gold is None or len(gold) != 1:
        return Score(None, "the reference is not one box")  # cannot be judged, which is not 0
    found = read_boxes(response.answer or "") if response.boxes is None else response.boxes
    if not found:
        return Score(0.0, f"{response.answer!r} is no box", unread=True)
    if len(found) != 1:
        return Score(0.0, f"{len(found)} boxes, not one")
    value = iou(gold[0], found[0])
    return Score(value, f"overlap {value:.2f}")
