"""Samples a second that a run's loader makes, without a model: python -m benchmarks.loader [--config FILE --data ROOT]

Without data, photos of COCO's size (640×480, JPEG) with one polygon each are drawn, and the config is the paper's:
photos read, decoded, resized to 480×480, masks drawn, words cut into pieces.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import tempfile
import time
from itertools import islice
from pathlib import Path

from transformers import AutoTokenizer

from benchmarks.latency import jpeg
from slvit import SLViTProcessor
from slvit.processor import SLViTImageProcessor
from train.config import TrainConfig
from train.loader import AHEAD, loader
from train.start import MINILM_PACKAGE, package_folder

PAPER = Path("train/configs/refcoco-base.json")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.loader", description=__doc__.partition(":")[0] + ".")
    parser.add_argument("--config", type=Path, default=PAPER, help="of the run whose loader is timed")
    parser.add_argument("--data", help="its data, instead of drawn photos")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2], help="numbers of workers to try (1 2)")
    parser.add_argument("--batches", type=int, default=40, help="batches timed, after those made ahead (40)")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        config = TrainConfig.load(args.config)
        drawn = {} if args.data else {"dataset": "folder", "split_by": ""}
        config = dataclasses.replace(
            config,
            data=args.data or str(draw_photos(Path(folder))),
            samples=(args.batches + 2 * AHEAD * max(args.workers)) * config.batch_size,
            epochs=None,
            **drawn,
        )
        for workers in args.workers:
            rate = samples_a_second(dataclasses.replace(config, workers=workers), batches=args.batches)
            print(f"{args.config.name}, {workers} workers: {rate:.1f} samples a second", flush=True)


def samples_a_second(config: TrainConfig, *, batches: int) -> float:
    """Rate of `batches` batches, after as many as the workers may have made before the clock starts."""
    tokenizer = AutoTokenizer.from_pretrained(package_folder(MINILM_PACKAGE))  # BERT's vocabulary
    made = iter(loader(config, SLViTProcessor(SLViTImageProcessor(size=config.size), tokenizer), start=0))
    for _ in range(AHEAD * config.workers):
        next(made)
    began = time.perf_counter()
    count = sum(len(batch["mask"]) for batch in islice(made, batches))
    return count / (time.perf_counter() - began)


def draw_photos(folder: Path, *, count: int = 48) -> Path:
    """A folder of photo, mask and text: `count` JPEGs of 640×480 pixels."""
    lines = []
    for number in range(count):
        (folder / f"{number}.jpg").write_bytes(jpeg(640, 480, seed=number))
        x, y = 40 + 9 * number, 30 + 7 * number
        polygon = [x, y, x + 100, y, x + 130, y + 60, x + 60, y + 90]
        lines.append(json.dumps({"photo": f"{number}.jpg", "text": "the second man from the left", "mask": [polygon]}))
    (folder / "train.jsonl").write_text("\n".join(lines))
    return folder


if __name__ == "__main__":
    main()
