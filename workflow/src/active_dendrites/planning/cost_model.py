"""What a run costs before it is made: steps, seconds, bytes. A model, for plans and for the limits of a queue."""

from collections.abc import Iterator
from itertools import pairwise

from active_dendrites.settings.datasets import DATASETS
from active_dendrites.settings.run import FEW_WINNERS, RunConfig
from active_dendrites.settings.segment_rules import STRONGEST

# Where the numbers come from.
MEASURED_ON = {"cpu": "AMD EPYC with AVX-512, one thread", "cuda": "NVIDIA H100"}


def count_steps(run: RunConfig) -> int:
    """Optimiser steps of a run."""
    images = run.data.train_images or DATASETS[run.dataset].train_images
    of_images = -(-images // run.batch_size) if run.keep_last_batch else images // run.batch_size
    return run.epochs * run.num_tasks * (run.random_batches or of_images)


def count_weights(run: RunConfig) -> tuple[int, int]:
    """Feed-forward weights, and those of segments; of a task-gated network those of a task's part."""
    network, context = run.network, run.context
    part = 1 if network.task_gate_density is None else 1.3 * network.task_gate_density
    sizes = [784, *(part * units for units in network.hidden_units), network.output_units]
    feedforward = sum(inputs * units for inputs, units in pairwise(sizes))
    context_size = context.num_pixels if context.infers else 784
    return round(feedforward), sum(network.hidden_units) * network.segments_per_unit * context_size


def moves_all_segments(run: RunConfig) -> bool:
    """Whether each step moves every segment, not those alone that have won."""
    return run.consolidation.include_segments or run.network.segment_rule != STRONGEST


def step_milliseconds(run: RunConfig, on_cpu: bool, num_seeds: int = 1) -> float:
    """One step of all seeds: a CPU takes them in turn, a GPU side by side."""
    return num_seeds * cpu_milliseconds(run) if on_cpu else gpu_milliseconds(run, num_seeds)


def cpu_milliseconds(run: RunConfig) -> float:
    """On one thread: so much in any case, so much for a million weights that a step has to pass over."""
    feedforward, segments = (count / 1e6 for count in count_weights(run))
    winners = run.network.winner_density
    all_segments = moves_all_segments(run)
    inferred = run.context.infers
    of_segments, inference = 0.0, 4 if inferred else 0
    if run.consolidation.include_segments:
        of_segments, inference = 8.5, 0
    elif all_segments:
        of_segments = 2.3
    elif inferred:
        of_segments = 0.3  # each batch has a context of its own, which all segments answer
    if winners is not None and winners <= FEW_WINNERS and not all_segments:
        of_weights = 0.6 + 41 * winners
    else:
        of_weights = 11.5 if run.network.hidden_dropout else 8.0
    if run.consolidation.protects and (winners is not None or run.network.task_gate_density is not None):
        of_weights *= 1.5  # path, importance and anchor are read too; beside whole products that is little
    elif winners is not None and not run.network.segments_per_unit:
        of_weights *= 1.4  # no gate keeps units from winning: more of them learn
    return 4 + inference + of_weights * feedforward + of_segments * segments


def gpu_milliseconds(run: RunConfig, num_seeds: int) -> float:
    """Fitted to results/reference/gpu_steps.csv, and within a quarter of each of its rows of float32."""
    feedforward, segments = (count / 1e6 for count in count_weights(run))
    network = run.network
    of_weights = 0.045
    if network.segments_per_unit or network.winner_density is not None:
        of_weights += 0.014  # masks, gates, k-winners
    if run.consolidation.protects:
        of_weights += 0.034
    of_seed = of_weights * feedforward + (0.06 if network.hidden_dropout else 0)
    if run.context.infers:
        of_seed += 2.5  # clusters of batches, on the host, one seed after the other
    if run.context.infers or moves_all_segments(run):
        of_seed += 0.01 * segments
    return 0.22 + num_seeds * of_seed


def run_seconds(run: RunConfig, on_cpu: bool, num_seeds: int = 1) -> float:
    """Learning and tests of seeds side by side."""
    # Testing an image is a third of learning it: there is no way back through the network.
    tests = sum(after_each_task(run)) * DATASETS[run.dataset].test_images / run.batch_size / 3
    return (count_steps(run) + tests) * step_milliseconds(run, on_cpu, num_seeds) / 1000


def after_each_task(run: RunConfig) -> Iterator[int]:
    """How many tasks are tested after each task."""
    for task in range(1, run.num_tasks + 1):
        yield task if run.evaluation.tests_all(task, run.num_tasks) else 1


def run_bytes(run: RunConfig) -> int:
    """The files of a finished run: activities, a row for each test, a line of the log for each epoch and task."""
    activity = 4 * run.num_tasks * run.network.hidden_units[-1]
    accuracy, log = 12 * sum(after_each_task(run)), 110 * run.num_tasks * (run.epochs + 1)
    return activity + accuracy + log + 4000
