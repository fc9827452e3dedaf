"""RefCOCO, RefCOCO+, RefCOCOg and gRefCOCO in the layout in which their authors give them out.

    ROOT/refcoco/refs(unc).p          ROOT/refcoco/instances.json
    ROOT/refcoco+/refs(unc).p         ROOT/refcoco+/instances.json
    ROOT/refcocog/refs(umd).p         ROOT/refcocog/instances.json      (or refs(google).p)
    ROOT/grefcoco/grefs(unc).json     ROOT/grefcoco/instances.json
    ROOT/images/mscoco/images/train2014/COCO_train2014_000000000009.jpg ...

Sources: Modeling Context in Referring Expressions, Yu et al., ECCV 2016 (RefCOCO, RefCOCO+, the tool "refer");
Generation and Comprehension of Unambiguous Object Descriptions, Mao et al., CVPR 2016 (RefCOCOg); GRES: Generalized
Referring Expression Segmentation, Liu, Ding and Jiang, CVPR 2023 (gRefCOCO).

Nothing is skipped in silence: a missing photo, a broken polygon, an annotation that nobody drew are named.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pycocotools import mask as coco_mask

from train.data.example import Example
from train.data.pickles import load_plain
from train.data.rle import rle

DATASETS = ("refcoco", "refcoco+", "refcocog", "grefcoco")
PARTITIONS = {"refcoco": ("unc",), "refcoco+": ("unc",), "refcocog": ("umd", "google"), "grefcoco": ("unc",)}
SPLITS = {
    ("refcoco", "unc"): ("train", "val", "testA", "testB"),
    ("refcoco+", "unc"): ("train", "val", "testA", "testB"),
    ("refcocog", "umd"): ("train", "val", "test"),
    ("refcocog", "google"): ("train", "val"),  # its test split was never given out
    ("grefcoco", "unc"): ("train", "val", "testA", "testB"),
}
# Where the photos are looked for: the layout of "refer", then that of gRefCOCO's own code.
PHOTO_FOLDERS = ("images/mscoco/images/train2014", "images/train2014")


@dataclass(frozen=True)
class Counts:
    """What a split, or a whole set, holds; None where nothing was published."""

    photos: int | None
    objects: int | None
    expressions: int | None


# Per split, as the released files have them.
PUBLISHED = {
    ("refcoco", "unc", "train"): Counts(16_994, 42_404, 120_624),
    ("refcoco", "unc", "val"): Counts(1_500, 3_811, 10_834),
    ("refcoco", "unc", "testA"): Counts(750, 1_975, 5_657),
    ("refcoco", "unc", "testB"): Counts(750, 1_810, 5_095),
    ("refcoco+", "unc", "train"): Counts(16_992, 42_278, 120_191),
    ("refcoco+", "unc", "val"): Counts(1_500, 3_805, 10_758),
    ("refcoco+", "unc", "testA"): Counts(750, 1_975, 5_726),
    ("refcoco+", "unc", "testB"): Counts(750, 1_798, 4_889),
    ("refcocog", "umd", "train"): Counts(21_899, 42_226, 80_512),
    ("refcocog", "umd", "val"): Counts(1_300, 2_573, 4_896),
    ("refcocog", "umd", "test"): Counts(2_600, 5_023, 9_602),
    ("refcocog", "google", "train"): Counts(None, 44_822, 85_474),
    ("refcocog", "google", "val"): Counts(4_650, 5_000, 9_536),
}
# Whole sets, as the papers have them. RefCOCO's file has one expression more than its paper; of RefCOCOg the 5,000
# objects of a test split were never given out.
PUBLISHED_WHOLE = {
    "refcoco": Counts(19_994, 50_000, 142_209),
    "refcoco+": Counts(19_992, 49_856, 141_564),
    "refcocog": Counts(26_711, 54_822, 104_560),
    "grefcoco": Counts(19_994, 60_287, 278_232),
}


def refs_file(root: Path, dataset: str, partition: str) -> Path:
    """Where the expressions of a data set belong."""
    name = f"grefs({partition}).json" if dataset == "grefcoco" else f"refs({partition}).p"
    return root / dataset / name


def partitions_in(root: Path, dataset: str) -> list[str]:
    """The partitions of `dataset` whose expressions are there."""
    return [partition for partition in PARTITIONS[dataset] if refs_file(root, dataset, partition).is_file()]


@dataclass(frozen=True)
class ReferringSet:
    """One data set as read. refs: targets with their expressions; images, annotations: by their COCO id."""

    dataset: str
    partition: str
    photo_folder: Path
    refs: list[dict[str, Any]]
    images: dict[int, dict[str, Any]]
    annotations: dict[int, dict[str, Any]]

    def photo(self, image: dict[str, Any]) -> Path:
        return self.photo_folder / image["file_name"]


def read(root: Path, dataset: str, partition: str) -> ReferringSet:
    """The annotations of a data set. Raises FileNotFoundError naming the file and where it belongs, or ValueError."""
    refs = _read_refs(root, dataset, partition)
    instances = root / dataset / "instances.json"
    content = _read_json(instances, f"the masks of {dataset}")
    try:
        images = {image["id"]: image for image in content["images"]}
        annotations = {annotation["id"]: annotation for annotation in content["annotations"]}
    except (KeyError, TypeError) as error:
        raise ValueError(f"{instances} is not in COCO's layout (images, annotations): get it anew.") from error
    return ReferringSet(dataset, partition, photo_folder(root), refs, images, annotations)


def photo_folder(root: Path) -> Path:
    """The folder of COCO's train2014 photos: the first of PHOTO_FOLDERS that exists, or else the first."""
    return next((root / name for name in PHOTO_FOLDERS if (root / name).is_dir()), root / PHOTO_FOLDERS[0])


