"""True masks of the example photos, drawn by hand as outlines.

outlines.json: for each photo its outlines in pixels of the photo (x, y), and for each expression the outlines whose
union is meant ("add"), less others ("cut").
"""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np

OUTLINES = json.loads(Path(__file__).with_name("outlines.json").read_text("utf-8"))


def true_mask(photo: str, expression: str, size: tuple[int, int]) -> np.ndarray:
    """bool H×W of what `expression` means in the example `photo` (file name). size: width and height of the photo."""
    drawn = OUTLINES[photo]
    meant = drawn["expressions"][expression]
    mask = np.zeros(size[::-1], np.uint8)  # H×W
    for value, names in ((1, meant["add"]), (0, meant.get("cut", []))):
        for name in names:
            cv2.fillPoly(mask, [np.array(drawn["outlines"][name], np.int32)], value)
    return mask.astype(bool)
