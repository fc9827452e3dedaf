"""The answers of this visit: kept on the server for their visitor alone, and shown as small pictures to come back to,
drawn by visit.js. They leave with the visitor."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

import gradio as gr

KEPT_ANSWERS = 8  # of one visit: about 0.4 MB each; the browser keeps as many (draw.js)


@dataclass(frozen=True)
class Kept:
    """An answer of this visit. The browser keeps what it showed; here stands what is needed to say more of it.

    answer: its name. photo: path of the file. closer: whether the model was shown more of it than usual.
    shown_size: width and height in pixels of the photo on the page.
    model: checkpoint, device and size of what it saw, as the page names them.
    channels: see `stages.channels`, sent only when asked for.
    """

    answer: str
    photo: str
    expression: str
    checkpoint: str
    closer: bool
    model: str
    shown_size: tuple[int, int]
    channels: list[dict[str, Any]]

    @property
    def question(self) -> tuple[str, str, str, bool]:
        """All that the answer follows from: the same again has the same answer."""
        return self.checkpoint, self.photo, self.expression, self.closer


def component() -> gr.HTML:
    return gr.HTML(
        html_template='<div class="slvit-visit"></div>',
        js_on_load="slvit.visit(element, trigger, 'select')",
        apply_default_css=False,
        elem_id="visit",
    )


def keep(memory: OrderedDict[tuple, Kept], kept: Kept) -> None:
    """Adds `kept` to the visit's memory; the one that was not looked at for longest makes room."""
    memory[kept.question] = kept
    if len(memory) > KEPT_ANSWERS:
        memory.popitem(last=False)


def find(memory: OrderedDict[tuple, Kept], answer: str) -> Kept | None:
    """The answer of that name, None when it is no longer kept."""
    return next((kept for kept in memory.values() if kept.answer == answer), None)
