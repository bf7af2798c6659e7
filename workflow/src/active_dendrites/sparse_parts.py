"""The parts of the sparse learner: images as lists, layers in tiles, their inputs by list or matrix, segments.

Letters: B samples, I inputs, U units, T tiles, L lanes, S segments per unit, C size of the context, N contexts.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np
import torch
from scipy.special import expit

from active_dendrites import kernels
from active_dendrites.layers import DendriticLinear, MaskedLinear
from active_dendrites.networks import as_dtype
from active_dendrites.tasks import PermutedTasks

Images = tuple[np.ndarray, np.ndarray, np.ndarray]  # start (N + 1,), pixel, byte: the non-black pixels of each image


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

    def run(self, kernel: Callable, size: int, *arguments: object) -> None:
        """kernel(first, last, *arguments) over 0 to size, shared among the threads."""
        if self.pool is None:
            kernel(0, size, *arguments)
            return
        edges = [size * i // self.count for i in range(self.count + 1)]
        jobs = [self.pool.submit(kernel, *pair, *arguments) for pair in pairwise(edges)]
        for job in jobs:
            job.result()


class Listed:
    """The inputs of a layer in one batch where few are not zero: lists by sample (CSR) and by input (CSC)."""

    def __init__(self, batch: int, inputs: int, capacity: int, dtype: np.dtype) -> None:
        self.start = np.zeros(batch + 1, np.int32)
        self.index, self.value = np.empty(batch * capacity, np.int32), np.empty(batch * capacity, dtype)
        self.column_start = np.zeros(inputs + 1, np.int32)
        self.sample, self.column_value = np.empty(batch * capacity, np.int32), np.empty(batch * capacity, dtype)
        self.count, self.no_gradient = np.zeros(batch, np.int32), np.empty((0, 0, 0), dtype)
        self.rows = np.empty((batch, capacity), np.int32), np.empty((batch, capacity), dtype)

    def fill(self, threads: Threads, y: np.ndarray, gates: np.ndarray, context_of: np.ndarray, k: int) -> None:
        """Take over the winners among the responses y of the layer below."""
        units = len(self.column_start) - 1
        found = self.count, *self.rows
        threads.run(kernels.select_winners, len(self.count), y, gates, context_of, units, k, *found)
        kernels.pack(*found, self.start, self.index, self.value)

    def respond(self, threads: Threads, layer: "Weights", y: np.ndarray) -> None:
        lists = self.start, self.index, self.value
        threads.run(kernels.respond, layer.tiles, layer.theta, layer.base, *lists, y)

    def backpropagate(
        self, threads: Threads, layer: "Weights", dy: np.ndarray, gate: np.ndarray, dx: np.ndarray
    ) -> None:
        dx.fill(0)
        threads.run(kernels.backpropagate, dy.shape[1], layer.theta, dy, self.start, self.index, gate, dx)

    def gradient(self, dy: np.ndarray) -> tuple[np.ndarray, ...]:
        """What `kernels.update` makes the weights' gradient from: the lists by input."""
        columns = self.column_start, self.sample, self.column_value
        kernels.transpose(self.start, self.index, self.value, *columns)
        return *columns, self.no_gradient


class Whole:
    """The inputs of a layer in one batch where many are not zero, as after a ReLU: a matrix (B, I)."""

    def __init__(self, batch: int, inputs: int, dtype: np.dtype) -> None:
        self.x = torch.zeros(batch, inputs, dtype=as_dtype(dtype.name))
        self.no_lists = np.zeros(inputs + 1, np.int32), np.empty(0, np.int32), np.empty(0, dtype)

    def fill(self, threads: Threads, y: np.ndarray, gates: np.ndarray, context_of: np.ndarray, k: None) -> None:
        """Take over the rectified responses y of the layer below."""
        threads.run(kernels.rectify, len(self.x), y, gates, context_of, self.x.numpy())

    def respond(self, threads: Threads, layer: "Weights", y: np.ndarray) -> None:
        weight, base = torch.from_numpy(layer.theta)[:, :-1], torch.from_numpy(layer.base)[:, None]
        torch.baddbmm(base, self.x.expand(layer.tiles, -1, -1), weight, out=torch.from_numpy(y))

    def backpropagate(
        self, threads: Threads, layer: "Weights", dy: np.ndarray, gate: np.ndarray, dx: np.ndarray
    ) -> None:
        upstream = torch.zeros_like(self.x)
        for tile in range(layer.tiles):
            upstream.addmm_(torch.from_numpy(dy[tile]), torch.from_numpy(layer.theta[tile, :-1]).T)
        threads.run(kernels.pass_rectified, len(upstream), upstream.numpy(), self.x.numpy(), gate, dx)

    def gradient(self, dy: np.ndarray) -> tuple[np.ndarray, ...]:
        """What `kernels.update` makes the weights' gradient from: the gradient itself, (T, I, L)."""
        return *self.no_lists, torch.matmul(self.x.T, torch.from_numpy(dy)).numpy()


