"""The data's way from photo and words to the mask, as small pictures of this very answer, drawn by overview.js."""

from __future__ import annotations

from typing import Any

import gradio as gr

from slvit.page.encode import packed_map
from slvit.pictures import own_range
from slvit.segmenter import Inspection


def component() -> gr.HTML:
    return gr.HTML(
        html_template='<div class="slvit-overview"></div>',
        js_on_load="slvit.overview(element)",
        apply_default_css=False,
        elem_id="overview",
    )


def payload(inspection: Inspection) -> list[dict[str, Any]]:
    """R_i of the four stages: the words' scores summed; all else that the strip shows comes with the tabs."""
    return [packed_map(correlation, own_range(correlation)) for correlation in inspection.correlation]


def looks(inspection: Inspection) -> str:
    """What the model saw of the photo, at each of its looks, such as "320 × 224 + 480 × 320"."""
    return " + ".join(f"{width} × {height}" for height, width in inspection.input_sizes)
