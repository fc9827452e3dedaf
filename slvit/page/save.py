"""Files of one answer in the photo's own resolution, for the visitor to keep."""

from __future__ import annotations

import json
import re
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from slvit.facts import facts
from slvit.pictures import cutout, mask_picture, overlay
from slvit.segmenter import Inspection, Segmentation

MAPS_README = """What SLViT computed for one photo and one expression. float32 unless said.
i is the stage, 1 to 4, of stride 2^(i+1).
probability: H x W of the photo, 0 to 1. mask: bool H x W, probability >= threshold.
F_i, enhanced_F_i: C_i x H_i x W_i, features before and after URCE (layer-normalised, no unit).
S_i: T x H_i x W_i, scores of the T word pieces before the softmax (no unit). R_i: H_i x W_i, their sum over the words.
map_U: H_4 x W_4, disagreement of the stages (no unit).
patch_index: int64 K, its largest cells in falling order, row-major.
attention: K x 8 x 85 x 85, URCE's attention, 8 heads, among the 85 tokens of each patch (64 of F1, 16, 4, 1 of F4).
tokens: the T word pieces. input_size: height and width in pixels of what the network saw.
"""


def saved_file(
    what: str,
    photo: Image.Image,
    segmentation: Segmentation,
    *,
    expression: str,
    threshold: float,
    opacity: float,
    colour: tuple[int, int, int],
) -> Path:
    """Writes one of overlay, mask, cutout (PNG), json (facts with COCO RLE), maps (.npz) to a new temporary folder.

    maps needs a segmentation with its inspection. Raises ValueError for any other `what`.
    """
    mask = segmentation.probability >= threshold  # H×W
    folder = Path(tempfile.mkdtemp(prefix="slvit-"))
    words = re.sub(r"[^\w]+", "-", expression.lower()).strip("-")[:40] or "answer"
    if what == "json":
        file = folder / f"{words}.json"
        file.write_text(json.dumps({"expression": expression, **facts(segmentation, threshold)}, indent=1), "utf-8")
        return file
    if what == "maps":
        file = folder / f"{words}.npz"
        np.savez_compressed(file, **_arrays(segmentation, mask, segmentation.inspection))
        return file
    pictures = {
        "overlay": lambda: overlay(photo, mask, colour=colour, opacity=opacity),
        "mask": lambda: mask_picture(mask),
        "cutout": lambda: cutout(photo, mask),
    }
    if what not in pictures:
        raise ValueError(f"There is nothing called {what} to save: choose overlay, mask, cutout, json or maps.")
    file = folder / f"{words}-{what}.png"
    pictures[what]().save(file, compress_level=4)
    return file


def _arrays(segmentation: Segmentation, mask: np.ndarray, inspection: Inspection) -> dict[str, np.ndarray]:
    arrays = {
        "README": np.array(MAPS_README),
        "probability": segmentation.probability,
        "mask": mask,
        "map_U": inspection.uncertainty,
        "patch_index": inspection.patch_index,
        "tokens": np.array(inspection.tokens),
        "input_size": np.array(inspection.input_size),
    }
    if inspection.attention is not None:
        arrays["attention"] = inspection.attention
    for number in range(4):
        arrays[f"F_{number + 1}"] = inspection.features[number]
        arrays[f"enhanced_F_{number + 1}"] = inspection.enhanced_features[number]
        arrays[f"S_{number + 1}"] = inspection.word_scores[number]
        arrays[f"R_{number + 1}"] = inspection.correlation[number]
    return arrays
