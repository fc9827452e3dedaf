"""How the time of an answer grows: python -m benchmarks.growth [--out FOLDER]

With the photo (320 to 960 pixels a side), the words (5 to 40 word pieces), K (0 to 225 patches of 225) and the batch,
for the fast path of a checkpoint on a CPU: a table each, and a picture each in --out.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import torch
from matplotlib import pyplot
from transformers.utils import logging

from benchmarks.ratios import CPU, question
from benchmarks.timing import add_arguments, machine, row, take_turns
from slvit.checkpoint import BUNDLED, load_checkpoint
from slvit.fast import FastSLViT

SIDES = (320, 480, 640, 800, 960)
WORDS = (5, 10, 20, 40)
PATCHES = (0, 32, 64, 128, 225)
BATCHES = (1, 2, 4, 8)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.growth", description=__doc__.partition(":")[0] + ".")
    parser.add_argument("--checkpoint", default=BUNDLED, metavar="FOLDER_OR_ID", help="default: the bundled one")
    parser.add_argument("--out", type=Path, default=Path(".runs/benchmarks"), help="folder for the pictures")
    add_arguments(parser, rounds=3)
    args = parser.parse_args()
    logging.disable_progress_bar()
    if args.threads:
        torch.set_num_threads(args.threads)
    args.out.mkdir(parents=True, exist_ok=True)
    model, processor = load_checkpoint(args.checkpoint, device=CPU, dtype=torch.float32)
    fast, own = FastSLViT(model), processor.image_processor.size
    print(f"{Path(args.checkpoint).name} on {machine(CPU)}, best of {args.rounds}")

    def measure(of: str, values: tuple[int, ...], ask: Callable[[int], partial]) -> None:
        cases = {str(value): ask(value) for value in values}
        seconds = take_turns(cases, rounds=args.rounds, cpu_time=args.cpu_time)
        print("\n" + row(of, *values) + "\n" + row(*["---"] * (len(values) + 1)))
        print(row("seconds", *(f"{seconds[str(value)].best:.3f}" for value in values)), flush=True)
        draw(args.out / f"growth-{of.split()[0]}.png", of, values, [seconds[str(value)].best for value in values])

    torch.manual_seed(0)
    measure("photo (pixels a side)", SIDES, lambda side: partial(fast, *question(side)))
    measure(f"words (pieces; photo {own}×{own})", WORDS, lambda words: partial(fast, *question(own, words=words)))
    measure("patches (K; photo 480×480)", PATCHES, lambda K: partial(fast, *question(480), patches=K))
    measure(f"batch (pairs; photo {own}×{own})", BATCHES, lambda batch: partial(fast, *question(own, batch=batch)))


def draw(path: Path, of: str, values: tuple[int, ...], seconds: list[float]) -> None:
    figure, axes = pyplot.subplots(figsize=(5, 3.2), layout="constrained")
    axes.plot(values, seconds, "o-", color="#0b6e99", clip_on=False)
    axes.set(xlabel=of, ylabel="seconds an answer" if "batch" not in of else "seconds a batch")
    axes.set_ylim(bottom=0)
    axes.set_xticks(values)
    axes.grid(axis="y", color="#dddddd")
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=160)
    pyplot.close(figure)


if __name__ == "__main__":
    main()
