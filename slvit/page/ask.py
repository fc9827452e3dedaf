"""From a checkpoint, a photo and an expression to an answer; where ZeroGPU hands out a GPU."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

import gradio as gr
from PIL import Image

from slvit.errors import CheckpointError, ExpressionError, FaultError, PhotoError
from slvit.page.log import frames
from slvit.photo import open_photo
from slvit.segmenter import ReferringSegmenter, Segmentation


class Ask(Protocol):
    def __call__(
        self,
        photo: Image.Image,
        expression: str,
        *,
        inspect: bool = False,
        checkpoint: str | None = None,
        patches: int | None = None,
    ) -> Segmentation: ...


def ask_of(segmenters: dict[str, ReferringSegmenter], gpu: Callable[[Callable], Callable]) -> Ask:
    """The function that answers with one of `segmenters` (by name; the first when none is named).

    gpu: decorator that lends a GPU for a call, as `spaces.GPU`. Raises what `ReferringSegmenter.segment` raises,
    CheckpointError when there is no checkpoint, and FaultError, after a note in the log, for anything unforeseen.
    """

    @gpu
    def run(photo: Image.Image, expression: str, inspect: bool, checkpoint: str, patches: int | None) -> Segmentation:
        return segmenters[checkpoint].segment(photo, expression, inspect=inspect, patches=patches)

    def ask(
        photo: Image.Image,
        expression: str,
        *,
        inspect: bool = False,
        checkpoint: str | None = None,
        patches: int | None = None,
    ) -> Segmentation:
        if not segmenters:
            raise CheckpointError("No checkpoint is loaded: start the page with --checkpoint FOLDER_OR_ID.")
        if checkpoint and checkpoint not in segmenters:
            raise CheckpointError("There is no checkpoint of that name: choose one of those shown.")
        try:
            return run(photo, expression, inspect, checkpoint or next(iter(segmenters)), patches)
        except (PhotoError, ExpressionError, gr.Error):  # gr.Error: ZeroGPU's own words, such as a quota used up
            raise
        except Exception as error:
            logging.error("An answer failed:\n%s", frames(error))
            raise FaultError(
                "Something went wrong here, not with your photo: try once more, or another photo."
            ) from None

    return ask


def timed_open(path: str | None) -> tuple[Image.Image, float]:
    """The photo at `path`, and the seconds that opening it took. Raises PhotoError."""
    started = time.perf_counter()
    photo = open_photo(path)
    return photo, time.perf_counter() - started


def with_opening(segmentation: Segmentation, seconds: float) -> Segmentation:
    """`segmentation` with the time of an opening that took place outside the segmenter counted in."""
    timings = segmentation.timings
    return replace(segmentation, timings={**timings, "open": seconds, "total": timings["total"] + seconds})
