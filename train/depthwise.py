"""Depthwise convolutions whose weights' gradient is not the dearest part of a step on a CPU.

oneDNN computes that gradient fast for kernels of up to three columns, and two to twenty-seven times slower than in
parts for wider ones (PyTorch 2.13, with AVX-512 and with AVX2 alone): 1×21 and 5×5, of which the encoder and the
prior are full. So a wide kernel is taken as several narrow ones, and one of a single row as a single column.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.grad import conv2d_weight

WIDEST = 3  # columns of a kernel for which the library is fast


def with_fast_gradient(model: nn.Module) -> None:
    """Changes how the weights' gradients of wide depthwise convolutions in `model` are computed, not what they are.

    For float32 on a CPU; up to rounding the gradients are PyTorch's own.
    """
    for module in model.modules():
        if type(module) is nn.Conv2d and _is_wide(module) and module.weight.requires_grad:
            module.__class__ = _WideDepthwise


def _is_wide(module: nn.Conv2d) -> bool:
    depthwise = module.groups == module.in_channels == module.out_channels
    plain = module.padding_mode == "zeros" and not isinstance(module.padding, str) and module.dilation == (1, 1)
    return depthwise and plain and module.kernel_size[1] > WIDEST


class _WideDepthwise(nn.Conv2d):
    def forward(self, x: Tensor) -> Tensor:
        return _Convolve.apply(x, self.weight, self.bias, self.stride, self.padding)


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
    # torch.nn.grad.conv2d_input says nothing of x's memory format, and takes two to ten times as long for it.
    C, wanted = len(weight), (True, False, False)
    return torch.ops.aten.convolution_backward(grad, x, weight, [C], stride, padding, (1, 1), False, (0, 0), C, wanted)[
        0
    ]


def _grad_of_weight(
    grad: Tensor, x: Tensor, kernel: tuple[int, int], stride: tuple[int, int], padding: tuple[int, int]
) -> Tensor:
    C, (k_h, k_w) = grad.shape[1], kernel
    if k_h == 1:  # turned on its side
        shape = (C, 1, k_w, 1)
        turned = conv2d_weight(_turned(x), shape, _turned(grad), stride[::-1], padding[::-1], groups=C)
        return turned.transpose(2, 3)  # C×1×1×k_w
    x = F.pad(x, (padding[1], padding[1], 0, 0))  # B×C×H×(W + 2p)
    parts = []
    for first in range(0, k_w, WIDEST):
        shape = (C, 1, k_h, min(WIDEST, k_w - first))
        reach = (grad.shape[3] - 1) * stride[1] + shape[3]
        seen = x[..., first : first + reach].contiguous(memory_format=torch.channels_last)
        parts.append(conv2d_weight(seen, shape, grad, stride, (padding[0], 0), groups=C))
    return torch.cat(parts, dim=3)  # C×1×k_h×k_w


def _turned(x: Tensor) -> Tensor:
    return x.transpose(2, 3).contiguous(memory_format=torch.channels_last)
