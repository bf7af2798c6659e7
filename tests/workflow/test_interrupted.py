"""A pipeline that is interrupted in the middle of trainings goes on, and ends as if it had been left alone."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from project import Project, heed_ctrl_c

PIPELINE = ("quick_comparison", "--cores", "2")
RESULTS = ("runs/*/*/*/accuracy.csv", "runs/*/*/*/activity.npy", "tables/*.csv", "figures/*.png")


@pytest.fixture(scope="module")
def make_slow(make_project: Callable[[], Project]) -> Callable[[], Project]:
    """Makes projects whose trainings take some seconds, with a checkpoint after each of many tasks."""

    def make() -> Project:
        project = make_project()
        content = {"epochs": 2, "batch_size": 600, "learning_rate": 3e-3, "network": {"hidden_units": [64, 64]}}
        project.write_yaml("config/quick.yaml", {"seeds": [1], "num_tasks": [5], "settings": content})
        project.write_yaml(
            "config/experiments.yaml",
            {"comparison": {"title": "A comparison", "variants": {"prototype": [5], "si_prototype": [5]}}},
        )
        return project

    return make


@pytest.fixture(scope="module")
def undisturbed(make_slow: Callable[[], Project]) -> dict[str, bytes]:
    project = make_slow()
    run(project)
    return results(project)


def run(project: Project) -> None:
    done = project.snakemake(*PIPELINE)
    assert done.returncode == 0, done.stdout + done.stderr


def results(project: Project) -> dict[str, bytes]:
    quick = project.path("results/quick")
    return {str(path.relative_to(quick)): path.read_bytes() for pattern in RESULTS for path in quick.glob(pattern)}


def attempts(project: Project) -> list[list[dict]]:
    """Who worked on each run."""
    records = project.path("results/quick/runs").glob("*/*/*/record.json")
    return [json.loads(path.read_text())["attempts"] for path in records]


def start(project: Project) -> subprocess.Popen:
    """The pipeline in a session of its own, once both trainings have a checkpoint."""
    command = [sys.executable, "-m", "snakemake", *PIPELINE]
    process = subprocess.Popen(
        command,
        cwd=project.root,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        preexec_fn=heed_ctrl_c,
    )
    deadline = time.monotonic() + 120
    while len({path.parent for path in checkpoints(project)}) < 2:
        assert process.poll() is None and time.monotonic() < deadline, "no checkpoint was written"
        time.sleep(0.02)
    return process


def checkpoints(project: Project) -> list[Path]:
    return list(project.path("results/quick/runs").glob("*/*/*/checkpoint/0*.json"))


def trainings(project: Project) -> list[int]:
    """The processes that hold run folders."""
    locks = project.path("results/quick/runs").glob("*/*/*/.lock")
    return [int(re.search(r"process (\d+)", path.read_text()).group(1)) for path in locks]


def test_ctrl_c_and_again(make_slow: Callable[[], Project], undisturbed: dict[str, bytes]) -> None:
    """Ctrl-C reaches all processes; the trainings are saved and go on."""
    project = make_slow()
    process = start(project)
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(60) != 0
    logs = [path.read_text() for path in project.path("results/quick/runs").glob("*/*/*/train.log")]
    assert len(logs) == 2 and all("because SIGINT was received" in log for log in logs), logs
    run(project)
    assert results(project) == undisturbed
    assert all(len(of_run) == 2 and of_run[1]["from_step"] > 0 for of_run in attempts(project))
    logs = [path.read_text() for path in project.path("results/quick/runs").glob("*/*/*/train.log")]
    assert all("SIGINT" in log and "going on" in log and "task 5/5 learned" in log for log in logs)
    assert not checkpoints(project)


def test_killed_and_again(make_slow: Callable[[], Project], undisturbed: dict[str, bytes]) -> None:
    """All processes at once, as when the power fails: Snakemake wants to be unlocked, then everything goes on."""
    project = make_slow()
    process = start(project)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait(60)
    refused = project.snakemake(*PIPELINE)
    assert refused.returncode != 0 and "--unlock" in refused.stderr
    assert project.snakemake("--unlock").returncode == 0
    run(project)
    assert results(project) == undisturbed
    assert all(len(of_run) == 2 and of_run[1]["from_step"] > 0 for of_run in attempts(project))
    assert not [path for path in project.path("results/quick").rglob(".*") if path.is_file()]


def test_a_training_that_outlives_snakemake_is_not_started_twice(
    make_slow: Callable[[], Project], undisturbed: dict[str, bytes]
) -> None:
    """Snakemake alone is killed: its trainings go on, and a second one on their folders is refused."""
    project = make_slow()
    process = start(project)
    process.send_signal(signal.SIGSTOP)
    orphans = trainings(project)
    for orphan in orphans:  # or they might be done before the second one begins
        os.kill(orphan, signal.SIGSTOP)
    process.kill()
    process.wait(60)
    assert project.snakemake("--unlock").returncode == 0
    again = project.snakemake(*PIPELINE)
    for orphan in orphans:
        os.kill(orphan, signal.SIGCONT)
    assert orphans and again.returncode != 0
    said = again.stdout + again.stderr
    assert all(f"found it in use by process {orphan} on" in said for orphan in orphans), said
    deadline = time.monotonic() + 60
    while trainings(project):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    run(project)
    assert results(project) == undisturbed
