"""Whatever the system refuses, the line names the file; of space, quota and limits it says found and expected."""

import errno
import os
import re
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from active_dendrites.runs.files import FileError, NoRoomError, atomic_file, read_bytes, streamed_file
from active_dendrites.runs.records import IncompleteRunError, read_record, write_accuracy, write_activity
from active_dendrites.runs.seals import sealed_file

ROOT = Path(__file__).parents[3]
ENVIRONMENT = os.environ | {"PYTHONPATH": str(ROOT / "workflow/src")}

NO_ROOM = {
    errno.ENOSPC: r"found \d+ free bytes on its disk, expected \d+ for this file",
    errno.EDQUOT: r"found no bytes left of your quota on its disk, expected \d+ for this file",
    errno.EFBIG: r"found a limit of its disk on a file's bytes, expected \d+ for this file",
}
OTHERS = (errno.EIO, errno.ESTALE)


def line_about(code: int) -> str:
    said = os.strerror(code)
    return rf"{NO_ROOM[code]} \({said}\)" if code in NO_ROOM else f"found '{said}', expected a file that can be read.*"


def atomic(path: Path) -> None:
    with atomic_file(path) as file:
        file.write("text")


def streamed(path: Path) -> None:
    with streamed_file(path, 4) as file:
        file.write(b"text")


def sealed(path: Path) -> None:
    with sealed_file(path) as file:
        file.write("text")


WRITERS: dict[str, Callable[[Path], None]] = {
    "atomic": atomic,
    "streamed": streamed,
    "sealed": sealed,
    "accuracy": lambda path: write_accuracy(path, np.array([[0.5]])),
    "activity": lambda path: write_activity(path, np.array([[0.5]])),
}


@pytest.mark.parametrize("code", [*NO_ROOM, *OTHERS], ids=errno.errorcode.get)
@pytest.mark.parametrize("writer", WRITERS)
def test_a_file_that_cannot_be_written_is_named(tmp_path: Path, monkeypatch, writer: str, code: int) -> None:
    def refuse(descriptor: int) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "fsync", refuse)
    path = tmp_path / "file.csv"
    with pytest.raises(FileError) as raised:
        WRITERS[writer](path)
    name = re.escape(str(path)) + (r"\.sha256" if writer == "sealed" else "")
    assert re.fullmatch(f"{name}: {line_about(code)}", str(raised.value))
    assert raised.value.errno == code
    assert isinstance(raised.value, NoRoomError) is (code in NO_ROOM)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, monkeypatch) -> None:
    def refuse(path: Path) -> bytes:
        raise OSError(errno.EIO, "Input/output error")  # as of read(), which knows no name

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(FileError, match=f"{tmp_path}/file: found 'Input/output error'"):
        read_bytes(tmp_path / "file")
    with pytest.raises(IncompleteRunError, match=r"record\.json: .*Input/output error"):
        read_record(tmp_path / "record.json")


def test_errors_that_name_their_file_stay_what_they_are(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=f"'{tmp_path}/file'"):
        read_bytes(tmp_path / "file")


LIMITED = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (100, resource.RLIM_INFINITY));"


def test_a_limit_on_file_sizes_is_said_with_its_number(tmp_path: Path) -> None:
    code = (
        "from pathlib import Path; import sys; from active_dendrites.runs.files import atomic_file\n"
        "with atomic_file(Path(sys.argv[1])) as file: file.write('x' * 1000)"
    )
    command = [sys.executable, "-c", LIMITED + code, str(tmp_path / "file")]
    done = subprocess.run(
        command, capture_output=True, text=True, env=os.environ | {"PYTHONPATH": str(ROOT / "workflow/src")}
    )
    assert done.stderr.splitlines()[-1].endswith(
        f"NoRoomError: {tmp_path}/file: found a limit of 100 bytes a file (ulimit -f), expected 1000 for this file"
        " (File too large)"
    )
    assert list(tmp_path.iterdir()) == []
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY


def test_a_script_under_a_limit_is_one_line(tmp_path: Path) -> None:
    """Those that make tables and pages as well as those that train."""
    (tmp_path / "runs").mkdir()
    script = [ROOT / "workflow/scripts/reproduction.py", "--config", ROOT / "config", "--scale", "paper"]
    options = ["--runs", tmp_path / "runs", "--output", tmp_path / "made/reproduction"]
    run = f"import runpy, sys; {LIMITED} sys.argv = sys.argv[1:]; runpy.run_path(sys.argv[0], run_name='__main__')"
    command = [sys.executable, "-c", run, *map(str, [*script, *options])]
    done = subprocess.run(
        command, capture_output=True, text=True, env=os.environ | {"PYTHONPATH": str(ROOT / "workflow/src")}
    )
    assert done.returncode == 1
    assert re.fullmatch(
        r"reproduction: \S+/made/reproduction\.\w+: found a limit of 100 bytes a file \(ulimit -f\), expected \d+ for"
        r" this file \(File too large\)\n",
        done.stderr,
    )
