"""Verifiers of boxes: overlap, precision and completeness, in pixels of the original picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from seethink.boxes import Box, read_boxes
from seethink.types import Example, Response, Score
from seethink.verify.text import bare, both_listed, shown

if TYPE_CHECKING:
    import numpy as np

THRESHOLDS = tuple(t / 100 for t in range(50, 100, 5))
"""COCO's: 0.50, 0.55 ... 0.95."""

Boxes = Sequence[Box]


def ious(gold: Boxes, predicted: Boxes) -> np.ndarray:
    """Intersection over union of every pair, shape (gold, predicted), in [0, 1]. A box without area, or with
    swapped corners, overlaps nothing."""
    import numpy as np  # here, so that naming a verifier loads nothing

    g = np.array([box.corners for box in gold], dtype=float).reshape(-1, 1, 4)
    p = np.array([box.corners for box in predicted], dtype=float).reshape(1, -1, 4)
    inner = np.clip(np.minimum(g[..., 2:], p[..., 2:]) - np.maximum(g[..., :2], p[..., :2]), 0, None)
    overlap = inner.prod(axis=-1)
    union = sum(np.clip(b[..., 2:] - b[..., :2], 0, None).prod(axis=-1) for b in (g, p)) - overlap
    shares = np.divide(overlap, union, out=np.zeros_like(overlap), where=union > 0)
    return np.minimum(shares, 1.0)  # rounding may exceed 1 by one unit in the last place


def iou(a: Box, b: Box) -> float:
    return float(ious((a,), (b,))[0, 0])


@dataclass(frozen=True)
class BoxIoU:
    """IoU of the answer's one box with the gold's one box.

    Formula: IoU of real intervals; with `above`, 1 if the IoU is greater, else 0. Labels do not count. More
    than one box earns 0. If the gold is "none", only an explicit none earns 1. Range:
    [0, 1]; None if the gold is not one box. Source: the soft IoU reward of VLM-R1 (which counts pixels,
    reads non-negative integers only and takes the first of many); above 0.5 is the accuracy of RefCOCO.
    """

    above: float | None = None

    def __call__(self, example: Example, response: Response) -> Score:
        read = _read(example, response)
        if isinstance(read, Score):
            return read
        gold, predicted = read
        if len(gold) != 1:
            return Score(None, f"the gold {shown(example.answer)} is {len(gold)} boxes, not one")
        if len(predicted) != 1:
            return Score(0.0, f"read {len(predicted)} boxes, not one")
        value = iou(gold[0], predicted[0])
        why = f"IoU {value:.3f} of {_written(predicted[0])} with {_written(gold[0])}"
        return Score(value if self.above is None else float(value > self.above), why)


def mean_precision(example: Example, response: Response) -> Score:
    """Mean average precision over labels and IoU thresholds.

    Formula: mean of AP over the labels of gold and answer together and over IoU 0.50:0.05:0.95. Boxes in a
    text have no confidence, so all tie and the curve has one point: AP = precision * recall. Boxes of
    one label are paired best IoU first, each once. A label that the gold lacks has AP 0: its boxes are false
    positives. If the gold is "none", only an explicit none earns 1. Range: [0, 1]; None if
    the gold is not a list of boxes. Source: COCO's mAP, as VLM-R1 uses it for detection (`od_ap`: boxes of
    unknown labels are dropped there, late ones cost nothing, and unreadable text counts as "none").
    """
    return _precision_score(example, response, THRESHOLDS, "mAP")


def ap50(example: Example, response: Response) -> Score:
    """As `mean_precision`, at IoU 0.5 only. Source: VLM-R1's `od_ap50`."""
    return _precision_score(example, response, (0.5,), "AP50")


def boxes_length(example: Example, response: Response) -> Score:
    """As `mean_precision`, times min(1, n_gold / n_predicted): more boxes than there are earn less. Source:
    VLM-R1's `odLength`, which kept its models from adding ever more boxes."""
    score = mean_precision(example, response)
    read = _read(example, response)
    if isinstance(read, Score) or score.value is None:
        return score
    share = min(1.0, len(read[0]) / len(read[1]))
    return Score(score.value * share, f"{score.why}; {len(read[1])} boxes for {len(read[0])}")


def boxes_f1(example: Example, response: Response) -> Score:
    """F1 of the boxes at IoU 0.5.

    Formula: 2 TP / (n_gold + n_predicted), a true positive has the label of its pair; boxes of unknown labels
    are false positives. An explicit none on both sides is 1. Range: [0, 1]; None if the gold is not a list of
    boxes. Source: the greedy precision and recall of VLM-R1's evaluations, as one number.
    """
    read = _read(example, response)
    if isinstance(read, Score):
        return read
    gold, predicted = read
    right = len(_paired(gold, predicted, _same_label(gold, predicted)))
    return Score(
        2 * right / (len(gold) + len(predicted)), f"{right} right of {len(gold)}, {len(predicted)} predicted"
    )


