"""Scenes made for sentences that people wrote of photos that are not at hand.

A sentence comes with the category and the box of what it means (RefCOCO's training split does). Where it holds nothing
but names, places, sizes, order and colours, it can be made true: an object of that category is pasted at that box,
and others of its kind where the sentence leaves them room. So "guy far left" and "2nd frm rt" are learned as people
type them, and in the places of which people say so.
"""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from train.data.colours import COLOURS
from train.data.names import YOUNG, names

Box = tuple[float, float, float, float]  # x0, y0, x1, y1 as shares of the photo's sides

_FILLERS = set(
    "the a an of in on at to from side corner picture pic photo image screen most very far all way one that is "
    "it frm edge us you camera cam viewer me up down".split()
)
_PLACES = {
    **dict.fromkeys(("left", "leftmost", "lft"), "left"),
    **dict.fromkeys(("right", "rightmost", "rt", "rite"), "right"),
    **dict.fromkeys(("top", "upper"), "top"),
    **dict.fromkeys(("bottom", "lower", "btm", "bot"), "bottom"),
    **dict.fromkeys(("middle", "center", "centre", "mid"), "middle"),
    **dict.fromkeys(("front", "foreground", "closest", "nearest", "near", "close"), "front"),
    **dict.fromkeys(("back", "background", "farthest", "furthest", "rear"), "back"),
    **dict.fromkeys(("big", "biggest", "bigger", "large", "largest"), "big"),
    **dict.fromkeys(("small", "smallest", "smaller", "little"), "small"),
}
_RANKS = {"second": 1, "2nd": 1, "third": 2, "3rd": 2, "fourth": 3, "4th": 3}
_COLOURS = {colour: colour for colour in COLOURS} | {"grey": "gray", "blk": "black"}
# A word for a person, and what others may have called somebody of whom it can be said.
_CALLED = {
    **dict.fromkeys(
        ("man", "guy", "dude", "gentleman", "male"), frozenset(("man", "guy", "gentleman", "male", "groom"))
    ),
    **dict.fromkeys("woman lady female".split(), frozenset("woman lady female bride".split())),
    **dict.fromkeys("kid child baby toddler".split(), frozenset(YOUNG)),
    "girl": frozenset("girl woman lady female".split()),
    "boy": frozenset(["boy"]),
}
_ANYBODY = {"person", "player", "people"}
_WORN = {"shirt", "top"}  # "top" with a colour before it
MARGIN = 0.06  # shares of the photo by which a place must be plain


@dataclass(frozen=True)
class Sentence:
    """text: as typed. box: where its target lay. places: of "left", "right", "top", "bottom", "middle", "front",
    "back", "big", "small". rank: how many stand between the target and `side`, 0 where it is not counted.
    called: of a person, what somebody may have called the one meant; empty: anything. colour: of COLOURS, or "";
    of a person that of the upper clothes.
    """

    text: str
    category: str
    box: Box
    places: frozenset[str]
    rank: int = 0
    side: str = ""
    called: frozenset[str] = frozenset()
    colour: str = ""

    def excludes(self, target: Box, other: Box) -> bool:
        """Whether the sentence cannot mean what stands at `other`, as the target stands at `target`."""
        return any(_TESTS[place](target, other) for place in self.places)

    def fits(self, target: Box, others: Sequence[Box]) -> bool:
        """Whether the places that the sentence names single out `target` among `others` of its kind."""
        if self.rank:
            sign = 1 if self.side == "left" else -1
            apart = [sign * (_x(other) - _x(target)) for other in others]
            order = sorted([0.0, *apart])
            steps = np.diff(order)
            return sum(step < 0 for step in apart) == self.rank and bool((steps > MARGIN).all())
        if self.places == {"middle"}:
            sides = [_x(other) - _x(target) for other in others]
            return len(others) == 2 and min(sides) < -2 * MARGIN and max(sides) > 2 * MARGIN
        return all(self.excludes(target, other) for other in others)


def _x(box: Box) -> float:
    return (box[0] + box[2]) / 2


def _area(box: Box) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])


def _from_middle(box: Box) -> float:
    return abs(_x(box) - 0.5)


_TESTS: dict[str, Callable[[Box, Box], bool]] = {
    "left": lambda me, other: _x(me) < _x(other) - 1.5 * MARGIN and me[0] < other[0] + 0.03,
    "right": lambda me, other: _x(me) > _x(other) + 1.5 * MARGIN and me[2] > other[2] - 0.03,
    "top": lambda me, other: me[1] + me[3] < other[1] + other[3] - 3 * MARGIN and me[3] < other[3] - 0.04,
    "bottom": lambda me, other: me[1] + me[3] > other[1] + other[3] + 3 * MARGIN and me[1] > other[1] + 0.04,
    "middle": lambda me, other: _from_middle(me) < _from_middle(other) - 2 * MARGIN,
    "front": lambda me, other: me[3] > other[3] + 0.03 and _area(me) > 1.4 * _area(other),
    "back": lambda me, other: me[3] < other[3] - 0.03 and _area(me) < _area(other) / 1.4,
    "big": lambda me, other: _area(me) > 1.6 * _area(other),
    "small": lambda me, other: _area(me) < _area(other) / 1.6,
}


