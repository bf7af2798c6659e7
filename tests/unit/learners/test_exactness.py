"""The learners equal the textbook formulation: float64 to 1e-10 over several tasks, float32 to rounding."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from learning import CASES, CPU, DENSE_CASES, assert_equal, expected, learn

from active_dendrites.data.randomness import generator
from active_dendrites.data.tasks import PermutedTasks
from active_dendrites.learners.dense.learner import DenseLearner
from active_dendrites.learners.sparse.learner import SparseLearner
from active_dendrites.learners.sparse.seed_group import SparseSeedGroup
from active_dendrites.learners.sparse.segments import Segments
from active_dendrites.methods.xdg import task_gates


@pytest.mark.parametrize("kind", [SparseSeedGroup, DenseLearner])
@pytest.mark.parametrize("case", CASES)
def test_learner_equals_textbook(kind: type, case: str, small_run, digits) -> None:
    variant, overrides = CASES[case]
    run = small_run(variant, **overrides)
    assert_equal(learn(kind, [run], digits)[0], expected(run, digits), 1e-10)


@pytest.mark.parametrize("case", DENSE_CASES)
def test_whole_tensors_equal_textbook(case: str, small_run, digits) -> None:
    variant, overrides = DENSE_CASES[case]
    run = small_run(variant, **overrides)
    assert_equal(learn(DenseLearner, [run], digits)[0], expected(run, digits), 1e-10)


@pytest.mark.parametrize("kind", [SparseSeedGroup, DenseLearner])
@pytest.mark.parametrize("case", ["prototype", "SI, Adam kept", "ReLU with dendrites", "MLP", "prototype inferred"])
def test_seeds_side_by_side_equal_textbook(kind: type, case: str, small_run, digits) -> None:
    """Each seed is learned as if it were alone."""
    assert_seeds_equal_textbook(kind, *CASES[case], small_run, digits)


@pytest.mark.parametrize("case", ["SI + XdG", "SI with dropout", "a step held short"])
def test_whole_tensors_of_several_seeds_equal_textbook(case: str, small_run, digits) -> None:
    assert_seeds_equal_textbook(DenseLearner, *DENSE_CASES[case], small_run, digits)


def assert_seeds_equal_textbook(kind: type, variant: str, overrides: dict, small_run, digits) -> None:
    runs = [small_run(variant, **overrides, epochs=2, seed=seed) for seed in (5, 1, 8)]
    for run, learned in zip(runs, learn(kind, runs, digits), strict=True):
        assert_equal(learned, expected(run, digits), 1e-10)


@pytest.mark.parametrize("kind", [SparseSeedGroup, DenseLearner])
def test_seed_group_changes_nothing(kind: type, small_run, digits) -> None:
    """Where seeds take turns not even a bit; products of other shapes may sum in another order."""
    runs = [small_run("si_prototype", num_tasks=2, epochs=1, seed=seed) for seed in (5, 1, 8)]
    (alone,), together = learn(kind, runs[1:2], digits), learn(kind, runs, digits)
    assert_equal(together[1], alone, 0 if kind is SparseSeedGroup else 1e-13)


@pytest.mark.parametrize("kind", [SparseSeedGroup, DenseLearner])
def test_the_networks_hold_what_was_learned(kind: type, small_run, digits) -> None:
    """A result's network, as anyone would use it, is as accurate as the learner says."""
    runs = [small_run("prototype", num_tasks=1, seed=seed) for seed in (1, 2)]
    tasks = PermutedTasks(digits, runs[0].data, 1, CPU, torch.float64)
    learner = kind(runs, tasks)
    learner.begin_task(0)
    learner.learn_epoch(0, [generator(run.seed, "batch order") for run in runs])
    learner.end_task()
    (batch,) = tasks.test_batches(0, len(tasks.test_labels))
    for network, (accuracy,) in zip(learner.networks, learner.evaluate([0]).accuracy, strict=True):
        logits = network(batch[0], network.gates(tasks.mean_image(0)[None]))
        assert (logits.argmax(1) == batch[1]).double().mean().item() == accuracy


