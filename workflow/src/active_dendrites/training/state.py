"""What the rest of a training depends on, between two steps; saved in checkpoints and restored from them.

Letters: R seeds, learned side by side, T tasks.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch

from active_dendrites.data.randomness import generator
from active_dendrites.learners.learner import Epoch, Evaluation, Learner
from active_dendrites.models.saving import State
from active_dendrites.settings.run import RunConfig


class TrainingState:
    """Task, epoch, generators and accuracies of a training, with its learner: all that the rest of it depends on.

    Attributes:
        task, epoch: that are being learned, or come next; from 0.
        in_task: whether the task has begun.
        current_epoch: the pass that is being learned; None between tasks.
        accuracy: (R, T, T), as far as it was tested; see `Result`.
    """

    def __init__(self, runs: Sequence[RunConfig], learner: Learner[Any]) -> None:
        self.runs = runs
        self.run = runs[0]
        self.learner = learner
        self.steps_per_task = self.run.epochs * learner.batches.steps
        self.task = self.epoch = 0
        self.in_task = False
        self.current_epoch: Epoch | None = None
        self.orders = [generator(each.seed, "batch order") for each in runs]
        self.orders_before_epoch = self._order_states()
        self.accuracy = np.full((len(runs), self.run.num_tasks, self.run.num_tasks), np.nan)

    def begin_task(self) -> None:
        """Begin the task, unless it was restored after its begin."""
        if not self.in_task:
            self.learner.begin_task(self.task)
        self.in_task = True

    def begin_epoch(self, epoch: int) -> Epoch:
        """Begin an epoch, or go on with the one that was restored."""
        if self.current_epoch is None or epoch != self.epoch:
            self.epoch = epoch
            self.current_epoch = self._begin_epoch()
        return self.current_epoch

    def _begin_epoch(self, states: Sequence[State] = ()) -> Epoch:
        self.orders_before_epoch = self._order_states()
        epoch: Epoch = self.learner.begin_epoch(self.task, self.orders, states)
        return epoch

    def _order_states(self) -> list[torch.Tensor]:
        return [order.get_state() for order in self.orders]

    def end_task(self) -> Evaluation:
        """Consolidate the task, and test it or all so far."""
        self.learner.end_task()
        task = self.task
        tests_all = self.run.evaluation.tests_all(task + 1, self.run.num_tasks)
        which = range(0 if tests_all else task, task + 1)
        tested = self.learner.evaluate(which)
        self.accuracy[:, task, which.start : which.stop] = tested.accuracy
        return tested

    def advance(self) -> None:
        """Go to the next task, which has not begun."""
        self.task += 1
        self.epoch = 0
        self.in_task = False
        self.current_epoch = None

    @property
    def steps_before_epoch(self) -> int:
        """Optimiser steps that each seed had taken when the epoch began."""
        return self.task * self.steps_per_task + self.epoch * self.learner.batches.steps

    @property
    def steps(self) -> int:
        """Optimiser steps that each seed has taken."""
        return self.steps_before_epoch + (self.current_epoch.steps_taken if self.current_epoch else 0)

    def states(self) -> Iterator[State]:
        """Of each seed, what has to be saved but for `changes`."""
        orders = self.orders_before_epoch if self.in_task else self._order_states()
        for order, accuracy, state in zip(orders, self.accuracy, self.learner.state(self.current_epoch), strict=True):
            yield {
                "task": self.task,
                "epoch": self.epoch,
                "within": self.in_task,
                "order": order,
                "accuracy": torch.tensor(accuracy),
                "learner": state,
            }

    def changes(self, everything: bool) -> list[State]:
        """See `Learner.changes`."""
        return self.learner.changes(self.current_epoch, everything)

    def restore(self, states: Sequence[State], changes: Sequence[Sequence[State]]) -> None:
        """Go on from where the states, one for each seed, were saved."""
        first = states[0]
        assert all(state[name] == first[name] for state in states for name in ("task", "epoch", "within"))
        self.task = first["task"]
        self.epoch = first["epoch"]
        self.in_task = first["within"]
        for seed, state in enumerate(states):
            self.orders[seed].set_state(state["order"])
            self.accuracy[seed] = state["accuracy"].numpy()
        learner_states = [state["learner"] for state in states]
        self.learner.restore(self.task if self.in_task else None, learner_states, changes)
        if self.in_task:
            self.current_epoch = self._begin_epoch(learner_states)
