"""What training minimises."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def segmentation_loss(logits: Tensor, target: Tensor, *, dice_weight: float, pointing_weight: float = 0.0) -> Tensor:
    """Cross-entropy over pixels, plus Dice (V-Net, Milletari et al., 2016) and pointing where there is a target.

    logits: B×2×H×W. target: B×H×W, 1 where the expression means the pixel. dice_weight, pointing_weight: of the two
    beside cross-entropy; 0 leaves one out. Gives a scalar, float32.
    """
    logits = logits.float()
    loss = F.cross_entropy(logits, target.long())
    score = (logits[:, 1] - logits[:, 0]).flatten(1)  # B×HW, log-odds
    truth = target.flatten(1).float()  # B×HW
    meant = (truth.sum(1) > 0).float()  # nothing meant: cross-entropy alone says so, the others have nothing to tell
    if dice_weight:
        loss = loss + dice_weight * (dice(score.sigmoid(), truth) * meant).sum() / meant.sum().clamp_min(1)
    if pointing_weight:
        loss = loss + pointing_weight * (pointing(score, truth) * meant).sum() / meant.sum().clamp_min(1)
    return loss


def dice(probability: Tensor, truth: Tensor) -> Tensor:
    """1 − Dice of each sample, B. probability, truth: B×HW, 0..1."""
    overlap = 2 * (probability * truth).sum(1) + 1
    return 1 - overlap / (probability.sum(1) + truth.sum(1) + 1)  # B


def pointing(score: Tensor, truth: Tensor) -> Tensor:
    """How surely one points at something else: −log of the target's share of exp(score) over all pixels, B.

    score: B×HW, log-odds. truth: B×HW, 0 or 1. Of a small thing, or of one among many, the pixels are few and their
    cross-entropy is lost in the mean over the photo; here the highest scores count, however few they are, so it is
    about which thing is meant, not about where its rim runs. A target of no pixels gives what its caller leaves out.
    """
    inside = score.masked_fill(truth == 0, -1e4)
    return score.logsumexp(1) - inside.logsumexp(1)  # B