def test_a_gated_network_is_what_its_task_learned(small_run, digits) -> None:
    """Used with the gates of a task it is as accurate as the learner says; another task's units have not moved."""
    variant, overrides = DENSE_CASES["SI + XdG"]
    run = small_run(variant, num_tasks=2, **overrides)
    tasks = PermutedTasks(digits, run.data, 2, CPU, torch.float64)
    learner = DenseLearner([run], tasks)
    (network,), gates = learner.networks, task_gates(run.network, 2, run.seed)
    before = network.hidden[1].weight.detach().clone()
    learner.begin_task(0)
    learner.learn_epoch(0, [generator(run.seed, "batch order")])
    learner.end_task()
    on = gates[1][0, :, None] & gates[0][0]
    moved = network.hidden[1].weight != before
    assert moved[on].float().mean() > 0.9 and not moved[~on].any()
    (batch,) = tasks.test_batches(0, len(tasks.test_labels))
    logits = network(batch[0], [layer[0:1].double() for layer in gates])
    assert (logits.argmax(1) == batch[1]).double().mean().item() == learner.evaluate([0]).accuracy[0, 0]


@pytest.mark.parametrize("kind", [SparseSeedGroup, DenseLearner])
@pytest.mark.parametrize(
    ("overrides", "sizes"),
    [({}, [100] * 7), ({"keep_last_batch": True}, [100] * 7 + [68]), ({"random_batches": 9}, [100] * 9)],
)
def test_an_epoch_shows_the_images_that_it_should(kind: type, overrides: dict, sizes: list, small_run, digits) -> None:
    """Each once, and the rest is dropped or makes a shorter batch; or so many batches with replacement."""
    run = small_run("three_layer_mlp", batch_size=100, **overrides)
    learner = kind([run], PermutedTasks(digits, run.data, 1, CPU, torch.float64))
    batches = learner.batches.draw(generator(1, "batch order"))
    assert [len(batch) for batch in batches] == sizes
    rows = torch.cat(batches)
    assert (rows.unique().numel() == len(rows)) == ("random_batches" not in overrides)
    assert rows.max() < 768


def test_single_precision_stays_at_rounding(small_run, digits) -> None:
    """One epoch: later, a winner that changes by rounding would grow, as in any single-precision training."""
    run = small_run("prototype", num_tasks=1, epochs=1, numerics__precision="float32")
    learned, wanted = learn(SparseSeedGroup, [run], digits)[0], expected(run, digits)
    for name, value in wanted.weights.items():
        assert (learned.weights[name] - value).norm() / value.norm() < 1e-4, name
    assert learned.losses == pytest.approx(wanted.losses, rel=1e-4)


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
    assert_equal(learn(SparseSeedGroup, [run], digits)[0], expected(run, digits), 1e-10)
    assert sum(changes) > 20


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_threads_do_not_change_a_bit(threads: int, small_run, digits) -> None:
    run = small_run("si_prototype", num_tasks=2, numerics__precision="float32")
    results = []
    for count in (1, threads):
        torch.set_num_threads(count)
        results += learn(SparseSeedGroup, [run], digits)
    torch.set_num_threads(1)
    one, several = results
    assert all(torch.equal(one.weights[name], value) for name, value in several.weights.items())
    assert one[1:3] == several[1:3]


def test_what_enters_a_matrix_product_is_aligned(small_run, digits) -> None:
    """Otherwise its bits could differ from process to process."""
    run = small_run("three_layer_mlp", numerics__precision="float32")
    tasks = PermutedTasks(digits, run.data, 1, CPU, torch.float32)
    learner = SparseLearner(run, tasks)
    arrays = [layer.theta for layer in learner.layers]
    for buffers in (learner.buffers, learner.test_buffers):
        arrays += [*buffers.y, *buffers.dy, *(i.x.numpy() for i in buffers.inputs if hasattr(i, "x"))]
    assert [array.ctypes.data % 64 for array in arrays] == [0] * len(arrays)


DIGEST = """
import conftest, hashlib, learning
from active_dendrites.learners.sparse.seed_group import SparseSeedGroup
small_run = conftest.small_run.__wrapped__(conftest.declarations.__wrapped__())
digits = conftest.digits.__wrapped__()
for variant in ("prototype", "si_prototype", "three_layer_mlp"):
    run = small_run(variant, numerics__precision="float32", network__hidden_units=[130, 100])
    (learned,) = learning.learn(SparseSeedGroup, [run], digits)
    print(variant, hashlib.sha256(b"".join(w.numpy().tobytes() for w in learned.weights.values())).hexdigest())
"""


def test_a_process_that_compiles_gives_the_bits_of_one_that_loads(tmp_path) -> None:
    root = Path(__file__).parents[3]
    paths = os.pathsep.join([str(root / "workflow/src"), str(root / "tests"), str(root / "tests/support")])
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path), "PYTHONPATH": paths, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", DIGEST]
    compiling, loading = (subprocess.check_output(command, env=environment, text=True) for _ in range(2))
    assert compiling == loading
