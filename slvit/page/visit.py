"""The answers of this visit as small pictures to come back to, drawn by visit.js. They leave with the visitor."""

from __future__ import annotations

import gradio as gr


def component() -> gr.HTML:
    return gr.HTML(
        html_template='<div class="slvit-visit"></div>',
        js_on_load="slvit.visit(element, trigger, 'select')",
        apply_default_css=False,
        elem_id="visit",
    )
