"""Tab "Stages": F_i beside enhanced F_i, and how much URCE changed, drawn by stages.js."""

from __future__ import annotations

from typing import Any

import gradio as gr
import numpy as np

from slvit.page.encode import packed_map
from slvit.pictures import shared_range, summary
from slvit.segmenter import Inspection


def component() -> gr.HTML:
    return gr.HTML(
        html_template='<div class="slvit-stages"></div>',
        js_on_load="slvit.stages(element)",
        apply_default_css=False,
        elem_id="stages",
    )


def payload(inspection: Inspection) -> list[dict[str, Any]]:
    """For each of the four stages: its channels, and the maps before, after and change."""
    stages = []
    for plain, enhanced in zip(inspection.features, inspection.enhanced_features, strict=True):
        before, after = summary(plain), summary(enhanced)  # H_i×W_i
        change = summary(enhanced - plain)
        limits = shared_range(before, after)
        stages.append(
            {
                "channels": plain.shape[0],
                "before": packed_map(before, limits),
                "after": packed_map(after, limits),
                "change": packed_map(change, (0.0, max(float(np.percentile(change, 99.5)), 1e-6))),
            }
        )
    return stages
