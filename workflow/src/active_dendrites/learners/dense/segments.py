"""The segments of one layer of R networks, as whole tensors.

Letters: R networks, U units, S segments per unit, C size of the context.
"""

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor

from active_dendrites.learners.dense.layers import stacked
from active_dendrites.models.layers import strongest_segment
from active_dendrites.models.networks import Network
from active_dendrites.models.saving import State, copied
from active_dendrites.settings.choices import choose
from active_dendrites.settings.run import RunConfig
from active_dendrites.settings.segment_rules import SEGMENT_RULES, STRONGEST, SegmentRule


class SegmentLayer(Protocol):
    """The segments of one layer of R networks.

    Attributes:
        parameters: those that the learner's Adam has to move.
        changeable_bytes: see `Learner.changeable_bytes`.
    """

    parameters: list[Tensor]
    changeable_bytes: int

    def begin(self, contexts: Tensor) -> None:
        """Take over the current context of each network, (R, C)."""

    def gates(self) -> Tensor:
        """The gate of each unit, (R, 1, U), one for the whole batch."""

    def learn(self, gradient: Tensor) -> list[Tensor]:
        """The gradients of `parameters`, given that of each unit's response, (R, U); moves all other segments."""

    def state(self, seed: int, moments: bool) -> State:
        """See `Learner.state`."""

    def changes(self, moments: bool, everything: bool) -> list[State]:
        """See `Learner.changes`."""

    def restore(self, states: Sequence[State], changes: Sequence[Sequence[State]]) -> None:
        """Take over the state of each seed, and all changes."""


class EagerSegments:
    """The segments of one layer of R networks as parameters like any others.

    Args:
        weights: (R, U, S, C).

    Attributes:
        context: (R, C), the current one of each network.
    """

    def __init__(self, weights: Tensor) -> None:
        self.weights, self.parameters = weights, [weights]
        self.context = weights.new_zeros(len(weights), weights.shape[-1])
        self.segment_index = torch.arange(weights.shape[2], device=weights.device)
        self.winner = torch.zeros(*weights.shape[:2], 1, dtype=torch.int64, device=weights.device)
        self.changeable_bytes = 0  # weights are among the learner's parameters, and all move at each step

    def begin(self, contexts: Tensor) -> None:
        self.context.copy_(contexts)

    def gates(self) -> Tensor:
        responses = torch.bmm(self.weights.flatten(1, 2), self.context[..., None])  # (R, U * S, 1)
        self.winner, responses = strongest_segment(responses.view(self.weights.shape[:3]))  # (R, U, 1)
        return responses.sigmoid().mT

    def learn(self, gradient: Tensor) -> list[Tensor]:
        """See `SegmentLayer.learn`: the gradient of a unit's strongest response is that of its winner."""
        of_segments = gradient[..., None] * (self.segment_index == self.winner)  # (R, U, S)
        return [of_segments[..., None] * self.context[:, None, None]]

    def state(self, seed: int, moments: bool) -> State:
        return {"context": copied(self.context[seed])}

    def changes(self, moments: bool, everything: bool) -> list[State]:
        return [{}] * len(self.weights)

    def restore(self, states: Sequence[State], changes: Sequence[Sequence[State]]) -> None:
        self.context.copy_(torch.stack([state["context"] for state in states]))


class RuledSegments(EagerSegments):
    """Eager segments under any segment rule, with autograd's gradient of the rule.

    Args:
        rule: (R, U, S) -> (R, U).
    """

    def __init__(self, weights: Tensor, rule: SegmentRule) -> None:
        super().__init__(weights)
        self.rule = rule
        self.responses = weights.new_zeros(weights.shape[:3])  # (R, U, S)
        self.response = self.responses[..., 0]  # (R, U)

    def gates(self) -> Tensor:
        responses = torch.bmm(self.weights.flatten(1, 2), self.context[..., None]).view(self.weights.shape[:3])
        with torch.enable_grad():
            self.responses = responses.detach().requires_grad_()
            self.response = self.rule(self.responses)  # (R, U)
        return self.response.detach().sigmoid()[:, None]

    def learn(self, gradient: Tensor) -> list[Tensor]:
        (of_segments,) = torch.autograd.grad(self.response, self.responses, gradient)  # (R, U, S)
        return [of_segments[..., None] * self.context[:, None, None]]


def make_segments(run: RunConfig, networks: Sequence[Network], lazy: bool) -> list[SegmentLayer]:
    """The segments of each hidden layer, none without dendrites. `lazy`: on a GPU, move only those that can move."""
    same_layers = zip(*(network.dendrites() for network in networks), strict=True)
    weights = [stacked([layer.segments for layer in same]) for same in same_layers]
    if run.network.segment_rule != STRONGEST:
        rule = choose("network.segment_rule", run.network.segment_rule, **SEGMENT_RULES)
        return [RuledSegments(layer, rule) for layer in weights]
    if not lazy:
        return [EagerSegments(layer) for layer in weights]
    from active_dendrites.learners.dense.triton_segments import (
        LazySegments,  # needs Triton, which comes with PyTorch for CUDA alone
    )

    return [LazySegments(run, layer) for layer in weights]
