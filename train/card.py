"""The model card of a run: what a checkpoint was trained on, how, and what it scores."""

from __future__ import annotations

import hashlib
import json
import os
import platform
from pathlib import Path
from typing import Any

import torch

from train.config import TrainConfig
from train.loader import WIDER

FRONT = """---
license: apache-2.0
library_name: slvit
pipeline_tag: image-segmentation
tags: [referring-image-segmentation, slvit]
language: en
---
"""


def card(config: TrainConfig, *, samples: int, seconds: float, scored: dict[str, Any] | None) -> str:
    """A README.md for the exported folder, filled from the run.

    samples: seen by the weights. seconds: of training. scored: what the averaged weights scored on a part of the
    validation split, where the run validated: {"count": int, "table": str}.
    """
    name = Path(config.out).resolve().name
    rows = {
        "preset": config.preset + (f", with {json.dumps(config.model)}" if config.model else ""),
        "started from": _called(config.weights or config.encoder_weights or "random weights of the encoder"),
        "text encoder": _called(str(config.text_encoder)) + (", frozen" if "text_encoder" in config.freeze else ""),
        "data": "; ".join(f"{one.dataset} layout, hash {data_hash(Path(one.data))}" for one in config.sources),
        "samples": f"{samples:,} in {seconds / 3600:.1f} hours",
        "sizes": ", ".join(_size(share, int(side), config.shapes) for share, side in config.phases),
        "optimiser": f"AdamW, learning rate {config.lr:g}, {config.schedule}, weight decay {config.weight_decay:g}",
        "loss": "cross-entropy" + (f" + {config.dice:g} Dice" if config.dice else ""),
        "precision": config.precision,
        "seed": str(config.seed),
        "hardware": _hardware(),
        "command": f"`python -m train --config config.json` with the config in this run's folder {name}",
    }
    parts = [FRONT, f"# SLViT, {name}", "", "Referring image segmentation: a photo and an expression to a mask.", ""]
    parts += ["| | |", "|---|---|", *(f"| {key} | {value} |" for key, value in rows.items()), ""]
    if scored is not None:
        parts += [f"Scores on {scored['count']} examples of split {config.validate_split}:", "", "```"]
        parts += [scored["table"], "```", ""]
    parts += ["```python", "from slvit import ReferringSegmenter", ""]
    where = config.push_to_hub or f"{name}/checkpoint"
    parts += [f'segmenter = ReferringSegmenter.from_pretrained("{where}")', "```", ""]
    return "\n".join(parts)


def data_hash(root: Path) -> str:
    """Twelve digits that tell whether two sets of data list the same annotations: SHA-256 over their index files.

    root: a folder, or the one list that is all there is.
    """
    digest = hashlib.sha256()
    patterns = ("*.json", "*.jsonl", "*.p", "*/*.json", "*/*.p")
    found = [root] if root.is_file() else sorted(path for pattern in patterns for path in root.glob(pattern))
    for path in found:
        digest.update(path.name.encode())
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()[:12]


def _called(source: str) -> str:
    """The name of a package or hub model as it is, of a file or folder without the path, which tells of one machine."""
    path = Path(source)
    return path.resolve().name if path.is_absolute() or path.exists() else source


def _size(share: float, side: int, shapes: list[float]) -> str:
    """A phase's share of the samples and their size; shapes: shares of square, wider and taller batches."""
    about = "the area of " if side in WIDER and shapes[0] < 1 else ""
    return f"{share:.0%} at {about}{side}×{side}"


def _hardware() -> str:
    if torch.cuda.is_available():
        return f"{torch.cuda.device_count()} × {torch.cuda.get_device_name()}"
    return f"{os.cpu_count()} CPU cores, {platform.machine()}"
