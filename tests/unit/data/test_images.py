"""The four files as tensors, and what is measured of them."""

from pathlib import Path

import pytest
import torch
from idx_files import SMALL_SHAPES, Files, assert_one_line, sums, write_files

from active_dendrites.data.images import (
    TEST_IMAGES,
    TEST_LABELS,
    TRAIN_IMAGES,
    check_dataset,
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
    data = load_images(write_files(files, tmp_path / "mine"), sums(files))
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
        load_images(folder, sums(files))
    assert_one_line(caught.value, str(folder / TEST_IMAGES))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda content: b"\1" + content[1:], "header 010008"),
        (lambda content: content[:3] + b"\1" + content[4:], "header 00000801"),
        (lambda content: content[:7] + b"\7" + content[8:], "header 0000080300000007"),
        (lambda content: content[:5], "header 0000080300,"),
        (lambda content: b"", "header ,"),
        (lambda content: content[:-1], "4719 bytes with SHA-256"),
        (lambda content: content[:-1] + bytes([content[-1] ^ 1]), "4720 bytes with SHA-256"),
        (lambda content: content + b"\0", "4721 bytes with SHA-256"),
    ],
)
def test_load_refuses_a_wrong_file(files: Files, tmp_path: Path, change, message: str) -> None:
    wrong = files | {TRAIN_IMAGES: change(files[TRAIN_IMAGES])}
    with pytest.raises(ValueError) as caught:
        load_images(write_files(wrong, tmp_path / "mine"), sums(files))
    assert_one_line(caught.value, TRAIN_IMAGES, message)


def test_the_files_of_another_dataset_are_refused(files: Files, tmp_path: Path) -> None:
    """Though they have its shape."""
    others = files | {TRAIN_IMAGES: files[TRAIN_IMAGES][::-1][:-16]}
    others[TRAIN_IMAGES] = files[TRAIN_IMAGES][:16] + others[TRAIN_IMAGES]
    with pytest.raises(ValueError) as caught:
        load_images(write_files(files, tmp_path / "mnist"), sums(others), "fashion_mnist")
    found, expected = sums(files)[TRAIN_IMAGES][:12], sums(others)[TRAIN_IMAGES][:12]
    assert_one_line(caught.value, str(tmp_path / "mnist" / TRAIN_IMAGES), f"SHA-256 {found}", f"with {expected}")


@pytest.mark.parametrize("name", SMALL_SHAPES)
def test_a_bit_of_any_file_is_noticed(files: Files, tmp_path: Path, name: str) -> None:
    damaged = files | {name: files[name][:-1] + bytes([files[name][-1] ^ 4])}
    with pytest.raises(ValueError, match=name):
        load_images(write_files(damaged, tmp_path / "mine"), sums(files))


def test_images_say_their_sums(files: Files, tmp_path: Path) -> None:
    assert load_images(write_files(files, tmp_path / "mine"), sums(files)).sha256 == sums(files)


def test_where_no_sums_are_declared_the_first_images_decide(files: Files, tmp_path: Path, caplog) -> None:
    folder = write_files(files, tmp_path / "mine")
    assert load_images(folder, None, "kmnist").sha256 == sums(files)
    assert f"no sums are known of kmnist: the first files count, their sums kept in {folder}" in caplog.text
    caplog.clear()
    assert load_images(folder, None, "kmnist").sha256 == sums(files)
    assert caplog.text == ""
    write_files({TEST_IMAGES: files[TEST_IMAGES][:-1] + b"\1"}, folder)
    with pytest.raises(ValueError) as caught:
        load_images(folder, None, "kmnist")
    assert_one_line(caught.value, str(folder / TEST_IMAGES), f"with {sums(files)[TEST_IMAGES][:12]}")


def test_images_in_a_folder_that_others_own_are_read(files: Files, tmp_path: Path, caplog, monkeypatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    folder = write_files(files, tmp_path / "mine")
    monkeypatch.setattr("active_dendrites.data.images.atomic_file", refuse)
    assert load_images(folder, None, "kmnist").sha256 == sums(files)
    assert "the record of each run alone has their sums" in caplog.text
    assert sorted(path.name for path in folder.iterdir()) == sorted(files)


def test_full_shapes_give_the_known_lengths() -> None:
    lengths = [16 + 60_000 * 784, 8 + 60_000, 16 + 10_000 * 784, 8 + 10_000]
    assert [idx_bytes(shape) for shape in shapes(DATASETS["mnist"]).values()] == lengths
    for described in DATASETS.values():
        assert described.num_bytes == sum(map(idx_bytes, shapes(described).values()))


def test_the_files_of_another_dataset_are_refused_where_no_sums_are_declared(files: Files, tmp_path: Path) -> None:
    """`--dataset kmnist` with MNIST's images trained on MNIST, and recorded kmnist."""
    folder = write_files(files, tmp_path / "mine")
    images = load_images(folder, None, "kmnist")
    declared = {"mnist": sums(files), "kmnist": None}
    with pytest.raises(ValueError) as caught:
        check_dataset(folder, images, "kmnist", declared)
    assert str(caught.value) == f"{folder}: found the files of mnist, expected those of kmnist"
    check_dataset(folder, images, "mnist", declared)
    check_dataset(folder, images, "kmnist", {"mnist": sums(files) | {TRAIN_IMAGES: 64 * "0"}, "kmnist": None})
