"""The four files of a dataset in MNIST's shape, verified and read as tensors. `download` fetches them."""

import hashlib
import logging
import math
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from active_dendrites.runs.files import SUMS, atomic_file, named_errors, read_sums, sums_text
from active_dendrites.settings.datasets import DATASETS, MNIST, Dataset
from active_dendrites.settings.yaml_files import fault_line

TRAIN_IMAGES = "train-images-idx3-ubyte"
TRAIN_LABELS = "train-labels-idx1-ubyte"
TEST_IMAGES = "t10k-images-idx3-ubyte"
TEST_LABELS = "t10k-labels-idx1-ubyte"

FILES = (TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS)

LOG = logging.getLogger(__name__)


class Images(NamedTuple):
    """A dataset as it is stored: a row of 784 pixels, 0 (background) to 255, for each of N images; labels 0 to 9."""

    train_images: Tensor  # (N, 784) uint8
    train_labels: Tensor  # (N,) int64
    test_images: Tensor  # (N, 784) uint8
    test_labels: Tensor  # (N,) int64
    sha256: Mapping[str, str] = MappingProxyType({})  # of each file; empty of images that were never in files


def load_images(folder: Path, sha256: Mapping[str, str] | None, dataset: str = MNIST) -> Images:
    """Read and verify the four uncompressed files of `folder`, as `fetch` leaves them.

    Args:
        sha256: file name -> SHA-256, as declared. None: not known; then those of the folder's SHA256SUMS hold, and what
            is read first, without any, counts as the dataset and gives them.
    Raises: ValueError naming the file if one is missing or not the expected one.
    """
    expected = read_sums(folder / SUMS, FILES) if sha256 is None else sha256
    tensors, sums = {}, {}
    for name, shape in shapes(DATASETS[dataset]).items():
        content = _read_file(folder / name)
        sums[name] = check_file(str(folder / name), content.data, shape, expected[name] if expected else None)
        tensors[name] = torch.from_numpy(content[len(idx_header(shape)) :]).view(shape)
    if expected is None:
        _keep_sums(folder, sums, dataset)
    return Images(
        train_images=tensors[TRAIN_IMAGES].flatten(1),
        train_labels=tensors[TRAIN_LABELS].long(),
        test_images=tensors[TEST_IMAGES].flatten(1),
        test_labels=tensors[TEST_LABELS].long(),
        sha256=sums,
    )


def _read_file(path: Path) -> npt.NDArray[np.uint8]:
    try:
        with named_errors(path):
            return np.fromfile(path, dtype=np.uint8)
    except FileNotFoundError as error:
        raise ValueError(fault_line(path, "", "a file of the dataset", found="no such file")) from error


def _keep_sums(folder: Path, sums: Mapping[str, str], dataset: str) -> None:
    """The sums of files that nobody declared: from now on they are the dataset."""
    kept = f"their sums kept in {folder / SUMS}"
    try:
        with atomic_file(folder / SUMS) as file:
            file.write(sums_text(sums))
    except OSError as error:  # a folder that others share: the record of each run has them
        kept = f"and {folder / SUMS} cannot be written ({error}): the record of each run alone has their sums"
    LOG.warning("no sums are known of %s: the first files count, %s", dataset, kept)


def check_file(where: str, content: bytes | memoryview, shape: tuple[int, ...], expected: str | None) -> str:
    """The SHA-256 of a whole, uncompressed file. Raises: ValueError if header, length or an expected sum differ."""
    header = idx_header(shape)
    begins = bytes(content[: len(header)])
    if begins != header:
        expected_header = f"{header.hex()} (shape {shape})"
        raise ValueError(fault_line(where, "", expected_header, found=f"header {begins.hex()}"))
    digest = hashlib.sha256(content).hexdigest()
    if len(content) != idx_bytes(shape) or expected not in (None, digest):
        found = f"{len(content)} bytes with SHA-256 {digest[:12]}..."
        with_sum = f" with {expected[:12]}..." if expected else ""
        raise ValueError(fault_line(where, "", f"{idx_bytes(shape)} bytes{with_sum}", found=found))
    return digest


def check_dataset(folder: Path, images: Images, dataset: str, declared: Mapping[str, Mapping[str, str] | None]) -> None:
    """Refuse the files of another dataset, where the dataset's own sums are not known. Raises: ValueError."""
    if declared[dataset] is not None:  # against which they were held when they were read
        return
    for name, sums in declared.items():
        if sums and dict(images.sha256) == dict(sums):
            raise ValueError(fault_line(folder, "", f"those of {dataset}", found=f"the files of {name}"))


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
