"""The photo as the visitor gave it: Gradio's image input, but without opening the file."""

from __future__ import annotations

import gradio as gr
from gradio.data_classes import ImageData

class PhotoInput(gr.Image):
    """Hands on the path of the uploaded file as it is.

    `gr.Image` opens and converts the file itself, so a damaged or huge one would end in Gradio's words and a stack
    trace. `open_photo` is the one place where photos are opened, turned and refused.
    """

    is_template = True  # drawn by the browser as gr.Image

    def preprocess(self, payload: ImageData | None) -> str | None:
        return payload.path if payload else None
    from typing import Callable, Literal, Sequence, Any, TYPE_CHECKING
    from gradio.blocks import Block
    if TYPE_CHECKING:
        from gradio.components import Timer
        from gradio.components.base import Component
