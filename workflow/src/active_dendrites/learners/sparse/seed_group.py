"""Sparse learners of several seeds, as one learner."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch

from active_dendrites.data.tasks import PermutedTasks
from active_dendrites.learners.learner import Epoch, Evaluation, Learner
from active_dendrites.learners.sparse.learner import SparseEpoch, SparseLearner
from active_dendrites.models.saving import State
from active_dendrites.settings.run import RunConfig


class SeedGroupEpoch(Epoch):
    """An epoch of each seed, one after the other."""

    def __init__(self, epochs: Sequence[SparseEpoch]) -> None:
        self.epochs = epochs

    @property
    def steps_taken(self) -> int:
        return sum(epoch.steps_taken for epoch in self.epochs) // len(self.epochs)

    @property
    def done(self) -> bool:
        return all(epoch.done for epoch in self.epochs)

    def learn_step(self) -> None:
        next(epoch for epoch in self.epochs if not epoch.done).learn_step()

    def losses(self) -> list[float]:
        return [epoch.mean_loss for epoch in self.epochs]


class SparseSeedGroup(Learner[SeedGroupEpoch]):
    """A sparse learner for each seed; within an epoch they take turns, one after the other."""

    identity = "InTurn"

    def __init__(self, runs: Sequence[RunConfig], tasks: PermutedTasks) -> None:
        self.learners = [SparseLearner(run, tasks) for run in runs]
        self.networks = [learner.network for learner in self.learners]
        self.contexts = [learner.contexts for learner in self.learners]
        self.batches = self.learners[0].batches

    def begin_task(self, task: int) -> None:
        for learner in self.learners:
            learner.begin_task(task)

    def begin_epoch(self, task: int, orders: Sequence[torch.Generator], states: Sequence[State] = ()) -> SeedGroupEpoch:
        own_states: Sequence[State | None] = states or [None] * len(orders)
        seeds = zip(self.learners, orders, own_states, strict=True)
        return SeedGroupEpoch([learner.begin_epoch(task, order, state) for learner, order, state in seeds])

    @property
    def changeable_bytes(self) -> int:
        return sum(segments.changeable_bytes for segments in self.learners[0].segments)

    def end_task(self) -> None:
        for learner in self.learners:
            learner.end_task()

    def evaluate(self, which: Sequence[int]) -> Evaluation:
        tested = [learner.evaluate(which) for learner in self.learners]
        return Evaluation(*(np.concatenate(same) for same in zip(*tested, strict=True)))

    def state(self, epoch: SeedGroupEpoch | None) -> Iterator[State]:
        return (learner.state(own) for learner, own in self._with_epochs(epoch))

    def changes(self, epoch: SeedGroupEpoch | None, everything: bool) -> list[State]:
        return [learner.changes(own, everything) for learner, own in self._with_epochs(epoch)]

    def _with_epochs(self, epoch: SeedGroupEpoch | None) -> Iterator[tuple[SparseLearner, SparseEpoch | None]]:
        return zip(self.learners, epoch.epochs if epoch else [None] * len(self.learners), strict=True)

    def restore(self, task: int | None, states: Sequence[State], changes: Sequence[Sequence[State]]) -> None:
        for learner, state, changes_of_seed in zip(self.learners, states, changes, strict=True):
            learner.restore(state, changes_of_seed)
