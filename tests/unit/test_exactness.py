"""The learners equal the textbook formulation: float64 to 1e-10 over several tasks, float32 to rounding."""

import sys
from pathlib import Path

import pytest
import torch

from active_dendrites.dense import DenseLearner
from active_dendrites.networks import Network, as_dtype
from active_dendrites.randomness import generator
from active_dendrites.sparse import SparseLearner
from active_dendrites.sparse_parts import Segments
from active_dendrites.tasks import PermutedTasks

sys.path.insert(0, str(Path(__file__).parents[1]))
import oracle

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
    "Adam kept, no SI": ("prototype", {"reset_optimizer": False}),
    "SI, Adam reset": ("si_prototype", {"reset_optimizer": True}),
}


def learn(kind: type, run, digits) -> tuple[dict[str, torch.Tensor], list[list[float]], list[float]]:
    """Weights, accuracies after each task and the epochs' mean losses of one of our learners."""
    dtype = as_dtype(run.numerics.precision)
    tasks = PermutedTasks(digits, run.data, run.num_tasks, CPU, dtype)
    network = Network(run.network, 784, 784, run.seed, dtype)
    learner = kind(run, tasks, network)
    prototypes = torch.stack([tasks.mean_image(t) for t in range(run.num_tasks)])
    has_context = run.context.kind != "none"
    order, rows, losses = generator(run.seed, "batch order"), [], []
    for task in range(run.num_tasks):
        learner.begin_task(prototypes[task : task + 1] if has_context else None)
        losses += [learner.learn_epoch(task, order) for _ in range(run.epochs)]
        learner.end_task()
        rows.append(learner.evaluate(prototypes[: task + 1] if has_context else None, range(task + 1)))
    return {n: p.detach() for n, p in network.named_parameters()}, rows, losses


def expected(run, digits) -> tuple[dict[str, torch.Tensor], list[list[float]], list[float]]:
    network = Network(run.network, 784, 784, run.seed, as_dtype(run.numerics.precision))
    theta, rows, losses = oracle.train(run, digits, network)
    per_epoch = len(losses) // (run.num_tasks * run.epochs)
    means = torch.tensor(losses, dtype=torch.float64).view(-1, per_epoch).mean(1)
    return theta, rows, means.tolist()


def assert_equal(found, wanted, tolerance: float) -> None:
    for name, value in wanted[0].items():
        error = (found[0][name] - value).norm() / value.norm()
        assert error <= tolerance, f"{name}: relative error {error:.1e}"
    assert found[1] == wanted[1]
    assert found[2] == pytest.approx(wanted[2], rel=max(tolerance, 1e-9))


@pytest.mark.parametrize("kind", [SparseLearner, DenseLearner])
@pytest.mark.parametrize("case", CASES)
def test_learner_equals_oracle(kind: type, case: str, small_run, digits) -> None:
    variant, overrides = CASES[case]
    run = small_run(variant, **overrides)
    assert_equal(learn(kind, run, digits), expected(run, digits), 1e-10)


def test_consolidated_segments_equal_oracle(small_run, digits) -> None:
    run = small_run("si_prototype", consolidation__include_segments=True)
    assert_equal(learn(DenseLearner, run, digits), expected(run, digits), 1e-10)


def test_single_precision_stays_at_rounding(small_run, digits) -> None:
    """One epoch: later, a winner that changes by rounding would grow, as in any single-precision training."""
    run = small_run("prototype", num_tasks=1, epochs=1, numerics__precision="float32")
    found, wanted = learn(SparseLearner, run, digits), expected(run, digits)
    for name, value in wanted[0].items():
        assert (found[0][name] - value).norm() / value.norm() < 1e-4, name
    assert found[2] == pytest.approx(wanted[2], rel=1e-4)


@pytest.mark.parametrize("kept", [False, True])
def test_winners_change_within_a_task(kept: bool, small_run, digits, monkeypatch) -> None:
    """Steps small enough for a losing winner to be overtaken, instead of jumping to the other sign."""
    run = small_run("prototype", network__segments_per_unit=20, learning_rate=2e-4, reset_optimizer=not kept)
    changes, advance = [], Segments.advance

    def counting(segments, *arguments) -> None:
        before = segments.winner.copy()
        advance(segments, *arguments)
        changes.append(int((segments.winner != before).sum()))

    monkeypatch.setattr(Segments, "advance", counting)
    assert_equal(learn(SparseLearner, run, digits), expected(run, digits), 1e-10)
    assert sum(changes) > 20


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_threads_do_not_change_a_bit(threads: int, small_run, digits) -> None:
    run = small_run("si_prototype", num_tasks=2, numerics__precision="float32")
    results = []
    for count in (1, threads):
        torch.set_num_threads(count)
        results.append(learn(SparseLearner, run, digits))
    torch.set_num_threads(1)
    assert all(torch.equal(results[0][0][name], value) for name, value in results[1][0].items())
    assert results[0][1:] == results[1][1:]


def test_what_enters_a_matrix_product_is_aligned(small_run, digits) -> None:
    """Otherwise its bits could differ from process to process."""
    run = small_run("three_layer_mlp", numerics__precision="float32")
    tasks = PermutedTasks(digits, run.data, 1, CPU, torch.float32)
    learner = SparseLearner(run, tasks, Network(run.network, 784, 784, run.seed))
    arrays = [layer.theta for layer in learner.layers]
    for buffers in (learner.buffers, learner.test_buffers):
        arrays += [*buffers.y, *buffers.dy, *(i.x.numpy() for i in buffers.inputs if hasattr(i, "x"))]
    assert [array.ctypes.data % 64 for array in arrays] == [0] * len(arrays)
