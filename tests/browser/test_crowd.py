"""Several visitors: each gets their own answer, from the cache only their own, and a full line says so."""

from __future__ import annotations

import threading

import pytest
from playwright.sync_api import expect

from slvit.page import build_page, launch_options
from tests.browser.test_walk import OTHER_PHOTO, PHOTO, answer


def test_a_visitor_sees_the_answer_again_without_the_model_and_no_other_visitor_does(visit, counting):
    first, second = visit(), visit()
    answer(first, OTHER_PHOTO, "the cup")
    calls = counting.calls
    answer(first, OTHER_PHOTO, "the spoon")
    assert counting.calls == calls + 1
    answer(first, OTHER_PHOTO, "the cup")
    assert counting.calls == calls + 1
    expect(second.locator("#visit button")).to_have_count(0)
    answer(second, OTHER_PHOTO, "the cup")
    assert counting.calls == calls + 2


def test_two_visitors_at_once_each_get_their_own(visit):
    pages = {visit(): (PHOTO, "all the chickens"), visit(): (OTHER_PHOTO, "the saucer")}
    for page, (photo, expression) in pages.items():
        page.set_input_files("#photo input[type=file]", photo)
        page.wait_for_selector("#photo img")
        page.fill("#expression textarea, #expression input", expression)
    for page in pages:
        page.keyboard.press("Enter")
    sizes = set()
    for page, (_, expression) in pages.items():
        expect(page.locator(".verdict q")).to_have_text(expression)
        page.wait_for_function("() => slvit.insidesNow()")
        sizes.add(tuple(page.evaluate("slvit.shown.answer.size")))
        expect(page.locator("#visit button")).to_have_count(1)
    assert sizes == {(1024, 683), (600, 400)}


class Gated:
    """A segmenter that answers only when the gate opens."""

    def __init__(self, counting) -> None:
        self.counting, self.gate, self.waiting = counting, threading.Event(), threading.Semaphore(0)
        self.device, self.model, self.processor = counting.device, counting.model, counting.processor

    def segment(self, *arguments, **options):
        self.waiting.release()
        assert self.gate.wait(60)
        return self.counting.segment(*arguments, **options)


@pytest.fixture
def gated(counting):
    segmenter = Gated(counting)
    page = build_page({"gated": segmenter}, most_waiting=1)
    _, url, _ = page.launch(prevent_thread_lock=True, quiet=True, server_name="127.0.0.1", **launch_options())
    yield segmenter, url
    segmenter.gate.set()
    page.close()


def test_a_full_line_is_said_plainly_and_those_in_it_are_answered(gated, visit, artefacts):
    segmenter, url = gated
    pages = [visit(390, address=url) for _ in range(4)]  # two are answered at a time, one may wait
    for page in pages:
        page.set_input_files("#photo input[type=file]", OTHER_PHOTO)
        page.wait_for_selector("#photo img")
        page.fill("#expression textarea, #expression input", "the cup")
    for page in pages[:2]:
        page.keyboard.press("Enter")
        expect(page.locator("#notice .working")).to_have_text("Looking…")
        assert segmenter.waiting.acquire(timeout=60)
    with pages[2].expect_response(lambda response: "/queue/join" in response.url):
        pages[2].keyboard.press("Enter")
    expect(pages[2].locator("#notice .working")).to_have_text("Looking…")
    pages[3].keyboard.press("Enter")
    expect(pages[3].locator(".notice.error")).to_contain_text("The line is full just now")
    pages[3].screenshot(path=artefacts / "line-full-390-light.png", full_page=True)
    segmenter.gate.set()
    for page in pages[:3]:
        expect(page.locator(".verdict q")).to_have_text("the cup")
        expect(page.locator("#notice .notice")).to_have_count(0)
    pages[3].locator("#segment").click()
    expect(pages[3].locator(".verdict q")).to_have_text("the cup")
