"""The learners equal the textbook formulation: float64 to 1e-10 over several tasks, float32 to rounding."""

import pytest
import torch
from learning import CASES, CPU, DENSE_CASES, assert_equal, expected, learn, learn_plainly

from active_dendrites.data.randomness import generator
from active_dendrites.data.tasks import PermutedTasks
from active_dendrites.learners import textbook
from active_dendrites.learners.dense import dropout
from active_dendrites.learners.dense.learner import DenseLearner
from active_dendrites.learners.sparse.seed_group import SparseSeedGroup


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


@pytest.mark.parametrize("case", ["XdG", "SI with dropout"])
def test_the_textbook_drops_what_a_device_draws(case: str, small_run, digits, monkeypatch) -> None:
    """A GPU's generator gives other numbers than the CPU's: here a generator of another seed stands for it."""
    variant, overrides = DENSE_CASES[case]
    run = small_run(variant, **overrides, epochs=1)
    at_home = learn(DenseLearner, [run], digits)[0]

    def elsewhere(seed: int, purpose: str, device: torch.device | str = "cpu") -> torch.Generator:
        return generator(seed + 1 if purpose == "dropout" else seed, purpose, device)

    monkeypatch.setattr(dropout, "generator", elsewhere)
    monkeypatch.setattr(textbook, "generator", elsewhere)
    abroad = learn(DenseLearner, [run], digits)[0]
    assert abroad.losses != at_home.losses
    assert_equal(abroad, learn_plainly(run, digits), 1e-10)


def test_accuracies_are_counts_divided_on_the_host(small_run, digits, monkeypatch) -> None:
    """A GPU divides by a constant through its reciprocal, so that CSVs of both devices would differ."""
    run = small_run("prototype", num_tasks=1, epochs=1)
    learner = DenseLearner([run], PermutedTasks(digits, run.data, 1, CPU, torch.float64))
    counts = torch.tensor([7]), torch.arange(24)[None]
    monkeypatch.setattr(learner, "_test", lambda task, tables: tuple(OnDevice.of(count) for count in counts))
    tested = learner.evaluate([0])
    assert tested.accuracy.tolist() == [[7 / 200]]
    assert tested.activity[0, 0].tolist() == (torch.arange(24).double() / 200).float().tolist()


class OnDevice(torch.Tensor):
    """A tensor that fails where it is divided before it is on the host."""

    @staticmethod
    def of(tensor: torch.Tensor) -> "OnDevice":
        return tensor.as_subclass(OnDevice)

    def cpu(self) -> torch.Tensor:
        return self.as_subclass(torch.Tensor)

    def __truediv__(self, other: object) -> torch.Tensor:
        raise AssertionError("divided on the device")


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
