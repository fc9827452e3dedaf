"""A visitor's whole walk through the page, on desk, tablet and phone, in light and dark."""

from __future__ import annotations

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from slvit.page.examples import photo_path

PHOTO = str(photo_path("chickens.jpg"))
OTHER_PHOTO = str(photo_path("coffee.jpg"))


def answer(page: Page, photo: str, expression: str) -> None:
    """Puts in a photo, types, presses Enter and waits for mask and insides."""
    if page.locator("#photo img").count():
        page.locator("#photo").get_by_label("Remove Image").click()
    page.set_input_files("#photo input[type=file]", photo)
    page.wait_for_selector("#photo img")
    page.fill("#expression textarea, #expression input", expression)
    page.keyboard.press("Enter")
    expect(page.locator(".verdict q")).to_have_text(expression)
    page.wait_for_function("() => slvit.insidesNow()")


def sideways(page: Page) -> int:
    return page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")


def pixels(page: Page, selector: str) -> list[int]:
    """The bytes of a canvas, thinned."""
    return page.evaluate(
        """selector => { const board = document.querySelector(selector);
        const { data } = board.getContext('2d').getImageData(0, 0, board.width, board.height);
        return [...data.filter((_, at) => at % 997 === 0)]; }""",
        selector,
    )


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 820, 390])
def test_walk(visit, artefacts, width, theme):
    page = visit(width, theme)

    def shot(name: str) -> None:
        page.screenshot(path=artefacts / f"{name}-{width}-{theme}.png", full_page=True)
        page.locator("#tabs").screenshot(path=artefacts / f"tab-{name}-{width}-{theme}.png")

    assert page.evaluate("document.body.classList.contains('dark')") == (theme == "dark")
    assert sideways(page) == 0
    shot("empty")

    answer(page, PHOTO, "all the chickens")
    expect(page.locator(".meter")).to_contain_text("Confidence")
    expect(page.locator(".times")).to_contain_text("model")
    expect(page.locator(".times")).to_contain_text("CPU")
    assert len(set(pixels(page, ".slvit-result canvas"))) > 20
    assert sideways(page) == 0
    page.evaluate("scrollTo(0, 0)")
    shot("stages")
    for step in ("read", "features", "correlations", "uncertainty", "patches", "enhanced", "mask"):
        assert len(set(pixels(page, f'[data-step="{step}"] canvas'))) > 5, step
    boards = page.locator("#stages canvas")
    assert boards.count() == 12  # before, after, change at four stages

    page.locator('[data-step="patches"] button').click()  # opens the tab "Uncertainty"
    patches = page.locator(".patch")
    expect(patches.first).to_be_visible()
    page.locator('.patch[data-rank="3"]').click()
    expect(page.locator(".detail h3")).to_have_text(f"Patch 3 of {patches.count()}")
    assert page.locator(".detail .scales canvas").count() == 8  # four scales, before and after
    assert page.locator(".fourfold .cell").count() == 4  # outlined at each
    page.locator("#rerun-button").click()
    expect(page.locator(".rerun-answer figure")).to_have_count(3)
    assert sideways(page) == 0
    shot("uncertainty")

    page.get_by_role("tab", name="Words").click()
    page.locator('.wordrow button[data-word="all"]').click()
    first = pixels(page, "#words canvas")
    page.locator('.wordrow button[data-word="chickens"]').click()
    assert pixels(page, "#words canvas") != first
    expect(page.locator('.wordrow button[data-word="chickens"]')).to_have_attribute("aria-pressed", "true")
    speakers = page.locator(".speakers tbody")
    page.locator("#words canvas").click(position={"x": 20, "y": 20})
    corner = speakers.inner_text()
    page.locator("#words .place").press("ArrowDown")
    page.locator("#words .place").press("ArrowDown")
    assert speakers.inner_text() != corner
    assert sideways(page) == 0
    shot("words")

    page.get_by_role("tab", name="Compare").click()
    page.fill("#lines textarea", "the rightmost chicken\nthe grass")
    page.locator("#compare-button").click()
    expect(page.locator(".each figure")).to_have_count(2)
    assert sideways(page) == 0
    shot("compare")


