"""The mean of the states that a run kept on its way: python -m train.swa RUN OUT [--since STEP]

Stochastic weight averaging (Izmailov et al., UAI 2018): at a learning rate that stays high, the weights circle around a
better place than any that they come by. A run keeps states with `--keep_every`, and circles with `--schedule constant`,
or `--schedule polynomial` of a small `--power`; its last averaged weights remember far fewer samples than this mean.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from safetensors.torch import load_file
from torch import Tensor

from train.export import export_like
from train.state import load_state


def mean_of_kept(run: Path, out: Path, *, since: int = 0, like: Path | None = None) -> int:
    """Writes the mean of the averaged weights in RUN/step-*.pt, from step `since` on, to the new folder `out`.

    Of a run that averages nothing (`average` 0), it is the mean of the weights themselves.
    What no state holds (config, tokenizer, frozen weights) is taken from the checkpoint folder `like`, RUN/checkpoint
    where none is given. Returns the number of states. Raises ValueError for a folder without such states and for
    states that do not fit `like`, OSError for what cannot be read or written.
    """
    like = like or run / "checkpoint"
    kept = sorted((int(file.stem.removeprefix("step-")), file) for file in run.glob("step-*.pt"))
    kept = [file for step, file in kept if step >= since]
    if not kept:
        raise ValueError(f"{run} holds no state step-*.pt from step {since} on: a run keeps them with --keep_every.")
    mean: dict[str, Tensor] = {}
    for number, file in enumerate(kept, 1):
        for key, tensor in _weights(load_state(file)).items():
            mean[key] = mean[key].lerp(tensor, 1 / number) if key in mean else tensor
    _check(mean, like)
    export_like(like, out, mean)
    return len(kept)


def _weights(state: dict[str, Any]) -> dict[str, Tensor]:
    if state["config"]["average"]:
        return state["average"]
    # Such a run keeps in "average" what it started from.
    return {key: tensor for key, tensor in state["model"].items() if tensor.is_floating_point()}


def _check(mean: dict[str, Tensor], like: Path) -> None:
    shapes = {key: tensor.shape for file in like.glob("*.safetensors") for key, tensor in load_file(file).items()}
    if not shapes:
        raise ValueError(f"{like} is no checkpoint folder: give one of the run's architecture as --like.")
    if other := sorted(key for key, tensor in mean.items() if shapes.get(key) != tensor.shape):
        raise ValueError(f"{like} does not fit the run's states: {other[0]} is another there, or missing.")


def main(arguments: list[str] | None = None) -> int:
    """Gives the exit code: 0, or 2 after a sentence on stderr."""
    parser = argparse.ArgumentParser(prog="python -m train.swa", description=__doc__.partition(":")[0] + ".")
    parser.add_argument("run", type=Path, metavar="RUN", help="folder of a run that kept states (--keep_every)")
    parser.add_argument("out", type=Path, metavar="OUT", help="new checkpoint folder")
    parser.add_argument("--since", type=int, default=0, metavar="STEP", help="the first step that counts (0)")
    parser.add_argument("--like", type=Path, metavar="FOLDER", help="checkpoint for all else (RUN/checkpoint)")
    args = parser.parse_args(arguments)
    try:
        states = mean_of_kept(args.run, args.out, since=args.since, like=args.like)
    except (ValueError, OSError) as error:
        print(f"train.swa: {error}", file=sys.stderr)
        return 2
    print(f"{args.out}: the mean of {states} states")
    return 0


if __name__ == "__main__":
    sys.exit(main())
