"""Lists of photos and expressions in blocks of neighbouring lines: what is opened, answered and repeated as one.

Which pairs share a forward pass follows from their block alone. So a block has the same answers to the byte whoever
answers it, one machine or one of a cluster's actors, and from whichever of its lines a stopped run goes on.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from slvit.errors import ExpressionError, PhotoError
from slvit.facts import facts
from slvit.processor import SLViTImageProcessor
from slvit.segmenter import PreparedPhoto, ReferringSegmenter, Segmentation, prepare_photo

LINES = 64  # of a block: some seconds of a CPU, and 13 MB of photos at 256×256, up to 77 MB with guides of their edges


@dataclass(frozen=True)
class Pair:
    """One line of the list; `wrong` says why it cannot be answered at all."""

    line: int  # counted from 1, empty lines too
    photo: str | None = None
    expression: str | None = None
    id: Any = None
    wrong: str | None = None

    def head(self) -> dict[str, Any]:
        """What a line of the results starts with."""
        head = {"line": self.line, "photo": self.photo, "expression": self.expression}
        return head if self.id is None else {**head, "id": self.id}


@dataclass(frozen=True)
class Block:
    """Neighbouring pairs of a list, whose relative paths start from `folder`."""

    pairs: list[Pair]
    folder: Path


Photos = dict[str, PreparedPhoto | str]  # by their path in the list; a text says why it cannot be opened


def read_list(path: Path) -> Iterator[Pair]:
    """The pairs of a JSON lines file, one after another, however long it is. Empty lines are no pairs."""
    with path.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            if line.strip():
                yield _read_pair(number, line)


def read_blocks(path: Path) -> Iterator[Block]:
    """The same, LINES pairs at a time."""
    pairs = read_list(path)
    folder = path.parent.absolute()  # a cluster's processes run elsewhere
    while block := list(islice(pairs, LINES)):
        yield Block(block, folder)


def _read_pair(number: int, line: bytes) -> Pair:
    try:
        content = json.loads(line, parse_constant=_finite, parse_float=_finite)
    except (ValueError, RecursionError):
        return Pair(number, wrong=f"Line {number} of the list is no JSON.")
    if not isinstance(content, dict):
        return Pair(number, wrong=f"Line {number} of the list is no JSON object.")
    photo, expression = content.get("photo"), content.get("expression")
    if not isinstance(photo, str) or not isinstance(expression, str):
        return Pair(number, id=content.get("id"), wrong=f'Line {number} needs a text "photo" and a text "expression".')
    return Pair(number, photo, expression, content.get("id"))


def _finite(text: str) -> float:
    """Python would read NaN, Infinity and 1e999, and write them into the results as no other reader of JSON takes."""
    if not math.isfinite(number := float(text)):
        raise ValueError(f"{text} is no number that JSON has")
    return number


def prepare_block(block: Block, image_processor: SLViTImageProcessor) -> Photos:
    """Opens and resizes the block's photos, each once."""
    photos: Photos = {}
    for pair in block.pairs:
        if pair.wrong is None and pair.photo not in photos:
            try:
                photos[pair.photo] = prepare_photo(block.folder / pair.photo if pair.photo else b"", image_processor)
            except PhotoError as error:
                photos[pair.photo] = str(error)
    return photos


def answer_block(
    segmenter: ReferringSegmenter,
    block: Block,
    photos: Photos,
    *,
    threshold: float,
    batch: int = 1,
    answered: int = 0,
) -> Iterator[dict[str, Any]]:
    """One result for each of the block's pairs, in order, but the first `answered` of them.

    photos: of `prepare_block`. batch: at most so many pairs share a forward pass. A pair that cannot be answered gives
    a result with "error".
    """
    shares = _shares(segmenter, block, photos, batch)
    known: dict[int, Segmentation] = {}
    for number, pair in enumerate(block.pairs):
        if number < answered:
            continue
        try:
            if pair.wrong:
                raise ExpressionError(pair.wrong)
            photo = photos[pair.photo]
            if isinstance(photo, str):
                raise PhotoError(photo)
            if number in shares and number not in known:
                these = shares[number]
                pairs = [block.pairs[one] for one in these]
                found = segmenter.segment_batch([photos[one.photo] for one in pairs], [one.expression for one in pairs])
                known.update(zip(these, found, strict=True))
            segmentation = known.pop(number, None) or segmenter.segment(segmenter.encode(photo), pair.expression)
        except (PhotoError, ExpressionError) as error:
            yield {**pair.head(), "error": str(error)}
        else:
            result = facts(segmentation, threshold)
            del result["timings"]
            yield {**pair.head(), **result}


def _shares(segmenter: ReferringSegmenter, block: Block, photos: Photos, batch: int) -> dict[int, list[int]]:
    """Of each pair that shares a forward pass, by its number in the block: the numbers of all that share it.

    They are pairs whose photos the model sees at the same shapes. None with a batch of one, where a photo's next
    expression is answered from what is remembered of the photo.
    """
    if batch == 1:
        return {}
    by_shapes: dict[tuple[tuple[int, ...], ...], list[int]] = {}
    for number, pair in enumerate(block.pairs):
        photo = photos.get(pair.photo)
        if pair.wrong is None and isinstance(photo, PreparedPhoto) and _readable(segmenter, pair.expression):
            by_shapes.setdefault(photo.shapes, []).append(number)
    groups = [numbers[i : i + batch] for numbers in by_shapes.values() for i in range(0, len(numbers), batch)]
    return {number: group for group in groups for number in group}


def _readable(segmenter: ReferringSegmenter, expression: str) -> bool:
    try:
        segmenter.processor.read([expression])
    except ExpressionError:
        return False
    return True
