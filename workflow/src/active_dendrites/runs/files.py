"""Atomic files: written whole or not at all."""

import errno
import os
import re
import resource
import shutil
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from io import BytesIO, StringIO
from pathlib import Path
from typing import IO, Any

from active_dendrites.settings.yaml_files import fault_line

SUMS = "SHA256SUMS"  # the SHA-256 of files, beside them, as `sha256sum --check` reads it
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class FileError(OSError):
    """What the system says of a file of ours, which its own errors often do not name; a line that does."""


class NoRoomError(FileError):
    """The disk is full, the user's quota, or the limit on a file's size; a line that says how many bytes are needed."""


def file_error(path: Path, error: OSError, size: int | None = None) -> FileError:
    """The error of a file, or of a folder for files, to which about `size` bytes were to be written, if known."""
    said = os.strerror(error.errno) if error.errno else str(error)
    expected = "more" if size is None else f"{size} for {'its files' if path.is_dir() else 'this file'}"
    found = ""
    if error.errno == errno.ENOSPC:
        found = f"{shutil.disk_usage(path if path.is_dir() else path.parent).free} free bytes on its disk"
    elif error.errno == errno.EDQUOT:
        found = "no bytes left of your quota on its disk"
    elif error.errno == errno.EFBIG:
        limit = resource.getrlimit(resource.RLIMIT_FSIZE)[0]
        unlimited = limit == resource.RLIM_INFINITY
        found = "a limit of its disk on a file's bytes" if unlimited else f"a limit of {limit} bytes a file (ulimit -f)"
    if found:
        fault: FileError = NoRoomError(fault_line(path, "", f"{expected} ({said})", found=found))
    else:
        fault = FileError(fault_line(path, "", "a file that can be read and written", value=said))
    fault.errno = error.errno
    return fault


@contextmanager
def named_errors(path: Path) -> Iterator[None]:
    """Let errors of the system in this block name the file that it reads or writes. Raises: FileError."""
    try:
        yield
    except OSError as error:
        if isinstance(error, FileError) or (error.filename is not None and error.errno not in NO_ROOM):
            raise
        raise file_error(path, error) from error


def read_bytes(path: Path) -> bytes:
    """What a file holds. Raises: OSError that names it."""
    with named_errors(path):
        return path.read_bytes()


@contextmanager
def atomic_file(path: Path, binary: bool = False) -> Iterator[IO[Any]]:
    """Write a file, of text or bytes, whole or not at all; until the block ends it is in memory.

    Raises: NoRoomError, FileError.
    """
    content = BytesIO() if binary else StringIO(newline="\n")
    yield content
    written = content.getvalue()
    encoded = written if isinstance(written, bytes) else written.encode("utf-8")
    with streamed_file(path, len(encoded)) as file:
        file.write(encoded)


@contextmanager
def streamed_file(path: Path, size: int) -> Iterator[IO[bytes]]:
    """Write about `size` bytes whole or not at all: a temporary file beside it, synced, then renamed.

    Raises: NoRoomError, FileError.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except FileError:  # of another file
        raise
    except OSError as error:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)  # so that its bytes count as free
        raise file_error(path, error, size) from error
    finally:
        with suppress(OSError):  # the first error says more
            temporary.unlink(missing_ok=True)


def sums_text(sums: Mapping[str, str]) -> str:
    """What SHA256SUMS holds: a line for each file, from {name: 64 lower-case hex digits}."""
    return "".join(f"{digest}  {name}\n" for name, digest in sums.items())


def read_sums(path: Path, names: Collection[str], required: Collection[str] | None = None) -> dict[str, str] | None:
    """{name: digest} of a SHA256SUMS; None if there is none.

    Raises: ValueError naming the file if it does not have one sum for each of these names, or at least for those that
        are required, and nothing else.
    """
    try:
        lines = read_bytes(path).decode("utf-8").split("\n")
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    sums = dict(line.split("  ", 1)[::-1] for line in lines if re.fullmatch("[0-9a-f]{64}  .+", line))
    needed = names if required is None else required
    if not set(needed) <= set(sums) <= set(names) or len(lines) != len(sums) + 1 or lines[-1]:
        expected = f"a SHA-256 of {', '.join(names)}"
        raise ValueError(fault_line(path, "", expected, found=", ".join(sums) or "no sums"))
    return sums
