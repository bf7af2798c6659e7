"""Four small IDX files, and what tests of images ask of them."""

import gzip
import hashlib
from pathlib import Path

from active_dendrites.data.images import TEST_IMAGES, TEST_LABELS, TRAIN_IMAGES, TRAIN_LABELS

SMALL_SHAPES = {
    TRAIN_IMAGES: (6, 28, 28),
    TRAIN_LABELS: (6,),
    TEST_IMAGES: (4, 28, 28),
    TEST_LABELS: (4,),
}

Files = dict[str, bytes]


def sums(files: Files) -> dict[str, str]:
    return {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}


def write_files(files: Files, folder: Path, packed: bool = False) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        if packed:
            (folder / f"{name}.gz").write_bytes(gzip.compress(content))
        else:
            (folder / name).write_bytes(content)
    return folder


def found_in(folder: Path) -> Files:
    """Everything below a folder, hidden files and folders too."""
    return {
        str(entry.relative_to(folder)): entry.read_bytes() if entry.is_file() else b"" for entry in folder.rglob("*")
    }


def assert_one_line(error: BaseException, *parts: str) -> None:
    assert "\n" not in str(error)
    for part in parts:
        assert part in str(error)
