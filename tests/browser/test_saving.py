"""Each file that can be saved is what it says, in the photo's own resolution."""

from __future__ import annotations

import json
import re
import zipfile

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect
from pycocotools import mask as coco_mask

from slvit.page.examples import photo_path
from tests.browser.test_access import faults
from tests.browser.test_walk import answer

PHOTO = photo_path("cow.jpg")


@pytest.fixture(scope="module")
def truth(counting):
    """The answer itself, to compare files with."""
    return counting.segmenter.segment(Image.open(PHOTO), "the largest cow")


@pytest.fixture
def save(visit):
    page = visit()
    answer(page, str(PHOTO), "the largest cow")

    def save(what: str):
        with page.expect_download() as download:
            page.locator(f'.save button[data-what="{what}"]').click()
        return download.value.path(), download.value.suggested_filename

    save.page = page
    return save


def test_pictures(save, truth):
    save.page.locator('input[name="threshold"]').fill("0.7")
    meant = truth.probability >= 0.7
    path, name = save("mask")
    assert name == "the-largest-cow-mask.png"
    assert np.array_equal(np.array(Image.open(path)) > 127, meant)
    path, _ = save("cutout")
    cutout = np.array(Image.open(path))
    assert np.array_equal(cutout[..., 3] > 0, meant)
    assert np.array_equal(cutout[meant][:, :3], np.array(Image.open(PHOTO))[meant])
    path, _ = save("overlay")
    assert Image.open(path).size == Image.open(PHOTO).size
    assert not np.array_equal(np.array(Image.open(path)), np.array(Image.open(PHOTO)))


def test_run_lengths(save, truth):
    path, name = save("json")
    saved = json.loads(path.read_text("utf-8"))
    assert name == "the-largest-cow.json" and saved["expression"] == "the largest cow"
    assert np.array_equal(coco_mask.decode(saved["segmentation"]).astype(bool), truth.mask)


def test_maps(save, truth, tmp_path):
    path, name = save("maps")
    assert name == "the-largest-cow.zip"
    with zipfile.ZipFile(path) as archive:
        archive.extractall(tmp_path)
    assert np.array_equal(np.load(tmp_path / "probability.npy"), truth.probability)
    maps = np.load(tmp_path / "insides.npz")
    assert [maps[f"features_{i}"].shape[1] // maps["features_4"].shape[1] for i in (1, 2, 3, 4)] == [8, 4, 2, 1]
    assert len(maps["tokens"]) == maps["word_scores_1"].shape[0] == 5
    told = (tmp_path / "insides.txt").read_text("utf-8")
    assert "eq. 8" in told and "probability.npy: H×W = 768×1024" in told


def test_the_whole_page_stands_alone(save, browser, tmp_path, artefacts):
    path, name = save("report")
    assert name == "the-largest-cow.html"
    file = tmp_path / name
    file.write_bytes(path.read_bytes())
    text = file.read_text("utf-8")
    # Pictures left out: among a megabyte of base64, any four letters occur by chance.
    written = re.sub(r"data:[a-z/+-]+;base64,[\w+/=]+", "", text)
    assert "http" not in written.replace("http://www.w3.org", "") and "the largest cow" in written
    context = browser.new_context(viewport={"width": 820, "height": 900}, offline=True)
    page = context.new_page()
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(file.as_uri())
    sizes = page.locator("img").evaluate_all("all => all.map(one => [one.naturalWidth, one.alt])")
    assert len(sizes) == 12 and all(width > 200 and alt for width, alt in sizes)
    assert [url for url in asked if not url.startswith("data:")] == [file.as_uri()]
    assert json.loads(page.locator("pre").text_content())["expression"] == "the largest cow"
    assert not faults(page)
    page.screenshot(path=artefacts / "saved-page-820.png", full_page=True)
    context.close()


def test_a_second_click_before_the_first_file_has_come_saves_the_other_one(save):
    page, names = save.page, []
    page.on("download", lambda download: names.append(download.suggested_filename))
    with page.expect_response("**/queue/join*"):
        page.locator('.save [data-what="maps"]').click()
    page.locator('.save [data-what="json"]').click()  # the maps are still being written
    expect(page.locator(".save [role=status]")).to_have_text("Writing the file…")
    expect(page.locator(".save [role=status]")).to_have_text("")
    page.wait_for_timeout(0)  # events of the browser come in while Playwright waits
    assert sorted(names) == ["the-largest-cow.json", "the-largest-cow.zip"]


def test_an_answer_of_another_visitor_cannot_be_saved(visit):
    first, second = visit(), visit()
    answer(first, str(PHOTO), "the grass")
    answer(second, str(PHOTO), "the largest cow")
    foreign = first.evaluate("slvit.shown.answer.answer")
    second.evaluate("name => { slvit.shown.answer.answer = name; }", foreign)
    second.locator('.save button[data-what="mask"]').click()
    second.wait_for_selector(".notice.error")
    assert "no longer kept" in second.locator(".notice.error").inner_text()
