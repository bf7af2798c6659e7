"""Dropout of inputs and hidden units, drawn within the training step. Source: method 9.2.

Letters: R seeds, learned side by side, B batch, K units.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from active_dendrites.data.randomness import generator
from active_dendrites.settings.run import RunConfig


class Dropout:
    """Draws what each step keeps, scaled up so that sums keep their mean; each seed has a generator of its own.

    Args:
        runs: settings, equal but for the seed.
        sizes: inputs, then the units of each hidden layer.
        device, dtype: of the factors.
    """

    def __init__(self, runs: Sequence[RunConfig], sizes: Sequence[int], device: torch.device, dtype: torch.dtype):
        network = runs[0].network
        self.rates = [network.input_dropout, *[network.hidden_dropout] * len(network.hidden_units)]
        self.sizes, self.batch = sizes, runs[0].batch_size
        self.device, self.dtype = device, dtype
        self.generators = [generator(run.seed, "dropout", device) for run in runs if any(self.rates)]

    def draw(self) -> list[Tensor | None]:
        """The factors of inputs and of each hidden layer in one step, (R, B, K): 0 or 1 / (1 - rate)."""
        return [self._factors(size, rate) if rate else None for size, rate in zip(self.sizes, self.rates, strict=True)]

    def _factors(self, size: int, rate: float) -> Tensor:
        shape = self.batch, size
        drawn = [torch.rand(shape, generator=draws, device=self.device) for draws in self.generators]
        return (torch.stack(drawn) >= rate).to(self.dtype).div_(1 - rate)
