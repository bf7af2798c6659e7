"""Measure what a user waits for besides steps: start, memory, evaluation, checkpoints, runs at the same time.

Each measure runs in processes of its own, on the paper's settings and the real images. Writes a table.
"""

import argparse
import multiprocessing
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from threading import Barrier
from typing import Any, TypeVar

import pandas as pd
import torch

from active_dendrites.data.images import Images, load_images
from active_dendrites.data.randomness import generator
from active_dendrites.data.tasks import PermutedTasks
from active_dendrites.learners.sparse.learner import SparseLearner
from active_dendrites.runs.files import atomic_file
from active_dendrites.runs.folders import CHECKPOINTS
from active_dendrites.runs.provenance import machine
from active_dendrites.settings.datasets import MNIST
from active_dendrites.settings.declarations import PAPER, Declarations
from active_dendrites.settings.options import Parser, at_least, renamed_to, use_any_encoding
from active_dendrites.settings.run import RunConfig
from active_dendrites.training.checkpoint_manager import CheckpointManager
from active_dendrites.training.loop import train
from active_dendrites.training.state import TrainingState

T = TypeVar("T")

ROOT = Path(__file__).resolve().parents[2]
CPU = torch.device("cpu")
TASKS = 4  # learned while checkpoints are measured; there is none after the last
STEPS = 60  # of each run at the same time, after as many to warm up
# train.py itself, stopped by its first step; the last words are for whoever waits.
FIRST_STEP = """
import os, runpy, sys
from active_dendrites.learners.sparse.learner import SparseLearner
step = SparseLearner.learn_batch
def first_step(*arguments):
    step(*arguments)
    os._exit(0)
SparseLearner.learn_batch = first_step
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def main() -> None:
    use_any_encoding()
    parser = Parser(description=__doc__)
    parser.add_argument("--config", type=Path, default=ROOT / "config")
    parser.add_argument("--images", type=Path, default=ROOT / "results/data/mnist", help="folder of MNIST's IDX files")
    parser.add_argument("--mnist", type=renamed_to("--images"), help=argparse.SUPPRESS)
    parser.add_argument("--repeats", type=at_least(1), default=3)
    parser.add_argument("--threads", type=at_least(1), default=2)
    parser.add_argument("--table", type=Path, required=True)
    arguments = parser.parse_args()
    config, images, threads = arguments.config, arguments.images, arguments.threads
    memory, evaluation = alone(hundred_tasks, config, images, threads)
    starts = [start_to_first_step(config, images, threads) for _ in range(arguments.repeats)]
    gains = [gain_of_splitting(config, images, threads) for _ in range(arguments.repeats)]
    rows = [
        ("start of train.py to first step, 10 tasks", statistics.median(starts), "s", len(starts)),
        ("evaluating 1,000,000 images after 100 tasks", evaluation, "s", 1),
        ("peak memory of a training on 100 tasks", memory, "GB", 1),
        (
            f"{threads} one-thread runs over one {threads}-thread run, steps per second",
            statistics.median(gains),
            "",
            len(gains),
        ),
    ]
    for segments in (10, 100):
        measured = alone(checkpoints, config, images, threads, segments)
        rows += [(f"{what}, {segments} segments", value, unit, TASKS - 1) for what, value, unit in measured]
    table = pd.DataFrame(rows, columns=["measure", "value", "unit", "repeats"])
    table = table.assign(threads=threads, device=machine(CPU)["device"])
    with atomic_file(arguments.table) as file:
        table.to_csv(file, index=False, float_format="%.4g")


def alone(function: Callable[..., T], *arguments: Any) -> T:
    """The result of a function in a process of its own."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(function, arguments)


def read_images(declarations: Declarations, folder: Path) -> Images:
    return load_images(folder, declarations.datasets[MNIST].sha256)


def learner_of(run: RunConfig, images: Images, threads: int) -> tuple[SparseLearner, PermutedTasks]:
    torch.set_num_threads(threads)
    tasks = PermutedTasks(images, run.data, run.num_tasks, CPU, torch.float32)
    return SparseLearner(run, tasks), tasks


def hundred_tasks(config: Path, images: Path, threads: int) -> tuple[float, float]:
    """Gigabytes at most, and seconds for all test images of 100 tasks; each task is learned for a few steps."""
    declarations = Declarations(config)
    run = declarations.resolve(PAPER, "prototype", 100, seed=1)
    run = run.model_copy(update={"data": run.data.model_copy(update={"train_images": 4 * run.batch_size})})
    learner, tasks = learner_of(run, read_images(declarations, images), threads)
    order = generator(1, "batch order")
    for task in range(100):
        learner.begin_task(task)
        epoch = learner.begin_epoch(task, order)
        while not epoch.done:
            epoch.learn_step()
        learner.end_task()
    start = time.perf_counter()
    learner.evaluate(range(100))
    seconds = (time.perf_counter() - start) * 1_000_000 / (100 * len(tasks.test_labels))
    return machine(CPU)["peak_memory_mib"] * 2**20 / 1e9, seconds


