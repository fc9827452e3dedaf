"""Photos with a name become training photos where their one prominent thing is plain, and nothing else is touched."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as coco_mask
from training import annotated_photos

from train.data import coco
from train.data.__main__ import main
from train.data.outline import MEAN, SIDE, STD, network, outline, prominent


def red(pixels: np.ndarray) -> np.ndarray:
    """Stands for U²-Net: how red each pixel is, on a scale of its own. Sees whether it was asked as U²-Net is."""
    assert pixels.shape == (1, 3, SIDE, SIDE) and pixels.dtype == np.float32
    photo = pixels[0].transpose(1, 2, 0) * STD + MEAN
    assert photo.min() > -1e-5 and photo.max() == pytest.approx(1, abs=1e-5)
    return 7 * (photo[..., 0] - photo[..., 1])[None, None] + 3


def photo_of(box: tuple[int, int, int, int] | None, size: tuple[int, int] = (120, 80)) -> Image.Image:
    photo = Image.new("RGB", size, (90, 90, 90))
    if box:
        photo.paste((200, 10, 10), box)
    return photo


@pytest.fixture
def named(tmp_path: Path) -> Path:
    folder = tmp_path / "named"
    (folder / "photos").mkdir(parents=True)
    (folder / "photos/toys").mkdir()
    photo_of((30, 20, 80, 60)).save(folder / "photos/toys/kite.png")
    photo_of((2, 2, 6, 6)).save(folder / "photos/speck.png")  # too small to be what the photo is about
    shade = np.tile(np.linspace(90, 250, 120).astype(np.uint8), (80, 1))
    Image.fromarray(np.stack((shade, *[np.full_like(shade, 90)] * 2), axis=2)).save(folder / "photos/haze.png")
    (folder / "photos/torn.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    names = [("toys/kite.png", "kite"), ("speck.png", "square"), ("haze.png", "square"), ("torn.png", "disc")]
    (folder / "names.json").write_text(json.dumps([{"file_name": file, "name": name} for file, name in names]))
    return folder


def test_plain_things_are_added_and_the_rest_is_as_it_was(tmp_path: Path, named: Path) -> None:
    into = annotated_photos(tmp_path / "masks", count=4)
    was = (into / "instances.json").read_bytes()
    found = outline(named, red, into=into, out=tmp_path / "out")
    assert (found.added, found.unsure) == (1, 2)
    assert len(found.broken) == 1 and "torn.png" in found.broken[0]
    assert (into / "instances.json").read_bytes() == was
    photos = coco.read(tmp_path / "out")
    assert [photo.split for photo in photos] == ["train", "train", "val", "val", "train"]
    for photo, earlier in zip(photos, coco.read(into), strict=False):
        assert photo.annotations == earlier.annotations and np.array_equal(coco.pixels(photo), coco.pixels(earlier))
    kite = photos[-1]
    assert kite.plain and not kite.complete and kite.annotations[0]["category"] == "kite"
    assert kite.annotations[0]["predicted"]  # so never truth for a score
    truth = np.zeros((80, 120), bool)
    truth[20:60, 30:80] = True
    mask = coco.masks(kite)[..., 0].astype(bool)
    assert (mask & truth).sum() / (mask | truth).sum() > 0.95
    assert kite.annotations[0]["area"] == mask.sum() == coco_mask.area(kite.annotations[0]["segmentation"])


def test_a_dark_photo_is_stretched_before_it_is_asked_about() -> None:
    assert prominent(np.asarray(photo_of((30, 20, 80, 60)).point(lambda value: value // 4)), red) is not None
    assert prominent(np.zeros((8, 8, 3), np.uint8), lambda pixels: np.zeros((1, 1, SIDE, SIDE), np.float32)) is None


def test_nothing_is_written_where_something_is_missing(
    tmp_path: Path, named: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    into, out = annotated_photos(tmp_path / "masks", count=4), tmp_path / "out"
    arguments = ["outline", str(named), "--into", str(into), "--out", str(out)]
    assert main([*arguments, "--network", str(tmp_path / "u2net.onnx")]) == 2
    assert "u2net.onnx is missing" in capsys.readouterr().err
    with pytest.raises(FileNotFoundError, match=r"instances\.json is missing"):
        outline(named, red, into=tmp_path, out=out)
    with pytest.raises(FileNotFoundError, match=r"names\.json is missing"):
        outline(into, red, into=into, out=out)
    with pytest.raises(ValueError, match="there already"):
        outline(named, red, into=into, out=into)
    (named / "photos/toys/kite.png").rename(named / "photos/0.png")
    (named / "names.json").write_text('[{"file_name": "0.png", "name": "kite"}]')
    with pytest.raises(ValueError, match=r"0\.png is the name of a photo of .*: rename one"):
        outline(named, red, into=into, out=out)
    for listed, said in (
        ('[{"file_name": "0.png"}]', "without file_name or name"),
        ('[{"file_name": "a.png", "name": "kite"}, {"file_name": "a.png", "name": "disc"}]', r"lists a\.png twice"),
        ("[{", r"names\.json is no valid JSON"),
    ):
        (named / "names.json").write_text(listed)
        with pytest.raises(ValueError, match=said):
            outline(named, red, into=into, out=out)
    assert not out.exists()


def test_the_network_is_read_from_onnx(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    onnx = pytest.importorskip("onnx")
    value = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1, 3, 4, 4]) for name in "xyz"]
    nodes = [onnx.helper.make_node("Neg", ["x"], ["y"]), onnx.helper.make_node("Abs", ["x"], ["z"])]
    graph = onnx.helper.make_graph(nodes, "two", value[:1], value[1:])
    opset = [onnx.helper.make_opsetid("", 17)]
    onnx.save(onnx.helper.make_model(graph, opset_imports=opset, ir_version=8), tmp_path / "two.onnx")
    pixels = np.ones((1, 3, 4, 4), np.float32)
    assert np.array_equal(network(tmp_path / "two.onnx")(pixels), -pixels)  # the first output: U²-Net has seven
