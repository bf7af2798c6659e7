"""One writer: a folder belongs to one process at a time.

The kernel holds the lock and drops it when the process ends, however it ends: nothing has to be cleaned up by hand.
"""

import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import IO

from active_dendrites.settings.yaml_files import fault_line

LOCK = ".lock"  # in the folder, as long as it is held


class FolderTakenError(ValueError):
    """Another process writes there; a line that says which."""


@contextmanager
def only_writer(folder: Path) -> Iterator[None]:
    """Hold a folder, which is made if it is missing, until the end of the block.

    Raises: FolderTakenError naming host, process and since when, if another process holds it; ValueError if this user
        may not write there.
    """
    path = folder / LOCK
    try:
        file = taken(path)
    except PermissionError:
        raise ValueError(fault_line(folder, "", "a folder for results", found="no permission to write there")) from None
    try:
        file.truncate(0)
        file.write(f"process {os.getpid()} on {socket.gethostname()}, since {datetime.now():%Y-%m-%d %H:%M:%S}")
        file.flush()
        yield
    finally:
        path.unlink(missing_ok=True)  # before the lock is dropped: nobody can have taken this file
        file.close()


def taken(path: Path) -> IO[str]:
    """The lock file, locked by this process."""
    while True:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a+", encoding="utf-8")
        if not locked(file):
            file.seek(0)
            holder = file.read() or "another process"  # which has not said yet who it is
            file.close()
            raise FolderTakenError(fault_line(path.parent, "", "no other writer", found=f"it in use by {holder}"))
        if is_at(path, file):
            return file
        file.close()  # of a process that has just left, and removed it


def is_at(path: Path, file: IO[str]) -> bool:
    """Whether a path still leads to an open file."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


def locked(file: IO[str]) -> bool:
    """Lock a file for this process, if no other has; whether that was so."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
