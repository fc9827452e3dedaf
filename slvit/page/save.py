"""Files of one answer in the photo's own resolution, for the visitor to keep."""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from pathlib import Path

import numpy as np
from gradio.utils import get_upload_folder

from slvit.insides import save_insides
from slvit.page.report import report
from slvit.page.shown import ShownAnswer
from slvit.pictures import cutout, mask_picture, overlay

PROBABILITY = (
    "\nprobability.npy: H×W = {height}×{width} of the photo in pixels, float32. "
    "How likely each pixel is meant, 0..1; the mask is where it reaches the threshold.\n"
)


def saved_file(what: str, shown: ShownAnswer) -> Path:
    """Writes one of overlay, mask, cutout (PNG), json (facts with COCO RLE), maps (.zip), report (.html) to a folder of
    its own within Gradio's.

    There Gradio serves it as it is and deletes it in time; from anywhere else it would make a copy and leave this one.
    maps and report need an answer with its inspection. Raises ValueError for any other `what`.
    """
    photo, segmentation = shown.photo, shown.segmentation
    Path(get_upload_folder()).mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="slvit-", dir=get_upload_folder()))
    words = re.sub(r"[^\w]+", "-", shown.expression.lower()).strip("-")[:40] or "answer"
    if what == "json":
        file = folder / f"{words}.json"
        file.write_text(json.dumps(shown.told, indent=1), "utf-8")
        return file
    if what == "maps":
        maps = folder / words
        save_insides(segmentation.inspection, photo, maps)
        np.save(maps / "probability.npy", segmentation.probability)  # float32 H×W of the photo, 0..1
        height, width = segmentation.probability.shape
        with (maps / "insides.txt").open("a", encoding="utf-8") as text:
            text.write(PROBABILITY.format(height=height, width=width))
        archive = Path(shutil.make_archive(str(maps), "zip", maps))
        shutil.rmtree(maps)
        return archive
    if what == "report":
        file = folder / f"{words}.html"
        file.write_text(report(shown), "utf-8")
        return file
    pictures = {
        "overlay": lambda: overlay(photo, shown.mask, colour=shown.colour, opacity=shown.opacity),
        "mask": lambda: mask_picture(shown.mask),
        "cutout": lambda: cutout(photo, shown.mask),
    }
    if what not in pictures:
        raise ValueError(f"There is nothing called {what} to save: choose overlay, mask, cutout, json, maps or report.")
    file = folder / f"{words}-{what}.png"
    pictures[what]().save(file, compress_level=4)
    return file
