"""Learning by whole tensors: several seeds side by side, any device, any setting.

Every tensor has a leading axis of seeds, which no sum crosses: seeds share kernels, never numbers. On a GPU a step is
recorded once and replayed (`graphs.Replayed`), so it reads and changes only tensors that stay where they are.

Letters: R seeds, B batch, P pixels, I inputs, U units, S segments per unit, C size of the context, N contexts.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.optim.adam import adam

from active_dendrites.config import RunConfig
from active_dendrites.consolidation import SynapticIntelligence
from active_dendrites.graphs import Replayed
from active_dendrites.layers import MaskedLinear, losers, strongest
from active_dendrites.networks import Network
from active_dendrites.products import Products
from active_dendrites.tasks import PermutedTasks

TEST_BATCH = 2000  # images; any size gives the same accuracy


class DenseLearner:
    """Learns and tests R networks by whole tensors.

    Args:
        runs: settings, equal but for the seed.
        tasks: the images, on the networks' device.
        networks: where learning starts, one for each run. Their parameters become views of the learner's tensors, so
            they hold what was learned without its being written back.
    """

    def __init__(self, runs: Sequence[RunConfig], tasks: PermutedTasks, networks: Sequence[Network]) -> None:
        run, device, on_gpu = runs[0], tasks.train_bytes.device, tasks.train_bytes.is_cuda
        self.run, self.tasks, self.networks, self.winners = run, tasks, networks, networks[0].winners
        self.products = Products(run.numerics.precision, on_gpu)
        self.layers = [Layer(same) for same in zip(*([*n.hidden, n.output] for n in networks), strict=True)]
        self.segments = make_segments(run, networks, lazy=on_gpu and not run.consolidation.include_segments)
        feedforward = [parameter for layer in self.layers for parameter in (layer.weight, layer.bias)]
        parameters = [*feedforward, *(p for segments in self.segments for p in segments.parameters)]
        self.adam = Adam(run, parameters)
        protected = parameters if run.consolidation.include_segments else feedforward
        consolidates = run.consolidation.kind == "synaptic_intelligence"
        self.consolidation = SynapticIntelligence(run.consolidation, protected) if consolidates else None
        # The task's images, normalised: one kernel then gathers a batch, instead of six to gather, permute and scale.
        self.images = torch.empty(tasks.train_bytes.shape, dtype=tasks.dtype, device=device)
        self.shown: int | None = None  # the task whose images they are
        shape = len(runs), tasks.steps_per_epoch(run.batch_size), run.batch_size
        self.orders = torch.zeros(shape, dtype=torch.int64, device=device)
        self.done = torch.zeros(1, dtype=torch.int64, device=device)  # steps of the epoch
        self.loss = torch.zeros(len(runs), dtype=torch.float64, device=device)  # summed over them
        self.one_hot = torch.eye(run.network.output_units, dtype=tasks.dtype, device=device)
        self.step = Replayed(self._step) if on_gpu else self._step

    def begin_task(self, context: Tensor | None) -> None:
        """Start a task whose batches share this context, (1, C)."""
        if self.run.reset_optimizer:
            self.adam.reset()
        for segments in self.segments:
            segments.begin(context)

    def learn_epoch(self, task: int, orders: Sequence[torch.Generator]) -> list[float]:
        """One pass over the task, in an order of its own for each seed; returns their mean losses.

        Nothing waits for the device before the end: the orders go there at once, and the losses stay there.
        """
        if task != self.shown:  # not at each epoch: it takes as long as some steps
            self.tasks.write_images(task, self.images)
            self.shown = task
        _, steps, batch = self.orders.shape
        shuffled = torch.stack([torch.randperm(len(self.images), generator=order) for order in orders])
        self.orders.copy_(shuffled[:, : steps * batch].view_as(self.orders))
        self.done.zero_()
        self.loss.zero_()
        for _ in range(steps):
            self.step()
        return (self.loss / steps).tolist()

    def _step(self) -> None:
        """The next step of the epoch, for all seeds."""
        rows = self.orders.index_select(1, self.done).squeeze(1)  # (R, B)
        wanted = self.one_hot[self.tasks.train_labels[rows]]  # (R, B, classes)
        gates = [segments.gates() for segments in self.segments]
        logits, passes = self._forward(self.images[rows], gates)
        found = logits.log_softmax(-1)
        self.loss -= (found * wanted).sum((1, 2)) / rows.shape[1]
        gradients = self._backward((found.exp() - wanted) / rows.shape[1], gates, passes)
        integrated = self.consolidation.before_step(gradients) if self.consolidation else []
        self.adam.step(gradients)
        for layer in self.layers:
            layer.rezero()
        if self.consolidation:
            self.consolidation.after_step(integrated)
        self.done += 1

    def _forward(self, x: Tensor, gates: Sequence[Tensor]) -> tuple[Tensor, list["Pass"]]:
        """Logits (R, B, classes) of x (R, B, P), and what the way back needs; a layer's gates are (R, 1 or B, U)."""
        passes = []
        for index, k in enumerate(self.winners):
            inputs, weight, y = self.layers[index].respond(x, self.products)
            h = y * gates[index] if gates else y
            lost = losers(h, k)
            x = h.masked_fill(lost, 0)
            passes.append(Pass(inputs, weight, y, lost))
        inputs, weight, logits = self.layers[-1].respond(x, self.products)
        return logits, [*passes, Pass(inputs, weight)]

    def _backward(self, dy: Tensor, gates: Sequence[Tensor], passes: list["Pass"]) -> list[Tensor]:
        """The gradients of the parameters, in their order, from that of the logits, (R, B, classes).

        Segments that are none of these parameters have moved on return.
        """
        gradients, of_segments = [], []
        for index in reversed(range(len(passes))):
            inputs, weight, y, lost = passes[index]
            if index < len(self.winners):  # dy is still that of the layer's output
                dy = dy.masked_fill(lost, 0)
                if gates:
                    gate, through_gate = gates[index], (dy * y).sum(1)
                    dy = dy * gate
                    of_segments[:0] = self.segments[index].learn(through_gate * (gate * (1 - gate)).squeeze(1))
            upstream = self.products.operand(dy)
            gradients[:0] = [self.products.multiply(upstream.mT, inputs), dy.sum(1)]
            if index:
                dy = self.products.multiply(upstream, weight)
        return [*gradients, *of_segments]

    def end_task(self) -> None:
        """Consolidate what was learned."""
        if self.consolidation:
            self.consolidation.after_task()

    @torch.no_grad()
    def evaluate(self, prototypes: Tensor | None, which: Iterable[int]) -> list[list[float]]:
        """Each seed's accuracy on each of the tasks; the context of an image is the nearest of the prototypes, (N, C).

        Contexts take as many values as there are prototypes: one table of gates, indexed by the inferred prototype.
        """
        of_networks = [] if prototypes is None else [network.gates(prototypes) for network in self.networks]
        tables = [torch.stack(same) for same in zip(*of_networks, strict=True)]  # (R, N, U) a layer
        correct = []
        for task in which:
            count = torch.zeros(len(self.networks), dtype=torch.int64, device=self.images.device)
            for images, labels in self.tasks.test_batches(task, TEST_BATCH):
                gates = [table[:, nearest_prototype(images, prototypes)] for table in tables]
                logits, _ = self._forward(images.expand(len(self.networks), -1, -1), gates)
                count += (logits.argmax(-1) == labels).sum(1)
            correct.append(count)
        return (torch.stack(correct, 1).double() / len(self.tasks.test_labels)).tolist()