class Weights:
    """A masked linear layer in tiles, with its bias as the last row, its Adam moments and its consolidation."""

    def __init__(self, layer: MaskedLinear, lanes: int, black: float, consolidated: bool) -> None:
        self.layer = layer
        self.units, self.inputs = layer.weight.shape
        self.lanes = min(lanes, -(-self.units // 16) * 16)
        self.tiles = -(-self.units // self.lanes)
        self.dtype = layer.weight.detach().numpy().dtype
        self.theta = self.tile(layer.weight, layer.bias)
        keep = torch.ones_like(layer.weight) if layer.mask is None else layer.mask.to(layer.weight.dtype)
        self.mask = self.tile(keep, torch.ones_like(layer.bias)).astype(np.uint8)
        self.m, self.v = aligned_zeros(self.theta.shape, self.dtype), aligned_zeros(self.theta.shape, self.dtype)
        self.si = aligned_zeros((3 if consolidated else 0, *self.theta.shape), self.dtype)
        if consolidated:
            self.si[2] = self.theta
        self.black = self.dtype.type(black)
        self.base = np.ascontiguousarray(self.theta[:, -1] + self.black * self.theta[:, :-1].sum(1))
        self.bias_gradient, self.gate_gradient = np.zeros_like(self.base), np.zeros_like(self.base)

    def tile(self, weight: torch.Tensor, bias: torch.Tensor) -> np.ndarray:
        """(U, I) and (U,) -> (T, I + 1, L), the last tile padded with zeros."""
        padded = np.zeros((self.tiles * self.lanes, self.inputs + 1), self.dtype)
        padded[: self.units] = torch.cat([weight.detach(), bias.detach()[:, None]], 1).numpy()
        tiled = aligned_zeros((self.tiles, self.inputs + 1, self.lanes), self.dtype)
        tiled[:] = padded.reshape(self.tiles, self.lanes, -1).transpose(0, 2, 1)
        return tiled

    def reset_moments(self) -> None:
        self.m[:], self.v[:] = 0, 0

    def response(self, batch: int) -> np.ndarray:
        return aligned_zeros((self.tiles, batch, self.lanes), self.dtype)

    @torch.no_grad()
    def write_back(self) -> None:
        """Put the learned weights into the PyTorch layer."""
        rows = torch.from_numpy(self.theta.transpose(0, 2, 1).reshape(-1, self.inputs + 1)[: self.units])
        self.layer.weight.copy_(rows[:, :-1])
        self.layer.bias.copy_(rows[:, -1])


class Segments:
    """The dendrites of one layer: which segment of each unit wins in the current context, and which can move."""

    def __init__(self, layer: DendriticLinear, fixed_context: bool) -> None:
        self.weights = layer.segments.detach().numpy()  # (U, S, C), shared with the PyTorch layer
        units, per_unit, size = self.weights.shape
        self.dtype, self.width = self.weights.dtype, 1 if fixed_context else size
        self.slot = np.full((units, per_unit), -1, np.int32)  # of the moments; -1: none yet
        self.active, self.num_active = np.zeros((units, per_unit), np.int32), np.zeros(units, np.int32)
        self.last_gain = np.zeros((units, per_unit), np.int64)
        self.every = np.arange(units)
        self.reset_moments()

    def reset_moments(self) -> None:
        self.slot[:], self.num_active[:], self.num_slots = -1, 0, 0
        self.m = np.zeros((0, self.width), self.dtype)
        self.v = np.zeros((0, self.width), self.dtype)

    def begin(self, context: np.ndarray) -> None:
        """Answer a new context, (C,), with every segment."""
        self.context = context
        answers = torch.from_numpy(self.weights).flatten(0, 1) @ torch.from_numpy(context)
        self.responses = answers.view(self.slot.shape).numpy()
        self.winner = np.abs(self.responses).argmax(1)

    def gate(self) -> np.ndarray:
        """(U,) sigmoid of each unit's strongest response."""
        return expit(self.responses[self.every, self.winner])

    def advance(
        self, threads: Threads, gate_gradient: np.ndarray, step: int, a: np.ndarray, betas: list[float]
    ) -> None:
        """One Adam step of all segments, given each gate's gradient before the sigmoid, (U,)."""
        self._activate(self.every[gate_gradient != 0], step, betas)
        answers = self.weights, self.context, self.responses, self.winner, gate_gradient
        moments = self.slot, self.m, self.v, self.active, self.num_active, self.last_gain
        threads.run(kernels.advance_segments, len(self.every), *answers, *moments, step, a)

    def _activate(self, units: np.ndarray, step: int, betas: list[float]) -> None:
        """Let the winners of these units move: moments for those without, aged moments for those that rested."""
        slots = self.slot[units, self.winner[units]]
        rested = step - 1 - self.last_gain[units, self.winner[units]]
        for u in units[(slots < 0) | (rested > kernels.MOMENTUM_STEPS)]:
            s = self.winner[u]
            if self.slot[u, s] < 0:
                self._add_slot(u, s)
            else:
                age = step - 1 - self.last_gain[u, s] - kernels.MOMENTUM_STEPS
                self.m[self.slot[u, s]] *= betas[0] ** age
                self.v[self.slot[u, s]] *= betas[1] ** age
            self.last_gain[u, s] = step
            self.active[u, self.num_active[u]] = s
            self.num_active[u] += 1

    def _add_slot(self, u: int, s: int) -> None:
        if self.num_slots == len(self.m):
            more = np.zeros((max(len(self.every), len(self.m) // 2), self.width), self.dtype)
            self.m, self.v = np.concatenate([self.m, more]), np.concatenate([self.v, more.copy()])
        self.slot[u, s] = self.num_slots
        self.num_slots += 1


class PixelLists:
    """The images as lists of their non-black pixels; a normalised pixel is scale * byte + black."""

    def __init__(self, tasks: PermutedTasks, dtype: np.dtype) -> None:
        self.tasks = tasks
        self.scale = dtype.type(1 / (255 * tasks.data.pixel_std))
        self.black = dtype.type(-tasks.data.pixel_mean / tasks.data.pixel_std)
        self.train, self.test = self._lists(tasks.train_bytes), self._lists(tasks.test_bytes)
        self.most = max(int(np.diff(start).max()) for start, _, _ in (self.train, self.test))

    @staticmethod
    def _lists(images: torch.Tensor) -> Images:
        start, count = np.zeros(len(images) + 1, np.int64), int(torch.count_nonzero(images))
        pixel, byte = np.empty(count, np.int16), np.empty(count, np.uint8)
        kernels.list_pixels(images.numpy(), start, pixel, byte)
        return start, pixel, byte

    def places(self, task: int) -> np.ndarray:
        """Where the task puts each pixel: the inverse of its permutation."""
        return self.tasks.permutations[task].argsort().numpy().astype(np.int32)


class Prototypes:
    """The nearest prototype of each image: |x - c|^2 is smallest where x.c - |c|^2 / 2 is largest."""

    def __init__(self, prototypes: torch.Tensor, images: PixelLists) -> None:
        rows = prototypes.numpy()
        lanes = -(-len(rows) // 16) * 16
        self.weight = np.zeros((1, rows.shape[1], lanes), rows.dtype)
        self.weight[0, :, : len(rows)] = rows.T
        self.base = np.full((1, lanes), -np.inf, rows.dtype)
        self.base[0, : len(rows)] = images.black * rows.sum(1) - (rows**2).sum(1) / 2
        self.scale = images.scale

    def infer(
        self, threads: Threads, source: Images, rows: np.ndarray, place: np.ndarray, pixels: Listed
    ) -> np.ndarray:
        kernels.gather_pixels(rows, *source, place, self.scale, pixels.start, pixels.index, pixels.value)
        closeness = np.empty((1, len(rows), self.weight.shape[2]), self.weight.dtype)
        threads.run(kernels.respond, 1, self.weight, self.base, *(pixels.start, pixels.index, pixels.value), closeness)
        return closeness[0].argmax(1)
