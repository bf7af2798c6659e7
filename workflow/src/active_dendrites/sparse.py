"""Learning on a CPU by what is not zero: the same network, steps and tests as `dense`, with the idle work left out.

What makes it fast, and why it changes nothing:

* Inputs that are zero (background pixels, losers among k-winners, silent ReLUs) add nothing to a response and get no
  weight gradient, and they pass none down: only the others are read (`kernels.respond`, `update`, `backpropagate`).
* A batch shares one context, so a segment answers once per step, not once per sample; a segment that has not won
  since Adam was reset has no moments and cannot move, so its answer stays (`kernels.advance_segments`).
* While the context stays the same, the moments of a segment are multiples of it: two numbers (`move_shared`).
* Gradient, Adam, mask and consolidation of a weight are one pass over memory; no gradient is ever stored (`update`).

Letters: B samples, I inputs, U units, T tiles, L lanes, S segments per unit, C size of the context, N contexts.
"""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np
import torch
from scipy.special import expit

from active_dendrites import kernels
from active_dendrites.config import RunConfig
from active_dendrites.layers import DendriticLinear, MaskedLinear
from active_dendrites.networks import Network
from active_dendrites.tasks import PermutedTasks

LANES = 64  # units in a tile: 2048 inputs x 64 units x 4 bytes are half of a 1 MiB second-level cache
TEST_BATCH = 1000


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


class Active:
    """The non-zero inputs of a batch, by sample (CSR) and, for learning, by input (CSC)."""

    def __init__(self, batch: int, inputs: int, capacity: int, dtype: np.dtype) -> None:
        self.start = np.zeros(batch + 1, np.int32)
        self.index, self.value = np.empty(capacity, np.int32), np.empty(capacity, dtype)
        self.column_start = np.zeros(inputs + 1, np.int32)
        self.sample, self.column_value = np.empty(capacity, np.int32), np.empty(capacity, dtype)

    @property
    def by_sample(self) -> tuple[np.ndarray, ...]:
        return self.start, self.index, self.value

    @property
    def by_input(self) -> tuple[np.ndarray, ...]:
        return self.column_start, self.sample, self.column_value

    def transpose(self) -> None:
        kernels.transpose(*self.by_sample, *self.by_input)


