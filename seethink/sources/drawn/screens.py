"""The world `screens`: a screen before and after a tap, and the defect of the second; similar to GTArena
(Zhao et al. 2024)."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from copy import deepcopy
from typing import Any

import PIL.Image
import PIL.ImageDraw

from seethink.sources.drawn import page_style
from seethink.sources.drawn.shapes import listed
from seethink.sources.drawn.world import DrawnQuestion, Scene, SceneWorld, numbered
from seethink.sources.fonts import font

Element = dict[str, Any]
"""A UI element: role (title, label, switch, box, stepper, button or message), row, text, on or number, and
box in pixels."""

GAP_PX = 2
"""Between the boxes of two rows."""
TITLES = ("Settings", "Profile", "Display", "Privacy", "Account", "Sound")
LABELS = (
    "Bluetooth", "Location", "Brightness", "Subtitles", "Reminders", "Dark mode", "Autoplay", "Vibration",
    "Captions", "Updates", "Night light", "Contrast",
)  # fmt: skip
CONTROLS = {"switch": "on", "box": "on", "stepper": "number"}
"""Role -> key of its value."""
BUTTONS = {"Save": "Saved", "Send": "Sent", "Copy": "Copied"}
"""Text of a button -> message after a tap."""


def compose(rng: random.Random, kind: str, level: int, shifted: bool) -> dict[str, Any]:
    """A scene. tapped: index of the tapped element. before, after: elements of the screens."""
    low, high = (280, 340) if shifted else (196, 224)
    size = (
        [196, 224]
        if level == 1 and not shifted
        else [rng.randint(low, high), rng.randint(low, int(1.2 * high))]
    )
    scene = {"size": size, "rounded": not shifted, "style": _style(rng, shifted)}
    labels = LABELS[: 6 if level == 1 else None]
    before = _screen(rng, size, rng.sample(labels, min(5, 2 + level)))
    tapped = rng.choice([i for i, e in enumerate(before) if e["role"] in (*CONTROLS, "button")])
    after = DEFECTS[kind](rng, before, _expected(before, tapped, scene["size"]), tapped)
    return scene | {"tapped": tapped, "before": before, "after": after, "defect": kind}


def _style(rng: random.Random, shifted: bool) -> dict[str, Any]:
    style = page_style.style(rng, shifted)
    return style | {"inks": [[235, 235, 230] if shifted else [30, 30, 35], style["inks"][1]]}


def _screen(rng: random.Random, size: Sequence[int], labels: Sequence[str]) -> list[Element]:
    width, height = size
    row = (height - 34 - 58) / len(labels)
    screen: list[Element] = [
        {"role": "title", "text": rng.choice(TITLES), "box": [0, 0, width, 28]},
    ]
    for i, label in enumerate(labels):
        top = round(34 + i * row)
        bottom = round(34 + (i + 1) * row) - GAP_PX
        middle, role = (top + bottom) // 2, rng.choice(list(CONTROLS))
        value = rng.randint(1, 8) if role == "stepper" else rng.random() < 0.5
        screen.append({"role": "label", "row": i, "text": label, "box": [10, top, width - 72, bottom]})
        control = {"role": role, "row": i, CONTROLS[role]: value}
        screen.append(control | {"box": [width - 66, middle - 9, width - 10, middle + 9]})
    button = rng.choice(list(BUTTONS))
    middle = [width // 4, height - 54, 3 * width // 4, height - 30]
    screen.append({"role": "button", "text": button, "box": middle})
    return screen


def _expected(before: list[Element], tapped: int, size: Sequence[int]) -> list[Element]:
    """The correct screen after the tap."""
    after = deepcopy(before)
    if after[tapped]["role"] == "button":
        text = BUTTONS[after[tapped]["text"]]
        return [*after, {"role": "message", "text": text, "box": [8, size[1] - 24, size[0] - 8, size[1] - 4]}]
    _toggle(after[tapped])
    return after


def _toggle(control: Element) -> None:
    value = CONTROLS[control["role"]]
    control[value] = control[value] + 1 if value == "number" else not control[value]


# Defects: (rng, before, expected, tapped) -> after ----------------------------------------------------------


def _fine(rng: random.Random, before: list[Element], after: list[Element], tapped: int) -> list[Element]:
    return after


def _dead(rng: random.Random, before: list[Element], after: list[Element], tapped: int) -> list[Element]:
    return deepcopy(before)


def _astray(rng: random.Random, before: list[Element], after: list[Element], tapped: int) -> list[Element]:
    """Another control changes instead of the tapped one."""
    other = deepcopy(before)
    _toggle(rng.choice([e for i, e in enumerate(other) if e["role"] in CONTROLS and i != tapped]))
    return other


def _missing(rng: random.Random, before: list[Element], after: list[Element], tapped: int) -> list[Element]:
    row = _other_row(rng, before, tapped)
    return [element for element in after if element.get("row") != row]


def _overlap(rng: random.Random, before: list[Element], after: list[Element], tapped: int) -> list[Element]:
    """One row overlaps its neighbour."""
    row = _other_row(rng, before, tapped)
    up = -1 if row else 1
    (height,) = (e["box"][3] - e["box"][1] for e in after if e.get("row") == row and e["role"] == "label")
    for element in after:
        if element.get("row") == row:
            x1, y1, x2, y2 = element["box"]
            shift = (height + GAP_PX - 7) * up
            element["box"] = [x1, y1 + shift, x2, y2 + shift]
    return after


def _cut(rng: random.Random, before: list[Element], after: list[Element], tapped: int) -> list[Element]:
    """A label is truncated."""
    row = _other_row(rng, before, tapped)
    (label,) = (e for e in after if e.get("row") == row and e["role"] == "label")
    label["text"] = label["text"][: rng.randint(3, 5)].rstrip()
    return after


def _other_row(rng: random.Random, before: list[Element], tapped: int) -> int:
    rows = {element["row"] for element in before if "row" in element} - {before[tapped].get("row")}
    return rng.choice(sorted(rows))


DEFECTS = {
    "no response": _dead, "wrong result": _astray, "missing element": _missing,
    "overlapping elements": _overlap, "cut text": _cut, "no defect": _fine,
}  # fmt: skip


# Drawing ----------------------------------------------------------------------------------------------------


def draw(scene: Scene) -> list[PIL.Image.Image]:
    """The screens before and after the tap."""
    return [_drawn(scene, scene["before"]), _drawn(scene, scene["after"])]


def _drawn(scene: Scene, screen: Sequence[Element]) -> PIL.Image.Image:
    picture, pen = page_style.blank(scene)
    for element in screen:
        DRAWN[element["role"]](pen, element, scene)
    return picture


def _ink(scene: Scene) -> tuple[Any, Any, Any]:
    """(ink, accent, paper)"""
    ink, accent = scene["style"]["inks"]
    return tuple(ink), tuple(accent), tuple(scene["style"]["paper"])


def _letters(scene: Scene, bigger: int = 0) -> Any:
    return font(scene["style"]["font"], (12 if scene["size"][0] < 250 else 15) + bigger)


def _bar(pen: PIL.ImageDraw.ImageDraw, element: Element, scene: Scene) -> None:
    """A title, button or message: a filled bar with centred text."""
    ink, accent, paper = _ink(scene)
    x1, y1, x2, y2 = element["box"]
    fill = accent if element["role"] == "button" else ink
    radius = 8 if scene["rounded"] and element["role"] != "title" else 0
    pen.rounded_rectangle((x1, y1, x2 - 1, y2 - 1), radius, fill)
    pen.text(((x1 + x2) / 2, (y1 + y2) / 2), element["text"], paper, _letters(scene, 1), anchor="mm")


def _label(pen: PIL.ImageDraw.ImageDraw, element: Element, scene: Scene) -> None:
    x1, y1, _, y2 = element["box"]
    pen.text((x1, (y1 + y2) / 2), element["text"], _ink(scene)[0], _letters(scene), anchor="lm")


def _switch_drawn(pen: PIL.ImageDraw.ImageDraw, element: Element, scene: Scene) -> None:
    ink, accent, paper = _ink(scene)
    _, y1, x2, y2 = element["box"]
    left, r = x2 - 34, (y2 - y1) // 2
    radius = r if scene["rounded"] else 0
    pen.rounded_rectangle(
        (left, y1, x2, y2), radius, accent if element["on"] else page_style.faint(scene), ink
    )
    x = x2 - r if element["on"] else left + r
    pen.ellipse((x - r + 3, y1 + 3, x + r - 3, y2 - 3), paper, ink)


def _box(pen: PIL.ImageDraw.ImageDraw, element: Element, scene: Scene) -> None:
    ink, accent, _ = _ink(scene)
    _, y1, x2, y2 = element["box"]
    x1 = x2 - (y2 - y1)
    pen.rectangle((x1, y1, x2, y2), outline=ink, width=2)
    if element["on"]:
        pen.line([(x1 + 4, y1 + 9), (x1 + 8, y2 - 4), (x2 - 3, y1 + 4)], accent, 3)


def _stepper(pen: PIL.ImageDraw.ImageDraw, element: Element, scene: Scene) -> None:
    ink, accent, _ = _ink(scene)
    x1, y1, x2, y2 = element["box"]
    middle = (y1 + y2) / 2
    pen.text((x1 + 22, middle), str(element["number"]), ink, _letters(scene), anchor="mm")
    pen.rectangle((x2 - 18, y1, x2, y2), outline=accent, width=2)
    pen.line((x2 - 14, middle, x2 - 4, middle), accent, 2)
    pen.line((x2 - 9, middle - 5, x2 - 9, middle + 5), accent, 2)


DRAWN = {
    "title": _bar, "button": _bar, "message": _bar,
    "label": _label, "switch": _switch_drawn, "box": _box, "stepper": _stepper,
}  # fmt: skip


# The question -----------------------------------------------------------------------------------------------

_CONTROL_WORDS = {"switch": "the switch", "box": "the tick box", "stepper": "the plus sign"}


def ask(rng: random.Random, scene: Scene) -> DrawnQuestion:
    """The question lists the defects in random order. Both pictures are read before anything is expected of
    the second."""
    names = rng.sample(list(DEFECTS), len(DEFECTS))
    question = (
        f"The second picture is the same screen after a tap on {_tapped(scene)}. "
        f"What is wrong with it? Answer with one of: {', '.join(names)}."
    )
    expected = _expected(scene["before"], scene["tapped"], scene["size"])
    before, right, after = (
        described(scene, screen) for screen in (scene["before"], expected, scene["after"])
    )
    steps = (
        f"Before: {before}.",
        f"After: {after}.",
        f"The tap: {_changed(scene, expected)}.",
        f"Expected: {right}.",
        f"So: {scene['defect']}.",
    )
    return DrawnQuestion(question, scene["defect"], steps)


def _changed(scene: Scene, expected: Sequence[Element]) -> str:
    """What the tap changes in the expected screen: "Bluetooth off", "message Saved"."""
    element = scene["before"][scene["tapped"]]
    if element["role"] == "button":
        return f"message {BUTTONS[element['text']]}"
    (label,) = (e for e in expected if e["role"] == "label" and e["row"] == element["row"])
    return f"{label['text']} {_value(expected[scene['tapped']])}"


def _tapped(scene: Scene) -> str:
    element = scene["before"][scene["tapped"]]
    if element["role"] == "button":
        return f"the button {element['text']}"
    (label,) = (e for e in scene["before"] if e["role"] == "label" and e["row"] == element["row"])
    return f"{_CONTROL_WORDS[element['role']]} of {label['text']}"


def described(scene: Scene, screen: Sequence[Element]) -> str:
    """Each row of the screen before with what stands in its place: "1: Bluetooth on, 2: none"; "1: Bluetooth
    on and Contrast 3" where one covers the other."""
    places = [e["box"] for e in scene["before"] if e["role"] == "label"]
    rows = [" and ".join(_standing(screen, place)) or "none" for place in places]
    messages = (f"message {e['text']}" for e in screen if e["role"] == "message")
    return ", ".join([numbered(rows), *messages])


def _standing(screen: Sequence[Element], place: Sequence[int]) -> Iterator[str]:
    """Labels whose middle lies between the upper and the lower edge of a box, with their values."""
    values = {e["row"]: e for e in screen if e["role"] in CONTROLS}
    for label in (e for e in screen if e["role"] == "label"):
        if place[1] <= (label["box"][1] + label["box"][3]) / 2 < place[3]:
            yield f"{label['text']} {_value(values[label['row']])}"


def _value(control: Element) -> Any:
    return control.get("number", "on" if control.get("on") else "off")


def caption(scene: Scene) -> str:
    title = scene["before"][0]["text"]
    labels = listed(e["text"] for e in scene["before"] if e["role"] == "label")
    return f"A screen {title} with {labels}, before and after a tap on {_tapped(scene)}."


SCREENS = SceneWorld(
    name="screens",
    about="A screen before and after a tap: which defect, if any, does the second one have?",
    compose=compose,
    draw=draw,
    kinds=dict.fromkeys(DEFECTS, ask),
    caption=caption,
    verifier="same_text",
    blind=0.2,
    pictures=2,
)
