"""Two results of `train.evaluate --json` side by side: python -m train.compare BEFORE.json AFTER.json

Prints the rows of a model card, by kind, by the target's share of the photo and by source: left of each arrow BEFORE,
right of it AFTER; then, by kind, what AFTER gained in mIoU and point and how much of that is chance. Both must come
from the same examples, photo sizes and way of scoring.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

COLUMNS = ("oiou", "miou", "p@0.5", "p@0.7", "p@0.9", "point", "boundary_f")
HEAD = "| | n | oIoU | mIoU | P@0.5 | P@0.7 | P@0.9 | point | boundary F |\n|---|---|---|---|---|---|---|---|---|"


def table(before: dict[str, Any], after: dict[str, Any]) -> str:
    """Markdown rows of two results, as `Scores.to_dict` gives them. Raises ValueError where they do not match."""
    if before["protocol"] != after["protocol"]:
        raise ValueError(f"These were scored in two ways: {before['protocol']} and: {after['protocol']}")
    lines = [HEAD, _row("all", before["all"], after["all"])]
    for group in ("by_kind", "by_size", "by_source"):
        if not (group in before and group in after):
            raise ValueError(f"There is no {group}: write both results with this version's train.evaluate.")
        if before[group].keys() != after[group].keys():
            raise ValueError(f"These are of different examples: {group} differs.")
        lines += [_row(name, before[group][name], after[group][name]) for name in before[group] if name != "absent"]
        lines.append("| " * (len(COLUMNS) + 2) + "|")
    return "\n".join(lines[:-1])


def _row(name: str, before: dict[str, Any], after: dict[str, Any]) -> str:
    if before["count"] != after["count"]:
        raise ValueError(f"These are of different examples: {before['count']} and {after['count']} of {name}.")
    cells = [f"{_percent(before[column])} → **{_percent(after[column])}**" for column in COLUMNS]
    return f"| {name} | {after['count']} | " + " | ".join(cells) + " |"


def _percent(share: float | None) -> str:
    """A dash where there is nothing to score: in a source whose expressions all mean nothing."""
    return "-" if share is None else f"{share:.1f}"


def gains(before: dict[str, Any], after: dict[str, Any]) -> str:
    """Markdown rows, by kind: what mIoU and point gained, in percent, each with its standard error.

    Raises ValueError where the records are missing or of different examples.
    """
    pairs = list(zip(_present(before), _present(after), strict=True))
    if any(a[key] != b[key] for a, b in pairs for key in ("number", "photo", "kind")):
        raise ValueError("These are of different examples: their records differ.")
    lines = ["| gained | n | photos | mIoU | point |", "|---|---|---|---|---|"]
    for kind in ("all", *dict.fromkeys(a["kind"] for a, _ in pairs)):
        chosen = [(a, b) for a, b in pairs if kind in ("all", a["kind"])]
        photos = [a["photo"] for a, _ in chosen]
        cells = [
            "{:+.2f} ± {:.2f}".format(*gain([100.0 * (b[key] - a[key]) for a, b in chosen], photos))
            for key in ("iou", "point")
        ]
        lines.append(f"| {kind} | {len(chosen)} | {len(set(photos))} | {' | '.join(cells)} |")
    return "\n".join(lines)


def gain(differences: Sequence[float], photos: Sequence[str]) -> tuple[float, float]:
    """Mean of `differences` and its standard error, where those of one photo may go together; NaN for one photo.

    The error is that of a mean over clusters of unequal size (Cochran, Sampling Techniques, 1977, chapter 9A).
    """
    mean = float(np.mean(differences))
    sums: dict[str, float] = {}
    for difference, photo in zip(differences, photos, strict=True):
        sums[photo] = sums.get(photo, 0.0) + difference - mean
    C = len(sums)
    if C < 2:
        return mean, float("nan")
    return mean, float(np.sqrt(C / (C - 1) * np.sum(np.square(list(sums.values()))))) / len(differences)


def _present(result: dict[str, Any]) -> list[dict[str, Any]]:
    if not all("photo" in record for record in result.get("records") or [{}]):
        raise ValueError("There is no record of each example: write both results with this version's train.evaluate.")
    return [record for record in result["records"] if not record["absent"]]


def _results(path: Path) -> dict[str, Any]:
    content = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(content, dict) or not isinstance(content.get("results"), dict):
        raise ValueError(f"{path} holds no results: write it with train.evaluate --json.")
    return content["results"]


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m train.compare", description=__doc__.partition("\n")[0])
    parser.add_argument("before", type=Path)
    parser.add_argument("after", type=Path)
    args = parser.parse_args(arguments)
    try:
        before, after = _results(args.before), _results(args.after)
        if before.keys() != after.keys():
            raise ValueError(f"These are of different splits: {', '.join(before)} and {', '.join(after)}.")
        for split in before:
            print(f"{split}\n\n{table(before[split], after[split])}\n\n{gains(before[split], after[split])}\n")
    except (OSError, ValueError) as error:
        print(f"train.compare: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
