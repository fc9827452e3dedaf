"""Training on several data sets at once: which sample comes from which, and which photos must stay out."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from torch.utils.data import Dataset


def numbers_of_parts(shares: Sequence[float], *, samples: int, seed: int) -> list[np.ndarray]:
    """For each part the numbers, ascending, of those of `samples` that it gives, drawn by `shares` (of any sum).

    A longer run begins with the same draws.
    """
    ends = np.cumsum(shares) / np.sum(shares)
    part = np.searchsorted(ends[:-1], np.random.default_rng([seed, 4]).random(samples), side="right")  # samples
    return [np.flatnonzero(part == number) for number in range(len(shares))]


@dataclass(frozen=True)
class SizeInMix:
    """The size (H, W) of a part's own sample: that of the batch which it gets into."""

    size_of: Callable[[int], tuple[int, int]]
    numbers: np.ndarray

    def __call__(self, number: int) -> tuple[int, int]:
        return self.size_of(int(self.numbers[number]))


class MixedSamples(Dataset):
    """Sample i is the next one of the part that `numbers` gives it to: each part is gone through in its own order."""

    def __init__(self, parts: Sequence[Dataset], numbers: Sequence[np.ndarray]) -> None:
        self.parts, self.numbers = parts, numbers

    def __len__(self) -> int:
        return sum(map(len, self.numbers))

    def __getitem__(self, number: int) -> dict[str, Any]:
        for part, numbers in zip(self.parts, self.numbers, strict=True):
            place = int(np.searchsorted(numbers, number))
            if place < len(numbers) and numbers[place] == number:
                return part[place]
        raise IndexError(number)


def refuse_photos(root: Path, held_out: Collection[int]) -> None:
    """ValueError if training photos of a COCO-style folder are among the COCO ids that must not be trained on.

    A photo's COCO id is its "coco_id" in instances.json, or the twelve digits of COCO's file names.
    """
    images = json.loads((root / "instances.json").read_text(encoding="utf-8"))["images"]
    found = [image for image in images if image.get("split", "train") == "train" and _coco_id(image) in held_out]
    if found:
        raise ValueError(
            f"{len(found)} photos of {root}, such as {found[0]['file_name']}, stand in a validation or test split of "
            'RefCOCO and its kin: take them out of instances.json, or give them another "split" there.'
        )


def _coco_id(image: dict[str, Any]) -> int | None:
    digits = re.search(r"(\d{12})\.jpg$", image["file_name"])
    return image.get("coco_id", int(digits[1]) if digits else None)
