"""Atomic files: written whole or not at all."""

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO, StringIO
from pathlib import Path
from typing import IO, Any

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
