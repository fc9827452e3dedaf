"""A photo comes by drag and drop, or from the clipboard."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from tests.browser.test_walk import OTHER_PHOTO


@pytest.fixture
def page(visit) -> Page:
    page = visit()
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    return page


def ask(page: Page, expression: str) -> list[int]:
    """Asks about the photo that is there; the photo's width and height."""
    page.wait_for_selector("#photo img", state="attached")  # hidden where the browser cannot show it
    page.fill("#expression textarea, #expression input", expression)
    page.keyboard.press("Enter")
    expect(page.locator(".verdict q")).to_have_text(expression)
    return page.evaluate("slvit.shown.answer.size")


def test_drop(page):
    data = base64.b64encode(Path(OTHER_PHOTO).read_bytes()).decode()
    transfer = page.evaluate_handle(
        """data => { const transfer = new DataTransfer();
        const bytes = Uint8Array.from(atob(data), letter => letter.charCodeAt(0));
        transfer.items.add(new File([bytes], 'coffee.jpg', { type: 'image/jpeg' }));
        return transfer; }""",
        data,
    )
    page.locator("#photo button:has(input[type=file])").dispatch_event("drop", {"dataTransfer": transfer})
    assert ask(page, "the cup") == [600, 400]


def test_paste(page):
    page.evaluate(
        """async () => { const board = Object.assign(document.createElement('canvas'), { width: 90, height: 60 });
        board.getContext('2d').fillRect(20, 20, 30, 30);
        const blob = await new Promise(done => board.toBlob(done));
        await navigator.clipboard.write([new ClipboardItem({ 'image/png': blob })]); }"""
    )
    page.get_by_label("Paste from clipboard").click()
    assert ask(page, "the square") == [90, 60]


def test_a_photo_that_browsers_cannot_show_is_answered_and_words_stand_in_its_place(page, tmp_path):
    Image.open(OTHER_PHOTO).save(tmp_path / "coffee.tif")
    page.set_input_files("#photo input[type=file]", tmp_path / "coffee.tif")
    page.wait_for_selector("#photo.unseen")
    assert ask(page, "the cup") == [600, 400]
    page.locator('[data-photo="cow.jpg"]').click()
    page.wait_for_selector("#photo:not(.unseen)")
