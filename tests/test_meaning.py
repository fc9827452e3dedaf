"""What must hold whatever the photo's shape: flips, sizes, padding and batches keep their meaning."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from models import inputs, small_model
from PIL import Image

from slvit import ReferringSegmenter
from slvit.photo import TURNS, open_photo
from slvit.processor import SLViTProcessor, input_size

few = settings(
    max_examples=12,
    deadline=None,
    derandomize=True,  # the same examples at every run
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],  # a segmenter may serve all examples
)
aspects = st.tuples(st.integers(1, 8), st.integers(1, 8))  # width : height, from 1:8 to 8:1
cells = st.integers(2, 6)
MODEL = small_model()
WORDS = ["the", "dog", "cat", "on", "left", "right", "red", "word"]


@st.composite
def photos(draw: st.DrawFn) -> Image.Image:
    """Photos of any aspect from 1:8 to 8:1, smooth enough to have parts."""
    width, height = draw(aspects)
    unit = draw(st.integers(17, 60))
    pixels = np.random.default_rng(draw(st.integers(0, 99))).integers(0, 255, (6, 8, 3), dtype=np.uint8)
    return Image.fromarray(pixels).resize((width * unit, height * unit), Image.Resampling.BICUBIC)


expressions = st.lists(st.sampled_from(WORDS), min_size=1, max_size=5).map(" ".join)


@few
@given(photos(), expressions)
def test_any_aspect_is_answered_at_the_photos_own_size(
    segmenter: ReferringSegmenter, photo: Image.Image, expression: str
) -> None:
    answer = segmenter.segment(photo, expression, inspect=True)
    assert answer.mask.shape == answer.probability.shape == (photo.height, photo.width)
    assert np.isfinite(answer.probability).all() and 0 <= answer.confidence <= 1
    H, W = answer.inspection.input_size
    assert (H, W) == input_size(photo.height, photo.width, 128)
    assert answer.inspection.uncertainty.shape == (H // 32, W // 32)


@few
@given(photos(), st.sampled_from(list(TURNS.values())))
def test_a_turned_photo_reaches_the_model_turned_and_nothing_else(
    processor: SLViTProcessor, photo: Image.Image, turn: Image.Transpose
) -> None:
    straight = Image.fromarray(processor.image_processor.looks(photo)[0]).transpose(turn)
    turned = processor.image_processor.looks(photo.transpose(turn))[0]
    if straight.size[::-1] == turned.shape[:2]:  # halves of 32 may round the other way
        assert np.abs(np.asarray(straight, int) - turned).mean() < 2


@few
@given(photos(), st.sampled_from(list(TURNS.values())))
def test_logits_come_back_to_where_they_were_seen(
    processor: SLViTProcessor, photo: Image.Image, turn: Image.Transpose
) -> None:
    H, W = input_size(photo.height, photo.width, 128)
    difference = np.asarray(Image.effect_noise((W // 16, H // 16), 60).resize((W, H)), np.float32) / 32 - 4
    flips = {Image.Transpose.FLIP_LEFT_RIGHT: np.fliplr, Image.Transpose.FLIP_TOP_BOTTOM: np.flipud}
    flip = flips.get(turn, lambda array: np.rot90(array, 2))
    size = (photo.height, photo.width)
    logits, flipped = (
        torch.from_numpy(np.stack([np.zeros_like(d), d])) for d in (difference, np.ascontiguousarray(flip(difference)))
    )
    assert np.allclose(processor.probability(flipped, size), flip(processor.probability(logits, size)), atol=1e-4)


@few
@given(photos(), st.sampled_from([2, 3, 5]))
def test_a_larger_copy_of_a_photo_is_the_same_to_the_model(
    processor: SLViTProcessor, photo: Image.Image, factor: int
) -> None:
    larger = photo.resize((photo.width * factor, photo.height * factor), Image.Resampling.BICUBIC)
    seen, seen_larger = (processor.image_processor.looks(image)[0].astype(int) for image in (photo, larger))
    assert seen.shape == seen_larger.shape and np.abs(seen - seen_larger).mean() < 4


@few
@given(cells, cells, st.integers(1, 9), st.integers(1, 9), st.integers(0, 99))
def test_padding_words_change_nothing(h: int, w: int, T: int, padding: int, seed: int) -> None:
    photo, ids, mask = inputs(1, 32 * h, 32 * w, T=T, seed=seed)
    longer = torch.cat([ids, torch.randint(0, 60, (1, padding))], dim=1)
    masked = torch.cat([mask, torch.zeros(1, padding, dtype=mask.dtype)], dim=1)
    with torch.inference_mode():
        plain, padded = MODEL(photo, ids, mask).logits, MODEL(photo, longer, masked).logits
    torch.testing.assert_close(padded, plain, atol=2e-4, rtol=1e-3)


@few
@given(cells, cells, st.integers(2, 4), st.integers(1, 9), st.integers(0, 99))
def test_a_batch_is_its_members(h: int, w: int, B: int, T: int, seed: int) -> None:
    photos, ids, mask = inputs(B, 32 * h, 32 * w, T=T, seed=seed)
    with torch.inference_mode():
        together = MODEL(photos, ids, mask).logits  # B×2×H×W
        alone = torch.cat([MODEL(photos[b : b + 1], ids[b : b + 1], mask[b : b + 1]).logits for b in range(B)])
    torch.testing.assert_close(together, alone, atol=2e-4, rtol=1e-3)


@few
@given(photos())
def test_opening_again_changes_nothing(photo: Image.Image) -> None:
    assert open_photo(open_photo(photo.convert("RGBA"))).tobytes() == photo.tobytes()
