"""VLM-R1's rewards for boxes as it computes them, defects included; see `published.py`."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from seethink.boxes import FARTHEST, Box, read_boxes
from seethink.types import Example, Response, Score
from seethink.verify.boxes import THRESHOLDS, ious
from seethink.verify.text import shown

if TYPE_CHECKING:
    import numpy as np

MAX_DETECTIONS = 100

_JSON_FENCE = re.compile(r"```json(.*?)```", re.DOTALL)
_ANY_FENCE = re.compile(r"```(.*?)```", re.DOTALL)
_FOUR = re.compile(r"\[([0-9]+),\s*([0-9]+),\s*([0-9]+),\s*([0-9]+)]")


def tagged(text: str) -> list[str]:
    """What the answer tags hold, as `<answer>(.*?)</answer>` finds it, and in linear time."""
    found, at = [], 0
    while (start := text.find("<answer>", at)) >= 0 and (end := text.find("</answer>", start + 8)) >= 0:
        found.append(text[start + 8 : end])
        at = end + 9
    return found


def clean(text: str) -> str:
    """VLM-R1's clean_text: the last answer tag, else all; one line, lower case, no full stop at the end."""
    found = tagged(text)
    text = re.sub(r"(?<=\s)\n", "", found[-1] if found else text).replace("\n", " ")
    return text.strip().rstrip(".").lower()


def any_fence(text: str) -> list[Box]:
    """The boxes of a fence of any kind, else of a list that is the whole text."""
    fences = _JSON_FENCE.findall(text) or _ANY_FENCE.findall(text)
    return _listed(fences[0] if fences else text)


def _listed(text: str | None) -> list[Box]:
    """The boxes of a JSON list; what cannot be read is left out, and so may be all."""
    try:
        found = json.loads(text or "")
    except (ValueError, RecursionError):
        return []
    rows = found if isinstance(found, list) else []
    return [Box(*map(float, row["bbox_2d"]), label=str(row["label"])) for row in rows if _is_row(row)]


def _is_row(row: Any) -> bool:
    box = row.get("bbox_2d") if isinstance(row, dict) and "label" in row else None
    numbers = box if isinstance(box, list) and len(box) == 4 else [None]
    return all(isinstance(x, int | float) and abs(x) <= FARTHEST for x in numbers)


@dataclass(frozen=True)
class PixelIoU:
    """The IoU of the first list of four integers in the first answer tag.

    Formula: inter = product over axes of (min(x2 - 1) - max(x1) + 1) where min(x2 - 1) > max(x1), else 0;
    union = sum of (x2 - x1)(y2 - y1) - inter. Defects: integers alone, so [1.0, 2, 3, 4] earns 0; further
    boxes are not looked at; an overlap of one pixel is none. Coordinates are the response's in original
    pixels where there are any. Range: [0, 1]; None if the gold is not one box. Source: VLM-R1's iou_reward.
    """

    def __call__(self, example: Example, response: Response) -> Score:
        gold = read_boxes(str(example.answer))
        if gold is None or len(gold) != 1:
            return Score(None, f"the gold {shown(example.answer)} is not one box")
        told = tagged(response.text)
        found = _FOUR.search(told[0]) if told else None
        if not found:
            return Score(0.0, f"read {shown(response.answer)}, which holds no list of four integers")
        x1, y1, x2, y2 = (min(float(x[:10]), FARTHEST) for x in found.groups())
        box = response.boxes[0] if response.boxes else Box(x1, y1, x2, y2)
        value = _pixel_iou(box, gold[0])
        return Score(value, f"IoU {value:.3f} of {box.corners} with {gold[0].corners}")


def _pixel_iou(a: Box, b: Box) -> float:
    low = [max(a.x1, b.x1), max(a.y1, b.y1)]
    high = [min(a.x2, b.x2) - 1, min(a.y2, b.y2) - 1]
    if not (low[0] < high[0] and low[1] < high[1]):
        return 0.0
    met = (high[0] - low[0] + 1) * (high[1] - low[1] + 1)
    return met / ((a.x2 - a.x1) * (a.y2 - a.y1) + (b.x2 - b.x1) * (b.y2 - b.y1) - met)


