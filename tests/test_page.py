"""The page's named endpoints, as Python, curl and assistants call them."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import gradio as gr
import numpy as np
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from mcp import ClientSession
from mcp.client.streamable_http import streamable_http_client
from mcp.types import Tool
from PIL import Image
from pycocotools import mask as coco_mask

from slvit.errors import BusyError
from slvit.page import build_page, launch_options
from slvit.page.ask import ask_of
from slvit.page.examples import photo_path, read_examples
from slvit.page.photos import OpenPhotos
from slvit.page.texts import TEXTS

PHOTO = photo_path("cow.jpg")


@pytest.fixture(scope="module")
def client(model, processor) -> Iterator[Client]:
    from slvit import ReferringSegmenter

    page = build_page({"small": ReferringSegmenter(model, processor)})
    _, url, _ = page.launch(
        prevent_thread_lock=True, quiet=True, server_name="127.0.0.1", mcp_server=True, **launch_options()
    )
    yield Client(url, verbose=False)
    page.close()


def test_three_endpoints_are_public_and_described(client):
    endpoints = client.view_api(return_format="dict")["named_endpoints"]
    assert set(endpoints) == {"/segment", "/inspect", "/compare"}
    names = {name: [p["parameter_name"] for p in entry["parameters"]] for name, entry in endpoints.items()}
    assert names == {
        "/segment": ["photo", "expression", "threshold"],
        "/inspect": ["photo", "expression"],
        "/compare": ["photo", "expressions"],
    }
    assert endpoints["/segment"]["parameters"][2]["parameter_default"] == 0.5
    assert all(entry["description"] for entry in endpoints.values())


def test_segment(client, segmenter):
    overlay, mask, facts = client.predict(handle_file(PHOTO), "the dog", 0.4, api_name="/segment")
    meant = segmenter.segment(Image.open(PHOTO), "the dog").probability >= 0.4
    assert Image.open(overlay).size == Image.open(PHOTO).size
    assert np.array_equal(np.array(Image.open(mask).convert("L")) > 127, meant)
    assert np.array_equal(coco_mask.decode(facts["segmentation"]).astype(bool), meant)
    assert facts["threshold"] == 0.4 and facts["area"] == meant.sum()


def test_inspect(client):
    *stages, uncertainty, facts = client.predict(handle_file(PHOTO), "the dog", api_name="/inspect")
    sizes = [Image.open(picture).size for picture in [*stages, uncertainty]]
    assert len(stages) == 4
    assert all(width > 600 and height > 200 for width, height in sizes)
    assert json.loads(json.dumps(facts))["words"]["read"] == ["the", "dog"]


def test_compare(client):
    overlay, facts = client.predict(handle_file(PHOTO), "the dog\n\n the cat \nred", api_name="/compare")
    assert [entry["expression"] for entry in facts] == ["the dog", "the cat", "red"]
    assert Image.open(overlay).height > Image.open(PHOTO).height  # the legend stands below


@pytest.mark.parametrize(
    ("photo", "arguments", "api_name", "said"),
    [
        (PHOTO, ["   "], "/segment", "expression"),
        (None, ["the dog"], "/segment", "photo"),
        (PHOTO, ["the dog", 7], "/segment", "greater than maximum"),
        (PHOTO, ["a\n" * 7], "/compare", "at most 6"),
        (PHOTO, ["\n \n"], "/compare", "no expression"),
        (PHOTO, [None], "/segment", "There is no expression"),  # JSON's null
        (PHOTO, [None], "/inspect", "There is no expression"),
        (PHOTO, [None], "/compare", "There is no expression"),
    ],
)
def test_errors_are_sentences(client, photo, arguments, api_name, said):
    with pytest.raises(AppError, match=said):
        client.predict(handle_file(photo) if photo else None, *arguments, api_name=api_name)


def test_unfit_photos_are_refused_in_a_sentence(client, tmp_path):
    text = tmp_path / "holiday.jpg"
    text.write_text("not a photo")
    dot = tmp_path / "dot.png"
    Image.new("RGB", (1, 1)).save(dot)
    huge = tmp_path / "huge.png"
    Image.new("1", (12000, 9000)).save(huge)
    for file, said in ((text, "not a photo"), (dot, "1 × 1"), (huge, "12000 × 9000")):
        with pytest.raises(AppError, match=said):
            client.predict(handle_file(file), "the dog", api_name="/segment")
    *_, facts = client.predict(handle_file(PHOTO), "the dog", api_name="/segment")
    assert facts["height"] == 768


@pytest.mark.parametrize("mode", ["L", "CMYK", "P", "RGBA", "1", "LA", "I;16"])
def test_photos_of_any_mode(client, tmp_path, mode):
    file = tmp_path / ("photo.tiff" if mode in ("CMYK", "I;16") else "photo.png")
    Image.open(PHOTO).convert("L").convert(mode).resize((200, 40)).save(file)
    overlay, *_ = client.predict(handle_file(file), "the dog", api_name="/segment")
    assert Image.open(overlay).size == (200, 40)


def test_a_photo_of_fifty_megapixels_is_answered(client, tmp_path):
    file = tmp_path / "large.jpg"
    Image.open(PHOTO).resize((8192, 6144)).save(file, quality=60)
    _, mask, facts = client.predict(handle_file(file), "the dog", api_name="/segment")
    assert (facts["width"], facts["height"]) == Image.open(mask).size == (8192, 6144)


def test_an_assistant_finds_tools_and_gets_pictures(client):
    async def talk() -> tuple[list[Tool], list[str], str]:
        photo = "data:image/jpeg;base64," + base64.b64encode(PHOTO.read_bytes()).decode()
        async with (
            streamable_http_client(f"{client.src.rstrip('/')}/gradio_api/mcp/") as (read, write, _),
            ClientSession(read, write) as session,
        ):
            await session.initialize()
            tools = (await session.list_tools()).tools
            answer = await session.call_tool("segment", {"photo": photo, "expression": "the dog"})
            refused = await session.call_tool("segment", {"photo": "https://example.org/a.jpg", "expression": "dog"})
            return tools, [content.type for content in answer.content], refused.content[0].text

    with ThreadPoolExecutor(1) as thread:  # a browser test before this one may have left a loop running here
        tools, contents, refusal = thread.submit(asyncio.run, talk()).result()
    assert [tool.name for tool in tools] == ["segment", "inspect", "compare"]
    assert contents.count("image") == 2
    described = [json.dumps(tool.inputSchema["properties"]["photo"], ensure_ascii=False) for tool in tools]
    for said in (*described, refusal):  # the one form that an assistant can give
        assert "data:image/jpeg;base64,… URL" in said


def test_a_name_that_is_no_example_reaches_no_file():
    for name in ("../LICENSES.md", "/etc/hostname", "cow.jpg/../cow.jpg"):
        with pytest.raises(ValueError, match="no example"):
            photo_path(name)
    assert all(photo_path(example["photo"]).is_file() for example in read_examples())


def test_every_language_has_every_text():
    for language, texts in TEXTS.items():
        assert set(texts) == set(TEXTS["en"]), language
        assert all(texts.values()), language


def test_words_of_zerogpu_reach_the_visitor_without_their_tags(segmenter):
    def lend(function):
        def refused(*arguments):
            raise gr.Error(
                "You have used up your GPU quota. <a href='https://huggingface.co/join'>Sign in</a> &amp; wait."
            )

        return refused

    ask = ask_of({"small": segmenter}, lend)
    with pytest.raises(BusyError, match="^No GPU is lent just now: You have used up your GPU quota. Sign in & wait.$"):
        ask(OpenPhotos().open(PHOTO), "the cow")
