"""The photo as the visitor gave it: Gradio's image input, but without opening the file."""

from __future__ import annotations

from typing import Any

import gradio as gr
from gradio.data_classes import ImageData


def photo_input(**options: Any) -> gr.Image:
    """An image input that hands on the path of the uploaded file as it is, or None. options: those of `gr.Image`.

    `gr.Image` opens and converts the file itself, so a damaged or huge one would end in Gradio's words and a stack
    trace. `open_photo` is the one place where photos are opened, turned and refused.
    """
    image = gr.Image(type="filepath", **options)
    image.preprocess = _path
    return image


def _path(payload: ImageData | None) -> str | None:
    return payload.path if payload else None
