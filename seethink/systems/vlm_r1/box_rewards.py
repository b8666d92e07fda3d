"""Rewards of VLM-R1 for boxes as published, defects included."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from seethink.boxes import MAX_COORDINATE, Box, read_boxes
from seethink.types import Example, Response, Score
from seethink.verify.box_metrics import THRESHOLDS, boxes_of, ious
from seethink.verify.published_parts import clean, tagged
from seethink.verify.text import shown

if TYPE_CHECKING:
    import numpy as np

MAX_DETECTIONS = 100

_JSON_FENCE = re.compile(r"```json(.*?)```", re.DOTALL)
_ANY_FENCE = re.compile(r"```(.*?)```", re.DOTALL)
_FOUR = re.compile(r"\[([0-9]+),\s*([0-9]+),\s*([0-9]+),\s*([0-9]+)]")


def any_fence(text: str) -> list[Box]:
    """The boxes of the first fence of any kind, else of a list that is the whole text."""
    fences = _JSON_FENCE.findall(text) or _ANY_FENCE.findall(text)
    return _listed(fences[0] if fences else text)


def _fenced(text: str) -> list[Box] | None:
    """The boxes of the last JSON fence in the last answer tag; None without a tag."""
    tags = tagged(text)
    fences = _JSON_FENCE.findall(tags[-1]) if tags else []
    return _listed(fences[-1] if fences else None) if tags else None


def _listed(text: str | None) -> list[Box]:
    """The boxes of a JSON list; rows that cannot be read are left out, which may be all."""
    try:
        found = json.loads(text or "")
    except (ValueError, RecursionError):
        return []
    rows = found if isinstance(found, list) else []
    return [Box(*map(float, row["bbox_2d"]), label=str(row["label"])) for row in rows if _is_row(row)]


def _is_row(row: Any) -> bool:
    box = row.get("bbox_2d") if isinstance(row, dict) and "label" in row else None
    numbers = box if isinstance(box, list) and len(box) == 4 else [None]
    return all(isinstance(x, int | float) and abs(x) <= MAX_COORDINATE for x in numbers)


@dataclass(frozen=True)
class PixelIoU:
    """The IoU of the first list of four integers in the first answer tag.

    Formula: inter = product over axes of (min(x2 - 1) - max(x1) + 1) where min(x2 - 1) > max(x1), else 0;
    union = sum of (x2 - x1)(y2 - y1) - inter. Defects: integers alone, so [1.0, 2, 3, 4] earns 0; further
    boxes are ignored; an overlap of one pixel is none. Coordinates are the response's in original
    pixels where there are any. Range: [0, 1]; None if the gold is not one box. Source: VLM-R1's iou_reward.
    """

    def __call__(self, example: Example, response: Response) -> Score:
        gold = read_boxes(str(example.answer))
        if gold is None or len(gold) != 1:
            return Score(None, f"the gold {shown(example.answer)} is not one box")
        tags = tagged(response.text)
        found = _FOUR.search(tags[0]) if tags else None
        if not found:
            return Score(0.0, f"read {shown(response.answer)}, which holds no list of four integers")
        x1, y1, x2, y2 = (min(float(x[:10]), MAX_COORDINATE) for x in found.groups())
        box = Box(x1, y1, x2, y2)
        written = [one.corners for one in read_boxes(tags[0]) or ()]
        in_pixels = response.boxes or ()
        if len(written) == len(in_pixels) and box.corners in written:
            box = in_pixels[written.index(box.corners)]
        value = _pixel_iou(box, gold[0])
        return Score(value, f"IoU {value:.3f} of {box.corners} with {gold[0].corners}")


def _pixel_iou(a: Box, b: Box) -> float:
    low = [max(a.x1, b.x1), max(a.y1, b.y1)]
    high = [min(a.x2, b.x2) - 1, min(a.y2, b.y2) - 1]
    if not (low[0] < high[0] and low[1] < high[1]):
        return 0.0
    overlap = (high[0] - low[0] + 1) * (high[1] - low[1] + 1)
    return overlap / ((a.x2 - a.x1) * (a.y2 - a.y1) + (b.x2 - b.x1) * (b.y2 - b.y1) - overlap)


@dataclass(frozen=True)
class CocoPrecision:
    """COCO's mean average precision of the last JSON fence in the last answer tag.

    Formula: AP by 101 points of recall, over the labels of the gold and the IoU thresholds; boxes are ranked
    in the order of the text, 100 at most. by_length: times min(1, n_gold / n_predicted). parsed: of the
    boxes that the format read, in original pixels where there are any, fence or not. Defects: boxes of
    labels that the gold lacks are dropped without penalty; wrong boxes after the right ones cost nothing;
    unreadable text is an empty list, and two empty lists are right, so unreadable text earns 1 if the gold is
    empty. Range: [0, 1]; None if the gold is not a list of boxes. Source: VLM-R1's od_ap, od_ap50 and
    odLength.
    """

    thresholds: tuple[float, ...] = THRESHOLDS
    by_length: bool = False
    parsed: bool = False

    def __call__(self, example: Example, response: Response) -> Score:
        gold = read_boxes(str(example.answer))
        if gold is None:
            return Score(None, f"the gold {shown(example.answer)} is not a list of boxes")
        predicted = list(boxes_of(response) or ()) if self.parsed else _fenced(response.text)
        if predicted is None or (self.parsed and response.answer is None):
            return Score(0.0, "no answer tag")
        if not gold or not predicted:
            return Score(
                float(not gold and not predicted), f"read {len(predicted)} boxes, the gold has {len(gold)}"
            )
        labels = sorted({box.label for box in gold})
        value = sum(self._of_label(label, gold, predicted) for label in labels) / len(labels)
        share = min(1.0, len(gold) / len(predicted)) if self.by_length else 1.0
        return Score(min(1.0, value * share), f"AP {value:.3f}, {len(predicted)} boxes for {len(gold)}")

    def _of_label(self, label: str, gold: tuple[Box, ...], boxes: list[Box]) -> float:
        golds = tuple(box for box in gold if box.label == label)
        predicted = tuple(box for box in boxes if box.label == label)[:MAX_DETECTIONS]
        values = ious(golds, predicted)
        return sum(_interpolated(_hits(values, t), len(golds)) for t in self.thresholds) / len(
            self.thresholds
        )


def not_redundant(example: Example, response: Response) -> Score:
    """min(1, n_gold / n_predicted), by which odLength multiplies average precision: less than 1 where there
    are more boxes than objects. Range: [0, 1]; None without a list of boxes on each side. Source: VLM-R1's
    odLength."""
    gold, predicted = read_boxes(str(example.answer)), boxes_of(response)
    if gold is None or predicted is None:
        return Score(None, "not a list of boxes on each side")
    value = min(1.0, len(gold) / len(predicted)) if predicted else 1.0
    return Score(value, f"{len(predicted)} boxes for {len(gold)}")


def _hits(values: np.ndarray, threshold: float) -> list[bool]:
    """For each predicted box in order, whether it matches a free gold box (the best one)."""
    import numpy as np

    free, hits = np.ones(len(values), dtype=bool), []
    for column in values.T:
        candidates = np.where(free, column, -1.0)
        best = int(candidates.argmax())
        hits.append(bool(candidates[best] >= threshold))
        free[best] &= not hits[-1]
    return hits


def _interpolated(hits: list[bool], n_gold: int) -> float:
    """Mean over recalls 0, 0.01 ... 1 of the best precision at that recall or a higher one."""
    import numpy as np

    if not hits:
        return 0.0
    right = np.cumsum(hits)
    precision = np.maximum.accumulate((right / np.arange(1, len(hits) + 1))[::-1])[::-1]
    at = np.searchsorted(right / n_gold, np.linspace(0, 1, 101), side="left")
    return float(np.append(precision, 0.0)[at].mean())


def weighted_sum(example: Example, response: Response) -> Score:
    """0.7 position + 0.3 completeness of the first JSON fence's boxes.

    Formula: pairs by best IoU, down to 0.5, for any labels; position = sum of IoU of pairs with equal labels
    / n_gold; completeness = 1 - (unmatched gold / n_gold + unmatched predicted / n_predicted) / 2. Defects: a
    box of a wrong label takes the pair and counts as complete; a thousand boxes around the right one earn
    0.85. Range: [0, 1]; None if the gold is not a list of boxes. Source: VLM-R1's weighted_sum_reward.
    """

    gold = read_boxes(str(example.answer))
    if gold is None:
        return Score(None, f"the gold {shown(example.answer)} is not a list of boxes")
    text = clean(response.text)
    fences = _JSON_FENCE.findall(text)
    predicted = tuple(_listed(fences[0] if fences else None))
    if not gold:
        return Score(float(text == "none"), f"read {shown(text)}, the gold is none")
    if not predicted:
        return Score(0.0, f"read {shown(text)}, which holds no boxes")
    values, overlaps, pairs = ious(gold, predicted), 0.0, 0
    while values.max() >= THRESHOLDS[0]:
        i, j = divmod(int(values.argmax()), len(predicted))
        same = gold[i].label.lower() == predicted[j].label.lower()
        overlaps += float(values[i, j]) * same
        pairs += 1
        values[i, :] = values[:, j] = 0.0
    completeness = (pairs / len(gold) + pairs / len(predicted)) / 2
    value = 0.7 * overlaps / len(gold) + 0.3 * completeness
    return Score(min(1.0, value), f"{pairs} pairs, {len(predicted)} boxes for {len(gold)}")
