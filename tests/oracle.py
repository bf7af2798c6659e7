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


def train(run: RunConfig, mnist: MNIST, network: Network) -> tuple[Parameters, list[list[float]], list[float]]:
    """Learn all tasks; returns the parameters, the accuracies after each task, and the loss of each step."""
    theta = {name: p.detach().clone().requires_grad_() for name, p in network.named_parameters()}
    masks = {name.replace("mask", "weight"): m for name, m in network.named_buffers()}
    dtype = theta["output.weight"].dtype
    permutations = task_permutations(run.num_tasks, 784, run.data.permutation_seed, run.data.first_task_identity)

    def normalise(images: Tensor, task: int) -> Tensor:
        return (images[:, permutations[task]].to(dtype) / 255 - run.data.pixel_mean) / run.data.pixel_std

    si = run.consolidation if run.consolidation.kind == "synaptic_intelligence" else None
    protected = [n for n in theta if si and (si.include_segments or "segments" not in n)]
    path = {n: torch.zeros_like(theta[n]) for n in protected}
    importance = {n: torch.zeros_like(theta[n]) for n in protected}
    anchor = {n: theta[n].detach().clone() for n in protected}
    order, prototypes, rows, losses, adam = generator(run.seed, "batch order"), [], [], [], None
    for task in range(run.num_tasks):
        if adam is None or run.reset_optimizer:
            adam = torch.optim.Adam(theta.values(), run.learning_rate, run.adam_betas, run.adam_epsilon, foreach=False)
        train_x = normalise(mnist.train_images, task)
        prototypes.append(train_x.mean(0))
        for _ in range(run.epochs):
            shuffled = torch.randperm(len(train_x), generator=order)
            for step in range(len(train_x) // run.batch_size):
                batch = shuffled[step * run.batch_size : (step + 1) * run.batch_size]
                contexts = prototypes[task].expand(len(batch), -1)
                loss = torch.nn.functional.cross_entropy(
                    forward(theta, run, train_x[batch], contexts), mnist.train_labels[batch]
                )
                total = loss
                if si and task + 1 >= si.penalty_from_task:
                    total = loss + si.strength * sum(
                        (importance[n] * (theta[n] - anchor[n]) ** 2).sum() for n in protected
                    )
                integrated = total if not si or si.path_gradient == "total" else loss
                gradients = (
                    torch.autograd.grad(integrated, [theta[n] for n in protected], retain_graph=True) if si else []
                )
                before = {n: theta[n].detach().clone() for n in protected}
                adam.zero_grad()
                total.backward()
                adam.step()
                with torch.no_grad():
                    for name, mask in masks.items():
                        theta[name] *= mask
                    for name, gradient in zip(protected, gradients, strict=True):
                        path[name] -= gradient * (theta[name] - before[name])
                losses.append(loss.item())
        with torch.no_grad():
            for n in protected:
                importance[n] += path[n].clamp(min=0) / ((theta[n] - anchor[n]) ** 2 + si.damping)
                anchor[n], path[n] = theta[n].clone(), torch.zeros_like(path[n])
            rows.append(
                [accuracy(theta, run, mnist, normalise(mnist.test_images, t), prototypes) for t in range(task + 1)]
            )
    return {n: p.detach() for n, p in theta.items()}, rows, losses


def accuracy(theta: Parameters, run: RunConfig, mnist: MNIST, x: Tensor, prototypes: list[Tensor]) -> float:
    nearest = torch.stack([(x - p).square().sum(1) for p in prototypes]).argmin(0)
    contexts = torch.stack(prototypes)[nearest]
    return (forward(theta, run, x, contexts).argmax(1) == mnist.test_labels).double().mean().item()
