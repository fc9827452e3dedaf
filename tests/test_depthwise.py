"""Another way to the weights' gradient of a depthwise convolution leads to the same gradient."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from train.depthwise import with_fast_gradient


@pytest.mark.parametrize("size", [(9, 14), (3, 2), (1, 1)])
@pytest.mark.parametrize(
    "shape",
    [
        {"kernel_size": (1, 21), "padding": (0, 10)},
        {"kernel_size": (1, 7), "padding": (0, 3), "stride": (2, 1)},
        {"kernel_size": 5, "padding": 2},
        {"kernel_size": 5, "padding": 2, "stride": 2, "bias": False},
        {"kernel_size": (3, 8), "padding": (1, 4), "stride": (1, 3)},
        {"kernel_size": (21, 1), "padding": (10, 0), "stride": (1, 2)},
        {"kernel_size": (13, 2), "padding": (6, 1), "stride": (2, 1)},
    ],
    ids=str,
)
def test_gradients_are_those_of_pytorch(shape: dict, size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    plain = nn.Sequential(nn.Conv2d(16, 16, groups=16, **shape)).double()
    fast = copy.deepcopy(plain)
    with_fast_gradient(fast)
    assert type(fast[0]) is not type(plain[0])
    x = torch.randn(2, 16, *size, dtype=torch.float64)
    gradients = []
    for model in (plain, fast):
        seen = x.clone().to(memory_format=torch.channels_last).requires_grad_()
        output = model(seen)
        (output * torch.linspace(-1, 1, output.numel(), dtype=torch.float64).view_as(output)).sum().backward()
        gradients.append([output, seen.grad, *(parameter.grad for parameter in model.parameters())])
    for ours, theirs in zip(*gradients, strict=True):
        torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize(
    "shape", [{"kernel_size": (1, 21), "padding": (0, 10)}, {"kernel_size": 5, "stride": 2}], ids=str
)
def test_autocast_holds_in_them(shape: dict) -> None:
    torch.manual_seed(0)
    plain = nn.Sequential(nn.Conv2d(16, 16, groups=16, **shape))
    fast = copy.deepcopy(plain)
    with_fast_gradient(fast)
    x = torch.randn(2, 16, 12, 12)
    gradients = []
    for model in (plain, fast):
        seen = x.clone().to(memory_format=torch.channels_last).requires_grad_()
        with torch.autocast("cpu", torch.bfloat16):
            output = model(seen)
        assert output.dtype == torch.bfloat16
        (output.float() * torch.linspace(-1, 1, output.numel()).view_as(output)).sum().backward()
        gradients.append([output, seen.grad, *(parameter.grad for parameter in model.parameters())])
    for ours, theirs in zip(*gradients, strict=True):
        assert ours.dtype == theirs.dtype
        torch.testing.assert_close(ours.float(), theirs.float(), rtol=0.02, atol=0.02)


def test_what_is_small_frozen_or_no_depthwise_convolution_is_left_alone() -> None:
    model = nn.Sequential(
        nn.Conv2d(8, 8, 3, groups=8),
        nn.Conv2d(8, 8, (3, 2), groups=8),
        nn.Conv2d(8, 8, 5),
        nn.Conv2d(8, 16, 5, groups=8),
        nn.Conv2d(8, 8, 5, groups=8, padding="same"),
        nn.Conv2d(8, 8, 5, groups=8, dilation=2),
        nn.Conv2d(8, 8, 5, groups=8).requires_grad_(False),
    )
    with_fast_gradient(model)
    assert {type(module) for module in model} == {nn.Conv2d}
