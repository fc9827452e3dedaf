"""The photo as the visitor gave it: Gradio's image input, but without opening the file."""

from __future__ import annotations

from typing import Any

import gradio as gr
from gradio.data_classes import ImageData
from gradio_client.utils import is_http_url_like


def photo_input(**options: Any) -> gr.Image:
    """An image input that hands on the path of the uploaded file as it is, or None. options: those of `gr.Image`.

    `gr.Image` opens and converts the file itself, so a damaged or huge one would end in Gradio's words and a stack
    trace. `open_photo` is the one place where photos are opened, turned and refused. Nor is a web address fetched:
    nobody sends this server anywhere.
    """
    image = gr.Image(type="filepath", **options)
    keep = image.async_move_resource_to_block_cache

    async def keep_no_web_address(path: str | None) -> str | None:
        if is_http_url_like(path):
            raise gr.Error(
                "This photo is a web address: download it and send the file, or a data:image/jpeg;base64,… URL of it.",
                print_exception=False,
            )
        return await keep(path)

    image.async_move_resource_to_block_cache = keep_no_web_address
    image.preprocess = _path
    return image


def _path(payload: ImageData | None) -> str | None:
    return payload.path if payload else None
