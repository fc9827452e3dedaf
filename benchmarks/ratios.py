"""The fast path against the plain model and against others' models: python -m benchmarks.ratios [--peers]

Ratios in one run. Models of others have random weights, their own default configuration, path and resolution, for they
allow no other: their time does not depend on what they have learned. "Plain, as written" is slvit/model.py with the
decoder as the paper writes it, all four scales concatenated at stage 1's size before the first 1×1 convolution.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import torch
import torch.nn.functional as F
import transformers
from torch import Tensor
from transformers.utils import logging

from benchmarks.timing import add_arguments, machine, row, take_turns
from slvit import SLViTConfig, SLViTModel
from slvit.checkpoint import BUNDLED, load_checkpoint
from slvit.fast import FastSLViT

CPU = torch.device("cpu")
Cases = dict[str, Callable[[], object]]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ratios", description=__doc__.partition(":")[0] + ".")
    parser.add_argument("--checkpoint", default=BUNDLED, metavar="FOLDER_OR_ID", help="default: the bundled one")
    parser.add_argument("--peers", action="store_true", help="OWLv2, GroupViT, Grounding DINO and SAM as well")
    add_arguments(parser, rounds=7)
    args = parser.parse_args()
    logging.disable_progress_bar()
    if args.threads:
        torch.set_num_threads(args.threads)
    torch.manual_seed(0)

    print(f"{machine(CPU)}; {'processor seconds' if args.cpu_time else 'seconds'}, best and median of {args.rounds}\n")
    print(row("model", "sees", "best", "median", "ratio to", "of best", "of median"))
    print(row(*["---"] * 7))
    report(base(), "base, plain", args)
    report({**bundled(args.checkpoint), **clipseg()}, "CLIPSeg, 352×352", args)
    if args.peers:
        for peer in (groupvit, owlv2, grounding_dino, sam):
            report({**fast_alone(args.checkpoint), **peer()}, "bundled, fast", args)


def report(cases: Cases, unit: str, args: argparse.Namespace) -> None:
    """One table's rows: each case's time and its ratio to that of the case whose name begins with `unit`."""
    seconds = take_turns(cases, rounds=args.rounds, cpu_time=args.cpu_time)
    reference = next(times for name, times in seconds.items() if name.startswith(unit))
    for name, times in seconds.items():
        what, _, size = name.rpartition(", ")
        ratios = f"{times.best / reference.best:.2f}", f"{times.middle / reference.middle:.2f}"
        print(row(what, size, f"{times.best:.3f}", f"{times.middle:.3f}", unit, *ratios), flush=True)


def question(side: int, *, words: int = 8, vocabulary: int = 3000, batch: int = 1) -> tuple[Tensor, Tensor, Tensor]:
    """A random photo, word pieces and their mask."""
    ids = torch.randint(5, vocabulary, (batch, words))
    return torch.rand(batch, 3, side, side), ids, torch.ones_like(ids)


def base() -> Cases:
    model = SLViTModel(SLViTConfig.from_preset("base")).eval()
    fast, written = FastSLViT(model), AsWritten(model)
    asked = question(480)
    return {
        "base, plain, 480×480": lambda: model(*asked),
        "base, plain, as written, 480×480": lambda: written(*asked),
        "base, fast, 480×480": lambda: fast(*asked),
    }


class AsWritten:
    """The plain model whose decoder upsamples and concatenates all scales before it convolves (eq. 13)."""

    def __init__(self, model: SLViTModel) -> None:
        self.model = model
        self.weight = torch.cat([squeeze.weight for squeeze in model.decoder.squeeze], dim=1)
        self.squeeze = model.decoder.squeeze

    def __call__(self, *asked: Tensor) -> object:
        decoder = self.model.decoder
        decoder.squeeze = torch.nn.ModuleList([Concatenated(self.weight), *[Dropped()] * 3])
        forward = decoder.forward
        decoder.forward = lambda features: forward([features, None, None, None])  # all of them to the first
        try:
            return self.model(*asked)
        finally:
            del decoder.forward
            decoder.squeeze = self.squeeze


class Concatenated(torch.nn.Module):
    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.weight = weight

    def forward(self, features: list[Tensor]) -> Tensor:
        size = features[0].shape[-2:]
        return F.conv2d(torch.cat([F.interpolate(x, size=size, mode="bilinear") for x in features], 1), self.weight)


class Dropped(torch.nn.Module):
    pass


def bundled(checkpoint: str) -> Cases:
    model, processor = load_checkpoint(checkpoint, device=CPU, dtype=torch.float32)
    fast = FastSLViT(model)
    side = processor.image_processor.size
    asked = question(side)
    kept = fast.encode_photo(asked[0])
    return {
        f"bundled, plain, {side}×{side}": lambda: model(*asked),
        f"bundled, fast, {side}×{side}": lambda: fast(*asked),
        f"bundled, fast, with the insides, {side}×{side}": lambda: fast(*asked, output_insides=True),
        f"bundled, fast, next words on the same photo, {side}×{side}": lambda: fast(*asked, prior_features=kept),
    }


def fast_alone(checkpoint: str) -> Cases:
    name, ask = next((name, ask) for name, ask in bundled(checkpoint).items() if name.startswith("bundled, fast, "))
    return {name: ask}


def clipseg() -> Cases:
    model = transformers.CLIPSegForImageSegmentation(transformers.CLIPSegConfig()).eval()
    pixels, ids, mask = question(352)
    return {"CLIPSeg, 352×352": lambda: model(pixel_values=pixels, input_ids=ids, attention_mask=mask)}


def groupvit() -> Cases:
    model = transformers.GroupViTModel(transformers.GroupViTConfig()).eval()
    pixels, ids, mask = question(224)
    return {
        "GroupViT, 224×224": lambda: model(
            pixel_values=pixels, input_ids=ids, attention_mask=mask, output_segmentation=True
        )
    }


def owlv2() -> Cases:
    vision = {"image_size": 960, "patch_size": 16}  # of google/owlv2-base-patch16
    model = transformers.Owlv2ForObjectDetection(transformers.Owlv2Config(vision_config=vision)).eval()
    pixels, ids, mask = question(960)
    return {"OWLv2 (boxes only), 960×960": lambda: model(pixel_values=pixels, input_ids=ids, attention_mask=mask)}


def grounding_dino() -> Cases:
    model = transformers.GroundingDinoForObjectDetection(transformers.GroundingDinoConfig()).eval()
    pixels, ids, mask = question(800)
    return {
        "Grounding DINO (boxes only), 800×800": lambda: model(pixel_values=pixels, input_ids=ids, attention_mask=mask)
    }


def sam() -> Cases:
    model = transformers.SamModel(transformers.SamConfig()).eval()
    pixels, *_ = question(1024)
    boxes = torch.tensor([[[100.0, 100.0, 500.0, 500.0]]])
    return {"SAM, ViT-B (a box to its mask), 1024×1024": lambda: model(pixel_values=pixels, input_boxes=boxes)}


if __name__ == "__main__":
    main()
