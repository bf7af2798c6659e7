"""permutedMNIST: the images stay on the device as bytes; a task is a permutation of their pixels, never a copy.

Letters: N images, B batch, P pixels.
"""

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from active_dendrites.data.images import Images, pixel_statistics
from active_dendrites.settings.choices import choose
from active_dendrites.settings.run import DataConfig
from active_dendrites.settings.yaml_files import fault_line


def task_permutations(num_tasks: int, num_pixels: int, seed: int, first_identity: bool = True) -> Tensor:
    """Pixel permutations, one row a task: image of task t = image[permutations[t]]. Source: method 1.

    One generator draws the tasks in order, so that a task's permutation does not depend on how many follow.

    Returns: (num_tasks, num_pixels) int64.
    """
    draws = torch.Generator().manual_seed(seed)
    rows = [torch.arange(num_pixels)] if first_identity else []
    while len(rows) < num_tasks:
        rows.append(torch.randperm(num_pixels, generator=draws))
    return torch.stack(rows[:num_tasks])


class Normalisation(NamedTuple):
    """Of pixels scaled to 0..1: what is subtracted, and what they are divided by."""

    mean: float
    std: float


def normalisation(data: DataConfig, images: Images) -> Normalisation:
    """The numbers of the settings; `measured` is over all training images, however few are learned."""
    mean, std = data.pixel_mean, data.pixel_std
    if not isinstance(mean, str) and not isinstance(std, str):
        return Normalisation(mean, std)
    measured_mean, measured_std = pixel_statistics(images.train_images)
    return Normalisation(
        choose("data.pixel_mean", mean, measured=measured_mean) if isinstance(mean, str) else mean,
        choose("data.pixel_std", std, measured=measured_std) if isinstance(std, str) else std,
    )


class PermutedTasks:
    """A sequence of permutedMNIST tasks, or of another dataset in its shape, on one device.

    Args:
        images: bytes (N, P) and labels (N,), train and test.
        data: permutations and normalisation.
        num_tasks: length of the sequence.
        device, dtype: of the images handed out.

    Raises: ValueError if a label has no unit in the head.
    """

    def __init__(
        self, images: Images, data: DataConfig, num_tasks: int, device: torch.device, dtype: torch.dtype
    ) -> None:
        largest = int(max(images.train_labels.max(), images.test_labels.max()))
        if largest >= data.num_classes:
            expected = f"0 to {data.num_classes - 1} (data.num_classes)"
            raise ValueError(fault_line("labels", "", expected, found=f"class {largest}"))
        self.num_tasks, self.dtype = num_tasks, dtype
        self.pixel_mean, self.pixel_std = normalisation(data, images)
        used = slice(data.train_images)
        self.train_bytes = images.train_images[used].to(device)
        self.train_labels = images.train_labels[used].to(device)
        self.test_bytes, self.test_labels = images.test_images.to(device), images.test_labels.to(device)
        self.num_pixels = images.train_images.shape[1]
        self.permutations = task_permutations(
            num_tasks, self.num_pixels, data.permutation_seed, data.first_task_identity
        ).to(device)
        start = torch.zeros(self.num_pixels, dtype=torch.float64, device=device)
        parts = (part.float().sum(0).double() for part in torch.split(self.train_bytes, 1000))  # exact: less than 2^24
        total = sum(parts, start)
        self._mean_image = self.normalise(total / len(self.train_bytes))

    def normalise(self, pixels: Tensor) -> Tensor:
        """Bytes 0..255 to zero mean and unit variance over the dataset's training pixels. Source: method 1."""
        return self._scale(pixels.to(self.dtype))

    def _scale(self, pixels: Tensor) -> Tensor:
        return ((pixels / 255) - self.pixel_mean) / self.pixel_std

    def mean_image(self, task: int) -> Tensor:
        """(P,) mean of the task's normalised training images: task 0's mean, permuted. Source: method 2.6, 3.1."""
        return self._mean_image[self.permutations[task]]

    def write_images(self, task: int, images: Tensor) -> None:
        """All training images of the task into `images`, (N, P), a few thousand at a time to spare memory."""
        for pixels, part in zip(torch.split(self.train_bytes, 10_000), torch.split(images, 10_000), strict=True):
            part.copy_(self._permuted(pixels, task))

    def batch(self, task: int, rows: Tensor) -> tuple[Tensor, Tensor]:
        """The training images `rows`, (B, P), and their labels, (B,)."""
        return self._permuted(self.train_bytes[rows], task), self.train_labels[rows]

    def exact_pixels(self, task: int, rows: Tensor, pixels: Tensor) -> Tensor:
        """Some pixels of the training images `rows`, in float64 on the CPU: (B, len(pixels))."""
        columns = self.permutations[task][pixels.to(self.permutations.device)]
        chosen = self.train_bytes[rows.to(self.train_bytes.device)].index_select(1, columns)
        return self._scale(chosen.cpu().double())

    def test_batches(self, task: int, batch_size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """All test images of the task: images (B, P) and labels (B,)."""
        for start in range(0, len(self.test_bytes), batch_size):
            rows = slice(start, start + batch_size)
            yield self._permuted(self.test_bytes[rows], task), self.test_labels[rows]

    def _permuted(self, pixels: Tensor, task: int) -> Tensor:
        return self.normalise(pixels.index_select(1, self.permutations[task]))
