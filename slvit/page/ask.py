"""From a checkpoint, a photo and an expression to an answer; where ZeroGPU hands out a GPU."""

from __future__ import annotations

import html
import logging
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

import gradio as gr

from slvit.errors import BusyError, CheckpointError, ExpressionError, FaultError, PhotoError
from slvit.page.log import frames
from slvit.page.photos import OpenPhoto
from slvit.processor import SLViTImageProcessor
from slvit.segmenter import PreparedPhoto, ReferringSegmenter, Segmentation

CLOSER = 384  # a closer look sees about CLOSER² pixels as well: 2.25 times those of the bundled checkpoint alone


class Ask(Protocol):
    def __call__(
        self,
        photo: OpenPhoto,
        expression: str,
        *,
        inspect: bool = False,
        checkpoint: str | None = None,
        patches: int | None = None,
        closer: bool = False,
    ) -> Segmentation: ...


def ask_of(segmenters: dict[str, ReferringSegmenter], gpu: Callable[[Callable], Callable]) -> Ask:
    """The function that answers with one of `segmenters` (by name; the first when none is named).

    gpu: decorator that lends a GPU for a call, as `spaces.GPU`. Raises what `ReferringSegmenter.segment` raises,
    CheckpointError when there is no checkpoint, BusyError in ZeroGPU's own words, such as a quota used up, and
    FaultError, after a note in the log, for anything unforeseen.
    closer: the model sees as many pixels of the photo as in `looking_closer`.
    An answer's timings hold the photo's opening and preparing where this answer is the first to need them.
    """

    @gpu
    def run(photo: PreparedPhoto, expression: str, inspect: bool, checkpoint: str, patches: int | None) -> Segmentation:
        return segmenters[checkpoint].segment(photo, expression, inspect=inspect, patches=patches)

    def ask(
        photo: OpenPhoto,
        expression: str,
        *,
        inspect: bool = False,
        checkpoint: str | None = None,
        patches: int | None = None,
        closer: bool = False,
    ) -> Segmentation:
        if not segmenters:
            raise CheckpointError("No checkpoint is loaded: start the page with --checkpoint FOLDER_OR_ID.")
        if checkpoint and checkpoint not in segmenters:
            raise CheckpointError("There is no checkpoint of that name: choose one of those shown.")
        checkpoint = checkpoint or next(iter(segmenters))
        try:
            image_processor = segmenters[checkpoint].processor.image_processor
            prepared = photo.prepared(checkpoint, looking_closer(image_processor) if closer else image_processor)
            segmentation = run(prepared, expression, inspect, checkpoint, patches)
        except (PhotoError, ExpressionError):
            raise
        except gr.Error as error:  # raised by `gpu`; its words may hold links, the page's notices are plain text
            said = html.unescape(re.sub(r"<[^>]*>", "", str(error.message)))
            raise BusyError(f"No GPU is lent just now: {said}") from None
        except Exception as error:
            logging.error("An answer failed:\n%s", frames(error))
            raise FaultError(
                "Something went wrong here, not with your photo: try once more, or another photo."
            ) from None
        timings = {**segmentation.timings, **photo.seconds()}
        timings["total"] = sum(seconds for step, seconds in timings.items() if step != "total")
        return replace(segmentation, timings=timings)

    return ask


def looking_closer(image_processor: SLViTImageProcessor) -> SLViTImageProcessor:
    """One that shows a model about CLOSER² pixels as well; itself where it shows as many already.

    Of photos of validation the mean of both looks is better than either, see the model card.
    """
    sizes = image_processor.sizes
    return image_processor if max(sizes) >= CLOSER else image_processor.at((*sizes, CLOSER))
