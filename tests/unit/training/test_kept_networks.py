"""A trained network that was kept gives the accuracies of its run, and refuses what it cannot answer."""

import runpy
from pathlib import Path

import numpy as np
import pytest
import torch
from learning import CASES, CPU, DENSE_CASES

from active_dendrites.data.images import Images
from active_dendrites.data.tasks import normalisation
from active_dendrites.evaluation.metrics import continual_metrics
from active_dendrites.runs.folders import NETWORK
from active_dendrites.runs.provenance import machine
from active_dendrites.runs.records import IncompleteRunError, write_accuracy, write_record
from active_dendrites.settings.run import RunConfig
from active_dendrites.training.kept_networks import TrainedNetwork, keep_network, load_network
from active_dendrites.training.loop import train

SCRIPT = Path(__file__).parents[3] / "workflow/scripts/train.py"
NAMES = ["prototype", "prototype inferred", "MLP", "no dendrites", "segments consolidated", "XdG", "SI + XdG"]
KEPT = {name: (CASES | DENSE_CASES)[name] for name in NAMES}
KEPT["MLP"] = ("three_layer_mlp", {"learning_rate": 2e-4, "epochs": 1})  # which has something left to learn


def kept(folder: Path, run: RunConfig, digits: Images) -> np.ndarray:
    """Train and keep a network, as train.py does; its accuracies."""
    (result,) = train([run], digits, CPU)
    pixels = normalisation(run.data, digits)
    write_accuracy(folder / "accuracy.csv", result.accuracy)
    keep_network(folder, runpy.run_path(str(SCRIPT))["trained_network"](run, result, pixels))
    known = {"metrics": continual_metrics(result.accuracy), "pixels": pixels._asdict()}
    write_record(folder / "record.json", run, "quick", machine(CPU), **known)
    return result.accuracy


@pytest.fixture
def trained(tmp_path: Path, small_run, digits: Images) -> TrainedNetwork:
    kept(tmp_path, small_run("prototype", num_tasks=2, epochs=1), digits)
    return load_network(tmp_path)


@pytest.mark.parametrize("case", KEPT)
def test_predictions_have_the_accuracies_of_the_run(case: str, tmp_path: Path, small_run, digits: Images) -> None:
    variant, settings = KEPT[case]
    run = small_run(variant, **settings)
    expected = kept(tmp_path, run, digits)[-1]
    assert len(set(expected)) > 1, "tasks that nothing tells apart would hide a wrong permutation"
    network = load_network(tmp_path)
    right = [network.predict(digits.test_images, task + 1) == digits.test_labels for task in range(run.num_tasks)]
    assert [each.double().mean().item() for each in right] == list(expected)
    assert network.run == run


def test_images_may_have_their_shape(trained: TrainedNetwork, digits: Images) -> None:
    flat = trained.predict(digits.test_images, 2)
    assert torch.equal(trained.predict(digits.test_images.view(-1, 28, 28), 2), flat)


@pytest.mark.parametrize(
    ("images", "found"),
    [
        (
            torch.zeros(3, 100, dtype=torch.uint8),
            "uint8 of shape (3, 100)",
        ),
        (torch.zeros(3, 784), "float32 of shape (3, 784)"),
        (torch.zeros(784, dtype=torch.uint8), "uint8 of shape (784,)"),
    ],
)
def test_other_images_are_refused(trained: TrainedNetwork, images: torch.Tensor, found: str) -> None:
    with pytest.raises(ValueError) as error:
        trained.predict(images, 1)
    assert str(error.value) == f"images: found {found}, expected uint8 of shape (B, 784)"


@pytest.mark.parametrize("task", [0, 3, -1])
def test_a_task_that_was_not_learned_is_refused(trained: TrainedNetwork, digits: Images, task: int) -> None:
    with pytest.raises(ValueError) as error:
        trained.predict(digits.test_images, task)
    assert str(error.value) == f"task: found {task}, expected 1 to 2"


def test_a_run_without_network_says_how_to_get_one(tmp_path: Path, trained: TrainedNetwork) -> None:
    (tmp_path / NETWORK).unlink()
    with pytest.raises(IncompleteRunError, match=r"network.safetensors: found no such file, .*keep_network"):
        load_network(tmp_path)


def test_damage_does_not_pass(tmp_path: Path, trained: TrainedNetwork) -> None:
    path = tmp_path / NETWORK
    whole = path.read_bytes()
    draws = np.random.default_rng(0)
    for position in draws.integers(len(whole), size=20):
        damaged = bytearray(whole)
        damaged[position] ^= 1 << draws.integers(8)
        path.write_bytes(damaged)
        with pytest.raises(IncompleteRunError, match=NETWORK):
            load_network(tmp_path)
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(IncompleteRunError, match=NETWORK):
        load_network(tmp_path)
