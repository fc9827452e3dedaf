"""Stray pieces of a mask: what lies apart from the rest and what the network is clearly less sure of."""

from __future__ import annotations

import cv2
import numpy as np
import torch

LEAST_SHARE = 0.85  # of the main piece's mean probability that another piece must reach to stay
TURNED = -0.5  # times a stray piece's logit: below 0, with no step where the piece ends, still seen in the probability


def without_strays(logit: np.ndarray) -> np.ndarray:
    """`logit` (float32 H×W, above 0 where the network says yes) turned below 0 wherever a stray piece lies.

    A piece is what hangs together, corners included. The main one has the largest sum of probabilities; the others
    stay where their mean probability is at least LEAST_SHARE of its. Gives `logit` itself where there is nothing to do.
    """
    count, pieces = cv2.connectedComponents((logit > 0).astype(np.uint8), connectivity=8)  # H×W, 0 outside of all
    if count <= 2:
        return logit
    probability = torch.from_numpy(logit).sigmoid().numpy()  # H×W
    sums = np.bincount(pieces.ravel(), weights=probability.ravel(), minlength=count)
    means = sums / np.bincount(pieces.ravel(), minlength=count)
    main = 1 + int(sums[1:].argmax())
    stray = means < LEAST_SHARE * means[main]
    stray[0] = False
    return np.where(stray[pieces], np.float32(TURNED) * logit, logit)
