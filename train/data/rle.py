"""COCO's ways to write a mask, as the one that everything here reads."""

from __future__ import annotations

from typing import Any

from pycocotools import mask as coco_mask


def rle(segmentation: list[list[float]] | dict[str, Any], size: tuple[int, int]) -> dict[str, Any]:
    """Polygons, or run lengths compressed or not, as one compressed COCO RLE of (H, W) `size`."""
    if isinstance(segmentation, list):
        return coco_mask.merge(coco_mask.frPyObjects(segmentation, *size))
    return coco_mask.frPyObjects(segmentation, *size) if isinstance(segmentation["counts"], list) else segmentation
