"""Masks step where the photo does."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from PIL import Image

from slvit.edges import GUIDE_PIXELS, follow_edges, guide_of


def test_a_blurred_step_moves_to_the_edge_of_the_photo() -> None:
    """The network steps over 9 pixels and 3 too late; the photo at once, at column 200 of 400."""
    guide = np.full((300, 400), 60, np.uint8)
    guide[:, 200:] = 200
    coarse = np.zeros((192, 256), np.float32)
    coarse[:, 131:] = 1  # column 128 is where the photo steps
    coarse = cv2.blur(coarse, (9, 9))
    plain = cv2.resize(coarse, (400, 300))
    refined = follow_edges(plain.copy(), coarse, guide)
    truth = guide > 100
    wrong = ((refined > 0.5) != truth).mean()
    assert refined.shape == (300, 400) and wrong < 0.4 * ((plain > 0.5) != truth).mean()
    assert np.ptp(refined[150, 198:203]) > 1.5 * np.ptp(plain[150, 198:203])


def test_on_flat_ground_nothing_moves() -> None:
    guide = np.full((240, 320), 128, np.uint8)
    yy, xx = np.mgrid[:192, :256]
    coarse = 1 / (1 + np.exp(-(60 - np.hypot(yy - 96, xx - 128)) / 4)).astype(np.float32)
    plain = cv2.resize(coarse, (320, 240))
    refined = follow_edges(plain.copy(), coarse, guide) > 0.5
    plain = plain > 0.5
    assert (refined & plain).sum() / (refined | plain).sum() > 0.97


def test_what_the_network_is_sure_of_stays() -> None:
    """A photo of noise moves no pixel whose probability is nearly 0 or 1, so the most probable place stays too."""
    rng = np.random.default_rng(0)
    guide = rng.integers(0, 256, (192, 256), dtype=np.uint8)
    coarse = np.zeros((192, 256), np.float32)
    coarse[60:120, 80:160] = 0.999
    coarse = cv2.blur(coarse, (9, 9))
    refined = follow_edges(coarse.copy(), coarse, guide)
    sure = (coarse < 0.002) | (coarse > 0.998)
    assert np.abs(refined - coarse)[sure].max() < 0.01 and np.abs(refined - coarse)[~sure].max() > 0.05
    assert coarse.ravel()[refined.argmax()] > 0.99


def test_the_most_probable_place_stays() -> None:
    """Beside an edge lies a spark far brighter than what is meant: brightness speaks for it, the network does not."""
    guide = np.full((192, 256), 60, np.uint8)
    guide[:, 128:] = 140
    guide[90:100, 131:134] = 255
    coarse = np.zeros((192, 256), np.float32)
    coarse[:, 128:] = 0.97
    coarse = cv2.blur(coarse, (5, 5))
    coarse[20, 200] = 0.971
    assert follow_edges(coarse.copy(), coarse, guide).argmax() == coarse.argmax()


@pytest.mark.parametrize("size", [(1, 1), (3, 500), (640, 480), (6000, 2000)])
def test_any_size(size: tuple[int, int]) -> None:
    guide = guide_of(Image.new("RGB", size, "teal"))
    assert guide.size <= GUIDE_PIXELS and guide.dtype == np.uint8
    refined = follow_edges(np.full(guide.shape, 0.7, np.float32), np.full((32, 64), 0.7, np.float32), guide)
    assert refined.shape == guide.shape and np.allclose(refined, 0.7, atol=1e-3)
