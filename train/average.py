"""The averaged weights: what is scored and shipped."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class Average:
    """Exponential moving average of a model's trained parameters and of its batch norms' statistics."""

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        trained = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
        parameters = {name for name, _ in model.named_parameters()}
        self.state = {
            key: tensor.detach().clone()
            for key, tensor in model.state_dict().items()
            if tensor.is_floating_point() and (key in trained or key not in parameters)
        }

    @torch.no_grad()
    def update(self, model: nn.Module, step: int) -> None:
        """Moves towards `model`; the first steps count more, so that the start does not linger."""
        decay = min(self.decay, (1 + step) / (10 + step))
        now = model.state_dict()
        keys = list(self.state)
        torch._foreach_lerp_([self.state[key] for key in keys], [now[key] for key in keys], 1 - decay)

    def whole_state(self, model: nn.Module) -> dict[str, Tensor]:
        """A state dict of `model` with the averages in place of its own."""
        return {**model.state_dict(), **self.state}

    @contextmanager
    def in_place_of(self, model: nn.Module) -> Iterator[None]:
        """Within it, `model` has the averaged weights."""
        own = {key: tensor.clone() for key, tensor in model.state_dict().items() if key in self.state}
        model.load_state_dict(self.state, strict=False)
        try:
            yield
        finally:
            model.load_state_dict(own, strict=False)
