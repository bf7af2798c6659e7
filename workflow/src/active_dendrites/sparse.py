"""Learning on a CPU by what is not zero: the same network, steps and tests as `dense`, with the idle work left out.

What makes it fast, and why it changes nothing:

* Inputs that are zero (losers among k-winners, and black pixels once black is taken out) add nothing to a response,
  get no weight gradient and pass none down: only the others are read (`kernels.respond`, `update`, `backpropagate`).
  After a ReLU too many are left for lists, and matrix products are faster (`sparse_parts.Whole`).
* About half of the units never win within a task. Without a gradient since Adam was reset a unit has no moments, so
  neither its weights nor those from it to the layer above can move: they are left out (`sparse_parts.Weights`).
* A batch shares one context, so a segment answers once per step, not once per sample; a segment that has not won
  since Adam was reset has no moments and cannot move, so its answer stays (`kernels.advance_segments`).
* While the context stays the same, the moments of a segment are multiples of it: two numbers (`move_shared`).
* Gradient, Adam, mask and consolidation of a weight are one pass over memory; no gradient is ever stored (`update`).

Letters: B samples, I inputs, U units, T tiles, L lanes, S segments per unit, C size of the context, N contexts.
"""

from collections.abc import Iterable

import numpy as np
import torch

from active_dendrites import kernels
from active_dendrites.config import RunConfig
from active_dendrites.networks import Network
from active_dendrites.sparse_parts import Images, Listed, PixelLists, Prototypes, Segments, Threads, Weights, Whole
from active_dendrites.tasks import PermutedTasks

# Units in a tile. Listed inputs: 1024 live inputs x 128 units x 4 bytes are half of a 1 MiB second-level cache.
# Whole ones go through matrix products, which want wide tiles.
LISTED_LANES, WHOLE_LANES = 128, 512
TEST_BATCH = 1000


