"""What a training asks of a cluster: minutes and megabytes, both generous; and which seeds are trained together."""

from collections.abc import Sequence

from active_dendrites.planning.cost_model import (
    count_steps,
    count_weights,
    moves_all_segments,
    step_milliseconds,
)
from active_dendrites.settings.datasets import DATASETS, MNIST
from active_dendrites.settings.run import RunConfig

# Megabytes of Python, CUDA and the images of MNIST; the two Snakemakes that stand around a training on a cluster take
# 300 of them.
BASE_MEGABYTES = 4000


def training_minutes(run: RunConfig, num_seeds: int, device: str, attempt: int) -> int:
    """A generous limit for the queue: at least twice what the steps cost, and twice that if an attempt has failed.

    Args:
        num_seeds: that one job trains side by side.
        device: as in config.yaml.
        attempt: from 1.
    """
    on_cpu = device == "cpu"
    expected = count_steps(run) * step_milliseconds(run, on_cpu, num_seeds) / 60_000
    # What one kind of CPU takes, and one of the fastest GPUs: others may take several times as long.
    return round(repeated(attempt) * (15 + (6 if on_cpu else 12) * expected))


def training_megabytes(run: RunConfig, num_seeds: int, device: str, attempt: int) -> int:
    """Memory of the host: the base, the images, and of each seed the weights with what learning keeps beside them.

    Args:
        num_seeds: that one job trains side by side.
        device: as in config.yaml; with `cuda` one network at a time is drawn on the host and leaves it.
        attempt: from 1.
    """
    feedforward, segments = count_weights(run)
    # Gradients, Adam's moments, consolidation and transients; of segments the moments, unless they are two numbers.
    shares = run.reset_optimizer and not run.context.infers
    copies_of_segments = 8 if moves_all_segments(run) else 1 if shares else 3
    each = 4 * (8 * feedforward + copies_of_segments * segments) / 1e6
    # Images are held as bytes, as lists or as float32; those of MNIST are in the base.
    dataset, mnist = DATASETS[run.dataset], DATASETS[MNIST]
    more = dataset.train_images + dataset.test_images - mnist.train_images - mnist.test_images
    images = 8 * 784 * more / 1e6
    return round(repeated(attempt) * (BASE_MEGABYTES + images + (each if device == "cuda" else num_seeds * each)))


def repeated(attempt: int) -> int:
    """How many times as much an attempt may take: never more than twice, which no queue would accept in the end.

    Most attempts fail for no fault of their own, and each goes on where the last one was saved.
    """
    return min(attempt, 2)


def seed_groups(seeds: Sequence[int], size: int) -> list[tuple[int, ...]]:
    """`size` seeds at a time; a last seed that is left over makes no group."""
    groups = [tuple(seeds[start : start + size]) for start in range(0, len(seeds), size)]
    return [group for group in groups if len(group) > 1]


def group_name(seeds: Sequence[int]) -> str:
    """1_to_4 for seeds in a row, else 1_3_7."""
    in_a_row = list(seeds) == list(range(seeds[0], seeds[-1] + 1))
    return f"{seeds[0]}_to_{seeds[-1]}" if in_a_row else "_".join(map(str, seeds))
