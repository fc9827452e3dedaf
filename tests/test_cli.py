"""The command line: a picture, facts, the insides, and a sentence with exit code 2 for whatever cannot be answered."""

import io
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image
from pycocotools import mask as coco_mask

from slvit import ReferringSegmenter
from slvit.__main__ import main
from slvit.checkpoint import BUNDLED


@pytest.fixture
def path(photo: Image.Image, tmp_path: Path) -> Path:
    path = tmp_path / "photo.png"
    photo.save(path)
    return path


def run(checkpoint: Path, *arguments: object) -> int:
    return main([*map(str, arguments), "--checkpoint", str(checkpoint), "--device", "cpu"])


@pytest.mark.parametrize(("format", "ending"), [("JPEG", ".png"), ("PNG", ".JPEG"), ("WEBP", ".webp"), ("PNG", ".jpg")])
def test_draws_the_mask_over_the_photo(
    checkpoint: Path, photo: Image.Image, tmp_path: Path, format: str, ending: str
) -> None:
    source, out = tmp_path / "in", tmp_path / "new" / f"out{ending}"
    photo.save(source, format)
    assert run(checkpoint, source, "the dog", "-o", out) == 0
    drawn = Image.open(out)
    assert drawn.size == photo.size
    changed = np.abs(np.asarray(drawn.convert("RGB"), int) - np.asarray(Image.open(source).convert("RGB"), int))
    mask = ReferringSegmenter.from_pretrained(checkpoint, device="cpu").segment(source, "the dog").mask
    assert np.median(changed.sum(axis=2)[mask]) > 100 > 20 > np.median(changed.sum(axis=2)[~mask])


