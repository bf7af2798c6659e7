"""The layers of several networks at once, as whole tensors.

Letters: R networks, B batch, I inputs, U units.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from active_dendrites.learners.matmul import Products
from active_dendrites.models.layers import MaskedLinear


class Layer:
    """The same layer of R networks: weights (R, U, I), biases (R, U) and masks (R, U, I) or none."""

    def __init__(self, weight: Tensor, bias: Tensor, mask: Tensor | None) -> None:
        self.weight, self.bias = weight, bias
        self.mask = mask

    def respond(self, x: Tensor, products: Products) -> tuple[Tensor, Tensor, Tensor]:
        """Inputs and weights as they enter the product, and the responses: (R, B, I) -> (R, B, U)."""
        inputs, weight = products.operand(x), products.operand(self.weight)
        return inputs, weight, products.multiply(inputs, weight.mT).add_(self.bias[:, None])

    def rezero(self) -> None:
        """Set the masked weights to zero again, after an optimiser step."""
        if self.mask is not None:
            self.weight.mul_(self.mask)


def stacked_layer(same: Sequence[MaskedLinear]) -> Layer:
    """One layer made of the same layer of R networks, whose parameters become views of it."""
    masks = [layer.mask for layer in same if layer.mask is not None]  # of all or none
    mask = torch.stack(masks) if masks else None
    return Layer(stacked([layer.weight for layer in same]), stacked([layer.bias for layer in same]), mask)


def parameters_of(layers: Sequence[Layer]) -> list[Tensor]:
    """The parameters of the layers, in order: weight, bias, weight, bias, ..."""
    return [parameter for layer in layers for parameter in (layer.weight, layer.bias)]


def layers_of(parameters: Sequence[Tensor]) -> list[Layer]:
    """Layers without masks, given their parameters in order: weight, bias, weight, bias, ..."""
    return [Layer(weight, bias, None) for weight, bias in zip(parameters[::2], parameters[1::2], strict=True)]


def stacked(parameters: Sequence[Tensor]) -> Tensor:
    """R parameters as one tensor (R, ...), of which they become views."""
    together = torch.stack([parameter.detach() for parameter in parameters])
    for parameter, own in zip(parameters, together, strict=True):
        parameter.data = own
    return together
