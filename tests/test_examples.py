"""The bundled checkpoint finds what the examples name, judged by masks drawn by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from slvit import ReferringSegmenter
from slvit.page.examples import photo_path, read_examples
from tests.masks import OUTLINES, true_mask

CHECKPOINT = Path(__file__).parents[1] / "checkpoints" / "slvit-tiny"
ASKED = [(example["photo"], expression) for example in read_examples() for expression in example["expressions"]]


@pytest.fixture(scope="module")
def scores() -> dict[tuple[str, str], float]:
    """Intersection over union by (photo, expression)."""
    segmenter = ReferringSegmenter.from_pretrained(CHECKPOINT, device="cpu")
    found = {}
    for name, expression in ASKED:
        photo = Image.open(photo_path(name)).convert("RGB")
        mask, truth = segmenter.segment(photo, expression).mask, true_mask(name, expression, photo.size)
        found[name, expression] = np.count_nonzero(mask & truth) / np.count_nonzero(mask | truth)
    return found


def test_every_expression_of_the_examples_has_a_true_mask():
    drawn = {(photo, expression) for photo, entry in OUTLINES.items() for expression in entry["expressions"]}
    assert drawn == set(ASKED)
    for name, expression in ASKED:
        share = true_mask(name, expression, Image.open(photo_path(name)).size).mean()
        assert 0.002 < share < 0.9, (name, expression)


def test_there_are_six_photos_or_more_each_with_two_or_three_expressions():
    examples = read_examples()
    assert len(examples) >= 6
    assert {len(example["expressions"]) for example in examples} <= {2, 3}
    assert all(max(Image.open(photo_path(example["photo"])).size) <= 1024 for example in examples)


def test_most_examples_are_found(scores):
    missed = {asked: round(iou, 2) for asked, iou in scores.items() if iou <= 0.5}
    right = len(scores) - len(missed)
    print(f"\n{right} of {len(scores)} examples right, mean IoU {np.mean(list(scores.values())):.3f}")
    for (photo, expression), iou in missed.items():
        print(f"  missed: {photo}, {expression!r}: IoU {iou}")
    assert right > len(scores) / 2, missed


def test_an_answer_is_about_the_words_not_only_the_photo(scores):
    """A network that always shows the most striking thing would do badly on what is not striking."""
    segmenter = ReferringSegmenter.from_pretrained(CHECKPOINT, device="cpu")
    photo = Image.open(photo_path("horses.jpg")).convert("RGB")
    sky, horses = (segmenter.segment(photo, expression).mask for expression in ("the sky", "the horses"))
    assert np.count_nonzero(sky & horses) < 0.1 * min(np.count_nonzero(sky), np.count_nonzero(horses))
