"""In tab "Uncertainty", set apart: the model run again with another K or without URCE, drawn by rerun.js."""

from __future__ import annotations

import secrets
from typing import Any

import gradio as gr

from slvit.page.encode import data_url
from slvit.page.result import levels
from slvit.segmenter import Segmentation


def component() -> gr.HTML:
    return gr.HTML(
        html_template='<div class="slvit-rerun"></div>',
        js_on_load="slvit.rerun(element, props, watch, trigger, 'submit')",
        apply_default_css=False,
        elem_id="rerun",
    )


def payload(answer: str, segmentation: Segmentation, patches: int, *, size: tuple[int, int]) -> dict[str, Any]:
    """What rerun.js lays beside `answer`: the run with `patches`, 0 being the one without URCE.

    size: width and height in pixels of the photo on the page.
    """
    return {
        "run": secrets.token_hex(4),  # a value that equals the last one would not be seen as new
        "answer": answer,
        "patches": patches,
        "probability": data_url(levels(segmentation, size)),
        "confidence": segmentation.confidence,
        "found": segmentation.found,
        "seconds": segmentation.timings["total"],
    }


def problem(answer: str, sentence: str) -> dict[str, Any]:
    """What rerun.js shows where the run came to nothing."""
    return {"run": secrets.token_hex(4), "answer": answer, "error": sentence}
