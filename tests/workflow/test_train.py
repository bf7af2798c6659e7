"""train.py by itself, without Snakemake."""

import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from threading import Thread
from typing import IO

import pytest
import yaml
from project import Project
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from active_dendrites.runs.folders import NETWORK
from active_dendrites.runs.provenance import check_added_folders
from active_dendrites.runs.records import read_accuracy
from active_dendrites.training.kept_networks import load_network

ONE_RUN = ("--variant", "prototype", "--num-tasks", "2", "--scale", "quick", "--device", "cpu", "--threads", "1")
SLOW_IMPORTS = {"pandas", "matplotlib", "seaborn", "snakemake", "torchvision", "scipy.stats", "scipy.special"}


@pytest.fixture(scope="module")
def project(make_project: Callable[[], Project]) -> Project:
    return make_project()


def train(
    project: Project,
    *options: str,
    python: tuple[str, ...] = (),
    folder: Path | None = None,
    stderr: int | IO[str] = subprocess.PIPE,
    **environment: str,
) -> subprocess.CompletedProcess[str]:
    """train.py of a project, on its images, in an environment with other variables."""
    images = yaml.safe_load(project.path("config/config.yaml").read_text())["images_folder"]
    command = [sys.executable, *python, project.path("workflow/scripts/train.py"), *ONE_RUN, "--images", images]
    return subprocess.run(
        [*command, *options],
        cwd=folder or project.root,
        env=os.environ | {"PYTHONPATH": str(project.path("workflow/src")), **environment},
        stdout=subprocess.PIPE,
        stderr=stderr,
        text=True,
        encoding="utf-8",
    )


def test_a_training_on_a_cpu_imports_nothing_slow_in_vain(project: Project, tmp_path: Path) -> None:
    """A second of each start; Numba's own need of scipy.linalg is not ours."""
    done = train(project, "--run-folder", str(tmp_path / "run"), python=("-X", "importtime"))
    assert done.returncode == 0, done.stderr[-2000:]
    imported = set(re.findall(r"^import time:.*\| +(\S+)$", done.stderr, re.MULTILINE))
    assert {"torch", "numba", "active_dendrites.runs.records"} <= imported
    assert not {name for name in imported if any(f"{name}.".startswith(f"{slow}.") for slow in SLOW_IMPORTS)}


def test_it_finds_the_project_from_another_folder(project: Project, tmp_path: Path) -> None:
    """Settings and results are those of the project, wherever one stands."""
    done = train(project, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert project.path("results/quick/runs/prototype/tasks-2/seed-1/record.json").exists()
    assert list(tmp_path.iterdir()) == []


def test_folders_beside_the_locked_packages_are_said_and_hide_none(project: Project, tmp_path: Path) -> None:
    """Python looks in them first."""
    mine = tmp_path / "mine"
    mine.mkdir()
    done = train(project, "--run-folder", str(tmp_path / "run"), ACTIVE_DENDRITES_PATH=str(mine))
    assert done.returncode == 0, done.stderr
    assert f"beside the locked packages, Python looks in ACTIVE_DENDRITES_PATH={mine}" in done.stderr
    (mine / "numba.py").write_text("from something import else_")
    for path, line in [
        (mine, f"found {mine / 'numba.py'}, which hides the locked numba, expected other packages alone"),
        (mine / "none", f"found {mine / 'none'}, which is none, expected folders"),
    ]:
        with pytest.raises(ValueError) as error:
            check_added_folders(str(path))
        assert str(error.value) == f"ACTIVE_DENDRITES_PATH: {line}"


def test_a_finished_run_is_replaced_only_where_that_is_asked(project: Project, tmp_path: Path) -> None:
    assert train(project, "--run-folder", str(tmp_path)).returncode == 0
    before = (tmp_path / "record.json").read_bytes()
    done = train(project, "--run-folder", str(tmp_path))
    assert done.returncode == 1
    expected = "expected none there, --overwrite, or another --run-folder"
    assert done.stderr.splitlines()[-1] == f"train: {tmp_path}: found a finished run, {expected}"
    assert (tmp_path / "record.json").read_bytes() == before
    assert train(project, "--run-folder", str(tmp_path), "--overwrite").returncode == 0
    assert (tmp_path / "record.json").read_bytes() != before


def test_it_leaves_its_log_beside_the_record(project: Project, tmp_path: Path) -> None:
    """Of each seed, also in place of the log of an earlier training."""
    folders = [tmp_path / "seed-1", tmp_path / "seed-2"]
    folders[1].mkdir()
    (folders[1] / "train.log").write_text("an earlier training\n")
    done = train(project, "--seed", "1", "2", "--run-folder", *map(str, folders))
    assert done.returncode == 0, done.stderr
    for folder in folders:
        assert (folder / "train.log").read_text(encoding="utf-8") == done.stderr
        assert not (folder / "checkpoint").exists()


def test_a_log_that_is_written_for_it_is_left_alone(project: Project, tmp_path: Path) -> None:
    """As a job of Snakemake does, which passes on more than what is logged."""
    folder = tmp_path / "run"
    folder.mkdir()
    with (folder / "train.log").open("w") as file:
        file.write("before\n")
        file.flush()
        done = train(project, "--run-folder", str(folder), stderr=file)
        file.write("after\n")
    assert done.returncode == 0
    lines = (folder / "train.log").read_text(encoding="utf-8").splitlines()
    assert lines[0] == "before" and lines[-1] == "after" and "task 2/2 learned" in lines[-2]


@pytest.mark.parametrize("value", ["0", "-1"])
def test_numba_s_threads_that_are_none_are_one_line(value: str, project: Project, tmp_path: Path) -> None:
    done = train(project, "--run-folder", str(tmp_path / "run"), NUMBA_NUM_THREADS=value)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == f"train: NUMBA_NUM_THREADS: found {value}, expected 1 or more"
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("--seed 1 1", "train: --seed: found [1, 1], expected each once"),
        ("--run-folder {file}/run", "train: {file}: found a file, expected a folder for results"),
        ("--run-folder {file}", "train: {file}: found a file, expected a folder for results"),
    ],
)
def test_what_cannot_be_trained_is_one_line(project: Project, tmp_path: Path, arguments: str, said: str) -> None:
    file = tmp_path / "file"
    file.write_text("")
    done = train(project, *arguments.format(file=file).split())
    assert (done.returncode, done.stderr.splitlines()[-1]) == (1, said.format(file=file))


