"""Checkpoints that are damaged, strange or too large for the disk."""

import json
import logging
import os
import pickle
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from learning import CPU
from stopping import StoppingManager, digest, go_on
from test_resume import FORK

import active_dendrites
from active_dendrites.learners.dense.learner import DenseLearner
from active_dendrites.runs.files import NoRoomError
from active_dendrites.runs.locks import only_writer
from active_dendrites.runs.records import read_accuracy, write_accuracy
from active_dendrites.settings.run import RunConfig
from active_dendrites.training import checkpoint_manager, checkpoints
from active_dendrites.training import loop as engine
from active_dendrites.training.attempts import ATTEMPTS
from active_dendrites.training.checkpoint_manager import CheckpointManager
from active_dendrites.training.checkpoints import CheckpointError, digest_of
from active_dendrites.training.interruptions import InterruptedTraining

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def stopped(run: RunConfig, digits, tmp_path: Path) -> Path:
    """The folder of a run of 3 times 12 steps that was saved after tasks 1 and 2, 3 steps later, and has ended."""
    folder = tmp_path / "run"
    with pytest.raises(InterruptedTraining, match="saved after 27 steps"):
        engine.train([run], digits, CPU, StoppingManager([run], [folder], after=27))
    assert names(folder) == {f"00000{n}{end}" for n in (2, 3) for end in (".json", "-state.pt", "-changes.pt")} | {
        "000001-changes.pt",
        ATTEMPTS,
    }
    return folder


def names(folder: Path) -> set[str]:
    return {path.name for path in (folder / "checkpoint").iterdir()}


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


DAMAGES = {"cut in half": cut, "a bit flipped": flip, "gone": Path.unlink}


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("name", ["000003.json", "000003-state.pt", "000003-changes.pt"])
def test_a_damaged_checkpoint_falls_back(name: str, damage: str, run, digits, stopped: Path, caplog) -> None:
    """To the one before, which is said; the result is the same."""
    DAMAGES[damage](stopped / "checkpoint" / name)
    caplog.set_level(logging.INFO)
    assert go_on(run, digits, stopped) == digest(engine.train([run], digits, CPU))
    gone = (name, damage) == ("000003.json", "gone")  # as if it had not been saved
    said = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert len(said) == (not gone)
    assert gone or (name in said[0] and said[0].endswith("going back to the checkpoint before"))
    assert "going on at task 3, epoch 1, after 24 steps" in caplog.text


def test_nothing_intact_is_not_started_over(run, digits, stopped: Path) -> None:
    """What is left of the checkpoints stays."""
    for serial in (2, 3):
        flip(stopped / f"checkpoint/00000{serial}-state.pt")
    before = names(stopped)
    with pytest.raises(CheckpointError) as raised:
        go_on(run, digits, stopped)
    assert "000002-state.pt: found" in str(raised.value)
    assert f"found no intact checkpoint, expected one; delete {stopped}/checkpoint to start over" in str(raised.value)
    assert names(stopped) == before


def test_other_settings_are_refused(run, digits, stopped: Path) -> None:
    other = run.model_copy(update={"learning_rate": 0.1})
    with pytest.raises(CheckpointError) as raised:
        go_on(other, digits, stopped)
    found, expected = run.settings_hash(), other.settings_hash()
    assert str(raised.value) == (
        f"{stopped}/checkpoint/000003.json: settings: found {found}, expected {expected}; go on as it was begun,"
        f" or delete {stopped}/checkpoint to start this run over"
    )


def test_another_arithmetic_is_refused(run, digits, stopped: Path, monkeypatch) -> None:
    monkeypatch.setattr(active_dendrites, "NUMERICS", active_dendrites.NUMERICS + 1)
    with pytest.raises(CheckpointError, match="numerics: found 1, expected 2"):
        go_on(run, digits, stopped)
    monkeypatch.undo()
    monkeypatch.setattr(engine, "make_learner", DenseLearner)
    with pytest.raises(CheckpointError, match="arithmetic: found InTurn on cpu, expected DenseLearner on cpu"):
        go_on(run, digits, stopped)


