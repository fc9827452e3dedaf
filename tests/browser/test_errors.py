"""What goes wrong is said in a sentence on the page, and the page goes on working."""

from __future__ import annotations

import pytest
from PIL import Image
from playwright.sync_api import expect

from slvit.page.examples import photo_path
from tests.browser.test_walk import answer

PHOTO = str(photo_path("coffee.jpg"))


@pytest.fixture
def bad_photos(tmp_path):
    text = tmp_path / "holiday.jpg"
    text.write_text("This is not a photo.")
    dot = tmp_path / "dot.png"
    Image.new("RGB", (1, 1)).save(dot)
    cut = tmp_path / "cut.jpg"
    cut.write_bytes(photo_path("cow.jpg").read_bytes()[:20000])
    huge = tmp_path / "huge.png"
    Image.new("1", (12000, 9000)).save(huge)
    return {"holiday.jpg": text, "dot.png": dot, "cut.jpg": cut, "huge.png": huge}


def test_no_photo_and_no_words(visit):
    page = visit()
    page.locator("#segment").click()
    expect(page.locator(".notice.error")).to_contain_text("photo")
    page.set_input_files("#photo input[type=file]", PHOTO)
    page.wait_for_selector("#photo img")
    page.locator("#segment").click()
    expect(page.locator(".notice.error")).to_contain_text("expression")
    answer(page, PHOTO, "the cup")
    expect(page.locator(".notice.error")).to_have_count(0)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("holiday.jpg", "is not a photo"),
        ("dot.png", "1 × 1"),
        ("cut.jpg", "damaged"),
        ("huge.png", "12000 × 9000"),
    ],
)
def test_bad_photos_keep_the_last_answer(visit, bad_photos, name, said):
    page = visit()
    answer(page, PHOTO, "the cup")
    page.locator("#photo").get_by_label("Remove Image").click()
    page.set_input_files("#photo input[type=file]", bad_photos[name])
    page.wait_for_function("() => document.querySelector('#photo img')")
    page.locator("#segment").click()
    expect(page.locator(".notice.error")).to_contain_text(said)
    expect(page.locator(".notice.error")).not_to_contain_text("Traceback")
    expect(page.locator(".verdict q")).to_have_text("the cup")
    answer(page, PHOTO, "the spoon")


def test_errors_are_said_in_the_visitors_language(visit, bad_photos):
    page = visit(language="de-DE")
    page.locator("#segment").click()
    expect(page.locator("#notice .notice.error")).to_have_text("Es gibt kein Foto: bitte zuerst eines wählen.")
    page.set_input_files("#photo input[type=file]", bad_photos["dot.png"])
    page.wait_for_function("() => document.querySelector('#photo img')")
    page.locator("#expression textarea, #expression input").first.fill("the cup")
    page.locator("#segment").click()
    expect(page.locator("#notice .notice.error")).to_contain_text("Dieses Foto hat 1 × 1 Pixel")
    page.locator("#tabs [role=tab][data-tab-id=compare]").click()
    page.locator("#compare-button").click()
    expect(page.locator("#compare-notice .notice.error")).to_contain_text("Es gibt keinen Ausdruck: bis zu sechs")
    nested = """() => slvit.said('"?!" has no word in it: type what to look for, such as “the dog on the left”.')"""
    assert (
        page.evaluate(nested)
        == "„?!“ enthält kein Wort: auf Englisch schreiben, was gesucht wird, etwa „the dog on the left“."
    )
    assert page.evaluate("() => slvit.said('Something nobody foresaw.')") == "Something nobody foresaw."


def test_odd_words_are_answered(visit):
    page = visit(390)
    answer(page, PHOTO, "☕ the cup")
    answer(page, PHOTO, '<b>cup</b> & "saucer" <script>alert(1)</script>')
    long = " ".join(["the cup on the red saucer"] * 100)
    answer(page, PHOTO, long)
    expect(page.locator(".verdict")).to_contain_text("Not read")
    page.get_by_role("tab", name="Words").click()
    assert page.locator(".wordrow button").count() > 400
    assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") == 0


def test_without_a_checkpoint_the_page_says_so_and_shows_no_mask(visit, url_without_checkpoint, artefacts):
    page = visit(address=url_without_checkpoint)
    expect(page.locator("#problem")).to_contain_text("There is no checkpoint in nowhere")
    expect(page.locator("#problem")).to_contain_text("python app.py --checkpoint FOLDER_OR_ID")
    page.locator('[data-photo="cow.jpg"]').click()
    expect(page.locator(".notice.error")).to_contain_text("No checkpoint is loaded")
    assert page.locator(".slvit-result.none").count() == 1
    page.screenshot(path=artefacts / "no-checkpoint-1440-light.png")
