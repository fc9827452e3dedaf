"""Scenes made for sentences that people wrote of other photos."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pytest
from training import annotated_photos, people_known

from train.data import made
from train.data.made import MadeSamples, Recipe
from train.data.remade import Sentence, parse, places_of_others, read

BOX = (0.1, 0.3, 0.2, 0.4)  # x, y, w, h


def sentence(text: str, category: str = "person", box: tuple[float, float, float, float] = BOX) -> Sentence:
    parsed = parse(text, category, box)
    assert parsed is not None, text
    return parsed


def test_what_a_sentence_says() -> None:
    guy = sentence("guy far left")
    assert guy.places == {"left"} and {"guy", "man"} <= guy.called and "woman" not in guy.called
    assert guy.box == pytest.approx((0.1, 0.3, 0.3, 0.7))
    second = sentence("2nd zebra frm rt", "zebra")
    assert (second.rank, second.side, second.text) == (1, "right", "2nd zebra frm rt")
    shirt = sentence("White shirt on the right side")
    assert (shirt.colour, shirt.places, shirt.text) == ("white", {"right"}, "white shirt on the right side")
    assert sentence("top right bike", "motorcycle").places == {"top", "right"}
    girl = sentence("girl on left").called
    assert {"girl", "woman"} <= girl and not girl & {"man", "boy", "kid"}
    assert sentence("orange on left", "orange").colour == ""


@pytest.mark.parametrize(
    "text",
    [
        "man with hat on left",  # a hat cannot be shown
        "person",  # no place: nothing tells the target apart
        "left of the man on the right",  # two places that cannot both be the target's
        "girl next to man",
        "red and blue shirt left",
        "second man",  # counted from nowhere
        "second man in back",
        "",
    ],
)
def test_what_no_scene_can_show_is_left_out(text: str) -> None:
    assert parse(text, "person", BOX) is None


@pytest.mark.parametrize("text", ["left side of pizza", "bottom part of the pizza", "right half of the pizza"])
def test_a_part_is_not_the_whole(text: str) -> None:
    assert parse(text, "pizza", BOX) is None and parse("pizza on left side of picture", "pizza", BOX) is not None


def test_the_sentence_means_its_target_alone() -> None:
    middle, left, right = (0.4, 0.2, 0.6, 0.8), (0.1, 0.2, 0.3, 0.8), (0.7, 0.2, 0.9, 0.8)
    low, small = (0.4, 0.7, 0.6, 1.0), (0.42, 0.3, 0.5, 0.6)
    assert sentence("left one").fits(left, [middle, right]) and not sentence("left one").fits(middle, [left, right])
    assert sentence("middle guy").fits(middle, [left, right]) and not sentence("middle guy").fits(left, [middle, right])
    assert not sentence("middle guy").fits(middle, [left, left])
    second = sentence("second from left")
    assert second.fits(middle, [left, right]) and not second.fits(right, [left, middle])
    assert not second.fits(left, [middle, right])
    assert sentence("bottom one").fits(low, [middle]) and not sentence("bottom one").fits(middle, [low])
    assert sentence("front guy").fits(middle, [small]) and sentence("person in back").fits(small, [middle])
    assert sentence("big one").fits(middle, [small]) and not sentence("small one").fits(middle, [small])


@pytest.mark.parametrize(
    "text", ["left guy", "second from right", "middle person", "front woman", "top right person", "small one"]
)
def test_others_stand_where_the_sentence_leaves_them_room(text: str) -> None:
    boxes = {"second from right": (0.5, 0.3, 0.15, 0.4), "middle person": (0.4, 0.3, 0.2, 0.5)}
    boxes |= {"top right person": (0.7, 0.0, 0.2, 0.3), "front woman": (0.3, 0.4, 0.25, 0.6)}
    said = sentence(text, box=boxes.get(text, BOX))
    found = [places_of_others(said, said.box, np.random.default_rng(seed)) for seed in range(20)]
    assert sum(map(bool, found)) >= 15
    for others in filter(None, found):
        assert said.fits(said.box, others)
        assert all(0 <= x0 < x1 <= 1 and 0 <= y0 < y1 <= 1.0001 for x0, y0, x1, y1 in others)


@pytest.fixture
def sentences(tmp_path: Path) -> Path:
    path = tmp_path / "told.jsonl.gz"
    lines = [
        {"set": "refcoco", "text": "left dog", "category": "dog", "box": [0.05, 0.3, 0.3, 0.4]},
        {"set": "refcoco", "text": "cat on rt", "category": "cat", "box_px": [450, 100, 150, 200]},
        {"set": "refcoco", "text": "dog who is not amused", "category": "dog", "box": [0.1, 0.1, 0.3, 0.4]},
        {"set": "refclef", "text": "right dog", "category": "dog", "box": [0.6, 0.3, 0.3, 0.4]},
    ]
    with gzip.open(path, "wt", encoding="utf-8") as file:
        file.writelines(json.dumps(line) + "\n" for line in lines)
    return path


def test_only_sentences_that_may_be_trained_on_are_read(sentences: Path, tmp_path: Path) -> None:
    assert [said.text for said in read(sentences)] == ["left dog", "cat on rt"]
    assert read(sentences)[1].box == pytest.approx((450 / 640, 100 / 480, 600 / 640, 300 / 480))
    with pytest.raises(FileNotFoundError, match="nothing.gz"):
        read(tmp_path / "nothing.gz")


def test_a_scene_shows_what_its_sentence_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = annotated_photos(tmp_path / "data", count=12)
    people_known(root)
    told = tmp_path / "told.jsonl.gz"
    with gzip.open(told, "wt", encoding="utf-8") as file:
        for text, box in (("left square", [0.05, 0.3, 0.3, 0.5]), ("red square in the middle", [0.4, 0.3, 0.2, 0.3])):
            file.write(json.dumps({"set": "refcoco", "text": text, "category": "square", "box": box}) + "\n")
    monkeypatch.setattr(made.augment, "can_be_cut_out", lambda photo, annotation: True)  # these are small
    recipe = Recipe(remade=1.0, absent=0, groups=0, masked_patches=0, typing_errors=0, sentences=str(told))
    samples = MadeSamples(root, recipe=recipe, seed=1, samples=60, size_of=lambda number: (96, 128))
    seen = set()
    for number in range(60):
        sample = samples[number]
        mask, x = sample["mask"].astype(bool), np.nonzero(sample["mask"])[1].mean() / 128
        seen.add(sample["text"])
        if sample["text"] == "red square in the middle":
            assert 0.35 < x < 0.65
            red, green, blue = sample["photo"][mask].mean(axis=0)
            assert red > 1.7 * max(green, blue)
        else:
            assert x < 0.45 if sample["text"] == "left square" else x > 0.55
    assert seen == {"left square", "right square", "red square in the middle"}
    assert samples[5]["text"] == samples[5]["text"] and np.array_equal(samples[5]["mask"], samples[5]["mask"])
