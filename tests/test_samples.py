"""Made samples written out as a folder of photos, masks and texts."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from training import annotated_photos

from slvit.photo import open_photo
from train.data import folder
from train.data.__main__ import main
from train.data.made import MadeSamples, Recipe

RECIPE = {"absent": 0.0, "groups": 0.0, "phrases": 0.0, "dyed": 1.0, "other_colour": 0.5}


def written(root: Path, out: Path, *more: str) -> int:
    asked = ["samples", str(root), "--out", str(out), "--recipe", json.dumps(RECIPE), "--count", "12", "--size", "96"]
    return main([*asked, *more])


def test_what_is_written_is_what_training_would_see(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = annotated_photos(tmp_path / "data")
    assert written(root, tmp_path / "out", "--split", "train", "--seed", "4") == 0
    assert capsys.readouterr().out.strip() == str(tmp_path / "out" / "train.jsonl")
    assert main(["check", str(tmp_path / "out")]) == 0
    sizes = ((96, 96), (85, 109), (109, 85))
    meant = MadeSamples(root, recipe=Recipe.of(RECIPE), seed=4, samples=12, size_of=lambda number: sizes[number % 3])
    found = folder.examples(tmp_path / "out", "train")
    assert len(found) == 12 and {"absent"} < {example.kind for example in found}
    for number, example in enumerate(found):
        sample = meant[number]
        assert (example.expression, example.kind) == (sample["text"], sample["kind"])
        assert np.array_equal(np.asarray(open_photo(example.photo)), sample["photo"])
        assert example.mask().any() == (example.kind != "absent")
        assert np.array_equal(example.mask(), sample["mask"].astype(bool))


def test_photos_of_other_splits_are_not_touched(tmp_path: Path) -> None:
    root = annotated_photos(tmp_path / "data", count=12, val=6)
    for image in json.loads((root / "instances.json").read_text())["images"]:
        if image["split"] == "train":
            (root / "photos" / image["file_name"]).unlink()
    assert written(root, tmp_path / "out") == 0
    assert len(folder.examples(tmp_path / "out", "val")) == 12


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--recipe", '{"dresed": 1}'], "dresed"),
        (["--recipe", '{"dressed": "much"}'], "dressed"),
        (["--split", "test"], "'test'"),
    ],
)
def test_what_cannot_be_made_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], more: list[str], said: str
) -> None:
    assert written(annotated_photos(tmp_path / "data"), tmp_path / "out", *more) == 2
    assert said in capsys.readouterr().err and not (tmp_path / "out").exists()


def test_nothing_is_written_over(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = annotated_photos(tmp_path / "data")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("kept")
    assert written(root, tmp_path / "out") == 2
    assert "is not empty" in capsys.readouterr().err and (tmp_path / "out" / "mine.txt").read_text() == "kept"
