"""An answer as its visitor has it on the page: what is saved of it looks the same."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from PIL import Image

from slvit.facts import facts
from slvit.segmenter import Segmentation


@dataclass(frozen=True)
class ShownAnswer:
    """photo: RGB, H×W pixels. segmentation: of it. model: the checkpoint's name. language: of TEXTS.

    threshold: of the probability, 0..1, where the visitor moved it. opacity: of the mask's colour, 0..1. colour: RGB,
    0..255.
    """

    photo: Image.Image
    segmentation: Segmentation
    expression: str
    model: str
    language: str
    threshold: float
    opacity: float
    colour: tuple[int, int, int]

    @cached_property
    def mask(self) -> np.ndarray:
        """Where the probability reaches the visitor's threshold: bool H×W of the photo."""
        return self.segmentation.probability >= self.threshold

    @property
    def told(self) -> dict[str, Any]:
        """The expression and the answer's facts at the visitor's threshold, for JSON."""
        return {"expression": self.expression, **facts(self.segmentation, self.threshold)}
