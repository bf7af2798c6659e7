"""Consolidation: Synaptic Intelligence (Zenke, Poole, Ganguli 2017) as the paper's code carries it out.

Three hooks of the training loop: before the optimiser step, after it, and after a task.
"""

import torch
from torch import Tensor, nn

from active_dendrites.config import ConsolidationConfig


class SynapticIntelligence:
    """Protects weights by how much they lowered the loss of earlier tasks. Source: method 5.

    The penalty strength * sum(importance * (theta - anchor)^2) enters through its gradient, which is written
    down: it needs no graph. From which task on, and which gradient is integrated, are settings.

    Args:
        config: strength, damping and the two readings of the definition.
        parameters: those that are protected; their gradients must exist after backward.
    """

    def __init__(self, config: ConsolidationConfig, parameters: list[nn.Parameter]) -> None:
        self.config, self.parameters = config, parameters
        self.path = [torch.zeros_like(p) for p in parameters]  # w
        self.importance = [torch.zeros_like(p) for p in parameters]  # Omega
        self.anchor = [p.detach().clone() for p in parameters]  # theta after the last task
        self.previous = [p.detach().clone() for p in parameters]  # theta after the last step
        self.tasks_learned = 0

    @torch.no_grad()
    def before_step(self) -> None:
        """Between backward and the optimiser step: keep the gradient to be integrated, add the penalty's."""
        gradients = [p.grad for p in self.parameters]
        penalty = self._penalty_gradient()
        if penalty is not None and self.config.path_gradient == "task":
            self.integrated = [g.clone() for g in gradients]
        if penalty is not None:
            torch._foreach_add_(gradients, penalty)
        if penalty is None or self.config.path_gradient == "total":
            self.integrated = gradients

    @torch.no_grad()
    def after_step(self) -> None:
        """After the optimiser step and the masks: w -= gradient * (theta - previous theta)."""
        moved = torch._foreach_sub(self.parameters, self.previous)
        torch._foreach_addcmul_(self.path, self.integrated, moved, value=-1)
        torch._foreach_copy_(self.previous, self.parameters)

    @torch.no_grad()
    def after_task(self) -> None:
        """Importance += relu(w) / ((theta - anchor)^2 + damping); the anchor moves here; w starts again."""
        for path, importance, anchor, theta in zip(
            self.path, self.importance, self.anchor, self.parameters, strict=True
        ):
            importance += path.relu() / ((theta - anchor).square() + self.config.damping)
            anchor.copy_(theta)
            path.zero_()
        self.tasks_learned += 1

    def _penalty_gradient(self) -> list[Tensor] | None:
        """2 * strength * importance * (theta - anchor), or None before the first penalised task."""
        if self.tasks_learned + 1 < self.config.penalty_from_task:
            return None
        gradient = torch._foreach_sub(self.parameters, self.anchor)
        torch._foreach_mul_(gradient, self.importance)
        torch._foreach_mul_(gradient, 2 * self.config.strength)
        return gradient


def make_consolidation(config: ConsolidationConfig, network: nn.Module) -> SynapticIntelligence | None:
    """The mechanism that the settings name; None where there is none."""
    if config.kind == "none":
        return None
    protected = list(network.parameters()) if config.include_segments else network.feedforward_parameters()
    return SynapticIntelligence(config, protected)