class Pass(NamedTuple):
    """What a layer's forward pass leaves for the way back; the output layer has no gate and no losers."""

    inputs: Tensor  # (R, B, I), as they entered the product
    weight: Tensor  # (R, U, I), likewise
    y: Tensor | None = None  # (R, B, U), before the gate
    lost: Tensor | None = None  # (R, B, U) bool


class Layer:
    """The same layer of R networks: weights (R, U, I), biases (R, U) and masks (R, U, I) or none."""

    def __init__(self, same: Sequence[MaskedLinear]) -> None:
        self.weight, self.bias = stacked([layer.weight for layer in same]), stacked([layer.bias for layer in same])
        self.mask = None if same[0].mask is None else torch.stack([layer.mask for layer in same])

    def respond(self, x: Tensor, products: Products) -> tuple[Tensor, Tensor, Tensor]:
        """Inputs and weights as they enter the product, and the responses: (R, B, I) -> (R, B, U)."""
        inputs, weight = products.operand(x), products.operand(self.weight)
        return inputs, weight, products.multiply(inputs, weight.mT).add_(self.bias[:, None])

    def rezero(self) -> None:
        if self.mask is not None:
            self.weight.mul_(self.mask)


class WholeSegments:
    """The segments of one layer of R networks as parameters like any others.

    Args:
        weights: (R, U, S, C).
    """

    def __init__(self, weights: Tensor) -> None:
        self.weights, self.parameters = weights, [weights]
        self.context = weights.new_zeros(weights.shape[-1])
        self.places = torch.arange(weights.shape[2], device=weights.device)

    def begin(self, context: Tensor) -> None:
        """Take over the context of a new task, (1, C)."""
        self.context.copy_(context[0])

    def gates(self) -> Tensor:
        """(R, 1, U), one for the whole batch."""
        self.winner, strength = strongest(self.weights @ self.context)  # (R, U, 1)
        return strength.sigmoid().mT

    def learn(self, gradient: Tensor) -> list[Tensor]:
        """The gradient of `parameters`, given that of each unit's strongest response, (R, U): it is the winner's."""
        return [(gradient[..., None] * (self.places == self.winner))[..., None] * self.context]


