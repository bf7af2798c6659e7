"""Cases that every learner must learn as the textbook formulation does, and what it takes to compare the two."""

from collections.abc import Sequence

import oracle
import pytest
import torch

from active_dendrites.config import RunConfig
from active_dendrites.mnist import MNIST
from active_dendrites.networks import Network, as_dtype
from active_dendrites.randomness import generator
from active_dendrites.tasks import PermutedTasks

CPU = torch.device("cpu")
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
    "Adam kept, no SI": ("prototype", {"reset_optimizer": False}),
    "SI, Adam reset": ("si_prototype", {"reset_optimizer": True}),
}
EXPECTED: dict[str, "Found"] = {}
Found = tuple[dict[str, torch.Tensor], list[list[float]], list[float]]  # weights, accuracies, mean losses of epochs


def learn(kind: type, runs: Sequence[RunConfig], digits: MNIST, device: torch.device = CPU) -> list[Found]:
    """What one of our learners learns, for each run."""
    run, dtype = runs[0], as_dtype(runs[0].numerics.precision)
    tasks = PermutedTasks(digits, run.data, run.num_tasks, device, dtype)
    networks = [Network(each.network, 784, 784, each.seed, dtype).to(device) for each in runs]
    learner = kind(runs, tasks, networks)
    prototypes = torch.stack([tasks.mean_image(t) for t in range(run.num_tasks)])
    has_context = run.context.kind != "none"
    orders = [generator(each.seed, "batch order") for each in runs]
    rows, losses = [], []
    for task in range(run.num_tasks):
        learner.begin_task(prototypes[task : task + 1] if has_context else None)
        losses += [learner.learn_epoch(task, orders) for _ in range(run.epochs)]
        learner.end_task()
        rows.append(learner.evaluate(prototypes[: task + 1] if has_context else None, range(task + 1)))
    weights = [{n: p.detach().cpu() for n, p in network.named_parameters()} for network in networks]
    return [(theta, [row[i] for row in rows], [loss[i] for loss in losses]) for i, theta in enumerate(weights)]


def expected(run: RunConfig, digits: MNIST) -> Found:
    """What the textbook formulation learns; once for each run, whoever asks."""
    key = run.model_dump_json()
    if key not in EXPECTED:
        EXPECTED[key] = learn_plainly(run, digits)
    return EXPECTED[key]


def learn_plainly(run: RunConfig, digits: MNIST) -> Found:
    network = Network(run.network, 784, 784, run.seed, as_dtype(run.numerics.precision))
    theta, rows, losses = oracle.train(run, digits, network)
    per_epoch = len(losses) // (run.num_tasks * run.epochs)
    means = torch.tensor(losses, dtype=torch.float64).view(-1, per_epoch).mean(1)
    return theta, rows, means.tolist()


def assert_equal(found: Found, wanted: Found, tolerance: float) -> None:
    for name, value in wanted[0].items():
        error = (found[0][name] - value).norm() / value.norm()
        assert error <= tolerance, f"{name}: relative error {error:.1e}"
    assert found[1] == wanted[1]
    assert found[2] == pytest.approx(wanted[2], rel=max(tolerance, 1e-9))
