"""Learning by whole tensors with autograd: any device, any setting.

Letters: B batch, P pixels, C size of the context, N contexts.
"""

from collections.abc import Iterable

import torch
from torch import Tensor

from active_dendrites.config import RunConfig
from active_dendrites.consolidation import make_consolidation
from active_dendrites.networks import Network
from active_dendrites.tasks import PermutedTasks

TEST_BATCH = 2000  # images; any size gives the same accuracy


class DenseLearner:
    """Learns and tests by whole tensors.

    Args:
        run: settings.
        tasks: the images, on the network's device.
        network: where learning starts, and what is learned.
    """

    def __init__(self, run: RunConfig, tasks: PermutedTasks, network: Network) -> None:
        self.run, self.tasks, self.network = run, tasks, network
        self.consolidation = make_consolidation(run.consolidation, network)
        self.optimizer = self._new_optimizer()

    def _new_optimizer(self) -> torch.optim.Adam:
        """Adam over all parameters, without weight decay. Source: method 4."""
        beta1, beta2 = self.run.adam_betas
        settings = {"lr": self.run.learning_rate, "betas": (beta1, beta2), "eps": self.run.adam_epsilon}
        return torch.optim.Adam(self.network.parameters(), fused=True, **settings)

    def begin_task(self, context: Tensor | None) -> None:
        """Start a task whose batches share this context, (1, C)."""
        self.context = context
        if self.run.reset_optimizer:
            self.optimizer = self._new_optimizer()

    def learn_epoch(self, task: int, order: torch.Generator) -> float:
        """One pass over the task; returns the mean loss of its steps."""
        losses = [self._learn_batch(*batch) for batch in self.tasks.epoch(task, self.run.batch_size, order)]
        return float(torch.stack(losses).mean())

    def _learn_batch(self, images: Tensor, labels: Tensor) -> Tensor:
        """One step on images (B, P) and labels (B,); returns the loss before it."""
        gates = () if self.context is None else self.network.gates(self.context)
        loss = torch.nn.functional.cross_entropy(self.network(images, gates), labels)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        if self.consolidation:
            self.consolidation.before_step()
        self.optimizer.step()
        self.network.rezero()
        if self.consolidation:
            self.consolidation.after_step()
        return loss.detach()

    def end_task(self) -> None:
        """Consolidate what was learned."""
        if self.consolidation:
            self.consolidation.after_task()

    @torch.no_grad()
    def evaluate(self, prototypes: Tensor | None, which: Iterable[int]) -> list[float]:
        """Accuracy on each of the tasks; the context of an image is the nearest of the prototypes, (N, C).

        Contexts take as many values as there are prototypes: one table of gates, indexed by the inferred prototype.
        """
        tables = [] if prototypes is None else self.network.gates(prototypes)
        accuracies = []
        for task in which:
            correct = torch.zeros((), dtype=torch.int64, device=self.tasks.test_labels.device)
            for images, labels in self.tasks.test_batches(task, TEST_BATCH):
                nearest = None if prototypes is None else nearest_prototype(images, prototypes)
                gates = [table[nearest] for table in tables]
                correct += (self.network(images, gates).argmax(1) == labels).sum()
            accuracies.append(int(correct) / len(self.tasks.test_labels))
        return accuracies


def nearest_prototype(x: Tensor, prototypes: Tensor) -> Tensor:
    """The nearest prototype of each sample by Euclidean distance: (B, C), (N, C) -> (B,). Source: method 3.2.

    |x - c|^2 is smallest where x.c - |c|^2 / 2 is largest, which is one matrix product.
    """
    return (x @ prototypes.T - prototypes.square().sum(1) / 2).argmax(1)
