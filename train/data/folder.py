"""Your own photos, masks and texts, listed in a JSON-lines file.

    ROOT/train.jsonl, ROOT/val.jsonl, or one list of any name whose lines may say "split" (else they are in each split,
    or, in a list called train or val, in that one):
    {"photo": "photos/desk.jpg", "text": "the red mug", "mask": "masks/desk-mug.png"}
    {"photo": "photos/desk.jpg", "text": ["both pens", "the pens"], "mask": {"size": [480, 640], "counts": "..."}}
    {"photo": "photos/desk.jpg", "text": "the lamp", "mask": [[12, 40, 80, 40, 80, 160, 12, 160]], "split": "val"}
    {"photo": "photos/desk.jpg", "text": "a cat", "mask": null}

photo, and mask where it is a picture, are paths from the list's folder. mask: a PNG of the photo's size in which all
that is not 0 is meant (or, where parts are transparent, all that is not), COCO run lengths, polygons of x, y in pixels,
or null where the text means nothing in the photo.
Optional: "kind" (only, several, group, region, garment, human), "source", for tables.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import ExifTags, Image
from pycocotools import mask as coco_mask

from slvit.photo import open_photo
from train.data.example import Example
from train.data.refcoco import segmentation_fault
from train.data.rle import rle

SPLITS = ("train", "val")
KINDS = ("only", "several", "group", "region", "garment", "human", "absent")
FIELDS = ("photo", "text", "mask", "split", "kind", "source")


def lists_in(root: Path) -> list[Path]:
    """The list that `root` is, or those in that folder."""
    if root.suffix == ".jsonl":
        return [root] if root.is_file() else []
    return sorted(root.glob("*.jsonl"))


def examples(root: Path, split: str) -> list[Example]:
    """All examples of `split`: of ROOT/SPLIT.jsonl where there is one, else the lines of the only list that are in it.

    Raises FileNotFoundError when there is no list, ValueError naming file and line of the first fault.
    """
    found = []
    alone = len(lists_in(root)) == 1
    for path, number, text in _lines(root, split):
        unsaid = path.stem if path.stem in SPLITS else split
        try:
            line = _object(text)
            if not alone or line.get("split", unsaid) == split:
                found += _examples_of(line, path, number)
        except ValueError as error:
            raise ValueError(f"{path}, line {number}: {error}") from error
    return found


def problems(root: Path) -> list[str]:
    """A sentence for each line of any list that cannot be used, every photo opened to the end."""
    found = []
    for path in lists_in(root):
        for number, text in _numbered(path):
            try:
                for example in _examples_of(_object(text), path, number)[:1]:
                    open_photo(example.photo)
            except ValueError as error:
                found.append(f"{path}, line {number}: {error}")
    return found


def splits_in(root: Path) -> list[str]:
    """Names of the splits of the lists; a list whose lines name none is one by its own name."""
    found = set()
    for path in lists_in(root):
        for _, text in _numbered(path):
            try:
                found.add(_object(text).get("split", path.stem))
            except ValueError:
                continue
    return sorted(found)


def _lines(root: Path, split: str) -> list[tuple[Path, int, str]]:
    lists = lists_in(root)
    if not lists:
        raise FileNotFoundError(f"There is no list at {root}: put photos, masks and texts into {root / split}.jsonl.")
    named = [path for path in lists if path.stem == split]
    if not named and len(lists) > 1:
        names = ", ".join(path.name for path in lists)
        raise FileNotFoundError(f"{root / split}.jsonl is missing: {names} are there.")
    path = (named or lists)[0]
    return [(path, number, text) for number, text in _numbered(path)]


def _numbered(path: Path) -> list[tuple[int, str]]:
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeError as error:
        raise ValueError(f"{path} is not UTF-8 text: save it as such.") from error
    return [(number, text) for number, text in enumerate(lines, 1) if text.strip()]


def _object(text: str) -> dict[str, Any]:
    try:
        line = json.loads(text)
    except ValueError as error:
        raise ValueError("it is no JSON.") from error
    if not isinstance(line, dict):
        raise ValueError("it is no JSON object.")
    return line


def _examples_of(line: dict[str, Any], path: Path, number: int) -> list[Example]:
    for field in line:
        if field not in FIELDS:
            raise ValueError(f"{field!r} is no field: there are {', '.join(FIELDS)}.")
    for field in ("photo", "text", "mask"):
        if field not in line:
            raise ValueError(f"{field!r} is missing.")
    texts = line["text"] if isinstance(line["text"], list) else [line["text"]]
    if not texts or not all(isinstance(text, str) and text.strip() for text in texts):
        raise ValueError("its text is empty, or no text.")
    kind = "absent" if line["mask"] is None else line.get("kind", "human")
    if kind not in KINDS:
        raise ValueError(f"{kind!r} is no kind: there are {', '.join(KINDS)}.")
    photo = path.parent / str(line["photo"])
    size, segmentation = _annotation(line["mask"], path.parent, photo)
    source = str(line.get("source", path.parent.resolve().name))
    return [Example(photo, size, text, segmentation, kind, source, f"{path.name}:{number}") for text in texts]


def _annotation(mask: Any, folder: Path, photo: Path) -> tuple[tuple[int, int], tuple[dict[str, Any], ...]]:
    """(H, W) of the photo as its annotation has it, and the mask as run lengths; nothing for no mask."""
    stored, upright = _sizes(photo)
    if mask is None:
        return upright, ()
    if not isinstance(mask, str):
        fault = segmentation_fault(mask, upright)
        if fault:
            raise ValueError(f"{fault}.")
        encoded = rle(mask, upright)
        size = upright
    else:
        pixels = _mask_pixels(folder / mask)  # H×W
        size = next((size for size in (upright, stored) if size == pixels.shape), None)
        if size is None:
            raise ValueError(
                f"the mask {mask} has {pixels.shape[1]} × {pixels.shape[0]} pixels, "
                f"its photo {upright[1]} × {upright[0]}."
            )
        encoded = coco_mask.encode(np.asfortranarray(pixels, dtype=np.uint8))
    if not coco_mask.area(encoded):
        raise ValueError("nothing is marked in its mask: write null where the text means nothing.")
    return size, (encoded,)


def _sizes(photo: Path) -> tuple[tuple[int, int], tuple[int, int]]:
    """(H, W) of the pixels in the file, and as a viewer turns them."""
    if not photo.is_file():
        raise ValueError(f"the photo {photo} is missing.")
    try:
        with Image.open(photo) as image:
            stored = (image.height, image.width)
            turned = image.getexif().get(ExifTags.Base.Orientation, 1) in (5, 6, 7, 8)
    except (OSError, SyntaxError) as error:
        raise ValueError(f"the photo {photo} cannot be opened.") from error
    return stored, stored[::-1] if turned else stored


def _mask_pixels(path: Path) -> np.ndarray:
    """What a picture marks: bool H×W, where it is not transparent if parts of it are, else where it is not 0."""
    if not path.is_file():
        raise ValueError(f"the mask {path} is missing.")
    try:
        with Image.open(path) as image:
            if image.mode in ("RGBA", "LA"):
                opaque = np.asarray(image.getchannel("A")) > 0  # H×W
                if not opaque.all():
                    return opaque
                image = image.convert("RGB")
            pixels = np.asarray(image)  # a palette's numbers stay numbers: colour 0 is nothing
    except (OSError, SyntaxError) as error:
        raise ValueError(f"the mask {path} cannot be opened.") from error
    return pixels.any(axis=2) if pixels.ndim == 3 else pixels != 0
