"""In which precision a run multiplies: what its processor is fast at."""

from __future__ import annotations

import dataclasses

import torch

from train.config import TrainConfig


def with_precision(config: TrainConfig) -> TrainConfig:
    """`config` with what "auto" means on its device."""
    if config.precision != "auto":
        return config
    return dataclasses.replace(config, precision=precision_on(config.device))


def precision_on(device: str) -> str:
    """accelerate's mixed precision for a device of TrainConfig ("auto", "cpu", "cuda"): "bf16", "fp16" or "no".

    bf16 wherever the processor multiplies in it, on older graphics cards fp16, else float32: a CPU that only imitates
    bf16 takes eight times as long for a step.
    """
    if device != "cpu" and torch.cuda.is_available():
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp16"
    # torch has no public name for this question.
    multiplies = getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)
    return "bf16" if multiplies() else "no"
