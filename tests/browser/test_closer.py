"""A closer look: the same photo and words with more pixels of the photo, beside the first answer."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from slvit.errors import FaultError
from slvit.page.ask import CLOSER
from slvit.page.examples import photo_path
from slvit.segmenter import prepared

FIRST, CLOSE = "320 × 224", "320 × 224 + 480 × 320"  # what the model sees of the chickens


def mask(page: Page) -> str:
    return page.locator(".stage canvas").evaluate("board => board.toDataURL()")


def stage_1(page: Page, width: int) -> None:
    page.wait_for_function("width => slvit.insidesNow()?.stages[0].before.w === width", arg=width)


def test_it_sees_more_and_stands_beside_the_first(visit, counting):
    page = visit()
    closer = page.locator(".closer")
    expect(closer).to_be_hidden()
    page.locator('[data-photo="chickens.jpg"]').click()
    expect(page.locator(".times")).to_contain_text(FIRST)
    stage_1(page, 80)
    expect(page.locator(".slvit-overview .say")).not_to_contain_text("the mean of looks")
    first, calls = mask(page), counting.calls
    closer.click()
    expect(page.locator(".times")).to_contain_text(CLOSE)
    stage_1(page, 120)
    expect(closer).to_be_hidden()  # none is closer
    second = mask(page)
    assert counting.calls == calls + 1 and first != second
    expect(page.locator(".slvit-overview .say")).to_contain_text(f"the mean of looks at {CLOSE} pixels")
    with page.expect_download() as download:
        page.locator('[data-what="report"]').click()
    assert f"the mean of looks at {CLOSE} pixels" in Path(download.value.path()).read_text("utf-8")

    with page.expect_download() as download:
        page.locator('[data-what="json"]').click()
    told = json.loads(Path(download.value.path()).read_text("utf-8"))
    look = counting.segmenter.processor.image_processor.at((256, CLOSER))
    photo = prepared(Image.open(photo_path("chickens.jpg")), look)
    assert told["area"] == counting.segmenter.segment(photo, told["expression"]).mask.sum()

    calls = counting.calls
    for width, seen in ((80, first), (120, second)):
        page.locator("#visit button").last.click()
        stage_1(page, width)
        assert mask(page) == seen and closer.is_visible() == (width == 80)
    expect(page.locator("#visit button")).to_have_count(2)
    assert counting.calls == calls


def test_nothing_moves_when_its_button_goes(visit):
    page = visit(390)
    top = "document.querySelector('{}').getBoundingClientRect().top"
    below = f"{top.format('.facts')} - {top.format('.stage')}"
    page.locator('[data-photo="chickens.jpg"]').click()
    stage_1(page, 80)
    first = page.evaluate(below)
    page.locator(".closer").click()
    stage_1(page, 120)
    expect(page.locator(".closer")).to_be_hidden()
    assert page.evaluate(below) == first


def test_the_model_runs_again_on_what_it_saw(visit, counting):
    page = visit()
    page.locator('[data-photo="chickens.jpg"]').click()
    page.locator(".closer").click()
    stage_1(page, 120)
    page.locator("#tabs [role=tab]").get_by_text("Uncertainty").click()
    page.locator("#rerun-button").click()
    expect(page.locator(".rerun-answer .row figure")).to_have_count(3)
    assert counting.sizes[-2:] == [(320, 480), (320, 480)] and counting.patches[-1] == 0


def test_its_link_looks_closer_too(visit, counting):
    page = visit()
    page.locator('[data-photo="chickens.jpg"]').click()
    page.locator(".closer").click()
    stage_1(page, 120)
    other, calls = visit(), counting.calls
    other.goto(page.url)
    expect(other.locator(".times")).to_contain_text(CLOSE)
    assert counting.calls == calls + 1
    other.locator('[data-photo="cow.jpg"]').click()  # the link counts for its own answer alone
    expect(other.locator(".closer")).to_be_visible()


def test_after_a_fault_it_can_be_asked_again(visit, counting, monkeypatch: pytest.MonkeyPatch):
    page = visit()
    page.locator('[data-photo="chickens.jpg"]').click()
    stage_1(page, 80)

    def fail(*_, **__):
        raise FaultError("Something went wrong here, not with your photo: try once more, or another photo.")

    with monkeypatch.context() as broken:
        broken.setattr(counting, "segment", fail)
        page.locator(".closer").click()
        expect(page.locator("#notice .error")).to_contain_text("Something went wrong")
    expect(page.locator(".closer")).to_have_text("Look closer")
    page.locator(".closer").click()
    expect(page.locator(".times")).to_contain_text(CLOSE)
