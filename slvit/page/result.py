"""The answer itself: photo, mask, confidence and times, drawn by result.js."""

from __future__ import annotations

from typing import Any

import cv2
import gradio as gr
import numpy as np
from PIL import Image

from slvit.page.encode import data_url
from slvit.page.photos import OpenPhoto
from slvit.pictures import MASK_COLOUR, PALETTE
from slvit.segmenter import Segmentation

SHOWN_SIDE = 1280  # longer side in pixels of the photo on the page; saved files have the photo's own size


def component() -> gr.HTML:
    return gr.HTML(
        html_template='<div class="slvit-result"></div>',
        js_on_load="slvit.result(element, props, watch, trigger, { save: 'submit', closer: 'expand' })",
        apply_default_css=False,
        elem_id="result",
        colours=[list(colour) for colour in [MASK_COLOUR, *PALETTE[1:5]]],
    )


def payload(
    answer: str,
    photo: OpenPhoto,
    expression: str,
    segmentation: Segmentation,
    *,
    model: str,
    example: str | None,
    closer: bool | None,
) -> dict[str, Any]:
    """What result.js needs of one answer.

    answer: its name in this visit. example: the photo's name if it is one. closer: whether this is a closer look; None
    where there is no closer one.
    """
    shown = photo.smaller(SHOWN_SIDE)
    return {
        "answer": answer,
        "expression": expression,
        "model": model,
        "example": example,
        "closer": closer,
        "size": list(photo.picture.size),
        "shown": list(shown.size),
        "photo": data_url(shown, quality=86),
        "probability": data_url(levels(segmentation, shown.size)),
        "confidence": segmentation.confidence,
        "found": segmentation.found,
        "timings": segmentation.timings,
        "unread": segmentation.words.unread,
        "unknown": segmentation.words.unknown,
    }


def levels(segmentation: Segmentation, size: tuple[int, int]) -> Image.Image:
    """The probability p as a grey picture of `size` (width, height): p >= t where the level is at least 255 t + 0.5."""
    # Made small before it is made levels: a photo from a phone has ten times the page's pixels.
    small = cv2.resize(segmentation.probability, size, interpolation=cv2.INTER_AREA)
    return Image.fromarray(np.floor(small * 255 + 0.5).astype(np.uint8))
