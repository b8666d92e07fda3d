"""The world `clips`: short clips of moving, appearing and flashing shapes (direction, order, count,
speed)."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import PIL.Image
import PIL.ImageDraw

from seethink.sources.drawn import shapes
from seethink.sources.drawn.shapes import listed, name
from seethink.sources.drawn.world import DrawnQuestion, Scene, SceneWorld

WAYS = {
    "right": (1, 0), "left": (-1, 0), "up": (0, -1), "down": (0, 1),
    "up right": (1, -1), "up left": (-1, -1), "down right": (1, 1), "down left": (-1, 1),
}  # fmt: skip


def side_px(size: Sequence[int]) -> int:
    """Side of every shape in pixels, for frames of this size."""
    return max(20, round(0.17 * min(size)))


LENGTH_S = 2


def compose(
    rng: random.Random, kind: str, level: int, shifted: bool, n_frames: int | None = None
) -> dict[str, Any]:
    """A scene. things: objects with colour, shape, path (corner in each frame) and shown (0 or 1 in each
    frame). hold: how many frames in a row are equal."""
    scene = shapes.canvas(rng, shifted, (84,) if level == 1 else (112, 140))
    if level == 1:  # so few places and objects would give the same clip twice
        scene["paper"] = [min(255, shade + rng.randint(-2, 2)) for shade in scene["paper"]]
    n_frames = n_frames or (12 if shifted else 8)
    hold = 2 if level == 1 else 1
    rate = n_frames // LENGTH_S
    colours, names = shapes.kinds(shifted)
    kinds = rng.sample([(colour, shape) for colour in colours for shape in names], 5)
    events = EVENTS[kind](rng, scene["size"], n_frames // hold, level)
    things = [
        {"colour": colour, "shape": shape, **event, **{k: _held(event[k], hold) for k in ("path", "shown")}}
        for (colour, shape), event in zip(kinds, events, strict=False)
    ]
    return scene | {"frames": n_frames, "frames_per_s": rate, "hold": hold, "things": things}


def _held(of_frames: Sequence[Any], hold: int) -> list[Any]:
    """Each element `hold` times in a row."""
    return [element for element in of_frames for _ in range(hold)]


# Events: path and visibility of each object ---------------------------------------------------------------


def _moves(rng: random.Random, size: Sequence[int], n: int, level: int) -> list[dict[str, Any]]:
    """One object moves in one direction; up to two others do not move."""
    way = rng.choice(list(WAYS)[: 4 if level < 3 else 8])
    reach = [side - side_px(size) - 4 for side in size]
    length = rng.uniform(0.5, 0.9) * min(reach)
    start = [
        rng.uniform(max(2, 2 - d * length), min(2 + r, 2 + r - d * length))
        for r, d in zip(reach, WAYS[way], strict=True)
    ]
    steps = [(d * length) / (n - 1) for d in WAYS[way]]
    exact = [[p + i * s for p, s in zip(start, steps, strict=True)] for i in range(n)]
    path = [*map(_in_pixels(rng, size, level), exact)]
    things: list[dict[str, Any]] = [{"path": path, "shown": [1] * n, "way": way}]
    for _ in range(min(2, level - 1)):
        if other := _rests(rng, size, n, level, [thing["path"] for thing in things]):
            things.append(other)
    return things


def _in_pixels(rng: random.Random, size: Sequence[int], level: int) -> Callable[[Sequence[float]], list[int]]:
    """What turns the corners of one object into whole pixels; at level 1 into those near the middle of their
    ninths, always as far from it."""
    if level > 1:
        return lambda at: [round(x) for x in at]
    away = [rng.randint(-2, 2) for _ in size]
    return lambda at: [
        x + d for x, d in zip(shapes.in_middle_of_ninth(at, side_px(size), size), away, strict=True)
    ]


def _rests(
    rng: random.Random, size: Sequence[int], n: int, level: int, taken: Sequence[Any]
) -> dict[str, Any] | None:
    """An object at rest that no other path touches; None if no such place was found."""
    side = side_px(size)
    for _ in range(60):
        at = _in_pixels(rng, size, level)([rng.randint(2, length - side - 2) for length in size])
        if all(max(abs(p - q) for p, q in zip(at, c, strict=True)) > side + 3 for t in taken for c in t):
            return {"path": [at] * n, "shown": [1] * n}
    return None


def _appear(rng: random.Random, size: Sequence[int], n: int, level: int) -> list[dict[str, Any]]:
    """Three or four objects appear one after another and stay."""
    things: list[dict[str, Any]] = []
    for _ in range(3 if level < 3 else 4):
        thing = _rests(rng, size, n, level, [t["path"] for t in things])
        if thing:
            things.append(thing)
    starts = sorted(rng.sample(range(1, n), len(things)))
    rng.shuffle(starts)
    for thing, start in zip(things, starts, strict=True):
        thing["shown"] = [int(i >= start) for i in range(n)]
    return things


def _flash(rng: random.Random, size: Sequence[int], n: int, level: int) -> list[dict[str, Any]]:
    """One object flashes, with at least one frame between flashes; others stay."""
    times = rng.randint(1, (n + 1) // 2 - (1 if n > 8 else 0))
    while True:
        shown = [int(rng.random() < 0.5) for _ in range(n)]
        if _flashes(shown) == times:
            break
    flashing = _rests(rng, size, n, level, [])
    assert flashing, "an empty frame has room for one object"
    rest = [_rests(rng, size, n, level, [flashing["path"]]) for _ in range(1 if level > 2 else 0)]
    return [flashing | {"shown": shown}, *(other for other in rest if other)]


def _flashes(shown: Sequence[int]) -> int:
    return sum(now and not before for before, now in zip([0, *shown], shown, strict=False))


def _race(rng: random.Random, size: Sequence[int], n: int, level: int) -> list[dict[str, Any]]:
    """Two to four objects cross the picture in lanes at different speeds."""
    lanes = 2 if level == 1 else 3 if level < 4 else 4
    slowest = 1.0 / (1.45 ** (lanes - 1))
    speeds = [slowest * 1.45**i for i in range(lanes)]
    rng.shuffle(speeds)
    reach = size[0] - side_px(size) - 4
    things = []
    for lane, speed in enumerate(speeds):
        y = 2 + round((size[1] - side_px(size) - 4) * (lane + 0.5) / lanes)
        length, to_right = 0.95 * reach * speed, rng.random() < 0.5
        start = rng.uniform(2, 2 + reach - length)
        xs = [round(start + length * (i if to_right else n - 1 - i) / (n - 1)) for i in range(n)]
        things.append({"path": [[x, y] for x in xs], "shown": [1] * n, "speed": round(speed, 3)})
    return things


EVENTS = {"direction": _moves, "order": _appear, "count": _flash, "speed": _race}


def draw(scene: Scene) -> list[PIL.Image.Image]:
    """The frames of the clip."""
    frames = []
    blank, side = shapes.paper(scene), side_px(scene["size"])
    for i in range(scene["frames"]):
        frame = blank.copy()
        pen = PIL.ImageDraw.Draw(frame)
        for thing in scene["things"]:
            if thing["shown"][i]:
                x, y = thing["path"][i]
                box = [x, y, x + side, y + side]
                visible: shapes.ShapeObject = {
                    "size": "large", "colour": thing["colour"], "shape": thing["shape"], "box": box
                }  # fmt: skip
                shapes.stamp(pen, visible, bool(scene.get("outlined")))
        frames.append(frame)
    return frames


# Questions --------------------------------------------------------------------------------------------------


def watched(scene: Scene) -> str:
    """What is seen where, frame by frame; of equal frames the first: "1: none, 3: red star at left."""
    hold, half = scene["hold"], side_px(scene["size"]) / 2
    said = []
    for i in range(0, scene["frames"], hold):
        seen = [
            (thing, [at + half for at in thing["path"][i]]) for thing in scene["things"] if thing["shown"][i]
        ]
        seen.sort(key=lambda at: shapes.ninth_by_ninth(at[1], scene))
        objects = [f"{name(thing)} at {shapes.part(x, y, scene)}" for thing, (x, y) in seen]
        said.append(f"{i + 1}: {'; '.join(objects) or 'none'}")
    return f"{', '.join(said)}."


