"""python -m train --config FILE [--key value ...]: starts a run, or continues the one in its folder."""

from __future__ import annotations

import sys
from pathlib import Path

from train.config import TrainConfig
from train.loop import BadLossesError, train

USAGE = """usage: python -m train --config FILE [--key value ...]

Starts a run, or continues the one whose folder --out names. Any key of the config can be given, values as in JSON:
  python -m train --config train/configs/demo-tiny.json --data FOLDER --samples 200000
Also under torchrun --nproc-per-node N -m train ... and accelerate launch -m train ..."""


def main(arguments: list[str]) -> int:
    """Runs the command line; gives the exit code: 0, or 2 for what the user can put right."""
    if not arguments or arguments[0] in ("-h", "--help"):
        print(USAGE)
        return 0
    try:
        given = pairs(arguments)
        file = given.pop("config", None)
        train(TrainConfig.load(Path(file) if file else None, given))
    except (ValueError, OSError, BadLossesError) as error:
        # What a worker of the loader raises comes with its whole stack: the sentence is the last line.
        sentence = str(error).strip().splitlines()[-1].partition("Error: ")[2] if "worker process" in str(error) else ""
        print(f"train: {sentence or error}", file=sys.stderr)
        return 2
    return 0


def pairs(arguments: list[str]) -> dict[str, str]:
    """--key value and --key=value as a dict; ValueError for anything else."""
    pairs = {}
    left = list(arguments)
    while left:
        key = left.pop(0)
        if not key.startswith("--"):
            raise ValueError(f"{key!r} stands where a --key was expected.")
        key, _, value = key[2:].partition("=")
        if not _ and not left:
            raise ValueError(f"--{key} lacks its value.")
        pairs[key.replace("-", "_")] = value if _ else left.pop(0)
    return pairs


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
