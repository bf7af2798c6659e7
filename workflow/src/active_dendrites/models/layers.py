"""The layers of the paper, usable in any PyTorch model: masked linear, dendritic, k-winners.

Letters: B batch, I inputs, U units, S segments per unit, C size of the context vector, N contexts.
"""

import math

import torch
from torch import Tensor, nn

from active_dendrites.settings import segment_rules
from active_dendrites.settings.segment_rules import SegmentRule


def non_winners(x: Tensor, k: int | None) -> Tensor:
    """The units that a layer sets to zero: all below the k-th largest of a sample or, for k None (ReLU), all up to 0.

    Values equal to the k-th largest all win. NaNs do too, so that they reach the loss.

    Args:
        x: (..., U).
    Returns: (..., U) bool.
    """
    return x <= 0 if k is None else x < x.topk(k, dim=-1, sorted=False).values.amin(-1, keepdim=True)


def k_winners(x: Tensor, k: int) -> Tensor:
    """Keep each sample's k largest values and set the rest to zero. Source: method 2.2.

    Values equal to the k-th largest are all kept, so ties can leave more than k. Negative values pass if they
    are among the largest. The gradient is the 0/1 mask of what was kept.

    Args:
        x: (..., U).
        k: winners per sample, 1 to U.
    Returns: (..., U).
    Raises: ValueError if k is outside 1 to U.
    """
    if not 1 <= k <= x.shape[-1]:
        raise ValueError(f"k_winners: found k = {k}, expected 1 to {x.shape[-1]} units")
    return x.masked_fill(non_winners(x.detach(), k), 0)


def strongest_segment(responses: Tensor) -> tuple[Tensor, Tensor]:
    """Each unit's segment of largest absolute response, the first of equal ones, and that response, sign kept.

    Args:
        responses: (..., S).
    Returns: int64 and responses, both (..., 1).
    """
    winner = responses.detach().abs().argmax(-1, keepdim=True)
    return winner, responses.gather(-1, winner)


def segment_responses(segments: Tensor, context: Tensor) -> Tensor:
    """The response of every segment, computed once per context, not once per sample.

    Args:
        segments: (U, S, C) dendritic weights.
        context: (N, C).
    Returns: (N, U, S).
    """
    units, per_unit, _ = segments.shape
    return (context @ segments.flatten(0, 1).T).view(len(context), units, per_unit)


class MaskedLinear(nn.Linear):
    """A linear layer in which each unit keeps a fixed, random subset of its inputs. Source: method 2.3, 2.4.

    The mask is not applied in the forward pass: call `rezero` after each optimiser step, which is cheaper and
    the same. Biases are never masked.

    Args:
        in_features, out_features: I and U.
        sparsity: fraction of each unit's weights that are zero, 0 up to but not 1.
        input_density: expected fraction of non-zero inputs, which widens the initial weights.
        masks, weights: generators for the mask and for the initial values; torch's default if None.
        glorot: draw weights as Glorot and Bengio (2010), by the number of inputs and of units, whatever their density.
        zero_bias: let biases begin at zero.
    Raises: ValueError for a sparsity that leaves no weight.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        *,
        sparsity: float = 0.0,
        input_density: float = 1.0,
        masks: torch.Generator | None = None,
        weights: torch.Generator | None = None,
        glorot: bool = False,
        zero_bias: bool = False,
    ) -> None:
        super().__init__(in_features, out_features)
        kept = round((1 - sparsity) * in_features)
        if not 1 <= kept <= in_features:
            raise ValueError(f"sparsity: found {sparsity}, expected to keep 1 to {in_features} inputs, not {kept}")
        bound = math.sqrt(6 / (in_features + out_features)) if glorot else 1 / math.sqrt(input_density * kept)
        nn.init.uniform_(self.weight, -bound, bound, generator=weights)
        bias_bound = 0.0 if zero_bias else 1 / math.sqrt(in_features)
        nn.init.uniform_(self.bias, -bias_bound, bias_bound, generator=weights)
        mask = None if kept == in_features else random_mask(out_features, in_features, kept, masks)
        self.register_buffer("mask", mask)
        self.rezero()

    def forward(self, x: Tensor, gates: Tensor | None = None) -> Tensor:
        """Feed-forward response, times gates, (B, U) or (1, U), if there are any: (B, I) -> (B, U)."""
        y = super().forward(x)
        return y if gates is None else y * gates

    @torch.no_grad()
    def rezero(self) -> None:
        """Set the masked weights to zero again."""
        if self.mask is not None:
            self.weight.mul_(self.mask)


class DendriticLinear(MaskedLinear):
    """A masked linear layer whose units are scaled by the sigmoid of their strongest segment. Source: method 2.1.

    Args:
        segments_per_unit: S, at least 1.
        context_size: C.
        context_density: assumed fraction of non-zero context entries, which widens the initial segments.
        segment_rule: what gates a unit, if not its strongest segment, (N, U, S) -> (N, U).
        The others as for `MaskedLinear`.
    Raises: ValueError if there is no segment.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        *,
        segments_per_unit: int,
        context_size: int,
        sparsity: float = 0.0,
        input_density: float = 1.0,
        context_density: float = 1.0,
        masks: torch.Generator | None = None,
        weights: torch.Generator | None = None,
        glorot: bool = False,
        zero_bias: bool = False,
        segment_rule: SegmentRule = segment_rules.strongest,
    ) -> None:
        super().__init__(
            in_features,
            out_features,
            sparsity=sparsity,
            input_density=input_density,
            masks=masks,
            weights=weights,
            glorot=glorot,
            zero_bias=zero_bias,
        )
        self.segment_rule = segment_rule
        if segments_per_unit < 1:
            raise ValueError(f"segments_per_unit: found {segments_per_unit}, expected 1 or more")
        self.segments = nn.Parameter(torch.empty(out_features, segments_per_unit, context_size))
        bound = 1 / math.sqrt(context_density * context_size)
        nn.init.uniform_(self.segments, -bound, bound, generator=weights)

    def gates(self, context: Tensor) -> Tensor:
        """The factor of each unit in each context, in (0, 1): (N, C) -> (N, U)."""
        return self.segment_rule(segment_responses(self.segments, context)).sigmoid()

    def forward(self, x: Tensor, context: Tensor | None = None, gates: Tensor | None = None) -> Tensor:
        """Feed-forward response times gate.

        Args:
            x: (B, I).
            context: (B, C), or (1, C) for one that the whole batch shares. Or, instead:
            gates: (B, U) or (1, U), as `gates` gave them before.
        Returns: (B, U), before k-winners.
        """
        if (context is None) == (gates is None):
            raise ValueError("DendriticLinear: expected either a context or its gates")
        return super().forward(x, self.gates(context) if gates is None else gates)


def random_mask(units: int, inputs: int, kept: int, masks: torch.Generator | None) -> Tensor:
    """(units, inputs) bool: in each row exactly `kept` entries are true, chosen uniformly."""
    chosen = torch.rand(units, inputs, generator=masks).argsort(dim=1)[:, :kept]
    return torch.zeros(units, inputs, dtype=torch.bool).scatter_(1, chosen, True)
