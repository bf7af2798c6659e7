"""Consolidation: Synaptic Intelligence (Zenke, Poole, Ganguli 2017) as the paper's code carries it out.

Three hooks of the training loop: before the optimiser step, after it, and after a task.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from active_dendrites.settings.choices import choose
from active_dendrites.settings.run import ConsolidationConfig


class SynapticIntelligence:
    """Protects weights by how much they lowered the loss of earlier tasks. Source: method 5.

    The penalty strength * sum(importance * (theta - anchor)^2) enters through its gradient, which is written
    down: it needs no graph. The first penalised task, and which gradient is integrated, are settings. State never moves
    in memory, and what depends on the task is a tensor, so that a step can be recorded once.

    Args:
        config: strength, damping and the two readings of the definition.
        parameters: those that are protected.
    """

    def __init__(self, config: ConsolidationConfig, parameters: Sequence[Tensor]) -> None:
        self.config, self.parameters = config, list(parameters)
        self.integrates_penalty = choose("consolidation.path_gradient", config.path_gradient, total=True, task=False)
        self.rectifies_each_task = choose("consolidation.rectify", config.rectify, each_task=True, running_sum=False)
        self.path = [torch.zeros_like(p) for p in parameters]  # w
        self.importance = [torch.zeros_like(p) for p in parameters]  # Omega
        self.anchor = [p.clone() for p in parameters]  # theta after the last task
        self.previous = [p.clone() for p in parameters]  # theta after the last step
        self.strength = parameters[0].new_zeros(())  # twice the penalty's, 0 before the first penalised task
        self.tasks_learned = 0

    def take_over(self, importance: list[Tensor]) -> None:
        """Protect other weights from now on, those that the parameters hold now, given their importance."""
        torch._foreach_copy_(self.importance, importance)
        torch._foreach_copy_([*self.anchor, *self.previous], [*self.parameters, *self.parameters])

    def before_step(self, gradients: list[Tensor]) -> list[Tensor]:
        """Add the penalty's gradient to those of the loss, in place; returns the gradients to be integrated.

        Args:
            gradients: of the loss; those of the protected parameters first, in their order.
        """
        integrated = gradients = gradients[: len(self.parameters)]
        if not self.integrates_penalty:
            integrated = [g.clone() for g in gradients]
        penalty = torch._foreach_sub(self.parameters, self.anchor)
        torch._foreach_mul_(penalty, self.importance)
        torch._foreach_mul_(penalty, self.strength)
        torch._foreach_add_(gradients, penalty)
        return integrated

    def after_step(self, integrated: list[Tensor]) -> None:
        """After the optimiser step and the masks: w -= gradient * (theta - previous theta)."""
        moved = torch._foreach_sub(self.parameters, self.previous)
        torch._foreach_addcmul_(self.path, integrated, moved, value=-1)
        torch._foreach_copy_(self.previous, self.parameters)

    def after_task(self) -> None:
        """Importance += relu(w) / ((theta - anchor)^2 + damping), or relu of the sum; the anchor moves here."""
        for path, importance, anchor, theta in zip(
            self.path, self.importance, self.anchor, self.parameters, strict=True
        ):
            gain = path.relu() if self.rectifies_each_task else path
            importance += gain / ((theta - anchor).square() + self.config.damping)
            importance.relu_()  # changes something only where gains may be negative
            anchor.copy_(theta)
            path.zero_()
        self.tasks_learned += 1
        if self.tasks_learned + 1 >= self.config.penalty_from_task:
            self.strength.fill_(2 * self.config.strength)
