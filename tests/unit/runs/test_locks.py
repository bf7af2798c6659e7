"""One writer: the second is refused in a line, and a writer that died holds nothing."""

import errno
import fcntl
import multiprocessing
import os
import re
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from active_dendrites.runs.locks import LOCK, FolderTakenError, only_writer
from active_dendrites.training.devices import free_lock

ROOT = Path(__file__).resolve().parents[3]
FORK = multiprocessing.get_context("fork")


ENVIRONMENT = os.environ | {"PYTHONPATH": str(ROOT / "workflow/src")}
HOLD = """
import sys
import tempfile
from pathlib import Path
from active_dendrites.runs.locks import only_writer
with only_writer(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path: Path):
    """A process that holds tmp_path / "run"."""
    command = [sys.executable, "-c", HOLD, str(tmp_path / "run")]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=ENVIRONMENT
    ) as process:
        assert process.stdout.readline() == "held\n"
        yield process
        process.stdin.close()


def test_the_second_writer_is_told_who_the_first_is(tmp_path: Path, holder) -> None:
    with pytest.raises(FolderTakenError) as raised, only_writer(tmp_path / "run"):
        pass
    who = rf"process {holder.pid} on {re.escape(socket.gethostname())}, since \d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d"
    line = rf"{re.escape(str(tmp_path / 'run'))}: found it in use by {who}, expected no other writer"
    assert re.fullmatch(line, str(raised.value))


def test_a_training_refuses_a_folder_in_use_before_it_does_anything(tmp_path: Path, holder) -> None:
    script = [sys.executable, ROOT / "workflow/scripts/train.py", "--config", ROOT / "config", "--variant", "prototype"]
    options = ["--num-tasks", "2", "--images", tmp_path / "nothing", "--run-folder", tmp_path / "run"]
    environment = os.environ | {"PYTHONPATH": str(ROOT / "workflow/src")}
    done = subprocess.run(map(str, [*script, *options]), capture_output=True, text=True, env=environment)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith(
        f"train: {tmp_path / 'run'}: found it in use by process {holder.pid}"
    )
    assert [file.name for file in (tmp_path / "run").iterdir()] == [LOCK]


def test_a_killed_writer_holds_nothing(tmp_path: Path, holder) -> None:
    holder.kill()
    holder.wait(20)
    assert (tmp_path / "run" / LOCK).exists()
    with only_writer(tmp_path / "run"):
        assert f"process {os.getpid()} " in (tmp_path / "run" / LOCK).read_text()
    assert list((tmp_path / "run").iterdir()) == []


def test_a_writer_that_fails_leaves_the_folder_free(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), only_writer(tmp_path):
        raise ZeroDivisionError
    with only_writer(tmp_path):
        pass
    assert list(tmp_path.iterdir()) == []


def add_one(folder: Path, times: int, counter: Path) -> None:
    while times:
        try:
            with only_writer(folder):
                counter.write_text(str(int(counter.read_text()) + 1))
                times -= 1
        except FolderTakenError:
            pass


def test_there_is_never_more_than_one_writer(tmp_path: Path) -> None:
    """Taking a file that its holder is about to remove must not count."""
    counter = tmp_path / "counter"
    counter.write_text("0")
    processes = [FORK.Process(target=add_one, args=(tmp_path / "run", 50, counter)) for _ in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert counter.read_text() == "200"


def refuse(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """Let every lock fail as a file system does."""

    def flock(file: object, how: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", flock)


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP])
def test_a_file_system_without_locks_is_said_and_used(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    refuse(monkeypatch, number)
    with only_writer(tmp_path / "run"):
        assert (tmp_path / "run" / LOCK).exists()
    assert not (tmp_path / "run" / LOCK).exists()
    (line,) = caplog.messages
    assert line.startswith(f"{tmp_path / 'run'}: its file system has no locks: {os.strerror(number)}")
    assert "start only one, or choose a folder on another file system" in line


@pytest.mark.parametrize("number", [errno.EACCES, errno.EPERM, errno.EIO, errno.ESTALE])
def test_a_lock_that_is_refused_says_what_it_is(number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One may write there, so it is not said that one may not."""
    refuse(monkeypatch, number)
    with pytest.raises(ValueError) as raised, only_writer(tmp_path / "run"):
        pass
    assert str(raised.value) == (
        f"{tmp_path / 'run' / LOCK}: found its lock refused: {os.strerror(number)} ({errno.errorcode[number]}),"
        " expected a file that can be locked"
    )


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EACCES])
def test_a_gpu_is_taken_where_there_are_no_locks(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    refuse(monkeypatch, number)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    if number == errno.ENOLCK:
        with free_lock(["GPU-1", "GPU-2"]) as index:
            assert index == 0 and "has no locks" in caplog.text
    else:
        with pytest.raises(ValueError, match="its lock refused"), free_lock(["GPU-1"]):
            pass


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EIO])
def test_a_lock_that_cannot_be_written_is_named(number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> int:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "write", fail)
    with pytest.raises(OSError, match=r"run/\.lock"), only_writer(tmp_path / "run"):
        pass
    monkeypatch.undo()
    with only_writer(tmp_path / "run"):  # it was let go
        pass
