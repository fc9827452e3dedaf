"""An annotated photo as expressions see it: pixels, things with masks, and what is known to be complete."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import cv2
import numpy as np


@dataclass
class Thing:
    """One annotated object, part or region.

    mask: bool H×W of the scene, contiguous. phrases: words that people wrote of it alone. called: what they called it
    where the rest of their words does not hold here, such as "woman" of a person pasted from another photo.
    """

    category: str
    mask: np.ndarray
    region: bool = False
    garment: bool = False
    phrases: tuple[str, ...] = ()
    called: tuple[str, ...] = ()
    colours: dict[str, dict[str, float]] = field(default_factory=dict)  # measured once: part → colour → share

    @cached_property
    def box(self) -> tuple[float, float, float, float]:
        """x0, y0, x1, y1 as shares of the scene's sides; all 0 where nothing is visible."""
        H, W = self.mask.shape
        left, top, width, height = cv2.boundingRect(self.mask.view(np.uint8))
        return (left / W, top / H, (left + width) / W, (top + height) / H)

    @cached_property
    def area(self) -> float:
        """Share of the scene that the mask covers."""
        return cv2.countNonZero(self.mask.view(np.uint8)) / self.mask.size

    @property
    def x(self) -> float:
        return (self.box[0] + self.box[2]) / 2

    @property
    def y(self) -> float:
        return (self.box[1] + self.box[3]) / 2

    @property
    def width(self) -> float:
        return self.box[2] - self.box[0]

    @property
    def height(self) -> float:
        return self.box[3] - self.box[1]

    def between(self, low: float, high: float) -> np.ndarray:
        """The mask from `low` to `high` of its height, counted from its top: bool H×W."""
        H = self.mask.shape[0]
        top, tall = self.box[1] * H, self.height * H
        mask = self.mask.copy()
        mask[: round(top + low * tall)] = False
        mask[round(top + high * tall) :] = False
        return mask


@dataclass
class Scene:
    """photo: uint8 H×W×3 RGB. complete: categories of which every instance is among `things`.

    groups: indices of things that human phrases mean together, with those phrases. plain: the photo shows one
    prominent thing, so that its bare name is safe even where nothing is known to be complete.
    """

    photo: np.ndarray
    things: list[Thing]
    complete: frozenset[str]
    groups: list[tuple[tuple[int, ...], tuple[str, ...]]] = field(default_factory=list)
    plain: bool = False
