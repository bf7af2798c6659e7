"""The datasets that torchvision has in MNIST's shape: four IDX files, 28 × 28 bytes an image, ten classes.

Loads no PyTorch: a plan is made each time the workflow starts. Sums and normalisation are in config/datasets.yaml.
"""

from pathlib import Path
from typing import Literal, NamedTuple

DatasetName = Literal["mnist", "fashion_mnist", "kmnist", "emnist_digits"]
MNIST: DatasetName = "mnist"
FILES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")

# Seconds a download may take before the next source is tried: MNIST's files have 12 MB, compressed.
TIME_LIMIT = 120.0


class Dataset(NamedTuple):
    """How a dataset is called, and what its source delivers.

    prefixes: what the names of its files begin with at the source, in place of `train` and `t10k`.
    download_bytes: of disk that a download takes for a while, where it holds much besides.
    time_limit: seconds that it may take.
    """

    label: str  # in figures and reports
    torchvision: str  # the class
    options: dict[str, str]  # for its constructor
    train_images: int
    test_images: int
    prefixes: tuple[str, str] = ("train", "t10k")
    download_bytes: int = 0
    time_limit: float = TIME_LIMIT

    @property
    def num_bytes(self) -> int:
        """Of the four files, uncompressed: 784 pixels and a label for each image, and headers of 16 and 8 bytes."""
        return 785 * (self.train_images + self.test_images) + 2 * (16 + 8)


# EMNIST is stored with rows and columns of each image exchanged, and left so: to networks whose inputs have no order,
# under tasks that are permutations of pixels, one fixed permutation more is nothing. Its archive holds five datasets
# besides, 0.6 GB compressed and 1.8 GB not.
DATASETS: dict[str, Dataset] = {
    "mnist": Dataset("MNIST", "MNIST", {}, 60_000, 10_000),
    "fashion_mnist": Dataset("Fashion-MNIST", "FashionMNIST", {}, 60_000, 10_000),
    "kmnist": Dataset("KMNIST", "KMNIST", {}, 60_000, 10_000),
    "emnist_digits": Dataset(
        *("EMNIST digits", "EMNIST", {"split": "digits"}, 240_000, 40_000),
        prefixes=("emnist-digits-train", "emnist-digits-test"),
        download_bytes=3_000_000_000,
        time_limit=3600.0,
    ),
}


def results_folder(results: str | Path, dataset: str, given: str = "") -> Path:
    """Where runs, tables and figures of a dataset go: those of MNIST at the top, of another in a folder of its own.

    Results of two datasets so never share a path, and those of MNIST are where they were before there were others.

    Args:
        given: what settings of the command line are called (`given.given_name`), whose results lie apart as well.
    """
    folder = Path(results) if dataset == MNIST else Path(results, dataset)
    return folder / "set" / given if given else folder


def images_folder(results: str | Path, dataset: str) -> Path:
    """Where its four files go."""
    return Path(results, "data", dataset)