def read(path: Path) -> list[Sentence]:
    """The sentences of RefCOCO in a .jsonl.gz file for which a scene can be made.

    A line is {"set", "text", "category", "box": [x, y, w, h] as shares of the photo's size}, or "box_px" in pixels of a
    photo of COCO, whose long side is 640; other sets are left out. Raises FileNotFoundError where there is no file.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing: `sentences` names a .jsonl.gz file of human sentences.")
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        told = [json.loads(line) for line in lines]
    parsed = [parse(one["text"], one["category"], _box(one)) for one in told if one["set"] == "refcoco"]
    return [sentence for sentence in parsed if sentence is not None]


def _box(told: dict[str, Any]) -> list[float]:
    if "box" in told:
        return told["box"]
    x, y, w, h = told["box_px"]
    W, H = (640, 480) if y + h <= 480 else (480, 640)
    return [x / W, y / H, min(w / W, 1 - x / W), h / H]


def parse(text: str, category: str, box: Sequence[float]) -> Sentence | None:
    """What a sentence says of its target, or None where it says more than a made scene can show."""
    x, y, w, h = box
    words = re.findall(r"[a-z0-9']+", text.lower())
    nouns = {word for name in names(category) for word in name.split()} | {category}
    if any(word == "of" and {*words[at + 1 : at + 3]} & nouns for at, word in enumerate(words)):
        return None  # "left side of the pizza" means a part of it
    places, rank, called, colour = set(), 0, frozenset(), ""
    for at, word in enumerate(words):
        after_colour = at > 0 and words[at - 1] in _COLOURS
        if category == "person" and word in _CALLED:
            if called and called != _CALLED[word]:
                return None
            called = _CALLED[word]
        elif category == "person" and word in _WORN and after_colour:
            continue
        elif word in _COLOURS and word not in nouns:
            if colour:
                return None
            colour = _COLOURS[word]
        elif word in _RANKS:
            rank = _RANKS[word]
        elif word in _PLACES:
            places.add(_PLACES[word])
        elif word not in nouns and word not in _FILLERS and not (category == "person" and word in _ANYBODY):
            return None
    if not places or {"left", "right"} <= places or {"top", "bottom"} <= places or w * h < 0.006:
        return None
    side = next(iter(places & {"left", "right"}), "")
    if rank and (not side or len(places) > 1 or colour):
        return None
    return Sentence(
        text=text.lower().strip(),
        category=category,
        box=(x, y, x + w, y + h),
        places=frozenset(places),
        rank=rank,
        side=side,
        called=called,
        colour=colour,
    )


def places_of_others(sentence: Sentence, target: Box, rng: np.random.Generator) -> list[Box]:
    """Boxes for one to three others of the kind among which the sentence means the target; empty where none were found.

    They are of like size as the target, smaller where it is large, unless the sentence is about sizes; none hides
    another by more than a third.
    """
    width, height = target[2] - target[0], target[3] - target[1]
    larger, smaller = sentence.places & {"front", "big"}, sentence.places & {"back", "small"}
    low, high = (0.4, 0.9) if _area(target) > 0.2 else (0.75, 1.3)  # how others compare in length
    low, high = (0.45, 0.8) if larger else (1.28, 2.0) if smaller else (low, high)
    for _ in range(60):
        count = sentence.rank + int(rng.integers(1, 3)) if sentence.rank else int(rng.integers(1, 4))
        others: list[Box] = []
        for _ in range(2 if sentence.places == {"middle"} else count):
            scale = float(np.exp(rng.uniform(np.log(low), np.log(high))))
            w, h = min(0.9, width * scale), min(0.9, height * scale)
            left = float(rng.uniform(0, 1 - w))
            anywhere = larger or smaller or {"top", "bottom"} & sentence.places  # else they stand on one ground
            bottom = float(rng.uniform(h, 1) if anywhere else np.clip(target[3] + rng.normal(0, 0.08), h, 1))
            others.append((left, bottom - h, left + w, bottom))
        boxes = [target, *others]
        apart = all(
            _shared(one, two) < 0.34 * min(_area(one), _area(two)) for at, one in enumerate(boxes) for two in boxes[:at]
        )
        if apart and sentence.fits(target, others):
            return others
    return []


def _shared(one: Box, other: Box) -> float:
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    return max(0.0, width) * max(0.0, height)