@dataclass(frozen=True)
class BoxesWeighted:
    """Weighted mean of position, labels and completeness of the boxes.

    Formula: over pairs of one label with IoU of at least 0.5, best first, and n = max(n_gold, n_predicted):
    position = sum of IoU / n, label = pairs / n, completeness = 2 pairs / (n_gold + n_predicted). Range: [0,
    1]; None if the gold is not a list of boxes. Source: VLM-R1's `weighted_sum` with its weights. There a box
    of a wrong label may take the pair from the right one, and a thousand boxes around the right one earn
    0.85: position is divided by n_gold, and completeness is the mean of precision and recall.
    """

    position: float = 0.7
    label: float = 0.0
    completeness: float = 0.3

    def __call__(self, example: Example, response: Response) -> Score:
        read = _read(example, response)
        if isinstance(read, Score):
            return read
        gold, predicted = read
        right = [value for _, _, value in _paired(gold, predicted, _same_label(gold, predicted))]
        most = max(len(gold), len(predicted))
        parts = {
            "position": sum(right) / most,
            "label": len(right) / most,
            "completeness": 2 * len(right) / (len(gold) + len(predicted)),
        }
        weights = {"position": self.position, "label": self.label, "completeness": self.completeness}
        value = sum(weights[name] * parts[name] for name in parts) / sum(weights.values())
        why = f"{len(right)} right of {len(gold)}, {len(predicted)} predicted"
        return Score(min(1.0, value), why, {name: Score(min(1.0, part)) for name, part in parts.items()})


def _written(box: Box) -> str:
    """The corners of a box, to a tenth of a pixel."""
    return f"({', '.join(f'{round(x, 1):.12g}' for x in box.corners)})"


def boxes_of(response: Response) -> Boxes | None:
    """The boxes of an answer: in pixels of the original picture, or as they are written where the engine does
    not know the model's coordinates. None if the answer is not a list of boxes."""
    return read_boxes(response.answer or "") if response.boxes is None else response.boxes


def _read(example: Example, response: Response) -> tuple[Boxes, Boxes] | Score:
    """Gold and predicted boxes, at least one of each; or the score if a side is missing, unreadable or
    empty."""
    gold = read_boxes(str(example.answer))
    if gold is not None and any(box.x2 <= box.x1 or box.y2 <= box.y1 for box in gold):
        gold = None
    predicted = boxes_of(response)
    return both_listed(example, response, gold, predicted, ("not a list of boxes", "boxes"))


def _same_label(gold: Boxes, predicted: Boxes) -> np.ndarray:
    """Whether labels agree, shape (gold, predicted). All do if the gold has none."""
    import numpy as np

    named = _labels(gold, predicted)
    places = {label: i for i, label in enumerate(named)}
    of = np.array([places[label] for label in named])
    return of[: len(gold), None] == of[None, len(gold) :]


def _labels(gold: Boxes, predicted: Boxes) -> list[str]:
    labelled = any(box.label for box in gold)
    return [bare(box.label) if labelled else "" for box in (*gold, *predicted)]


def _paired(
    gold: Boxes, predicted: Boxes, allowed: np.ndarray, least: float = THRESHOLDS[0]
) -> list[tuple[int, int, float]]:
    """Pairs (gold, predicted, IoU) among `allowed`, IoU at least `least`, each box once. Best IoU first, so
    the pairs at a higher threshold are a subset of those at a lower one."""
    import numpy as np

    values = ious(gold, predicted)
    rows, columns = np.nonzero((values >= least) & allowed)
    order = np.argsort(-values[rows, columns], kind="stable")
    free_gold, free_predicted, pairs = set(range(len(gold))), set(range(len(predicted))), []
    for i, j in zip(rows[order].tolist(), columns[order].tolist(), strict=True):
        if i in free_gold and j in free_predicted:
            free_gold.discard(i)
            free_predicted.discard(j)
            pairs.append((i, j, float(values[i, j])))
            if not free_gold or not free_predicted:
                break
    return pairs


def _precision_score(example: Example, response: Response, thresholds: tuple[float, ...], name: str) -> Score:
    read = _read(example, response)
    if isinstance(read, Score):
        return read
    gold, predicted = read
    labels = _labels(gold, predicted)
    of_gold, of_predicted = labels[: len(gold)], labels[len(gold) :]
    pairs = _paired(gold, predicted, _same_label(gold, predicted))
    known = set(of_gold)
    precisions = {
        label: _average_precision(
            [value for i, _, value in pairs if of_gold[i] == label],
            (of_gold.count(label), of_predicted.count(label)),
            thresholds,
        )
        for label in known
    }
    value = sum(precisions.values()) / len(known | set(of_predicted))
    return Score(min(1.0, value), f"{name} {value:.3f}, {len(predicted)} boxes for {len(gold)}")


def _average_precision(reached: list[float], counts: tuple[int, int], thresholds: tuple[float, ...]) -> float:
    """Precision times recall, averaged over thresholds; counts: (gold, predicted) boxes of this label."""
    n_gold, n_predicted = counts
    right = [sum(value >= t for value in reached) for t in thresholds]
    return sum(n * n / (n_gold * n_predicted) for n in right) / len(thresholds) if n_predicted else 0.0
