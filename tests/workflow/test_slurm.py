"""The pipeline on a real SLURM cluster, through the profile as a user would set it and through all that can happen.

One run meets every accident, because it is runs that take time: Snakemake is killed; SLURM's controller goes away
for a while; then one training each hangs until its time limit, is cancelled, is pushed out by a job of higher priority
and loses its node. What is left in the end is compared with an undisturbed run without SLURM.
"""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import psutil
import pytest
from project import Project
from slurm_cluster import ClusterUnavailableError, SlurmCluster

pytestmark = pytest.mark.slurm

PROFILE = "profiles/slurm/profile.v9+.yaml"
# Snakemake as it is, but that it asks each second how its jobs are, instead of up to three minutes later.
DRIVER = """
import asyncio
from snakemake.cli import main
from snakemake_interface_executor_plugins.executors.remote import RemoteExecutor
RemoteExecutor.sleep = lambda self: asyncio.sleep(1)
main()
"""
ARGUMENTS = ["quick", "--workflow-profile", "profiles/slurm", "--printshellcmds", "--config", "device=cpu"]
GPUS = 2  # of the cluster
LIMIT = 420  # seconds, after which the run is given up
QUICK = {
    "seeds": [1, 2],
    "num_tasks": [5],
    "settings": {"epochs": 4, "batch_size": 600, "network": {"hidden_units": [16, 16]}},  # some 10 seconds
}
RUNS = {(variant, seed) for variant in ("prototype", "sparse_representations_only") for seed in (1, 2)}
# How SLURM calls what ended a training.
ENDS = {"cancelled": "CANCELLED", "time limit": "TIMEOUT", "preempted": "PREEMPTED", "node lost": "NODE_FAIL"}


class Job(NamedTuple):
    """A training that runs."""

    number: str
    node: str
    start: float  # seconds since 1970, a whole number
    run: tuple[str, int]  # variant, seed


