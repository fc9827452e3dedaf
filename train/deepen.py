"""A deeper checkpoint that answers nearly as before: python -m train.deepen CHECKPOINT OUT --depths 3 3 8 3

A network that knows its training photos no better than others has not too few photos but too little that learns. Here
it gets more blocks: one becomes two of the same weights, each with half of its layer scales, as one step along a path
becomes two of half the length (Chang et al., Multi-level Residual Networks from Dynamical Systems View, ICLR 2018).
Training then lets the two differ. Layer scales of 0 in new blocks would change no answer at all, but hardly leave 0.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file, save
from torch import Tensor

from slvit.checkpoint import load_checkpoint
from slvit.errors import CheckpointError
from train.state import replace_file

BLOCK = re.compile(r"stages\.(\d+)\.blocks\.(\d+)\.(.+)")
INDEX = "model.safetensors.index.json"


def deepen(checkpoint: Path, out: Path, *, depths: list[int]) -> None:
    """Writes `checkpoint` to the new folder `out` with `depths` (N_1..N_4) blocks a stage.

    A weights file without a block of a deepened stage is copied as it is.
    Raises CheckpointError for what is no whole checkpoint, ValueError for a stage that would lose blocks or more than
    double, FileExistsError where `out` is there.
    """
    before = load_checkpoint(checkpoint, device=torch.device("cpu"), dtype=torch.float16)[0].config.depths
    if len(depths) != 4:
        raise ValueError(f"--depths needs one number for each of the 4 stages, not {len(depths)}.")
    for number, (old, new) in enumerate(zip(before, depths, strict=True), start=1):
        if not old <= new <= 2 * old:
            raise ValueError(f"Stage {number} is {old} deep: it can have {old} to {2 * old} blocks, not {new}.")
    shutil.copytree(checkpoint, out)
    files = {}
    for file in sorted(out.glob("*.safetensors")):
        there = load_file(file)
        deeper = deeper_weights(there, before=before, depths=depths)
        files |= {key: (file.name, tensor.nbytes) for key, tensor in deeper.items()}
        if deeper.keys() != there.keys():
            replace_file(file, save(deeper, metadata={"format": "pt"}))
    index = {
        "metadata": {"total_size": sum(size for _, size in files.values())},
        "weight_map": {key: name for key, (name, _) in files.items()},
    }
    if (out / INDEX).exists():
        _write_json(out / INDEX, index, indent=1)
    config = json.loads((out / "config.json").read_text(encoding="utf-8"))
    _write_json(out / "config.json", {**config, "depths": list(depths)}, indent=2)


def _write_json(file: Path, content: dict, *, indent: int) -> None:
    replace_file(file, json.dumps(content, indent=indent, sort_keys=True).encode() + b"\n")


def deeper_weights(weights: dict[str, Tensor], *, before: list[int], depths: list[int]) -> dict[str, Tensor]:
    """The state dict of a model of `before` blocks a stage as that of one of `depths`.

    The last blocks of a stage are those that become two. The batch norms' statistics hold for both, nearly.
    """
    deeper = {}
    for key, value in weights.items():
        found = BLOCK.fullmatch(key)
        if found is None:
            deeper[key] = value
            continue
        stage, block, rest = int(found[1]), int(found[2]), found[3]
        new = depths[stage] - before[stage]
        doubled = block - (before[stage] - new)  # from 0 on among those that become two; negative where it stays one
        if doubled < 0:
            deeper[key] = value
            continue
        value = value / 2 if rest.startswith("layer_scale") else value
        for place in (block + doubled, block + doubled + 1):
            deeper[f"stages.{stage}.blocks.{place}.{rest}"] = value.clone()
    return deeper


def main(arguments: list[str] | None = None) -> int:
    """Gives the exit code: 0, or 2 after a sentence on stderr."""
    parser = argparse.ArgumentParser(prog="python -m train.deepen", description=__doc__.partition(":")[0] + ".")
    parser.add_argument("checkpoint", type=Path, metavar="CHECKPOINT", help="checkpoint folder")
    parser.add_argument("out", type=Path, metavar="OUT", help="new folder")
    parser.add_argument("--depths", type=int, nargs=4, metavar="N", required=True, help="blocks of each stage")
    args = parser.parse_args(arguments)
    try:
        deepen(args.checkpoint, args.out, depths=args.depths)
    except (CheckpointError, ValueError, OSError) as error:
        print(f"train.deepen: {error}", file=sys.stderr)
        return 2
    print(args.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
