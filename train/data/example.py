"""One photo, one expression, and what it means there."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pycocotools import mask as coco_mask


@dataclass(frozen=True)
class Example:
    """size: (H, W) of the photo. segmentation: COCO RLEs whose union is the target; empty where nothing is meant.

    kind: only (one of its kind), several (one among others of its kind), group, region, garment, human (words that
    people wrote), absent. source: the set it comes from. target_id: the same for all expressions of one target.
    """

    photo: Path
    size: tuple[int, int]
    expression: str
    segmentation: tuple[dict[str, Any], ...]
    kind: str
    source: str
    target_id: str

    def mask(self) -> np.ndarray:
        """The target: bool H×W."""
        if not self.segmentation:
            return np.zeros(self.size, dtype=bool)
        return coco_mask.decode(coco_mask.merge(list(self.segmentation))).astype(bool)
