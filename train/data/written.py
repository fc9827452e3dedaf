"""Expressions that somebody wrote for what a COCO-style folder annotates: lines of {"photo", "annotation", "text"}.

The photos are not ours to pass on, what is said of them is: benchmarks/written.jsonl.
"""

from __future__ import annotations

import json
from pathlib import Path

from train.data import coco
from train.data.example import Example
from train.data.rle import rle


def examples(root: Path, path: Path) -> list[Example]:
    """One for each line of `path`, in order, about photos of the folder `root`.

    photo: the file's name in the folder. annotation: its id there. Kinds are several and only, by how many annotations
    of the category the photo has. Raises FileNotFoundError or ValueError naming file and line.
    """
    photos = {photo.file.name: photo for photo in coco.read(root)}
    found = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            said = json.loads(line)
            photo = photos[said["photo"]]
            (meant,) = (one for one in photo.annotations if one["id"] == said["annotation"])
            text = said["text"]
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(
                f'{path}, line {number}: needs "photo" and "annotation" as {root} has them, and "text".'
            ) from error
        alike = [one for one in photo.annotations if one["category"] == meant["category"]]
        found.append(
            Example(
                photo=photo.file,
                size=photo.size,
                expression=text,
                segmentation=(rle(meant["segmentation"], photo.size),),
                kind="several" if len(alike) > 1 else "only",
                source=photo.source,
                target_id=f"{photo.id}:{meant['id']}",
            )
        )
    return found
