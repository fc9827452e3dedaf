"""Tab "Stages": F_i beside enhanced F_i, and how much URCE changed, drawn by stages.js."""

from __future__ import annotations

from typing import Any

import gradio as gr
import numpy as np

from slvit.page.encode import packed, packed_colours, packed_map
from slvit.pictures import change_range, principal_colours, scaled, shared_range, summary
from slvit.segmenter import Inspection


def component() -> gr.HTML:
    return gr.HTML(
        html_template='<div class="slvit-stages"></div>',
        js_on_load="slvit.stages(element, trigger, 'select')",
        apply_default_css=False,
        elem_id="stages",
    )


def payload(inspection: Inspection) -> list[dict[str, Any]]:
    """For each of the four stages: its channels, the maps before, after and change, and the principal components.

    most_changed: the channel that URCE changed most, counted from 0.
    """
    stages = []
    for plain, enhanced in zip(inspection.features, inspection.enhanced_features, strict=True):
        before, after = summary(plain), summary(enhanced)  # H_i×W_i
        difference = np.abs(enhanced - plain)  # C_i×H_i×W_i
        change = difference.mean(axis=0)
        limits = shared_range(before, after)
        first, second = principal_colours(plain, enhanced)
        stages.append(
            {
                "channels": plain.shape[0],
                "most_changed": int(difference.mean(axis=(1, 2)).argmax()),
                "before": packed_map(before, limits),
                "after": packed_map(after, limits),
                "change": packed_map(change, change_range(change)),
                "components": {"before": packed_colours(first), "after": packed_colours(second)},
            }
        )
    return stages


def channels(inspection: Inspection) -> list[dict[str, Any]]:
    """For each of the four stages: every channel before and after, in 256 steps of that channel's own range.

    low, high: C_i limits, the 0.5th and 99.5th percentile of the channel before and after. before: C_i×H_i×W_i bytes.
    patches: K×C_i×p×p bytes, what stands in the rewritten patches afterwards; all else is as before.
    """
    width = inspection.uncertainty.shape[1]  # W_4
    cells = np.divmod(inspection.patch_index, width)  # K rows and K columns
    stages = []
    for plain, enhanced in zip(inspection.features, inspection.enhanced_features, strict=True):
        side = plain.shape[2] // width  # p
        both = np.stack([plain, enhanced], axis=1).reshape(plain.shape[0], -1)  # C_i×2H_iW_i
        low, high = np.percentile(both, (0.5, 99.5), axis=1)[:, :, None, None]  # C_i×1×1 each
        limits = low, np.maximum(high, low + 1e-6)
        patches = [
            scaled(enhanced[:, row * side : (row + 1) * side, column * side : (column + 1) * side], limits)
            for row, column in zip(*cells, strict=True)
        ]  # K of C_i×p×p
        stages.append(
            {
                "low": low.ravel().round(4).tolist(),
                "high": high.ravel().round(4).tolist(),
                "before": packed(scaled(plain, limits)),
                "patches": packed(np.array(patches)),
            }
        )
    return stages
