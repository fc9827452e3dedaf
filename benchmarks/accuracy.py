"""Accuracy against latency of the project's checkpoints: python -m benchmarks.accuracy --data ROOT CHECKPOINT [...]

mIoU by train.evaluate on the validation split of --data, time by the fast path on this machine, at each of --sizes or
at the checkpoint's own, 256+384 being the mean of two looks in the time of both; a table, and a picture in --out.
Scores are kept in .runs/benchmarks and used again while the weights are the same.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import torch
from matplotlib import pyplot
from transformers.utils import logging

from benchmarks.ratios import CPU, question
from benchmarks.timing import add_arguments, row, take_turns
from slvit.arguments import SIZE, sizes
from slvit.checkpoint import BUNDLED, load_checkpoint
from slvit.fast import FastSLViT

KEPT = Path(".runs/benchmarks")
COLOURS = ["#0b6e99", "#b3541e", "#4d7c0f", "#7c3aed"]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.accuracy", description=__doc__.partition(":")[0] + ".")
    parser.add_argument("checkpoints", nargs="*", default=[str(BUNDLED)], metavar="CHECKPOINT")
    parser.add_argument("--data", type=Path, required=True, help="root of the data that train.evaluate reads")
    parser.add_argument("--sizes", type=sizes, nargs="+", metavar="SIZE", help=SIZE)
    parser.add_argument("--limit", type=int, help="at most so many expressions, evenly spread (all)")
    parser.add_argument("--out", type=Path, default=KEPT, help="folder for the picture")
    add_arguments(parser, rounds=5)
    args = parser.parse_args()
    logging.disable_progress_bar()
    if args.threads:
        torch.set_num_threads(args.threads)
    for folder in (args.out, KEPT):
        folder.mkdir(parents=True, exist_ok=True)

    scores: dict[tuple[str, str], dict[str, float]] = {}
    cases: dict[tuple[str, str], Callable[[], object]] = {}
    for checkpoint in args.checkpoints:
        model, processor = load_checkpoint(checkpoint, device=CPU, dtype=torch.float32)
        fast = FastSLViT(model)
        for looks in args.sizes or [processor.image_processor.sizes]:
            size = "+".join(str(side) for side in looks)
            scores[Path(checkpoint).name, size] = evaluate(checkpoint, size, args)
            cases[Path(checkpoint).name, size] = answered(fast, looks)
    seconds = take_turns(cases, rounds=args.rounds, cpu_time=args.cpu_time)

    lines: dict[str, list[tuple[str, float, float]]] = {}  # by checkpoint: size, seconds, mIoU
    print(row("checkpoint", "sees", "seconds an answer", "n", "oIoU", "mIoU") + "\n" + row(*["---"] * 6))
    for (name, size), score in scores.items():
        best = seconds[name, size].best
        lines.setdefault(name, []).append((size, best, score["miou"]))
        figures = f"{best:.3f}", score["count"], f"{score['oiou']:.1f}", f"{score['miou']:.1f}"
        print(row(name, " and ".join(f"{side}×{side}" for side in size.split("+")), *figures))
    draw(args.out / "accuracy.png", lines)


def answered(model: FastSLViT, looks: Sequence[int]) -> Callable[[], object]:
    """An answer about a random photo: one forward pass for each look's side in pixels."""
    questions = [question(side) for side in looks]
    return lambda: [model(*asked) for asked in questions]


def evaluate(checkpoint: str, size: str, args: argparse.Namespace) -> dict[str, float]:
    """All expressions' scores by train.evaluate, among them count, oiou and miou (percent)."""
    weights = hashlib.sha256(f"{size} {args.limit}".encode())
    for path in sorted(Path(checkpoint).glob("*.safetensors")):
        weights.update(path.read_bytes())
    kept = KEPT / f"scores-{weights.hexdigest()[:12]}.json"
    if not kept.exists():
        command = [sys.executable, "-m", "train.evaluate", "--checkpoint", checkpoint, "--data", str(args.data)]
        command += ["--split", "val", "--size", size, "--json", str(kept)]
        command += ["--limit", str(args.limit)] if args.limit else []
        subprocess.run(command, check=True, stdout=sys.stderr)
    return next(iter(json.loads(kept.read_text())["results"].values()))["all"]


def draw(path: Path, lines: dict[str, list[tuple[str, float, float]]]) -> None:
    figure, axes = pyplot.subplots(figsize=(5, 3.2), layout="constrained")
    for (name, points), colour in zip(lines.items(), COLOURS * len(lines), strict=False):
        _, seconds, mious = zip(*points, strict=True)
        axes.plot(seconds, mious, "o", color=colour, label=name)
        axes.plot(*zip(*[point[1:] for point in points if "+" not in point[0]], strict=True), color=colour)
        for size, x, y in points:
            shown = size.replace("+", "²+") + "²"
            label = axes.annotate(shown, (x, y), textcoords="offset points", xytext=(0, 9), ha="center")
            label.set_bbox({"facecolor": "white", "edgecolor": "none", "pad": 0.5})
    every = [point for points in lines.values() for point in points]
    axes.set(xlabel="seconds an answer (fast path, CPU)", ylabel="mIoU on the validation split, %")
    axes.set_xlim(0, 1.15 * max(seconds for _, seconds, _ in every))
    low, high = min(miou for *_, miou in every), max(miou for *_, miou in every)
    axes.set_ylim(max(0, low - 5), min(100, high + 3))
    axes.legend(frameon=False, loc="lower right")
    axes.grid(color="#dddddd")
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=160)
    pyplot.close(figure)


if __name__ == "__main__":
    main()
