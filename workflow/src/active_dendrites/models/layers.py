"""The layers of the paper, usable in any PyTorch model: masked linear, dendritic, k-winners.

Letters: B batch, I inputs, U units, S segments per unit, C size of the context vector, N contexts. `...` stands for any
axes of samples, often (B,) alone.
"""

import math
from typing import Any

import torch
from torch import Tensor, nn

from active_dendrites.settings import segment_rules
from active_dendrites.settings.segment_rules import SegmentRule
from active_dendrites.settings.yaml_files import fault_line


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

    >>> k_winners(torch.tensor([[3.0, 1.0, 2.0, 2.0], [-1.0, -4.0, -2.0, -3.0]]), k=2)
    tensor([[ 3.,  0.,  2.,  2.],
            [-1.,  0., -2.,  0.]])
    """
    if not 1 <= k <= x.shape[-1]:
        raise ValueError(fault_line("k_winners", "", f"1 to {x.shape[-1]} units", found=f"k = {k}"))
    return x.masked_fill(non_winners(x.detach(), k), 0)


def strongest_segment(responses: Tensor) -> tuple[Tensor, Tensor]:
    """Each unit's segment of largest absolute response, the first of equal ones, and that response, sign kept.

    Args:
        responses: (..., S).
    Returns: int64 and responses, both (..., 1).

    >>> strongest_segment(torch.tensor([0.5, -2.0, 1.0]))
    (tensor([1]), tensor([-2.]))
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

    The forward pass reads no weight outside the mask, so none has a gradient: optimisers that move each weight by its
    own gradient leave them at zero, with momentum and weight decay as well. `state_dict` never holds others. Biases are
    never masked.

    Args:
        in_features, out_features: I and U.
        bias, device, dtype: as for `nn.Linear`.
        sparsity: fraction of each unit's weights that are zero, 0 up to but not 1.
        input_density: expected fraction of non-zero inputs, above 0 up to 1, which widens the initial weights.
        masks, weights: generators for the mask and for the initial values; torch's default if None.
        glorot: draw weights as Glorot and Bengio (2010), by the number of inputs and of units, whatever their density.
        zero_bias: let biases begin at zero.
    Raises: ValueError for sizes, a sparsity or a density out of range, and for a sparsity that leaves no weight.

    >>> layer = MaskedLinear(8, 3, sparsity=0.75)
    >>> layer
    MaskedLinear(in_features=8, out_features=3, bias=True, sparsity=0.75)
    >>> optimiser = torch.optim.AdamW(layer.parameters(), weight_decay=0.1)
    >>> layer(torch.rand(5, 8)).square().sum().backward()
    >>> optimiser.step()
    >>> (layer.weight != 0).sum(1)
    tensor([2, 2, 2])
    """

    mask: Tensor | None  # (U, I) bool

    def __init__(
        self,
        in_features: int,
        out_features: int,
        *,
        bias: bool = True,
        sparsity: float = 0.0,
        input_density: float = 1.0,
        masks: torch.Generator | None = None,
        weights: torch.Generator | None = None,
        glorot: bool = False,
        zero_bias: bool = False,
        device: torch.device | str | int | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        check_positive("in_features", in_features)
        check_positive("out_features", out_features)
        check_density("input_density", input_density)
        if not 0 <= sparsity < 1:
            raise ValueError(fault_line("sparsity", "", "0 up to but not 1", value=sparsity))
        kept = round((1 - sparsity) * in_features)
        if kept < 1:
            expected = f"to keep 1 to {in_features} inputs, not {kept}"
            raise ValueError(fault_line("sparsity", "", expected, value=sparsity))
        super().__init__(in_features, out_features, bias, device, dtype)
        self.sparsity, self.input_density, self.kept = sparsity, input_density, kept
        self.glorot, self.zero_bias = glorot, zero_bias
        self._draw_weights(weights)
        mask = None if kept == in_features else random_mask(out_features, in_features, kept, masks, self.weight.device)
        self.register_buffer("mask", mask)
        self.rezero()

    def forward(self, x: Tensor, *, gates: Tensor | None = None) -> Tensor:
        """Feed-forward response, times gates if there are any.

        Args:
            x: (..., I).
            gates: a factor for each unit: (U,) or (1, U) for all samples, or (..., U) with axes as those of x.
        Returns: (..., U).
        Raises: ValueError for gates of another shape.
        """
        y = nn.functional.linear(x, self._masked(self.weight), self.bias)
        return y if gates is None else y * for_samples(x, gates, self.out_features, "gates")

    def reset_parameters(self) -> None:
        """Draw weights and biases anew, by torch's default generator, within the same mask.

        A mask whose memory was never written, as after `to_empty`, is drawn as well.
        """
        if "mask" not in self._buffers:  # nn.Linear's constructor calls this too early
            return
        self._draw_weights(None)
        if self.mask is not None and bool((self.mask.sum(1) != self.kept).any()):
            self.mask.copy_(random_mask(self.out_features, self.in_features, self.kept, None, self.mask.device))
        self.rezero()

    @torch.no_grad()
    def rezero(self) -> None:
        """Set the weights outside the mask to zero: needed only to read `weight` after something else wrote there."""
        if self.mask is not None:
            self.weight.data.copy_(self._masked(self.weight))  # `data`: graphs that read `weight` stay valid

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, sparsity={self.sparsity}"

    def _masked(self, weight: Tensor) -> Tensor:
        """The weights, zero outside the mask; their gradient is zero there, even where they or it are not finite."""
        return weight if self.mask is None else torch.where(self.mask, weight, 0)

    def _draw_weights(self, generator: torch.Generator | None) -> None:
        """Draw weights and biases."""
        spread = 6 / (self.in_features + self.out_features) if self.glorot else 1 / (self.input_density * self.kept)
        draw_uniform(self.weight, math.sqrt(spread), generator)
        if self.bias is not None:
            draw_uniform(self.bias, 0.0 if self.zero_bias else 1 / math.sqrt(self.in_features), generator)

    def _save_to_state_dict(self, destination: dict[str, Any], prefix: str, keep_vars: bool) -> None:
        super()._save_to_state_dict(destination, prefix, keep_vars)
        masked = self._masked(self.weight.detach())
        if not keep_vars and not torch.equal(masked, self.weight):  # the parameter stays: another module may share it
            destination[f"{prefix}weight"] = masked

    def _load_from_state_dict(
        self, state_dict: dict[str, Any], prefix: str, local_metadata: dict[str, Any], *others: Any
    ) -> None:
        *_, error_messages = others
        mask = state_dict.get(f"{prefix}mask")
        if self.mask is not None and mask is not None and mask.shape == self.mask.shape:
            kept = sorted(set(mask.sum(1).tolist()))
            if kept != [self.kept]:
                found = f"{' to '.join(map(str, (kept[0], kept[-1]) if len(kept) > 1 else kept))} inputs of a unit"
                expected = f"{self.kept} (sparsity {self.sparsity})"
                error_messages.append(fault_line(f"{prefix}mask", "", expected, found=found))
                return
        super()._load_from_state_dict(state_dict, prefix, local_metadata, *others)
        if local_metadata.get("assign_to_params_buffers"):  # `weight` is the caller's tensor now
            self.weight.data = self._masked(self.weight.detach())
        self.rezero()


class DendriticLinear(MaskedLinear):
    """A masked linear layer whose units are scaled by the sigmoid of their strongest segment. Source: method 2.1.

    Args:
        in_features, out_features: I and U.
        segments_per_unit: S, at least 1.
        context_size: C, at least 1.
        context_density: assumed fraction of non-zero context entries, above 0 up to 1, which widens the initial
            segments.
        segment_rule: what gates a unit, if not its strongest segment, (N, U, S) -> (N, U).
        The others as for `MaskedLinear`; segments are never masked.
    Raises: ValueError as `MaskedLinear`, and if there is no segment or no context.

    >>> layer = DendriticLinear(8, 6, segments_per_unit=3, context_size=4, sparsity=0.5)
    >>> layer
    DendriticLinear(in_features=8, out_features=6, bias=True, sparsity=0.5, segments_per_unit=3, context_size=4)
    >>> layer(torch.rand(5, 8), torch.rand(4)).shape  # one context for all samples
    torch.Size([5, 6])
    >>> layer(torch.rand(5, 8), torch.rand(3, 4))
    Traceback (most recent call last):
    ValueError: context: found shape (3, 4), expected (4,) for all samples or (5, 4) for each
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        *,
        segments_per_unit: int,
        context_size: int,
        bias: bool = True,
        sparsity: float = 0.0,
        input_density: float = 1.0,
        context_density: float = 1.0,
        masks: torch.Generator | None = None,
        weights: torch.Generator | None = None,
        glorot: bool = False,
        zero_bias: bool = False,
        segment_rule: SegmentRule = segment_rules.strongest,
        device: torch.device | str | int | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        check_positive("segments_per_unit", segments_per_unit)
        check_positive("context_size", context_size)
        check_density("context_density", context_density)
        super().__init__(
            in_features,
            out_features,
            bias=bias,
            sparsity=sparsity,
            input_density=input_density,
            masks=masks,
            weights=weights,
            glorot=glorot,
            zero_bias=zero_bias,
            device=device,
            dtype=dtype,
        )
        self.segment_rule, self.context_density = segment_rule, context_density
        self.segments = nn.Parameter(self.weight.new_empty(out_features, segments_per_unit, context_size))
        self._draw_segments(weights)

    def gates(self, context: Tensor) -> Tensor:
        """The factor of each unit in each context, in (0, 1): (..., C) -> (..., U).

        Raises: ValueError for contexts of another size.
        """
        units, _, size = self.segments.shape
        if context.shape[-1:] != (size,):
            raise ValueError(fault_line("context", "", f"(..., {size})", found=f"shape {tuple(context.shape)}"))
        responses = segment_responses(self.segments, context.reshape(-1, size))  # (N, U, S)
        return self.segment_rule(responses).sigmoid().reshape(*context.shape[:-1], units)

    def forward(self, x: Tensor, context: Tensor | None = None, *, gates: Tensor | None = None) -> Tensor:
        """Feed-forward response times gate.

        Args:
            x: (..., I), such as (B, I).
            context: (C,) or (1, C) for one that all samples share, or (..., C) with as many axes as x, each as long
                as that of x or 1: (B, C), or (B, 1, C) for sequences (B, T, I) of one context each. Or, instead:
            gates: likewise (U,), (1, U) or (..., U), as `gates` gave them before.
        Returns: (..., U), before k-winners.
        Raises: ValueError unless there is one of context and gates, and for one of another shape.
        """
        if (context is None) == (gates is None):
            raise ValueError("DendriticLinear: expected either a context or its gates")
        if context is not None:
            gates = self.gates(for_samples(x, context, self.segments.shape[2], "context"))
        return super().forward(x, gates=gates)

    def reset_parameters(self) -> None:
        """Draw weights, biases and segments anew, as `MaskedLinear.reset_parameters`."""
        super().reset_parameters()
        if "segments" in self._parameters:
            self._draw_segments(None)

    def extra_repr(self) -> str:
        _, per_unit, size = self.segments.shape
        rule = self.segment_rule
        other = "" if rule is segment_rules.strongest else f", segment_rule={getattr(rule, '__name__', rule)}"
        return f"{super().extra_repr()}, segments_per_unit={per_unit}, context_size={size}{other}"

    def _draw_segments(self, generator: torch.Generator | None) -> None:
        bound = 1 / math.sqrt(self.context_density * self.segments.shape[2])
        draw_uniform(self.segments, bound, generator)


