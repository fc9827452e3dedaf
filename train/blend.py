"""Two checkpoints of one run after another as one: python -m train.blend BEFORE AFTER OUT [--share 0.7]

The weighted mean of their weights ("model soup", Wortsman et al., 2022): where the later run started from the earlier
one, the mean lies in the same valley and often holds up better on photos of other kinds than either.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import torch

from slvit.checkpoint import load_checkpoint
from slvit.errors import CheckpointError
from train.export import export_like


def blend(before: Path, after: Path, out: Path, *, share: float) -> None:
    """Writes `after` to the new folder `out` with its weights moved: share (0..1) of them, the rest of `before`'s.

    Files in which nothing differs are copied as they are. Raises CheckpointError for what is no whole checkpoint,
    ValueError for two that are not of one architecture, or a share out of range.
    """
    if not 0 <= share <= 1:
        raise ValueError(f"--share is {share}: it must lie in 0..1.")
    cpu = torch.device("cpu")
    earlier = load_checkpoint(before, device=cpu, dtype=torch.float32)[0].state_dict()
    later = load_checkpoint(after, device=cpu, dtype=torch.float32)[0].state_dict()
    if {key: value.shape for key, value in earlier.items()} != {key: value.shape for key, value in later.items()}:
        raise ValueError(f"{before} and {after} are not of one architecture: only such weights have a mean.")
    mixed = {key: earlier[key].lerp(value, share) for key, value in later.items() if value.is_floating_point()}
    export_like(after, out, mixed)


def main(arguments: list[str] | None = None) -> int:
    """Gives the exit code: 0, or 2 after a sentence on stderr."""
    parser = argparse.ArgumentParser(prog="python -m train.blend", description=__doc__.partition(":")[0] + ".")
    parser.add_argument("before", type=Path, metavar="BEFORE", help="checkpoint folder that the later run began with")
    parser.add_argument("after", type=Path, metavar="AFTER", help="checkpoint folder that it ended with")
    parser.add_argument("out", type=Path, metavar="OUT", help="new folder")
    parser.add_argument("--share", type=float, default=0.7, help="of AFTER's weights in the mean (0.7)")
    args = parser.parse_args(arguments)
    try:
        blend(args.before, args.after, args.out, share=args.share)
    except (CheckpointError, ValueError, OSError) as error:
        print(f"train.blend: {error}", file=sys.stderr)
        return 2
    print(args.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
