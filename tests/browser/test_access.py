"""Everyone can use the page: axe-core finds nothing serious, the keyboard reaches all, nothing jumps or is cut off."""

from __future__ import annotations

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.browser.test_walk import PHOTO, answer

TABS = ("stages", "uncertainty", "words", "compare")


def open_tab(page: Page, name: str) -> None:
    page.locator(f'#tabs [role=tab][data-tab-id="{name}"]').click()


def faults(page: Page) -> list[str]:
    """What axe-core calls serious or critical, with the elements it means."""
    found = Axe().run(page).response["violations"]
    return [
        f"{violation['id']}: {node['target']} {node['html'][:160]} {node.get('failureSummary', '')[:300]}"
        for violation in found
        if violation["impact"] in ("serious", "critical")
        for node in violation["nodes"]
    ]


@pytest.mark.parametrize(("width", "theme"), [(1440, "light"), (390, "dark")])
def test_axe_finds_nothing_serious_on_any_tab(visit, width, theme):
    page = visit(width, theme)
    found = {"empty": faults(page)}
    answer(page, PHOTO, "all the chickens")
    for tab in TABS:
        open_tab(page, tab)
        if tab == "uncertainty":
            page.locator("#rerun-button").click()
            expect(page.locator(".rerun-answer figure")).to_have_count(3)
        if tab == "compare":
            page.fill("#lines textarea", "the grass\nthe chicken on the left")
            page.locator("#compare-button").click()
            expect(page.locator(".each figure")).to_have_count(2)
        found[tab] = faults(page)
    page.locator("#photo").get_by_label("Remove Image").click()
    page.locator("#segment").click()
    expect(page.locator("#notice .error")).to_be_visible()
    found["error"] = faults(page)
    assert not any(found.values()), "\n".join(f"{tab}: {fault}" for tab, list_ in found.items() for fault in list_)
