"""The four files of a dataset in MNIST's shape, read as tensors. `download` fetches and checks them."""

import math
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from active_dendrites.settings.datasets import DATASETS, MNIST, Dataset

TRAIN_IMAGES = "train-images-idx3-ubyte"
TRAIN_LABELS = "train-labels-idx1-ubyte"
TEST_IMAGES = "t10k-images-idx3-ubyte"
TEST_LABELS = "t10k-labels-idx1-ubyte"

FILES = (TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS)


class Images(NamedTuple):
    """A dataset as it is stored: a row of 784 pixels, 0 (background) to 255, for each of N images; labels 0 to 9."""

    train_images: Tensor  # (N, 784) uint8
    train_labels: Tensor  # (N,) int64
    test_images: Tensor  # (N, 784) uint8
    test_labels: Tensor  # (N,) int64


def load_images(folder: Path, dataset: str = MNIST) -> Images:
    """Read the four uncompressed files from `folder`, as `fetch` leaves them.

    Raises: ValueError if a file is missing, or its header or length is wrong; sums are not checked again.
    """
    read = {name: _read_idx(folder / name, shape) for name, shape in shapes(DATASETS[dataset]).items()}
    return Images(
        train_images=read[TRAIN_IMAGES].flatten(1),
        train_labels=read[TRAIN_LABELS].long(),
        test_images=read[TEST_IMAGES].flatten(1),
        test_labels=read[TEST_LABELS].long(),
    )


def pixel_statistics(images: Tensor) -> tuple[float, float]:
    """Mean and standard deviation of all pixels of all images, scaled to 0..1: of uint8, from how often each byte is.

    Sums are of integers, so that the result is exact but for its last rounding, on every machine.
    """
    counts = torch.bincount(images.flatten(), minlength=256).tolist()
    total = sum(counts)
    first, second = (sum(count * byte**power for byte, count in enumerate(counts)) for power in (1, 2))
    return first / (255 * total), math.sqrt(total * second - first**2) / (255 * total)


def shapes(dataset: Dataset) -> dict[str, tuple[int, ...]]:
    """The shape that each file's header must announce; the byte length follows from it."""
    train, test = dataset.train_images, dataset.test_images
    return {TRAIN_IMAGES: (train, 28, 28), TRAIN_LABELS: (train,), TEST_IMAGES: (test, 28, 28), TEST_LABELS: (test,)}


def idx_header(shape: tuple[int, ...]) -> bytes:
    """The IDX header of a file: 0, 0, 8 (unsigned bytes), the number of axes, then each length in 32 bits."""
    return bytes([0, 0, 8, len(shape)]) + np.array(shape, dtype=">u4").tobytes()


def idx_bytes(shape: tuple[int, ...]) -> int:
    """The length in bytes that a whole, uncompressed file must have."""
    return len(idx_header(shape)) + math.prod(shape)


def _read_idx(path: Path, shape: tuple[int, ...]) -> Tensor:
    """Read one IDX file as a uint8 tensor of a known shape; ValueError as in `load_images`."""
    try:
        content = np.fromfile(path, dtype=np.uint8)
    except FileNotFoundError as error:
        raise ValueError(f"{path}: no such file, expected a file of the dataset") from error
    header = idx_header(shape)
    found = content[: len(header)].tobytes()
    if found != header:
        raise ValueError(f"{path}: header {found.hex()}, expected {header.hex()} (shape {shape})")
    if content.size != idx_bytes(shape):
        raise ValueError(f"{path}: {content.size} bytes, expected {idx_bytes(shape)}")
    return torch.from_numpy(content[len(header) :]).view(shape)
