"""Tab "Uncertainty": map_U, its top-K patches, and one patch at every scale, drawn by uncertainty.js."""

from __future__ import annotations

from typing import Any

import gradio as gr

from slvit.page.encode import packed, packed_map
from slvit.pictures import own_range, patch_boxes
from slvit.segmenter import Inspection


def component() -> gr.HTML:
    return gr.HTML(
        html_template='<div class="slvit-uncertainty"></div>',
        js_on_load="slvit.uncertainty(element)",
        apply_default_css=False,
        elem_id="uncertainty",
    )


def payload(inspection: Inspection) -> dict[str, Any]:
    """map_U, and the K patches in falling order: box in shares of the photo, value, attention among its 85 tokens."""
    values = inspection.uncertainty.ravel()[inspection.patch_index]  # K
    patches = [{"box": box, "value": float(value)} for box, value in zip(patch_boxes(inspection), values, strict=True)]
    if inspection.attention is not None:
        heads = inspection.attention.mean(axis=1)  # K×85×85: the mean over the 8 heads
        for patch, attention in zip(patches, heads, strict=True):
            strongest = float(attention.max())
            patch["attention"] = {
                "h": attention.shape[0],
                "w": attention.shape[1],
                "low": 0.0,
                "high": strongest,
                "data": packed((attention / strongest) ** 0.5),  # square root: the weak links would be black
            }
    return {"map": packed_map(inspection.uncertainty, own_range(inspection.uncertainty)), "patches": patches}
