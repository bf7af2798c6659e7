"""One writer: a folder belongs to one process at a time.

The kernel holds the lock and drops it when the process ends, however it ends: nothing has to be cleaned up by hand.
"""

import errno
import fcntl
import logging
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import IO

from active_dendrites.runs.files import named_errors
from active_dendrites.settings.yaml_files import fault_line

LOCK = ".lock"  # in the folder, as long as it is held
NOT_WRITABLE = {errno.EACCES, errno.EPERM, errno.EROFS}
NO_LOCKS = {errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOTSUP}  # of file systems without locks

log = logging.getLogger(__name__)


class FolderTakenError(ValueError):
    """Another process writes there; a line that says which."""


@contextmanager
def only_writer(folder: Path) -> Iterator[None]:
    """Hold a folder, which is made if it is missing, until the end of the block.

    On a file system without locks a line warns, and nobody is kept from writing there.

    Raises: FolderTakenError naming host, process and since when, if another process holds it; ValueError if this user
        may not write or lock there; NoRoomError and FileError naming the lock.
    """
    path = folder / LOCK
    file = hold(path)
    try:
        holder = f"process {os.getpid()} on {socket.gethostname()}, since {datetime.now():%Y-%m-%d %H:%M:%S}"
        with named_errors(path):
            file.truncate(0)
            os.write(file.fileno(), holder.encode())  # at once: on a full disk nothing is left for close() to write
        yield
    finally:
        path.unlink(missing_ok=True)  # before the lock is dropped: nobody can have taken this file
        file.close()


def hold(path: Path) -> IO[str]:
    """The lock file, locked by this process. Raises: as `only_writer`."""
    while True:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            file = path.open("a+", encoding="utf-8")
        except (FileExistsError, NotADirectoryError):
            above = next(part for part in path.parents if part.exists() and not part.is_dir())
            raise ValueError(fault_line(above, "", "a folder for results", found="a file")) from None
        except OSError as error:
            if error.errno not in NOT_WRITABLE:
                raise
            found = "a file system that is read only" if error.errno == errno.EROFS else "no permission to write there"
            raise ValueError(fault_line(path.parent, "", "a folder for results", found=found)) from None
        try:
            if not locked(file):
                file.seek(0)
                holder = file.read() or "another process"  # which has not said yet who it is
                raise FolderTakenError(fault_line(path.parent, "", "no other writer", found=f"it in use by {holder}"))
        except BaseException:
            file.close()
            raise
        if leads_to(path, file):
            return file
        file.close()  # of a process that has just left, and removed it


def leads_to(path: Path, file: IO[str]) -> bool:
    """Whether a path still leads to an open file."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


def locked(file: IO[str]) -> bool:
    """Lock a file for this process, if no other has; whether that was so.

    Where the file system has no locks, a line warns, and the file counts as locked.

    Raises: ValueError if the lock is refused.
    """
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        reason = f"{error.strerror} ({errno.errorcode.get(error.errno or 0, error.errno)})"
        if error.errno not in NO_LOCKS:
            line = fault_line(file.name, "", "a file that can be locked", found=f"its lock refused: {reason}")
            raise ValueError(line) from None
        log.warning(
            "%s: its file system has no locks: %s. Nothing keeps a second process from writing there: start only one,"
            " or choose a folder on another file system",
            Path(file.name).parent,
            reason,
        )
    return True
