"""Photos annotated in COCO's layout: ROOT/instances.json and ROOT/photos (or ROOT/images), with made expressions.

Beyond COCO's own fields these are read where they stand: images[].split, source, exhaustive_category_ids (categories of
which every instance is annotated), groups; annotations[].region, predicted, expressions.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pycocotools import mask as coco_mask

from slvit.photo import open_photo
from train.data.example import Example
from train.data.expressions import Describer, Made, choose
from train.data.rle import rle
from train.data.scene import Scene, Thing

GARMENT_SOURCES = {"ccp"}
# One mask stands for all touching instances of a class: only a class with one mask may be named.
BY_CLASS_SOURCES = {"msrc21", "camvid", "human_seg_290"}
# The photo is plainly about what is annotated: its bare name is safe.
PLAIN_SOURCES = {"caltech101", "ecssd", "weizmann_horses", "single_things", "furniture", "wild_animals_980", "ccp"}
PLAIN_SOURCES |= {"feral_cats", "fire_smoke", "meals", "kitchen_items", "household", "hand_tools", "everyday_mix"}
OUTLINED = "outlined"  # by train.data.outline
PLAIN_SOURCES |= {OUTLINED} | BY_CLASS_SOURCES
# Of an annotated kind all that matter are marked, though nobody says so.
TRUSTED_SOURCES = {"kitchen_items", "household", "hand_tools", "street_people", "everyday_mix", "building_facades"}
PASSERS_BY_SOURCES = {"street_people"}  # some in the background are not: nothing may be denied there
ABSENT_EVERY = 4  # one expression without a target for so many photos that allow one


@dataclass(frozen=True)
class AnnotatedPhoto:
    """One photo of the folder. complete: names of the categories of which every instance is annotated."""

    id: int
    file: Path
    size: tuple[int, int]
    split: str
    source: str
    complete: frozenset[str]
    annotations: tuple[dict[str, Any], ...]
    groups: tuple[dict[str, Any], ...]

    @property
    def plain(self) -> bool:
        return self.source in PLAIN_SOURCES

    @property
    def garments(self) -> bool:
        return self.source in GARMENT_SOURCES

    @property
    def can_deny(self) -> bool:
        """Whether "a person in red", where no annotated person wears red, means nothing in this photo."""
        return self.source not in PASSERS_BY_SOURCES


def content_of(root: Path) -> dict[str, Any]:
    """What the folder's instances.json holds. Raises FileNotFoundError or ValueError naming the file."""
    index = root / "instances.json"
    if not index.is_file():
        raise FileNotFoundError(f"{index} is missing: a COCO-style folder holds instances.json and photos/.")
    try:
        return json.loads(index.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{index} is no valid JSON: {error}.") from error


def photo_folder(root: Path) -> Path:
    """Where the folder's photos lie."""
    return root / ("photos" if (root / "photos").is_dir() else "images")


def read(root: Path) -> list[AnnotatedPhoto]:
    """All photos of the folder `root`, annotations with the category's name under "category".

    Raises FileNotFoundError or ValueError naming the file that is missing or broken.
    """
    content, folder = content_of(root), photo_folder(root)
    names = {category["id"]: category["name"] for category in content["categories"]}
    of_photo: dict[int, list[dict[str, Any]]] = {}
    for annotation in content["annotations"]:
        if not annotation.get("iscrowd"):
            annotation["category"] = names[annotation["category_id"]]
            of_photo.setdefault(annotation["image_id"], []).append(annotation)
    photos = []
    for image in content["images"]:
        annotations = of_photo.get(image["id"], [])
        source = image.get("source", root.name)
        photos.append(
            AnnotatedPhoto(
                id=image["id"],
                file=folder / image["file_name"],
                size=(image["height"], image["width"]),
                split=image.get("split", "train"),
                source=source,
                complete=_complete(image, annotations, source, names),
                annotations=tuple(annotations),
                groups=tuple(image.get("groups", ())),
            )
        )
    return photos


def _complete(
    image: dict[str, Any], annotations: list[dict[str, Any]], source: str, names: dict[int, str]
) -> frozenset[str]:
    complete = {names[number] for number in image.get("exhaustive_category_ids", ())}
    present = [annotation["category"] for annotation in annotations]
    if source in BY_CLASS_SOURCES:
        complete -= {category for category in present if present.count(category) > 1}
    if source in TRUSTED_SOURCES:
        complete |= set(present)
    return frozenset(complete)


def masks(photo: AnnotatedPhoto) -> np.ndarray:
    """All masks of a photo: uint8 0 or 1, H×W×N."""
    if not photo.annotations:
        return np.zeros((*photo.size, 0), dtype=np.uint8)
    return coco_mask.decode([rle(annotation["segmentation"], photo.size) for annotation in photo.annotations])


def pixels(photo: AnnotatedPhoto) -> np.ndarray:
    """The photo: uint8 H×W×3 RGB. Raises PhotoError naming the file."""
    return np.asarray(open_photo(photo.file))


def whole_scene(photo: AnnotatedPhoto) -> Scene:
    """The photo as it is."""
    stack = masks(photo)
    things = [
        thing(photo, annotation, np.ascontiguousarray(stack[..., at]).astype(bool))
        for at, annotation in enumerate(photo.annotations)
    ]
    return Scene(pixels(photo), things, photo.complete, groups(photo), photo.plain)


def thing(photo: AnnotatedPhoto, annotation: dict[str, Any], mask: np.ndarray, *, phrases: bool = True) -> Thing:
    return Thing(
        category=annotation["category"],
        mask=mask,
        region=bool(annotation.get("region")),
        garment=photo.garments and annotation["category"] != "person",
        phrases=tuple(annotation.get("expressions", ())) if phrases else (),
    )


def groups(photo: AnnotatedPhoto) -> list[tuple[tuple[int, ...], tuple[str, ...]]]:
    at = {annotation["id"]: number for number, annotation in enumerate(photo.annotations)}
    return [
        (tuple(at[number] for number in group["annotation_ids"]), tuple(group["expressions"]))
        for group in photo.groups
        if all(number in at for number in group["annotation_ids"])
    ]


def examples(root: Path, split: str, *, seed: int = 0, per_photo: int = 3, predicted: bool = False) -> list[Example]:
    """Expressions for the photos of `split`, the same at every call: made ones, human phrases, absent things.

    Up to `per_photo` made expressions a photo, each of another target; one phrase for each thing that people described.
    predicted: whether masks that a model drew inside hand-drawn boxes count as truth.
    """
    found = []
    for photo in read(root):
        if photo.split == split and photo.annotations:
            found += _examples_of(photo, np.random.default_rng([seed, photo.id]), per_photo, predicted)
    return found


def _examples_of(photo: AnnotatedPhoto, rng: np.random.Generator, per_photo: int, predicted: bool) -> list[Example]:
    scene = whole_scene(photo)
    describer = Describer(scene, rng)
    truthful = [predicted or not annotation.get("predicted") for annotation in photo.annotations]
    seen_at_160 = 25 / (160 * 160)  # smaller things are a few pixels to the network: no score says anything of them
    order = [j for j in rng.permutation(len(scene.things)) if truthful[j] and scene.things[j].area > seen_at_160]
    chosen: list[Made] = []
    for index in order:
        if scene.things[index].phrases:
            text = describer.pick(*scene.things[index].phrases)
            chosen.append(Made(text, "human", (index,)))
    made_count = 0
    for index in order:
        made = [one for one in describer.of(index) if one.kind != "human"]
        if made and made_count < per_photo:
            chosen.append(choose(made, rng))
            made_count += 1
    together = [one for one in describer.groups() if all(truthful[j] for j in one.targets)]
    if together and rng.random() < 0.5:
        chosen.append(choose(together, rng))
    if photo.can_deny and rng.random() < 1 / ABSENT_EVERY:
        absent = describer.absent()
        chosen += [absent] if absent else []
    return [
        Example(
            photo=photo.file,
            size=photo.size,
            expression=made.text,
            segmentation=tuple(rle(photo.annotations[j]["segmentation"], photo.size) for j in made.targets),
            kind=made.kind,
            source=photo.source,
            target_id=f"{photo.id}:" + ",".join(str(photo.annotations[j]["id"]) for j in made.targets),
        )
        for made in chosen
    ]
