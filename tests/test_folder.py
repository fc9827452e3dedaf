"""Photos, masks and texts of one's own, listed in JSON lines."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as coco_mask

from train.data import folder
from train.data.__main__ import main as data_main
from train.data.layout import examples_of, the_dataset_in

SIZE = (24, 40)  # H, W
EXPECTED = np.zeros(SIZE, bool)
EXPECTED[2:6, 3:9] = True


@pytest.fixture
def root(tmp_path: Path) -> Path:
    Image.new("RGB", SIZE[::-1], "grey").save(tmp_path / "desk.jpg")
    Image.fromarray(EXPECTED.astype(np.uint8)).save(tmp_path / "mug.png")  # 0 and 1: nearly black to a viewer
    return tmp_path


def write(path: Path, *lines: dict[str, Any] | str) -> None:
    path.write_text("\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines), encoding="utf-8")


def line(**changes: Any) -> dict[str, Any]:
    return {"photo": "desk.jpg", "text": "the red mug", "mask": "mug.png"} | changes


def run_lengths() -> dict[str, Any]:
    encoded = coco_mask.encode(np.asfortranarray(EXPECTED, dtype=np.uint8))
    return {"size": encoded["size"], "counts": encoded["counts"].decode("ascii")}


@pytest.mark.parametrize("mask", ["mug.png", run_lengths(), [[3, 2, 9, 2, 9, 6, 3, 6]]], ids=["png", "rle", "polygon"])
def test_a_mask_may_be_a_picture_run_lengths_or_polygons(root: Path, mask: Any) -> None:
    write(root / "val.jsonl", line(mask=mask))
    (example,) = folder.examples(root, "val")
    assert (example.mask() == EXPECTED).all()
    assert (example.photo, example.size, example.expression) == (root / "desk.jpg", SIZE, "the red mug")
    assert (example.kind, example.source) == ("human", root.name)


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "I;16"])
def test_any_sort_of_picture_marks_what_is_not_black(root: Path, mode: str) -> None:
    if mode == "RGBA":  # a cut-out: the object may be black where it is opaque
        pixels = np.zeros((*SIZE, 4), np.uint8)
        pixels[EXPECTED, 3] = 255
        picture = Image.fromarray(pixels)
    elif mode == "P":
        picture = Image.fromarray(EXPECTED.astype(np.uint8)).convert("P")
        picture.putpalette([255, 255, 255, 0, 0, 0])  # colours say nothing, numbers do
    elif mode == "I;16":
        picture = Image.fromarray(EXPECTED.astype(np.uint16) * 300)
    else:
        picture = Image.fromarray(EXPECTED.astype(np.uint8) * 255).convert(mode)
    picture.save(root / "mug.png")
    write(root / "val.jsonl", line())
    (example,) = folder.examples(root, "val")
    assert (example.mask() == EXPECTED).all()


def test_an_opaque_picture_with_an_alpha_channel_marks_what_is_not_black(root: Path) -> None:
    Image.fromarray(EXPECTED.astype(np.uint8) * 255).convert("RGBA").save(root / "mug.png")
    write(root / "val.jsonl", line())
    assert (folder.examples(root, "val")[0].mask() == EXPECTED).all()


def test_no_mask_means_that_the_text_means_nothing(root: Path) -> None:
    write(root / "val.jsonl", line(text="a cat", mask=None))
    (example,) = folder.examples(root, "val")
    assert example.kind == "absent" and example.segmentation == () and example.size == SIZE


def test_several_texts_share_a_target(root: Path) -> None:
    write(root / "val.jsonl", line(text=["the mug", "red mug"]), line())
    first, second, other = folder.examples(root, "val")
    assert first.target_id == second.target_id != other.target_id


def test_a_photo_is_turned_as_a_viewer_turns_it_and_its_mask_may_be_either_way(root: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees
    Image.new("RGB", SIZE[::-1], "grey").save(root / "desk.jpg", exif=exif)
    Image.fromarray(EXPECTED.T.astype(np.uint8)).save(root / "upright.png")
    write(root / "val.jsonl", line(mask="upright.png"), line(mask="mug.png"), line(mask=None))
    assert [example.size for example in folder.examples(root, "val")] == [SIZE[::-1], SIZE, SIZE[::-1]]


def test_splits_are_files_or_fields(root: Path) -> None:
    write(root / "train.jsonl", line(text="one"))
    write(root / "val.jsonl", line(text="two"))
    assert [e.expression for e in folder.examples(root, "train")] == ["one"]
    with pytest.raises(FileNotFoundError, match=r"test\.jsonl is missing: train\.jsonl, val\.jsonl are there"):
        folder.examples(root, "test")
    (root / "train.jsonl").unlink()
    (root / "val.jsonl").unlink()
    write(root / "all.jsonl", line(text="one", split="train"), line(text="two", split="val"), line(text="three"))
    assert [e.expression for e in folder.examples(root, "val")] == ["two", "three"]
    assert [e.expression for e in folder.examples(root / "all.jsonl", "train")] == ["one", "three"]
    assert the_dataset_in(root) == the_dataset_in(root / "all.jsonl") == "folder"
    assert len(examples_of(root, "folder", split="val")) == 2


@pytest.mark.parametrize(("name", "other"), [("train", "val"), ("val", "train")])
def test_a_lone_list_called_by_a_split_is_that_split_alone(
    root: Path, name: str, other: str, capsys: pytest.CaptureFixture[str]
) -> None:
    write(root / f"{name}.jsonl", line(text="one"), line(text="two"))
    assert [e.expression for e in folder.examples(root, name)] == ["one", "two"]
    assert folder.examples(root, other) == []
    with pytest.raises(ValueError, match=f"no examples of folder in split '{other}'"):
        examples_of(root, "folder", split=other)
    assert data_main(["check", str(root)]) == 0
    assert f"\n  {name} " in capsys.readouterr().out
    write(root / f"{name}.jsonl", line(text="one"), line(text="two", split=other))
    assert [e.expression for e in folder.examples(root, name)] == ["one"]
    assert [e.expression for e in folder.examples(root, other)] == ["two"]


def test_nothing_there_says_what_belongs_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"val\.jsonl"):
        folder.examples(tmp_path, "val")


@pytest.mark.parametrize(
    "bad, said",
    [
        ("{", "no JSON"),
        ("[1]", "no JSON object"),
        (line(foto="x"), "'foto' is no field"),
        ({"photo": "desk.jpg", "text": "x"}, "'mask' is missing"),
        (line(text=" "), "text is empty"),
        (line(text=[]), "text is empty"),
        (line(kind="thing"), "'thing' is no kind"),
        (line(photo="none.jpg"), "photo .*none.jpg is missing"),
        (line(photo="mug.jsonl"), "photo .*mug.jsonl cannot be opened"),
        (line(mask="none.png"), "mask .*none.png is missing"),
        (line(mask="small.png"), r"mask small.png has 5 × 4 pixels, its photo 40 × 24"),
        (line(mask="empty.png"), "nothing is marked"),
        (line(mask=[[1, 2]]), "2 coordinates"),
        (line(mask=7), "neither polygons nor run lengths"),
    ],
)
def test_a_line_that_cannot_be_used_is_named_with_its_number(
    root: Path, bad: Any, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Image.new("L", (5, 4), 255).save(root / "small.png")
    Image.new("L", SIZE[::-1], 0).save(root / "empty.png")
    write(root / "mug.jsonl", "", line(), "", bad)
    with pytest.raises(ValueError, match=f"mug.jsonl, line 4: .*{said}"):
        folder.examples(root, "val")
    assert data_main(["check", str(root)]) == 1
    assert "mug.jsonl, line 4: " in capsys.readouterr().out


def test_check_opens_every_photo_to_the_end(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 255, (*SIZE, 3), np.uint8)).save(root / "desk.jpg", quality=95)
    whole = (root / "desk.jpg").read_bytes()
    write(root / "val.jsonl", line())
    assert data_main(["check", str(root)]) == 0
    assert capsys.readouterr().out.splitlines()[2].split() == ["val", "1", "1", "1"]
    (root / "desk.jpg").write_bytes(whole[: len(whole) * 2 // 3])
    assert data_main(["check", str(root)]) == 1
    assert "desk.jpg" in capsys.readouterr().out


def test_a_list_saved_on_windows_is_read(root: Path) -> None:
    text = json.dumps(line(text="le café"), ensure_ascii=False)
    (root / "val.jsonl").write_bytes(b"\xef\xbb\xbf" + text.encode("utf-8") + b"\r\n")
    assert folder.examples(root, "val")[0].expression == "le café"
    (root / "val.jsonl").write_bytes(text.encode("latin-1"))
    with pytest.raises(ValueError, match=r"val\.jsonl is not UTF-8"):
        folder.examples(root, "val")
