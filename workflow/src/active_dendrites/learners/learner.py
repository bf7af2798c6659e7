"""The interface of learners: they learn step by step, are tested, and are saved between two steps."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import ClassVar, Generic, NamedTuple, TypeVar

import numpy as np
import torch

from active_dendrites.data.batches import Batches
from active_dendrites.models.contexts import Contexts
from active_dendrites.models.networks import Network
from active_dendrites.models.saving import State


class Epoch(ABC):
    """A pass over a task, learned step by step by all seeds; made by `Learner.begin_epoch`."""

    @property
    @abstractmethod
    def steps_taken(self) -> int:
        """How many steps each seed has learned; where seeds take turns, the mean over them."""

    @property
    @abstractmethod
    def done(self) -> bool:
        """Whether no step is left."""

    @abstractmethod
    def learn_step(self) -> None:
        """Learn the next batch."""

    @abstractmethod
    def losses(self) -> list[float]:
        """The mean loss of the steps so far, of each seed."""


E = TypeVar("E", bound=Epoch)


class Learner(ABC, Generic[E]):
    """Learns several seeds side by side.

    A learner is saved in two parts for each seed: its `state`, and the `changes` of what is large and mostly stays as
    it is. All changes since the learner was made, in their order, with the last state make all of it.

    Attributes:
        identity: names the arithmetic in checkpoints: those of one learner do not go on in another. It never changes,
            whatever the class is called.
        networks: one for each seed; after `end_task` they hold what was learned.
        contexts: of each seed.
        batches: how an epoch is cut into steps.
    """

    identity: ClassVar[str]
    networks: Sequence[Network]
    contexts: Sequence[Contexts]
    batches: Batches

    @abstractmethod
    def begin_task(self, task: int) -> None:
        """Start to learn a task."""

    @abstractmethod
    def begin_epoch(self, task: int, orders: Sequence[torch.Generator], states: Sequence[State] = ()) -> E:
        """Start a pass over the task, or go on with one that was saved.

        Args:
            orders: of each seed, what its batches are drawn from; of a saved epoch, as they were before it.
            states: of each seed, those that `restore` was given; none for a new epoch.
        """

    def learn_epoch(self, task: int, orders: Sequence[torch.Generator]) -> list[float]:
        """One pass over the task; returns the losses."""
        epoch = self.begin_epoch(task, orders)
        while not epoch.done:
            epoch.learn_step()
        return epoch.losses()

    @abstractmethod
    def end_task(self) -> None:
        """Consolidate what was learned."""

    @abstractmethod
    def evaluate(self, which: Sequence[int]) -> "Evaluation":
        """Test tasks, given by index from 0; the contexts of images are the nearest of the prototypes known so far."""

    @property
    @abstractmethod
    def changeable_bytes(self) -> int:
        """The size of a seed's `changes` when they hold everything."""

    @abstractmethod
    def state(self, epoch: E | None) -> Iterator[State]:
        """What the rest of the training depends on, besides `changes`: a state for each seed, made when asked for.

        Args:
            epoch: the one that is being learned; None between tasks, when less is needed.
        """

    @abstractmethod
    def changes(self, epoch: E | None, everything: bool) -> list[State]:
        """For each seed, what has changed since the last call, or everything; empty where nothing has changed."""

    @abstractmethod
    def restore(self, task: int | None, states: Sequence[State], changes: Sequence[Sequence[State]]) -> None:
        """Copy the state and all changes of each seed; within an epoch, `begin_epoch` with these states follows.

        The contexts are then those from before the epoch, because `begin_epoch` infers the epoch's anew.

        Args:
            task: the one that was being learned; None between tasks.
        """


class Evaluation(NamedTuple):
    """The tests of N tasks.

    accuracy: (R, N), a fraction of a task's test images.
    activity: (R, N, U), of the last hidden layer: the fraction of them for which a unit's output is not zero.
    """

    accuracy: np.ndarray
    activity: np.ndarray