class Weights:
    """A masked linear layer in tiles, with its bias as the last row, its Adam moments and its consolidation."""

    def __init__(self, layer: MaskedLinear, black: float, consolidated: bool) -> None:
        self.layer = layer
        self.units, self.inputs = layer.weight.shape
        self.lanes = min(LANES, -(-self.units // 16) * 16)
        self.tiles = -(-self.units // self.lanes)
        self.dtype = layer.weight.detach().numpy().dtype
        self.theta = self.tile(layer.weight, layer.bias)
        keep = torch.ones_like(layer.weight) if layer.mask is None else layer.mask.to(layer.weight.dtype)
        self.mask = self.tile(keep, torch.ones_like(layer.bias)).astype(np.uint8)
        self.m, self.v = np.zeros_like(self.theta), np.zeros_like(self.theta)
        self.si = np.zeros((3 if consolidated else 0, *self.theta.shape), self.dtype)
        if consolidated:
            self.si[2] = self.theta
        self.black = self.dtype.type(black)
        self.base = np.ascontiguousarray(self.theta[:, -1] + self.black * self.theta[:, :-1].sum(1))
        self.bias_gradient, self.gate_gradient = np.zeros_like(self.base), np.zeros_like(self.base)

    def tile(self, weight: torch.Tensor, bias: torch.Tensor) -> np.ndarray:
        """(U, I) and (U,) -> (T, I + 1, L), the last tile padded with zeros."""
        rows = torch.cat([weight.detach(), bias.detach()[:, None]], 1).numpy()
        padded = np.zeros((self.tiles * self.lanes, self.inputs + 1), self.dtype)
        padded[: self.units] = rows
        return np.ascontiguousarray(padded.reshape(self.tiles, self.lanes, -1).transpose(0, 2, 1))

    def reset_moments(self) -> None:
        self.m[:], self.v[:] = 0, 0

    def response(self, batch: int) -> np.ndarray:
        return np.zeros((self.tiles, batch, self.lanes), self.dtype)

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
        threads.run(
            *(
                kernels.advance_segments,
                len(self.every),
                self.weights,
                self.context,
                self.responses,
                self.winner,
            ),
            *(
                gate_gradient,
                self.slot,
                self.m,
                self.v,
                self.active,
                self.num_active,
                self.last_gain,
                step,
                a,
            ),
        )

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


class SparseLearner:
    """Learns and tests on a CPU; the counterpart of `dense.DenseLearner`, with the same methods.

    Args:
        run: settings.
        tasks: the images, on the CPU.
        network: where learning starts; `network` holds what was learned after `end_task`.
    """

    def __init__(self, run: RunConfig, tasks: PermutedTasks, network: Network) -> None:
        self.run, self.tasks, self.network = run, tasks, network
        self.threads = Threads(torch.get_num_threads())
        self.dtype = np.dtype(run.numerics.precision)
        self.images = PixelLists(tasks, self.dtype)
        layers = [*network.hidden, network.output]
        consolidated = run.consolidation.kind != "none"
        blacks = [self.images.black, *[0.0] * (len(layers) - 1)]
        self.layers = [Weights(layer, black, consolidated) for layer, black in zip(layers, blacks, strict=True)]
        fixed = run.reset_optimizer
        self.segments = [Segments(layer, fixed) for layer in network.hidden] if network.has_dendrites else []
        self.buffers = Buffers(self.layers, run.batch_size, self.images)
        self.step, self.tasks_learned = 0, 0
        self.open_gates = [self._tiled(np.ones((1, layer.units), self.dtype), layer) for layer in self.layers[:-1]]

    def begin_task(self, context: torch.Tensor | None) -> None:
        """Start a task whose batches share this context, (1, C)."""
        if self.run.reset_optimizer:
            self.step = 0
            for part in (*self.layers, *self.segments):
                part.reset_moments()
        for segments in self.segments:
            segments.begin(np.ascontiguousarray(context[0].numpy()))
        self.gates = self._training_gates()

    def learn_epoch(self, task: int, order: torch.Generator) -> float:
        """One pass over the task; returns the mean loss of its steps."""
        place, size = self.images.places(task), self.run.batch_size
        shuffled = torch.randperm(len(self.tasks.train_labels), generator=order).numpy()
        steps = self.tasks.steps_per_epoch(size)
        labels = self.tasks.train_labels.numpy()
        total = 0.0
        for step in range(steps):
            rows = shuffled[step * size : (step + 1) * size]
            total += self._learn_batch(rows, labels[rows], place)
        return total / steps

    def _learn_batch(self, rows: np.ndarray, labels: np.ndarray, place: np.ndarray) -> float:
        """Forward, backward and update for one batch; returns its loss before the update."""
        buffers, run = self.buffers, self.run
        self.step += 1
        self._respond(buffers, self.images.train, rows, place, self.gates)
        loss = kernels.cross_entropy(buffers.y[-1], labels, run.network.output_units, buffers.dy[-1])
        a = kernels.adam_constants(run.learning_rate, run.adam_betas, run.adam_epsilon, self.step, self.dtype)
        s = self._consolidation_constants()
        for index in reversed(range(len(self.layers))):
            layer, inputs, dy = self.layers[index], buffers.inputs[index], buffers.dy[index]
            inputs.transpose()
            if index:
                buffers.dy[index - 1].fill(0)
                self.threads.run(
                    *(kernels.backpropagate, len(rows), layer.theta, dy, inputs.start, inputs.index),
                    *(self.gates[index - 1][0], buffers.dy[index - 1]),
                )
            unit_sums = (dy, buffers.y[index], layer.bias_gradient, layer.gate_gradient)
            self.threads.run(kernels.unit_gradients, layer.tiles, *unit_sums)
            self.threads.run(
                *(kernels.update, layer.tiles, layer.theta, layer.m, layer.v, layer.mask, dy, layer.black),
                *(layer.bias_gradient, *inputs.by_input, a, s, layer.si, layer.base),
            )
        self._advance_segments(a)
        return loss

    def _respond(
        self, buffers: "Buffers", source: "Images", rows: np.ndarray, place: np.ndarray, gates: list, of=None
    ) -> None:
        """Responses of all layers to the images `rows`; gates[layer][of[b]] scale sample b's units."""
        first = buffers.inputs[0]
        kernels.gather_pixels(rows, *source, place, self.images.scale, first.start, first.index, first.value)
        of = buffers.first_context[: len(rows)] if of is None else of
        for index, layer in enumerate(self.layers):
            y, inputs = buffers.y[index], buffers.inputs[index]
            self.threads.run(kernels.respond, layer.tiles, layer.theta, layer.base, *inputs.by_sample, y)
            if index < len(gates):
                k = self.network.winners[index] or 0
                found = buffers.count, buffers.index, buffers.value
                self.threads.run(kernels.activate, len(rows), y, gates[index], of, layer.units, k, *found)
                kernels.pack(*found, *buffers.inputs[index + 1].by_sample)

    def _advance_segments(self, a: np.ndarray) -> None:
        """d loss / d response = sum of dy * y, times (1 - gate), since dy already holds one factor of the gate."""
        if not self.segments:
            return
        for layer, segments in zip(self.layers, self.segments, strict=False):
            through_gate = layer.gate_gradient.reshape(-1)[: layer.units] * (1 - segments.gate())
            segments.advance(self.threads, through_gate, self.step, a, self.run.adam_betas)
        self.gates = self._training_gates()

    def _training_gates(self) -> list[np.ndarray]:
        if not self.segments:
            return self.open_gates
        pairs = zip(self.segments, self.layers, strict=False)
        return [self._tiled(segments.gate()[None], layer) for segments, layer in pairs]

    def _tiled(self, gates: np.ndarray, layer: Weights) -> np.ndarray:
        """(N, U) -> (N, T, L)."""
        padded = np.zeros((len(gates), layer.tiles * layer.lanes), self.dtype)
        padded[:, : layer.units] = gates
        return padded.reshape(len(gates), layer.tiles, layer.lanes)

    def _consolidation_constants(self) -> np.ndarray:
        settings = self.run.consolidation
        penalised = self.tasks_learned + 1 >= settings.penalty_from_task
        strength = 2 * settings.strength if penalised else 0.0
        return np.array([strength, settings.path_gradient == "total"], self.dtype)

    def end_task(self) -> None:
        """Consolidate what was learned; the network holds it from here."""
        for layer in self.layers:
            if len(layer.si):
                path, importance, anchor = layer.si
                importance += np.maximum(path, 0) / ((layer.theta - anchor) ** 2 + self.run.consolidation.damping)
                anchor[:], path[:] = layer.theta, 0
            layer.write_back()
        self.tasks_learned += 1

    def evaluate(self, prototypes: torch.Tensor | None, which: Iterable[int]) -> list[float]:
        """Accuracy on each of the tasks; the context of an image is the nearest of the prototypes, (N, C)."""
        if not hasattr(self, "test_buffers"):
            self.test_buffers = Buffers(self.layers, TEST_BATCH, self.images)
        gates, nearest = self.open_gates, None
        if self.segments:
            tables = self.network.gates(prototypes)
            gates = [
                self._tiled(table.detach().numpy(), layer) for table, layer in zip(tables, self.layers, strict=False)
            ]
        if prototypes is not None:
            nearest = Prototypes(prototypes, self.images)
        return [self._accuracy(task, gates, nearest) for task in which]

    def _accuracy(self, task: int, gates: list[np.ndarray], nearest: "Prototypes | None") -> float:
        place, labels, buffers = self.images.places(task), self.tasks.test_labels.numpy(), self.test_buffers
        correct = 0
        for start in range(0, len(labels), TEST_BATCH):
            rows = np.arange(start, min(start + TEST_BATCH, len(labels)))
            small = buffers if len(rows) == TEST_BATCH else Buffers(self.layers, len(rows), self.images)
            of = nearest.infer(self.threads, self.images.test, rows, place, small.inputs[0]) if nearest else None
            self._respond(small, self.images.test, rows, place, gates, of)
            correct += kernels.count_correct(small.y[-1], labels[rows], self.run.network.output_units)
        return correct / len(labels)


Images = tuple[np.ndarray, np.ndarray, np.ndarray]  # start (N + 1,), pixel, byte: the non-black pixels of each image


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
        dense = images.numpy()
        start = np.zeros(len(dense) + 1, np.int64)
        np.cumsum(np.count_nonzero(dense, axis=1), out=start[1:])
        pixel = np.nonzero(dense)[1].astype(np.int16)
        return start, pixel, dense[dense > 0]

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
        self, threads: Threads, source: Images, rows: np.ndarray, place: np.ndarray, pixels: Active
    ) -> np.ndarray:
        kernels.gather_pixels(rows, *source, place, self.scale, pixels.start, pixels.index, pixels.value)
        closeness = np.empty((1, len(rows), self.weight.shape[2]), self.weight.dtype)
        threads.run(kernels.respond, 1, self.weight, self.base, *pixels.by_sample, closeness)
        return closeness[0].argmax(1)


class Buffers:
    """What one batch needs besides the weights, allocated once."""

    def __init__(self, layers: list[Weights], batch: int, images: PixelLists) -> None:
        dtype = layers[0].dtype
        widest = max(layer.inputs for layer in layers[1:])
        capacities = [images.most, *(layer.inputs for layer in layers[1:])]
        self.inputs = [
            Active(batch, layer.inputs, batch * capacity, dtype)
            for layer, capacity in zip(layers, capacities, strict=True)
        ]
        self.y, self.dy = (
            [layer.response(batch) for layer in layers],
            [layer.response(batch) for layer in layers],
        )
        self.count = np.zeros(batch, np.int32)
        self.index, self.value = np.empty((batch, widest), np.int32), np.empty((batch, widest), dtype)
        self.first_context = np.zeros(batch, np.int64)
