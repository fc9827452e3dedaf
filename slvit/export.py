"""Write a checkpoint's model as ONNX or torch.export: python -m slvit.export CHECKPOINT OUT.onnx|OUT.pt2

The file holds the model from pixel_values (float32 1×3×H×W, RGB 0..1), input_ids and attention_mask (int64 1×T) to
logits (float32 1×2×H×W) and, from a checkpoint that tells it, presence (float32 1: the logit of what is meant being
there at all), for any number T of word pieces and any H and W that are multiples of 32; a .pt2 wants both to
be at least 64, and large enough that K is 2. Beside it lies tokenizer.json: benchmarks/without_torch.py answers a photo
with both.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram
from transformers.utils import logging

from slvit.checkpoint import load_checkpoint
from slvit.errors import CheckpointError
from slvit.model import SLViTModel
from slvit.processor import presence_logit

INPUTS = ("pixel_values", "input_ids", "attention_mask")
LARGEST = 64  # sides of the photo in strides of 32: 2048 pixels


class Outputs(nn.Module):
    """The model with a plain tuple for its output class: logits, and presence where `presence` has weights for it."""

    def __init__(self, model: SLViTModel, presence: Sequence[float] | None) -> None:
        super().__init__()
        self.model, self.presence = model, presence

    def forward(self, pixel_values: Tensor, input_ids: Tensor, attention_mask: Tensor) -> tuple[Tensor, ...]:
        output = self.model(pixel_values, input_ids, attention_mask)
        if self.presence is None:
            return (output.logits,)
        return output.logits, presence_logit(output.evidence, self.presence)


def export_program(model: SLViTModel, presence: Sequence[float] | None = None) -> ExportedProgram:
    """The model, in evaluation mode on the CPU, as one graph for every photo shape and number of words.

    presence: see `SLViTImageProcessor`.
    """
    input_ids = torch.ones(1, 7, dtype=torch.int64)
    T = Dim("T", min=2, max=model.config.text_config.max_position_embeddings)
    rows, columns = (Dim(name, min=2, max=LARGEST) for name in ("rows", "columns"))
    example = (torch.zeros(1, 3, 192, 256), input_ids, torch.ones_like(input_ids))
    shapes = {"pixel_values": {2: 32 * rows, 3: 32 * columns}, "input_ids": {1: T}, "attention_mask": {1: T}}
    with torch.no_grad():
        return torch.export.export(Outputs(model, presence), example, dynamic_shapes=shapes)


def write(program: ExportedProgram, path: Path) -> None:
    """Writes `program` to `path`: as ONNX where it ends with .onnx, as it is where it ends with .pt2."""
    if path.suffix == ".pt2":
        torch.export.save(program, path)
    else:
        names = ["logits", "presence"][: len(program.graph_signature.user_outputs)]
        torch.onnx.export(program, f=path, dynamo=True, output_names=names, external_data=False, verbose=False)


def main(arguments: list[str] | None = None) -> int:
    """Gives the exit code: 0, or 2 after a sentence on stderr."""
    parser = argparse.ArgumentParser(prog="python -m slvit.export", description=__doc__.partition(":")[0] + ".")
    parser.add_argument("checkpoint", metavar="CHECKPOINT", help="folder, or OWNER/NAME on the Hugging Face hub")
    parser.add_argument("out", metavar="OUT.onnx|OUT.pt2", type=Path)
    args = parser.parse_args(arguments)
    logging.disable_progress_bar()
    logging.get_logger("torch.onnx").setLevel(logging.ERROR)  # of operators of packages that are not installed
    try:
        if args.out.suffix not in (".onnx", ".pt2"):
            raise ValueError(f"{args.out.name} ends neither with .onnx nor with .pt2: that end chooses the format.")
        model, processor = load_checkpoint(args.checkpoint, device=torch.device("cpu"), dtype=torch.float32)
        write(export_program(model, processor.image_processor.presence), args.out)
        processor.tokenizer.backend_tokenizer.save(str(args.out.with_name("tokenizer.json")))
    except ImportError as error:
        print(f'slvit.export: {error.name} is missing: pip install ".[export]".', file=sys.stderr)
        return 2
    except (CheckpointError, ValueError, OSError) as error:
        print(f"slvit.export: {error}", file=sys.stderr)
        return 2
    print(args.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
