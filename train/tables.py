"""python -m train.tables TABLE --config FILE [--key value ...]: trains the rows of a table, then prints it.

Each row is the config with a few fields changed, in a run folder of its own: a stopped command continues where it was.
"""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path
from typing import Any

import torch
from accelerate import PartialState

from slvit.checkpoint import load_checkpoint
from slvit.segmenter import choose_device
from train.__main__ import pairs
from train.config import TrainConfig
from train.evaluate import evaluate
from train.loader import validation_examples
from train.loop import BadLossesError, train, write_whole_text

# The paper's table 2, part by part: what a row is called, and which fields of SLViTConfig make it.
KERNELS = {
    "no strips": {"kernel_sizes": []},
    "7": {"kernel_sizes": [7]},
    "7, 11": {"kernel_sizes": [7, 11]},
    "7, 11, 21": {},
    "5": {"kernel_sizes": [5]},
    "15": {"kernel_sizes": [15]},
    "23": {"kernel_sizes": [23]},
}
PARTS = {"all parts": {}, "without gate": {"gate": False}, "without URCE": {"urce": False}}
PARTS |= {"map_U standardized (ours)": {"uncertainty": "standardized"}, "coordinates (ours)": {"coordinates": True}}
STAGES = {
    "URCE on stages 1-4": {},
    "URCE on stages 2-4": {"urce_stages": [2, 3, 4]},
    "URCE on stages 3-4": {"urce_stages": [3, 4]},
    "URCE on stage 4": {"urce_stages": [4]},
}
FEATURES = {
    "decoder reads F̃_1..F̃_4": {},
    "decoder reads F_1..F_4": {"decoder_features": ["plain"] * 4},
    "decoder reads F_1, F̃_2..F̃_4": {"decoder_features": ["plain", "enhanced", "enhanced", "enhanced"]},
    "decoder reads F̃_2..F̃_4": {"decoder_features": ["none", "enhanced", "enhanced", "enhanced"]},
}
PATCHES = {f"K = {K}": {"top_k": K} for K in (0, 8, 16, 32, 64, 128, 225)}
TABLES: dict[str, dict[str, dict[str, Any]]] = {
    "kernels": KERNELS,
    "parts": PARTS,
    "stages": STAGES,
    "features": FEATURES,
    "patches": PATCHES,
}


def rows_of(table: str, config: TrainConfig) -> dict[str, TrainConfig]:
    """The configs of a table's rows by name. Raises ValueError for a table that there is none of."""
    if table not in TABLES:
        raise ValueError(f"There is no table {table!r}: choose one of {', '.join(TABLES)}.")
    return {
        name: dataclasses.replace(config, model={**config.model, **changes}, out=f"{config.out}/{table}-{number}")
        for number, (name, changes) in enumerate(TABLES[table].items())
    }


def run_table(table: str, config: TrainConfig) -> str:
    """Trains what is not trained yet and gives the table: oIoU, mIoU, P@0.5 of each row on the validation split."""
    lines = [f"{'':32} {'oIoU':>6} {'mIoU':>6} {'P@0.5':>6}   {config.dataset} {config.validate_split}"]
    for name, row in rows_of(table, config).items():
        result = Path(row.out) / f"{row.validate_split}.json"
        if not result.exists():
            trained = train(row)
            if trained.stopped:
                return "\n".join([*lines, f"{name}: stopped; the same command goes on from here"])
            _score(row, trained.checkpoint, result)
        scores = json.loads(result.read_text())
        lines.append(f"{name:32} " + " ".join(f"{scores[score]:6.2f}" for score in ("oiou", "miou", "p@0.5")))
    return "\n".join(lines)


def _score(row: TrainConfig, checkpoint: Path, result: Path) -> None:
    """Scores the row's checkpoint on its validation split, by all processes that there are, into the file `result`."""
    state = PartialState()
    device = state.device if state.num_processes > 1 else choose_device(row.device)
    model, processor = load_checkpoint(checkpoint, device=device, dtype=torch.float32)
    scores = evaluate(model, processor, validation_examples(row))
    if state.is_main_process:
        write_whole_text(result, json.dumps(scores.to_dict()["all"], indent=1) + "\n")
    state.wait_for_everyone()


def main(arguments: list[str]) -> int:
    """Runs the command line; gives the exit code: 0, or 2 for what the user can put right."""
    try:
        if not arguments or arguments[0].startswith("-"):
            raise ValueError(f"name a table first: {', '.join(TABLES)}.")
        given = pairs(arguments[1:])
        file = given.pop("config", None)
        table = run_table(arguments[0], TrainConfig.load(Path(file) if file else None, given))
        PartialState().print(table)
    except (ValueError, OSError, BadLossesError) as error:
        print(f"train.tables: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
