"""Adam over whole tensors, with state whose memory never moves."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.optim.adam import adam

from active_dendrites.settings.choices import choose
from active_dendrites.settings.run import RunConfig


class Adam:
    """PyTorch's fused Adam, without weight decay, with state whose memory never moves. Source: method 4, 9.2.

    Args:
        parameters: of R networks, (R, ...).
    """

    def __init__(self, run: RunConfig, parameters: Sequence[Tensor]) -> None:
        self.run, self.parameters = run, list(parameters)
        correction = run.adam_bias_correction
        self.corrects_as_first = choose("adam_bias_correction", correction, each_step=False, first_step=True)
        self.first, self.second = ([torch.zeros_like(p) for p in parameters] for _ in range(2))
        self.steps = [torch.zeros((), device=p.device) for p in parameters]

    def step(self, gradients: list[Tensor]) -> None:
        """One step of Adam on all parameters, given their gradients, in the order and shapes of the parameters."""
        (beta1, beta2), rate, epsilon = self.run.adam_betas, self.run.learning_rate, self.run.adam_epsilon
        limit = self.run.update_norm_limit
        before = [p.clone() for p in self.parameters] if limit else []
        if self.corrects_as_first:
            torch._foreach_zero_(self.steps)
        adam(
            self.parameters,
            gradients,
            self.first,
            self.second,
            [],
            self.steps,
            fused=True,
            amsgrad=False,
            beta1=beta1,
            beta2=beta2,
            lr=rate,
            weight_decay=0.0,
            eps=epsilon,
            maximize=False,
        )
        if limit:
            for parameter, old in zip(self.parameters, before, strict=True):
                limit_move(parameter, old, limit)

    def reset(self) -> None:
        """Clear moments and step count."""
        torch._foreach_zero_([*self.first, *self.second, *self.steps])


def limit_move(parameter: Tensor, old: Tensor, limit: float) -> None:
    """Shorten the way from `old` to `parameter`, in place, to a Euclidean norm of `limit`, for each network."""
    moved = (parameter - old).flatten(1)
    factor = (limit / moved.norm(dim=1, keepdim=True)).clamp(max=1)  # a norm of 0 gives infinity: 1
    parameter.copy_(old).add_((moved * factor).view_as(parameter))
