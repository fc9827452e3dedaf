"""What the tabs let a visitor do with the insides, and which of it asks the model."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from slvit.page.examples import photo_path
from slvit.pictures import word_shares
from tests.browser.conftest import served
from tests.browser.test_access import open_tab
from tests.browser.test_walk import OTHER_PHOTO, PHOTO, answer, pixels, sideways


@pytest.fixture
def page(visit) -> Page:
    page = visit()
    answer(page, PHOTO, "all the chickens")
    return page


def test_channels_are_summed_up_in_three_ways_without_the_model(page, counting):
    calls = counting.calls
    first = '#stages [data-stage="1"] canvas'
    seen = [pixels(page, first)]
    page.locator('#stages [data-key="components"]').click()
    expect(page.locator("#stages p.bar")).to_have_count(
        8
    )  # before and after of four stages; the change keeps its scale
    seen.append(pixels(page, first))
    page.locator('#stages [data-key="channel"]').click()
    page.wait_for_function("() => slvit.channelsOf.has(slvit.shown.answer.answer)")
    seen.append(pixels(page, first))
    slider = page.locator('#stages input[name="channel-1"]')
    slider.fill("1" if slider.input_value() != "1" else "2")
    seen.append(pixels(page, first))
    assert all(one != other for one, other in zip(seen, seen[1:], strict=False))
    page.locator('#stages [data-key="mean"]').click()
    assert pixels(page, first) == seen[0]
    assert counting.calls == calls


def test_one_channel_is_that_channel_before_and_after(page, counting):
    page.locator('#stages [data-key="channel"]').click()
    page.wait_for_function("() => slvit.channelsOf.has(slvit.shown.answer.answer)")
    inspection = counting.segmenter.segment(PHOTO, "all the chickens", inspect=True).inspection
    for stage, number in ((0, 5), (2, 17)):
        plain, enhanced = (kind[stage][number] for kind in (inspection.features, inspection.enhanced_features))
        low, high = np.percentile(np.stack([plain, enhanced]), (0.5, 99.5))
        page.locator(f'#stages input[name="channel-{stage + 1}"]').fill(str(number + 1))
        for offset, values in enumerate((plain, enhanced)):
            shown = page.evaluate(
                """([stage, column]) => { const row = document.querySelector(`#stages [data-stage="${stage}"]`);
                const ends = row.querySelectorAll('figure')[column].querySelectorAll('.bar span');
                return [...ends].map(end => Number(end.textContent)); }""",
                [stage + 1, offset],
            )
            assert shown == pytest.approx([low, high], rel=0.01, abs=0.01)
            meant = np.floor(np.clip((values - low) / (high - low), 0, 1) * 255 + 0.5)
            drawn = page.evaluate(
                "([stage, number, key]) => [...slvit.oneChannel(slvit.insidesNow(), stage, number)[key].levels]",
                [stage, number, ("before", "after")[offset]],
            )
            assert np.abs(np.array(drawn).reshape(values.shape) - meant).max() <= 1


def test_zoom_shows_one_piece_in_all_pictures(page, counting):
    calls = counting.calls
    boards = page.locator("#stages canvas")
    whole = [pixels(page, f'#stages [data-stage="{row}"] canvas') for row in (1, 4)]
    page.locator('#stages input[name="zoom"]').fill("4")
    closer = [pixels(page, f'#stages [data-stage="{row}"] canvas') for row in (1, 4)]
    assert all(one != other for one, other in zip(whole, closer, strict=True))
    frame = page.locator("#stages .movable").first
    frame.press("ArrowRight")
    moved = [pixels(page, f'#stages [data-stage="{row}"] canvas') for row in (1, 4)]
    assert all(one != other for one, other in zip(closer, moved, strict=True))
    box = frame.bounding_box()
    page.mouse.move(box["x"] + 100, box["y"] + 60)
    page.mouse.down()
    page.mouse.move(box["x"] + 60, box["y"] + 90)
    page.mouse.up()
    assert pixels(page, '#stages [data-stage="4"] canvas') != moved[1]  # dragged in stage 1, moved in stage 4
    page.locator('#stages input[name="zoom"]').fill("1")
    assert pixels(page, '#stages [data-stage="1"] canvas') == whole[0]
    assert boards.count() == 12 and counting.calls == calls


def test_a_new_run_asks_the_model_and_shows_what_changed(page, counting):
    open_tab(page, "uncertainty")
    calls = counting.calls
    expect(page.locator("#rerun .flag")).to_have_text("New run")
    page.locator("#rerun-button").click()  # URCE off is the first thing that one would ask
    figures = page.locator(".rerun-answer figure")
    expect(figures).to_have_count(3)
    assert counting.calls == calls + 1 and counting.patches[-1] == 0
    expect(figures.nth(1)).to_contain_text("without URCE")
    truth, off = (
        counting.segmenter.segment(PHOTO, "all the chickens", patches=patches).probability for patches in (None, 0)
    )
    one, other = truth >= 0.6, off >= 0.6
    page.locator('input[name="rerun-threshold"]').fill("0.6")
    told = page.locator(".rerun-answer .say").inner_text()
    overlap = 100 * (one & other).sum() / (one | other).sum()
    assert float(told.split()[-2]) == pytest.approx(overlap, abs=0.5)
    assert counting.calls == calls + 1

    page.locator('input[name="rerun-urce"]').check()
    page.locator('input[name="rerun-patches"]').fill("3")
    page.locator("#rerun-button").click()
    expect(figures.nth(1)).to_contain_text("with URCE, K = 3")
    assert counting.patches[-1] == 3
    answer(page, OTHER_PHOTO, "the cup")  # another answer: the run belonged to the last one
    expect(figures).to_have_count(0)


def test_nothing_changes_on_the_screen_outside_the_rewritten_patches(page):
    page.locator('#stages input[name="outlines"]').uncheck()
    assert (
        page.evaluate(
            """() => { const { patches } = slvit.insidesNow().uncertainty;
        const data = board => board.getContext('2d').getImageData(0, 0, board.width, board.height).data;
        return [1, 2, 3, 4].map(stage => {
          const boards = [...document.querySelectorAll(`#stages [data-stage="${stage}"] canvas`)];
          const [before, after] = boards.map(data), { width } = boards[0], { height } = boards[0];
          const inside = at => patches.some(({ box: [left, top, right, bottom] }) => {
            const x = at % width, y = Math.floor(at / width);
            return x >= Math.round(left * width) && x < Math.round(right * width)
              && y >= Math.round(top * height) && y < Math.round(bottom * height); });
          let within = 0, without = 0;
          for (let at = 0; at < width * height; at += 1)
            if ([0, 1, 2].some(channel => before[at * 4 + channel] !== after[at * 4 + channel]))
              inside(at) ? within += 1 : without += 1;
          return within > 0 && without === 0; }); }"""
        )
        == [True] * 4
    )


def test_the_keyboard_stays_where_it_was_when_a_tab_is_drawn_anew(page):
    page.locator('#stages [data-key="channel"]').press("Enter")
    page.wait_for_function("() => slvit.channelsOf.has(slvit.shown.answer.answer)")
    expect(page.locator('#stages [data-key="channel"]')).to_be_focused()
    open_tab(page, "uncertainty")
    page.locator("#rerun-button").press("Enter")
    expect(page.locator(".rerun-answer figure")).to_have_count(3)
    expect(page.locator("#rerun-button")).to_be_focused()


def test_a_new_run_starts_from_the_visitors_threshold(page):
    page.locator('input[name="threshold"]').fill("0.8")
    open_tab(page, "uncertainty")
    page.locator("#rerun-button").click()
    expect(page.locator('input[name="rerun-threshold"]')).to_have_value("0.8")


def test_what_it_would_be_without_urce_is_a_click_away(page, counting):
    expect(page.locator(".slvit-overview .say b")).to_have_text("10 of 70")
    page.locator(".slvit-overview .link").click()
    expect(page.locator(".rerun-answer figure")).to_have_count(3)
    assert counting.patches[-1] == 0


def test_a_place_tells_which_words_speak_for_it(page, counting):
    calls = counting.calls
    open_tab(page, "words")
    inspection = counting.segmenter.segment(PHOTO, "all the chickens", inspect=True).inspection
    shares = word_shares(inspection, counting.model.config.text_config.hidden_size)
    box = page.locator("#words canvas").bounding_box()
    for x, y in ((0.13, 0.48), (0.82, 0.91)):
        page.locator("#words canvas").click(position={"x": x * box["width"], "y": y * box["height"]})
        shown = page.locator(".speakers tbody tr").evaluate_all(
            "rows => rows.map(row => [...row.querySelectorAll('td')].map(cell => parseInt(cell.textContent)))"
        )
        here = [stage[:, int(y * stage.shape[1]), int(x * stage.shape[2])] for stage in shares]
        np.testing.assert_allclose(np.array(shown).T, 100 * np.array(here), atol=1)
    assert counting.calls == calls


@pytest.fixture(scope="module")
def url_of_two(counting) -> Iterator[str]:
    yield from served({"first": counting, "second": counting})


def test_two_checkpoints_stand_side_by_side(url_of_two, visit, artefacts):
    page = visit(820, address=url_of_two)
    answer(page, str(photo_path("cow.jpg")), "the largest cow")
    open_tab(page, "compare")
    page.fill("#lines textarea", "the largest cow\nthe grass")
    page.locator("#compare-button").click()
    expect(page.locator(".versus")).to_have_count(2)
    expect(page.locator(".versus").first.locator("figure")).to_have_count(2)
    expect(page.locator(".versus").first).to_contain_text("100 %")  # the same weights: the same mask
    assert pixels(page, ".versus figure:nth-child(1) canvas") == pixels(page, ".versus figure:nth-child(2) canvas")
    assert sideways(page) == 0
    page.locator("#tabs").screenshot(path=artefacts / "two-checkpoints-820-light.png")
