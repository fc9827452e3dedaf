"""Mask edges that follow the photo's: Guided Image Filtering, He, Sun and Tang, ECCV 2010, with the linear model fitted
at the network's own size and applied at the photo's (Fast Guided Filter, He and Sun, 2015)."""

from __future__ import annotations

import cv2
import numpy as np
from PIL import Image

GUIDE_PIXELS = 2_000_000  # a guide of more pixels costs time and shows no edge that the network could have meant
RADIUS = 5  # of the window in which probability is taken as linear in brightness, in pixels of the network's input
EPSILON = 3e-3  # variance of brightness (0..1) below which a window counts as flat


def guide_of(photo: Image.Image) -> np.ndarray:
    """The brightness of an RGB photo: uint8 H×W, at most GUIDE_PIXELS of the photo's aspect."""
    shrink = (GUIDE_PIXELS / (photo.width * photo.height)) ** 0.5
    if shrink < 1:
        size = (max(1, int(photo.width * shrink)), max(1, int(photo.height * shrink)))
        photo = photo.resize(size, Image.Resampling.BILINEAR, reducing_gap=2.0)
    return cv2.cvtColor(np.asarray(photo), cv2.COLOR_RGB2GRAY)


def follow_edges(probability: np.ndarray, guide: np.ndarray) -> np.ndarray:
    """`probability` (float32 0..1, h×w, as the network sees the photo) at the size of `guide` (uint8 H×W): 0..1.

    On flat ground it is smoothed, along an edge of the photo it steps where the photo does.
    """
    h, w = probability.shape
    H, W = guide.shape
    smaller = h * w < H * W
    seen = cv2.resize(guide, (w, h), interpolation=cv2.INTER_AREA if smaller else cv2.INTER_LINEAR)
    I = seen.astype(np.float32) / 255  # noqa: E741, the papers' letters
    p = probability
    mean_I, mean_p = _mean(I), _mean(p)
    variance = _mean(I * I) - mean_I * mean_I
    a = (_mean(I * p) - mean_I * mean_p) / (variance + EPSILON)
    b = mean_p - a * mean_I
    a, b = (cv2.resize(_mean(x), (W, H), interpolation=cv2.INTER_LINEAR) for x in (a, b))  # H×W
    a *= guide
    a /= 255
    a += b
    return np.clip(a, 0, 1, out=a)


def _mean(x: np.ndarray) -> np.ndarray:
    side = 2 * RADIUS + 1
    return cv2.blur(x, (side, side), borderType=cv2.BORDER_REFLECT)