class Storm:
    """A run of the pipeline on a cluster, and what happens to it."""

    def __init__(self, cluster: SlurmCluster, project: Project) -> None:
        self.cluster, self.project = cluster, project
        self.end = time.monotonic() + LIMIT
        self.met: dict[tuple[str, int], str] = {}  # the accident that a training has met
        self.jobs: dict[str, Job] = {}  # the job that met each accident
        self.states: dict[str, str] = {}  # of each job, the last one seen
        self.most_at_once = 0
        self.killed_drivers_jobs: list[Job] = []
        self.output = project.path("snakemake.log")

    @contextmanager
    def snakemake(self) -> Iterator[subprocess.Popen]:
        """Runs until the end of the block, and no longer."""
        environment = os.environ | {"PYTHONDONTWRITEBYTECODE": "1"}
        environment.pop("PYTHONPATH", None)  # the copy's library, not the repository's
        command = [sys.executable, "-c", DRIVER, *ARGUMENTS, "--slurm-init-seconds-before-status-checks", "1"]
        with self.output.open("a") as output:
            driver = subprocess.Popen(command, cwd=self.project.root, env=environment, stdout=output, stderr=output)
        try:
            yield driver
        finally:
            if driver.poll() is None:
                for process in [*psutil.Process(driver.pid).children(recursive=True), driver]:
                    process.kill()
            driver.wait()

    def running(self) -> list[Job]:
        """The trainings that run; notes the states of all jobs."""
        running = []
        for line in slurm("squeue", "--noheader", "--states=all", "--format=%i|%T|%N|%S|%k").splitlines():
            number, state, node, start, comment = line.split("|")
            found = re.fullmatch(r"rule_train_wildcards_quick_(\w+)_5_(\d)", comment)
            if found:
                self.states[number] = state
                if state == "RUNNING":
                    since = datetime.fromisoformat(start).timestamp()
                    running.append(Job(number, node, since, (found[1], int(found[2]))))
        self.most_at_once = max(self.most_at_once, len(running))
        return running

    def await_that(self, what: str, is_so: Callable[[], Any]) -> Any:
        """What `is_so` returns, once that is something."""
        while not (found := is_so()):
            late = time.monotonic() > self.end
            assert not late, f"found no {what} within {LIMIT} s\n{self.states}\n{self.output.read_text()}"
            time.sleep(0.2)
        return found

    def await_trainings(self, count: int) -> list[Job]:
        """So many trainings that have met nothing yet, midway, where they are held: none must end before its time."""

        def found() -> list[Job] | None:
            jobs = [job for job in self.running() if job.run not in self.met and self.is_midway(job)]
            jobs = [job for job in jobs if self.hold(job)]
            return jobs[:count] if len(jobs) >= count else None

        return self.await_that(f"{count} trainings midway", found)

    def hold(self, job: Job) -> bool:
        """Suspend a training, unless it has just ended."""
        process = training(self.folder(job.run))
        if process:
            process.suspend()
        return process is not None

    def await_output(self, text: str, after: int = 0) -> None:
        self.await_that(f"{text!r} from Snakemake", lambda: text in self.output.read_text()[after:])

    def is_midway(self, job: Job) -> bool:
        """Whether this job has saved a checkpoint."""
        saved = (self.folder(job.run) / "checkpoint").glob("0*.json")
        return any(is_newer(path, job.start) for path in saved)

    def folder(self, run: tuple[str, int]) -> Path:
        return self.project.path("results/quick/runs/{}/tasks-5/seed-{}".format(*run))

    def record(self, run: tuple[str, int]) -> dict[str, Any]:
        return json.loads((self.folder(run) / "record.json").read_text())

    # -- accidents -----------------------------------------------------------------------------------------

    def rage(self) -> int:
        """The whole run; the exit status of Snakemake."""
        self.kill_snakemake()
        with self.snakemake() as driver:
            self.lose_controller()
            for accident in (self.hang, self.cancel, self.preempt, self.lose_node):
                (job,) = self.await_trainings(1)
                self.met[job.run] = name = accident(job)
                self.jobs[name] = job
            self.await_that("Snakemake at its end", lambda: self.running() == [] and driver.poll() is not None)
            return driver.returncode

    def kill_snakemake(self) -> None:
        """Its jobs run on; they are cancelled by hand, and Snakemake's lock is removed, as docs/guarantees.md says."""
        with self.snakemake() as driver:
            self.killed_drivers_jobs = self.await_trainings(GPUS)
            driver.send_signal(signal.SIGKILL)
            driver.wait()
        time.sleep(1)
        assert set(self.killed_drivers_jobs) <= set(self.running())
        slurm("scancel", "--user", "root")
        self.await_that("an empty queue", lambda: not slurm("squeue", "--noheader"))
        done = self.project.snakemake("--unlock")
        assert done.returncode == 0, done.stderr

    def cancel(self, job: Job) -> str:
        slurm("scancel", job.number)
        return "cancelled"

    def hang(self, job: Job) -> str:
        """Nothing is learned any more, until the time limit, which SLURM checks twice a minute."""
        told = training(self.folder(job.run)).cmdline()
        assert int(told[told.index("--limit-minutes") + 1]) >= 15  # else it would end in time by itself
        slurm("scontrol", "update", f"JobId={job.number}", "EndTime=now+1")
        return "time limit"

    def preempt(self, job: Job) -> str:
        options = ["--partition", "urgent", "--nodelist", job.node, "--gpus", "1", "--output", "/dev/null"]
        slurm("sbatch", *options, "--wrap", "sleep 1")
        return "preempted"

    def lose_node(self, job: Job) -> str:
        """SLURM is told, to save the seconds until it notices. The node is back soon."""
        self.cluster.kill_node(job.node)
        slurm("scontrol", "update", f"NodeName={job.node}", "State=DOWN", "Reason=test")
        self.await_output(f"SLURM-job '{job.number}' failed")
        self.cluster.start_node(job.node)
        return "node lost"

    def lose_controller(self) -> None:
        """Until Snakemake has asked in vain. A training on each GPU is held, so that none starts: it would fail."""
        self.await_trainings(GPUS)
        said = len(self.output.read_text())
        self.cluster.stop_controller()
        self.await_output("SLURM did not answer", after=said)
        self.cluster.start_controller()


def slurm(*command: str) -> str:
    """What a command of SLURM says."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


def is_newer(path: Path, start: float) -> bool:
    """Whether a file was written after a job's start, of which only the second is known."""
    return path.exists() and path.stat().st_mtime > start + 1


def training(folder: Path) -> psutil.Process | None:
    """The process that trains into a folder, if there is one."""
    for process in psutil.process_iter(["cmdline", "cwd"]):
        told = process.info["cmdline"] or []
        ours = "workflow/scripts/train.py" in told and "--run-folder" in told
        if ours and told[0] != "/bin/sh":
            into = Path(process.info["cwd"], told[told.index("--run-folder") + 1])
            if into == folder:
                return process
    return None


def set_profile(text: str) -> str:
    """What a user sets: the partition; and no account, on a cluster without accounting."""
    return re.sub("^ *slurm_account: CHANGE_ME.*\n", "", text, flags=re.MULTILINE).replace("CHANGE_ME", "gpu")