class SparseLearner:
    """Learns and tests one network on a CPU; `engine.InTurn` gives several the interface of `dense.DenseLearner`.

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
        self.layers: list[Weights] = []
        wins = [k is not None for k in network.winners] + [False]
        for layer, listed, win in zip(layers, self._listed_inputs(), wins, strict=True):
            below, black = (self.layers[-1], 0.0) if self.layers else (None, self.images.black)
            lanes = LISTED_LANES if listed else WHOLE_LANES
            self.layers.append(Weights(layer, below, lanes, black, win, consolidated))
        fixed = run.reset_optimizer
        dendritic = network.hidden if network.has_dendrites else []
        self.segments = [Segments(layer, fixed, run.adam_betas) for layer in dendritic]
        self.buffers, self.test_buffers = self._buffers(run.batch_size), self._buffers(TEST_BATCH)
        self.step, self.tasks_learned = 0, 0
        self.open_gates = [layer.tile_gates(np.ones((1, layer.units), self.dtype)) for layer in self.layers[:-1]]

    def _listed_inputs(self) -> list[bool]:
        """For each layer whether few of its inputs are not zero: pixels and k-winners, but not a ReLU's output."""
        return [True, *(k is not None for k in self.network.winners)]

    def _buffers(self, batch: int) -> "Buffers":
        return Buffers(self.layers, self._listed_inputs(), batch, self.images.most)

    def begin_task(self, context: torch.Tensor | None) -> None:
        """Start a task whose batches share this context, (1, C)."""
        if self.run.reset_optimizer:
            self.step = 0
            for part in (*self.layers, *self.segments):
                part.reset_moments()
        for segments in self.segments:
            segments.begin(np.ascontiguousarray(context[0].numpy()), self.step)
        self.gates = self._training_gates()

    def learn_epoch(self, task: int, order: torch.Generator) -> float:
        """One pass over the task; returns the mean loss of its steps."""
        place, size = self.images.places(task), self.run.batch_size
        shuffled = torch.randperm(len(self.tasks.train_labels), generator=order).numpy()
        steps = self.tasks.steps_per_epoch(size)
        batches = (shuffled[step * size : (step + 1) * size] for step in range(steps))
        return sum(self.learn_batch(rows, place) for rows in batches) / steps

    def learn_batch(self, rows: np.ndarray, place: np.ndarray) -> float:
        """One step on the training images `rows`, their pixels put in `place`; returns the loss before it."""
        buffers, run, labels = self.buffers, self.run, self.tasks.train_labels.numpy()[rows]
        self.step += 1
        self._respond(buffers, self.images.train, rows, place, self.gates)
        self._wake(buffers)
        loss = kernels.cross_entropy(buffers.y[-1], labels, run.network.output_units, buffers.dy[-1])
        a = kernels.adam_constants(run.learning_rate, run.adam_betas, run.adam_epsilon, self.step, self.dtype)
        s = self._consolidation_constants()
        for index in reversed(range(len(self.layers))):
            layer, inputs, dy = self.layers[index], buffers.inputs[index], buffers.dy[index]
            if index:
                inputs.backpropagate(self.threads, layer, dy, self.gates[index - 1][0], buffers.dy[index - 1])
            unit_sums = dy, buffers.y[index], layer.bias_gradient, layer.gate_gradient
            self.threads.run(kernels.unit_gradients, layer.live_tiles, *unit_sums)
            weights = layer.live_rows, layer.theta, layer.m, layer.v, layer.mask
            gradient = dy, layer.black, layer.bias_gradient, *inputs.gradient(dy)
            self.threads.run(kernels.update, layer.live_tiles, *weights, *gradient, a, s, layer.si, layer.base)
        self._advance_segments(a)
        return loss

    def _respond(
        self, buffers: "Buffers", source: Images, rows: np.ndarray, place: np.ndarray, gates: list, of=None
    ) -> None:
        """Responses of all layers to the images `rows`; gates[layer][of[b]] scale sample b's units."""
        first = buffers.inputs[0]
        kernels.gather_pixels(rows, *source, place, self.images.scale, first.start, first.index, first.value)
        of = buffers.first_context[: len(rows)] if of is None else of
        for index, layer in enumerate(self.layers):
            buffers.inputs[index].respond(self.threads, layer, buffers.y[index])
            if index < len(gates):
                k = self.network.winners[index]
                buffers.inputs[index + 1].fill(self.threads, buffers.y[index], gates[index], of, k)

    def _wake(self, buffers: "Buffers") -> None:
        """Before anything of this batch moves, units that win for the first time since the reset become live."""
        parts = zip(self.layers, self.layers[1:], buffers.inputs[1:], buffers.y, strict=False)
        woken = [below.wake(self.threads, above, won, y) for below, above, won, y in parts if below.wins]
        if any(woken):
            self.gates = self._training_gates()

    def _advance_segments(self, a: np.ndarray) -> None:
        """d loss / d response = sum of dy * y, times (1 - gate), since dy already holds one factor of the gate."""
        if not self.segments:
            return
        for layer, segments in zip(self.layers, self.segments, strict=False):
            through_gate = layer.by_unit(layer.gate_gradient) * (1 - segments.gate())
            segments.advance(self.threads, through_gate, self.step, a)
        self.gates = self._training_gates()

    def _training_gates(self) -> list[np.ndarray]:
        if not self.segments:
            return self.open_gates
        return [layer.tile_gates(part.gate()[None]) for layer, part in zip(self.layers, self.segments, strict=False)]

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

    @torch.no_grad()
    def evaluate(self, prototypes: torch.Tensor | None, which: Iterable[int]) -> list[float]:
        """Accuracy on each of the tasks; the context of an image is the nearest of the prototypes, (N, C)."""
        gates, nearest = self.open_gates, None
        if self.segments:
            tables = self.network.gates(prototypes)
            gates = [layer.tile_gates(table.numpy()) for layer, table in zip(self.layers, tables, strict=False)]
        if prototypes is not None:
            nearest = Prototypes(prototypes, self.images)
        return [self._accuracy(task, gates, nearest) for task in which]

    def _accuracy(self, task: int, gates: list[np.ndarray], nearest: Prototypes | None) -> float:
        place, labels, correct = self.images.places(task), self.tasks.test_labels.numpy(), 0
        for start in range(0, len(labels), TEST_BATCH):
            rows = np.arange(start, min(start + TEST_BATCH, len(labels)))
            buffers = self.test_buffers if len(rows) == TEST_BATCH else self._buffers(len(rows))
            of = nearest.infer(self.threads, self.images.test, rows, place, buffers.inputs[0]) if nearest else None
            self._respond(buffers, self.images.test, rows, place, gates, of)
            correct += kernels.count_correct(buffers.y[-1], labels[rows], self.run.network.output_units)
        return correct / len(labels)


class Buffers:
    """What one batch needs besides the weights, allocated once."""

    def __init__(self, layers: list[Weights], listed: list[bool], batch: int, most_pixels: int) -> None:
        self.inputs: list[Listed | Whole] = []
        for layer, few in zip(layers, listed, strict=True):
            most = layer.inputs if self.inputs else most_pixels
            lists = Listed(batch, layer.inputs, most, layer.dtype) if few else None
            self.inputs.append(lists or Whole(batch, layer.inputs, layer.dtype))
        self.y, self.dy = [layer.response(batch) for layer in layers], [layer.response(batch) for layer in layers]
        self.first_context = np.zeros(batch, np.int64)