@dataclass(frozen=True)
class CocoPrecision:
    """COCO's mean average precision of the last JSON fence in the last answer tag.

    Formula: AP by 101 points of recall, over the labels of the gold and the IoU thresholds; boxes rank as
    they were said, 100 at most. by_length: times min(1, n_gold / n_told). Defects: boxes of labels that the
    gold lacks are dropped without penalty; wrong boxes that come after the right ones cost nothing; what
    cannot be read is an empty list, and two empty lists are right, so broken text is paid where there is
    nothing. Range: [0, 1]; None if the gold is no boxes. Source: VLM-R1's od_ap, od_ap50 and odLength.
    """

    thresholds: tuple[float, ...] = THRESHOLDS
    by_length: bool = False

    def __call__(self, example: Example, response: Response) -> Score:
        gold = read_boxes(str(example.answer))
        if gold is None:
            return Score(None, f"the gold {shown(example.answer)} is no boxes")
        tags = tagged(response.text)
        if not tags:
            return Score(0.0, "no answer tag")
        fences = _JSON_FENCE.findall(tags[-1])
        told = _listed(fences[-1] if fences else None)
        if not gold or not told:
            return Score(float(not gold and not told), f"read {len(told)} boxes, the gold has {len(gold)}")
        labels = sorted({box.label for box in gold})
        value = sum(self._of_label(label, gold, told) for label in labels) / len(labels)
        share = min(1.0, len(gold) / len(told)) if self.by_length else 1.0
        return Score(min(1.0, value * share), f"AP {value:.3f}, {len(told)} boxes for {len(gold)}")

    def _of_label(self, label: str, gold: tuple[Box, ...], told: list[Box]) -> float:
        wanted = tuple(box for box in gold if box.label == label)
        said = tuple(box for box in told if box.label == label)[:MAX_DETECTIONS]
        values = ious(wanted, said)
        return sum(_interpolated(_hits(values, t), len(wanted)) for t in self.thresholds) / len(
            self.thresholds
        )


def _hits(values: np.ndarray, threshold: float) -> list[bool]:
    """For each told box in turn, whether it takes a gold box that is still free (the best one)."""
    import numpy as np

    free, hits = np.ones(len(values), dtype=bool), []
    for column in values.T:
        able = np.where(free, column, -1.0)
        best = int(able.argmax())
        hits.append(bool(able[best] >= threshold))
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


def vlm_r1_weighted(example: Example, response: Response) -> Score:
    """0.7 position + 0.3 completeness of the first JSON fence.

    Formula: pairs by best IoU, down to 0.5, whatever their labels; position = sum of IoU where labels agree /
    n_gold; completeness = 1 - (gold left over / n_gold + told left over / n_told) / 2. Defects: a box
    of a wrong label takes the pair and counts as complete; a thousand boxes around the right one earn 0.85.
    Range: [0, 1]; None if the gold is no boxes. Source: VLM-R1's weighted_sum_reward.
    """

    gold = read_boxes(str(example.answer))
    if gold is None:
        return Score(None, f"the gold {shown(example.answer)} is no boxes")
    said = clean(response.text)
    fences = _JSON_FENCE.findall(said)
    told = tuple(_listed(fences[0] if fences else None))
    if not gold:
        return Score(float(said == "none"), f"read {shown(said)}, the gold is none")
    if not told:
        return Score(0.0, f"read {shown(said)}, which holds no boxes")
    values, overlaps, pairs = ious(gold, told), 0.0, 0
    while values.max() >= THRESHOLDS[0]:
        i, j = divmod(int(values.argmax()), len(told))
        same = gold[i].label.lower() == told[j].label.lower()
        overlaps += float(values[i, j]) * same
        pairs += 1
        values[i, :] = values[:, j] = 0.0
    completeness = (pairs / len(gold) + pairs / len(told)) / 2
    value = 0.7 * overlaps / len(gold) + 0.3 * completeness
    return Score(min(1.0, value), f"{pairs} pairs, {len(told)} boxes for {len(gold)}")
