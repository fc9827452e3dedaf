"""The visual prior where it is not trained: by the fast path, in half of its time, a tenth of a training step."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from slvit.fast import FastPrior
from slvit.model import SLViTModel


def frozen_prior(model: SLViTModel, precision: str) -> Callable[[Tensor], list[Tensor]] | None:
    """A function that gives what `model.encode_photo` does (of B×3×H×W, 0..1), without gradient.

    None where there is no prior, where a part of it is trained, or where the plain one may be as fast: in half
    precision, on a GPU.
    """
    if not model.config.visual_prior or model.device.type != "cpu" or precision != "no":
        return None
    if any(parameter.requires_grad for parameter in model.prior.parameters()):
        return None
    fast = FastPrior(model.prior)

    @torch.no_grad()
    def encode_photo(pixel_values: Tensor) -> list[Tensor]:
        maps = fast(pixel_values.permute(0, 2, 3, 1).contiguous())  # B×H_i×W_i×C' each
        return [x.permute(0, 3, 1, 2) for x in maps]  # B×C'×H_i×W_i

    return encode_photo
