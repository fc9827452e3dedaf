"""What a run needs, made small: annotated photos, a text encoder, a config."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import torch
from models import SMALL, TEXT
from PIL import Image
from pycocotools import mask as coco_mask
from transformers import BertConfig, BertModel, BertTokenizer

ROOT = Path(__file__).parents[1]
COLOURS = {"red": (210, 20, 20), "green": (20, 160, 30), "blue": (20, 40, 220)}
SHAPES = ("square", "disc")


def annotated_photos(root: Path, *, count: int = 8, side: int = 96, val: int = 2) -> Path:
    """`count` photos of two squares or discs in different colours on grey, as a COCO-style folder."""
    (root / "photos").mkdir(parents=True)
    rng = np.random.default_rng(0)
    images, annotations = [], []
    for number in range(count):
        photo = np.full((side, side + 32, 3), 128, np.uint8) + rng.integers(0, 30, (side, side + 32, 1), np.uint8)
        kind = number % 2
        for turn, (x, colour) in enumerate(zip((30, 94), rng.permutation(list(COLOURS.values())), strict=False)):
            y, radius = int(rng.integers(30, side - 30)), int(rng.integers(14, 22))
            rows, columns = np.mgrid[:side, : side + 32]
            apart = np.maximum(abs(rows - y), abs(columns - x)) if kind == 0 else np.hypot(rows - y, columns - x)
            mask = apart <= radius
            photo[mask] = colour
            rle = coco_mask.encode(np.asfortranarray(mask.astype(np.uint8)))
            annotations.append(
                {
                    "id": 10 * number + turn,
                    "image_id": number,
                    "category_id": kind + 1,
                    "bbox": coco_mask.toBbox(rle).tolist(),
                    "area": int(mask.sum()),
                    "iscrowd": 0,
                    "segmentation": {"size": rle["size"], "counts": rle["counts"].decode()},
                }
            )
        name = f"{number}.png"
        Image.fromarray(photo).save(root / "photos" / name)
        image = {"id": number, "file_name": name, "width": side + 32, "height": side, "exhaustive_category_ids": [1, 2]}
        images.append(image | {"split": "val" if number >= count - val else "train", "source": "drawn"})
    categories = [{"id": number + 1, "name": name} for number, name in enumerate(SHAPES)]
    content = {"images": images, "annotations": annotations, "categories": categories}
    (root / "instances.json").write_text(json.dumps(content))
    return root


def people_known(root: Path, *, names: tuple[str, str] = SHAPES) -> None:
    """Says of every annotated photo that all people are marked, though none is there. names: of the two categories."""
    index = root / "instances.json"
    content = json.loads(index.read_text())
    content["categories"] = [{"id": number + 1, "name": name} for number, name in enumerate((*names, "person"))]
    for image in content["images"]:
        image["exhaustive_category_ids"] = [1, 2, 3]
    index.write_text(json.dumps(content))


def listed_photos(root: Path) -> Path:
    """The same photos as a folder of photo, mask and text: one expression for each of the two things on each."""
    photos = annotated_photos(root / "drawn")
    content = json.loads((photos / "instances.json").read_text())
    lines = []
    for image in content["images"]:
        both = [of for of in content["annotations"] if of["image_id"] == image["id"]]
        for side, of in zip(("left", "right"), sorted(both, key=lambda of: of["bbox"][0]), strict=True):
            text = f"the {side} {SHAPES[of['category_id'] - 1]}"
            photo = f"drawn/photos/{image['file_name']}"
            lines.append(json.dumps({"photo": photo, "text": text, "mask": of["segmentation"]}))
    (root / "list.jsonl").write_text("\n".join(lines))
    return root


def text_encoder(folder: Path) -> Path:
    """A BERT of random weights that knows the words of made expressions."""
    words = "the a on left right one in of most middle top bottom big small not that is front back red green blue shape"
    words += " square squares disc discs leftmost rightmost far both all two side way to person biggest largest"
    letters = "abcdefghijklmnopqrstuvwxyz0123456789"
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *words.split(), *(f"##{letter}" for letter in letters)]
    pieces += [letter for letter in letters if letter not in pieces]
    tokenizer = BertTokenizer(vocab={piece: number for number, piece in enumerate(pieces)})
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    BertModel(BertConfig(**{**TEXT, "vocab_size": len(pieces)}), add_pooling_layer=False).save_pretrained(folder)
    return folder


def config_file(folder: Path, **changes: object) -> Path:
    """A run of 12 steps in under ten seconds."""
    model = {key: value for key, value in SMALL.items() if key != "text_config"}
    content = {
        "model": model,
        "text_encoder": str(folder / "bert"),
        "data": str(folder / "data"),
        "out": str(folder / "run"),
        "samples": 48,
        "batch_size": 4,
        "phases": [[0.5, 64], [0.5, 96]],
        "freeze": ["text_encoder"],
        "precision": "no",
        "warmup": 3,
        "workers": 0,
        "save_every": 2,
        "log_every": 1,
        "device": "cpu",
        "threads": 1,
        "lr": 1e-3,
        "size": 96,
    }
    path = folder / "config.json"
    path.write_text(json.dumps({**content, **changes}))
    return path


def start(*arguments: object, module: str = "train") -> subprocess.Popen:
    """A run in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-u", "-m", module, *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def finish(process: subprocess.Popen) -> str:
    output, _ = process.communicate(timeout=240)
    assert process.returncode == 0, output
    return output
