"""Where a training stands between two steps, and how it goes on from there.

Letters: R seeds, learned side by side, T tasks.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch

from active_dendrites.data.randomness import generator
from active_dendrites.learners.learner import Epoch, Learner, Tested
from active_dendrites.models.saving import State
from active_dendrites.settings.run import RunConfig


class Course:
    """Where a training stands: with the learner's state, all that the rest of it depends on.

    Attributes:
        task, epoch: that are being learned, or come next; from 0.
        within: whether the task has begun.
        learning: the epoch that is being learned; None between tasks.
        accuracy: (R, T, T), found so far; see `Result`.
    """

    def __init__(self, runs: Sequence[RunConfig], learner: Learner[Any]) -> None:
        self.runs, self.run, self.learner = runs, runs[0], learner
        self.orders = [generator(each.seed, "batch order") for each in runs]
        self.task, self.epoch, self.within = 0, 0, False
        self.accuracy = np.full((len(runs), self.run.num_tasks, self.run.num_tasks), np.nan)
        self.orders_before = self._order_states()  # before the epoch
        self.learning: Epoch | None = None
        self.steps_per_task = self.run.epochs * learner.batches.steps

    def begin_task(self) -> None:
        if not self.within:
            self.learner.begin_task(self.task)
        self.within = True

    def begin_epoch(self, epoch: int) -> Epoch:
        """Begin an epoch, or go on with the one that was restored."""
        if self.learning is None or epoch != self.epoch:
            self.epoch = epoch
            self.learning = self._begin_epoch()
        return self.learning

    def _begin_epoch(self, states: Sequence[State] = ()) -> Epoch:
        self.orders_before = self._order_states()
        epoch: Epoch = self.learner.begin_epoch(self.task, self.orders, states)
        return epoch

    def _order_states(self) -> list[torch.Tensor]:
        return [order.get_state() for order in self.orders]

    def end_task(self) -> Tested:
        """Consolidate the task, and test it or all so far."""
        self.learner.end_task()
        task = self.task
        tests_all = self.run.evaluation.tests_all(task + 1, self.run.num_tasks)
        which = range(0 if tests_all else task, task + 1)
        tested = self.learner.evaluate(which)
        self.accuracy[:, task, which.start : which.stop] = tested.accuracy
        return tested

    def go_on(self) -> None:
        """To the next task."""
        self.task, self.epoch, self.within = self.task + 1, 0, False
        self.learning = None

    @property
    def steps_before(self) -> int:
        """Optimiser steps that each seed had taken when the epoch began."""
        return self.task * self.steps_per_task + self.epoch * self.learner.batches.steps

    @property
    def steps(self) -> int:
        """Those that it has taken."""
        return self.steps_before + (self.learning.steps_taken if self.learning else 0)

    @property
    def place(self) -> tuple[int, int]:
        """Task and epoch, from 1."""
        return self.task + 1, self.epoch + 1

    def states(self) -> Iterator[State]:
        """Of each seed, what has to be saved but for `changes`."""
        orders = self.orders_before if self.within else self._order_states()
        for order, accuracy, state in zip(orders, self.accuracy, self.learner.state(self.learning), strict=True):
            yield {
                **{"task": self.task, "epoch": self.epoch, "within": self.within},
                **{"order": order, "accuracy": torch.tensor(accuracy), "learner": state},
            }

    def changes(self, everything: bool) -> list[State]:
        """See `Learner.changes`."""
        return self.learner.changes(self.learning, everything)

    def restore(self, states: Sequence[State], changes: Sequence[Sequence[State]]) -> None:
        """Go on from where the states, one for each seed, were saved."""
        first = states[0]
        assert all(state[name] == first[name] for state in states for name in ("task", "epoch", "within"))
        self.task, self.epoch, self.within = first["task"], first["epoch"], first["within"]
        for seed, state in enumerate(states):
            self.orders[seed].set_state(state["order"])
            self.accuracy[seed] = state["accuracy"].numpy()
        of_learner = [state["learner"] for state in states]
        self.learner.restore(self.task if self.within else None, of_learner, changes)
        if self.within:
            self.learning = self._begin_epoch(of_learner)
