"""Tab "Compare": up to six expressions about one photo, with every checkpoint there is, drawn by compare.js."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import gradio as gr

from slvit.page.encode import data_url
from slvit.page.photos import OpenPhoto
from slvit.page.result import levels
from slvit.pictures import PALETTE
from slvit.segmenter import Segmentation

MOST = 6
SHOWN_SIDE = 900  # longer side in pixels of each picture


def component() -> gr.HTML:
    return gr.HTML(
        html_template='<div class="slvit-compare"></div>',
        js_on_load="slvit.compare(element, props, watch)",
        apply_default_css=False,
        elem_id="compare",
        colours=[list(colour) for colour in PALETTE],
    )


def payload(path: str, photo: OpenPhoto, answers: Iterable[tuple[str, str, Segmentation]]) -> dict[str, Any]:
    """What compare.js needs. path: the photo's, by which the page tells whether it is still the one shown.

    answers: (expression, checkpoint, its segmentation), in the order shown.
    """
    shown = photo.smaller(SHOWN_SIDE)
    return {
        "of": path,
        "photo": data_url(shown, quality=85),
        "answers": [
            {
                "expression": expression,
                "checkpoint": checkpoint,
                "probability": data_url(levels(segmentation, shown.size)),
                "confidence": segmentation.confidence,
                "found": segmentation.found,
            }
            for expression, checkpoint, segmentation in answers
        ],
    }
