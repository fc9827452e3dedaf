"""What lies in a data folder and what is wrong with it, photos with names made into training photos, samples to see.

python -m train.data check PATH counts photos, objects and expressions by split, sets published numbers beside them, and
names every missing photo and every broken mask. Ends with 0 when all is well, 1 when something is missing or broken, 2
when nothing can be checked. outline: see train/data/outline.py. samples: see train/data/samples.py.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from train.data import coco, folder, outline, refcoco, samples
from train.data.layout import datasets_in, the_dataset_in
from train.data.refcoco import Counts

SHOWN = 20  # problems of one data set that are named without --all


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser("python -m train.data", description="Look after data folders.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="check|outline|samples")
    check = commands.add_parser("check", help="say what is there and what is missing or broken")
    check.add_argument("path", type=Path, help="root of the data")
    check.add_argument("--all", action="store_true", help=f"name every problem, not only the first {SHOWN}")
    named = commands.add_parser("outline", help="add photos with names, outlined by U²-Net, to annotated ones")
    named.add_argument("named", type=Path, metavar="NAMED", help="folder of names.json and photos/")
    named.add_argument("--network", type=Path, required=True, metavar="ONNX", help="U²-Net's u2net.onnx")
    named.add_argument("--into", type=Path, required=True, metavar="MASKS", help="folder of instances.json and photos/")
    named.add_argument("--out", type=Path, required=True, metavar="OUT", help="new folder: MASKS and these photos")
    made = commands.add_parser("samples", help="write made samples out, to look at or to score on")
    made.add_argument("data", type=Path, metavar="DATA", help="folder of instances.json and photos/")
    made.add_argument("--out", type=Path, required=True, metavar="DIR", help="new folder")
    made.add_argument("--recipe", type=json.loads, default={}, metavar="JSON", help="fields of Recipe, as in training")
    made.add_argument("--split", default="val", help="of whose photos they are made (val)")
    made.add_argument("--count", type=int, default=240, metavar="N", help="how many (240)")
    made.add_argument("--size", type=int, default=256, metavar="PIXELS", help="root of a sample's area (256)")
    made.add_argument("--seed", type=int, default=0, help="another gives other samples (0)")
    args = parser.parse_args(arguments)
    try:
        if args.command == "samples":
            asked = {"split": args.split, "count": args.count, "size": args.size, "seed": args.seed}
            print(samples.write(args.data, out=args.out, recipe=args.recipe, **asked))
            return 0
        if args.command == "outline":
            return _outline(args.named, args.network, into=args.into, out=args.out)
        sets = list(dict.fromkeys((*datasets_in(args.path), *_begun(args.path))))
        if not sets:
            the_dataset_in(args.path)  # says what could be there
        problems = 0
        for dataset in sets:
            problems += _report(args.path, dataset, shown=None if args.all else SHOWN)
    except (OSError, ValueError, RuntimeError) as error:
        print(f"train.data: {error}", file=sys.stderr)
        return 2
    return 1 if problems else 0


def _outline(named: Path, network: Path, *, into: Path, out: Path) -> int:
    """Outlines and says how many; 1 where a photo could not be read."""
    found = outline.outline(named, outline.network(network), into=into, out=out)
    print(f"{out}: {found.added:,} photos added, {found.unsure:,} left out for masks that are not plain")
    for problem in found.broken:
        print(f"  ! {problem}")
    return 1 if found.broken else 0


def _begun(root: Path) -> list[str]:
    """Data sets of RefCOCO's family that have a folder, though perhaps not yet their expressions."""
    return [dataset for dataset in refcoco.DATASETS if (root / dataset).is_dir()]


def _report(root: Path, dataset: str, *, shown: int | None) -> int:
    """Prints what is known of a data set; the number of problems."""
    checks: dict[str, Callable[[Path], tuple[list[str], list[str]]]] = {"coco": check_coco, "folder": check_folder}
    if dataset in checks:
        lines, problems = checks[dataset](root)
    else:
        lines, problems = check_refcoco(root, dataset)
    print("\n".join([f"{dataset} in {root}", *(f"  {line}" for line in lines)]))
    for problem in problems[:shown]:
        print(f"  ! {problem}")
    if shown is not None and len(problems) > shown:
        print(f"  ! and {len(problems) - shown} more: --all names them.")
    print("  nothing is missing or broken\n" if not problems else "")
    return len(problems)


