"""Images as lists of their non-black pixels, and the nearest prototype of each image."""

import numpy as np
import torch

from active_dendrites.data.tasks import PermutedTasks
from active_dendrites.learners.sparse.kernels import forward as kernels
from active_dendrites.learners.sparse.layers import SparseInput, Threads

Images = tuple[np.ndarray, np.ndarray, np.ndarray]  # start (N + 1,), pixel, byte: the non-black pixels of each image


class PixelLists:
    """The images as lists of their non-black pixels; a normalised pixel is scale * byte + black."""

    def __init__(self, tasks: PermutedTasks, dtype: np.dtype) -> None:
        self.tasks = tasks
        self.scale = dtype.type(1 / (255 * tasks.pixel_std))
        self.black = dtype.type(-tasks.pixel_mean / tasks.pixel_std)
        self.train, self.test = self._lists(tasks.train_bytes), self._lists(tasks.test_bytes)
        self.most = max(int(np.diff(start).max()) for start, _, _ in (self.train, self.test))

    @staticmethod
    def _lists(images: torch.Tensor) -> Images:
        start, count = np.zeros(len(images) + 1, np.int64), int(torch.count_nonzero(images))
        pixel, byte = np.empty(count, np.int16), np.empty(count, np.uint8)
        kernels.list_pixels(images.numpy(), start, pixel, byte)
        return start, pixel, byte

    def positions(self, task: int) -> np.ndarray:
        """Where the task puts each pixel, (P,): the inverse of its permutation."""
        return self.tasks.permutations[task].argsort().numpy().astype(np.int32)


class Prototypes:
    """The nearest prototype of each image: |x - c|^2 is smallest where x.c - |c|^2 / 2 is largest."""

    def __init__(self, prototypes: torch.Tensor, images: PixelLists) -> None:
        rows = prototypes.numpy()
        lanes = -(-len(rows) // 16) * 16
        self.weight = np.zeros((1, rows.shape[1], lanes), rows.dtype)
        self.weight[0, :, : len(rows)] = rows.T
        self.base = np.full((1, lanes), -np.inf, rows.dtype)
        self.base[0, : len(rows)] = images.black * rows.sum(1) - (rows**2).sum(1) / 2
        self.scale = images.scale

    def infer(
        self, threads: Threads, source: Images, rows: np.ndarray, position: np.ndarray, pixels: SparseInput
    ) -> np.ndarray:
        """The index of the prototype nearest to each of the images `rows`, (B,); fills `pixels` with them."""
        kernels.gather_pixels(rows, *source, position, self.scale, pixels.start, pixels.index, pixels.value)
        closeness = np.empty((1, len(rows), self.weight.shape[2]), self.weight.dtype)
        lists = pixels.start, pixels.index, pixels.value
        threads.run(kernels.respond, 1, self.weight, self.base, *lists, closeness)
        nearest: np.ndarray = closeness[0].argmax(1)
        return nearest
