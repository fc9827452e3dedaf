"""Tab "Words": where each word points at each stage, drawn by words.js."""

from __future__ import annotations

from typing import Any

import gradio as gr

from slvit.page.encode import packed, packed_map
from slvit.pictures import own_range, word_maps, word_shares
from slvit.segmenter import Inspection


def component() -> gr.HTML:
    return gr.HTML(
        html_template='<div class="slvit-words"></div>',
        js_on_load="slvit.words(element)",
        apply_default_css=False,
        elem_id="words",
    )


def payload(inspection: Inspection, text_channels: int) -> list[dict[str, Any]]:
    """Every word as the network reads it ([CLS] and [SEP] among them), at each of the four stages: maps, its scores
    over the photo; shares, how much of its attention each position gives it. text_channels: C_l of the text encoder.
    """
    words, maps = word_maps(inspection)  # N, and four of N×H_i×W_i
    shares = word_shares(inspection, text_channels)
    return [
        {
            "word": word,
            "maps": [packed_map(stage[number], own_range(stage[number])) for stage in maps],
            "shares": [packed(stage[number]) for stage in shares],
        }
        for number, word in enumerate(words)
    ]