class Trap:
    """Runs a command when it is unpickled."""

    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> tuple:
        return os.system, (self.command,)


def test_a_checkpoint_runs_no_code(run, digits, stopped: Path) -> None:
    """Not even one whose sums are right."""
    path, trace = stopped / "checkpoint/000003-state.pt", stopped / "trace"
    torch.save({"course": Trap(f"touch {trace}")}, path)
    manifest = path.with_name("000003.json")
    content = json.loads(manifest.read_text())
    content["parts"][-1]["sha256"] = checkpoints.hashlib.sha256(path.read_bytes()).hexdigest()
    del content["sha256"]
    manifest.write_text(json.dumps({**content, "sha256": digest_of(content)}))
    with pytest.raises(pickle.UnpicklingError):
        go_on(run, digits, stopped)
    assert not trace.exists()
    torch.load(path, weights_only=False)
    assert trace.exists()  # so the trap works


def test_a_finished_training_leaves_no_checkpoint(run, digits, stopped: Path) -> None:
    manager = CheckpointManager([run], [stopped])
    engine.train([run], digits, CPU, manager)
    manager.finish()
    assert list(stopped.iterdir()) == []


# -- no room, no permission -------------------------------------------------------------------------------


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 3 MB that stops being full by `mount -o remount,size=`."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = shutil.which("mount") and subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", place], capture_output=True
    )
    if not mounted or mounted.returncode:
        pytest.skip("a small disk cannot be mounted here, which takes root")
    yield place
    subprocess.run(["umount", place], check=True)


def test_a_full_disk_keeps_the_checkpoint_before(run, digits, small_disk: Path, monkeypatch) -> None:
    monkeypatch.setattr(checkpoint_manager, "SAVING_SHARE", 1e9)  # a checkpoint at each step
    folder = small_disk / "run"
    with pytest.raises(CheckpointError) as raised:
        engine.train([run], digits, CPU, StoppingManager([run], [folder], save_minutes=0, after=36))
    said = str(raised.value)
    assert "found" in said and "free bytes on its disk" in said and "the one before is kept" in said
    needed = int(said.split("a checkpoint needs ")[1].split(" bytes")[0])
    assert 500_000 < needed < 3_000_000
    assert {"000001.json", "000001-state.pt"} <= names(folder)
    assert not list((folder / "checkpoint").glob(".*"))
    subprocess.run(["mount", "-o", "remount,size=20m", small_disk], check=True)
    assert go_on(run, digits, folder) == digest(engine.train([run], digits, CPU))


def test_a_full_disk_keeps_the_csv_before(small_disk: Path) -> None:
    path, before, after = small_disk / "accuracy.csv", np.array([[0.25]]), np.full((80, 80), 0.5)
    write_accuracy(path, before)
    (small_disk / "else").write_bytes(bytes(shutil.disk_usage(small_disk).free - 20_000))
    with pytest.raises(NoRoomError) as raised:
        write_accuracy(path, np.tril(after, 0) + np.triu(np.full((80, 80), np.nan), 1))
    assert f"{path}: found " in str(raised.value) and "expected 31696 for" in str(raised.value), str(raised.value)
    assert read_accuracy(path, 1) == before
    assert sorted(found.name for found in small_disk.iterdir()) == ["accuracy.csv", "else"]


def as_nobody(folder: Path, answer) -> None:
    if os.getuid() == 0:
        os.setuid(65534)
    try:
        with only_writer(folder / "run"):
            answer.send("")
    except ValueError as error:
        answer.send(str(error))


def test_a_folder_that_one_may_not_write_is_one_line(tmp_path: Path) -> None:
    folder = tmp_path / "results"
    folder.mkdir(mode=0o755)
    for parent in folder.parents:
        if parent.stat().st_uid == os.getuid() and parent != Path("/"):
            parent.chmod(parent.stat().st_mode | 0o055)  # others may look, but not write
    folder.chmod(0o555)
    ours, theirs = FORK.Pipe(duplex=False)
    process = FORK.Process(target=as_nobody, args=(folder, theirs))
    process.start()
    assert ours.poll(60)
    assert ours.recv() == f"{folder}/run: found no permission to write there, expected a folder for results"