def for_samples(x: Tensor, values: Tensor, size: int, name: str) -> Tensor:
    """The same values, in a shape that belongs to the samples of x and to no other axis.

    Args:
        x: (..., I).
        values: (size,), (1, size), or (..., size) with as many axes as x, each as long as that of x or 1.
    Returns: (size,) or (..., size).
    Raises: ValueError for another shape.
    """
    if values.shape[-1:] == (size,):
        if math.prod(values.shape[:-1]) == 1:
            return values.reshape(size)
        pairs = zip(values.shape[:-1], x.shape[:-1], strict=False)
        if values.ndim == x.ndim and all(own in (1, of_x) for own, of_x in pairs):
            return values
    expected = f"({size},) for all samples or {(*x.shape[:-1], size)} for each"
    raise ValueError(fault_line(name, "", expected, found=f"shape {tuple(values.shape)}"))


def random_mask(
    units: int, inputs: int, kept: int, generator: torch.Generator | None, device: torch.device | None = None
) -> Tensor:
    """(units, inputs) bool: in each row exactly `kept` entries are true, chosen uniformly."""
    draws = torch.rand(units, inputs, generator=generator, device=device if generator is None else generator.device)
    chosen = draws.argsort(dim=1)[:, :kept]
    return torch.zeros_like(draws, dtype=torch.bool).scatter_(1, chosen, True).to(device)


@torch.no_grad()
def draw_uniform(parameter: Tensor, bound: float, generator: torch.Generator | None) -> None:
    """Fill with values from -bound to bound, drawn where the generator is: any device gets the same."""
    drawn = parameter if generator is None else torch.empty_like(parameter, device=generator.device)
    parameter.copy_(drawn.uniform_(-bound, bound, generator=generator))


def check_positive(name: str, size: int) -> None:
    """Raises: ValueError for a size below 1."""
    if size < 1:
        raise ValueError(fault_line(name, "", "1 or more", value=size))


def check_density(name: str, density: float) -> None:
    """Raises: ValueError for a fraction that divides nothing."""
    if not 0 < density <= 1:
        raise ValueError(fault_line(name, "", "above 0 up to 1", value=density))
