"""The textbook formulation: every segment for every sample, autograd, torch.optim.Adam over all parameters.

Nothing clever, and nothing from the library but the initial weights, masks and permutations: what the library
computes must equal this.
"""

import math

import numpy as np
import scipy.linalg
import scipy.stats
import torch
from torch import Tensor

from active_dendrites.data.images import Images
from active_dendrites.data.randomness import generator
from active_dendrites.data.tasks import normalisation, task_permutations
from active_dendrites.methods.xdg import subnetwork_units, task_gates
from active_dendrites.models.networks import Network
from active_dendrites.settings.choices import choose
from active_dendrites.settings.run import RunConfig
from active_dendrites.settings.segment_rules import SEGMENT_RULES, STRONGEST

Parameters = dict[str, Tensor]


def forward(
    theta: Parameters,
    run: RunConfig,
    x: Tensor,
    contexts: Tensor | None,
    gates: list[Tensor] | None = None,
    keep: list[Tensor] | None = None,
) -> tuple[Tensor, Tensor]:
    """The forward pass. Source: method 2.

    Args:
        theta: the network's parameters by name.
        x: (B, P).
        contexts: of each sample, (B, C); none without dendrites.
        gates: of the task, for each hidden layer (U,), 0 or 1.
        keep: factors of dropout, of inputs and of each hidden layer.
    Returns: logits (B, classes), and the output of the last hidden layer, (B, U).
    """
    x = x if keep is None else x * keep[0]
    for index, units in enumerate(run.network.hidden_units):
        y = x @ theta[f"hidden.{index}.weight"].T + theta[f"hidden.{index}.bias"]
        if run.network.segments_per_unit:
            responses = torch.einsum("bc,usc->bus", contexts, theta[f"hidden.{index}.segments"])
            if run.network.segment_rule == STRONGEST:
                winner = responses.abs().argmax(2)
                response = responses.gather(2, winner[:, :, None])[:, :, 0]
            else:
                response = choose("network.segment_rule", run.network.segment_rule, **SEGMENT_RULES)(responses)
            y = y * torch.sigmoid(response)
        if run.network.winner_density is None:
            x = y.clamp(min=0)
        else:
            k = round(run.network.winner_density * units)
            threshold = y.sort(dim=1, descending=True).values[:, k - 1 : k]
            x = y * (y >= threshold)
        x = x if keep is None else x * keep[index + 1]
        x = x if gates is None else x * gates[index]
    return x @ theta["output.weight"].T + theta["output.bias"], x


class TextbookNetwork:
    """A network in training: parameters, Adam over all of them, and Synaptic Intelligence if the run has it."""

    def __init__(self, run: RunConfig, network: Network) -> None:
        self.run, self.tasks_learned = run, 0
        self.theta = {name: p.detach().clone().requires_grad_() for name, p in network.named_parameters()}
        self.masks = {name.replace("mask", "weight"): m for name, m in network.named_buffers()}
        choose("numerics.precision", run.numerics.precision, float32=True, float64=True)
        settings, correction = run.consolidation, run.adam_bias_correction
        self.si = choose("consolidation.kind", settings.kind, none=None, synaptic_intelligence=settings)
        self.integrates_penalty = choose("consolidation.path_gradient", settings.path_gradient, total=True, task=False)
        self.rectifies_each_task = choose("consolidation.rectify", settings.rectify, each_task=True, running_sum=False)
        self.corrects_as_first = choose("adam_bias_correction", correction, each_step=False, first_step=True)
        segments = self.si and self.si.include_segments
        self.protected = [n for n in self.theta if self.si and (segments or "segments" not in n)]
        self.path = {n: torch.zeros_like(self.theta[n]) for n in self.protected}
        self.importance = {n: torch.zeros_like(self.theta[n]) for n in self.protected}
        self.anchor = {n: self.theta[n].detach().clone() for n in self.protected}
        self.reset_adam()

    def reset_adam(self) -> None:
        """Begin with moments of zero."""
        run, (beta1, beta2) = self.run, self.run.adam_betas
        self.adam = torch.optim.Adam(
            self.theta.values(), run.learning_rate, (beta1, beta2), run.adam_epsilon, foreach=False
        )

    def step(
        self,
        x: Tensor,
        labels: Tensor,
        contexts: Tensor | None,
        gates: list[Tensor] | None = None,
        keep: list[Tensor] | None = None,
    ) -> float:
        """Learn one batch; returns the loss before. The arguments are those of `forward`, with labels (B,)."""
        theta, si = self.theta, self.si
        logits, _ = forward(theta, self.run, x, contexts, gates, keep)
        loss = torch.nn.functional.cross_entropy(logits, labels)
        penalty = torch.zeros_like(loss)
        if si and self.tasks_learned + 1 >= si.penalty_from_task:
            moved = [(self.importance[n] * (theta[n] - self.anchor[n]) ** 2).sum() for n in self.protected]
            penalty = si.strength * torch.stack(moved).sum()
        total = loss + penalty
        integrated = total if self.integrates_penalty else loss
        before = {n: p.detach().clone() for n, p in theta.items()}
        protected = [theta[n] for n in self.protected]
        gradients = torch.autograd.grad(integrated, protected, retain_graph=True) if si else ()
        self.adam.zero_grad()
        total.backward()  # type: ignore[no-untyped-call]  # PyTorch's has no types
        self._move()
        with torch.no_grad():
            for name, mask in self.masks.items():
                theta[name] *= mask
            for name, gradient in zip(self.protected, gradients, strict=True):
                self.path[name] -= gradient * (theta[name] - before[name])
        return loss.item()

    @torch.no_grad()
    def _move(self) -> None:
        """A step of Adam, or of Masse's: always the first step's bias correction, each parameter's step held short."""
        before = {n: p.clone() for n, p in self.theta.items()}
        if self.corrects_as_first:
            for state in self.adam.state.values():
                state["step"].zero_()
        self.adam.step()
        for name, old in before.items():
            norm = math.sqrt((self.theta[name] - old).square().sum())
            if self.run.update_norm_limit and norm > self.run.update_norm_limit:
                self.theta[name].copy_(old + (self.theta[name] - old) * self.run.update_norm_limit / norm)

    @torch.no_grad()
    def end_task(self) -> None:
        for n in self.protected:
            assert self.si is not None
            distance = (self.theta[n] - self.anchor[n]) ** 2 + self.si.damping
            if self.rectifies_each_task:
                self.importance[n] += self.path[n].clamp(min=0) / distance
            else:
                self.importance[n] = (self.importance[n] + self.path[n] / distance).clamp(min=0)
            self.anchor[n], self.path[n] = self.theta[n].clone(), torch.zeros_like(self.path[n])
        self.tasks_learned += 1


