"""The network's insides as files: pictures to look at, arrays to compute with, and a text that says what they are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from slvit.pictures import inspection_pictures
from slvit.segmenter import Inspection

# Name in insides.npz, shape in the paper's letters, what it is and in which unit.
ARRAYS = {
    "features_{i}": ("C_i×H_i×W_i", "F_i, what stage i makes of photo and words; layer-normalised, no unit"),
    "enhanced_features_{i}": ("C_i×H_i×W_i", "F̃_i, the same after URCE replaced the K uncertain patches"),
    "word_scores_{i}": (
        "T×H_i×W_i",
        "S_i, how much each position asks for each word piece, before the softmax (eq. 5)",
    ),
    "correlation_{i}": ("H_i×W_i", "R_i, S_i summed over the words (section 3.4)"),
    "uncertainty": ("H_4×W_4", "map_U, how far neighbouring scales disagree; 0 is agreement (eq. 8)"),
    "patch_index": (
        "K",
        "cells of map_U that URCE refined, most uncertain first, row-major: row = index // W_4 (eq. 9)",
    ),
    "attention": (
        "K×8×85×85",
        "URCE's attention, 0..1, a row sums to 1; of the 85 positions 64 are of stage 1, then 16, 4, 1",
    ),
    "tokens": ("T", "the word pieces as text, [CLS] and [SEP] among them"),
    "input_size": (
        "2",
        "height and width in pixels of what the model saw; stage i has a cell for each 2^(i+1) of them",
    ),
}


def save_insides(inspection: Inspection, photo: Image.Image, folder: Path) -> None:
    """Writes stage-1.png .. stage-4.png, uncertainty.png, words.png, insides.npz and insides.txt into `folder`.

    photo: the RGB photo that `inspection` is of. The folder is made if need be; files of those names are replaced.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for stem, picture in inspection_pictures(photo, inspection).items():
        picture.save(folder / f"{stem}.png")
    arrays = _arrays(inspection)
    np.savez_compressed(folder / "insides.npz", **{name: array for name, (array, _, _) in arrays.items()})
    lines = ["insides.npz: numpy.load gives these arrays; shapes in letters, then in numbers.", ""]
    for name, (array, letters, meaning) in arrays.items():
        numbers = "×".join(str(side) for side in array.shape)
        lines.append(f"{name}: {letters} = {numbers}, {array.dtype}. {meaning}.")
    (folder / "insides.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _arrays(inspection: Inspection) -> dict[str, tuple[np.ndarray, str, str]]:
    """By name: the array, its shape in letters, its meaning; what this model has not is left out."""
    arrays = {}
    for name, (letters, meaning) in ARRAYS.items():
        value = getattr(inspection, name.removesuffix("_{i}"))
        if name.endswith("_{i}"):
            for number, array in enumerate(value, start=1):
                arrays[name.format(i=number)] = (array, letters.replace("_i", f"_{number}"), meaning)
        elif value is not None:
            arrays[name] = (np.asarray(value), letters, meaning)
    return arrays
