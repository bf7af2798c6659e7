"""The sparse learner: winners that change, threads, memory and compilation, none of which changes a bit."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from learning import CPU, assert_equal, expected, learn

from active_dendrites.data.tasks import PermutedTasks
from active_dendrites.learners.sparse.learner import SparseLearner
from active_dendrites.learners.sparse.seed_group import SparseSeedGroup
from active_dendrites.learners.sparse.segments import Segments


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
    root = Path(__file__).parents[4]
    paths = os.pathsep.join([str(root / "workflow/src"), str(root / "tests"), str(root / "tests/support")])
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path), "PYTHONPATH": paths, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", DIGEST]
    compiling, loading = (subprocess.check_output(command, env=environment, text=True) for _ in range(2))
    assert compiling == loading
