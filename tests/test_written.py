"""Sentences that somebody wrote for annotated photos, and their scores."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from pycocotools import mask as coco_mask
from training import ROOT, annotated_photos

from train import evaluate
from train.data import written


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


def test_the_sentences_that_come_with_it_are_well_formed() -> None:
    lines = [json.loads(line) for line in (ROOT / "benchmarks" / "written.jsonl").read_text("utf-8").splitlines()]
    assert len({(line["photo"], line["annotation"], line["text"]) for line in lines}) == len(lines) > 100
    assert all(line["text"] == line["text"].strip() != "" for line in lines)