def direction(rng: random.Random, scene: Scene) -> DrawnQuestion:
    """The direction in which an object moves."""
    thing = scene["things"][0]
    first, *_, last = thing["path"]
    half = side_px(scene["size"]) / 2
    places = [shapes.part(x + half, y + half, scene) for x, y in (first, last)]
    begins = f"The {name(thing)} begins at {places[0]} and ends at {places[1]}."
    steps = (watched(scene), begins, f"So it moves {thing['way']}.")
    return DrawnQuestion(f"In which direction does the {name(thing)} move?", thing["way"], steps)


def order(rng: random.Random, scene: Scene) -> DrawnQuestion | None:
    """The order in which objects appear."""
    things = sorted(scene["things"], key=lambda thing: thing["shown"].index(1))
    if len(things) < 3:
        return None
    times = (f"{thing['shown'].index(1) / scene['frames_per_s']:.2f} s: {name(thing)}." for thing in things)
    answer = ", ".join(map(name, things))
    steps = (watched(scene), *times, f"So: {answer}.")
    return DrawnQuestion("Name the objects in the order in which they appear.", answer, steps)


def count(rng: random.Random, scene: Scene) -> DrawnQuestion:
    """How often an object flashes."""
    thing = scene["things"][0]
    shown = thing["shown"][:: scene["hold"]]
    states = " ".join("on" if on else "off" for on in shown)
    steps = (
        watched(scene),
        f"The {name(thing)}, frame by frame: {states}.",
        f"It lights {_flashes(thing['shown'])} times.",
    )
    return DrawnQuestion(
        f"How many times does the {name(thing)} light up?", str(_flashes(thing["shown"])), steps
    )


