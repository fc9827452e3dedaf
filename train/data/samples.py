"""Made samples written out as a folder of photos, masks and texts: to look at, to train on elsewhere, to score on.

    python -m train.data samples DATA --out DIR --count 240 --split val --recipe '{"dressed": 1, "absent": 0, ...}'

What a recipe teaches can so be measured on photos that were not trained on: python -m train.evaluate --data DIR.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from pycocotools import mask as coco_mask

from train.config import TrainConfig
from train.data.made import MadeSamples, Recipe

ASPECTS = (1.0, 9 / 7, 7 / 9)  # width to height, in turn


def write(root: Path, *, out: Path, recipe: dict[str, Any], split: str, count: int, size: int, seed: int) -> Path:
    """`count` samples of the photos of `split` in a new folder `out`: photos/ and the list SPLIT.jsonl; its path.

    recipe: fields of Recipe, as in a config. size: root of a sample's area, pixels. Raises FileExistsError where `out`
    holds something already, ValueError where a field is none of the recipe's or the photos do not serve it.
    """
    fields = Recipe.of(TrainConfig(recipe=recipe).recipe)
    if out.exists() and any(out.iterdir()):
        raise FileExistsError(f"{out} is not empty: name a new folder.")

    def size_of(number: int) -> tuple[int, int]:
        aspect = ASPECTS[number % len(ASPECTS)]
        return round(size / aspect**0.5), round(size * aspect**0.5)

    samples = MadeSamples(root, recipe=fields, seed=seed, samples=count, size_of=size_of, split=split)
    (out / "photos").mkdir(parents=True, exist_ok=True)
    lines = []
    for number in range(count):
        sample = samples[number]
        name = f"photos/{number:05}.png"
        Image.fromarray(sample["photo"]).save(out / name)
        rle = coco_mask.encode(np.asfortranarray(sample["mask"]))
        mask = {"size": rle["size"], "counts": rle["counts"].decode()} if sample["mask"].any() else None
        lines.append({"photo": name, "text": sample["text"], "mask": mask, "kind": sample["kind"], "source": "made"})
    listed = out / f"{split}.jsonl"
    listed.write_text("".join(f"{json.dumps(line)}\n" for line in lines), encoding="utf-8")
    return listed
