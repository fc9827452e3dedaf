"""Mask edges that follow the photo's: Guided Image Filtering, He, Sun and Tang, ECCV 2010, with the linear model fitted
at the network's own size and applied at the photo's (Fast Guided Filter, He and Sun, 2015)."""

from __future__ import annotations

import cv2
import numpy as np
from PIL import Image

GUIDE_PIXELS = 1_000_000  # more cost time and show no edge that a network at 256×256 could have meant
RADIUS = 5  # of the window in which probability is taken as linear in brightness, in pixels of the network's input
EPSILON = 3e-3  # variance of brightness (0..1) below which a window counts as flat


def guide_of(photo: Image.Image) -> np.ndarray:
    """The brightness of an RGB photo: uint8 H×W, at most GUIDE_PIXELS of the photo's aspect."""
    brightness = cv2.cvtColor(np.asarray(photo), cv2.COLOR_RGB2GRAY)
    shrink = (GUIDE_PIXELS / (photo.width * photo.height)) ** 0.5
    if shrink >= 1:
        return brightness
    size = (max(1, int(photo.width * shrink)), max(1, int(photo.height * shrink)))
    return cv2.resize(brightness, size, interpolation=cv2.INTER_AREA)


def follow_edges(probability: np.ndarray, coarse: np.ndarray, guide: np.ndarray) -> np.ndarray:
    """`probability` (float32 0..1, H×W) with its edges where those of `guide` (uint8 H×W) are; changed in place.

    coarse: the same probability as the network gave it, h×w. Where the network is sure, nothing changes; the less sure
    it is, the more the photo decides.
    """
    h, w = coarse.shape
    H, W = guide.shape
    shrinks = h * w < H * W
    seen = cv2.resize(guide, (w, h), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    I, p = seen.astype(np.float32) / 255, coarse  # noqa: E741, the papers' letters
    mean_I, mean_p = _mean(I), _mean(p)
    variance = _mean(I * I) - mean_I * mean_I
    a = (_mean(I * p) - mean_I * mean_p) / (variance + EPSILON)
    b = mean_p - a * mean_I
    a, b = (cv2.resize(_mean(x), (W, H), interpolation=cv2.INTER_LINEAR) for x in (a / 255, b))  # H×W
    guided = cv2.multiply(guide, a, dtype=cv2.CV_32F)
    guided += b
    np.clip(guided, 0.2, 0.8, out=guided)  # it decides between yes and no, and makes nothing the most probable place
    unsure = probability * (1 - probability)
    unsure *= 4  # H×W, 1 where the probability is a half
    guided -= probability
    guided *= unsure
    probability += guided  # between the two, so still 0..1
    return probability


def _mean(x: np.ndarray) -> np.ndarray:
    side = 2 * RADIUS + 1
    return cv2.blur(x, (side, side), borderType=cv2.BORDER_REFLECT)