@pytest.mark.parametrize("keep", [True, False])
def test_a_network_is_kept_where_it_is_asked_for(project: Project, tmp_path: Path, keep: bool) -> None:
    """One of an earlier training in the folder is not taken for this one's."""
    (tmp_path / NETWORK).write_bytes(b"of before")
    done = train(project, "--run-folder", str(tmp_path), *(["--keep-network"] if keep else []))
    assert done.returncode == 0, done.stderr[-2000:]
    assert (tmp_path / NETWORK).exists() == keep
    if keep:
        assert load_network(tmp_path).run.variant == "prototype"
        assert NETWORK in (tmp_path / "SHA256SUMS").read_text()


def test_a_setting_is_tried_in_a_folder_of_its_own(project: Project) -> None:
    done = train(project, "--set", "epochs=1", "--set=network.winner_density=0.25")
    assert done.returncode == 0, done.stderr[-2000:]
    folder = project.path("results/set/epochs-1+network.winner_density-0.25/quick/runs/prototype/tasks-2/seed-1")
    settings = json.loads((folder / "record.json").read_text())["settings"]
    assert (settings["epochs"], settings["network"]["winner_density"]) == (1, 0.25)
    assert "--set: network.winner_density 0.25" in done.stderr


def test_a_setting_is_tried_by_a_target_of_reduced_scale(project: Project) -> None:
    words = ("quick_prototype_2", "--cores", "1", "--config", "set=epochs=1 network.winner_density=0.3")
    done = project.snakemake(*words)
    assert done.returncode == 0, done.stderr[-3000:]
    folder = project.path("results/set/epochs-1+network.winner_density-0.3/quick/runs/prototype/tasks-2")
    records = [json.loads(path.read_text()) for path in folder.glob("*/record.json")]
    assert {record["settings"]["network"]["winner_density"] for record in records} == {0.3}
    assert "--config: epochs 1" in done.stderr
    refused = project.snakemake("prototype_2", "--cores", "1", "--config", "set=epochs=1")
    assert refused.returncode != 0
    assert "--config: set: found runs at paper scale, expected targets at reduced scale" in refused.stderr


def test_live_curves_are_written_where_they_are_asked_for(project: Project, tmp_path: Path) -> None:
    """Loss and accuracies, to the last digit of the run's own files."""
    assert train(project, "--run-folder", str(tmp_path / "plain")).returncode == 0
    assert not (tmp_path / "plain/tensorboard").exists()
    done = train(project, "--run-folder", str(tmp_path / "run"), "--log", "tensorboard")
    assert done.returncode == 0, done.stderr[-2000:]
    events = EventAccumulator(str(tmp_path / "run/tensorboard")).Reload()
    assert set(events.Tags()["scalars"]) == {"loss", "accuracy/mean", "accuracy/task 01", "accuracy/task 02"}
    accuracy = read_accuracy(tmp_path / "run/accuracy.csv", 2)
    assert [event.value for event in events.Scalars("accuracy/task 01")] == pytest.approx(accuracy[:, 0], abs=1e-7)
    assert events.Scalars("accuracy/mean")[-1].value == pytest.approx(accuracy[-1].mean(), abs=1e-7)
    steps = [event.step for event in events.Scalars("loss")]
    assert steps == sorted(set(steps)) and steps[-1] == json.loads((tmp_path / "run/record.json").read_text())["steps"]


def test_a_terminal_shows_a_bar_and_the_log_does_not(project: Project, tmp_path: Path) -> None:
    terminal, inside = pty.openpty()
    fcntl.ioctl(inside, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 100, 0, 0))  # lines and columns
    shown = bytearray()

    def read() -> None:
        with suppress(OSError):  # EIO: the other side is closed
            while part := os.read(terminal, 4096):
                shown.extend(part)

    reader = Thread(target=read)
    reader.start()
    done = train(project, "--run-folder", str(tmp_path), stderr=inside)
    os.close(inside)
    reader.join(30)
    os.close(terminal)
    assert done.returncode == 0, shown.decode()
    steps = json.loads((tmp_path / "record.json").read_text())["steps"]
    assert re.search(rf"100%.*{steps}/{steps}", shown.decode())
    assert "learned: accuracy" in shown.decode()
    log = (tmp_path / "train.log").read_text()
    assert "learned: accuracy" in log and "%|" not in log
