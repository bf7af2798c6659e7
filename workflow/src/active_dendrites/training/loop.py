"""The continual-learning loop: learn one task after the other, test on all tasks seen so far.

Letters: R seeds, learned side by side, T tasks.
"""

import logging
import math
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from active_dendrites.data.images import Images
from active_dendrites.data.tasks import PermutedTasks
from active_dendrites.learners.learner import Learner
from active_dendrites.learners.sparse.scope import out_of_scope
from active_dendrites.models.contexts import Contexts
from active_dendrites.models.networks import Network, as_dtype, check_segment_rule
from active_dendrites.settings.run import RunConfig
from active_dendrites.settings.segment_rules import STRONGEST
from active_dendrites.settings.yaml_files import fault_line
from active_dendrites.training.checkpoint_manager import CheckpointManager
from active_dendrites.training.live_curves import LiveCurves, NoCurves
from active_dendrites.training.state import TrainingState

log = logging.getLogger(__name__)


class DivergedError(ArithmeticError):
    """The loss is no longer a number."""


@dataclass(frozen=True)
class Result:
    """What came out of the run of one seed.

    accuracy: (T, T) float64; [i, j] is the accuracy on task j after learning task i, a fraction of the task's
        test images; NaN where it was not measured. [i, i] always is.
    activity: (T, U) float32; the fraction of each task's test images that switch on each unit of the last hidden
        layer, after the last task.
    steps: optimiser steps taken.
    network: as it was after the last task.
    contexts: likewise; they hold the prototypes.
    """

    accuracy: np.ndarray
    activity: np.ndarray
    steps: int
    network: Network
    contexts: Contexts


def train(
    runs: Sequence[RunConfig],
    images: Images,
    device: torch.device,
    manager: CheckpointManager | None = None,
    curves: LiveCurves | None = None,
) -> list[Result]:
    """Learn one sequence of tasks with several seeds side by side. Source: method 3.1 and 4 to 6.

    Every seed has generators of its own, so that its result does not depend on its seed group, but for rounding.

    Args:
        runs: equal but for the seed.
        manager: saves the training, goes on from what it saved before, and ends it when it has to.
        curves: are told losses and accuracies as they come.
    Returns: a result for each run, in their order.
    Raises: DivergedError if a loss stops being a number; ValueError if runs differ, or data and settings do not fit;
        what the manager raises.
    """
    check_seed_group(runs)
    run = runs[0]
    make_reproducible(run.numerics.deterministic)
    if device.type == "cuda" and device.index is not None:
        torch.cuda.set_device(device)  # streams, recordings and Triton's kernels are those of the current device
    dtype = as_dtype(run.numerics.precision)
    learner = make_learner(runs, PermutedTasks(images, run.data, run.num_tasks, device, dtype))
    state = TrainingState(runs, learner)
    if manager:
        manager.resume(state, f"{learner.identity} on {device.type}")
    curves = curves or NoCurves()
    progress = Progress(state, curves)
    while True:
        state.begin_task()
        for index in range(state.epoch, run.epochs):
            epoch = state.begin_epoch(index)
            while not epoch.done:
                epoch.learn_step()
                curves.step(state)
                if manager:
                    manager.between_steps(state)
            progress.epoch(state.task, index, epoch.losses())
        tested = state.end_task()
        progress.task(state.task, tested.accuracy)
        if state.task + 1 == run.num_tasks:
            break
        state.advance()
        if manager:
            manager.between_tasks(state)
    steps = run.num_tasks * state.steps_per_task
    seeds = zip(state.accuracy, tested.activity, learner.networks, learner.contexts, strict=True)
    return [Result(accuracy, activity, steps, network, contexts) for accuracy, activity, network, contexts in seeds]


def check_seed_group(runs: Sequence[RunConfig]) -> None:
    """Raises: ValueError unless the runs differ in their seeds, and in nothing else."""
    seeds = [run.seed for run in runs]
    if not seeds or len(set(seeds)) < len(seeds):
        raise ValueError(fault_line("seeds", "", "one or more, each once", value=seeds))
    if len({run.settings_hash() for run in runs}) > 1:
        found = f"different settings for seeds {seeds}"
        raise ValueError(fault_line("runs side by side", "", "equal ones", found=found))


