"""Learning on a CPU by what is not zero: the same network, steps and tests as the dense learner, without the idle work.

What makes it fast, and why it changes nothing:

* Inputs that are zero (non-winners, and black pixels once black is taken out) add nothing to a response,
  get no weight gradient and pass none down: only the others are read (kernels `respond`, `update`, `backpropagate`).
  After a ReLU too many are left for lists, and matrix products are faster (`layers.DenseInput`).
* About half of the units never win within a task. They rest (`learners.lazy_adam`): their weights, and those from them
  to the layer above, are left out (`layers.Weights`).
* A batch shares one context, so a segment responds once per step, not once per sample; the response of a segment that
  rests stays (`advance_segments`).
* While the context stays the same, the moments of a segment are multiples of it: two numbers (`move_shared`).
* Gradient, Adam, mask and consolidation of a weight are one pass over memory; no gradient is ever stored (`update`).

Letters: B samples, I inputs, U units, T tiles, L lanes, S segments per unit, C size of the context, N contexts.
"""

from collections.abc import Iterable, Sequence

import numpy as np
import torch

from active_dendrites.data.batches import Batches
from active_dendrites.data.tasks import PermutedTasks
from active_dendrites.learners.lazy_adam import needs_moments
from active_dendrites.learners.learner import Evaluation
from active_dendrites.learners.sparse.kernels import forward as kernels
from active_dendrites.learners.sparse.kernels.update import adam_constants, unit_gradients, update
from active_dendrites.learners.sparse.layers import DenseInput, SparseInput, Threads, Weights
from active_dendrites.learners.sparse.pixels import Images, PixelLists, Prototypes
from active_dendrites.learners.sparse.scope import out_of_scope
from active_dendrites.learners.sparse.segments import Segments
from active_dendrites.models.contexts import make_contexts
from active_dendrites.models.networks import make_network
from active_dendrites.models.saving import State
from active_dendrites.settings.choices import choose
from active_dendrites.settings.run import FEW_WINNERS, RunConfig
from active_dendrites.settings.yaml_files import ConfigError

# Units in a tile. Sparse inputs: 1024 activated inputs x 128 units x 4 bytes are half of a 1 MiB second-level cache.
# Dense ones go through matrix products, which want wide tiles.
SPARSE_LANES, DENSE_LANES = 128, 512

TEST_BATCH = 1000


