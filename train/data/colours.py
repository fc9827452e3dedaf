"""The colour names of a masked part of a photo, measured pixel by pixel."""

from __future__ import annotations

import cv2
import numpy as np

COLOURS = ("black", "white", "gray", "red", "orange", "yellow", "green", "blue", "purple", "pink", "brown")
MIN_PIXELS = 40  # fewer say nothing


def colour_names(photo: np.ndarray) -> np.ndarray:
    """The index in COLOURS of each pixel of `photo` (uint8 H×W×3 RGB): uint8 H×W, 255 where no name is sure.

    Thresholds in HSV (hue 0..180 as OpenCV counts), set by hand on everyday photos; between two names none is given.
    """
    hsv = cv2.cvtColor(photo, cv2.COLOR_RGB2HSV)
    hue, saturation, value = hsv[..., 0], hsv[..., 1].astype(int), hsv[..., 2].astype(int)
    names = np.full(photo.shape[:2], 255, dtype=np.uint8)

    def paint(name: str, where: np.ndarray) -> None:
        names[where] = COLOURS.index(name)

    chroma = saturation * value // 255  # how colourful the pixel looks: dark pixels look less so
    vivid = chroma > 58
    paint("red", vivid & ((hue <= 6) | (hue >= 172)))
    paint("orange", vivid & (hue >= 9) & (hue <= 18) & (value > 165) & (saturation > 140))
    paint("yellow", vivid & (hue >= 22) & (hue <= 33) & (value > 140))
    paint("green", (chroma > 40) & (hue >= 37) & (hue <= 85))
    paint("blue", (chroma > 40) & (hue >= 95) & (hue <= 126))
    paint("purple", (chroma > 45) & (hue >= 131) & (hue <= 152))
    paint("pink", (chroma > 40) & (hue >= 154) & (hue <= 176) & (value > 150) & (saturation < 190))
    brown = (chroma > 30) & (hue >= 5) & (hue <= 20) & (value > 45) & (value < 150)
    paint("brown", brown)
    paint("white", (value > 195) & (saturation < 34))
    paint("gray", (value > 80) & (value < 165) & (saturation < 30))
    paint("black", (value < 50) | ((value < 62) & (saturation < 70)))
    return names


def colour_shares(names: np.ndarray, mask: np.ndarray) -> dict[str, float]:
    """The share of each colour within `mask` (bool H×W), its rim left out; empty where too few pixels are left."""
    inner = cv2.erode(mask.astype(np.uint8), np.ones((3, 3), np.uint8)).astype(bool)
    inside = names[inner if inner.sum() >= MIN_PIXELS else mask]
    if inside.size < MIN_PIXELS:
        return {}
    counts = np.bincount(inside, minlength=256)[: len(COLOURS)]
    return {name: float(count) / inside.size for name, count in zip(COLOURS, counts, strict=True) if count}


def main_colour(shares: dict[str, float], *, least: float = 0.5) -> str | None:
    """The one colour that a person would name, or None: it covers `least` and twice as much as the next."""
    if not shares:
        return None
    (name, share), *rest = sorted(shares.items(), key=lambda item: -item[1])
    return name if share >= least and all(share >= 2 * other for _, other in rest) else None
