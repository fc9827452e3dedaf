"""Tab "Words": where each word points at each stage, drawn by words.js."""

from __future__ import annotations

from typing import Any

import gradio as gr

from slvit.page.encode import packed_map
from slvit.pictures import own_range, word_maps
from slvit.segmenter import Inspection


def component() -> gr.HTML:
    return gr.HTML(
        html_template='<div class="slvit-words"></div>',
        js_on_load="slvit.words(element)",
        apply_default_css=False,
        elem_id="words",
    )


def payload(inspection: Inspection) -> list[dict[str, Any]]:
    """Every word as the network reads it ([CLS] and [SEP] among them), with its map at each of the four stages."""
    words, maps = word_maps(inspection)  # N, and four of N×H_i×W_i
    return [
        {"word": word, "maps": [packed_map(stage[number], own_range(stage[number])) for stage in maps]}
        for number, word in enumerate(words)
    ]
