"""What the training loop asks of a learner: to learn step by step, to be tested, to be saved between steps."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import ClassVar, NamedTuple

import numpy as np
import torch

from active_dendrites.data.batches import Batches
from active_dendrites.models.contexts import NoContexts
from active_dendrites.models.networks import Network
from active_dendrites.models.saving import State


class Learner(ABC):
    """Learns several seeds side by side.

    A learner is saved in two parts for each seed: its `state`, and the `changes` of what is large and mostly stays as
    it is. All changes since the learner was made, in their order, and the last state are the whole of it.

    Attributes:
        identity: names the arithmetic in checkpoints: those of one learner do not go on in another. It never changes,
            whatever the class is called.
        networks: one for each seed; after `end_task` they hold what was learned.
        contexts: of each seed.
        batches: how an epoch is cut into steps.
    """

    identity: ClassVar[str]
    networks: Sequence[Network]
    contexts: Sequence[NoContexts]
    batches: Batches

    @abstractmethod
    def begin_task(self, task: int) -> None:
        """Start to learn a task."""

    @abstractmethod
    def begin_epoch(self, task: int, orders: Sequence[torch.Generator]) -> None:
        """Start a pass over the task, in an order of its own for each seed."""

    @abstractmethod
    def learn_step(self) -> None:
        """The next step of the epoch."""

    @property
    @abstractmethod
    def steps_taken(self) -> int:
        """Steps of the epoch that each seed has learned; where they take turns, their mean."""

    @property
    @abstractmethod
    def epoch_done(self) -> bool:
        """Whether no step of the epoch is left."""

    @abstractmethod
    def losses(self) -> list[float]:
        """The mean loss of the epoch's steps so far, of each seed."""

    def learn_epoch(self, task: int, orders: Sequence[torch.Generator]) -> list[float]:
        """One pass over the task; returns the losses."""
        self.begin_epoch(task, orders)
        while not self.epoch_done:
            self.learn_step()
        return self.losses()

    @abstractmethod
    def end_task(self) -> None:
        """Consolidate what was learned."""

    @abstractmethod
    def evaluate(self, which: Sequence[int]) -> "Tested":
        """Test these tasks, by their index from 0; of context networks, with the prototypes known so far."""

    @property
    @abstractmethod
    def changeable_bytes(self) -> int:
        """How large the `changes` of a seed are that hold everything."""

    @abstractmethod
    def state(self, task: int | None) -> Iterator[State]:
        """Of each seed, what the rest depends on but for `changes`; one after the other, since they may be large.

        Args:
            task: the one that is being learned; None between tasks, when less is needed.
        """

    @abstractmethod
    def changes(self, task: int | None, everything: bool) -> list[State]:
        """Of each seed, what has moved since this was called last, or everything; nothing where nothing has."""

    @abstractmethod
    def restore(self, task: int | None, states: Sequence[State], changes: Sequence[Sequence[State]]) -> None:
        """Copy the state and all changes of each seed; within an epoch, `begin_epoch` and `go_to` follow.

        The contexts are then those from before the epoch, because `begin_epoch` infers the epoch's anew.
        """

    @abstractmethod
    def go_to(self, states: Sequence[State]) -> None:
        """Leave out the steps of the epoch that were taken before it was saved."""


class Tested(NamedTuple):
    """What tests found on N tasks: accuracies (R, N), and what the last hidden layer did, (R, N, U).

    activity: the fraction of a task's test images for which a unit's output is not zero.
    """

    accuracy: np.ndarray
    activity: np.ndarray
