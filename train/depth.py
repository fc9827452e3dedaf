"""A checkpoint of more or fewer blocks, nearly the same answers: python -m train.depth CHECKPOINT OUT --depths 3 3 8 3

A network that knows its training photos no better than others has not too few photos but too little that learns. Here
it gets more blocks: one becomes two of the same weights, each with half of its layer scales, as one step along a path
becomes two of half the length (Chang et al., Multi-level Residual Networks from Dynamical Systems View, ICLR 2018).
Training then lets the two differ. Layer scales of 0 in new blocks would change no answer at all, but hardly leave 0.
And back: while two neighbours differ little, one of their mean and the sum of their layer scales answers for both.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

from slvit.checkpoint import load_checkpoint
from slvit.errors import CheckpointError
from train.export import write_json, write_weights

BLOCK = re.compile(r"stages\.(\d+)\.blocks\.(\d+)\.(.+)")


def change_depth(checkpoint: Path, out: Path, *, depths: list[int]) -> None:
    """Writes `checkpoint` to the new folder `out` with `depths` (N_1..N_4) blocks a stage.

    A weights file in which nothing differs is copied as it is.
    Raises CheckpointError for what is no whole checkpoint, ValueError for a stage that would more than double or lose
    more than half of its blocks, FileExistsError where `out` is there.
    """
    before = load_checkpoint(checkpoint, device=torch.device("cpu"), dtype=torch.float16)[0].config.depths
    if len(depths) != 4:
        raise ValueError(f"--depths needs one number for each of the 4 stages, not {len(depths)}.")
    for number, (old, new) in enumerate(zip(before, depths, strict=True), start=1):
        if not (old + 1) // 2 <= new <= 2 * old:
            fewest = (old + 1) // 2
            raise ValueError(f"Stage {number} is {old} deep: it can have {fewest} to {2 * old} blocks, not {new}.")
    shutil.copytree(checkpoint, out)
    parts = {file.name: load_file(file) for file in sorted(out.glob("*.safetensors"))}
    where = {key: name for name, part in parts.items() for key in part}
    weights = {key: tensor for part in parts.values() for key, tensor in part.items()}
    changed = weights_at_depth(weights, before=before, depths=depths)
    for key in changed.keys() - where.keys():  # a new block's: beside the first of its stage
        where[key] = where[BLOCK.sub(r"stages.\1.blocks.0.\3", key)]
    write_weights(out, {name: {key: changed[key] for key in changed if where[key] == name} for name in parts})
    config = json.loads((out / "config.json").read_text(encoding="utf-8"))
    write_json(out / "config.json", {**config, "depths": list(depths)}, indent=2)


def weights_at_depth(weights: dict[str, Tensor], *, before: list[int], depths: list[int]) -> dict[str, Tensor]:
    """The state dict of a model of `before` blocks a stage as that of one of `depths`.

    The last blocks of a stage are those that become two, or of which two become one. The batch norms' statistics hold,
    nearly.
    """
    changed: dict[str, Tensor] = {}
    for key, value in weights.items():
        found = BLOCK.fullmatch(key)
        if found is None:
            changed[key] = value
            continue
        stage, block, rest = int(found[1]), int(found[2]), found[3]
        is_scale = rest.startswith("layer_scale")
        places = places_of(block, before=before[stage], after=depths[stage])
        for place in places:
            new = f"stages.{stage}.blocks.{place}.{rest}"
            if new in changed:  # the other of two
                both = changed[new].double() + value.double()
                changed[new] = (both if is_scale else both / 2).to(value.dtype)
            else:
                changed[new] = value / len(places) if is_scale else value.clone()
    return changed


def places_of(block: int, *, before: int, after: int) -> list[int]:
    """Where a block of `before` goes among `after`: to one place, two of its own, or one shared with a neighbour."""
    if after >= before:
        alone = 2 * before - after  # so many blocks from the first on stay as they are
        past = block - alone
        return [block] if past < 0 else [alone + 2 * past, alone + 2 * past + 1]
    alone = 2 * after - before
    return [block if block < alone else alone + (block - alone) // 2]


def main(arguments: list[str] | None = None) -> int:
    """Gives the exit code: 0, or 2 after a sentence on stderr."""
    parser = argparse.ArgumentParser(prog="python -m train.depth", description=__doc__.partition(":")[0] + ".")
    parser.add_argument("checkpoint", type=Path, metavar="CHECKPOINT", help="checkpoint folder")
    parser.add_argument("out", type=Path, metavar="OUT", help="new folder")
    parser.add_argument("--depths", type=int, nargs=4, metavar="N", required=True, help="blocks of each stage")
    args = parser.parse_args(arguments)
    try:
        change_depth(args.checkpoint, args.out, depths=args.depths)
    except (CheckpointError, ValueError, OSError) as error:
        print(f"train.depth: {error}", file=sys.stderr)
        return 2
    print(args.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
