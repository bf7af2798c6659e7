"""The four files as tensors, and what is measured of them."""

from pathlib import Path

import pytest
import torch
from idx_files import Files, assert_one_line, write_files

from active_dendrites.data.images import (
    TEST_IMAGES,
    TEST_LABELS,
    TRAIN_IMAGES,
    idx_bytes,
    load_images,
    pixel_statistics,
    shapes,
)
from active_dendrites.settings.datasets import DATASETS

# Normalisation


def test_pixels_are_measured_as_by_hand() -> None:
    images = torch.tensor([[0, 255], [255, 255]], dtype=torch.uint8)
    assert pixel_statistics(images) == pytest.approx((0.75, 3**0.5 / 4), abs=1e-15)
    draws = torch.Generator().manual_seed(0)
    images = torch.randint(256, (3000, 784), dtype=torch.uint8, generator=draws)
    scaled = images.double() / 255
    expected = scaled.mean().item(), scaled.std(correction=0).item()
    assert pixel_statistics(images) == pytest.approx(expected, abs=1e-12)


# Reading


def test_load_gives_images_and_labels(files: Files, tmp_path: Path) -> None:
    data = load_images(write_files(files, tmp_path / "mine"))
    assert data.train_images.shape == (6, 784) and data.train_images.dtype == torch.uint8
    assert data.test_images.shape == (4, 784) and data.test_images.dtype == torch.uint8
    assert data.train_labels.shape == (6,) and data.train_labels.dtype == torch.int64
    assert data.test_labels.shape == (4,) and data.test_labels.dtype == torch.int64
    assert bytes(data.train_images[5, 700:].tolist()) == files[TRAIN_IMAGES][-84:]
    assert bytes(data.test_labels.tolist()) == files[TEST_LABELS][-4:]


def test_load_names_a_missing_file(files: Files, tmp_path: Path) -> None:
    folder = write_files(files, tmp_path / "mine")
    (folder / TEST_IMAGES).unlink()
    with pytest.raises(ValueError) as caught:
        load_images(folder)
    assert_one_line(caught.value, str(folder / TEST_IMAGES))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda content: b"\1" + content[1:], "header 010008"),
        (lambda content: content[:3] + b"\1" + content[4:], "header 00000801"),
        (lambda content: content[:7] + b"\7" + content[8:], "header 0000080300000007"),
        (lambda content: content[:5], "header 0000080300,"),
        (lambda content: b"", "header ,"),
        (lambda content: content[:-1], "4719 bytes, expected 4720"),
        (lambda content: content + b"\0", "4721 bytes, expected 4720"),
    ],
)
def test_load_refuses_a_wrong_file(files: Files, tmp_path: Path, change, message: str) -> None:
    wrong = files | {TRAIN_IMAGES: change(files[TRAIN_IMAGES])}
    with pytest.raises(ValueError) as caught:
        load_images(write_files(wrong, tmp_path / "mine"))
    assert_one_line(caught.value, TRAIN_IMAGES, message)


def test_full_shapes_give_the_known_lengths() -> None:
    lengths = [16 + 60_000 * 784, 8 + 60_000, 16 + 10_000 * 784, 8 + 10_000]
    assert [idx_bytes(shape) for shape in shapes(DATASETS["mnist"]).values()] == lengths
    for described in DATASETS.values():
        assert described.num_bytes == sum(map(idx_bytes, shapes(described).values()))
