"""Expressions that somebody wrote for what a COCO-style folder annotates: lines of {"photo", "annotation", "text"}.

The photos are not ours to pass on, what is said of them is: train/written.jsonl for training photos, to learn from
(recipe key `written`), benchmarks/written.jsonl for validation photos, to score on.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from train.data import coco
from train.data.coco import AnnotatedPhoto
from train.data.example import Example
from train.data.rle import rle


@dataclass(frozen=True)
class Said:
    """photo: the file's name in the folder. annotation: the id there of what `text` means, and nothing else does."""

    photo: str
    annotation: int
    text: str


def read(path: Path) -> list[Said]:
    """The lines of `path`, in order. Raises FileNotFoundError or ValueError naming file and line."""
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing: it holds sentences, {{photo, annotation, text}} a line.")
    found = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            one = json.loads(line)
            found.append(Said(photo=one["photo"], annotation=one["annotation"], text=one["text"]))
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f'{path}, line {number}: needs "photo", "annotation" and "text".') from error
    return found


def place(said: Said, photo: AnnotatedPhoto) -> int | None:
    """Which of the photo's annotations is meant; None where it has none of that id."""
    return next((at for at, one in enumerate(photo.annotations) if one["id"] == said.annotation), None)


def examples(root: Path, path: Path) -> list[Example]:
    """One for each line of `path`, in order, about photos of the folder `root`.

    Kinds are several and only, by how many annotations of the category the photo has. Raises as `read`, and ValueError
    naming file and line where the folder has no such photo or annotation.
    """
    photos = {photo.file.name: photo for photo in coco.read(root)}
    found = []
    for number, said in enumerate(read(path), start=1):
        photo = photos.get(said.photo)
        at = place(said, photo) if photo else None
        if at is None:
            raise ValueError(f"{path}, line {number}: {root} has no annotation {said.annotation} of {said.photo}.")
        meant = photo.annotations[at]
        alike = [one for one in photo.annotations if one["category"] == meant["category"]]
        found.append(
            Example(
                photo=photo.file,
                size=photo.size,
                expression=said.text,
                segmentation=(rle(meant["segmentation"], photo.size),),
                kind="several" if len(alike) > 1 else "only",
                source=photo.source,
                target_id=f"{photo.id}:{meant['id']}",
            )
        )
    return found
