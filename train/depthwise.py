"""Depthwise convolutions whose gradients are not the dearest part of a step on a CPU.

oneDNN computes the weights' gradient fast for kernels of up to three columns that are no taller than the map, and two
to fifty times slower than in parts for others (PyTorch 2.13; float32 with AVX-512 and with AVX2 alone, bfloat16 with
AVX-512): 1×21, 5×5, and 21×1 on few rows, of which the encoder and the prior are full. So a wide kernel is taken as
several narrow ones, one of a single row as a single column, and a tall one in parts. In bfloat16, the gradient of the
input of a strided convolution is a hundred times slower than float32's.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.grad import conv2d_weight

WIDEST = 3  # columns of a kernel for which the library is fast
TALLEST = 11  # rows of a part of a kernel that is taller than the map


def with_fast_gradient(model: nn.Module) -> None:
    """Changes how the gradients of large depthwise convolutions in `model` are computed, not what they are.

    For float32 and bfloat16 (by autocast) on a CPU; up to rounding the gradients are PyTorch's own.
    """
    for module in model.modules():
        if type(module) is nn.Conv2d and _is_large(module) and module.weight.requires_grad:
            module.__class__ = _LargeDepthwise


def _is_large(module: nn.Conv2d) -> bool:
    depthwise = module.groups == module.in_channels == module.out_channels
    plain = module.padding_mode == "zeros" and not isinstance(module.padding, str) and module.dilation == (1, 1)
    return depthwise and plain and max(module.kernel_size) > WIDEST


class _LargeDepthwise(nn.Conv2d):
    def forward(self, x: Tensor) -> Tensor:
        weight, bias = self.weight, self.bias
        if torch.is_autocast_enabled("cpu"):  # which does not see into a function of one's own
            dtype = torch.get_autocast_dtype("cpu")
            x, weight, bias = x.to(dtype), weight.to(dtype), None if bias is None else bias.to(dtype)
        return _Convolve.apply(x, weight, bias, self.stride, self.padding)


class _Convolve(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, stride: tuple[int, int], padding: tuple[int, int]
    ) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.stride, ctx.padding = stride, padding
        return F.conv2d(x, weight, bias, stride, padding, groups=len(weight))

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors  # B×C×H×W, C×1×k_h×k_w
        to_x, to_weight, to_bias = ctx.needs_input_grad[:3]
        grad_x = _grad_of_input(grad, x, weight, ctx.stride, ctx.padding) if to_x else None
        grad_weight = _grad_of_weight(grad, x, weight.shape[2:], ctx.stride, ctx.padding) if to_weight else None
        grad_bias = grad.sum(dim=(0, 2, 3)) if to_bias else None  # of oneDNN it comes with the weights' only
        return grad_x, grad_weight, grad_bias, None, None


def _grad_of_input(
    grad: Tensor, x: Tensor, weight: Tensor, stride: tuple[int, int], padding: tuple[int, int]
) -> Tensor:
    if x.dtype == torch.bfloat16 and max(stride) > 1:
        return _grad_of_input(grad.float(), x.float(), weight.float(), stride, padding).to(x.dtype)
    # torch.nn.grad.conv2d_input says nothing of x's memory format, and takes two to ten times as long for it.
    C, wanted = len(weight), (True, False, False)
    grad_x, *_ = torch.ops.aten.convolution_backward(
        grad, x, weight, [C], stride, padding, (1, 1), False, (0, 0), C, wanted
    )
    return grad_x


def _grad_of_weight(
    grad: Tensor, x: Tensor, kernel: tuple[int, int], stride: tuple[int, int], padding: tuple[int, int]
) -> Tensor:
    k_h, k_w = kernel
    if k_w <= WIDEST:
        return _of_tall(grad, x, kernel, stride, padding)
    if k_h == 1:  # turned on its side
        turned = _of_tall(_turned(grad), _turned(x), (k_w, 1), stride[::-1], padding[::-1])
        return turned.transpose(2, 3)  # C×1×1×k_w
    x = F.pad(x, (padding[1], padding[1], 0, 0))  # B×C×H×(W + 2p)
    parts = []
    for first in range(0, k_w, WIDEST):
        columns = min(WIDEST, k_w - first)
        reach = (grad.shape[3] - 1) * stride[1] + columns
        seen = x[..., first : first + reach].contiguous(memory_format=torch.channels_last)
        parts.append(_of_tall(grad, seen, (k_h, columns), stride, (padding[0], 0)))
    return torch.cat(parts, dim=3)  # C×1×k_h×k_w


def _of_tall(
    grad: Tensor, x: Tensor, kernel: tuple[int, int], stride: tuple[int, int], padding: tuple[int, int]
) -> Tensor:
    C, (k_h, k_w) = grad.shape[1], kernel
    if k_h <= x.shape[2]:
        return conv2d_weight(x, (C, 1, k_h, k_w), grad, stride, padding, groups=C)
    x = F.pad(x, (0, 0, padding[0], padding[0]))  # B×C×(H + 2p)×W
    parts = []
    for first in range(0, k_h, TALLEST):
        rows = min(TALLEST, k_h - first)
        reach = (grad.shape[2] - 1) * stride[0] + rows
        seen = x[:, :, first : first + reach].contiguous(memory_format=torch.channels_last)
        parts.append(conv2d_weight(seen, (C, 1, rows, k_w), grad, stride, (0, padding[1]), groups=C))
    return torch.cat(parts, dim=2)  # C×1×k_h×k_w


def _turned(x: Tensor) -> Tensor:
    return x.transpose(2, 3).contiguous(memory_format=torch.channels_last)
