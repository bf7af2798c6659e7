"""Where compiled kernels are kept, so that a training starts in seconds, and what happens where that fails.

Numba looks in the folder of $NUMBA_CACHE_DIR, then beside the source, then in the user's cache. What it finds there it
loads unseen: a damaged file ends the process, or computes something else. Here each file carries its SHA-256; what
cannot be loaded is compiled anew; and where nothing can be stored, the temporary folder is next.
"""

import errno
import hashlib
import inspect
import logging
import os
import pickle
import stat
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from numba import njit
from numba.core.caching import (
    CompileResultCacheImpl,
    FunctionCache,
    IndexDataCacheFile,
    InTreeCacheLocator,
    UserProvidedCacheLocator,
    UserWideCacheLocator,
)

Function = Callable[..., Any]

KERNEL_DIGEST_BYTES = hashlib.sha256().digest_size

log = logging.getLogger(__name__)


def cached(**options: Any) -> Callable[[Function], Function]:
    """`numba.njit` with these options, and a cache that no damage stops."""

    def compiled(function: Function) -> Function:
        dispatcher: Any = njit(**options)(function)
        dispatcher._cache = KernelCache(function)
        kernel: Function = dispatcher
        return kernel

    return compiled


class DamagedCacheError(Exception):
    """A file of the cache that is not as it was written."""


class SealedFiles(IndexDataCacheFile):
    """The index and the compiled code of one kernel, in one folder, each with its SHA-256 before it."""

    def load(self, key: Any) -> Any:
        try:
            return super().load(key)
        except DamagedCacheError as damage:
            log.info("%s: compiling this kernel anew", damage)
            return None

    def _load_index(self) -> dict[Any, str]:
        try:
            version, stamp, overloads = pickle.loads(unsealed(Path(self._index_path)))
        except (OSError, DamagedCacheError):
            return {}
        return overloads if (version, stamp) == (self._version, self._source_stamp) else {}

    def _save_index(self, overloads: dict[Any, str]) -> None:
        self._write(self._index_path, (self._version, self._source_stamp, overloads))

    def _load_data(self, name: str) -> Any:
        return pickle.loads(unsealed(Path(self._data_path(name))))

    def _save_data(self, name: str, data: Any) -> None:
        self._write(self._data_path(name), data)

    def _write(self, path: str, content: Any) -> None:
        pickled = self._dump(content)
        with self._open_for_write(path) as file:
            file.write(hashlib.sha256(pickled).digest() + pickled)


def unsealed(path: Path) -> bytes:
    """The content of a file behind its SHA-256. Raises: DamagedCacheError; OSError."""
    content = path.read_bytes()
    seal, pickled = content[:KERNEL_DIGEST_BYTES], content[KERNEL_DIGEST_BYTES:]
    if hashlib.sha256(pickled).digest() != seal:
        raise DamagedCacheError(f"{path}: found a content of another sum")
    return pickled


class TemporaryLocator(InTreeCacheLocator):
    """A folder below the temporary one that belongs to this user alone: what lies there is code that will run."""

    def __init__(self, py_func: Function, py_file: str) -> None:
        super().__init__(py_func, py_file)
        self.top = Path(tempfile.gettempdir()) / f"active-dendrites-kernels-{os.getuid()}"
        self._cache_path = str(self.top / self.get_suitable_cache_subpath(py_file))

    def is_private(self) -> bool:
        try:
            status = self.top.lstat()
        except OSError:
            return False
        return stat.S_ISDIR(status.st_mode) and status.st_uid == os.getuid() and not status.st_mode & 0o077

    def ensure_cache_path(self) -> None:
        self.top.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not self.is_private():
            raise PermissionError(errno.EACCES, "found a folder of others, expected one of this user alone", self.top)
        super().ensure_cache_path()


class NoLocator(InTreeCacheLocator):
    """For a function that can be kept nowhere."""

    def ensure_cache_path(self) -> None:
        pass


class KernelCacheImpl(CompileResultCacheImpl):
    """How a compiled function is written, and the first folder that it is kept in."""

    _locator_classes = [  # noqa: RUF012  # as Numba declares it
        UserProvidedCacheLocator,
        InTreeCacheLocator,
        UserWideCacheLocator,
        TemporaryLocator,
        NoLocator,
    ]

    def get_filename_base(self, fullname: str, abiflags: str) -> str:
        return f"sealed-{super().get_filename_base(fullname, abiflags)}"  # apart from files of Numba's own form


class KernelCache(FunctionCache):
    """The cache of one kernel: the first folder that can be written to, and the temporary one."""

    _impl_class = KernelCacheImpl

    def __init__(self, py_func: Function) -> None:
        super().__init__(py_func)
        first = self._impl.locator
        locators = [first]
        if not isinstance(first, TemporaryLocator):
            locators.append(TemporaryLocator(py_func, inspect.getfile(py_func)))
        self.places = [
            (locator, SealedFiles(locator.get_cache_path(), self._impl.filename_base, locator.get_source_stamp()))
            for locator in locators
        ]

    def _load_overload(self, sig: Any, target_context: Any) -> Any:
        key = self._index_key(sig, target_context.codegen())
        for locator, files in self.places:
            if isinstance(locator, TemporaryLocator) and not locator.is_private():
                continue
            if (reduced := files.load(key)) is not None:
                return self._impl.rebuild(target_context, reduced)
        return None

    def _save_overload(self, sig: Any, data: Any) -> None:
        if not self._impl.check_cachable(data):
            return
        key, reduced = self._index_key(sig, data.codegen), self._impl.reduce(data)
        for locator, files in self.places:
            try:
                locator.ensure_cache_path()
                files.save(key, reduced)
            except OSError as error:
                fault = error
            else:
                return
        warn_once(str(fault))

    def flush(self) -> None:
        for _, files in self.places:
            files.flush()


@cache
def warn_once(fault: str) -> None:
    log.warning(
        "compiled kernels cannot be kept, so each training compiles them anew, in about half a minute: %s;"
        " expected a folder to write to, which NUMBA_CACHE_DIR may name",
        fault,
    )
