"""Fits what tells whether the thing meant is there at all: python -m train.presence --checkpoint DIR --data ROOT

The network stays as it is; what it knows of made samples under their masks (`evidence_of`) is put to a logistic
regression, whose weights go into preprocessor_config.json: from then on its probability is a part of an answer's
confidence (`slvit.segmenter.confidence_of`). Half of the samples mean nothing. Fit it again after further training.

Wordings must not give the answer away: made expressions for nothing are worded unlike the others ("third from the
left"), so samples are weighed by the inverse of what a regression on the words alone gives them (inverse propensity
weighting, Rosenbaum and Rubin, Biometrika 1983).
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor
from tqdm import tqdm

from slvit.checkpoint import load_checkpoint
from slvit.errors import CheckpointError
from slvit.fast import FastSLViT
from slvit.model import SLViTModel
from slvit.processor import SLViTProcessor, presence_logit
from slvit.segmenter import choose_device, confidence_of
from train.config import TrainConfig
from train.export import write_whole
from train.loader import loader
from train.metrics import area_under_curve

ABSENT = 0.5  # of the samples
HEAVIEST = 5.0  # weight of a sample; all would be 1 if words told nothing
TOGETHER = 8  # samples of a forward pass


@dataclass(frozen=True)
class Evidence:
    """What N made samples give. features: N×F, `SLViTOutput.evidence`. words: N×C_l, the mean of L over the
    words. masked: N, the mean probability over the mask. there: bool N, whether the expression means anything."""

    features: Tensor
    words: Tensor
    masked: Tensor
    there: Tensor

    def __getitem__(self, some: slice) -> Evidence:
        return Evidence(self.features[some], self.words[some], self.masked[some], self.there[some])


def gather(
    model: SLViTModel | FastSLViT, reader: SLViTModel, processor: SLViTProcessor, config: TrainConfig
) -> Evidence:
    """What `model` makes of the samples of `config`. reader: the same network, whose `encode_text` reads the words."""
    features, words, masked, there = [], [], [], []
    batches = loader(config, processor, start=0)
    for batch in tqdm(batches, "samples", unit="batch", leave=False):
        there.append(batch["mask"].flatten(1).bool().any(dim=1))
        batch = {key: tensor.to(reader.device) for key, tensor in batch.items() if key != "mask"}
        pixels = batch.pop("pixel_values").to(reader.dtype) / 255  # B×3×H×W, 0..1
        with torch.inference_mode():
            output = model(pixels, **batch)
            features.append(output.evidence.cpu())
            probability = (output.logits[:, 1] - output.logits[:, 0]).float().sigmoid().cpu().numpy()  # B×H×W
            masked += [confidence_of(one, one >= 0.5) for one in probability]
            is_word = batch["attention_mask"][:, :, None]  # B×T×1
            read = reader.encode_text(**batch).float()  # B×T×C_l
            words.append(((read * is_word).sum(dim=1) / is_word.sum(dim=1)).cpu())
    return Evidence(torch.cat(features), torch.cat(words), torch.tensor(masked), torch.cat(there))


def fit(evidence: Evidence, *, penalty: float) -> list[float]:
    """F weights and a bias. penalty: of the squared weights, features in standard deviations.

    Raises ValueError where nothing is to be told apart.
    """
    there = evidence.there.double()
    if not 0 < there.mean() < 1:
        raise ValueError("All of the samples mean something, or none does: there is nothing to tell apart.")
    even = torch.ones_like(there)
    weight, bias = regression(evidence.words.double(), there, even, penalty=3 * penalty)
    told = torch.sigmoid(evidence.words.double() @ weight + bias)  # N: what the words alone give away
    share = there.mean()
    weights = torch.where(evidence.there, share / told, (1 - share) / (1 - told)).clamp(max=HEAVIEST)
    weight, bias = regression(evidence.features.double(), there, weights, penalty=penalty)
    return [float(f"{value:.5g}") for value in (*weight.tolist(), float(bias))]


def regression(x: Tensor, y: Tensor, weights: Tensor, *, penalty: float) -> tuple[Tensor, Tensor]:
    """Logistic regression of y (N, 0 or 1) on x (N×F): weight F and bias, for `x` as it is."""
    mean, deviation = x.mean(dim=0), x.std(dim=0).clamp_min(1e-6)
    x = (x - mean) / deviation
    weight = torch.zeros(x.shape[1], dtype=x.dtype, requires_grad=True)
    bias = torch.zeros((), dtype=x.dtype, requires_grad=True)
    optimizer = torch.optim.LBFGS([weight, bias], max_iter=500, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        value = F.binary_cross_entropy_with_logits(x @ weight + bias, y, weight=weights)
        value = value + penalty * weight.square().sum() / len(x)
        value.backward()
        return value

    optimizer.step(loss)
    weight, bias = weight.detach(), bias.detach()
    return weight / deviation, bias - (mean / deviation) @ weight


def told_apart(scores: Tensor, there: Tensor) -> str:
    """What `scores` (N) tell: the area under the curve, and how much of what is not there is told where a tenth of the
    rest is wrongly called so.

    Raises ValueError where there is no pair.
    """
    present, absent = scores[there], scores[~there]
    if not len(present) or not len(absent):
        raise ValueError("Too few samples: none of those kept back means nothing, or none means something.")
    area = area_under_curve(present.numpy(), absent.numpy())
    told = (absent < present.quantile(0.1)).float().mean()
    return f"area under the curve {area:.1f}, {100 * told:.1f} % told with 10 % false alarms"


def add_presence(
    folder: Path, data: Path, *, samples: int, seed: int, penalty: float, recipe: dict, device: str, workers: int
) -> str:
    """Fits the weights on made samples of `data` and writes them into the checkpoint `folder`.

    Gives two lines on a fifth of the samples, kept back: what weights fitted on the others tell, and what the mean over
    the mask does. The weights that are written are fitted on all.
    Raises CheckpointError, FileNotFoundError or ValueError naming what is missing or does not fit.
    """
    chosen = choose_device(device)
    model, processor = load_checkpoint(folder, device=chosen, dtype=torch.float32)
    config = TrainConfig(
        data=str(data),
        recipe={"absent": ABSENT} | recipe,
        samples=samples,
        batch_size=TOGETHER,
        phases=[[1.0, max(1, processor.image_processor.size // 32) * 32]],
        workers=workers,
        seed=seed,
    )
    evidence = gather(FastSLViT(model) if chosen.type == "cpu" else model, model, processor, config)
    learned = len(evidence.there) * 4 // 5
    kept = evidence[learned:]
    by_weights = told_apart(presence_logit(kept.features, fit(evidence[:learned], penalty=penalty)), kept.there)
    by_mask = told_apart(kept.masked, kept.there)
    processor.image_processor.presence = fit(evidence, penalty=penalty)
    write_whole(folder / "preprocessor_config.json", processor.image_processor.to_json_string().encode())
    return f"Of samples kept back: {by_weights}.\nBy the mean over the mask alone: {by_mask}."


def main(arguments: list[str] | None = None) -> int:
    """Gives the exit code: 0, or 2 after a sentence on stderr."""
    parser = argparse.ArgumentParser(prog="python -m train.presence", description=__doc__.partition(":")[0] + ".")
    parser.add_argument("--checkpoint", type=Path, required=True, metavar="DIR", help="folder that gets the weights")
    parser.add_argument("--data", type=Path, required=True, metavar="ROOT", help="annotated photos, as for training")
    parser.add_argument("--samples", type=int, default=6000, help="half of them mean nothing (6000)")
    parser.add_argument("--seed", type=int, default=1000, help="of the samples (1000)")
    parser.add_argument("--penalty", type=float, default=30.0, help="of large weights (30)")
    parser.add_argument(
        "--recipe", type=json.loads, default={}, metavar="JSON", help="fields of Recipe, as in training"
    )
    parser.add_argument("--device", default="auto")
    parser.add_argument("--workers", type=int, default=1, help="processes that make samples (1)")
    args = parser.parse_args(arguments)
    try:
        report = add_presence(
            args.checkpoint,
            args.data,
            samples=args.samples // TOGETHER * TOGETHER,
            seed=args.seed,
            penalty=args.penalty,
            recipe=args.recipe,
            device=args.device,
            workers=args.workers,
        )
    except (CheckpointError, FileNotFoundError, ValueError) as error:
        print(f"train.presence: {error}", file=sys.stderr)
        return 2
    print(report, args.checkpoint, sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
