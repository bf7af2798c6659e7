"""Layers in tiles, and their inputs by list or matrix.

Letters: B samples, I inputs, U units, T tiles, L lanes, N contexts.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np
import torch

from active_dendrites.learners.matmul import multiply
from active_dendrites.learners.sparse.kernels import forward as kernels
from active_dendrites.learners.sparse.kernels.update import (
    backpropagate,
    exchange_columns,
    exchange_rows,
    find_exchanges,
    pass_active,
    renumber,
)
from active_dendrites.models.layers import MaskedLinear
from active_dendrites.models.networks import as_dtype
from active_dendrites.models.saving import State, as_tensors


def aligned_zeros(shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """Zeros at a 64-byte boundary, as PyTorch allocates them.

    Matrix products may sum in another order where memory starts elsewhere, and NumPy's starts anywhere: without this,
    the same run could give other bits in another process.
    """
    return torch.zeros(shape, dtype=as_dtype(dtype.name)).numpy()


class Threads:
    """Splits a range among a fixed number of threads; the split never changes a result, only who computes it."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.pool = ThreadPoolExecutor(count) if count > 1 else None

    def run(self, kernel: Callable[..., None], size: int, *arguments: object) -> None:
        """Call kernel(first, last, *arguments) for the range from 0 to size, shared among the threads."""
        if self.pool is None:
            kernel(0, size, *arguments)
            return
        edges = [size * i // self.count for i in range(self.count + 1)]
        jobs = [self.pool.submit(kernel, *pair, *arguments) for pair in pairwise(edges)]
        for job in jobs:
            job.result()


class SparseInput:
    """The inputs of a layer in one batch where few are not zero: lists by sample (CSR) and by input (CSC)."""

    def __init__(self, batch: int, inputs: int, capacity: int, dtype: np.dtype) -> None:
        self.start = np.zeros(batch + 1, np.int32)
        self.index, self.value = np.empty(batch * capacity, np.int32), np.empty(batch * capacity, dtype)
        self.column_start = np.zeros(inputs + 1, np.int32)
        self.sample, self.column_value = np.empty(batch * capacity, np.int32), np.empty(batch * capacity, dtype)
        self.count, self.no_gradient = np.zeros(batch, np.int32), np.empty((0, 0, 0), dtype)
        self.rows = np.empty((batch, capacity), np.int32), np.empty((batch, capacity), dtype)

    def fill(self, threads: Threads, y: np.ndarray, gates: np.ndarray, context_of: np.ndarray, k: int | None) -> None:
        """Take over the k winners among the responses y of the layer below."""
        assert k is not None
        units = len(self.column_start) - 1
        rows = self.count, *self.rows
        threads.run(kernels.select_winners, len(self.count), y, gates, context_of, units, k, *rows)
        kernels.pack(*rows, self.start, self.index, self.value)

    def count_active(self) -> np.ndarray:
        """For each input the samples in which it is not zero, (I,)."""
        return np.bincount(self.index[: self.start[-1]], minlength=len(self.column_start) - 1)

    def respond(self, threads: Threads, layer: "Weights", y: np.ndarray) -> None:
        """Write the responses of a layer to these inputs to y, (T, B, L)."""
        lists = self.start, self.index, self.value
        threads.run(kernels.respond, layer.tiles, layer.theta, layer.base, *lists, y)

    def backpropagate(
        self, threads: Threads, layer: "Weights", dy: np.ndarray, gate: np.ndarray, dx: np.ndarray
    ) -> None:
        """Write the gradient at these inputs to dx, in tiles, given those of the layer's responses, dy (T, B, L).

        gate: of the layer below, in tiles, for the whole batch.
        """
        assert layer.below is not None
        dx[: layer.below.activated_tiles].fill(0)
        lists = self.start, self.index
        threads.run(backpropagate, dy.shape[1], layer.activated_tiles, layer.theta, dy, *lists, gate, dx)

    def gradient(self, dy: np.ndarray) -> tuple[np.ndarray, ...]:
        """What `update` makes the weights' gradient from: the lists by input."""
        columns = self.column_start, self.sample, self.column_value
        kernels.transpose(self.start, self.index, self.value, *columns)
        return *columns, self.no_gradient


class DenseInput:
    """The inputs of a layer in one batch where many are not zero, as after a ReLU or with many winners: (B, I)."""

    def __init__(self, batch: int, inputs: int, dtype: np.dtype) -> None:
        self.x = torch.zeros(batch, inputs, dtype=as_dtype(dtype.name))
        self.no_lists = np.zeros(inputs + 1, np.int32), np.empty(0, np.int32), np.empty(0, dtype)

    def fill(self, threads: Threads, y: np.ndarray, gates: np.ndarray, context_of: np.ndarray, k: int | None) -> None:
        """Take over the responses y of the layer below, rectified, or those of the k winners."""
        x = self.x.numpy()
        if k is None:
            threads.run(kernels.rectify, len(x), y, gates, context_of, x)
        else:
            threads.run(kernels.keep_winners, len(x), y, gates, context_of, k, x)

    def count_active(self) -> np.ndarray:
        """For each input the samples in which it is not zero, (I,)."""
        count: np.ndarray = np.count_nonzero(self.x.numpy(), axis=0)
        return count

    def respond(self, threads: Threads, layer: "Weights", y: np.ndarray) -> None:
        """Write the responses of a layer to these inputs to y, (T, B, L)."""
        for tile, responses in enumerate(torch.from_numpy(y)):
            weight, base = torch.from_numpy(layer.theta[tile, :-1]), torch.from_numpy(layer.base[tile])
            torch.add(multiply(self.x, weight), base, out=responses)

    def backpropagate(
        self, threads: Threads, layer: "Weights", dy: np.ndarray, gate: np.ndarray, dx: np.ndarray
    ) -> None:
        """Write the gradient at these inputs to dx, in tiles, given those of the layer's responses, dy (T, B, L).

        gate: of the layer below, in tiles, for the whole batch.
        """
        upstream = torch.zeros_like(self.x)
        for tile in range(layer.tiles):
            upstream += multiply(torch.from_numpy(dy[tile]), torch.from_numpy(layer.theta[tile, :-1]).T)
        threads.run(pass_active, len(upstream), upstream.numpy(), self.x.numpy(), gate, dx)

    def gradient(self, dy: np.ndarray) -> tuple[np.ndarray, ...]:
        """What `update` makes the weights' gradient from: the gradient itself, (T, I, L)."""
        tiles = [multiply(self.x.T, tile) for tile in torch.from_numpy(dy)]
        return *self.no_lists, torch.stack(tiles).numpy()


class Weights:
    """A masked linear layer in tiles, with its bias as the last row, its Adam moments and its consolidation.

    Units stand in an order of their own: the first `num_activated` are those that have won since Adam was reset. The
    others rest (`learners.lazy_adam`): `update` leaves them out. Rows of weights stand in the order of the layer below.
    """

    def __init__(
        self, layer: MaskedLinear, below: "Weights | None", lanes: int, black: float, lazy: bool, consolidated: bool
    ) -> None:
        self.layer, self.below = layer, below
        self.lazy = lazy  # whether units rest until they win
        self.units, self.inputs = layer.weight.shape
        self.lanes = min(lanes, -(-self.units // 16) * 16)
        self.tiles = -(-self.units // self.lanes)
        self.dtype = layer.weight.detach().numpy().dtype
        self.unit = np.arange(self.units)  # at each position
        self.theta = self.tile(layer.weight, layer.bias)
        self.mask = self._tiled_mask()
        self.m, self.v = aligned_zeros(self.theta.shape, self.dtype), aligned_zeros(self.theta.shape, self.dtype)
        self.si = aligned_zeros((3 if consolidated else 0, *self.theta.shape), self.dtype)
        if consolidated:
            self.si[2] = self.theta
        self.black = self.dtype.type(black)
        self.base = np.ascontiguousarray(self.theta[:, -1] + self.black * self.theta[:, :-1].sum(1))
        self.bias_gradient, self.gate_gradient = np.zeros_like(self.base), np.zeros_like(self.base)
        self.reset_moments()

    def tile(self, weight: torch.Tensor, bias: torch.Tensor) -> np.ndarray:
        """Weights (U, I) and biases (U,) in tiles, (T, I + 1, L), the last one padded with zeros."""
        padded = np.zeros((self.tiles * self.lanes, self.inputs + 1), self.dtype)
        padded[: self.units] = torch.cat([weight.detach(), bias.detach()[:, None]], 1).numpy()
        tiled = aligned_zeros((self.tiles, self.inputs + 1, self.lanes), self.dtype)
        tiled[:] = padded.reshape(self.tiles, self.lanes, -1).transpose(0, 2, 1)
        return tiled

    def _tiled_mask(self) -> np.ndarray:
        """The mask in tiles, (T, I + 1, L), by the present order of the units of this layer and the one below."""
        keep = torch.ones_like(self.layer.weight) if self.layer.mask is None else self.layer.mask
        inputs = slice(None) if self.below is None else self.below.unit
        in_order = keep[self.unit][:, inputs].to(self.layer.weight.dtype)
        return self.tile(in_order, torch.ones_like(self.layer.bias)).astype(np.uint8)

    def tile_gates(self, gates: np.ndarray) -> np.ndarray:
        """A factor for each unit in N contexts, in tiles: (N, U) -> (N, T, L)."""
        padded = np.zeros((len(gates), self.tiles * self.lanes), self.dtype)
        padded[:, : self.units] = gates[:, self.unit]
        return padded.reshape(len(gates), self.tiles, self.lanes)

    def by_unit(self, tiled: np.ndarray) -> np.ndarray:
        """What is in tiles, (T, L, ...), in the order of the units of the PyTorch layer, (U, ...)."""
        return tiled.reshape(-1, *tiled.shape[2:])[self.unit.argsort()]

    @property
    def activated_tiles(self) -> int:
        """How many tiles hold activated units."""
        return -(-self.num_activated // self.lanes)

    @property
    def movable_rows(self) -> int:
        """How many inputs have weights that can move: all pixels, as black is not zero, or activated units below."""
        return self.inputs if self.below is None else self.below.num_activated

    def reset_moments(self) -> None:
        """Begin with moments of zero; in lazy layers all units rest."""
        self.m[:], self.v[:], self.gate_gradient[:] = 0, 0, 0
        self.num_activated = 0 if self.lazy else self.units

    def activate(self, threads: Threads, above: "Weights", winners: SparseInput, y: np.ndarray) -> bool:
        """Put the winners of a batch, whose responses are y, among the activated units; says if any was resting."""
        before = self.num_activated
        self.num_activated, pairs = find_exchanges(winners.index[: winners.start[-1]], before, self.units)
        if len(pairs):
            for weight in (self.theta, self.mask, *self.si, self.base[:, None], y):  # moments of both are zero
                threads.run(exchange_columns, weight.shape[1], weight, pairs)
            for weight in (above.theta, above.mask, *above.si):
                threads.run(exchange_rows, above.tiles, weight, pairs)
            position = np.arange(self.units)
            position[pairs], self.unit[pairs] = pairs[:, ::-1], self.unit[pairs[:, ::-1]]
            renumber(winners.index[: winners.start[-1]], position)
        return self.num_activated > before

    def response(self, batch: int) -> np.ndarray:
        """Memory for the responses of a batch, or their gradient, (T, B, L)."""
        return aligned_zeros((self.tiles, batch, self.lanes), self.dtype)

    def state(self, within_task: bool, moments: bool) -> State:
        """See `Learner.state`. The mask follows from the order of units; the sums of a batch are made anew.

        Between tasks consolidation has the weights for its anchor and no path.
        """
        state = {"theta": self.theta, "base": self.base, "unit": self.unit}
        state["si"] = self.si if within_task else self.si[1:2]
        return as_tensors(state | ({"m": self.m, "v": self.v, "live": np.array(self.num_activated)} if moments else {}))

    def restore(self, state: State) -> None:
        """Take over a state; that of the layer below has been restored before."""
        saved = {name: tensor.numpy() for name, tensor in state.items()}
        self.theta[:], self.base[:], self.unit[:] = saved["theta"], saved["base"], saved["unit"]
        self.mask = self._tiled_mask()
        self.reset_moments()
        if "m" in saved:
            self.m[:], self.v[:], self.num_activated = saved["m"], saved["v"], int(saved["live"])
        if len(saved["si"]) == len(self.si):
            self.si[:] = saved["si"]
        else:
            self.si[0], self.si[1], self.si[2] = 0, saved["si"][0], self.theta

    @torch.no_grad()
    def write_back(self) -> None:
        """Put the learned weights into the PyTorch layer."""
        rows = self.by_unit(self.theta.transpose(0, 2, 1))
        inputs = slice(0, -1) if self.below is None else self.below.unit.argsort()
        self.layer.weight.copy_(torch.from_numpy(rows[:, inputs]))
        self.layer.bias.copy_(torch.from_numpy(rows[:, -1]))