def speed(rng: random.Random, scene: Scene) -> DrawnQuestion:
    """The fastest or slowest object."""
    word, of = rng.choice([("fastest", max), ("slowest", min)])
    answer = name(of(scene["things"], key=lambda thing: thing["speed"]))
    ways = [
        10 * round(10 * abs(t["path"][-1][0] - t["path"][0][0]) / scene["size"][0]) for t in scene["things"]
    ]
    gone = listed(f"the {name(t)} {way} %" for t, way in zip(scene["things"], ways, strict=True))
    steps = (f"In the same time, of the picture's width: {gone}.", f"The {word} is the {answer}.")
    return DrawnQuestion(f"Which object is the {word}?", answer, steps)


def as_seen(scene: Scene) -> list[dict[str, Any]]:
    """The objects in the order of the pairs of frames that first show them, then in reading order."""

    def first_sight(thing: dict[str, Any]) -> tuple[int, tuple[int, float]]:
        frame, half = thing["shown"].index(1), side_px(scene["size"]) / 2
        return frame // 2, shapes.reading_place([at + half for at in thing["path"][frame]])

    return sorted(scene["things"], key=first_sight)


def caption(scene: Scene) -> str:
    things = listed(f"a {name(thing)}" for thing in as_seen(scene))
    return f"A clip of {scene['frames'] / scene['frames_per_s']:g} s with {things}."


CLIPS = SceneWorld(
    name="clips",
    about="The direction of a shape, the order of appearance, the number of flashes, the fastest shape.",
    compose=compose,
    draw=draw,
    kinds={ask.__name__: ask for ask in (direction, order, count, speed)},
    caption=caption,
    verifier="same_answer",
    blind=0.35,
    clip=True,
    easy=("direction", "order", "count"),
)
DENSE_CLIPS = replace(
    CLIPS,
    name="dense_clips",
    about=f"{CLIPS.about} In 16 frames, of which fewer do not show every event.",
    compose=partial(compose, n_frames=16),
)
"""For tests of how many frames a model is shown; it is no world of the command line."""