def _read_refs(root: Path, dataset: str, partition: str) -> list[dict[str, Any]]:
    path = refs_file(root, dataset, partition)
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing: the expressions of {dataset}, split by {partition}, belong there.")
    refs = _read_json(path, "") if path.suffix == ".json" else load_plain(path)
    needed = {"ref_id", "ann_id", "image_id", "split", "sentences"}
    if not isinstance(refs, list) or not all(isinstance(ref, dict) and needed <= set(ref) for ref in refs):
        raise ValueError(f"{path} is no list of references with {', '.join(sorted(needed))}: get it anew.")
    return refs


def _read_json(path: Path, what: str) -> Any:
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing: {what} belong there.")
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is no JSON, or cut short: get it anew.") from error


def examples(
    root: Path,
    split: str,
    *,
    dataset: str,
    partition: str | None = None,
    without_photos: Collection[int] = (),
) -> list[Example]:
    """Every expression of a split, in the file's order, sentences as their writers typed them ("raw").

    kind: absent or group (gRefCOCO's empty and several targets); else only or several, by how many objects of the
    target's category the photo's annotations have. without_photos: COCO ids of photos to leave out, see `held_out`.
    Raises FileNotFoundError or ValueError naming the first thing that is missing or broken and how many there are.
    """
    partition = partition or PARTITIONS[dataset][0]
    if split not in SPLITS[dataset, partition]:
        names = ", ".join(SPLITS[dataset, partition])
        raise ValueError(f"{dataset}, split by {partition}, has no split {split!r}: choose one of {names}.")
    data = read(root, dataset, partition)
    refs = [ref for ref in data.refs if ref["split"] == split and ref["image_id"] not in without_photos]
    problems = list(problems_of(data, refs))
    if problems:
        more = f" ({len(problems) - 1} more problems: python -m train.data check {root})" if len(problems) > 1 else ""
        raise (FileNotFoundError if "missing" in problems[0] else ValueError)(problems[0] + more)
    of_a_kind = Counter((a["image_id"], a["category_id"]) for a in data.annotations.values() if not a.get("iscrowd"))
    masks: dict[int, dict[str, Any]] = {}
    found = []
    for ref in refs:
        image = data.images[ref["image_id"]]
        size = (image["height"], image["width"])
        targets = _targets(data, ref)
        for target in targets:
            if target["id"] not in masks:
                masks[target["id"]] = rle(target["segmentation"], size)
        if len(targets) == 1:
            alone = of_a_kind[image["id"], targets[0]["category_id"]] <= 1
            kind = "only" if alone else "several"
        else:
            kind = "group" if targets else "absent"
        for text in _texts(ref):
            found.append(
                Example(
                    photo=data.photo(image),
                    size=size,
                    expression=text,
                    segmentation=tuple(masks[target["id"]] for target in targets),
                    kind=kind,
                    source=dataset,
                    target_id=f"{dataset}:{ref['ref_id']}",
                )
            )
    return found


def _targets(data: ReferringSet, ref: dict[str, Any]) -> list[dict[str, Any]]:
    """Annotations that a reference means: one, or for gRefCOCO any number, crowds left out as its authors do."""
    annotations = [data.annotations[number] for number in _target_ids(ref)]
    return [a for a in annotations if not a.get("iscrowd")] if data.dataset == "grefcoco" else annotations


