"""The named endpoints: what Python, curl and assistants call. Their docstrings are what such callers read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import gradio as gr
from PIL import Image

from slvit.errors import BusyError, CheckpointError, ExpressionError, FaultError, PhotoError
from slvit.facts import facts
from slvit.page.ask import Ask
from slvit.page.photo_input import photo_input
from slvit.page.photos import OpenPhotos
from slvit.page.turns import Turns
from slvit.pictures import compared, mask_picture, overlay, smaller_mask, stage_pictures, uncertainty_picture

MOST_EXPRESSIONS = 6
SHOWN_SIDE = 2048  # longer side of an overlay: it is for looking at, the mask has the photo's own resolution


def add_endpoints(ask: Ask, turns: Turns, photos: OpenPhotos) -> None:
    """Adds segment, inspect and compare to the page being built. ask: answers with the first checkpoint."""

    def segment(photo: str, expression: str, threshold: float = 0.5) -> tuple[Image.Image, Image.Image, dict[str, Any]]:
        """Find in a photo the pixels that an English expression means, for example "the dog on the left".

        Args:
            photo: Upload or data:image/jpeg;base64,… URL of a JPEG, PNG, WebP, BMP, GIF or TIFF, at most 64 megapixels.
            expression: What to find, in English: a name, a colour, a place, a relation, or any mixture of them.
            threshold: Probability from which a pixel counts as meant, 0 to 1. Lower gives a larger mask.

        Returns:
            overlay: The photo with the mask laid over it, at most 2048 pixels wide and high (JPEG).
            mask: The mask alone, white where meant, in the photo's own resolution (PNG).
            facts: confidence (0 to 1), found (false says: no confident match), area in pixels, box as
                [x, y, width, height], segmentation as COCO RLE, timings in seconds, words read and not read.
        """
        with _turn(turns):
            opened = photos.open(photo)
            segmentation = ask(opened, expression or "")  # JSON's null
            mask = segmentation.probability >= threshold  # H×W
            small = opened.smaller(SHOWN_SIDE)
            return overlay(small, smaller_mask(mask, small)), mask_picture(mask), facts(segmentation, threshold)

    def inspect(
        photo: str, expression: str
    ) -> tuple[Image.Image, Image.Image, Image.Image, Image.Image, Image.Image, dict[str, Any]]:
        """Show how the network came to its answer: what each stage sees, and where the stages disagree.

        Args:
            photo: Upload or data:image/jpeg;base64,… URL of a JPEG, PNG, WebP, BMP, GIF or TIFF, at most 64 megapixels.
            expression: What to find, in English, for example "the cup behind the laptop".

        Returns:
            stage_1: Features of stage 1 (finest) before and after URCE, side by side in one scale.
            stage_2: The same for stage 2.
            stage_3: The same for stage 3.
            stage_4: The same for stage 4 (coarsest).
            uncertainty: Where the stages disagree about the words; the patches that URCE looks at again, numbered.
            facts: confidence, found, area, box, COCO RLE, timings and words, as `segment` gives them.
        """
        with _turn(turns):
            opened = photos.open(photo)
            segmentation = ask(opened, expression or "", inspect=True)
            small = opened.smaller(SHOWN_SIDE)
            stages = stage_pictures(small, segmentation.inspection)
            return *stages, uncertainty_picture(small, segmentation.inspection), facts(segmentation)

    def compare(photo: str, expressions: str) -> tuple[Image.Image, list[dict[str, Any]]]:
        """Find up to six expressions in one photo and show them together, each in its own colour.

        Args:
            photo: Upload or data:image/jpeg;base64,… URL of a JPEG, PNG, WebP, BMP, GIF or TIFF, at most 64 megapixels.
            expressions: Up to six expressions in English, one a line.

        Returns:
            overlay: The photo with all masks and a legend, at most 2048 pixels wide.
            facts: For each expression, in order: the expression and what `segment` says of it.
        """
        with _turn(turns):
            lines = [line.strip() for line in (expressions or "").splitlines() if line.strip()]
            if not lines:
                raise ExpressionError("There is no expression: write up to six, one a line.")
            if len(lines) > MOST_EXPRESSIONS:
                raise ExpressionError(f"There are {len(lines)} expressions: at most {MOST_EXPRESSIONS} are compared.")
            opened = photos.open(photo)
            small, masks, answers = opened.smaller(SHOWN_SIDE), [], []
            for line in lines:  # one at a time: the probabilities of a large photo take 256 MB
                segmentation = ask(opened, line)
                answers.append({"expression": line, **facts(segmentation)})
                masks.append(smaller_mask(segmentation.mask, small))
            return compared(small, masks, lines), answers

    with gr.Row(visible=False):
        photo = photo_input(label="photo")
        expression = gr.Textbox(label="expression")
        expressions = gr.Textbox(label="expressions", lines=MOST_EXPRESSIONS)
        threshold = gr.Slider(0, 1, value=0.5, label="threshold")
        pictures = {
            # Only the mask must be exact. A PNG of a photo takes longer to write than its answer takes to find.
            name: gr.Image(label=name, format="png" if name == "mask" else "jpeg")
            for name in ("overlay", "mask", "stage_1", "stage_2", "stage_3", "stage_4", "uncertainty")
        }
        stages = [pictures[f"stage_{number}"] for number in range(1, 5)]
        told = gr.JSON(label="facts")
        for function, inputs, outputs in (
            (segment, [photo, expression, threshold], [pictures["overlay"], pictures["mask"], told]),
            (inspect, [photo, expression], [*stages, pictures["uncertainty"], told]),
            (compare, [photo, expressions], [pictures["overlay"], told]),
        ):
            # Not queued: Gradio hands an assistant pictures as pictures only then. The segmenter takes turns by itself.
            gr.Button().click(function, inputs, outputs, api_name=function.__name__, queue=False)


@contextmanager
def _turn(turns: Turns) -> Iterator[None]:
    """A place for one answer, and its errors in the form that Gradio hands on."""
    try:
        with turns.turn():
            yield
    except (PhotoError, ExpressionError, CheckpointError, BusyError, FaultError) as error:
        raise gr.Error(str(error), print_exception=False) from error