def check_refcoco(root: Path, dataset: str) -> tuple[list[str], list[str]]:
    """Lines of a table, and problems, of a set of RefCOCO's family."""
    lines, problems = [], []
    partitions = refcoco.partitions_in(root, dataset) or refcoco.PARTITIONS[dataset][:1]
    for partition in partitions:
        try:
            data = refcoco.read(root, dataset, partition)
        except (OSError, ValueError) as error:
            problems.append(str(error))
            continue
        lines += [f"split by {partition}", _row("", "photos", "objects", "expressions", "published")]
        for split in dict.fromkeys((*refcoco.SPLITS[dataset, partition], *sorted({ref["split"] for ref in data.refs}))):
            of_split = refcoco.counts(ref for ref in data.refs if ref["split"] == split)
            lines.append(_counted(split, of_split, refcoco.PUBLISHED.get((dataset, partition, split))))
        lines.append(_counted("all", refcoco.counts(data.refs), refcoco.PUBLISHED_WHOLE[dataset]))
        problems += refcoco.problems_of(data, data.refs)
    return lines, list(dict.fromkeys(problems))


def check_coco(root: Path) -> tuple[list[str], list[str]]:
    """The same of photos with instances.json."""
    photos = coco.read(root)
    lines, problems = [_row("", "photos", "objects", "phrases")], []
    for split in sorted({photo.split for photo in photos}):
        of_split = [photo for photo in photos if photo.split == split]
        annotations = [annotation for photo in of_split for annotation in photo.annotations]
        texts = sum(len(annotation.get("expressions", ())) for annotation in annotations)
        texts += sum(len(group["expressions"]) for photo in of_split for group in photo.groups)
        lines.append(_row(split, *(f"{n:,}" for n in (len(of_split), len(annotations), texts))))
    there: dict[Path, set[str]] = {}
    for photo in photos:
        parent = photo.file.parent
        if parent not in there:
            there[parent] = {path.name for path in parent.iterdir()} if parent.is_dir() else set()
        if photo.file.name not in there[parent]:
            problems.append(f"{photo.file} is missing: instances.json lists it.")
        for annotation in photo.annotations:
            fault = refcoco.segmentation_fault(annotation.get("segmentation"), photo.size)
            if fault:
                problems.append(f"Annotation {annotation['id']} of instances.json is broken: {fault}.")
    return lines, problems


def check_folder(root: Path) -> tuple[list[str], list[str]]:
    """The same of photos, masks and texts in JSON-lines lists."""
    problems = folder.problems(root)
    lines = [_row("", "photos", "objects", "expressions")]
    for split in folder.splits_in(root):
        try:
            found = folder.examples(root, split)
        except ValueError:
            lines.append(f"{split}: cannot be read before the lines below are put right")
            continue
        counted = Counts(
            len({example.photo for example in found}), len({example.target_id for example in found}), len(found)
        )
        lines.append(_counted(split, counted, None))
    return lines, problems


def _counted(name: str, counted: Counts, published: Counts | None) -> str:
    numbers = [f"{n:,}" for n in (counted.photos, counted.objects, counted.expressions)]
    if published is None:
        return _row(name, *numbers)
    pairs = (
        (counted.photos, published.photos),
        (counted.objects, published.objects),
        (counted.expressions, published.expressions),
    )
    if all(wanted in (None, n) for n, wanted in pairs):
        return _row(name, *numbers, "the same")
    return _row(name, *numbers, " / ".join("-" if wanted is None else f"{wanted:,}" for _, wanted in pairs))


def _row(name: str, *cells: str) -> str:
    return (name.ljust(8) + "".join(cell.rjust(13) for cell in cells[:3]) + "   " + "".join(cells[3:])).rstrip()


if __name__ == "__main__":
    sys.exit(main())
