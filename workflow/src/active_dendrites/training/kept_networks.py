"""Trained networks on disk: kept as safetensors with their settings, loaded again, asked for the classes of images.

Letters: B images, P pixels, T tasks, U units, C size of the context, N prototypes.
"""

from collections.abc import Sequence
from os import PathLike
from pathlib import Path

import torch
from safetensors.torch import load, save
from torch import Tensor

from active_dendrites.data.tasks import Normalisation, task_permutations
from active_dendrites.models.contexts import nearest_prototype
from active_dendrites.models.networks import Network, as_dtype
from active_dendrites.runs.files import atomic_file
from active_dendrites.runs.folders import NETWORK
from active_dendrites.runs.records import IncompleteRunError, read_record, read_sealed
from active_dendrites.settings.run import RunConfig
from active_dendrites.settings.yaml_files import fault_line

TEST_BATCH = 1000  # images that are classified at a time, to spare memory
OF_NETWORK = "network."  # begins the names of its tensors in the file


class TrainedNetwork:
    """The network of a run as it was after the last task, with all that a test of it needs.

    Attributes:
        run: its settings.
        network: weights, masks and segments; for use in PyTorch.
        prototypes: (N, C), the contexts that were learned; none without dendrites.
        templates: (N, P), what images are compared with to choose one of them.
        task_gates: of XdG, for each hidden layer (T, U) bool: the units that a task has; else none.
        permutations: (T, P), of each task's pixels.
    """

    def __init__(
        self,
        run: RunConfig,
        network: Network,
        prototypes: Tensor,
        templates: Tensor,
        task_gates: Sequence[Tensor],
        pixels: Normalisation,
    ) -> None:
        self.run, self.network, self.pixels = run, network, pixels
        self.prototypes, self.templates = prototypes, templates
        self.task_gates = list(task_gates)
        self.permutations = task_permutations(
            run.num_tasks, network.layers()[0].in_features, run.data.permutation_seed, run.data.first_task_identity
        )

    @torch.no_grad()
    def predict(self, images: Tensor, task: int) -> Tensor:
        """The class of each image, shown as the task shows it.

        The network is not told the task: each image takes the nearest prototype as its context (method 3.2). Only
        where the settings say `task_gate_density` (XdG), the task decides which units are on.

        Args:
            images: (B, P) or (B, 28, 28) uint8, as a dataset has them: not permuted, 0 is background.
            task: from 1.
        Returns: (B,) int64.
        Raises: ValueError for images of another shape or type, or a task that was not learned.
        """
        batches = torch.split(self.inputs(images, task), TEST_BATCH)
        return torch.cat([self.network(x, self.gates(x, task)).argmax(1) for x in batches])

    def inputs(self, images: Tensor, task: int) -> Tensor:
        """What the network sees of images in a task: pixels permuted and normalised, (B, P). See `predict`."""
        if not 1 <= task <= len(self.permutations):
            raise ValueError(fault_line("task", "", f"1 to {len(self.permutations)}", value=task))
        num_pixels = self.permutations.shape[1]
        if images.dtype != torch.uint8 or images.ndim < 2 or images[0].numel() != num_pixels:
            found = f"{str(images.dtype).removeprefix('torch.')} of shape {tuple(images.shape)}"
            raise ValueError(fault_line("images", "", f"uint8 of shape (B, {num_pixels})", found=found))
        permuted = images.flatten(1)[:, self.permutations[task - 1]].to(self.network.output.weight.dtype)
        return ((permuted / 255) - self.pixels.mean) / self.pixels.std

    def contexts(self, x: Tensor) -> Tensor:
        """Which prototype each image takes at a test, by index: (B, P), as `inputs` gives them, -> (B,)."""
        return nearest_prototype(x, self.templates)

    def gates(self, x: Tensor, task: int) -> list[Tensor]:
        """The gates of each hidden layer for each image, (B, U); none of networks without dendrites or task gates."""
        if self.task_gates:
            return [layer[task - 1].to(x.dtype).expand(len(x), -1) for layer in self.task_gates]
        if not self.network.dendrites():
            return []
        of_prototypes = self.network.gates(self.prototypes)
        return [layer[self.contexts(x)] for layer in of_prototypes]


def keep_network(folder: Path, trained: TrainedNetwork) -> None:
    """Write a trained network into the folder of its run, before the record, whose seal is then about it too.

    Raises: NoRoomError, FileError.
    """
    tensors = {f"{OF_NETWORK}{name}": value for name, value in trained.network.state_dict().items()}
    tensors |= {"prototypes": trained.prototypes, "templates": trained.templates}
    tensors |= {f"task_gates.{index}": gates for index, gates in enumerate(trained.task_gates)}
    with atomic_file(folder / NETWORK, binary=True) as file:
        file.write(save({name: value.detach().cpu().contiguous().clone() for name, value in tensors.items()}))


def load_network(folder: str | PathLike[str]) -> TrainedNetwork:
    """The trained network of a finished run, on the CPU.

    Args:
        folder: of the run, such as results/quick/runs/prototype/tasks-2/seed-1.
    Raises: IncompleteRunError naming the file that is missing or damaged.
    """
    folder = Path(folder)
    record = read_record(folder / "record.json")
    if not (folder / NETWORK).exists():
        expected = "that of a run trained with keep_network (config/config.yaml)"
        raise IncompleteRunError(fault_line(folder / NETWORK, "", expected, found="no such file"))
    run = RunConfig.model_validate(record["settings"])
    tensors = load(read_sealed(folder / NETWORK))
    gated_layers = 0 if run.network.task_gate_density is None else len(run.network.hidden_units)
    gates = [tensors.pop(f"task_gates.{index}") for index in range(gated_layers)]
    prototypes, templates = tensors.pop("prototypes"), tensors.pop("templates")
    num_pixels = tensors[f"{OF_NETWORK}hidden.0.weight"].shape[1]
    network = Network(run.network, num_pixels, prototypes.shape[1], run.seed, as_dtype(run.numerics.precision))
    network.load_state_dict({name.removeprefix(OF_NETWORK): value for name, value in tensors.items()})
    return TrainedNetwork(run, network.eval(), prototypes, templates, gates, Normalisation(**record["pixels"]))