class MeasuringManager(CheckpointManager):
    """Notes seconds and bytes of each checkpoint; takes one more in the middle of each task."""

    def __init__(self, run: RunConfig, folder: Path) -> None:
        super().__init__([run], [folder])
        self.within_tasks: list[tuple[float, int]] = []
        self.after_tasks: list[tuple[float, int]] = []

    def between_steps(self, state: TrainingState) -> None:
        super().between_steps(state)
        if state.steps % state.steps_per_task == state.steps_per_task // 2:
            self.save(state)

    def save(self, state: TrainingState) -> None:
        super().save(state)
        measured = self.within_tasks if state.in_task else self.after_tasks
        measured.append((self.schedule.save_seconds, self.last_bytes))


def checkpoints(config: Path, images: Path, threads: int, segments: int) -> list[tuple[str, float, str]]:
    """What checkpoints of a network cost, with so many segments per unit: medians over tasks."""
    torch.set_num_threads(threads)
    declarations = Declarations(config)
    run = declarations.resolve(PAPER, "prototype", 10, seed=1)
    network = run.network.model_copy(update={"segments_per_unit": segments})
    run = run.model_copy(update={"network": network, "num_tasks": TASKS})
    with tempfile.TemporaryDirectory(dir=images) as folder:  # a disk like that of the results, not memory
        manager = MeasuringManager(run, Path(folder))
        train([run], read_images(declarations, images), CPU, manager)
        on_disk = sum(path.stat().st_size for path in Path(folder, CHECKPOINTS).iterdir())
    after, after_bytes = map(statistics.median, zip(*manager.after_tasks, strict=True))
    within, within_bytes = map(statistics.median, zip(*manager.within_tasks, strict=True))
    task_seconds = (manager.seconds - manager.saving_seconds) / TASKS
    return [
        ("checkpoint after a task", after, "s"),
        ("checkpoint after a task", after_bytes / 1e6, "MB"),
        ("checkpoint after a task, of the time to learn and test it", 100 * after / task_seconds, "%"),
        ("checkpoint within a task, at most every five minutes", within, "s"),
        ("checkpoint within a task, at most every five minutes", within_bytes / 1e6, "MB"),
        (f"all checkpoints on disk after {TASKS} tasks", on_disk / 1e6, "MB"),
    ]


def start_to_first_step(config: Path, images: Path, threads: int) -> float:
    """Seconds from the start of the process, interpreter and imports included."""
    with tempfile.TemporaryDirectory() as folder:
        places = "--config", str(config), "--images", str(images), "--run-folder", folder
        what = "--variant", "prototype", "--num-tasks", "10", "--threads", str(threads), "--device", "cpu"
        script = str(Path(__file__).with_name("train.py"))
        start = time.perf_counter()
        subprocess.run(
            [sys.executable, "-c", FIRST_STEP, script, *places, *what], check=True, stderr=subprocess.DEVNULL
        )
        return time.perf_counter() - start


def gain_of_splitting(config: Path, images: Path, threads: int) -> float:
    """Steps per second of as many one-thread runs as threads, together, over those of one run with all threads."""
    return sum(together(config, images, threads, 1)) / sum(together(config, images, 1, threads))


def together(config: Path, images: Path, runs: int, threads: int) -> list[float]:
    """Steps per second of each of several runs at the same time."""
    context = multiprocessing.get_context("spawn")
    with context.Manager() as manager, context.Pool(runs) as pool:
        barrier = manager.Barrier(runs)
        return pool.starmap(steps_per_second, [(config, images, threads, barrier)] * runs, chunksize=1)


def steps_per_second(config: Path, images: Path, threads: int, barrier: Barrier) -> float:
    declarations = Declarations(config)
    run = declarations.resolve(PAPER, "prototype", 10, seed=1)
    learner, _ = learner_of(run, read_images(declarations, images), threads)
    learner.begin_task(0)
    positions = learner.images.positions(0)
    batches = (
        torch.randperm(60_000, generator=generator(1, "batch order"))[: STEPS * run.batch_size].view(STEPS, -1).numpy()
    )
    for batch in batches:
        learner.learn_batch(batch, positions)
    barrier.wait()
    start = time.perf_counter()
    for batch in batches:
        learner.learn_batch(batch, positions)
    return STEPS / (time.perf_counter() - start)


if __name__ == "__main__":
    main()
