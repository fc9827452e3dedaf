"""The page served in this process with the bundled checkpoint, and headless Chromium to look at it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from slvit import ReferringSegmenter
from slvit.page import build_page, launch_options
from slvit.page.examples import photo_path

expect.set_options(timeout=30_000)  # the machine may be busy with other work
ROOT = Path(__file__).parents[2]
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


class Counting:
    """A segmenter that counts how often the model is asked."""

    def __init__(self, segmenter: ReferringSegmenter) -> None:
        self.segmenter = segmenter
        self.device, self.model, self.processor = segmenter.device, segmenter.model, segmenter.processor
        self.calls, self.patches, self.sizes = 0, [], []

    def segment(self, *arguments, **options):
        self.calls += 1
        self.patches.append(options.get("patches"))
        self.sizes.append(arguments[0].looks[-1].shape[:2])  # of what the model sees
        return self.segmenter.segment(*arguments, **options)


@pytest.fixture(scope="session")
def counting() -> Counting:
    segmenter = ReferringSegmenter.from_pretrained(ROOT / "checkpoints" / "slvit-tiny", device="cpu")
    segmenter.segment(photo_path("horses.jpg"), "warm up")  # as app.py does, so that screenshots show usual times
    return Counting(segmenter)


def served(segmenters: dict, problem: str = "") -> Iterator[str]:
    page = build_page(segmenters, problem=problem)
    _, url, _ = page.launch(prevent_thread_lock=True, quiet=True, server_name="127.0.0.1", **launch_options())
    yield url
    page.close()


@pytest.fixture(scope="session")
def url(counting) -> Iterator[str]:
    yield from served({"slvit-tiny": counting})


@pytest.fixture(scope="session")
def url_without_checkpoint() -> Iterator[str]:
    yield from served({}, problem="There is no checkpoint in nowhere: check the path.")


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    chromium = os.environ.get("SLVIT_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    if not chromium and not os.environ.get("CI"):
        pytest.skip("Chromium is not installed: install it, or name it in SLVIT_CHROMIUM.")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def visit(browser, url):
    """Opens the page as a new visitor; fails the test when the page wrote an error to the console."""
    contexts, errors = [], []

    def open_page(width: int = 1440, theme: str = "light", address: str = url, language: str = "en-US") -> Page:
        context = browser.new_context(
            viewport={"width": width, "height": 900}, accept_downloads=True, locale=language, reduced_motion="reduce"
        )
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on(
            "console",
            lambda message: (
                errors.append(message.text)
                if message.type == "error" and "Failed to load resource" not in message.text
                else None
            ),
        )
        page.goto(f"{address}?__theme={theme}")
        page.wait_for_selector("#examples .photos button")
        page.wait_for_selector("#segment")  # Gradio mounts it a moment after the rest of its column
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert not errors


@pytest.fixture(scope="session")
def artefacts() -> Path:
    """Where screenshots go: a folder that git ignores."""
    folder = ROOT / "test-artefacts"
    folder.mkdir(exist_ok=True)
    return folder
