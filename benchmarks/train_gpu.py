"""Photos a second of training on a GPU, and the share of time it waits: python -m benchmarks.train_gpu [--data ROOT]

The base preset at 480×480 in bfloat16, batch 16, as train/configs/refcoco-base.json has it: forward, loss, backward,
step, in the config's precision and at the size of its last phase. First with one batch that stays on the GPU, which is
what it can do; then with batches from the loader, as a run has them. Where the second takes longer a step, the GPU
waits for the loader: that share of the time is printed.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import repeat
from pathlib import Path

import torch
from accelerate import Accelerator
from torch import Tensor
from transformers import AutoTokenizer

from benchmarks.loader import PAPER, draw_photos
from benchmarks.timing import machine
from slvit import SLViTConfig, SLViTModel, SLViTProcessor
from slvit.processor import SLViTImageProcessor
from train.config import TrainConfig
from train.loader import loader
from train.losses import segmentation_loss
from train.optimizer import make_optimizer, training_mode
from train.precision import with_precision
from train.start import MINILM_PACKAGE, package_folder

WARM_UP = 8  # steps before the clock starts


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.train_gpu", description=__doc__.partition(":")[0] + ".")
    parser.add_argument("--config", type=Path, default=PAPER, help="of the run that is timed")
    parser.add_argument("--data", help="its data, instead of drawn photos")
    parser.add_argument("--steps", type=int, default=40, help="steps timed, after some that are not (40)")
    parser.add_argument("--device", default="cuda", help="cuda, or cpu to see that this runs")
    args = parser.parse_args()
    if args.device == "cuda" and not torch.cuda.is_available():
        print("train_gpu: no GPU is at hand: nothing was measured.", file=sys.stderr)
        return 2
    device = torch.device(args.device)
    torch.backends.cudnn.benchmark = True
    with tempfile.TemporaryDirectory() as folder:
        config = TrainConfig.load(args.config)
        drawn = {} if args.data else {"dataset": "folder", "split_by": ""}
        samples = (1 + WARM_UP + args.steps) * config.batch_size
        side = int(config.phases[-1][1])
        config = dataclasses.replace(
            config,
            data=args.data or str(draw_photos(Path(folder))),
            samples=samples,
            epochs=None,
            phases=[[1.0, side]],
            device=args.device,
            **drawn,
        )
        config = with_precision(config)
        tokenizer = AutoTokenizer.from_pretrained(package_folder(MINILM_PACKAGE))  # BERT's vocabulary
        batches = iter(loader(config, SLViTProcessor(SLViTImageProcessor(size=config.size), tokenizer), start=0))
        step = Step(config, device)
        one = {key: tensor.to(device) for key, tensor in next(batches).items()}
        alone = step.seconds(repeat(one), args.steps)
        fed = step.seconds(batches, args.steps)
    print(f"{config.preset} at {side}×{side}, {config.precision}, batch {config.batch_size}, on {machine(device)}")
    print(f"one batch, on the GPU already: {config.batch_size / alone:.1f} photos a second")
    print(f"from the loader, {config.workers} workers: {config.batch_size / fed:.1f} photos a second")
    print(f"the GPU waits {max(0.0, 1 - alone / fed):.0%} of the time")
    if device.type == "cuda":
        print(f"memory: {torch.cuda.max_memory_allocated() / 2**30:.1f} GiB")
    return 0


class Step:
    """One training step of the config's model, random weights."""

    def __init__(self, config: TrainConfig, device: torch.device) -> None:
        self.config, self.device = config, device
        self.accelerator = Accelerator(mixed_precision=config.precision, cpu=device.type == "cpu")
        self.model = SLViTModel(SLViTConfig.from_preset(config.preset, **config.model)).to(device)
        self.model.to(memory_format=torch.channels_last)
        training_mode(self.model)
        self.optimizer = self.accelerator.prepare_optimizer(make_optimizer(self.model, config, device))

    def seconds(self, batches: Iterator[dict[str, Tensor]], steps: int) -> float:
        """Mean time of `steps` steps, after WARM_UP that are not counted."""
        for number in range(WARM_UP + steps):
            if number == WARM_UP:
                self._wait()
                began = time.perf_counter()
            self._step({key: tensor.to(self.device, non_blocking=True) for key, tensor in next(batches).items()})
        self._wait()
        return (time.perf_counter() - began) / steps

    def _step(self, batch: dict[str, Tensor]) -> None:
        pixels = (batch["pixel_values"].float() / 255).contiguous(memory_format=torch.channels_last)  # B×3×H×W
        with self.accelerator.autocast():
            logits = self.model(pixels, batch["input_ids"], batch["attention_mask"]).logits  # B×2×H×W
        self.accelerator.backward(segmentation_loss(logits, batch["mask"], dice_weight=self.config.dice))
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)

    def _wait(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize()


if __name__ == "__main__":
    sys.exit(main())
