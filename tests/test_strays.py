"""Pieces that the network is clearly less sure of leave the mask; all else stays as it is."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch

from slvit.processor import SLViTImageProcessor, SLViTProcessor
from slvit.strays import TURNED, without_strays


def field(*pieces: tuple[slice, slice, float], size: tuple[int, int] = (60, 80)) -> np.ndarray:
    """Logits: -3 everywhere but in the pieces."""
    logit = np.full(size, -3, np.float32)
    for rows, columns, value in pieces:
        logit[rows, columns] = value
    return logit


MAIN = (slice(5, 35), slice(5, 35), 2.2)  # probability 0.9
DOUBTFUL = (slice(40, 50), slice(60, 75), 0.6)  # 0.65
SECOND = (slice(5, 35), slice(50, 70), 1.8)  # 0.86: the other of "both dogs"
SPECK = (slice(55, 57), slice(2, 4), 6.0)  # 0.998, four pixels


def test_a_doubtful_piece_leaves_and_a_second_object_stays() -> None:
    logit = field(MAIN, DOUBTFUL, SECOND)
    kept = without_strays(logit)
    assert np.all(kept[40:50, 60:75] == np.float32(TURNED * 0.6))
    kept[40:50, 60:75] = 0.6
    assert np.array_equal(kept, logit)


def test_a_sure_speck_does_not_take_the_mask_away() -> None:
    """The main piece is the largest, not the surest: a reflection of four pixels must not cost the dog."""
    logit = field((slice(5, 35), slice(5, 35), 0.8), SPECK)
    assert np.array_equal(without_strays(logit), logit)


def test_corners_hold_a_piece_together() -> None:
    logit = field(MAIN, (slice(35, 45), slice(35, 45), 0.6))
    assert without_strays(logit) is logit


@pytest.mark.parametrize("logit", [field(), field(MAIN), field(size=(1, 1)), np.full((32, 32), 1e4, np.float32)])
def test_nothing_to_do(logit: np.ndarray) -> None:
    assert without_strays(logit) is logit


def test_extreme_logits_make_no_warning() -> None:
    with np.errstate(all="raise"):
        kept = without_strays(field((slice(0, 20), slice(0, 20), 1e5), DOUBTFUL, (slice(50, 60), slice(0, 5), -1e5)))
    assert (kept > 0).sum() == 400


@pytest.mark.parametrize("drops", [False, True])
def test_the_processor_drops_them_where_its_config_says_so(processor: SLViTProcessor, drops: bool) -> None:
    processor = SLViTProcessor(SLViTImageProcessor(drop_strays=drops), processor.tokenizer)
    logit = torch.from_numpy(cv2.blur(field(MAIN, DOUBTFUL), (5, 5)))  # as smooth as a network's
    probability = processor.probability(torch.stack([torch.zeros_like(logit), logit]), (120, 160))
    assert (probability[20:60, 20:60] > 0.8).all()
    doubtful = probability[70:110, 110:160]
    assert (doubtful >= 0.5).any() == (not drops)
    assert doubtful.max() > 0.4  # still to be seen in the map of probabilities
