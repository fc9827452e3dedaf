"""One visit to app.py as it is started: what a release of Gradio or transformers that breaks the page would break."""

from __future__ import annotations

import asyncio
import base64
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

from gradio_client import Client, handle_file
from mcp import ClientSession
from mcp.client.streamable_http import streamable_http_client
from PIL import Image
from playwright.sync_api import expect

from slvit.page.examples import photo_path
from tests.browser.test_walk import answer

PHOTO = photo_path("cow.jpg")


def test_page_api_and_tools_answer_and_nothing_is_fetched_from_elsewhere(visit, app, tmp_path, artefacts):
    page = visit(address=app.url)
    asked, refused = set(), []
    page.on("request", lambda request: asked.add(urlsplit(request.url).hostname))
    page.on("response", lambda response: refused.append(response.url) if response.status >= 400 else None)
    page.reload()
    page.wait_for_selector("#examples .photos button")
    answer(page, str(PHOTO), "the dog on left")
    for tab in ("Stages", "Uncertainty", "Words"):
        page.get_by_role("tab", name=tab).click()
        expect(page.locator("#tabs canvas").locator("visible=true").first).to_be_visible()
    with page.expect_download() as download:
        page.locator('.save button[data-what="mask"]').click()
    assert Image.open(download.value.path()).size == Image.open(PHOTO).size
    page.screenshot(path=artefacts / "smoke.png")
    assert asked <= {"127.0.0.1", None}  # None: data addresses
    assert not refused  # the gate leaves open all that the page asks for

    *_, facts = Client(app.url, verbose=False, download_files=tmp_path).predict(
        handle_file(PHOTO), "the dog", 0.5, api_name="/segment"
    )
    assert facts["words"]["read"] == ["the", "dog"]
    with ThreadPoolExecutor(1) as thread:  # Playwright's loop runs in this one
        assert thread.submit(asyncio.run, shown_to_an_assistant(app.url)).result() == 2


async def shown_to_an_assistant(url: str) -> int:
    """How many pictures the tool `segment` hands back."""
    photo = "data:image/jpeg;base64," + base64.b64encode(PHOTO.read_bytes()).decode()
    async with (
        streamable_http_client(f"{url}/gradio_api/mcp/") as (read, write, _),
        ClientSession(read, write) as session,
    ):
        await session.initialize()
        result = await session.call_tool("segment", {"photo": photo, "expression": "the dog"})
    return [content.type for content in result.content].count("image")
