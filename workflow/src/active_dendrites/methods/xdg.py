"""Task-gated networks (XdG): a task is learned and tested in the part of the network that its gates leave on.

Units that are off respond with zero and get no gradient, so no weight from or to them can move within the task (see
`learners.lazy_adam`). So each task has a network of a fifth of the units, a fifteenth of the weights, and nothing
changes but the time it takes.

The dense learner calls `enter` before a task, `leave` after it, and `parameters_of` and `gates_of` to test one.

Letters: R seeds, learned side by side, T tasks, U units, K units of a subnetwork.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from active_dendrites.data.randomness import generator
from active_dendrites.data.tasks import PermutedTasks
from active_dendrites.methods.synaptic_intelligence import SynapticIntelligence
from active_dendrites.settings.run import NetworkConfig, RunConfig

Index = tuple[Tensor, ...]  # of a parameter's entries


class Subnetworks:
    """The subnetwork of each task of R networks, all of the same shape, so that a step can be recorded once.

    Args:
        runs: settings, equal but for the seed.
        tasks: their number, pixels and device.
        full: parameters of the full networks, (R, ...): weight, bias, weight, bias, ...; learned in place.

    Attributes:
        units: for each hidden layer (R, T, K) int64: the task's units in order, then others, which stay off.
        parameters: of the subnetwork of the task that is being learned, in the order of `full`.
        gates: of this task, for each hidden layer (R, 1, K): 1 for units that are on, 0 for those that fill up.
        importance: of the full parameters, for Synaptic Intelligence.
    """

    def __init__(self, runs: Sequence[RunConfig], tasks: PermutedTasks, full: Sequence[Tensor]) -> None:
        network, device = runs[0].network, tasks.train_bytes.device
        assert network.task_gate_density is not None
        drawn = [task_gates(network, tasks.num_tasks, run.seed) for run in runs]
        self.units: list[Tensor] = []
        self.all_gates: list[Tensor] = []  # (R, T, K)
        for layer, size in enumerate(network.hidden_units):
            on = torch.stack([gates[layer] for gates in drawn])  # (R, T, U)
            width = subnetwork_units(size, network.task_gate_density)
            assert on.sum(-1).max() <= width, "more units on than six standard deviations above the mean"
            units = on.byte().argsort(dim=-1, descending=True, stable=True)[..., :width]
            self.units.append(units.to(device))
            self.all_gates.append(on.gather(-1, units).to(device, tasks.dtype))
        self.seeds = torch.arange(len(runs), device=device)
        self.pixels = torch.arange(tasks.num_pixels, device=device).expand(len(runs), -1)
        self.classes = torch.arange(network.output_units, device=device).expand(len(runs), -1)
        self.task, self.full = 0, full
        self.importance = [torch.zeros_like(parameter) for parameter in full]
        self.parameters = self.parameters_of(self.task)
        self.gates = [gates.clone() for gates in self.gates_of(self.task)]

    def enter(self, task: int, consolidation: SynapticIntelligence | None) -> None:
        """Put the task's part of the full networks into `parameters` and `gates`, and protect it."""
        self.task = task
        torch._foreach_copy_([*self.parameters, *self.gates], [*self.parameters_of(task), *self.gates_of(task)])
        if consolidation:
            importance = zip(self.importance, self._indices(task), strict=True)
            consolidation.take_over([of_full[index] for of_full, index in importance])

    def leave(self, consolidation: SynapticIntelligence | None) -> None:
        """Put what the subnetwork learned into the full networks."""
        indices = self._indices(self.task)
        for parameter, index, learned in zip(self.full, indices, self.parameters, strict=True):
            parameter[index] = learned
        if consolidation:
            for of_full, index, importance in zip(self.importance, indices, consolidation.importance, strict=True):
                of_full[index] = importance

    def parameters_of(self, task: int) -> list[Tensor]:
        """Those of a task's subnetwork, copied from the full networks."""
        return [parameter[index] for parameter, index in zip(self.full, self._indices(task), strict=True)]

    def gates_of(self, task: int) -> list[Tensor]:
        """The gates of a task, for each hidden layer (R, 1, K)."""
        return [gates[:, task, None] for gates in self.all_gates]

    def tensors(self) -> dict[str, list[Tensor]]:
        """The tensors that a checkpoint holds, by their names in it."""
        return {"whole": list(self.full), "whole_importance": self.importance}

    def activity_of_all(self, activity: Tensor, task: int, num_units: int) -> Tensor:
        """The activity of all units of the last hidden layer, (R, U), given that of the task's units, (R, K)."""
        return activity.new_zeros(len(activity), num_units).scatter(1, self.units[-1][:, task], activity)

    def _indices(self, task: int) -> list[Index]:
        """Of each full parameter, where the entries of the task's subnetwork are."""
        indices: list[Index] = []
        inputs = self.pixels
        for units in (*(layer[:, task] for layer in self.units), self.classes):
            indices.append((self.seeds[:, None, None], units[:, :, None], inputs[:, None, :]))
            indices.append((self.seeds[:, None], units))
            inputs = units
        return indices


def subnetwork_units(units: int, density: float) -> int:
    """K: as many units as a task ever has, six standard deviations above the mean, in sixteens."""
    most = density * units + 6 * math.sqrt(density * (1 - density) * units)
    return min(units, 16 * math.ceil(most / 16))


def task_gates(config: NetworkConfig, num_tasks: int, seed: int) -> list[Tensor]:
    """XdG: which units each task has, for each hidden layer (T, U) bool. Source: Masse et al. 2018; method 9.2.

    Each unit is on with probability `task_gate_density`, drawn once, task by task, so that a task's units do not
    depend on how many tasks follow.
    """
    density = config.task_gate_density
    assert density is not None
    draws = generator(seed, "task gates")
    tasks = [[torch.rand(units, generator=draws) < density for units in config.hidden_units] for _ in range(num_tasks)]
    return [torch.stack(layer) for layer in zip(*tasks, strict=True)]
