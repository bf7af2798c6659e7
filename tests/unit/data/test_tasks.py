"""Permutations, normalisation and batches."""

import hashlib

import pytest
import torch

from active_dendrites.data.batches import Batches
from active_dendrites.data.images import Images
from active_dendrites.data.randomness import generator
from active_dendrites.data.tasks import PermutedTasks, normalisation, task_permutations
from active_dendrites.models.networks import Network

CPU = torch.device("cpu")


def test_permutations_have_the_published_check_values() -> None:
    """Method, section 1: first entries of tasks 1, 2, 9, 99 and the digest of all 99."""
    permutations = task_permutations(100, 784, 42)
    assert permutations[0].tolist() == list(range(784))
    assert permutations[1, :8].tolist() == [470, 186, 370, 171, 190, 57, 202, 726]
    assert permutations[2, :8].tolist() == [307, 62, 564, 544, 151, 618, 482, 532]
    assert permutations[9, :8].tolist() == [250, 354, 138, 511, 441, 228, 319, 9]
    assert permutations[99, :8].tolist() == [569, 559, 634, 699, 654, 694, 295, 274]
    digest = hashlib.sha256(permutations[1:].to(torch.int16).numpy().tobytes()).hexdigest()
    assert digest.startswith("1afee5239a52f020")


def test_permutations_are_bijections_and_share_prefixes() -> None:
    many, few = task_permutations(20, 784, 42), task_permutations(5, 784, 42)
    assert torch.equal(many[:5], few)
    assert torch.equal(many.sort(1).values, torch.arange(784).expand(20, -1))
    assert not torch.equal(task_permutations(3, 784, 42, first_identity=False)[0], many[0])


@pytest.fixture
def tasks(small_run, digits) -> PermutedTasks:
    run = small_run("prototype")
    return PermutedTasks(digits, run.data, 3, CPU, torch.float64)


def test_black_is_the_constant_of_the_method(tasks: PermutedTasks) -> None:
    assert tasks.normalise(torch.zeros(1, dtype=torch.uint8)).item() == pytest.approx(-0.424, abs=5e-4)
    white = tasks.normalise(torch.full((1,), 255, dtype=torch.uint8)).item()
    assert white == pytest.approx((1 - 0.13062755) / 0.3081078)


def test_measured_pixels_have_zero_mean_and_unit_variance(small_run, digits: Images) -> None:
    """Over all training images, however few are learned."""
    run = small_run("prototype", data__pixel_mean="measured", data__pixel_std="measured", data__train_images=100)
    tasks = PermutedTasks(digits, run.data, 3, CPU, torch.float64)
    pixels = tasks.normalise(digits.train_images)
    assert pixels.mean().item() == pytest.approx(0, abs=1e-12)
    assert pixels.std(correction=0).item() == pytest.approx(1, abs=1e-9)
    assert len(tasks.train_bytes) == 100
    one = small_run("prototype", data__pixel_mean="measured").data
    assert normalisation(one, digits).mean == tasks.pixel_mean
    assert normalisation(one, digits).std == one.pixel_std


def test_images_of_a_task_are_permuted_and_normalised(tasks: PermutedTasks, digits: Images) -> None:
    images = torch.empty(digits.train_images.shape, dtype=torch.float64)
    tasks.write_images(2, images)
    assert torch.equal(images, tasks.normalise(digits.train_images[:, tasks.permutations[2]]))
    assert torch.equal(tasks.batch(2, torch.tensor([5, 3]))[0], images[[5, 3]])


def test_mean_image_is_the_mean_of_the_task(tasks: PermutedTasks, digits: Images) -> None:
    slow = tasks.normalise(digits.train_images)[:, tasks.permutations[1]].mean(0)
    assert torch.allclose(tasks.mean_image(1), slow, atol=1e-12)


def test_labels_beyond_the_head_are_refused(small_run, digits: Images) -> None:
    data = small_run("prototype", data__num_classes=9).data
    with pytest.raises(ValueError, match=r"found class 9, expected 0 to 8"):
        PermutedTasks(digits, data, 2, CPU, torch.float32)


def test_too_large_a_batch_is_refused(small_run) -> None:
    with pytest.raises(ValueError, match="found 1000, expected at most 768"):
        Batches(small_run("prototype", batch_size=1000), 768)


def test_changing_the_model_does_not_move_the_data(small_run) -> None:
    """Weights, masks and batch order come from generators of their own."""
    first = torch.rand(3, generator=generator(5, "batch order"))
    Network(small_run("prototype").network, 784, 784, seed=5)
    assert torch.equal(first, torch.rand(3, generator=generator(5, "batch order")))
    assert not torch.equal(first, torch.rand(3, generator=generator(5, "weights")))


@pytest.mark.parametrize(
    ("variant", "parameters", "non_zero"),
    [("prototype", 37_937_162, 35_026_954), ("three_layer_mlp", 5_824_522, 5_824_522)],
)
def test_parameter_counts_of_the_method(declarations, variant: str, parameters: int, non_zero: int) -> None:
    """Method 2.5, counted in the networks that 10 tasks are learned with."""
    network = Network(declarations.resolve("paper", variant, 10, 1).network, 784, 784, seed=1)
    assert sum(p.numel() for p in network.parameters()) == parameters
    masked = sum(int((~mask).sum()) for mask in network.buffers())
    assert parameters - masked == non_zero
