"""Sentences that somebody wrote for annotated photos, and their scores."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as coco_mask
from training import ROOT, annotated_photos, people_known

from train import evaluate
from train.data import written
from train.data.made import MadeSamples, Recipe


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return annotated_photos(tmp_path / "data", count=4)


def said(folder: Path, *lines: dict) -> Path:
    path = folder / "said.txt"  # a .jsonl there would be a data set of its own
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def test_each_line_means_its_annotation(folder: Path) -> None:
    lines = [{"photo": "3.png", "annotation": 31, "text": "the red disc"}]
    lines += [{"photo": "0.png", "annotation": 0, "text": "left one"}]
    found = written.examples(folder, said(folder, *lines))
    annotations = {one["id"]: one for one in json.loads((folder / "instances.json").read_text())["annotations"]}
    assert [one.expression for one in found] == ["the red disc", "left one"]
    for example, line in zip(found, lines, strict=True):
        assert example.photo == folder / "photos" / line["photo"] and example.kind == "several"
        truth = coco_mask.decode(annotations[line["annotation"]]["segmentation"]).astype(bool)
        assert np.array_equal(example.mask(), truth)


def test_what_is_alone_of_its_kind_counts_as_such(folder: Path) -> None:
    index = folder / "instances.json"
    content = json.loads(index.read_text())
    content["annotations"] = [one for one in content["annotations"] if one["id"] != 1]
    index.write_text(json.dumps(content))
    (example,) = written.examples(folder, said(folder, {"photo": "0.png", "annotation": 0, "text": "square"}))
    assert example.kind == "only"


@pytest.mark.parametrize(
    "line",
    [
        {"photo": "9.png", "annotation": 0, "text": "square"},
        {"photo": "0.png", "annotation": 31, "text": "of another photo"},
        {"photo": "2.png", "annotation": 10, "text": "of another photo"},
        {"photo": "0.png", "annotation": 0},
        ["0.png", 0, "square"],
    ],
)
def test_a_line_that_fits_no_annotation_is_named(folder: Path, line: object) -> None:
    good = {"photo": "0.png", "annotation": 0, "text": "square"}
    with pytest.raises(ValueError, match="said.txt, line 2"):
        written.examples(folder, said(folder, good, line))


def test_the_command_scores_them_instead_of_a_split(
    folder: Path, checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = said(folder, {"photo": "0.png", "annotation": 0, "text": "left square"})
    asked = ["--checkpoint", str(checkpoint), "--written", str(path), "--device", "cpu"]
    assert evaluate.main([*asked, "--data", str(folder), "--json", str(tmp_path / "out.json")]) == 0
    assert "coco said.txt: 1 expressions on 1 photos" in capsys.readouterr().out
    (result,) = json.loads((tmp_path / "out.json").read_text())["results"].values()
    assert [one["expression"] for one in result["records"]] == ["left square"]
    assert evaluate.main([*asked, "--data", str(tmp_path), "--dataset", "refcoco"]) == 2
    assert "--written speaks of a COCO-style folder" in capsys.readouterr().err


TOLD = {"told": 1.0, "masked_patches": 0, "typing_errors": 0}


def taught(folder: Path, path: Path, **shares: float) -> MadeSamples:
    recipe = Recipe(written=str(path), **TOLD | shares)
    return MadeSamples(folder, recipe=recipe, seed=2, samples=60, size_of=lambda number: (96, 128))


def test_what_is_said_is_learned_of_the_thing_that_it_means(folder: Path) -> None:
    """Photo 0 has squares only, photo 1 discs; left and right trade places with the sides."""
    lines = [{"photo": "0.png", "annotation": 0, "text": "lonely square left of its kin"}]
    lines += [{"photo": "1.png", "annotation": 11, "text": "the far right one"}]
    samples = taught(folder, said(folder, *lines), denied=0)
    annotations = {one["id"]: one for one in json.loads((folder / "instances.json").read_text())["annotations"]}
    seen = set()
    for number in range(30):
        sample = samples[number]
        annotation = annotations[0 if "square" in sample["text"] else 11]
        truth = coco_mask.decode(annotation["segmentation"])
        mirrored = ("right of" if "square" in sample["text"] else "far left") in sample["text"]
        assert np.array_equal(sample["mask"], truth[:, ::-1] if mirrored else truth)
        seen.add(sample["text"])
    assert seen == {
        "lonely square left of its kin",
        "lonely square right of its kin",
        "the far right one",
        "the far left one",
    }


def test_a_pair_is_told_apart_in_what_was_said_of_both(folder: Path) -> None:
    lines = [{"photo": "0.png", "annotation": 0, "text": "the square nobody likes"}]
    lines += [{"photo": "0.png", "annotation": 1, "text": "the square all love"}]
    lines += [{"photo": "0.png", "annotation": 1, "text": "everybody's darling"}]
    samples = taught(folder, said(folder, *lines), denied=0, paired=1.0)
    masks: dict[str, set[bytes]] = {}
    for number in range(0, 30, 2):
        pair = [samples[number], samples[number + 1]]
        assert np.array_equal(pair[0]["photo"], pair[1]["photo"])
        assert sum("nobody" in sample["text"] for sample in pair) == 1
        for sample in pair:
            masks.setdefault("nobody" if "nobody" in sample["text"] else "all", set()).add(sample["mask"].tobytes())
    assert masks.keys() == {"nobody", "all"} and not masks["nobody"] & masks["all"]


def test_the_same_words_mean_nothing_where_nothing_of_the_kind_is(folder: Path) -> None:
    people_known(folder)
    Image.new("RGB", (128, 96), "white").save(folder / "photos" / "0.png")  # told from the others at a glance
    lines = [{"photo": "0.png", "annotation": 0, "text": "lonely square"}]
    lines += [{"photo": "0.png", "annotation": 1, "text": "far right"}]  # of what, it does not say
    samples = taught(folder, said(folder, *lines), denied=1.0)
    found = [samples[number] for number in range(40)]
    for sample in found:
        assert bool(sample["mask"].any()) == ("square" not in sample["text"]) == (sample["kind"] != "absent")
        assert bool(sample["photo"].mean() > 200) == ("square" not in sample["text"])
    assert {"square" in sample["text"] for sample in found} == {True, False}


def test_words_that_fit_another_kind_there_are_not_denied(folder: Path) -> None:
    """Photo 0 has cups, photo 1, the only one without, wine glasses: a "glass" is there."""
    people_known(folder, names=("cup", "wine glass"))
    samples = taught(folder, said(folder, {"photo": "0.png", "annotation": 0, "text": "tall glass"}), denied=0.5)
    assert {samples[number]["kind"] for number in range(20)} == {"human"}


def test_only_lines_about_photos_of_the_split_are_learned(folder: Path) -> None:
    lines = [{"photo": "3.png", "annotation": 30, "text": "a disc of validation"}]  # the last two are
    with pytest.raises(ValueError, match="said.txt speaks of a photo that is used here"):
        taught(folder, said(folder, *lines))
    lines += [{"photo": "1.png", "annotation": 11, "text": "a disc"}]
    samples = taught(folder, said(folder, *lines), denied=0)
    assert {samples[number]["text"] for number in range(20)} == {"a disc"}
    with pytest.raises(ValueError, match="annotation 10 of 0.png"):
        taught(folder, said(folder, *lines, {"photo": "0.png", "annotation": 10, "text": "of another photo"}))


def test_a_file_that_is_not_there_is_named(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nothing.jsonl is missing"):
        written.read(tmp_path / "nothing.jsonl")


def test_without_the_key_no_sample_changes(folder: Path) -> None:
    path = said(folder, {"photo": "0.png", "annotation": 0, "text": "square"})
    size = {"seed": 2, "samples": 20, "size_of": lambda number: (96, 128)}
    plain, unused = (MadeSamples(folder, recipe=Recipe(written=name), **size) for name in ("", str(path)))
    for number in range(20):
        assert plain[number]["text"] == unused[number]["text"]
        assert np.array_equal(plain[number]["photo"], unused[number]["photo"])


def test_a_file_of_which_no_sample_is_made_need_not_be_there(folder: Path) -> None:
    size = {"seed": 2, "samples": 1, "size_of": lambda number: (96, 128)}
    unasked = {"written": "missing.jsonl", "sentences": "missing.jsonl.gz", "remade": 0.0}
    assert MadeSamples(folder, recipe=Recipe(**unasked), **size)[0]["text"]
    for asked in ({"told": 0.1}, {"remade": 0.1}):
        with pytest.raises(FileNotFoundError, match="missing.jsonl"):
            MadeSamples(folder, recipe=Recipe(**unasked | asked), **size)


@pytest.mark.parametrize("name", ["benchmarks/written.jsonl", "train/written.jsonl"])
def test_the_sentences_that_come_with_it_are_well_formed(name: str) -> None:
    lines = written.read(ROOT / name)
    assert len(set(lines)) == len(lines) > 100
    assert all(line.text == " ".join(line.text.split()) != "" and line.text.isascii() for line in lines)


def test_no_photo_is_both_learned_from_and_scored_on() -> None:
    told, scored = (
        {line.photo for line in written.read(ROOT / name / "written.jsonl")} for name in ("train", "benchmarks")
    )
    assert not told & scored
