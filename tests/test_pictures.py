"""Pictures say what the arrays say."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageFont

from slvit import pictures
from slvit.pictures import (
    contact_sheet,
    cutout,
    heat,
    mask_picture,
    outline,
    overlay,
    own_range,
    patch_boxes,
    scaled,
    shared_range,
    stage_pictures,
    summary,
    uncertainty_picture,
    word_maps,
)


@pytest.fixture
def square(photo) -> np.ndarray:
    """bool H×W of the photo: a square in it."""
    mask = np.zeros((photo.height, photo.width), bool)
    mask[40:100, 50:120] = True
    return mask


@pytest.fixture
def inspection(segmenter, photo):
    return segmenter.segment(photo, "the red dog on the left", inspect=True).inspection


def test_an_overlay_changes_only_the_mask_and_its_edge(photo, square):
    before, after = np.array(photo), np.array(overlay(photo, square, colour=(255, 0, 0), opacity=1.0))
    assert (after[50:90, 60:110] == (255, 0, 0)).all()
    far = np.ones_like(square)
    far[30:110, 40:130] = False
    assert np.array_equal(after[far], before[far])
    half = np.array(overlay(photo, square, colour=(255, 0, 0), opacity=0.5))
    assert half[70, 80, 0] == pytest.approx(before[70, 80, 0] / 2 + 127.5, abs=1)


def test_an_outline_leaves_the_inside(photo, square):
    after = np.array(outline(photo, square, colour=(255, 0, 0)))
    assert np.array_equal(after[50:90, 60:110], np.array(photo)[50:90, 60:110])
    assert (after[40, 60:110] @ (1, -1, -1) > 100).all()  # red, softened at its edge


def test_a_cutout_carries_nothing_of_the_rest(photo, square):
    pixels = np.array(cutout(photo, square))
    assert np.array_equal(pixels[square][:, :3], np.array(photo)[square])
    assert (pixels[square][:, 3] == 255).all() and not pixels[~square].any()
    assert np.array_equal(np.array(mask_picture(square)) == 255, square)


@pytest.mark.parametrize("draw", [overlay, outline, cutout])
def test_a_mask_of_another_size_is_refused(photo, draw):
    with pytest.raises(ValueError, match="same size"):
        draw(photo, np.zeros((3, 5), bool))


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (800, 100)])
def test_odd_sizes_and_modes(size):
    grey = Image.new("L", size, 99)
    for mask in (np.zeros(size[::-1], bool), np.ones(size[::-1], bool)):
        assert overlay(grey, mask).size == cutout(grey, mask).size == size
        assert contact_sheet([(grey, mask, mask, "thin")]).width >= 320


def test_both_maps_of_a_pair_share_one_scale():
    first, second = np.linspace(1, 2, 400), np.linspace(3, 5, 400)
    low, high = shared_range(first, second)
    assert 1 <= low < 1.1 and 4.9 < high <= 5
    assert scaled(first, (low, high)).max() < scaled(second, (low, high)).min()


def test_a_constant_map_has_a_scale():
    flat = np.full((7, 9), 3.0)
    for limits in (own_range(flat), shared_range(flat, flat)):
        assert np.isfinite(scaled(flat, limits)).all()


def test_a_summary_counts_negative_values():
    feature = np.array([[[-2.0, 0.0]], [[2.0, 1.0]]])
    assert summary(feature).tolist() == [[2.0, 0.5]]


def test_a_map_lies_where_it_belongs():
    """The bright corner of the map is the bright corner of the picture, at any aspect."""
    photo = Image.new("RGB", (400, 200), "grey")
    values = np.zeros((4, 8))
    values[0, 7] = 1
    picture = np.array(heat(photo, values, limits=(0, 1), opacity=1, side=400)).astype(int)
    area = picture[28:228]  # below the title
    brightness = area.sum(axis=2)
    row, column = np.unravel_index(brightness.argmax(), brightness.shape)
    assert row < 40 and column > 360


def test_patches_are_where_map_u_is_largest(inspection):
    height, width = inspection.uncertainty.shape
    boxes = patch_boxes(inspection)
    assert len(boxes) == len(inspection.patch_index)
    values = [inspection.uncertainty[round(top * height), round(left * width)] for left, top, _, _ in boxes]
    assert values == sorted(values, reverse=True)
    assert values[0] == inspection.uncertainty.max()


def test_fewer_patches_are_the_first_ones(photo, inspection):
    assert len(inspection.patch_index) > 1
    one, all_of_them = (np.array(uncertainty_picture(photo, inspection, show=show)) for show in (1, None))
    assert one.shape == all_of_them.shape and (one != all_of_them).any()


def test_the_stages_are_four_pairs(photo, inspection):
    pairs = stage_pictures(photo, inspection, side=300)
    assert len(pairs) == 4 and all(pair.width > 600 for pair in pairs)
    assert all(row.width > 900 for row in stage_pictures(photo, inspection, side=300, change=True))


def test_word_pieces_are_joined_and_their_maps_averaged(segmenter, photo):
    inspection = segmenter.segment(photo, "the dogs", inspect=True).inspection
    assert inspection.tokens[2:5] != ["dogs", "[SEP]"]  # this small vocabulary has no plural
    words, maps = word_maps(inspection)
    assert words[0] == "[CLS]" and words[-1] == "[SEP]" and words[1:-1] == ["the", "dogs"]
    pieces = slice(2, len(inspection.tokens) - 1)
    for stage, scores in zip(maps, inspection.word_scores, strict=True):
        assert stage.shape == (4, *scores.shape[1:])
        np.testing.assert_allclose(stage[2], scores[pieces].mean(axis=0), rtol=1e-5)


def test_all_pictures_of_the_insides(photo, inspection):
    drawn = pictures.inspection_pictures(photo, inspection)
    assert list(drawn) == ["stage-1", "stage-2", "stage-3", "stage-4", "uncertainty", "words"]


@pytest.mark.parametrize("size", [(12_000, 16), (16, 12_000), (12_000, 30)])
def test_the_insides_of_a_thin_photo_are_drawn(segmenter, size):
    """Its cells are narrower than the lines around them."""
    photo = Image.new("RGB", size, "teal")
    inspection = segmenter.segment(photo, "the dog", inspect=True).inspection
    for shown in (photo, pictures.smaller(photo, 2048), photo.resize([max(1, side // 10) for side in size])):
        drawn = pictures.inspection_pictures(shown, inspection)
        assert len(drawn) == 6 and all(min(picture.size) > 60 for picture in drawn.values())


def test_compared_masks_each_have_a_colour_and_a_name(photo, square):
    picture = pictures.compared(photo, [square, ~square], ["one", "other"], opacity=1.0)
    pixels = np.array(picture)
    assert tuple(pixels[70, 80]) == pictures.PALETTE[0] and tuple(pixels[10, 10]) == pictures.PALETTE[1]
    assert picture.height > photo.height


def test_a_name_is_clipped_to_what_fits_without_measuring_it_letter_by_letter():
    font, measured = ImageFont.load_default(16), []

    class Counting:
        def getlength(self, text: str) -> float:
            measured.append(len(text))
            return font.getlength(text)

    clipped = pictures._clipped("the dog " * 5000, Counting(), 300)
    assert clipped.endswith("…") and font.getlength(clipped) <= 300
    assert font.getlength(("the dog " * 5000)[: len(clipped)] + "…") > 300
    assert len(measured) < 20 and max(measured) <= 301
    assert pictures._clipped("the dog", font, 300) == "the dog" and pictures._clipped("the dog", font, 1) == "…"


def test_a_contact_sheet_holds_every_row(photo, square):
    rows = [(photo, square, square, f"number {n} " + "word " * 40) for n in range(5)]
    assert contact_sheet(rows, columns=2).height > contact_sheet(rows, columns=5).height
    assert contact_sheet([]).width > 0


def test_principal_colours_tell_what_differs_and_only_that():
    """Two kinds of places, told apart along a direction that no single channel has, are two colours."""
    generator = np.random.default_rng(0)
    direction = generator.normal(size=(12, 1, 1))
    kind = (np.arange(48).reshape(1, 6, 8) % 2) * 2 - 1.0
    feature = (direction * kind + 0.01 * generator.normal(size=(12, 6, 8))).astype(np.float32)
    changed = feature.copy()
    changed[:, 2, 3] = -changed[:, 2, 3]
    before, after = pictures.principal_colours(feature, changed)
    assert before.shape == after.shape == (6, 8, 3)
    assert min(before.min(), after.min()) >= 0 and max(before.max(), after.max()) <= 1
    red = before[..., 0]
    assert abs(red[kind[0] > 0].mean() - red[kind[0] < 0].mean()) > 0.9
    same = np.ones((6, 8), bool)
    same[2, 3] = False
    assert np.array_equal(before[same], after[same])  # one scale and one set of axes for both
    assert abs(before[2, 3, 0] - after[2, 3, 0]) > 0.9
    again, _ = pictures.principal_colours(feature.copy(), changed)
    assert np.array_equal(before, again)


def test_the_shares_of_a_place_are_those_the_network_uses(segmenter, model, photo):
    """They are the weights of equation 5: their mean of the values is what the stage's last block added."""
    inspection = segmenter.segment(photo, "the dogs", inspect=True).inspection
    C_l = model.config.text_config.hidden_size
    shares = pictures.word_shares(inspection, C_l)
    words, _ = word_maps(inspection)
    for share, scores in zip(shares, inspection.word_scores, strict=True):
        assert share.shape == (len(words), *scores.shape[1:])
        np.testing.assert_allclose(share.sum(axis=0), 1, rtol=1e-5)
        weights = np.exp(scores / C_l**0.5) / np.exp(scores / C_l**0.5).sum(axis=0)
        np.testing.assert_allclose(share[1], weights[1], rtol=1e-4)  # a word of one piece
        np.testing.assert_allclose(share[2], weights[2:-1].sum(axis=0), rtol=1e-4)  # a word spelt in pieces