class PlainContexts:
    """The context of each training batch, and that of each test image, whose task is unknown."""

    def __init__(self, run: RunConfig) -> None:
        self.run = run
        self.prototypes: list[Tensor] = []
        self.pixels = torch.arange(784)
        self.infers = choose(
            "context.kind", run.context.kind, none=False, task_prototype=False, inferred_prototype=True
        )
        if self.infers:
            drawn = torch.randperm(784, generator=generator(run.seed, "context pixels"))
            self.pixels = drawn[: run.context.num_pixels].sort().values
            draws = generator(run.seed, "exemplars")
            self.clusters = PlainClusters(len(self.pixels), run.context.exemplars, run.context.acceptance, draws)

    def of_task(self, train_x: Tensor) -> None:
        """A task begins, with these images, (N, P)."""
        if not self.infers:
            self.prototypes.append(train_x.mean(0))

    def of_batch(self, x: Tensor) -> Tensor:
        """The context of a training batch, (B, P) -> (B, C)."""
        if self.infers:
            index = self.clusters.assign(x[:, self.pixels].double())
            self.prototypes = [mean.to(x.dtype) for mean in self.clusters.means]
            return self.prototypes[index].expand(len(x), -1)
        return self.prototypes[-1].expand(len(x), -1)

    def of_images(self, x: Tensor) -> Tensor:
        """The prototype nearest to each test image, (B, P) -> (B, C)."""
        nearest = torch.stack([(x[:, self.pixels] - p).square().sum(1) for p in self.prototypes]).argmin(0)
        return torch.stack(self.prototypes)[nearest]


def draw_batches(run: RunConfig, num_images: int, order: torch.Generator) -> list[Tensor]:
    """The rows of each batch of an epoch."""
    size = run.batch_size
    if run.random_batches:
        return list(torch.randint(num_images, (run.random_batches * size,), generator=order).view(-1, size))
    shuffled = torch.randperm(num_images, generator=order)
    batches = [shuffled[start : start + size] for start in range(0, num_images, size)]
    return batches if run.keep_last_batch else [batch for batch in batches if len(batch) == size]


def draw_keep(run: RunConfig, gates: list[Tensor] | None, draws: torch.Generator, dtype: torch.dtype) -> list[Tensor]:
    """Factors of dropout; of a gated layer they are drawn for the units that are on, then for others to fill it up."""
    sizes, factors = [784, *run.network.hidden_units], []
    rates = [run.network.input_dropout, *[run.network.hidden_dropout] * len(run.network.hidden_units)]
    for layer, (size, rate) in enumerate(zip(sizes, rates, strict=True)):
        factor = torch.ones(run.batch_size, size, dtype=dtype)
        if rate:
            units = torch.arange(size)
            density = run.network.task_gate_density
            if gates is not None and density is not None and layer:
                on = gates[layer - 1].bool()
                units = torch.cat([units[on], units[~on]])[: subnetwork_units(size, density)]
            drawn = torch.rand(run.batch_size, len(units), generator=draws, device=draws.device).cpu()
            factor[:, units] = (drawn >= rate).to(dtype) / (1 - rate)
        factors.append(factor)
    return factors


