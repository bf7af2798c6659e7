"""Task-gated networks (XdG): a task is learned and tested in the part of the network that its gates leave on.

Units that are off answer zero and get no gradient. With Adam reset for each task they have no moments, and the penalty
of Synaptic Intelligence pulls nothing that has not moved: no weight from or to them can move within the task. So each
task has a network of a fifth of the units, a fifteenth of the weights, and nothing changes but the time it takes.

Letters: R seeds, learned side by side, T tasks, U units, K units of a subnetwork.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from active_dendrites.data.randomness import generator
from active_dendrites.data.tasks import PermutedTasks
from active_dendrites.settings.run import NetworkConfig, RunConfig

Places = list[tuple[Tensor, ...]]  # an index for each parameter: weight, bias, weight, bias, ...


class Subnetworks:
    """The subnetwork of each task of R networks, all of the same shape, so that a step can be recorded once.

    Attributes:
        units: for each hidden layer (R, T, K) int64: the task's units in order, then others, which stay off.
        gates: likewise, 1 for units that are on, 0 for those that fill up.
    """

    def __init__(self, runs: Sequence[RunConfig], tasks: PermutedTasks) -> None:
        network, device = runs[0].network, tasks.train_bytes.device
        drawn = [task_gates(network, tasks.num_tasks, run.seed) for run in runs]
        self.units, self.gates = [], []
        for layer, size in enumerate(network.hidden_units):
            on = torch.stack([gates[layer] for gates in drawn])  # (R, T, U)
            width = subnetwork_units(size, network.task_gate_density)
            assert on.sum(-1).max() <= width, "more units on than six standard deviations above the mean"
            units = on.byte().argsort(dim=-1, descending=True, stable=True)[..., :width]
            self.units.append(units.to(device))
            self.gates.append(on.gather(-1, units).to(device, tasks.dtype))
        self.seeds = torch.arange(len(runs), device=device)
        self.pixels = torch.arange(tasks.num_pixels, device=device).expand(len(runs), -1)
        self.classes = torch.arange(network.output_units, device=device).expand(len(runs), -1)

    def places(self, task: int) -> Places:
        """Where the parameters of the task's subnetwork are in those of the whole networks."""
        found, inputs = [], self.pixels
        for units in (*(layer[:, task] for layer in self.units), self.classes):
            found += [(self.seeds[:, None, None], units[:, :, None], inputs[:, None, :]), (self.seeds[:, None], units)]
            inputs = units
        return found

    def task_gates(self, task: int) -> list[Tensor]:
        """For each hidden layer (R, 1, K)."""
        return [gates[:, task, None] for gates in self.gates]

    def whole_activity(self, activity: Tensor, task: int, num_units: int) -> Tensor:
        """That of the last hidden layer's units, (R, K), among all its units, (R, U)."""
        whole = activity.new_zeros(len(activity), num_units)
        return whole.scatter(1, self.units[-1][:, task], activity)


def subnetwork_units(units: int, density: float) -> int:
    """K: as many units as a task ever has, six standard deviations above the mean, in sixteens."""
    most = density * units + 6 * math.sqrt(density * (1 - density) * units)
    return min(units, 16 * math.ceil(most / 16))


def task_gates(config: NetworkConfig, num_tasks: int, seed: int) -> list[Tensor]:
    """XdG: which units each task has, for each hidden layer (T, U) bool. Source: Masse et al. 2018; method 9.2.

    Each unit is on with probability `task_gate_density`, drawn once, task by task, so that a task's units do not
    depend on how many tasks follow.
    """
    draws, sizes = generator(seed, "task gates"), config.hidden_units
    tasks = [
        [torch.rand(units, generator=draws) < config.task_gate_density for units in sizes] for _ in range(num_tasks)
    ]
    return [torch.stack(layer) for layer in zip(*tasks, strict=True)]
