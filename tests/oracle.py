"""The textbook formulation: every segment for every sample, autograd, torch.optim.Adam over all parameters.

Nothing clever, and nothing from the library but the initial weights, masks and permutations: what the library
computes must equal this.
"""

import torch
from torch import Tensor

from active_dendrites.config import RunConfig
from active_dendrites.mnist import MNIST
from active_dendrites.networks import Network
from active_dendrites.randomness import generator
from active_dendrites.tasks import task_permutations

Parameters = dict[str, Tensor]


def forward(theta: Parameters, run: RunConfig, x: Tensor, contexts: Tensor | None) -> Tensor:
    """Logits (B, classes) of x (B, P), each sample with a context of its own, (B, P)."""
    for index, units in enumerate(run.network.hidden_units):
        y = x @ theta[f"hidden.{index}.weight"].T + theta[f"hidden.{index}.bias"]
        if run.network.segments_per_unit:
            responses = torch.einsum("bc,usc->bus", contexts, theta[f"hidden.{index}.segments"])
            winner = responses.abs().argmax(2)
            y = y * torch.sigmoid(responses.gather(2, winner[:, :, None])[:, :, 0])
        if run.network.winner_density is None:
            x = y.clamp(min=0)
        else:
            k = round(run.network.winner_density * units)
            threshold = y.sort(dim=1, descending=True).values[:, k - 1 : k]
            x = y * (y >= threshold)
    return x @ theta["output.weight"].T + theta["output.bias"]


class Oracle:
    """A network in training: parameters, Adam over all of them, and Synaptic Intelligence if the run has it."""

    def __init__(self, run: RunConfig, network: Network) -> None:
        self.run, self.tasks_learned = run, 0
        self.theta = {name: p.detach().clone().requires_grad_() for name, p in network.named_parameters()}
        self.masks = {name.replace("mask", "weight"): m for name, m in network.named_buffers()}
        self.si = run.consolidation if run.consolidation.kind == "synaptic_intelligence" else None
        segments = self.si and self.si.include_segments
        self.protected = [n for n in self.theta if self.si and (segments or "segments" not in n)]
        self.path = {n: torch.zeros_like(self.theta[n]) for n in self.protected}
        self.importance = {n: torch.zeros_like(self.theta[n]) for n in self.protected}
        self.anchor = {n: self.theta[n].detach().clone() for n in self.protected}
        self.reset_adam()

    def reset_adam(self) -> None:
        run = self.run
        self.adam = torch.optim.Adam(
            self.theta.values(), run.learning_rate, run.adam_betas, run.adam_epsilon, foreach=False
        )

    def step(self, x: Tensor, labels: Tensor, contexts: Tensor | None) -> float:
        """Learn one batch (B, P), each sample with a context of its own, (B, P); returns the loss before."""
        theta, si, penalty = self.theta, self.si, 0.0
        loss = torch.nn.functional.cross_entropy(forward(theta, self.run, x, contexts), labels)
        if si and self.tasks_learned + 1 >= si.penalty_from_task:
            moved = [(self.importance[n] * (theta[n] - self.anchor[n]) ** 2).sum() for n in self.protected]
            penalty = si.strength * sum(moved)
        total = loss + penalty
        integrated = total if not si or si.path_gradient == "total" else loss
        gradients, before = [], {n: theta[n].detach().clone() for n in self.protected}
        if si:
            gradients = torch.autograd.grad(integrated, [theta[n] for n in self.protected], retain_graph=True)
        self.adam.zero_grad()
        total.backward()
        self.adam.step()
        with torch.no_grad():
            for name, mask in self.masks.items():
                theta[name] *= mask
            for name, gradient in zip(self.protected, gradients, strict=True):
                self.path[name] -= gradient * (theta[name] - before[name])
        return loss.item()

    @torch.no_grad()
    def end_task(self) -> None:
        for n in self.protected:
            gain = self.path[n].clamp(min=0)
            self.importance[n] += gain / ((self.theta[n] - self.anchor[n]) ** 2 + self.si.damping)
            self.anchor[n], self.path[n] = self.theta[n].clone(), torch.zeros_like(gain)
        self.tasks_learned += 1


def train(run: RunConfig, mnist: MNIST, network: Network) -> tuple[Parameters, list[list[float]], list[float]]:
    """Learn all tasks; returns the parameters, the accuracies after each task, and the loss of each step."""
    oracle, dtype = Oracle(run, network), network.output.weight.dtype
    permutations = task_permutations(run.num_tasks, 784, run.data.permutation_seed, run.data.first_task_identity)

    def normalise(images: Tensor, task: int) -> Tensor:
        return (images[:, permutations[task]].to(dtype) / 255 - run.data.pixel_mean) / run.data.pixel_std

    order, prototypes, rows, losses = generator(run.seed, "batch order"), [], [], []
    for task in range(run.num_tasks):
        if run.reset_optimizer:
            oracle.reset_adam()
        train_x = normalise(mnist.train_images, task)
        prototypes.append(train_x.mean(0))
        for _ in range(run.epochs):
            shuffled = torch.randperm(len(train_x), generator=order)
            for step in range(len(train_x) // run.batch_size):
                batch = shuffled[step * run.batch_size : (step + 1) * run.batch_size]
                contexts = prototypes[task].expand(len(batch), -1)
                losses.append(oracle.step(train_x[batch], mnist.train_labels[batch], contexts))
        oracle.end_task()
        test_x = [normalise(mnist.test_images, seen) for seen in range(task + 1)]
        rows.append([accuracy(oracle.theta, run, mnist, x, prototypes) for x in test_x])
    return {n: p.detach() for n, p in oracle.theta.items()}, rows, losses


def accuracy(theta: Parameters, run: RunConfig, mnist: MNIST, x: Tensor, prototypes: list[Tensor]) -> float:
    nearest = torch.stack([(x - p).square().sum(1) for p in prototypes]).argmin(0)
    contexts = torch.stack(prototypes)[nearest]
    return (forward(theta, run, x, contexts).argmax(1) == mnist.test_labels).double().mean().item()
