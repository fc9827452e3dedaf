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
        grad_x = _backward(grad, x, weight, ctx.stride, ctx.padding, (True, False, False))[0] if to_x else None
        grad_weight = _grad_of_weight(grad, x, weight, ctx.stride, ctx.padding) if to_weight else None
        grad_bias = grad.sum(dim=(0, 2, 3)) if to_bias else None  # of oneDNN it comes with the weights' only
        return grad_x, grad_weight, grad_bias, None, None


def _grad_of_weight(
    grad: Tensor, x: Tensor, weight: Tensor, stride: tuple[int, int], padding: tuple[int, int]
) -> Tensor:
    k_h, k_w = weight.shape[2:]
    if k_h == 1:  # turned on its side: C×1×k_w×1
        turned = (_turned(grad), _turned(x), _turned(weight), stride[::-1], padding[::-1])
        return _turned(_backward(*turned, (False, True, False))[1])
    x = F.pad(x, (padding[1], padding[1], 0, 0))  # B×C×H×(W + 2p)
    parts = []
    for first in range(0, k_w, WIDEST):
        part = weight[..., first : first + WIDEST]  # C×1×k_h×n
        reach = (grad.shape[3] - 1) * stride[1] + part.shape[3]
        seen = x[..., first : first + reach].contiguous(memory_format=torch.channels_last)
        parts.append(_backward(grad, seen, part, stride, (padding[0], 0), (False, True, False))[1])
    return torch.cat(parts, dim=3)  # C×1×k_h×k_w


def _turned(x: Tensor) -> Tensor:
    return x.transpose(2, 3).contiguous(memory_format=torch.channels_last)


def _backward(
    grad: Tensor,
    x: Tensor,
    weight: Tensor,
    stride: tuple[int, int],
    padding: tuple[int, int],
    wanted: tuple[bool, bool, bool],
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients of x, weight and bias, where `wanted`."""
    sizes, dilation, no_output_padding = [len(weight)], [1, 1], [0, 0]
    return torch.ops.aten.convolution_backward(
        grad, x, weight, sizes, stride, padding, dilation, False, no_output_padding, len(weight), wanted
    )
