"""What training minimises."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def segmentation_loss(logits: Tensor, target: Tensor, *, dice_weight: float) -> Tensor:
    """Cross-entropy over pixels, plus `dice_weight` times Dice (V-Net, Milletari et al., 2016) where there is a target.

    logits: B×2×H×W. target: B×H×W, 1 where the expression means the pixel. Gives a scalar, float32.
    """
    logits = logits.float()
    loss = F.cross_entropy(logits, target.long())
    if not dice_weight:
        return loss
    probability = (logits[:, 1] - logits[:, 0]).sigmoid().flatten(1)  # B×HW
    truth = target.flatten(1).float()  # B×HW
    overlap = 2 * (probability * truth).sum(1) + 1
    dice = 1 - overlap / (probability.sum(1) + truth.sum(1) + 1)  # B
    meant = (truth.sum(1) > 0).float()  # nothing meant: cross-entropy alone says so, Dice has no gradient worth having
    return loss + dice_weight * (dice * meant).sum() / meant.sum().clamp_min(1)