def make_segments(run: RunConfig, networks: Sequence[Network], lazy: bool) -> list:
    """For each hidden layer its segments, none without dendrites. `lazy`: move only those that can move, on a GPU."""
    if not networks[0].has_dendrites:
        return []
    weights = [stacked([n.hidden[i].segments for n in networks]) for i in range(len(networks[0].hidden))]
    if not lazy:
        return [WholeSegments(layer) for layer in weights]
    from active_dendrites.gpu_segments import LazySegments  # needs Triton, which comes with PyTorch for CUDA alone

    return [LazySegments(run, layer) for layer in weights]


class Adam:
    """PyTorch's fused Adam with state that stays where it is, without weight decay. Source: method 4."""

    def __init__(self, run: RunConfig, parameters: Sequence[Tensor]) -> None:
        self.run, self.parameters = run, list(parameters)
        self.first, self.second = ([torch.zeros_like(p) for p in parameters] for _ in range(2))
        self.steps = [torch.zeros((), device=p.device) for p in parameters]

    def step(self, gradients: list[Tensor]) -> None:
        (beta1, beta2), rate, epsilon = self.run.adam_betas, self.run.learning_rate, self.run.adam_epsilon
        state = self.parameters, gradients, self.first, self.second, [], self.steps
        plain = {"weight_decay": 0.0, "amsgrad": False, "maximize": False}
        adam(*state, fused=True, lr=rate, beta1=beta1, beta2=beta2, eps=epsilon, **plain)

    def reset(self) -> None:
        """Clear moments and step count."""
        torch._foreach_zero_([*self.first, *self.second, *self.steps])


def stacked(parameters: Sequence[nn.Parameter]) -> Tensor:
    """R parameters as one tensor (R, ...), of which they become views."""
    whole = torch.stack([parameter.detach() for parameter in parameters])
    for parameter, own in zip(parameters, whole, strict=True):
        parameter.data = own
    return whole


def nearest_prototype(x: Tensor, prototypes: Tensor) -> Tensor:
    """The nearest prototype of each sample by Euclidean distance: (B, C), (N, C) -> (B,). Source: method 3.2.

    |x - c|^2 is smallest where x.c - |c|^2 / 2 is largest, which is one matrix product.
    """
    return (x @ prototypes.T - prototypes.square().sum(1) / 2).argmax(1)
