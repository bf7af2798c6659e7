"""Learning on a GPU: equal to the textbook formulation there too. `pytest -m gpu` runs these alone."""

import pytest
import torch
from learning import CASES, DENSE_CASES, assert_equal, expected, learn
from stopping import StoppingManager

from active_dendrites.learners.dense import learner as dense
from active_dendrites.learners.dense.learner import DenseLearner
from active_dendrites.learners.matmul import Products
from active_dendrites.training import loop as engine
from active_dendrites.training.checkpoint_manager import CheckpointManager
from active_dendrites.training.interruptions import InterruptedTraining
from active_dendrites.training.loop import make_reproducible

ALL_CASES = CASES | DENSE_CASES
pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")]
GPU = torch.device("cuda")


@pytest.fixture(autouse=True)
def reproducible(one_thread):
    """As the training sets it: what PyTorch cannot repeat, or record, is an error here.

    One thread in each worker: the textbook of many workers with as many threads as cores would wait for itself.
    """
    make_reproducible(True)
    yield
    make_reproducible(False)


@pytest.mark.parametrize("case", ALL_CASES)
def test_learner_equals_textbook(case: str, small_run, digits) -> None:
    variant, overrides = ALL_CASES[case]
    run = small_run(variant, **overrides)
    assert_equal(learn(DenseLearner, [run], digits, GPU)[0], expected(run, digits, GPU), 1e-10)


SIDE_BY_SIDE = ["prototype", "SI, Adam kept", "MLP", "prototype inferred", "SI + XdG", "SI with dropout"]


@pytest.mark.parametrize("case", SIDE_BY_SIDE)
def test_eight_seeds_side_by_side_equal_textbook(case: str, small_run, digits) -> None:
    variant, overrides = ALL_CASES[case]
    runs = [small_run(variant, **overrides, epochs=1, seed=seed) for seed in range(8)]
    for run, learned in zip(runs, learn(DenseLearner, runs, digits, GPU), strict=True):
        assert_equal(learned, expected(run, digits, GPU), 1e-10)


@pytest.mark.parametrize("case", SIDE_BY_SIDE)
def test_replayed_steps_equal_steps_as_they_are(case: str, small_run, digits, monkeypatch) -> None:
    variant, overrides = ALL_CASES[case]
    runs = [small_run(variant, **overrides, seed=seed) for seed in (1, 2)]
    replayed = learn(DenseLearner, runs, digits, GPU)
    monkeypatch.setattr(dense, "Replayed", lambda step, *generators: step)
    for learned, wanted in zip(replayed, learn(DenseLearner, runs, digits, GPU), strict=True):
        assert_equal(learned, wanted, 1e-12)


@pytest.mark.parametrize(("precision", "tolerance"), [("tf32", 2**-10), ("bfloat16", 1e-5)])
def test_hardware_rounds_as_the_emulation(precision: str, tolerance: float) -> None:
    """bfloat16 to the order of sums; how a GPU rounds to tf32 is not documented."""
    a, b = torch.randn(2, 64, 784), torch.randn(2, 784, 32)
    here, there = Products(precision, on_gpu=False), Products(precision, on_gpu=True)
    wanted = here.multiply(here.operand(a), here.operand(b))
    learned = there.multiply(there.operand(a.to(GPU)), there.operand(b.to(GPU))).cpu()
    assert (learned - wanted).norm() < tolerance * wanted.norm()
    assert not torch.backends.cuda.matmul.allow_tf32


@pytest.mark.parametrize("case", ["prototype", "SI, Adam kept", "prototype inferred", "SI + XdG", "SI with dropout"])
def test_a_stopped_training_goes_on_to_the_same_bits(case: str, small_run, digits, tmp_path) -> None:
    """Two seeds side by side, stopped within the second task and going on in the same deterministic mode."""
    variant, overrides = ALL_CASES[case]
    runs = [small_run(variant, num_tasks=2, epochs=2, **overrides, seed=seed) for seed in (1, 2)]
    folders = [tmp_path / str(run.seed) for run in runs]
    steps = 2 * overrides.get("random_batches", 12)
    with pytest.raises(InterruptedTraining):
        engine.train(runs, digits, GPU, StoppingManager(runs, folders, after=steps + 5))
    learned = engine.train(runs, digits, GPU, CheckpointManager(runs, folders))
    for one, other in zip(learned, engine.train(runs, digits, GPU), strict=True):
        assert (one.accuracy[1] == other.accuracy[1]).all()
        weights = zip(one.network.parameters(), other.network.parameters(), strict=True)
        assert all(torch.equal(*pair) for pair in weights)