@pytest.mark.parametrize(("width", "theme"), [(1440, "light"), (390, "dark")])
def test_compare(visit, counting, artefacts, width, theme):
    page = visit(width, theme)
    answer(page, PHOTO, "all the chickens")
    page.get_by_role("tab", name="Compare").click()
    page.locator("#compare-button").click()
    expect(page.locator("#compare-notice .error")).to_contain_text("up to six")
    page.fill("#lines textarea", "the chicken on the left\n\n  the rightmost chicken\nthe grass")
    page.locator("#compare-button").click()
    expect(page.locator(".each figure")).to_have_count(3)
    expect(page.locator("#compare-notice .error")).to_have_count(0)
    expect(page.locator(".legend")).to_contain_text("the rightmost chicken")
    calls, board = counting.calls, ".slvit-compare .wide canvas"
    before = pixels(page, board)
    page.locator('input[name="compare-threshold"]').fill("0.95")
    assert pixels(page, board) != before and counting.calls == calls
    assert sideways(page) == 0
    page.locator('input[name="compare-threshold"]').fill("0.5")
    page.screenshot(path=artefacts / f"compare-{width}-{theme}.png", full_page=True)
    page.fill("#lines textarea", "\n".join(f"cow {number}" for number in range(7)))
    page.locator("#compare-button").click()
    expect(page.locator("#compare-notice .error")).to_contain_text("at most 6")
    expect(page.locator(".each figure")).to_have_count(3)
    answer(page, OTHER_PHOTO, "the cup")
    expect(page.locator("#compare")).to_contain_text("their masks appear here")  # those of another photo are gone


def test_the_mask_comes_before_its_explanations(visit):
    page = visit()
    page.evaluate(
        """() => { window.seen = [];
        slvit.follow(document.body, () => seen.push([Boolean(slvit.shown.answer), Boolean(slvit.insidesNow())])); }"""
    )
    answer(page, PHOTO, "all the chickens")
    seen = page.evaluate("seen")
    assert [True, False] in seen and seen[-1] == [True, True]
    assert seen.index([True, False]) < seen.index([True, True])


def test_an_example_is_answered_in_a_click_and_nothing_moves(visit):
    page = visit()
    places = ["#segment", "#answer .stage", "#examples", "#visit", ".slvit-result .facts", "#overview", "#tabs"]
    before = [page.locator(place).bounding_box() for place in places]
    page.locator('[data-photo="kitten.jpg"]').click()
    expect(page.locator(".verdict q")).to_have_text("the kitten")
    page.wait_for_function("() => slvit.insidesNow()")
    after = [page.locator(place).bounding_box() for place in places]
    for place, old, new in zip(places, before, after, strict=True):
        assert (old["x"], old["y"], old["width"]) == (new["x"], new["y"], new["width"]), place
    page.locator(".phrases").get_by_text("the ball of yarn").click()
    expect(page.locator(".verdict q")).to_have_text("the ball of yarn")
    expect(page.locator("#expression textarea, #expression input").first).to_have_value("the ball of yarn")


def test_sliders_and_views_never_ask_the_model(visit, counting):
    page = visit()
    answer(page, PHOTO, "the chicken on the left")
    calls = counting.calls
    board = ".slvit-result canvas"
    seen = [pixels(page, board)]
    for name, value in (("opacity", "0.9"), ("threshold", "0.9")):
        page.locator(f'input[name="{name}"]').fill(value)
        seen.append(pixels(page, board))
    page.locator(".swatches button").nth(2).click()
    seen.append(pixels(page, board))
    for view in ("outline", "mask", "cutout", "probability", "before"):
        page.locator(f'.choice button[data-key="{view}"]').click()
        seen.append(pixels(page, board))
    page.locator('input[name="split"]').fill("0.1")
    seen.append(pixels(page, board))
    assert all(one != other for one, other in zip(seen, seen[1:], strict=False))

    page.get_by_role("tab", name="Uncertainty").click()
    page.locator('input[name="patches"]').fill("2")
    assert page.locator(".patch:visible").count() == 2
    assert counting.calls == calls


def test_a_threshold_changes_the_mask_as_the_numbers_say(visit, counting):
    page = visit()
    answer(page, PHOTO, "all the chickens")
    from PIL import Image

    probability = counting.segmenter.segment(Image.open(PHOTO), "all the chickens").probability
    page.locator('input[name="threshold"]').fill("0.8")
    shown = float(page.locator(".area").inner_text().split()[0])
    assert shown == pytest.approx(100 * (probability >= 0.8).mean(), abs=0.3)


