"""Atomic files: written whole or not at all."""

import errno
import os
import re
import shutil
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from io import BytesIO, StringIO
from pathlib import Path
from typing import IO, Any

SUMS = "SHA256SUMS"  # the SHA-256 of files, beside them, as `sha256sum --check` reads it
DISK_FULL = (errno.ENOSPC, errno.EDQUOT)


class NoRoomError(OSError):
    """The disk is full, or the user's share of it; a line that says how many bytes are needed."""


@contextmanager
def atomic_file(path: Path, binary: bool = False) -> Iterator[IO[Any]]:
    """Write a file, of text or bytes, whole or not at all; until the block ends it is in memory.

    Raises: NoRoomError.
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

    Raises: NoRoomError.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        if error.errno not in DISK_FULL:
            raise
        temporary.unlink(missing_ok=True)  # so that its bytes count as free
        free = shutil.disk_usage(path.parent).free
        raise NoRoomError(
            f"{path}: found {free} free bytes on its disk, expected {size} for this file ({error.strerror})"
        ) from error
    finally:
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
        lines = path.read_bytes().decode("utf-8").split("\n")
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    sums = dict(line.split("  ", 1)[::-1] for line in lines if re.fullmatch("[0-9a-f]{64}  .+", line))
    needed = names if required is None else required
    if not set(needed) <= set(sums) <= set(names) or len(lines) != len(sums) + 1 or lines[-1]:
        raise ValueError(f"{path}: found {', '.join(sums) or 'no sums'}, expected a SHA-256 of {', '.join(names)}")
    return sums
