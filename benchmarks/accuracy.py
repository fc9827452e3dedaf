"""Accuracy against latency of the project's checkpoints: python -m benchmarks.accuracy --data ROOT CHECKPOINT [...]

mIoU by train.evaluate on the validation split of --data, time by the fast path on this machine at the checkpoint's own
size; a table, and a picture in --out. Scores are kept beside the picture and used again while the weights are the same.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import torch
from matplotlib import pyplot
from transformers.utils import logging

from benchmarks.ratios import fast_alone
from benchmarks.timing import add_arguments, row, take_turns
from slvit.checkpoint import BUNDLED


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.accuracy", description=__doc__.partition(":")[0] + ".")
    parser.add_argument("checkpoints", nargs="*", default=[str(BUNDLED)], metavar="CHECKPOINT")
    parser.add_argument("--data", type=Path, required=True, help="root of the data that train.evaluate reads")
    parser.add_argument("--limit", type=int, help="at most so many expressions, evenly spread (all)")
    parser.add_argument("--out", type=Path, default=Path(".runs/benchmarks"), help="folder for picture and scores")
    add_arguments(parser, rounds=5)
    args = parser.parse_args()
    logging.disable_progress_bar()
    if args.threads:
        torch.set_num_threads(args.threads)
    args.out.mkdir(parents=True, exist_ok=True)

    points = []
    print(row("checkpoint", "seconds an answer", "n", "oIoU", "mIoU") + "\n" + row(*["---"] * 5))
    for name in args.checkpoints:
        scores = evaluate(name, args)
        (seconds,) = take_turns(fast_alone(name), rounds=args.rounds, cpu_time=args.cpu_time).values()
        points.append((Path(name).name, seconds.best, scores["miou"]))
        print(
            row(points[-1][0], f"{seconds.best:.3f}", scores["count"], f"{scores['oiou']:.1f}", f"{scores['miou']:.1f}")
        )
    draw(args.out / "accuracy.png", points)


def evaluate(checkpoint: str, args: argparse.Namespace) -> dict[str, float]:
    """All expressions' scores by train.evaluate, among them count, oiou and miou (percent)."""
    weights = hashlib.sha256(str(args.limit).encode())
    for path in sorted(Path(checkpoint).glob("*.safetensors")):
        weights.update(path.read_bytes())
    kept = args.out / f"scores-{weights.hexdigest()[:12]}.json"
    if not kept.exists():
        command = [sys.executable, "-m", "train.evaluate", "--checkpoint", checkpoint, "--data", str(args.data)]
        command += ["--split", "val", "--json", str(kept)] + (["--limit", str(args.limit)] if args.limit else [])
        subprocess.run(command, check=True, stdout=sys.stderr)
    return next(iter(json.loads(kept.read_text())["results"].values()))["all"]


def draw(path: Path, points: list[tuple[str, float, float]]) -> None:
    figure, axes = pyplot.subplots(figsize=(5, 3.2), layout="constrained")
    for name, seconds, miou in points:
        axes.plot(seconds, miou, "o", color="#0b6e99")
        axes.annotate(name, (seconds, miou), textcoords="offset points", xytext=(6, 4))
    axes.set(xlabel="seconds an answer (fast path, CPU)", ylabel="mIoU on the validation split, %")
    axes.set_xlim(0, 1.5 * max(seconds for _, seconds, _ in points))
    low, high = min(miou for *_, miou in points), max(miou for *_, miou in points)
    axes.set_ylim(max(0, low - 5), min(100, high + 5))
    axes.grid(color="#dddddd")
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=160)
    pyplot.close(figure)


if __name__ == "__main__":
    main()
