"""Which data set lies in a folder, and its examples by name."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from train.data import coco, folder, refcoco
from train.data.example import Example

DATASETS = (*refcoco.DATASETS, "coco", "folder")


def datasets_in(root: Path) -> list[str]:
    """Names of the data sets of which `root` holds at least the first file.

    Raises ValueError when `root` is itself one data set's folder of a RefCOCO root.
    """
    if any(root.glob("*refs(*).*")):
        raise ValueError(f"{root} is the folder of one data set: give the one above it, {root.resolve().parent}.")
    found = [dataset for dataset in refcoco.DATASETS if refcoco.partitions_in(root, dataset)]
    if (root / "instances.json").is_file():
        found.append("coco")
    if folder.lists_in(root):
        found.append("folder")
    return found


def the_dataset_in(root: Path) -> str:
    """The only data set in `root`. Raises ValueError when there is none or more than one."""
    found = datasets_in(root)
    if len(found) == 1:
        return found[0]
    if found:
        raise ValueError(f"{root} holds {', '.join(found)}: say which with --dataset.")
    what = "does not exist" if not root.exists() else "holds none of the layouts that are read"
    raise ValueError(
        f"{root} {what}: refcoco/refs(unc).p and its like, instances.json with photos/, or photos, masks and texts "
        "listed in a .jsonl file."
    )


def partition_of(dataset: str, wanted: str | None = None) -> str:
    """How `dataset` is split, `wanted` or the usual way: "unc", "umd", "google", or "" where there is only one way.

    Raises ValueError for a partition that the data set does not have.
    """
    if dataset not in refcoco.PARTITIONS:
        return ""
    known = refcoco.PARTITIONS[dataset]
    if wanted and wanted not in known:
        raise ValueError(f"{dataset} is not split by {wanted}: choose {' or '.join(known)}.")
    return wanted or known[0]


def splits_of(dataset: str, partition: str) -> tuple[str, ...]:
    """The splits that are there to be scored, the training split left out."""
    if dataset in refcoco.PARTITIONS:
        return tuple(split for split in refcoco.SPLITS[dataset, partition] if split != "train")
    return ("val",)


def examples_of(
    root: Path, dataset: str, *, split: str, partition: str = "", without_photos: Collection[int] = ()
) -> list[Example]:
    """Examples of one split, the same list at every call. without_photos: COCO ids that RefCOCO and its kin leave out.

    Raises FileNotFoundError or ValueError naming what is missing or wrong.
    """
    if dataset in refcoco.PARTITIONS:
        found = refcoco.examples(
            root,
            split,
            dataset=dataset,
            partition=partition or partition_of(dataset),
            without_photos=without_photos,
        )
    elif dataset == "coco":
        found = coco.examples(root, split)
    elif dataset == "folder":
        found = folder.examples(root, split)
    else:
        raise ValueError(f"There is no data set {dataset!r}: choose one of {', '.join(DATASETS)}.")
    if not found and without_photos:
        raise ValueError(
            f"All photos of {dataset} in {root}, split {split!r}, stand in a validation or test split too."
        )
    if not found:
        raise ValueError(f"{root} has no examples of {dataset} in split {split!r}: check the name of the split.")
    return found