@pytest.fixture(scope="module")
def cluster(slurm_turn: None) -> Iterator[SlurmCluster]:
    try:
        with SlurmCluster() as cluster:
            yield cluster
    except ClusterUnavailableError as fault:
        pytest.skip(str(fault))


@pytest.fixture(scope="module")
def storm(cluster: SlurmCluster, make_project: Callable[[], Project]) -> Iterator[Storm]:
    """After the storm."""
    project = make_project()
    project.write_yaml("config/quick.yaml", QUICK)
    with project.edited(PROFILE, set_profile):
        storm = Storm(cluster, project)
        status = storm.rage()
        assert status == 0, storm.output.read_text()
        yield storm


@pytest.fixture(scope="module")
def calm(make_project: Callable[[], Project]) -> Project:
    """The same without SLURM, undisturbed."""
    project = make_project()
    project.write_yaml("config/quick.yaml", QUICK)
    done = project.snakemake("quick", "--cores", "2")
    assert done.returncode == 0, done.stderr
    return project


def test_trainings_are_jobs_and_the_rest_is_done_where_snakemake_runs(storm: Storm) -> None:
    said = re.sub("^={80}\n.*?^={80}\n", "", storm.output.read_text(), flags=re.MULTILINE | re.DOTALL)  # logs of jobs
    assert set(re.findall(r"^rule (\w+):", said, re.MULTILINE)) == {"train"}
    here = {"prepare_mnist", "aggregate", "draw", "reproduce", "explore", "report", "quick"}
    assert set(re.findall(r"^localrule (\w+):", said, re.MULTILINE)) == here
    submitted = re.findall(r"has been submitted with SLURM jobid (\d+)", said)
    assert set(submitted) == set(storm.states)
    assert len(submitted) >= 2 * len(RUNS) + 4


def test_no_more_trainings_run_at_once_than_there_are_gpus(storm: Storm) -> None:
    assert storm.most_at_once == GPUS


@pytest.mark.parametrize("accident", ENDS)
def test_a_training_survives_an_accident(storm: Storm, accident: str) -> None:
    """It is started again, by Snakemake and not by SLURM: as another job."""
    job = storm.jobs[accident]
    assert storm.states[job.number] == ENDS[accident]
    assert f"SLURM-job '{job.number}' failed" in storm.output.read_text()
    assert storm.record(job.run)["seed"] == job.run[1]
    went_on(storm.record(job.run))


def test_every_training_met_an_accident(storm: Storm) -> None:
    assert set(storm.met) == RUNS
    assert sorted(storm.met.values()) == sorted(ENDS)


def test_a_killed_snakemake_takes_up_its_work(storm: Storm) -> None:
    assert [storm.states[job.number] for job in storm.killed_drivers_jobs] == ["CANCELLED", "CANCELLED"]
    for job in storm.killed_drivers_jobs:
        went_on(storm.record(job.run))


def test_the_controller_may_go_away(storm: Storm) -> None:
    """The run has ended well, and no job was forgotten: none was started again but for an accident."""
    assert "SLURM did not answer" in storm.output.read_text()
    ends = sorted(storm.states.values())
    assert ends.count("COMPLETED") == len(RUNS)
    assert not set(ends) - {"COMPLETED", "CANCELLED", *ENDS.values()}


@pytest.mark.parametrize(
    ("pattern", "count"),
    [
        ("runs/*/*/*/accuracy.csv", 4),
        ("runs/*/*/*/activity.npy", 4),
        ("tables/*.csv", 2),
        ("figures/*.png", 2),
        ("reproduction.csv", 1),
    ],
)
def test_results_have_the_same_bits_as_undisturbed_ones(storm: Storm, calm: Project, pattern: str, count: int) -> None:
    def contents(project: Project) -> dict[Path, bytes]:
        quick = project.path("results/quick")
        return {path.relative_to(quick): path.read_bytes() for path in quick.glob(pattern)}

    assert contents(storm.project) == contents(calm)
    assert len(contents(calm)) == count


def test_nothing_is_left_to_do(storm: Storm) -> None:
    assert storm.project.plan(*ARGUMENTS) == []
    assert storm.project.plan("quick", "--cores", "1") == []


def went_on(record: dict[str, Any]) -> None:
    """A training that was interrupted went on instead of starting again."""
    assert len(record["attempts"]) >= 2
    assert record["attempts"][-1]["from_step"] > 0
