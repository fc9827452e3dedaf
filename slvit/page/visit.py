"""The answers of this visit: kept on the server for their visitor alone, and shown as small pictures to come back to,
drawn by visit.js. They leave with the visitor."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

import gradio as gr

KEPT_ANSWERS = 8  # of one visit: about 1 MB each


@dataclass(frozen=True)
class Kept:
    """An answer of this visit: what was asked, what the page showed, and the channels, shown only when asked for."""

    photo: str
    expression: str
    checkpoint: str | None
    result: dict[str, Any]
    insides: dict[str, Any]
    channels: list[dict[str, Any]]


def component() -> gr.HTML:
    return gr.HTML(
        html_template='<div class="slvit-visit"></div>',
        js_on_load="slvit.visit(element, trigger, 'select')",
        apply_default_css=False,
        elem_id="visit",
    )


def keep(memory: OrderedDict[Any, Kept], key: Any, kept: Kept) -> None:
    """Adds `kept` to the visit's memory; the one that was not looked at for longest makes room."""
    memory[key] = kept
    if len(memory) > KEPT_ANSWERS:
        memory.popitem(last=False)


def find(memory: OrderedDict[Any, Kept], answer: str) -> Kept | None:
    """The answer of that name, None when it is no longer kept."""
    return next((kept for kept in memory.values() if kept.result["answer"] == answer), None)
