"""How people word a place among things: lists in which a frequent wording stands more than once.

Kinds of wording and their frequency follow counts over RefCOCO's and ReferIt's training sentences ("{noun} on left",
"left {noun}" and "{noun} left" are two thirds of all that say left), and the longer manner of RefCOCOg.
"""

from __future__ import annotations

import numpy as np

ORDINALS = (("first", "1st"), ("second", "2nd"), ("third", "3rd"), ("fourth", "4th"), ("fifth", "5th"))
PICTURES = ("picture", "photo", "image", "pic", "screen")


def pick(rng: np.random.Generator, *choices: str) -> str:
    return choices[int(rng.integers(len(choices)))]


def at_the_side(noun: str, side: str, rng: np.random.Generator, *, there: bool) -> list[str]:
    """The outermost: side is "left" or "right". there: whether it lies on that side of the picture too."""
    texts = [
        *[f"{noun} on {side}"] * 4,
        *[f"{side} {noun}"] * 4,
        *[f"{noun} {side}"] * 3,
        *[f"{noun} on the {side}", f"the {noun} on the {side}"] * 2,
        pick(rng, f"{side}most {noun}", f"{side} most {noun}", f"the {side}most {noun}", f"most {side} {noun}"),
        pick(rng, f"{noun} to the {side}", f"the {noun} to the {side}", f"{noun} to {side}", f"{noun} at {side}"),
        pick(rng, f"the {side} {noun}", f"{noun} furthest {side}", f"{noun} farthest {side}"),
        pick(rng, f"first {noun} on {side}", f"first {noun} from {side}", f"last {noun} on {side}", f"{side} {noun}"),
        f"the {noun} that is on the {side}",
    ]
    if not there:
        return texts
    picture = pick(rng, *PICTURES)
    return [
        *texts,
        pick(rng, f"{noun} far {side}", f"far {side} {noun}", f"{noun} on far {side}", f"{noun} on the far {side}"),
        pick(rng, f"{noun} {side} side", f"{noun} on {side} side", f"{side} side {noun}"),
        pick(rng, f"{noun} on the {side} side of the {picture}", f"the {noun} on the {side} side"),
        pick(rng, f"{noun} all the way to the {side}", f"the {noun} all the way on the {side}"),
    ]


def in_order(noun: str, side: str, rank: int, rng: np.random.Generator) -> list[str]:
    """The one at `rank` (1 is the second) from `side`."""
    word = pick(rng, *ORDINALS[rank])
    return [
        *[f"{word} {noun} from {side}"] * 3,
        f"{word} {noun} from the {side}",
        f"{noun} {word} from {side}",
        pick(rng, f"the {word} {noun} from the {side}", f"{noun} {word} from the {side}"),
        pick(rng, f"{word} from {side} {noun}", f"{noun} {word} to {side}"),
    ]


def in_the_middle(noun: str, rng: np.random.Generator) -> list[str]:
    picture = pick(rng, *PICTURES)
    return [
        *[f"middle {noun}"] * 3,
        *[f"{noun} in middle", f"{noun} middle"] * 2,
        f"{noun} in the middle",
        f"the {noun} in the middle",
        pick(rng, f"center {noun}", f"{noun} center", f"{noun} in center", f"{noun} in the center"),
        pick(rng, f"{noun} in the middle of the {picture}", f"very middle {noun}", f"the {noun} in the center"),
    ]


def in_the_corner(noun: str, vertical: str, side: str, rng: np.random.Generator) -> list[str]:
    """vertical: "top" or "bottom". side: "left" or "right"."""
    word = pick(rng, vertical, vertical, "upper" if vertical == "top" else "lower")
    return [
        *[f"{noun} {word} {side}", f"{word} {side} {noun}"] * 2,
        pick(rng, f"{noun} {word} {side} corner", f"{word} {side} corner {noun}", f"{noun} in {word} {side} corner"),
        pick(rng, f"{noun} on {word} {side}", f"{noun} in {word} {side}", f"{noun} {side} {word}"),
        pick(rng, f"the {noun} in the {word} {side} corner", f"the {noun} in the {word} {side}"),
    ]


def in_front(noun: str, rng: np.random.Generator) -> list[str]:
    us = pick(rng, "us", "you", "the camera", "camera", "the viewer")
    return [
        *[f"{noun} in front"] * 3,
        *[f"front {noun}", f"{noun} front", f"closest {noun}"] * 2,
        f"{noun} closest to {us}",
        pick(rng, f"the {noun} in front", f"the {noun} in the front", f"the closest {noun}", f"{noun} in the front"),
        pick(rng, f"nearest {noun}", f"{noun} closest", f"{noun} in the foreground", f"{noun} nearest {us}"),
        pick(rng, f"the {noun} closest to {us}", f"the {noun} that is closest to {us}", f"{noun} up front"),
    ]


def in_back(noun: str, rng: np.random.Generator) -> list[str]:
    return [
        *[f"{noun} in back", f"{noun} in background"] * 2,
        f"back {noun}",
        f"{noun} in the back",
        f"the {noun} in the back",
        f"{noun} back",
        pick(rng, f"{noun} in the background", f"the {noun} in the background", f"{noun} far back"),
        pick(rng, f"farthest {noun}", f"{noun} farthest away", f"{noun} behind", f"furthest {noun}"),
    ]


def on_top(noun: str, rng: np.random.Generator) -> list[str]:
    return [
        *[f"top {noun}", f"{noun} top"] * 2,
        pick(rng, f"upper {noun}", f"{noun} at top", f"{noun} on top"),
        pick(rng, f"the {noun} at the top", f"the top {noun}", f"highest {noun}", f"{noun} very top"),
    ]


def at_the_bottom(noun: str, rng: np.random.Generator) -> list[str]:
    return [
        *[f"bottom {noun}", f"{noun} bottom"] * 2,
        pick(rng, f"lower {noun}", f"{noun} at bottom", f"{noun} on bottom"),
        pick(rng, f"the {noun} at the bottom", f"the bottom {noun}", f"lowest {noun}", f"{noun} very bottom"),
    ]


def clothed(noun: str, colour: str, part: str, rng: np.random.Generator) -> str:
    """A person by the colour worn above ("upper") or below ("lower")."""
    if part == "lower":
        garment = pick(rng, "pants", "pants", "trousers")
        return pick(
            rng, f"{noun} in {colour} {garment}", f"{noun} {colour} {garment}", f"{noun} with {colour} {garment}"
        )
    return pick(
        rng,
        *[f"{noun} in {colour}"] * 4,
        *[f"{noun} in {colour} shirt", f"{noun} {colour} shirt", f"{noun} wearing {colour}"] * 2,
        f"{noun} in the {colour} shirt",
        f"{noun} in {colour} top",
        f"{noun} with {colour} shirt",
        f"{noun} wearing a {colour} shirt",
        f"{noun} who is wearing {colour}",
        f"{colour} shirt {noun}",
    )
