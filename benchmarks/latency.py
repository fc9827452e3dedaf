"""Seconds of an answer, step by step, for photos of several sizes: python -m benchmarks.latency

Each figure is the median of several answers after one that does not count. A new photo is opened and encoded each
time; "next words" asks something else about the photo before; "insides" asks for the network's insides as well.
"""

from __future__ import annotations

import argparse
import io
from statistics import median

import torch
from PIL import Image
from transformers.utils import logging

from benchmarks.timing import machine
from slvit import ReferringSegmenter
from slvit.checkpoint import BUNDLED

STEPS = ("open", "prepare", "prior", "text", "model", "resize", "total")
SIZES = ((640, 480), (4032, 3024), (8192, 6144))  # width × height: a web picture, a phone's photo, 50 megapixels
EXPRESSION, NEXT = "the dog on the left", "the woman in a red shirt"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.latency", description=__doc__.partition(":")[0] + ".")
    parser.add_argument("--checkpoint", default=BUNDLED, metavar="FOLDER_OR_ID", help="default: the bundled one")
    parser.add_argument("--device", default="auto", help="auto (default), cpu or cuda")
    parser.add_argument("--repeat", type=int, default=7, help="answers a figure (7)")
    args = parser.parse_args()
    logging.disable_progress_bar()
    segmenter = ReferringSegmenter.from_pretrained(args.checkpoint, device=args.device)

    print(f"{segmenter.name} on {machine(segmenter.device)}, seconds, median of {args.repeat}\n")
    print(f"| JPEG | asked | {' | '.join(STEPS)} |\n|---|---|{'---|' * len(STEPS)}")
    for width, height in SIZES:
        for asked, seconds in measure(segmenter, width, height, repeat=args.repeat).items():
            print(f"| {width} × {height} | {asked} | " + " | ".join(f"{seconds[step]:.3f}" for step in STEPS) + " |")


def measure(segmenter: ReferringSegmenter, width: int, height: int, *, repeat: int) -> dict[str, dict[str, float]]:
    """By what was asked: the median seconds of each step for photos of that size in pixels."""
    timings = {"new photo": [], "next words": [], "new photo, insides": []}
    for shade in range(repeat + 1):
        photo, other = (jpeg(width, height, seed=2 * shade + number) for number in (0, 1))
        timings["new photo"].append(segmenter.segment(photo, EXPRESSION).timings)
        timings["next words"].append(segmenter.segment(photo, NEXT).timings)
        timings["new photo, insides"].append(segmenter.segment(other, EXPRESSION, inspect=True).timings)
    return {
        asked: {step: median(answer[step] for answer in answers[1:]) for step in STEPS}
        for asked, answers in timings.items()
    }


def jpeg(width: int, height: int, *, seed: int) -> bytes:
    """A JPEG file with detail at every scale, different for each seed."""
    colours = torch.rand(3, 48, 64, generator=torch.Generator().manual_seed(seed))
    small = Image.fromarray((colours.permute(1, 2, 0) * 255).byte().numpy())  # 48×64×3
    file = io.BytesIO()
    small.resize((width, height), Image.Resampling.BICUBIC).save(file, "JPEG", quality=90)
    return file.getvalue()


if __name__ == "__main__":
    main()
