"""The learners equal the textbook formulation: float64 to 1e-10 over several tasks, float32 to rounding."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from learning import CASES, CPU, assert_equal, expected, learn

from active_dendrites.dense import DenseLearner
from active_dendrites.engine import InTurn
from active_dendrites.networks import Network
from active_dendrites.randomness import generator
from active_dendrites.sparse import SparseLearner
from active_dendrites.sparse_parts import Segments
from active_dendrites.tasks import PermutedTasks


@pytest.mark.parametrize("kind", [InTurn, DenseLearner])
@pytest.mark.parametrize("case", CASES)
def test_learner_equals_oracle(kind: type, case: str, small_run, digits) -> None:
    variant, overrides = CASES[case]
    run = small_run(variant, **overrides)
    assert_equal(learn(kind, [run], digits)[0], expected(run, digits), 1e-10)


def test_consolidated_segments_equal_oracle(small_run, digits) -> None:
    run = small_run("si_prototype", consolidation__include_segments=True)
    assert_equal(learn(DenseLearner, [run], digits)[0], expected(run, digits), 1e-10)


@pytest.mark.parametrize("kind", [InTurn, DenseLearner])
@pytest.mark.parametrize("case", ["prototype", "SI, Adam kept", "ReLU with dendrites", "MLP"])
def test_seeds_side_by_side_equal_oracle(kind: type, case: str, small_run, digits) -> None:
    """Each seed is learned as if it were alone."""
    variant, overrides = CASES[case]
    runs = [small_run(variant, **overrides, epochs=2, seed=seed) for seed in (5, 1, 8)]
    for run, found in zip(runs, learn(kind, runs, digits), strict=True):
        assert_equal(found, expected(run, digits), 1e-10)


@pytest.mark.parametrize("kind", [InTurn, DenseLearner])
def test_company_changes_nothing(kind: type, small_run, digits) -> None:
    """Where seeds take turns not even a bit; products of other shapes may sum in another order."""
    runs = [small_run("si_prototype", num_tasks=2, epochs=1, seed=seed) for seed in (5, 1, 8)]
    (alone,), together = learn(kind, runs[1:2], digits), learn(kind, runs, digits)
    assert_equal(together[1], alone, 0 if kind is InTurn else 1e-13)


@pytest.mark.parametrize("kind", [InTurn, DenseLearner])
def test_the_networks_hold_what_was_learned(kind: type, small_run, digits) -> None:
    """A result's network, as anyone would use it, is as accurate as the learner found."""
    runs = [small_run("prototype", num_tasks=1, seed=seed) for seed in (1, 2)]
    tasks = PermutedTasks(digits, runs[0].data, 1, CPU, torch.float64)
    networks = [Network(run.network, 784, 784, run.seed, torch.float64) for run in runs]
    learner, context = kind(runs, tasks, networks), tasks.mean_image(0)[None]
    learner.begin_task(context)
    learner.learn_epoch(0, [generator(run.seed, "batch order") for run in runs])
    learner.end_task()
    (batch,) = tasks.test_batches(0, len(tasks.test_labels))
    for network, (accuracy,) in zip(networks, learner.evaluate(context, [0]), strict=True):
        logits = network(batch[0], network.gates(context))
        assert (logits.argmax(1) == batch[1]).double().mean().item() == accuracy


def test_an_epoch_shows_each_image_once_and_drops_the_rest(small_run, digits) -> None:
    run = small_run("three_layer_mlp", batch_size=100)
    tasks = PermutedTasks(digits, run.data, 1, CPU, torch.float64)
    learner = DenseLearner([run], tasks, [Network(run.network, 784, 784, run.seed, torch.float64)])
    learner.begin_task(None)
    learner.learn_epoch(0, [generator(1, "batch order")])
    assert learner.orders.shape == (1, 7, 100)  # of 768 images
    assert learner.orders.unique().numel() == 700


def test_single_precision_stays_at_rounding(small_run, digits) -> None:
    """One epoch: later, a winner that changes by rounding would grow, as in any single-precision training."""
    run = small_run("prototype", num_tasks=1, epochs=1, numerics__precision="float32")
    found, wanted = learn(InTurn, [run], digits)[0], expected(run, digits)
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
    assert_equal(learn(InTurn, [run], digits)[0], expected(run, digits), 1e-10)
    assert sum(changes) > 20


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_threads_do_not_change_a_bit(threads: int, small_run, digits) -> None:
    run = small_run("si_prototype", num_tasks=2, numerics__precision="float32")
    results = []
    for count in (1, threads):
        torch.set_num_threads(count)
        results += learn(InTurn, [run], digits)
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


DIGEST = """
import conftest, hashlib, learning
from active_dendrites.engine import InTurn
small_run = conftest.small_run.__wrapped__(conftest.declarations.__wrapped__())
digits = conftest.digits.__wrapped__()
for variant in ("prototype", "si_prototype", "three_layer_mlp"):
    run = small_run(variant, numerics__precision="float32", network__hidden_units=[130, 100])
    ((weights, _, _),) = learning.learn(InTurn, [run], digits)
    print(variant, hashlib.sha256(b"".join(w.numpy().tobytes() for w in weights.values())).hexdigest())
"""


def test_a_process_that_compiles_gives_the_bits_of_one_that_loads(tmp_path) -> None:
    root = Path(__file__).parents[2]
    places = os.pathsep.join([str(root / "workflow/src"), str(root / "tests")])
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path), "PYTHONPATH": places, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", DIGEST]
    compiling, loading = (subprocess.check_output(command, env=environment, text=True) for _ in range(2))
    assert compiling == loading
