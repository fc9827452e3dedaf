"""Small models with random weights for the tests."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from slvit.config import SLViTConfig
from slvit.model import SLViTModel

TEXT = {
    "vocab_size": 60,
    "hidden_size": 32,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "max_position_embeddings": 64,
}
SMALL = {
    "channels": [16, 24, 32, 40],
    "depths": [1, 2, 1, 1],
    "fusion_channels": 32,
    "decoder_channels": 64,
    "nmf_rank": 8,
    "text_config": TEXT,
}


def small_model(seed: int = 0, **changes: Any) -> SLViTModel:
    """A model in evaluation mode whose language matters: layer scales are not near zero, norms have seen data."""
    torch.manual_seed(seed)
    model = SLViTModel(SLViTConfig(**{**SMALL, **changes}))
    for name, parameter in model.named_parameters():
        if "layer_scale" in name:
            torch.nn.init.uniform_(parameter, 0.3, 0.8)
        elif ".lmfa.cross." in name and name.endswith("weight"):
            torch.nn.init.normal_(parameter, std=0.3)
    model.train()
    with torch.no_grad():
        model(*inputs(4, 64, 96, seed=7))
    return model.eval()


def inputs(B: int, H: int, W: int, *, T: int = 6, seed: int = 1) -> tuple[Tensor, Tensor, Tensor]:
    """Random photos (smooth enough to have parts), word pieces and their mask."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(B, 3, H // 16, W // 16, generator=generator)
    photos = torch.nn.functional.interpolate(coarse, size=(H, W), mode="bicubic").clamp(0, 1)
    ids = torch.randint(5, 60, (B, T), generator=generator)
    return photos, ids, torch.ones_like(ids)
