"""One writer: the second is refused in a line, and a writer that died holds nothing."""

import multiprocessing
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from active_dendrites.runs.locks import LOCK, FolderTakenError, only_writer

ROOT = Path(__file__).resolve().parents[3]
FORK = multiprocessing.get_context("fork")


ENVIRONMENT = os.environ | {"PYTHONPATH": str(ROOT / "workflow/src")}
HOLD = """
import sys
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
