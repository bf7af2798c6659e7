"""Context vectors: which one enters the dendrites, while a task is learned and when it is tested.

In training a batch has one context. At test each image takes the nearest of the prototypes known so far; the task is
unknown (method 3.2).

Letters: P pixels, C size of the context, N prototypes.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

import torch
from torch import Tensor

from active_dendrites.data.randomness import generator
from active_dendrites.data.tasks import PermutedTasks
from active_dendrites.models.clustering import OnlineClusters
from active_dendrites.models.saving import State, copied
from active_dendrites.settings.choices import choose
from active_dendrites.settings.run import RunConfig


class Contexts(Protocol):
    """The contexts of one network."""

    @property
    def size(self) -> int:
        """C, the number of entries of a context."""

    @property
    def fixed(self) -> bool:
        """Whether all batches of a task have the same context."""

    @property
    def prototypes(self) -> Tensor:
        """The prototypes known so far, (N, C)."""

    @property
    def templates(self) -> Tensor:
        """(N, P), what images are compared with: prototypes, with zeros at pixels that they do not have.

        Pixels of zero add nothing to |c|^2 nor to x.c, so that the nearest is that of complete prototypes.
        """

    @property
    def num_clusters(self) -> int | None:
        """How many clusters were inferred while training; None where nothing is inferred."""

    def begin_task(self, task: int) -> Tensor | None:
        """The context of the task's batches, (1, C); None if there is none, or one for each batch."""

    def contexts_of_batches(self, task: int, batches: Sequence[Tensor]) -> Tensor:
        """A context for each batch, (batches, C), where they are not fixed; depends on the images alone."""

    def snapshot(self) -> State:
        """All that later contexts depend on, as it is now; `state` and `changes` may be asked of it later."""

    def state(self, snapshot: State) -> State:
        """The part of a snapshot that every checkpoint holds; see `Learner`."""

    def changes(self, snapshot: State, everything: bool) -> State:
        """The part of a snapshot that is large and has changed since the last call."""

    def restore(self, state: State, changes: Sequence[State]) -> None:
        """Take over a state and all changes."""


class NoContexts:
    """For networks without dendrites: no prototype, and nothing to save."""

    fixed, num_clusters = True, None

    def __init__(self, num_pixels: int) -> None:
        self.size = num_pixels
        self.prototypes = self.templates = torch.zeros(0, num_pixels)

    def begin_task(self, task: int) -> None:
        return None

    def contexts_of_batches(self, task: int, batches: Sequence[Tensor]) -> Tensor:
        raise AssertionError("a network without dendrites has no contexts")

    def snapshot(self) -> State:
        return {}

    def state(self, snapshot: State) -> State:
        return {}

    def changes(self, snapshot: State, everything: bool) -> State:
        return {}

    def restore(self, state: State, changes: Sequence[State]) -> None:
        return None


class TaskPrototypes:
    """The task's mean image, which is given while the task is learned. Source: method 3.1."""

    fixed, num_clusters = True, None

    def __init__(self, tasks: PermutedTasks) -> None:
        self.tasks, self.size = tasks, tasks.num_pixels
        self.prototypes = tasks.mean_image(0).new_empty(0, self.size)

    @property
    def templates(self) -> Tensor:
        return self.prototypes

    def begin_task(self, task: int) -> Tensor:
        context = self.tasks.mean_image(task)[None]
        self.prototypes = torch.cat([self.prototypes, context])
        return context

    def contexts_of_batches(self, task: int, batches: Sequence[Tensor]) -> Tensor:
        raise AssertionError("all batches of a task have the context that begin_task returns")

    def snapshot(self) -> State:
        return {"prototypes": copied(self.prototypes)}

    def state(self, snapshot: State) -> State:
        return snapshot

    def changes(self, snapshot: State, everything: bool) -> State:
        return {}

    def restore(self, state: State, changes: Sequence[State]) -> None:
        self.prototypes = state["prototypes"].to(self.prototypes.device)


class InferredPrototypes:
    """The mean of the cluster that a batch belongs to, in a random choice of pixels. Source: method 3.3.

    Clusters follow from the images and their order, not from the network: an epoch's contexts are inferred before it.
    """

    fixed = False

    def __init__(self, run: RunConfig, tasks: PermutedTasks) -> None:
        settings = run.context
        self.tasks, self.size = tasks, settings.num_pixels
        self.prototypes = torch.zeros(0, self.size)
        drawn = torch.randperm(tasks.num_pixels, generator=generator(run.seed, "context pixels"))
        self.pixels = drawn[: self.size].sort().values
        draws = generator(run.seed, "exemplars")
        self.clusters = OnlineClusters(
            self.size, exemplars=settings.exemplars, acceptance=settings.acceptance, draws=draws
        )
        self.saved: list[Tensor] = []  # the exemplars when `changes` was called last

    def begin_task(self, task: int) -> None:
        return None

    def contexts_of_batches(self, task: int, batches: Sequence[Tensor]) -> Tensor:
        contexts = []
        for rows in batches:
            cluster = self.clusters.assign(self.tasks.exact_pixels(task, rows, self.pixels))
            contexts.append(self._rounded(self.clusters.means[cluster]))  # already moved by this batch
        self.prototypes = self._rounded(self.clusters.means)
        return torch.stack(contexts)

    def snapshot(self) -> State:
        return {"prototypes": copied(self.prototypes), "clusters": self.clusters.snapshot()}

    def state(self, snapshot: State) -> State:
        small = {name: value for name, value in snapshot["clusters"].items() if name != "exemplars"}
        return snapshot | {"clusters": small}

    def changes(self, snapshot: State, everything: bool) -> State:
        """The exemplars of clusters that were given a batch: those of 100 clusters have 120 MB."""
        before, self.saved = self.saved, snapshot["clusters"]["exemplars"]
        known = set() if everything else {id(kept) for kept in before}  # which are never changed in place
        return {index: kept for index, kept in enumerate(self.saved) if id(kept) not in known}

    def restore(self, state: State, changes: Sequence[State]) -> None:
        self.prototypes = self._rounded(state["prototypes"])
        exemplars: dict[int, Tensor] = {}
        for change in changes:
            exemplars |= change
        self.saved = [exemplars[index].clone() for index in range(len(state["clusters"]["counts"]))]
        self.clusters.restore(state["clusters"] | {"exemplars": self.saved})

    def _rounded(self, means: Tensor) -> Tensor:
        return means.to(self.tasks.train_bytes.device, self.tasks.dtype)

    @property
    def num_clusters(self) -> int:
        return len(self.clusters)

    @property
    def templates(self) -> Tensor:
        templates = self.prototypes.new_zeros(len(self.prototypes), self.tasks.num_pixels)
        return templates.index_copy(1, self.pixels.to(templates.device), self.prototypes)


def make_contexts(run: RunConfig, tasks: PermutedTasks) -> Contexts:
    """The contexts of one run."""
    makers: dict[str, Callable[[], Contexts]] = {
        "none": lambda: NoContexts(tasks.num_pixels),
        "task_prototype": lambda: TaskPrototypes(tasks),
        "inferred_prototype": lambda: InferredPrototypes(run, tasks),
    }
    return choose("context.kind", run.context.kind, **makers)()


def nearest_prototype(x: Tensor, prototypes: Tensor) -> Tensor:
    """The nearest prototype of each sample by Euclidean distance: (B, C), (N, C) -> (B,). Source: method 3.2.

    |x - c|^2 is smallest where x.c - |c|^2 / 2 is largest, which is one matrix product.
    """
    return (x @ prototypes.T - prototypes.square().sum(1) / 2).argmax(1)