def train(
    run: RunConfig, images: Images, network: Network, device: torch.device | str = "cpu"
) -> tuple[Parameters, list[list[float]], list[float], np.ndarray]:
    """Learn all tasks; returns the parameters, the accuracies after each task, the loss of each step, and, for each
    task and unit of the last hidden layer, the fraction of test images that switch it on after the last task.

    Args:
        device: where dropout is drawn, as the learner to compare with does: generators of devices give other numbers.
    """
    learned, dtype = TextbookNetwork(run, network), network.output.weight.dtype
    permutations = task_permutations(run.num_tasks, 784, run.data.permutation_seed, run.data.first_task_identity)
    mean, std = normalisation(run.data, images)
    gates = None if run.network.task_gate_density is None else task_gates(run.network, run.num_tasks, run.seed)
    drops = run.network.input_dropout > 0 or run.network.hidden_dropout > 0

    def normalise(pixels: Tensor, task: int) -> Tensor:
        return (pixels[:, permutations[task]].to(dtype) / 255 - mean) / std

    def gates_of(task: int) -> list[Tensor] | None:
        return None if gates is None else [layer[task].to(dtype) for layer in gates]

    order, draws = generator(run.seed, "batch order"), generator(run.seed, "dropout", device)
    contexts = PlainContexts(run)
    rows, losses = [], []
    for task in range(run.num_tasks):
        if run.reset_optimizer:
            learned.reset_adam()
        train_x = normalise(images.train_images, task)
        contexts.of_task(train_x)
        for _ in range(run.epochs):
            for batch in draw_batches(run, len(train_x), order):
                x, keep = train_x[batch], draw_keep(run, gates_of(task), draws, dtype) if drops else None
                losses.append(learned.step(x, images.train_labels[batch], contexts.of_batch(x), gates_of(task), keep))
        learned.end_task()
        tested = []
        for seen in range(task + 1):
            x = normalise(images.test_images, seen)
            tested.append(forward(learned.theta, run, x, contexts.of_images(x), gates_of(seen)))
        rows.append([(logits.argmax(1) == images.test_labels).double().mean().item() for logits, _ in tested])
    activity = np.stack([(last != 0).double().mean(0).detach().numpy() for _, last in tested])
    return {n: p.detach() for n, p in learned.theta.items()}, rows, losses, activity


# -- clusters of inferred prototypes, as method 3.3 writes them: nothing remembered, nothing left out ------------------


def plain_t2(x: np.ndarray, y: np.ndarray) -> float:
    """Hotelling's two-sample T^2, by NumPy's covariances and SciPy's pseudo-inverse of their pooled one."""
    n1, n2 = len(x), len(y)
    pooled = ((n1 - 1) * np.cov(x, rowvar=False) + (n2 - 1) * np.cov(y, rowvar=False)) / (n1 + n2 - 2)
    difference = x.mean(0) - y.mean(0)
    inverse = scipy.linalg.pinv(np.atleast_2d(pooled), rtol=1e-15)
    return n1 * n2 / (n1 + n2) * float(difference @ inverse @ difference)


def plain_probability(x: np.ndarray, y: np.ndarray) -> float:
    """P of method 3.3: the distribution function of F at the statistic."""
    n1, n2, m = len(x), len(y), x.shape[1]
    statistic = (n1 + n2 - m - 1) / (m * (n1 + n2 - 2)) * plain_t2(x, y)
    return float(scipy.stats.f.cdf(statistic, m, n1 + n2 - m - 1))


class PlainClusters:
    """Clusters of batches, with the arguments and the results of the library's."""

    def __init__(self, num_pixels: int, exemplars: int, acceptance: float, draws: torch.Generator) -> None:
        self.num_pixels = num_pixels
        self.most_exemplars = exemplars
        self.acceptance = acceptance
        self.draws = draws
        self.means: list[Tensor] = []
        self.counts: list[int] = []
        self.exemplars: list[Tensor] = []

    def assign(self, batch: Tensor) -> int:
        size = len(batch)
        for index, exemplars in enumerate(self.exemplars):
            if plain_probability(exemplars.numpy(), batch.numpy()) < self.acceptance:
                count = self.counts[index]
                self.means[index] = (count * self.means[index] + size * batch.mean(0)) / (count + size)
                self.counts[index] += size
                wanted = min(self.most_exemplars, len(exemplars) + size)
                share = len(exemplars) / (len(exemplars) + size)
                old = self._choose(exemplars, int(wanted * share))
                self.exemplars[index] = torch.cat([old, self._choose(batch, int(wanted * (1 - share)))])
                return index
        self.exemplars.append(batch[: self.most_exemplars].clone())
        self.means.append(batch.mean(0))
        self.counts.append(size)
        return len(self.counts) - 1

    def _choose(self, rows: Tensor, count: int) -> Tensor:
        return rows[torch.randperm(len(rows), generator=self.draws)[:count]]