class SparseLearner:
    """Learns and tests one network on a CPU; `seed_group.SparseSeedGroup` makes a `Learner` of several.

    Args:
        run: settings.
        tasks: the images, on the CPU.

    Attributes:
        network: holds what was learned after `end_task`.
        contexts: those of training and test.
    """

    def __init__(self, run: RunConfig, tasks: PermutedTasks) -> None:
        if faults := out_of_scope(run):
            raise ConfigError(faults[0])
        self.run, self.tasks = run, tasks
        self.contexts = make_contexts(run, tasks)
        self.network = network = make_network(run, tasks, self.contexts.size)
        self.threads = Threads(torch.get_num_threads())
        self.dtype = np.dtype(run.numerics.precision)
        self.images = PixelLists(tasks, self.dtype)
        kind = run.consolidation.kind
        consolidated = choose("consolidation.kind", kind, none=False, synaptic_intelligence=True)
        self.layers: list[Weights] = []
        sparse_inputs = self._sparse_inputs()
        lazy_layers = [*sparse_inputs[1:], False]  # whose units rest until they win
        for layer, is_sparse, lazy in zip(network.layers(), sparse_inputs, lazy_layers, strict=True):
            below, black = (self.layers[-1], 0.0) if self.layers else (None, self.images.black)
            lanes = SPARSE_LANES if is_sparse else DENSE_LANES
            self.layers.append(Weights(layer, below, lanes, black, lazy, consolidated))
        fixed = run.reset_optimizer and self.contexts.fixed
        self.segments = [Segments(layer, fixed, run.adam_betas) for layer in network.dendrites()]
        self.batches = Batches(run, len(tasks.train_labels))
        self.buffers, self.test_buffers = self._buffers(run.batch_size), self._buffers(TEST_BATCH)
        self.step, self.tasks_learned = 0, 0  # step: of Adam, since it was reset
        settings, correction = run.consolidation, run.adam_bias_correction
        self.integrates_penalty = choose("consolidation.path_gradient", settings.path_gradient, total=True, task=False)
        self.rectifies_each_task = choose("consolidation.rectify", settings.rectify, each_task=True, running_sum=False)
        self.corrects_as_first = choose("adam_bias_correction", correction, each_step=False, first_step=True)
        self.open_gates = [layer.tile_gates(np.ones((1, layer.units), self.dtype)) for layer in self.layers[:-1]]
        self.gates = self._training_gates()

    def _sparse_inputs(self) -> list[bool]:
        """For each layer whether few of its inputs are not zero: pixels, few k-winners, but not a ReLU's output."""
        winners = zip(self.network.winners, self.run.network.hidden_units, strict=True)
        return [True, *(k is not None and k <= FEW_WINNERS * units for k, units in winners)]

    def _buffers(self, batch: int) -> "Buffers":
        return Buffers(self.layers, self._sparse_inputs(), batch, self.images.most)

    def begin_task(self, task: int) -> None:
        """Start to learn a task."""
        if self.run.reset_optimizer:
            self.step = 0
            for layer in self.layers:
                layer.reset_moments()
            for segments in self.segments:
                segments.reset_moments()
        for segments in self.segments:
            segments.forget(self.step)
        context = self.contexts.begin_task(task)
        if context is not None:
            self.set_context(context[0])

    def set_context(self, context: torch.Tensor) -> None:
        """Take over a context, (C,), for the batches that follow."""
        for segments in self.segments:
            segments.respond(np.ascontiguousarray(context.numpy()))
        self.gates = self._training_gates()

    def begin_epoch(self, task: int, order: torch.Generator, state: State | None = None) -> "SparseEpoch":
        """Start a pass over the task, or go on with the one that was saved in a state."""
        return SparseEpoch(self, task, self.batches.draw(order), state)

    def learn_batch(self, rows: np.ndarray, position: np.ndarray) -> float:
        """One step on the training images `rows`, with each pixel at its `position`; returns the loss before it."""
        run, labels = self.run, self.tasks.train_labels.numpy()[rows]
        buffers = self.buffers if len(rows) == run.batch_size else self._buffers(len(rows))
        self.step += 1
        self._respond(buffers, self.images.train, rows, position, self.gates)
        self._activate(buffers)
        loss: float = kernels.cross_entropy(buffers.y[-1], labels, run.network.output_units, buffers.dy[-1])
        step = 1 if self.corrects_as_first else self.step
        a = adam_constants(run.learning_rate, run.adam_betas, run.adam_epsilon, step, self.dtype)
        s = self._consolidation_constants()
        for index in reversed(range(len(self.layers))):
            layer, inputs = self.layers[index], buffers.inputs[index]
            dy = buffers.dy[index]
            if index:
                inputs.backpropagate(self.threads, layer, dy, self.gates[index - 1][0], buffers.dy[index - 1])
            unit_sums = dy, buffers.y[index], layer.bias_gradient, layer.gate_gradient
            self.threads.run(unit_gradients, layer.activated_tiles, *unit_sums)
            weights = layer.movable_rows, layer.theta, layer.m, layer.v, layer.mask
            gradient = dy, layer.black, layer.bias_gradient, *inputs.gradient(dy)
            self.threads.run(update, layer.activated_tiles, *weights, *gradient, a, s, layer.si, layer.base)
        self._advance_segments(a)
        return loss

    def _respond(
        self,
        buffers: "Buffers",
        source: Images,
        rows: np.ndarray,
        position: np.ndarray,
        gates: list[np.ndarray],
        of: np.ndarray | None = None,
    ) -> None:
        """Responses of all layers to the images `rows`; gates[layer][of[b]] scale sample b's units."""
        first = buffers.pixels
        kernels.gather_pixels(rows, *source, position, self.images.scale, first.start, first.index, first.value)
        of = buffers.first_context[: len(rows)] if of is None else of
        for index, layer in enumerate(self.layers):
            buffers.inputs[index].respond(self.threads, layer, buffers.y[index])
            if index < len(gates):
                k = self.network.winners[index]
                buffers.inputs[index + 1].fill(self.threads, buffers.y[index], gates[index], of, k)

    def _activate(self, buffers: "Buffers") -> None:
        """Before anything of this batch moves, activate the units that win for the first time since the reset."""
        parts = zip(self.layers, self.layers[1:], buffers.inputs[1:], buffers.y, strict=False)
        any_new = [
            below.activate(self.threads, above, won, y)
            for below, above, won, y in parts
            if isinstance(won, SparseInput)
        ]
        if any(any_new):
            self.gates = self._training_gates()

    def _advance_segments(self, a: np.ndarray) -> None:
        """Move the segments: d loss / d response is the sum of dy * y, times 1 - gate, since dy holds the gate once."""
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
        return np.array([strength, self.integrates_penalty], self.dtype)

    def end_task(self) -> None:
        """Consolidate what was learned; from here on, the network holds it."""
        damping = self.run.consolidation.damping
        for layer in self.layers:
            if len(layer.si):
                path, importance, anchor = layer.si
                gain = np.maximum(path, 0) if self.rectifies_each_task else path
                importance += gain / ((layer.theta - anchor) ** 2 + damping)
                np.maximum(importance, 0, out=importance)
                anchor[:], path[:] = layer.theta, 0
            layer.write_back()
        self.tasks_learned += 1

    def state(self, epoch: "SparseEpoch | None") -> State:
        """See `Learner.state`."""
        moments = needs_moments(self.run, epoch is not None)
        return {
            "contexts": self.contexts.state(self._contexts(epoch)),
            "layers": [layer.state(epoch is not None, moments) for layer in self.layers],
            "segments": [segments.state(moments) for segments in self.segments],
            "step": self.step,
            "tasks_learned": self.tasks_learned,
            "done": epoch.steps_taken if epoch else 0,
            "loss": epoch.loss if epoch else 0.0,
        }

    def changes(self, epoch: "SparseEpoch | None", everything: bool) -> State:
        """See `Learner.changes`: of segments, and of what the clusters keep."""
        moments = needs_moments(self.run, epoch is not None)
        return {
            "contexts": self.contexts.changes(self._contexts(epoch), everything),
            "segments": [segments.changes(moments, everything) for segments in self.segments],
        }

    def _contexts(self, epoch: "SparseEpoch | None") -> State:
        """A snapshot of the contexts, as they have to be restored: of an epoch, that from before it."""
        return epoch.contexts_before if epoch else self.contexts.snapshot()

    def restore(self, state: State, changes: Sequence[State]) -> None:
        """See `Learner.restore`."""
        self.step, self.tasks_learned = state["step"], state["tasks_learned"]
        self.contexts.restore(state["contexts"], [change["contexts"] for change in changes])
        for layer, saved in zip(self.layers, state["layers"], strict=True):
            layer.restore(saved)
        for index, (segments, saved) in enumerate(zip(self.segments, state["segments"], strict=True)):
            segments.restore(saved, [change["segments"][index] for change in changes])
        self.gates = self._training_gates()

    @torch.no_grad()
    def evaluate(self, which: Iterable[int]) -> Evaluation:
        """Test the tasks; the context of an image is the nearest of the prototypes known so far. One network: R = 1."""
        gates, nearest = self.open_gates, None
        if self.segments:
            tables = self.network.gates(self.contexts.prototypes)
            gates = [layer.tile_gates(table.numpy()) for layer, table in zip(self.layers, tables, strict=False)]
            nearest = Prototypes(self.contexts.templates, self.images)
        accuracy, activity = zip(*(self._test(task, gates, nearest) for task in which), strict=True)
        return Evaluation(np.array([accuracy]), np.stack(activity)[None])

    def _test(self, task: int, gates: list[np.ndarray], nearest: Prototypes | None) -> tuple[float, np.ndarray]:
        """Accuracy, and for each unit of the last hidden layer the fraction of images that switch it on, (U,)."""
        position, labels = self.images.positions(task), self.tasks.test_labels.numpy()
        correct = 0
        active = np.zeros(self.layers[-1].inputs, np.int64)
        for start in range(0, len(labels), TEST_BATCH):
            rows = np.arange(start, min(start + TEST_BATCH, len(labels)))
            buffers = self.test_buffers if len(rows) == TEST_BATCH else self._buffers(len(rows))
            of = nearest.infer(self.threads, self.images.test, rows, position, buffers.pixels) if nearest else None
            self._respond(buffers, self.images.test, rows, position, gates, of)
            correct += kernels.count_correct(buffers.y[-1], labels[rows], self.run.network.output_units)
            active += buffers.inputs[-1].count_active()
        by_unit = active[self.layers[-2].unit.argsort()] if len(self.layers) > 1 else active
        return correct / len(labels), (by_unit / len(labels)).astype(np.float32)