def test_photos_shrink_for_looking_with_their_masks(photo, square):
    assert pictures.smaller(photo, 400) is photo and pictures.smaller_mask(square, photo) is square
    small = pictures.smaller(photo, 100)
    mask = pictures.smaller_mask(square, small)
    assert small.size == (100, 75) and mask.shape == (75, 100)
    assert mask.mean() == pytest.approx(square.mean(), abs=0.02)
    stripes = Image.fromarray(np.tile(np.array([[[0] * 3, [200] * 3]], np.uint8), (8, 40, 1)))  # 80×8, a pixel each
    assert np.array(pictures.smaller(stripes, 20)).min() == np.array(pictures.smaller(stripes, 20)).max() == 100
    few = np.zeros((8, 80), bool)
    few[:, ::2] = True  # half of each cell of four: not more than half
    assert not pictures.smaller_mask(few, pictures.smaller(stripes, 20)).any()


def test_pictures_of_a_stage_differ_in_the_rewritten_patches_only(photo, inspection):
    """Smoothing would carry a patch's values into its neighbours, which URCE leaves as they are."""
    side, title, gap = 320, 28, 12
    height, width = round(side * photo.height / photo.width), side
    inside = np.zeros((height, width), bool)
    for left, top, right, bottom in patch_boxes(inspection):
        inside[round(top * height) : round(bottom * height), round(left * width) : round(right * width)] = True
    for picture in stage_pictures(photo, inspection, side=side, change=True):
        area = np.array(picture)[gap + title : gap + title + height]
        before, after, change = (area[:, start : start + width] for start in range(gap, 3 * (width + gap), width + gap))
        differ = (before != after).any(axis=2)
        assert differ[inside].any() and not differ[~inside].any()
        nothing = np.array(heat(photo, np.zeros((2, 2)), limits=(0, 1), side=side))[title : title + height]
        assert (change[~inside] == nothing[~inside]).all() and (change[inside] != nothing[inside]).any()
