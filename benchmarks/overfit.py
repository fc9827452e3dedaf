"""Whether the trainer can learn eight photos by heart: python -m benchmarks.overfit

The example photos and their expressions, with masks drawn by hand, are written as a folder of photo, mask and text, and
learned by `python -m train` from a random encoder; `python -m train.evaluate` then scores the checkpoint on the same
photos. A loop, a loss or a scoring with a fault in it does not reach a mIoU of 95.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

from PIL import Image
from pycocotools import mask as coco_mask

from slvit.page.examples import photo_path
from tests.masks import OUTLINES, true_mask
from train.__main__ import main as train
from train.evaluate import main as evaluate

ENOUGH = 95.0  # mIoU
RECIPE = {
    "preset": "tiny",
    "model": {"visual_prior": "efficientnet_lite2", "coordinates": True, "uncertainty": "standardized"},
    "dataset": "folder",
    "batch_size": 8,
    "aspects": False,
    "mirrored": False,
    "light": False,
    "lr": 1e-3,
    "weight_decay": 0.0,
    "warmup": 40,
    "average": 0.98,
    "log_every": 10,
    "save_every": 50,
    "workers": 1,
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.overfit", description=__doc__.partition(":")[0] + ".")
    parser.add_argument("--out", type=Path, default=Path(".runs/overfit"), help="folder of data, state and checkpoint")
    parser.add_argument("--epochs", type=int, default=200, help="times that each expression is seen (200)")
    parser.add_argument("--size", type=int, default=256, help="side of the square that photos are squashed to (256)")
    args = parser.parse_args()
    data = write_examples(args.out / "data")
    recipe = RECIPE | {
        "data": str(data),
        "out": str(args.out / "run"),
        "epochs": args.epochs,
        "phases": [[1.0, args.size]],
        "size": args.size,
    }
    config = args.out / "config.json"
    config.write_text(json.dumps(recipe, indent=2))
    began = time.monotonic()
    code = train(["--config", str(config)])
    print(f"{time.monotonic() - began:.0f} seconds of training")
    scores = args.out / "scores.json"
    words = ["--checkpoint", args.out / "run" / "checkpoint", "--data", data, "--protocol", "lavt", "--size", args.size]
    code = code or evaluate([str(word) for word in (*words, "--json", scores)])
    if code:
        return code
    (result,) = json.loads(scores.read_text())["results"].values()
    print(
        f"mIoU {result['all']['miou']:.1f}: {'learned' if result['all']['miou'] > ENOUGH else 'not learned'} by heart"
    )
    return int(result["all"]["miou"] <= ENOUGH)


def write_examples(folder: Path) -> Path:
    """The examples in the layout of one's own photos; without "split", they are trained on and scored."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = []
    for photo, drawn in OUTLINES.items():
        path = photo_path(photo).resolve()
        with Image.open(path) as image:
            size = image.size
        for expression in drawn["expressions"]:
            encoded = coco_mask.encode(true_mask(photo, expression, size).astype("uint8", order="F"))
            mask = {"size": encoded["size"], "counts": encoded["counts"].decode("ascii")}
            lines.append(json.dumps({"photo": str(path), "text": expression, "mask": mask}))
    (folder / "examples.jsonl").write_text("\n".join(lines) + "\n")
    return folder


if __name__ == "__main__":
    sys.exit(main())