class SparseEpoch:
    """A pass of one network over a task.

    Args:
        learner: learns; from here on its contexts are those of this epoch.
        rows: the training images of each batch.
        state: of an epoch that goes on; none for a new one.

    Attributes:
        contexts_before: a snapshot from before the epoch, since an epoch that goes on infers its contexts anew.
        loss: summed over the steps.
    """

    def __init__(
        self, learner: SparseLearner, task: int, rows: Sequence[torch.Tensor], state: State | None = None
    ) -> None:
        self.learner, self.rows = learner, rows
        self.position = learner.images.positions(task)
        self.contexts_before = learner.contexts.snapshot()
        self.contexts = None if learner.contexts.fixed else learner.contexts.contexts_of_batches(task, rows)
        self.steps_taken: int = state["done"] if state else 0
        self.loss: float = state["loss"] if state else 0.0

    @property
    def done(self) -> bool:
        return self.steps_taken == len(self.rows)

    def learn_step(self) -> None:
        if self.contexts is not None:
            self.learner.set_context(self.contexts[self.steps_taken])
        self.loss += self.learner.learn_batch(self.rows[self.steps_taken].numpy(), self.position)
        self.steps_taken += 1

    @property
    def mean_loss(self) -> float:
        """The mean loss of the steps so far."""
        return self.loss / self.steps_taken


class Buffers:
    """What one batch needs besides the weights, allocated once."""

    def __init__(self, layers: list[Weights], sparse: list[bool], batch: int, most_pixels: int) -> None:
        self.pixels = SparseInput(batch, layers[0].inputs, most_pixels, layers[0].dtype)
        self.inputs: list[SparseInput | DenseInput] = [self.pixels]
        for layer, is_sparse in zip(layers[1:], sparse[1:], strict=True):
            lists = SparseInput(batch, layer.inputs, layer.inputs, layer.dtype) if is_sparse else None
            self.inputs.append(lists or DenseInput(batch, layer.inputs, layer.dtype))
        self.y, self.dy = [layer.response(batch) for layer in layers], [layer.response(batch) for layer in layers]
        self.first_context = np.zeros(batch, np.int64)
