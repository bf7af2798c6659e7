"""Learning by whole tensors: several seeds side by side, any device, any setting.

Every tensor has a leading axis of seeds, which no sum crosses: seeds share kernels, never numbers. On a GPU a step is
recorded once and replayed (`cuda_graph.Replayed`), so it reads and changes only tensors whose memory never moves.

Letters: R seeds, B batch, P pixels, I inputs, U units, S segments per unit, C size of the context, N contexts.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple, TypeVar

import torch
from torch import Tensor

from active_dendrites.data.batches import Batches
from active_dendrites.data.tasks import PermutedTasks
from active_dendrites.learners.dense.adam import Adam
from active_dendrites.learners.dense.cuda_graph import Replayed
from active_dendrites.learners.dense.dropout import Dropout
from active_dendrites.learners.dense.layers import Layer, layers_of, parameters_of, stacked_layer
from active_dendrites.learners.dense.segments import make_segments
from active_dendrites.learners.lazy_adam import needs_moments
from active_dendrites.learners.learner import Epoch, Evaluation, Learner
from active_dendrites.learners.matmul import Products
from active_dendrites.methods.synaptic_intelligence import SynapticIntelligence
from active_dendrites.methods.xdg import Subnetworks
from active_dendrites.models.contexts import make_contexts, nearest_prototype
from active_dendrites.models.layers import non_winners
from active_dendrites.models.networks import make_network
from active_dendrites.models.saving import State, copied
from active_dendrites.settings.choices import choose
from active_dendrites.settings.run import RunConfig
from active_dendrites.settings.yaml_files import fault_line

TEST_BATCH = 2000  # images; any size gives the same accuracy

T = TypeVar("T")


class DenseEpoch(Epoch):
    """A pass over a task; what the device needs of it is in the learner's tensors.

    Args:
        learner: has the batches of the epoch.
        contexts_before: of each seed, a snapshot from before the epoch: an epoch that goes on infers its contexts anew.
        steps_taken: of the epoch; counted on the host too, so that nothing waits for the device.
    """

    def __init__(self, learner: "DenseLearner", contexts_before: Sequence[State], steps_taken: int) -> None:
        self.learner, self.contexts_before = learner, contexts_before
        self._steps_taken = steps_taken

    @property
    def steps_taken(self) -> int:
        return self._steps_taken

    @property
    def done(self) -> bool:
        return self._steps_taken == self.learner.batches.steps

    def learn_step(self) -> None:
        self.learner.step()
        self._steps_taken += 1

    def losses(self) -> list[float]:
        losses: list[float] = (self.learner.loss / self._steps_taken).tolist()
        return losses


class DenseLearner(Learner[DenseEpoch]):
    """Learns and tests R networks by whole tensors.

    Args:
        runs: settings, equal but for the seed.
        tasks: the images, on the device where learning takes place.

    Attributes:
        networks: one for each run. Their parameters are views of the learner's tensors, so they always hold what was
            learned; those of task-gated networks do so after `end_task`.
        contexts: likewise.
    """

    identity = "DenseLearner"

    def __init__(self, runs: Sequence[RunConfig], tasks: PermutedTasks) -> None:
        self.run = run = runs[0]
        self.tasks = tasks
        device, on_gpu = tasks.train_bytes.device, tasks.train_bytes.is_cuda
        self.contexts = [make_contexts(each, tasks) for each in runs]
        self.networks = for_each_seed(
            on_gpu, lambda each, own: make_network(each, tasks, own.size), runs, self.contexts
        )
        self.winners, self.fixed_contexts = self.networks[0].winners, self.contexts[0].fixed
        self.products = Products(run.numerics.precision, on_gpu)
        full = [stacked_layer(same) for same in zip(*(network.layers() for network in self.networks), strict=True)]
        gated = run.network.task_gate_density is not None
        self.subnetworks = Subnetworks(runs, tasks, parameters_of(full)) if gated else None
        self.layers = layers_of(self.subnetworks.parameters) if self.subnetworks else full
        lazy = on_gpu and self.fixed_contexts and not run.consolidation.include_segments
        self.segments = make_segments(run, self.networks, lazy)
        feedforward = parameters_of(self.layers)
        parameters = [*feedforward, *(p for segments in self.segments for p in segments.parameters)]
        self.adam = Adam(run, parameters)
        protected = parameters if run.consolidation.include_segments else feedforward
        kind = run.consolidation.kind
        consolidates = choose("consolidation.kind", kind, none=False, synaptic_intelligence=True)
        self.consolidation = SynapticIntelligence(run.consolidation, protected) if consolidates else None
        # The task's images, normalised: one kernel then gathers a batch, instead of six to gather, permute and scale.
        self.images = torch.empty(tasks.train_bytes.shape, dtype=tasks.dtype, device=device)
        self.shown: int | None = None  # the task whose images they are
        self.batches = Batches(run, len(self.images))
        shape = len(runs), self.batches.steps, run.batch_size
        self.orders = torch.zeros(shape, dtype=torch.int64, device=device)
        self.share = torch.zeros(shape[1:], dtype=tasks.dtype, device=device)  # of each image in its batch's mean
        inferred = (*shape[:2], 0 if self.fixed_contexts else self.contexts[0].size)
        self.inferred = torch.zeros(inferred, dtype=tasks.dtype, device=device)  # the context of each batch
        self.done = torch.zeros(1, dtype=torch.int64, device=device)  # steps of the epoch
        self.loss = torch.zeros(len(runs), dtype=torch.float64, device=device)  # summed over them
        self.one_hot = torch.eye(run.network.output_units, dtype=tasks.dtype, device=device)
        sizes = [tasks.num_pixels, *(layer.weight.shape[1] for layer in self.layers[:-1])]
        self.dropout = Dropout(runs, sizes, device, tasks.dtype)
        self.step = Replayed(self._step, self.dropout.generators) if on_gpu else self._step

    def begin_task(self, task: int) -> None:
        """Start to learn a task."""
        contexts = [each.begin_task(task) for each in self.contexts]
        if self.run.reset_optimizer:
            self.adam.reset()
        if fixed := [context for context in contexts if context is not None]:
            for segments in self.segments:
                segments.begin(torch.cat(fixed))
        if self.subnetworks:
            self.subnetworks.enter(task, self.consolidation)

    def begin_epoch(self, task: int, orders: Sequence[torch.Generator], states: Sequence[State] = ()) -> DenseEpoch:
        """See `Learner.begin_epoch`. Nothing waits for the device: the orders of all batches go there at once."""
        if task != self.shown:  # not at each epoch: it takes as long as several steps
            self.tasks.write_images(task, self.images)
            self.shown = task
        contexts_before = [contexts.snapshot() for contexts in self.contexts]
        drawn = [self.batches.draw(order) for order in orders]
        if not self.fixed_contexts:
            inferred = for_each_seed(
                self.images.is_cuda,
                lambda contexts, batches: contexts.contexts_of_batches(task, batches),
                self.contexts,
                drawn,
            )
            self.inferred.copy_(torch.stack(inferred))
        for seed, batches in enumerate(drawn):
            for step, rows in enumerate(batches):  # a shorter last one is filled up with images that count nothing
                self.share[step, : len(rows)] = 1 / len(rows)
            rows = torch.cat(batches)
            self.orders[seed].view(-1)[: len(rows)] = rows.to(self.orders.device)
        self.loss.zero_()
        for seed, state in enumerate(states):
            self.loss[seed] = state["tensors"]["loss"][0]
        steps_taken = self._steps_taken(states)
        self.done.fill_(steps_taken)
        return DenseEpoch(self, contexts_before, steps_taken)

    @staticmethod
    def _steps_taken(states: Sequence[State]) -> int:
        """After how many steps of an epoch the states were saved; 0 without states."""
        steps: list[int] = sorted({state["done"] for state in states} or {0})
        if len(steps) > 1:
            raise ValueError(fault_line("seeds side by side", "", "one for all", found=f"steps {steps} of an epoch"))
        return steps[0]

    @property
    def changeable_bytes(self) -> int:
        return sum(segments.changeable_bytes for segments in self.segments)

    def _step(self) -> None:
        """The next step of the epoch, for all seeds."""
        rows = self.orders.index_select(1, self.done).squeeze(1)  # (R, B)
        share = self.share.index_select(0, self.done)  # (1, B)
        targets = self.one_hot[self.tasks.train_labels[rows]]  # (R, B, classes)
        gates = self._gates()
        logits, passes = self._forward(self.images[rows], gates, self.dropout.draw())
        log_probabilities = logits.log_softmax(-1)
        self.loss -= ((log_probabilities * targets).sum(2) * share).sum(1)
        gradients = self._backward((log_probabilities.exp() - targets) * share[..., None], gates, passes)
        integrated = self.consolidation.before_step(gradients) if self.consolidation else []
        self.adam.step(gradients)
        for layer in self.layers:
            layer.rezero()
        if self.consolidation:
            self.consolidation.after_step(integrated)
        self.done += 1

    def _gates(self) -> list[Tensor]:
        """The gates of each hidden layer, (R, 1, U), for the whole batch; none without dendrites or gates of tasks."""
        if self.subnetworks:
            return self.subnetworks.gates
        if not self.fixed_contexts:
            for segments in self.segments:
                segments.begin(self.inferred.index_select(1, self.done).squeeze(1))
        return [segments.gates() for segments in self.segments]

    def _forward(
        self,
        x: Tensor,
        gates: Sequence[Tensor],
        keep: Sequence[Tensor | None] = (),
        layers: list[Layer] | None = None,
    ) -> tuple[Tensor, list["Pass"]]:
        """Logits (R, B, classes) of x (R, B, P), and what the way back needs; a layer's gates are (R, 1 or B, U).

        keep: factors of dropout for inputs and hidden layers, none in tests. layers: those learned, if not given.
        """
        layers, keep = layers or self.layers, keep or [None] * (len(self.winners) + 1)
        x, passes = x if keep[0] is None else x * keep[0], []
        for index, k in enumerate(self.winners):
            inputs, weight, y = layers[index].respond(x, self.products)
            h = y * gates[index] if gates else y
            off, factors = non_winners(h, k), keep[index + 1]
            x = h.masked_fill(off, 0)
            x = x if factors is None else x * factors
            passes.append(Pass(inputs, weight, y, off, factors))
        inputs, weight, logits = layers[-1].respond(x, self.products)
        return logits, [*passes, Pass(inputs, weight)]

    def _backward(self, dy: Tensor, gates: Sequence[Tensor], passes: list["Pass"]) -> list[Tensor]:
        """The gradients of the parameters, in their order, from that of the logits, (R, B, classes).

        Segments that are not among these parameters have been moved when this returns.
        """
        gradients: list[Tensor] = []
        of_segments: list[Tensor] = []
        for index in reversed(range(len(passes))):
            inputs, weight, y, off, factors = passes[index]
            if off is not None and y is not None:  # a hidden layer: dy is still that of its output
                dy = dy if factors is None else dy * factors
                dy = dy.masked_fill(off, 0)
                if gates:
                    gate, upstream = gates[index], dy
                    dy = dy * gate
                if self.segments:
                    through_gate = (upstream * y).sum(1) * (gate * (1 - gate)).squeeze(1)
                    of_segments[:0] = self.segments[index].learn(through_gate)
            upstream = self.products.operand(dy)
            gradients[:0] = [self.products.multiply(upstream.mT, inputs), dy.sum(1)]
            if index:
                dy = self.products.multiply(upstream, weight)
        return [*gradients, *of_segments]

    def end_task(self) -> None:
        """Consolidate what was learned."""
        if self.consolidation:
            self.consolidation.after_task()
        if self.subnetworks:
            self.subnetworks.leave(self.consolidation)

    def state(self, epoch: DenseEpoch | None) -> Iterator[State]:
        moments = needs_moments(self.run, epoch is not None)
        tensors, numbers = self._tensors(epoch is not None), self._numbers()
        for seed, (contexts, snapshot) in enumerate(zip(self.contexts, self._contexts(epoch), strict=True)):
            yield {
                "tensors": {name: [copied(tensor[seed]) for tensor in tensors[name]] for name in tensors},
                "segments": [segments.state(seed, moments) for segments in self.segments],
                "dropout": [draws.get_state() for draws in self.dropout.generators[seed : seed + 1]],
                "contexts": contexts.state(snapshot),
                **numbers,
                "done": epoch.steps_taken if epoch else 0,
            }

    def changes(self, epoch: DenseEpoch | None, everything: bool) -> list[State]:
        moments = needs_moments(self.run, epoch is not None)
        segments = [segments.changes(moments, everything) for segments in self.segments]
        snapshots = self._contexts(epoch)
        return [
            {
                "segments": [of_seeds[seed] for of_seeds in segments],
                "contexts": contexts.changes(snapshots[seed], everything),
            }
            for seed, contexts in enumerate(self.contexts)
        ]

    def _contexts(self, epoch: DenseEpoch | None) -> Sequence[State]:
        """Snapshots of the contexts, as they have to be restored: of an epoch, those from before it."""
        return epoch.contexts_before if epoch else [contexts.snapshot() for contexts in self.contexts]

    def _tensors(self, within_task: bool) -> dict[str, list[Tensor]]:
        """What a state holds of the tensors with an axis of seeds; between tasks, subnetworks are in the full ones."""
        if self.subnetworks and not within_task:
            return self.subnetworks.tensors()
        tensors = {"loss": [self.loss], "parameters": self.adam.parameters}
        if self.subnetworks:
            tensors |= self.subnetworks.tensors()
        if needs_moments(self.run, within_task):
            tensors |= {"first": self.adam.first, "second": self.adam.second}
        if self.consolidation:
            names = "path", "importance", "anchor", "previous"
            tensors |= {name: getattr(self.consolidation, name) for name in names}
        return tensors

    def _numbers(self) -> State:
        """What a state holds besides, the same for all seeds."""
        if not self.consolidation:
            return {"adam_steps": self.adam.steps[0].item()}
        strength, learned = self.consolidation.strength.item(), self.consolidation.tasks_learned
        return {"adam_steps": self.adam.steps[0].item(), "strength": strength, "tasks_learned": learned}

    @torch.no_grad()
    def restore(self, task: int | None, states: Sequence[State], changes: Sequence[Sequence[State]]) -> None:
        if self.subnetworks and task is not None:
            self.subnetworks.enter(task, self.consolidation)
        tensors = self._tensors(task is not None)
        for seed, state in enumerate(states):
            for name, saved in state["tensors"].items():
                for tensor, value in zip(tensors[name], saved, strict=True):
                    tensor[seed].copy_(value)
            for draws, saved in zip(self.dropout.generators[seed : seed + 1], state["dropout"], strict=True):
                draws.set_state(saved)
            self.contexts[seed].restore(state["contexts"], [change["contexts"] for change in changes[seed]])
        for index, segments in enumerate(self.segments):
            of_layer = [[change["segments"][index] for change in of_seed] for of_seed in changes]
            segments.restore([state["segments"][index] for state in states], of_layer)
        torch._foreach_zero_(self.adam.steps)
        torch._foreach_add_(self.adam.steps, states[0]["adam_steps"])
        if self.consolidation:
            self.consolidation.strength.fill_(states[0]["strength"])
            self.consolidation.tasks_learned = states[0]["tasks_learned"]

    @torch.no_grad()
    def evaluate(self, which: Iterable[int]) -> Evaluation:
        """Test the tasks; the context of an image is the nearest of the prototypes known so far.

        Contexts take as many values as there are prototypes: one table of gates, indexed by the inferred prototype.
        """
        tables = [network.gates(own.prototypes) for network, own in zip(self.networks, self.contexts, strict=True)]
        counts = [self._test(task, tables) for task in which]
        # Divided on the host: a GPU multiplies by the reciprocal, which differs in the last bit.
        correct, active = (torch.stack(of_tasks, 1).cpu().double() for of_tasks in zip(*counts, strict=True))
        num_images = len(self.tasks.test_labels)
        return Evaluation((correct / num_images).numpy(), (active / num_images).float().numpy())

    def _test(self, task: int, tables: Sequence[list[Tensor]]) -> tuple[Tensor, Tensor]:
        """How many images each seed gets right, (R,), and how many switch each last hidden unit on, (R, U)."""
        seeds, units = len(self.networks), self.run.network.hidden_units[-1]
        correct = torch.zeros(seeds, dtype=torch.int64, device=self.images.device)
        layers = layers_of(self.subnetworks.parameters_of(task)) if self.subnetworks else self.layers
        active = torch.zeros(seeds, layers[-1].weight.shape[2], dtype=torch.int64, device=self.images.device)
        for images, labels in self.tasks.test_batches(task, TEST_BATCH):
            gates = self.subnetworks.gates_of(task) if self.subnetworks else self._inferred_gates(images, tables)
            logits, passes = self._forward(images.expand(seeds, -1, -1), gates, layers=layers)
            correct += (logits.argmax(-1) == labels).sum(1)
            active += (passes[-1].inputs != 0).sum(1)
        return correct, self.subnetworks.activity_of_all(active, task, units) if self.subnetworks else active

    def _inferred_gates(self, images: Tensor, tables: Sequence[list[Tensor]]) -> list[Tensor]:
        """The gates of each hidden layer, (R, B, U), by the nearest prototype of each image; none without dendrites."""
        if not self.segments:
            return []
        nearest = [nearest_prototype(images, own.templates) for own in self.contexts]
        of_seeds = [[table[near] for table in layers] for near, layers in zip(nearest, tables, strict=True)]
        return [torch.stack(same) for same in zip(*of_seeds, strict=True)]


def for_each_seed(on_gpu: bool, function: Callable[..., T], *arguments: Sequence[Any]) -> list[T]:
    """A function of the arguments of each seed; it may change only what belongs to a seed.

    The host of a GPU, which has little else to do, uses a thread a seed. On a CPU PyTorch's own threads take the cores,
    and threads of ours would be one more thing that a forked process has not.
    """
    if not on_gpu:
        return [function(*of_seed) for of_seed in zip(*arguments, strict=True)]
    with ThreadPoolExecutor(len(arguments[0])) as threads:
        return list(threads.map(function, *arguments))


class Pass(NamedTuple):
    """What a layer's forward pass leaves for the way back; the output layer has no gate, non-winners or dropout."""

    inputs: Tensor  # (R, B, I), as they entered the product
    weight: Tensor  # (R, U, I), likewise
    y: Tensor | None = None  # (R, B, U), before the gate
    off: Tensor | None = None  # (R, B, U) bool: the non-winners
    factors: Tensor | None = None  # (R, B, U), of dropout
