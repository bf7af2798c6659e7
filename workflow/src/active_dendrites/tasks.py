"""permutedMNIST: the images stay on the device as bytes; a task is a permutation of their pixels, never a copy.

Letters: N images, B batch, P pixels.
"""

from collections.abc import Iterator

import torch
from torch import Tensor

from active_dendrites.config import DataConfig
from active_dendrites.mnist import MNIST


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


class PermutedTasks:
    """A sequence of permutedMNIST tasks on one device.

    Args:
        mnist: bytes (N, P) and labels (N,), train and test.
        data: permutations and normalisation.
        num_tasks: length of the sequence.
        device, dtype: of the images handed out.

    Raises: ValueError if a label has no place in the head.
    """

    def __init__(
        self, mnist: MNIST, data: DataConfig, num_tasks: int, device: torch.device, dtype: torch.dtype
    ) -> None:
        largest = int(max(mnist.train_labels.max(), mnist.test_labels.max()))
        if largest >= data.num_classes:
            raise ValueError(f"labels: found class {largest}, expected 0 to {data.num_classes - 1} (data.num_classes)")
        self.data, self.num_tasks, self.dtype = data, num_tasks, dtype
        used = slice(data.train_images)
        self.train_bytes = mnist.train_images[used].to(device)
        self.train_labels = mnist.train_labels[used].to(device)
        self.test_bytes, self.test_labels = mnist.test_images.to(device), mnist.test_labels.to(device)
        self.num_pixels = mnist.train_images.shape[1]
        self.permutations = task_permutations(
            num_tasks, self.num_pixels, data.permutation_seed, data.first_task_identity
        ).to(device)
        parts = (part.float().sum(0).double() for part in self.train_bytes.split(1000))  # exact: less than 2^24
        self._mean_image = self.normalise(sum(parts) / len(self.train_bytes))

    def normalise(self, pixels: Tensor) -> Tensor:
        """Bytes 0..255 to zero mean and unit variance over MNIST's training pixels. Source: method 1."""
        return ((pixels.to(self.dtype) / 255) - self.data.pixel_mean) / self.data.pixel_std

    def mean_image(self, task: int) -> Tensor:
        """(P,) mean of the task's normalised training images: task 0's mean, permuted. Source: method 2.6, 3.1."""
        return self._mean_image[self.permutations[task]]

    def steps_per_epoch(self, batch_size: int) -> int:
        """Whole batches in the training images; a shorter last one is dropped. Raises: ValueError if none."""
        if batch_size > len(self.train_bytes):
            raise ValueError(
                f"batch_size: found {batch_size}, expected at most {len(self.train_bytes)} training images"
            )
        return len(self.train_bytes) // batch_size

    def write_images(self, task: int, images: Tensor) -> None:
        """All training images of the task into `images`, (N, P), some at a time to spare memory."""
        for pixels, part in zip(self.train_bytes.split(10_000), images.split(10_000), strict=True):
            part.copy_(self._permuted(pixels, task))

    def batch(self, task: int, rows: Tensor) -> tuple[Tensor, Tensor]:
        """The training images `rows`, (B, P), and their labels, (B,)."""
        return self._permuted(self.train_bytes[rows], task), self.train_labels[rows]

    def test_batches(self, task: int, batch_size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """All test images of the task: images (B, P) and labels (B,)."""
        for start in range(0, len(self.test_bytes), batch_size):
            rows = slice(start, start + batch_size)
            yield self._permuted(self.test_bytes[rows], task), self.test_labels[rows]

    def _permuted(self, pixels: Tensor, task: int) -> Tensor:
        return self.normalise(pixels.index_select(1, self.permutations[task]))
