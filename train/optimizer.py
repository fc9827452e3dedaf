"""Which parameter learns how fast: every trainable parameter in exactly one group."""

from __future__ import annotations

import math

import torch
from torch import nn

from slvit.model import SLViTModel
from train.config import TrainConfig


def freeze(model: SLViTModel, prefixes: list[str]) -> None:
    """Takes the gradient from all parameters whose name begins with one of `prefixes`, and gives it to all others.

    Where all of stage 1 ("stages.0") is among them, words and prior get no gradient through it either: its backward
    pass, the dearest of the four, is spared. Likewise stage 2 after it, and so on.
    Raises ValueError for a prefix that no parameter has.
    """
    names = [name for name, _ in model.named_parameters()]
    for prefix in prefixes:
        if prefix != "prior" and not any(name.startswith(prefix) for name in names):
            raise ValueError(f"freeze: no parameter of the model begins with {prefix!r}.")
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(not name.startswith(tuple(prefixes)) if prefixes else True)
    model.frozen_stages = _frozen_stages(model)


def _frozen_stages(model: SLViTModel) -> int:
    """How many stages from the first on have no parameter with a gradient."""
    trained = [any(parameter.requires_grad for parameter in stage.parameters()) for stage in model.stages]
    return [*trained, True].index(True)


def without_gradient(model: SLViTModel) -> list[str]:
    """Names of trainable parameters that the logits do not depend on, such as URCE's where the decoder reads F_i alone.

    The model is left as it was.
    """
    was_training, device = model.training, model.device
    model.eval()
    photo = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0)).to(device)
    ids = torch.ones(1, 4, dtype=torch.long, device=device)
    with torch.enable_grad():
        model(photo, ids, ids).logits.sum().backward()
    found = [name for name, parameter in model.named_parameters() if parameter.requires_grad and parameter.grad is None]
    model.zero_grad(set_to_none=True)
    model.train(was_training)
    return found


def training_mode(model: SLViTModel, *, as_answering: bool = False) -> None:
    """Training mode; the prior, a wholly frozen text encoder and frozen first stages stay as at the answer.

    The prior's batch norms keep ImageNet's statistics where it is trained as well: batches of 16 give poorer ones.
    as_answering: so do all batch norms theirs, and no word is dropped out, whatever is trained.
    """
    model.train()
    if as_answering or not any(parameter.requires_grad for parameter in model.text_encoder.parameters()):
        model.text_encoder.eval()
    if as_answering:
        for module in model.modules():
            if isinstance(module, (nn.BatchNorm2d, nn.SyncBatchNorm)):
                module.eval()
    if hasattr(model, "prior"):
        model.prior.eval()
    for stage in model.stages[: model.frozen_stages]:
        stage.eval()


def parameter_groups(model: SLViTModel, config: TrainConfig) -> list[dict]:
    """AdamW's groups by learning rate and decay; "scale" is each group's factor of the schedule's learning rate."""
    groups: dict[tuple[float, bool], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        decays = parameter.ndim >= 2 and "layer_scale" not in name  # matrices and kernels only
        groups.setdefault((_scale(name, config), decays), []).append(parameter)
    return [
        {
            "params": parameters,
            "lr": config.lr * scale,
            "scale": scale,
            "weight_decay": config.weight_decay if decays else 0.0,
        }
        for (scale, decays), parameters in sorted(groups.items(), key=lambda item: item[0])
    ]


def _scale(name: str, config: TrainConfig) -> float:
    if name.startswith("text_encoder"):
        return config.lr_text
    if name.startswith("prior"):
        return config.lr_prior
    if name.startswith("stages."):
        return config.layer_decay ** (4 - int(name.split(".")[1]))
    return 1.0


def make_optimizer(model: SLViTModel, config: TrainConfig, device: torch.device) -> torch.optim.AdamW:
    fused = device.type in ("cpu", "cuda")
    return torch.optim.AdamW(parameter_groups(model, config), betas=tuple(config.betas), fused=fused)


def learning_rate(config: TrainConfig, *, step: int, steps: int) -> float:
    """The schedule's learning rate of step `step` of `steps`: linear warm-up, then down to last_lr of it."""
    if step < config.warmup:
        return config.lr * (step + 1) / config.warmup
    if config.schedule == "constant":
        return config.lr
    past = min(1.0, (step - config.warmup) / max(1, steps - config.warmup))
    share = (1 + math.cos(math.pi * past)) / 2 if config.schedule == "cosine" else (1 - past) ** config.power
    return config.lr * (config.last_lr + (1 - config.last_lr) * share)
