"""The model card of a run: what a checkpoint was trained on, how, and what it scores."""

from __future__ import annotations

import hashlib
import json
import os
import platform
from pathlib import Path

import torch

from train.config import TrainConfig
from train.metrics import Scores

FRONT = """---
license: apache-2.0
library_name: slvit
pipeline_tag: image-segmentation
tags: [referring-image-segmentation, slvit]
language: en
---
"""


def card(config: TrainConfig, *, samples: int, seconds: float, scores: Scores | None) -> str:
    """A README.md for the exported folder, filled from the run.

    samples: seen by the weights. seconds: of training. scores: of the averaged weights on a part of the validation
    split, where the run validated.
    """
    name = Path(config.out).name
    rows = {
        "preset": config.preset + (f", with {json.dumps(config.model)}" if config.model else ""),
        "started from": config.weights or config.encoder_weights or "random weights of the encoder",
        "text encoder": f"{config.text_encoder}{', frozen' if 'text_encoder' in config.freeze else ''}",
        "data": "; ".join(f"{one.dataset} layout, hash {data_hash(Path(one.data))}" for one in config.sources),
        "samples": f"{samples:,} in {seconds / 3600:.1f} hours",
        "sizes": ", ".join(f"{share:.0%} at {side}×{side}" for share, side in config.phases),
        "optimiser": f"AdamW, learning rate {config.lr:g}, {config.schedule}, weight decay {config.weight_decay:g}",
        "loss": "cross-entropy" + (f" + {config.dice:g} Dice" if config.dice else ""),
        "precision": config.precision,
        "seed": str(config.seed),
        "hardware": _hardware(),
        "command": f"`python -m train --config config.json` with the config in this run's folder {name}",
    }
    parts = [FRONT, f"# SLViT, {name}", "", "Referring image segmentation: a photo and an expression to a mask.", ""]
    parts += ["| | |", "|---|---|", *(f"| {key} | {value} |" for key, value in rows.items()), ""]
    if scores is not None:
        parts += [f"Scores on {config.validate_on} examples of split {config.validate_split}:", "", "```"]
        parts += [scores.table(), "```", ""]
    parts += ["```python", "from slvit import ReferringSegmenter", ""]
    parts += [f'segmenter = ReferringSegmenter.from_pretrained("{name}")', "```", ""]
    return "\n".join(parts)


def data_hash(root: Path) -> str:
    """Twelve digits that tell whether two folders list the same annotations: SHA-256 over their index files."""
    digest = hashlib.sha256()
    found = sorted(path for pattern in ("*.json", "*.jsonl", "*.p", "*/*.json", "*/*.p") for path in root.glob(pattern))
    for path in found:
        digest.update(path.name.encode())
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()[:12]


def _hardware() -> str:
    if torch.cuda.is_available():
        return f"{torch.cuda.device_count()} × {torch.cuda.get_device_name()}"
    return f"{os.cpu_count()} CPU cores, {platform.machine()}"
