"""The continual-learning loop: learn one task after the other, test on all tasks seen so far.

T is the number of tasks.
"""

import logging
import math
import os
import time
from dataclasses import dataclass

import numpy as np
import torch

from active_dendrites.config import RunConfig
from active_dendrites.dense import DenseLearner
from active_dendrites.mnist import MNIST
from active_dendrites.networks import Network, as_dtype
from active_dendrites.randomness import generator
from active_dendrites.sparse import SparseLearner
from active_dendrites.tasks import PermutedTasks

log = logging.getLogger(__name__)


class DivergedError(ArithmeticError):
    """The loss is no longer a number."""


@dataclass(frozen=True)
class Result:
    """What a run found.

    accuracy: (T, T) float64; [i, j] is the accuracy on task j after learning task i, a fraction of the task's
        test images; NaN where it was not measured.
    learning_accuracy: (T,) accuracy on each task right after it was learned.
    steps: optimiser steps taken.
    network: as it was after the last task.
    """

    accuracy: np.ndarray
    learning_accuracy: np.ndarray
    steps: int
    network: Network


def train(run: RunConfig, mnist: MNIST, device: torch.device) -> Result:
    """Learn the run's sequence of tasks. Source: method 3.1 and 4 to 6.

    Raises: DivergedError if the loss stops being a number; ValueError if data and settings do not fit.
    """
    if run.numerics.deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS asks for it, before its first product
    torch.use_deterministic_algorithms(run.numerics.deterministic)
    dtype = as_dtype(run.numerics.precision)
    tasks = PermutedTasks(mnist, run.data, run.num_tasks, device, dtype)
    network = Network(run.network, tasks.num_pixels, tasks.num_pixels, run.seed, dtype).to(device)
    learner = make_learner(run, tasks, network)
    prototypes = torch.stack([tasks.mean_image(task) for task in range(run.num_tasks)])
    has_context = run.context.kind == "task_prototype"
    order = generator(run.seed, "batch order")
    accuracy = np.full((run.num_tasks, run.num_tasks), np.nan)
    learning_accuracy = np.empty(run.num_tasks)
    progress = Progress(run, tasks.steps_per_epoch(run.batch_size))
    for task in range(run.num_tasks):
        learner.begin_task(prototypes[task : task + 1] if has_context else None)
        for epoch in range(run.epochs):
            progress.epoch(task, epoch, learner.learn_epoch(task, order))
        learner.end_task()
        tests_all = task + 1 in run.evaluation.after_tasks or task + 1 == run.num_tasks
        known = prototypes[: task + 1] if has_context else None
        tested = learner.evaluate(known, range(task + 1) if tests_all else [task])
        learning_accuracy[task] = tested[-1]
        if tests_all:
            accuracy[task, : task + 1] = tested
        progress.task(task, tested)
    return Result(accuracy, learning_accuracy, progress.steps, network)


def make_learner(run: RunConfig, tasks: PermutedTasks, network: Network) -> DenseLearner | SparseLearner:
    """Sparse work on a CPU; whole tensors on a GPU, and where segments are consolidated too."""
    whole = tasks.train_bytes.is_cuda or run.consolidation.include_segments
    return (DenseLearner if whole else SparseLearner)(run, tasks, network)


class Progress:
    """Counts steps, watches the loss, and writes one line an epoch and one a task."""

    def __init__(self, run: RunConfig, steps_per_epoch: int) -> None:
        self.run, self.steps_per_epoch = run, steps_per_epoch
        self.steps, self.start = 0, time.perf_counter()

    def epoch(self, task: int, epoch: int, loss: float) -> None:
        run = self.run
        self.steps += self.steps_per_epoch
        if not math.isfinite(loss):
            raise DivergedError(
                f"{run.variant}: the loss is {loss} at task {task + 1}, epoch {epoch + 1}, within step {self.steps}"
                f" at learning rate {run.learning_rate}"
            )
        elapsed = time.perf_counter() - self.start
        left = elapsed * (run.num_tasks * run.epochs * self.steps_per_epoch / self.steps - 1)
        log.info(
            "task %d/%d epoch %d/%d: loss %.4f, %d steps, %.1f ms a step, %s left",
            *(task + 1, run.num_tasks, epoch + 1, run.epochs, loss),
            *(self.steps, 1000 * elapsed / self.steps, duration(left)),
        )

    def task(self, task: int, tested: list[float]) -> None:
        on_all = f", {np.mean(tested):.2%} on all {len(tested)} tasks seen" if len(tested) > 1 else ""
        log.info("task %d/%d learned: accuracy %.2f%%%s", task + 1, self.run.num_tasks, 100 * tested[-1], on_all)


def duration(seconds: float) -> str:
    """Seconds for a person to read: 45 s, 3 min 20 s, 2 h 05 min."""
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"