def test_the_picture_is_upright(checkpoint: Path, photo: Image.Image, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    photo.save(tmp_path / "in.jpg", exif=exif)
    assert run(checkpoint, tmp_path / "in.jpg", "the dog", "-o", tmp_path / "out.png") == 0
    assert Image.open(tmp_path / "out.png").size == photo.size[::-1]


def test_json_holds_the_mask(checkpoint: Path, path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(checkpoint, path, "the dog", "--json") == 0
    known = json.loads(capsys.readouterr().out)
    answer = ReferringSegmenter.from_pretrained(checkpoint, device="cpu").segment(path, "the dog")
    assert np.array_equal(coco_mask.decode(known["segmentation"]).astype(bool), answer.mask)
    assert known["area"] == answer.mask.sum() and known["confidence"] == pytest.approx(answer.confidence, abs=1e-4)
    assert known["timings"]["open"] > 0


def test_threshold_moves_picture_and_facts(
    checkpoint: Path, path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    areas = []
    for threshold in (0.2, 0.8):
        assert run(checkpoint, path, "the dog", "--json", "--threshold", threshold, "-o", tmp_path / "out.png") == 0
        areas.append(json.loads(capsys.readouterr().out)["area"])
    assert areas[0] > areas[1]


def test_size_is_what_the_model_sees(checkpoint: Path, path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(checkpoint, path, "the dog", "--json", "--size", "192") == 0
    known = json.loads(capsys.readouterr().out)
    answer = ReferringSegmenter.from_pretrained(checkpoint, device="cpu", size=192).segment(path, "the dog")
    assert np.array_equal(coco_mask.decode(known["segmentation"]).astype(bool), answer.mask)
    assert run(checkpoint, path, "the dog", "--json", "--size", "128+192") == 0
    known = json.loads(capsys.readouterr().out)
    answer = ReferringSegmenter.from_pretrained(checkpoint, device="cpu", size=(128, 192)).segment(path, "the dog")
    assert np.array_equal(coco_mask.decode(known["segmentation"]).astype(bool), answer.mask)


@pytest.mark.parametrize("size", ["16", "256+", "256+16", "256 384", "large"])
def test_no_size_is_refused(checkpoint: Path, path: Path, capsys: pytest.CaptureFixture[str], size: str) -> None:
    with pytest.raises(SystemExit):
        run(checkpoint, path, "the dog", "--size", size)
    assert f"{size} is no size: a whole number of pixels in 32..2048, or several" in capsys.readouterr().err


def test_says_what_it_found(checkpoint: Path, path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(checkpoint, path, "word " * 510 + "犬 left", "--threshold", 0) == 0
    said = capsys.readouterr().out
    assert "30,000 pixels (100.0%) in 200 × 150 at (0, 0)" in said and "the last 2 words were not read" in said
    assert run(checkpoint, path, "the 犬", "--threshold", 1) == 0
    said = capsys.readouterr().out
    assert "Not found" in said and "Unknown words: 犬" in said


def test_writes_the_insides(checkpoint: Path, path: Path, tmp_path: Path) -> None:
    folder = tmp_path / "a" / "insides"
    assert run(checkpoint, path, "the dog", "--inspect", folder) == 0
    pictures = {picture.name for picture in folder.glob("*.png")}
    assert pictures == {"stage-1.png", "stage-2.png", "stage-3.png", "stage-4.png", "uncertainty.png", "words.png"}
    segmenter = ReferringSegmenter.from_pretrained(checkpoint, device="cpu")
    insides = segmenter.segment(path, "the dog", inspect=True).inspection
    text = (folder / "insides.txt").read_text()
    with np.load(folder / "insides.npz") as arrays:
        assert np.array_equal(arrays["uncertainty"], insides.uncertainty)
        assert np.array_equal(arrays["enhanced_features_3"], insides.enhanced_features[2])
        assert arrays["tokens"].tolist() == ["[CLS]", "the", "dog", "[SEP]"]
        for name in arrays:
            assert f"\n{name}: " in text and "×".join(map(str, arrays[name].shape)) in text


@pytest.mark.parametrize(
    ("photo_name", "expression", "sentence"),
    [
        ("none.jpg", "dog", 'no file "none.jpg"'),
        ("letter.jpg", "dog", '"letter.jpg" is not a photo'),
        ("photo.png", " ", "no expression"),
        ("photo.png", "!?", "no word in it"),
    ],
)
def test_errors_are_a_sentence_and_exit_code_2(
    checkpoint: Path, path: Path, capsys: pytest.CaptureFixture[str], photo_name: str, expression: str, sentence: str
) -> None:
    (path.parent / "letter.jpg").write_text("Dear all")
    out = path.parent / "out.png"
    assert run(checkpoint, path.parent / photo_name, expression, "-o", out) == 2
    captured = capsys.readouterr()
    assert sentence in captured.err and captured.err.count("\n") == 1 and captured.out == ""
    assert not out.exists()


def test_a_picture_that_its_format_cannot_hold(
    checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Image.new("RGB", (16_400, 16)).save(tmp_path / "long.png")
    assert run(checkpoint, tmp_path / "long.png", "dog", "-o", tmp_path / "out.webp") == 2
    captured = capsys.readouterr()
    assert "out.webp cannot be written" in captured.err and captured.err.count("\n") == 1
    assert "name it out.png" in captured.err and not (tmp_path / "out.webp").exists()


def test_a_console_that_cannot_say_what_was_typed(
    checkpoint: Path, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for arguments in ([], ["--json"]):
        console = io.TextIOWrapper(io.BytesIO(), encoding="cp1252")
        monkeypatch.setattr(sys, "stdout", console)
        assert run(checkpoint, path, "the dog ❤ 🐕", *arguments) == 0
        console.flush()
        said = console.buffer.getvalue().decode("cp1252")
        assert json.loads(said)["words"]["unknown"] == ["❤", "🐕"] if arguments else "Unknown words: \\u2764" in said


def test_no_checkpoint(path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path / "none", path, "dog") == 2
    assert "There is no checkpoint folder" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["photo.png", "out", "out.txt", "folder.png", "../{folder}/photo.png"])
def test_never_writes_over_the_photo_or_to_no_picture(
    checkpoint: Path, path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    (path.parent / "folder.png").mkdir()
    before = path.read_bytes()
    with pytest.raises(SystemExit) as caught:
        run(checkpoint, path, "dog", "-o", path.parent / name.format(folder=path.parent.name))
    assert caught.value.code == 2 and "error: " in capsys.readouterr().err
    assert path.read_bytes() == before


def test_runs_as_a_program_with_the_bundled_checkpoint(path: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "slvit", path, "the dog", "-o", "out.png", "--json"]
    done = subprocess.run(
        command, cwd=tmp_path, env={"PYTHONPATH": str(BUNDLED.parents[1]), "HF_HUB_OFFLINE": "1"}, capture_output=True
    )
    assert done.returncode == 0, done.stderr.decode()
    assert json.loads(done.stdout)["height"] == 150 and Image.open(tmp_path / "out.png").size == (200, 150)
    assert done.stderr == b""  # no warnings, no bars