def make_reproducible(deterministic: bool) -> None:
    """Let PyTorch refuse, or not, what gives other bits when repeated."""
    if deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS asks for it, before its first product
        # It costs time, and nothing reads such memory here. PyTorch adds the name while it runs.
        torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    # The same as use_deterministic_algorithms, which takes two seconds to import the compiler.
    torch.set_deterministic_debug_mode("error" if deterministic else "default")


def make_learner(runs: Sequence[RunConfig], tasks: PermutedTasks) -> Learner[Any]:
    """Sparse work on a CPU; whole tensors on a GPU, and for what the sparse learner cannot do.

    Raises: ValueError for a segment rule of one's own that is none.
    """
    if runs[0].network.segment_rule != STRONGEST:
        check_segment_rule(runs[0].network.segment_rule)
    if tasks.train_bytes.is_cuda or out_of_scope(runs[0]):
        from active_dendrites.learners.dense.learner import DenseLearner

        return DenseLearner(runs, tasks)
    from active_dendrites.learners.sparse.seed_group import SparseSeedGroup  # loads Numba, which a GPU does not need

    return SparseSeedGroup(runs, tasks)


class Progress:
    """Counts steps, watches the losses, and writes one line an epoch and one a task."""

    def __init__(self, state: TrainingState, curves: LiveCurves) -> None:
        self.runs, self.curves = state.runs, curves
        self.run = state.runs[0]
        self.steps_per_epoch = state.learner.batches.steps
        self.steps = state.steps_before_epoch
        self.earlier_steps = state.steps  # those of earlier processes
        curves.begin(self.steps, self.run.num_tasks * state.steps_per_task)
        self.start = time.perf_counter()
        self.of_seeds = f" (means of {len(self.runs)} seeds)" if len(self.runs) > 1 else ""

    def epoch(self, task: int, epoch: int, losses: list[float]) -> None:
        """Log an epoch, given each seed's mean loss. Raises: DivergedError."""
        self.steps += self.steps_per_epoch
        self._check(task, epoch, losses)
        self.curves.epoch(self.steps, losses)
        step_seconds = (time.perf_counter() - self.start) / max(1, self.steps - self.earlier_steps)
        steps_left = self.run.num_tasks * self.run.epochs * self.steps_per_epoch - self.steps
        log.info(
            f"task {task + 1}/{self.run.num_tasks} epoch {epoch + 1}/{self.run.epochs}:"
            f" loss {np.mean(losses):.4f}{self.of_seeds}, {self.steps} steps, {1000 * step_seconds:.1f} ms a step,"
            f" {duration(step_seconds * steps_left)} left"
        )

    def _check(self, task: int, epoch: int, losses: list[float]) -> None:
        for run, loss in zip(self.runs, losses, strict=True):
            if not math.isfinite(loss):
                raise DivergedError(
                    f"{run.variant}, seed {run.seed}: the loss is {loss} at task {task + 1}, epoch {epoch + 1},"
                    f" within step {self.steps} at learning rate {run.learning_rate}"
                )

    def task(self, task: int, accuracy: np.ndarray) -> None:
        """Log a task, given each seed's accuracies, (R, tasks tested)."""
        num_tested = accuracy.shape[1]
        self.curves.task(self.steps, accuracy, range(task + 1 - num_tested, task + 1))
        on_all = f", {accuracy.mean():.2%} on all {num_tested} tasks seen" if num_tested > 1 else ""
        learned = f"task {task + 1}/{self.run.num_tasks} learned: accuracy {100 * accuracy[:, -1].mean():.2f}%"
        log.info(f"{learned}{on_all}{self.of_seeds}")


def duration(seconds: float) -> str:
    """Seconds for a person to read: 45 s, 3 min 20 s, 2 h 05 min."""
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"