def _target_ids(ref: dict[str, Any]) -> list[int]:
    numbers = ref["ann_id"] if isinstance(ref["ann_id"], list) else [ref["ann_id"]]
    return [number for number in numbers if number != -1]  # gRefCOCO: -1 stands for nothing


def _texts(ref: dict[str, Any]) -> Iterator[str]:
    for sentence in ref["sentences"]:
        text = sentence.get("raw") or sentence.get("sent") or " ".join(sentence.get("tokens", ()))
        try:
            yield text.encode("latin-1").decode("utf-8")  # Python 2 pickled the bytes of its strings
        except UnicodeError:
            yield text


def segmentation_fault(segmentation: Any, size: tuple[int, int]) -> str | None:
    """What is wrong with a COCO segmentation of a photo of (H, W) `size`, or None."""
    if isinstance(segmentation, list):
        if not segmentation:
            return "it has no polygon"
        for polygon in segmentation:
            if not isinstance(polygon, list) or not all(isinstance(x, (int, float)) for x in polygon):
                return "its polygon is no list of numbers"
            if len(polygon) < 6 or len(polygon) % 2:
                return f"its polygon has {len(polygon)} coordinates, not 3 points or more"
            if not all(math.isfinite(x) for x in polygon):
                return "its polygon has a coordinate that is no number"
        return None
    if not isinstance(segmentation, dict) or not {"counts", "size"} <= set(segmentation):
        return "its segmentation is neither polygons nor run lengths"
    if list(segmentation["size"]) != list(size):
        return f"its run lengths are for {segmentation['size']}, the photo is {list(size)} (height, width)"
    counts = segmentation["counts"]
    if isinstance(counts, list):
        return None if sum(counts) == size[0] * size[1] else "its run lengths do not add up to the photo's pixels"
    try:
        coco_mask.decode(segmentation)
    except Exception:  # pycocotools raises nearly anything
        return "its run lengths are damaged"
    return None


def problems_of(data: ReferringSet, refs: Iterable[dict[str, Any]]) -> Iterator[str]:
    """A sentence for each missing photo, unknown annotation and broken mask among what `refs` mean, each once."""
    if not data.photo_folder.is_dir():
        yield f"{data.photo_folder} is missing: COCO's train2014 photos belong there."
        there = None
    else:
        there = {path.name for path in data.photo_folder.iterdir()}  # one look, not one for each of 20,000
    seen: set[tuple[str, int]] = set()

    def first_time(*key: Any) -> bool:
        new = key not in seen
        seen.add(key)
        return new

    file = f"{data.dataset}/instances.json"
    for ref in refs:
        image = data.images.get(ref["image_id"])
        if image is None:
            if first_time("image", ref["image_id"]):
                yield f"Photo {ref['image_id']} is not in {file}, though reference {ref['ref_id']} is about it."
            continue
        if there is not None and image["file_name"] not in there and first_time("photo", image["id"]):
            yield f"{data.photo(image)} is missing: a photo of COCO's train2014."
        for number in _target_ids(ref):
            if not first_time("annotation", number):
                continue
            annotation = data.annotations.get(number)
            if annotation is None:
                yield f"Annotation {number} is not in {file}, though reference {ref['ref_id']} means it."
                continue
            fault = segmentation_fault(annotation.get("segmentation"), (image["height"], image["width"]))
            if fault:
                yield f"Annotation {number} of {file} is broken: {fault}."


def held_out(root: Path) -> set[int]:
    """COCO ids of the photos of any validation or test split, to be kept out of training on several sets at once.

    The sets share photos: what one trains on may be what another is tested on. Reads RefCOCO, RefCOCO+ and RefCOCOg,
    the latter in each partition that is there, and gRefCOCO where it is there.
    Raises FileNotFoundError when one of the first three is missing: without it the list would have a hole.
    """
    photos: set[int] = set()
    for dataset in DATASETS:
        partitions = partitions_in(root, dataset)
        if not partitions and dataset != "grefcoco":
            partitions = [PARTITIONS[dataset][0]]  # reading it says what is missing
        for partition in partitions:
            refs = _read_refs(root, dataset, partition)
            photos |= {ref["image_id"] for ref in refs if ref["split"] != "train"}
    return photos


def counts(refs: Iterable[dict[str, Any]]) -> Counts:
    """Photos, objects (RefCOCO's word for references; for gRefCOCO, instances that any of them means), expressions."""
    refs = list(refs)
    several = any(isinstance(ref["ann_id"], list) for ref in refs)
    objects = len({number for ref in refs for number in _target_ids(ref)}) if several else len(refs)
    return Counts(len({ref["image_id"] for ref in refs}), objects, sum(len(ref["sentences"]) for ref in refs))
