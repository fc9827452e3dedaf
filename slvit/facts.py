"""An answer as plain numbers: the same JSON from command line, batch and API."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from pycocotools import mask as coco_mask

from slvit.segmenter import Segmentation


def facts(segmentation: Segmentation, threshold: float = 0.5) -> dict[str, Any]:
    """What can be said of `segmentation` in JSON, its mask being where the probability reaches `threshold` (0..1).

    Gives confidence (0..1), found (bool), threshold, height and width of the photo in pixels, area (pixels of the
    mask), box ([x, y, width, height] in pixels, None for an empty mask), segmentation (COCO RLE: size [height, width]
    and counts), timings (seconds a step), words (read, unread, unknown).
    """
    mask = segmentation.mask if threshold == 0.5 else segmentation.probability >= threshold  # H×W
    height, width = mask.shape
    words = segmentation.words
    return {
        "confidence": round(segmentation.confidence, 4),
        "found": segmentation.found,
        "threshold": threshold,
        "height": height,
        "width": width,
        "area": int(np.count_nonzero(mask)),
        "box": box(mask),
        "segmentation": run_lengths(mask),
        "timings": {step: round(seconds, 4) for step, seconds in segmentation.timings.items()},
        "words": {"read": words.read, "unread": words.unread, "unknown": words.unknown},
    }


def box(mask: np.ndarray) -> list[int] | None:
    """The smallest [x, y, width, height] in pixels that holds `mask` (bool H×W); None when it is empty."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not rows.size:
        return None
    x, y = int(columns[0]), int(rows[0])
    return [x, y, int(columns[-1]) - x + 1, int(rows[-1]) - y + 1]


def run_lengths(mask: np.ndarray) -> dict[str, Any]:
    """COCO's compressed run-length encoding of `mask` (bool H×W), its counts as text: pycocotools reads it back."""
    # COCO counts down the columns: Fortran's order, in which OpenCV lays large masks four times as fast as NumPy.
    encoded = coco_mask.encode(cv2.transpose(np.ascontiguousarray(mask).view(np.uint8)).T)
    return {"size": [int(side) for side in encoded["size"]], "counts": encoded["counts"].decode("ascii")}
