"""Batches of a task: which images each step of an epoch learns."""

import torch
from torch import Tensor

from active_dendrites.settings.run import RunConfig
from active_dendrites.settings.yaml_files import fault_line


class Batches:
    """Which training images each step of an epoch reads. Source: method 1; for other protocols 9.1 and 9.2.

    Args:
        run: batch_size, keep_last_batch and random_batches.
        num_images: in the training set, N.

    Raises: ValueError if a batch is larger than the training set.
    """

    def __init__(self, run: RunConfig, num_images: int) -> None:
        if run.batch_size > num_images:
            expected = f"at most {num_images} training images"
            raise ValueError(fault_line("batch_size", "", expected, value=run.batch_size))
        self.size, self.num_images, self.random = run.batch_size, num_images, run.random_batches
        full_batches, rest = divmod(num_images, run.batch_size)
        self.steps = run.random_batches or full_batches + (run.keep_last_batch and rest > 0)

    def draw(self, order: torch.Generator) -> tuple[Tensor, ...]:
        """The rows of each batch, (B,); of the last one fewer where the images do not fill it."""
        if self.random:
            rows = torch.randint(self.num_images, (self.random * self.size,), generator=order)
        else:
            rows = torch.randperm(self.num_images, generator=order)
        return torch.split(rows, self.size)[: self.steps]
