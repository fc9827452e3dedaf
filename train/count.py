"""Parameters and operations of a model by part: python -m train.count --checkpoint DIR | --preset NAME [--size 480]

Counter: torch.utils.flop_counter, which counts matrix products and convolutions, attention's among them, as two
operations (a multiplication and an addition) each; norms, activations, softmax, resizing and the like are not counted.
Papers of this field often give a multiply counter's figure that leaves out the matrix products inside attention.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from slvit.checkpoint import load_checkpoint
from slvit.config import PRESETS, SLViTConfig
from slvit.model import SLViTModel
from slvit.processor import STRIDE

WORDS = 20  # the length that this field's code pads expressions to


@dataclass(frozen=True)
class Part:
    """parameters: how many, buffers such as running means not among them. operations: of one photo and expression."""

    name: str
    parameters: int
    operations: int


def count(model: SLViTModel, *, height: int, width: int, words: int = WORDS) -> list[Part]:
    """The parts of `model` in the order of its forward pass, the last one the whole.

    height, width: pixels of the model's input, multiples of 32. words: word pieces T, [CLS] and [SEP] among them.
    """
    device = model.device
    photo = torch.zeros(1, 3, height, width, device=device, dtype=model.dtype)
    ids = torch.zeros(1, words, dtype=torch.long, device=device)
    counter = FlopCounterMode(display=False)
    was_training = model.training
    model.eval()
    # The fused kernels are counted on some devices only; written out, attention is two matrix products anywhere.
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), counter:
        model(photo, ids, torch.ones_like(ids))
    model.train(was_training)
    by_module = counter.get_flop_counts()

    def part(title: str, path: str) -> Part:
        module = model.get_submodule(path)
        operations = sum(by_module.get(f"{type(model).__name__}.{path}", {}).values())
        return Part(title, _parameters(module), operations)

    parts = [part("text encoder", "text_encoder")]
    if model.config.visual_prior:
        parts.append(part(f"visual prior ({model.config.visual_prior})", "prior"))
    parts += [part(f"stage {number}", f"stages.{number - 1}") for number in range(1, 5)]
    if model.urce is not None:
        parts.append(part("URCE", "urce"))
    parts.append(part("decoder", "decoder"))
    return [*parts, Part("whole", _parameters(model), counter.get_total_flops())]


def _parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def table(parts: Sequence[Part]) -> str:
    """Text: millions of parameters, billions of operations and of multiply-adds (half of them)."""
    width = max(len(part.name) for part in parts) + 2
    lines = ["".ljust(width) + "parameters (M)".rjust(16) + "operations (G)".rjust(16) + "multiply-adds (G)".rjust(19)]
    for part in parts:
        figures = (part.parameters / 1e6, part.operations / 1e9, part.operations / 2e9)
        lines.append(part.name.ljust(width) + f"{figures[0]:16.2f}{figures[1]:16.2f}{figures[2]:19.2f}")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser("python -m train.count", description="Parameters and operations by part.")
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--checkpoint", help="checkpoint folder, or OWNER/NAME on the hub")
    which.add_argument("--preset", choices=PRESETS, help="the paper's model of that size: no visual prior")
    parser.add_argument("--visual-prior", help="with --preset: a visual prior, such as efficientnet_lite2")
    parser.add_argument("--size", type=int, default=480, help=f"side of a square photo, a multiple of {STRIDE}")
    parser.add_argument("--words", type=int, default=WORDS, help="word pieces of the expression")
    args = parser.parse_args(arguments)
    try:
        if args.size < STRIDE or args.size % STRIDE:
            raise ValueError(f"--size {args.size} will not do: it must be a multiple of {STRIDE}.")
        if args.checkpoint:
            model, _ = load_checkpoint(args.checkpoint, device=torch.device("cpu"), dtype=torch.float32)
            name = Path(args.checkpoint).name
        else:
            model = SLViTModel(SLViTConfig.from_preset(args.preset, visual_prior=args.visual_prior))
            name = f"preset {args.preset}"
        longest = model.config.text_config.max_position_embeddings
        if not 1 <= args.words <= longest:
            raise ValueError(f"--words {args.words} will not do: the text encoder reads 1 to {longest} word pieces.")
        parts = count(model, height=args.size, width=args.size, words=args.words)
    except (ValueError, OSError) as error:
        print(f"train.count: {error}", file=sys.stderr)
        return 2
    print(f"{name}, photo {args.size}×{args.size}, {args.words} word pieces")
    print(table(parts))
    print("Counter: torch.utils.flop_counter: matrix products and convolutions, a multiply-add as two operations.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
