"""Sparse learners of several seeds, as one learner."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch

from active_dendrites.data.tasks import PermutedTasks
from active_dendrites.learners.learner import Learner, Tested
from active_dendrites.learners.sparse.learner import SparseLearner
from active_dendrites.models.saving import State
from active_dendrites.settings.run import RunConfig


class InTurn(Learner):
    """A sparse learner for each seed: within an epoch one after the other."""

    identity = "InTurn"

    def __init__(self, runs: Sequence[RunConfig], tasks: PermutedTasks) -> None:
        self.learners = [SparseLearner(run, tasks) for run in runs]
        self.networks = [learner.network for learner in self.learners]
        self.contexts = [learner.contexts for learner in self.learners]
        self.batches = self.learners[0].batches

    def begin_task(self, task: int) -> None:
        for learner in self.learners:
            learner.begin_task(task)

    def begin_epoch(self, task: int, orders: Sequence[torch.Generator]) -> None:
        for learner, order in zip(self.learners, orders, strict=True):
            learner.begin_epoch(task, order)

    @property
    def steps_taken(self) -> int:
        return sum(learner.done for learner in self.learners) // len(self.learners)

    @property
    def changeable_bytes(self) -> int:
        return sum(segments.changeable_bytes for segments in self.learners[0].segments)

    @property
    def epoch_done(self) -> bool:
        return all(learner.epoch_done for learner in self.learners)

    def learn_step(self) -> None:
        next(learner for learner in self.learners if not learner.epoch_done).learn_step()

    def losses(self) -> list[float]:
        return [learner.mean_loss for learner in self.learners]

    def end_task(self) -> None:
        for learner in self.learners:
            learner.end_task()

    def evaluate(self, which: Sequence[int]) -> Tested:
        found = [learner.evaluate(which) for learner in self.learners]
        return Tested(*(np.concatenate(same) for same in zip(*found, strict=True)))

    def state(self, task: int | None) -> Iterator[State]:
        return (learner.state(task) for learner in self.learners)

    def changes(self, task: int | None, everything: bool) -> list[State]:
        return [learner.changes(task, everything) for learner in self.learners]

    def restore(self, task: int | None, states: Sequence[State], changes: Sequence[Sequence[State]]) -> None:
        for learner, state, own_changes in zip(self.learners, states, changes, strict=True):
            learner.restore(state, own_changes)

    def go_to(self, states: Sequence[State]) -> None:
        for learner, state in zip(self.learners, states, strict=True):
            learner.go_to(state)
