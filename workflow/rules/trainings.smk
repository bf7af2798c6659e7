# For the rules that train: which seeds a job trains, and what a training needs.

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from active_dendrites import NUMERICS
from active_dendrites.planning.cost_model import (
    count_steps,
    count_weights,
    moves_all_segments,
    seed_group_factor,
    step_milliseconds,
)
from active_dendrites.runs.records import record_in

# -- which seeds a job trains ------------------------------------------------------------------------------
#
# Snakemake removes all outputs of a job before the job starts, and again if it fails. A group of seeds is therefore
# one job only where none of them has a result; where one has, the others are trained one by one.
# The flag update() would keep what exists, but a job that fails with other settings would restore the old results
# and have them taken for new ones: Snakemake notes the parameters of failed jobs as well.


class Training(NamedTuple):
    """One of the rules that train."""

    name: str
    seeds: list[int | str]  # that one job trains
    constraints: dict[str, str]  # patterns of wildcards: for which configurations


def trainings() -> list[Training]:
    """The rules that train, one for each group of seeds and last the one for any seed alone."""
    return [*grouped_trainings(), Training("train", ["{seed}"], {})]


def grouped_trainings() -> Iterator[Training]:
    """For each scale and group of seeds the configurations that have it, where no result exists."""
    groups: dict[tuple[str, tuple[int, ...]], list[str]] = {}
    for scale in DECLARATIONS.scales:
        for variant, num_tasks in DECLARATIONS.configurations(scale):
            for seeds in seed_groups(SEEDS[scale][variant]):
                # A job on a cluster comes here too, and must find its rule, whatever exists by now.
                if not (workflow.is_main_process and has_results(scale, variant, num_tasks, seeds)):
                    pattern = rf"{re.escape(variant)}(?=/tasks-{num_tasks}/)"
                    groups.setdefault((scale, seeds), []).append(pattern)
    for (scale, seeds), patterns in groups.items():
        in_order = seeds == tuple(range(seeds[0], seeds[-1] + 1))
        name = f"{seeds[0]}_to_{seeds[-1]}" if in_order else "_".join(map(str, seeds))
        yield Training(f"train_{scale}_seeds_{name}", list(seeds), {"scale": scale, "variant": "|".join(patterns)})


def seed_groups(seeds: list[int]) -> list[tuple[int, ...]]:
    """`seeds_per_job` at a time; a last seed that is left over makes no group."""
    size = config["seeds_per_job"]
    groups = [tuple(seeds[start : start + size]) for start in range(0, len(seeds), size)]
    return [group for group in groups if len(group) > 1]


def has_results(scale: str, variant: str, num_tasks: int, seeds: tuple[int, ...]) -> bool:
    """Whether any of these seeds has a result of today's settings."""
    settings_hash = settings_of(scale, variant, num_tasks).settings_hash()
    for folder in expand(RUN, scale=scale, variant=variant, num_tasks=num_tasks, seed=seeds):
        record = record_in(Path(folder)) or {}
        if (record.get("settings_hash"), record.get("numerics")) == (settings_hash, NUMERICS):
            return True
    return False


# -- what a training needs ---------------------------------------------------------------------------------


def training_minutes(num_seeds: int, wildcards, attempt) -> int:
    """A generous limit for the queue of a cluster: at least twice what a step costs, and twice that if it failed."""
    run, on_cpu = resolve(wildcards), config["device"] == "cpu"
    expected = count_steps(run) * step_milliseconds(run, on_cpu) * seed_group_factor(num_seeds, on_cpu) / 60_000
    # Expected is what was measured on a CPU. For a GPU it is generous already, and not measured.
    return round(repeated(attempt) * (15 + (6 if on_cpu else 2) * expected))


def training_memory(num_seeds: int, wildcards, attempt) -> int:
    """Megabytes: Python, CUDA and the images; and of each seed the weights, with what learning keeps beside them.

    The two Snakemakes that stand around a training on a cluster take 300 of them.
    """
    run = resolve(wildcards)
    feedforward, segments = count_weights(run)
    # Gradients, Adam's moments, consolidation and transients; of segments the moments, unless they are two numbers.
    shares = run.reset_optimizer and not run.context.infers
    copies_of_segments = 8 if moves_all_segments(run) else 1 if shares else 3
    each = 4 * (8 * feedforward + copies_of_segments * segments) / 1e6
    # A GPU has memory of its own: a network is drawn on the host, and leaves.
    # The images are held as bytes, as lists or as float32; of MNIST they are in the 4000.
    described = DATASETS[run.dataset]
    images = 8 * 784 * (described.train_images + described.test_images - 70_000) / 1e6
    return round(repeated(attempt) * (4000 + images + (each if config["device"] == "cuda" else num_seeds * each)))


def repeated(attempt: int) -> int:
    """How many times as much an attempt may take: never more than twice, which no queue would accept in the end.

    Most attempts fail for no fault of their own, and each goes on where the last one was saved.
    """
    return min(attempt, 2)


def lift_gpu_limit() -> None:
    """Let trainings fill the cores of a machine that has no GPU, whatever `--resources gpu=N` says.

    The rule says `gpu=1`, and Snakemake would run N of them at a time, with or without a GPU. A cluster (`--jobs`
    is given) counts its GPUs itself, and with `device: cuda` a missing GPU is a mistake.
    """
    if workflow.is_main_process and trains_here() and "gpu" in workflow.global_resources and trains_on_cpu():
        workflow.register_resource("gpu", None)


def trains_here() -> bool:
    """Whether trainings run on this machine."""
    return workflow.global_resources["_nodes"].value is None


def trains_on_cpu() -> bool:
    return config["device"] == "cpu" or (config["device"] == "auto" and lacks_gpu())


def lacks_gpu() -> bool:
    """Whether a training would find no GPU here, asked as the training asks it."""
    import torch  # here, because it takes seconds

    return torch.cuda.device_count() == 0
