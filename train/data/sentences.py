"""Training samples from sentences that people wrote: RefCOCO's kin, and folders of photo, mask and text."""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from torch.utils.data import Dataset

from slvit.errors import PhotoError
from slvit.photo import open_photo
from train.data import augment
from train.data.broken import BrokenPhotos
from train.data.example import Example
from train.data.expressions import swap_sides
from train.data.layout import examples_of


class SentenceSamples(Dataset):
    """Sample i: an object of the training split and one of its sentences, a function of (seed, i) alone.

    Each epoch takes every object once, in an order of its own, and one of its sentences at random. light, mirrored:
    whether photos change in brightness and are mirrored (left and right in the sentence trade places). For an object of
    an unreadable photo the next one takes the place; more than `broken_photos` of them raise TooManyBrokenError.
    without_photos: see `examples_of`.
    """

    def __init__(
        self,
        root: Path,
        *,
        dataset: str,
        partition: str,
        seed: int,
        size_of: Callable[[int], tuple[int, int]],
        light: bool,
        mirrored: bool,
        broken_photos: int,
        without_photos: Collection[int] = (),
    ) -> None:
        targets: dict[str, list[Example]] = {}
        found = examples_of(root, dataset, split="train", partition=partition, without_photos=without_photos)
        for example in found:
            targets.setdefault(example.target_id, []).append(example)
        self.targets = list(targets.values())
        self._places: dict[Path, int] = {}
        for target in self.targets:
            self._places.setdefault(target[0].photo, len(self._places))
        self.broken = BrokenPhotos(len(self._places), limit=broken_photos)
        self.seed, self.size_of, self.light, self.mirrored = seed, size_of, light, mirrored

    def __len__(self) -> int:
        """Objects, that is samples of an epoch."""
        return len(self.targets)

    def __getitem__(self, number: int) -> dict[str, Any]:
        epoch, place = divmod(number, len(self.targets))
        order = np.random.default_rng([self.seed, 3, epoch]).permutation(len(self.targets))
        rng = np.random.default_rng([self.seed, number])
        for turn in range(len(order)):
            sentences = self.targets[order[(place + turn) % len(order)]]
            example = sentences[int(rng.integers(len(sentences)))]
            try:
                whole = np.asarray(open_photo(example.photo))
                break
            except PhotoError as error:
                self.broken.note(self._places[example.photo], error)
        else:
            raise ValueError("No photo can be read: check the data with python -m train.data check.")
        size = self.size_of(number)
        photo = augment.resized(whole, size)
        mask = cv2.resize(example.mask().astype(np.uint8), (size[1], size[0]), interpolation=cv2.INTER_NEAREST)
        text = example.expression
        if self.mirrored and rng.random() < 0.5:
            photo, mask = np.ascontiguousarray(photo[:, ::-1]), np.ascontiguousarray(mask[:, ::-1])
            text = swap_sides(text.lower())
        if self.light:
            photo = augment.light(photo, rng, keeps_colours=True)
        return {"photo": photo, "mask": mask, "text": text, "kind": example.kind}