def test_earlier_answers_of_the_visit_come_back(visit, counting):
    page = visit()
    answer(page, OTHER_PHOTO, "the cup")
    answer(page, PHOTO, "all the chickens")
    calls = counting.calls
    expect(page.locator("#visit button")).to_have_count(2)
    page.locator("#visit button").last.click()
    expect(page.locator(".verdict q")).to_have_text("the cup")
    expect(page.locator("#expression textarea, #expression input").first).to_have_value("the cup")
    page.wait_for_function("() => slvit.insidesNow()")
    expect(page.locator("#visit button")).to_have_count(2)
    assert counting.calls == calls


def test_a_link_opens_an_example_with_its_answer(visit, url):
    page = visit()
    page.locator('[data-photo="cow.jpg"]').click()
    page.locator(".phrases").get_by_text("the grass").click()
    expect(page.locator(".verdict q")).to_have_text("the grass")
    address = page.url
    other = visit()
    other.goto(address)
    expect(other.locator(".verdict q")).to_have_text("the grass")
    expect(other.locator("#photo img").first).to_be_visible()
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.locator(".save a").click()
    expect(page.locator(".save a")).to_have_text("Link copied")
    assert page.evaluate("navigator.clipboard.readText()") == address
    expect(page.locator("#visit button")).to_have_count(2)  # the page was not left
    assert len(page.context.pages) == 1  # nor another one opened


def test_the_marked_example_is_the_one_on_the_screen(visit):
    page = visit()
    photos, words = page.locator('.photos [aria-pressed="true"]'), page.locator('.phrases [aria-pressed="true"]')
    page.locator('[data-photo="cow.jpg"]').click()
    page.wait_for_function("() => slvit.insidesNow()")
    expect(words).to_have_text("the largest cow")
    answer(page, OTHER_PHOTO, "the table")  # a file of its own, but that of an example
    expect(photos).to_have_attribute("data-photo", "coffee.jpg")
    expect(words).to_have_count(0)
    page.locator("#visit button").last.click()
    expect(photos).to_have_attribute("data-photo", "cow.jpg")
    expect(words).to_have_text("the largest cow")


def test_the_visitors_threshold_holds_in_small_pictures_too(visit):
    page = visit()
    answer(page, PHOTO, "all the chickens")
    small = ('[data-step="mask"] canvas', "#visit canvas")
    before = [pixels(page, board) for board in small]
    page.locator('input[name="threshold"]').fill("0.9")  # moved and let go
    assert all(pixels(page, board) != seen for board, seen in zip(small, before, strict=True))


def test_a_long_expression_leaves_the_controls_on_the_screen(visit):
    page = visit()
    answer(page, PHOTO, " ".join(["the chicken on the left"] * 100))
    assert page.locator(".verdict .asked").bounding_box()["height"] < 110


def test_a_tall_photo_fits_the_screen(visit, tmp_path):
    Image.open(PHOTO).resize((120, 960)).save(tmp_path / "tall.png")
    page = visit()
    answer(page, str(tmp_path / "tall.png"), "the chicken")
    assert page.locator("#stages .frame").first.bounding_box()["height"] < 700


def test_no_confident_match_is_said_plainly(visit, counting, monkeypatch):
    monkeypatch.setattr(counting.segmenter.processor.image_processor, "found_threshold", 1.01)
    page = visit()
    answer(page, PHOTO, "the chickens")
    expect(page.locator(".verdict strong")).to_have_text("No confident match")
    why = page.locator(".verdict span:not(.asked)").first
    expect(why).to_contain_text("what it leans to is shown")
    answer(page, PHOTO, "a purple elephant")
    page.locator('input[name="threshold"]').fill("0.95")
    expect(why).to_have_text("Nothing in the photo reaches this threshold.")


def test_the_page_speaks_the_visitors_language(visit):
    page = visit(language="de-DE")
    expect(page.locator("#segment")).to_have_text("Segmentieren")
    expect(page.locator("#header p")).to_contain_text("Sagen, was gemeint ist")
    page.locator('[data-photo="cow.jpg"]').click()
    expect(page.locator(".meter")).to_contain_text("Sicherheit")
