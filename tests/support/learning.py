"""Cases that every learner must learn as the textbook formulation does, and what it takes to compare the two."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pytest
import torch

from active_dendrites.data.images import Images
from active_dendrites.data.randomness import generator
from active_dendrites.data.tasks import PermutedTasks
from active_dendrites.learners import textbook
from active_dendrites.models.networks import Network, as_dtype
from active_dendrites.settings.run import RunConfig

CPU = torch.device("cpu")
INFERRED = {"context__num_pixels": 60, "context__exemplars": 40}
GATED = {"random_batches": 9, "network__hidden_units": [80, 70]}
CASES = {
    "prototype": ("prototype", {}),
    "one segment": ("prototype", {"network__segments_per_unit": 1}),
    "many segments": (
        "prototype",
        {"num_tasks": 2, "network__segments_per_unit": 100, "learning_rate": 2e-4},
    ),
    "dense k-winners": ("prototype", {"network__winner_density": 0.9}),
    "ReLU with dendrites": ("active_dendrites_only", {}),
    "no dendrites": ("sparse_representations_only", {}),
    "MLP": ("three_layer_mlp", {"learning_rate": 1e-3}),
    "deep MLP": ("ten_layer_mlp", {"learning_rate": 1e-3, "network__hidden_units": [40, 17, 30]}),
    "SI, Adam kept": ("si_prototype", {}),
    "SI as defined": (
        "si_prototype",
        {"consolidation__penalty_from_task": 2, "consolidation__path_gradient": "task"},
    ),
    "SI, strong": ("si_prototype", {"consolidation__strength": 5.0, "consolidation__damping": 0.01}),
    "segments rest and return": (
        "si_prototype",
        {"network__segments_per_unit": 2, "network__hidden_units": [20, 20], "epochs": 5, "batch_size": 8},
    ),
    "several tiles": (
        "prototype",
        {"num_tasks": 2, "epochs": 1, "batch_size": 16, "network__hidden_units": [400, 300]},
    ),
    "several tiles, SI, Adam reset": (
        "si_prototype",
        {"num_tasks": 2, "epochs": 1, "batch_size": 16, "network__hidden_units": [400, 300], "reset_optimizer": True},
    ),
    "prototype inferred": ("construct_prototype", INFERRED),
    "prototype inferred, Adam kept": ("construct_prototype", INFERRED | {"reset_optimizer": False}),
    "SI on an MLP": ("si_mlp", {"learning_rate": 1e-3, "batch_size": 100}),  # 768 images: the last batch is shorter
    "Adam kept, no SI": ("prototype", {"reset_optimizer": False}),
    "SI, Adam reset": ("si_prototype", {"reset_optimizer": True}),
}
# What the dense learner alone can learn.
DENSE_CASES = {
    "segments consolidated": ("si_prototype", {"consolidation__include_segments": True}),
    "XdG": ("xdg", GATED),
    "SI + XdG": ("si_xdg", GATED),
    "SI with dropout": ("si_masse-0.1-0.01", {"random_batches": 9}),
    "a step held short": ("three_layer_mlp", {"learning_rate": 1e-3, "update_norm_limit": 0.02}),
}
EXPECTED: dict[str, "Learned"] = {}


class Learned(NamedTuple):
    """What was learned by one run."""

    weights: dict[str, torch.Tensor]
    accuracies: list[list[float]]  # on the tasks seen, after each task
    losses: list[float]  # mean of each epoch
    activity: np.ndarray  # (T, U), of the last hidden layer after the last task


def learn(kind: type, runs: Sequence[RunConfig], digits: Images, device: torch.device = CPU) -> list[Learned]:
    """What one of our learners learns, for each run."""
    run, dtype = runs[0], as_dtype(runs[0].numerics.precision)
    tasks = PermutedTasks(digits, run.data, run.num_tasks, device, dtype)
    learner = kind(runs, tasks)
    orders = [generator(each.seed, "batch order") for each in runs]
    rows, losses = [], []
    for task in range(run.num_tasks):
        learner.begin_task(task)
        losses += [learner.learn_epoch(task, orders) for _ in range(run.epochs)]
        learner.end_task()
        tested = learner.evaluate(range(task + 1))
        rows.append(tested.accuracy.tolist())
    weights = [{n: p.detach().cpu() for n, p in network.named_parameters()} for network in learner.networks]
    of_seeds = enumerate(zip(weights, tested.activity, strict=True))
    return [
        Learned(theta, [row[i] for row in rows], [loss[i] for loss in losses], seen) for i, (theta, seen) in of_seeds
    ]


def expected(run: RunConfig, digits: Images, device: torch.device = CPU) -> Learned:
    """What the textbook formulation learns; once for each run, whoever asks.

    Args:
        device: where dropout is drawn.
    """
    drops = run.network.input_dropout or run.network.hidden_dropout
    key = f"{run.model_dump_json()} {device if drops else CPU}"
    if key not in EXPECTED:
        EXPECTED[key] = learn_plainly(run, digits, device)
    return EXPECTED[key]


def learn_plainly(run: RunConfig, digits: Images, device: torch.device = CPU) -> Learned:
    size = run.context.num_pixels if run.context.infers else 784
    network = Network(run.network, 784, size, run.seed, as_dtype(run.numerics.precision))
    theta, rows, losses, activity = textbook.train(run, digits, network, device)
    per_epoch = len(losses) // (run.num_tasks * run.epochs)
    means = torch.tensor(losses, dtype=torch.float64).view(-1, per_epoch).mean(1)
    return Learned(theta, rows, means.tolist(), activity)


def assert_equal(learned: Learned, expected: Learned, tolerance: float) -> None:
    for name, value in expected.weights.items():
        error = (learned.weights[name] - value).norm() / value.norm()
        assert error <= tolerance, f"{name}: relative error {error:.1e}"
    assert learned.accuracies == expected.accuracies
    assert learned.losses == pytest.approx(expected.losses, rel=max(tolerance, 1e-9))
    assert np.abs(learned.activity - expected.activity).max() < 1e-6  # stored in single precision
