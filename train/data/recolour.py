"""Clothes and things in another colour.

Of 3,000 samples made from photos as they are, one meant somebody in yellow, one in purple and none in pink: a network
learns of such colours that nobody wears them. Here the cloth itself is dyed: the pixels near the part's own colour take
the new one, with the old one's light and shade.
"""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from train.data.colours import MIN_PIXELS
from train.data.expressions import CLOTHES, called_in
from train.data.scene import Scene

# Hue (OpenCV, 0..180), saturation and value from which a dye is drawn: well inside of what train.data.colours names so.
DYES: dict[str, tuple[tuple[int, int], tuple[int, int], tuple[int, int]]] = {
    "red": ((0, 4), (170, 235), (130, 225)),
    "orange": ((11, 16), (185, 245), (205, 250)),
    "yellow": ((25, 31), (110, 235), (195, 250)),
    "green": ((42, 80), (90, 210), (90, 200)),
    "blue": ((98, 120), (100, 220), (100, 225)),
    "purple": ((134, 149), (90, 190), (110, 205)),
    "pink": ((158, 173), (70, 150), (205, 250)),
    "white": ((0, 180), (0, 12), (225, 245)),
    "black": ((0, 180), (0, 50), (18, 36)),
}
NEAR, FAR = 14, 28  # distance in Lab to the part's own colour: up to NEAR a pixel is dyed, from FAR on it is left
LEAST = 0.55  # share of the part that must be of one colour
SKIN_HUES, SKIN_SATURATIONS = (2, 20), (40, 210)  # of what may be skin, which nobody dyes
REACH = {"upper": (0.14, 0.62), "lower": (0.46, 0.97)}  # how far clothes may go, in shares of a person's height


def dyed(scene: Scene, index: int, part: str, colour: str, *, rng: np.random.Generator) -> Scene | None:
    """The scene with one thing in a shade of `colour`, one of DYES; of a person only the "upper" or "lower" clothes.

    Phrases that people wrote of it, and of several together, are left out: they may name the old colour. None where
    the part is of no one colour, or of skin's.
    """
    thing = scene.things[index]
    read = thing.mask if part == "all" else thing.between(*CLOTHES[part])  # H×W, where its own colour is read
    within = thing.mask if part == "all" else thing.between(*REACH[part])
    photo = in_cloth(scene.photo, read, within, shade(colour, rng))
    if photo is None:
        return None
    things = [replace(other, colours={}) for other in scene.things]
    things[index] = replace(things[index], phrases=(), called=tuple(called_in(thing.phrases or thing.called)))
    return replace(scene, photo=photo, things=things, groups=[])


def in_cloth(photo: np.ndarray, read: np.ndarray, within: np.ndarray, new: np.ndarray) -> np.ndarray | None:
    """The photo (uint8 H×W×3) with the cloth seen in the mask `read` dyed in `new` (RGB, 0..255) throughout `within`.

    None where it is of no one colour, or of skin's.
    """
    if np.count_nonzero(read) < MIN_PIXELS:
        return None
    lab = cv2.cvtColor(photo, cv2.COLOR_RGB2LAB).astype(np.float32)  # H×W×3
    lab[..., 0] *= 0.5  # light and dark part one cloth from another less than colours do
    own = np.median(lab[read], axis=0)
    hue, saturation, value = np.median(cv2.cvtColor(photo, cv2.COLOR_RGB2HSV)[read], axis=0)
    if SKIN_HUES[0] <= hue <= SKIN_HUES[1] and SKIN_SATURATIONS[0] <= saturation <= SKIN_SATURATIONS[1] and value > 35:
        return None
    away = np.linalg.norm(lab - own, axis=2)  # H×W
    alpha = np.clip((FAR - away) / (FAR - NEAR), 0, 1)
    if (alpha[read] > 0.5).mean() < LEAST:
        return None
    alpha = cv2.GaussianBlur(alpha * within, (3, 3), 0.7) * within
    light = lab[..., 0] / max(own[0], 8)  # 1 where the cloth is as light as on the whole
    cloth = new * np.clip(light, 0.5, 1.35)[..., None]
    mixed = photo * (1 - alpha[..., None]) + cloth * alpha[..., None]
    return np.clip(mixed, 0, 255).astype(np.uint8)


def shade(colour: str, rng: np.random.Generator) -> np.ndarray:
    """A shade of `colour`, one of DYES: RGB, 0..255."""
    hsv = np.array([[[rng.integers(low, high + 1) for low, high in DYES[colour]]]], dtype=np.uint8)
    return cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)[0, 0].astype(np.float32)
