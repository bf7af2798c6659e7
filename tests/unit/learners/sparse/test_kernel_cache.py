"""The cache of compiled kernels: damaged, not writable, on a full disk, nowhere; a kernel computes the same."""

import errno
import importlib.util
import logging
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
from numba.core import config
from numba.core.caching import IndexDataCacheFile

from active_dendrites.learners.sparse import kernel_cache

SOURCE = """
from active_dendrites.learners.sparse.kernel_cache import cached

@cached(nogil=True)
def double(x):
    return 2 * x

@cached(nogil=True)
def triple(x):
    return 3 * x
"""


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A module with two kernels, with folders of its own for everything that is kept."""
    path = tmp_path / "project/kernels.py"
    path.parent.mkdir()
    path.write_text(SOURCE)
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    monkeypatch.setattr(config, "CACHE_DIR", "")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "user"))
    monkeypatch.setenv("HOME", str(tmp_path / "user"))
    kernel_cache.warn_once.cache_clear()
    return path


def loaded(source: Path) -> ModuleType:
    """The module as another process would load it."""
    spec = importlib.util.spec_from_file_location("kernels_of_a_test", source)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def computes(source: Path) -> bool:
    """Whether the kernels, which must compute what they should, came from the cache."""
    kernels = loaded(source)
    assert kernels.double(21) == 42 and kernels.triple(14) == 42
    return all(sum(kernel.stats.cache_hits.values()) == 1 for kernel in (kernels.double, kernels.triple))


def block(folder: Path) -> None:
    """Let nobody, not even root, make a folder there."""
    folder.parent.mkdir(exist_ok=True)
    folder.write_text("no folder")


def cut(content: bytes) -> bytes:
    return content[: len(content) // 2]


def flip(content: bytes) -> bytes:
    damaged = bytearray(content)
    damaged[len(damaged) // 2] ^= 1
    return bytes(damaged)


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "cut in half": cut,
    "a bit flipped": flip,
    "empty": lambda content: b"",
    "zeros": lambda content: bytes(len(content)),
}


def test_a_second_process_loads_what_was_compiled(source: Path) -> None:
    assert not computes(source)
    assert computes(source)
    assert {path.suffix for path in source.with_name("__pycache__").glob("sealed-*")} == {".nbi", ".nbc"}


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("suffix", [".nbi", ".nbc"])
def test_what_is_damaged_is_compiled_anew(suffix: str, damage: str, source: Path) -> None:
    computes(source)
    files = list(source.with_name("__pycache__").glob(f"*{suffix}"))
    assert len(files) == 2
    for path in files:
        path.write_bytes(DAMAGES[damage](path.read_bytes()))
    assert not computes(source)
    assert computes(source), "what was compiled anew is kept in place of the damaged file"


def test_a_project_that_cannot_be_written_to_keeps_kernels_for_the_user(source: Path) -> None:
    block(source.with_name("__pycache__"))
    assert not computes(source)
    assert computes(source)


def test_without_a_home_the_temporary_folder_is_next(source: Path, tmp_path: Path) -> None:
    block(source.with_name("__pycache__"))
    block(tmp_path / "user")
    assert not computes(source)
    assert computes(source)
    (folder,) = (tmp_path / "temporary").iterdir()
    assert folder.stat().st_mode & 0o777 == 0o700


def test_a_full_disk_is_one_more_reason_for_the_temporary_folder(
    source: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    write = IndexDataCacheFile._open_for_write

    def full(files: IndexDataCacheFile, path: str):
        if "__pycache__" in path:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)
        return write(files, path)

    monkeypatch.setattr(IndexDataCacheFile, "_open_for_write", full)
    assert not computes(source)
    assert computes(source)
    assert "cannot be kept" not in caplog.text


def test_where_nothing_can_be_kept_one_line_says_so(
    source: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    block(source.with_name("__pycache__"))
    block(tmp_path / "user")
    (tmp_path / "temporary").rmdir()
    block(tmp_path / "temporary")
    for _ in range(2):
        assert not computes(source)
    (warning,) = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert "NUMBA_CACHE_DIR" in warning and str(tmp_path / "temporary") in warning


def test_code_that_others_may_write_is_not_run(source: Path, tmp_path: Path) -> None:
    block(source.with_name("__pycache__"))
    block(tmp_path / "user")
    computes(source)
    (folder,) = (tmp_path / "temporary").iterdir()
    folder.chmod(0o777)
    assert not computes(source)
