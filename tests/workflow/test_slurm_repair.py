"""The repair of Snakemake's plugin for SLURM: the faults are in the installed version, and gone with the repair.

No SLURM is needed: scripts stand in for its commands.
"""

import asyncio
import logging
import runpy
import sys
from collections.abc import Callable
from contextlib import nullcontext
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import snakemake_executor_plugin_slurm as plugin
from project import REPOSITORY

REPAIR = "workflow/rules/slurm.smk"
JOBS = ("1", "2")
WAITS = dict.fromkeys(JOBS, "active")
MENDED = (
    f"{REPAIR}: found no such fault in version {version('snakemake-executor-plugin-slurm')} of"
    " snakemake-executor-plugin-slurm, expected it; delete this part of the repair and of its tests"
)


class Executor(plugin.Executor):
    """The plugin's executor without a workflow around it, which notes what it reports."""

    def __init__(self) -> None:
        settings = {"status_attempts": 2, "init_seconds_before_status_checks": 1, "status_command": "squeue"}
        settings |= {"requeue": False, "keep_successful_logs": True}
        self.workflow = SimpleNamespace(executor_settings=SimpleNamespace(**settings))
        self.logger = logging.getLogger("slurm")
        self.status_rate_limiter = nullcontext()
        self.run_uuid = "run"
        self.ended: dict[str, str] = {}
        self._preemption_warning = False
        self._next_seconds_between_status_checks = 1
        self._status_query_calls = self._status_query_failures = self._status_query_total_seconds = 0
        self._status_query_min_seconds, self._status_query_max_seconds = None, 0.0
        self._status_query_cycle_rows = []
        self._failed_nodes = set()

    def report_job_success(self, job) -> None:
        self.ended[job.external_jobid] = "success"

    def report_job_error(self, job, **_) -> None:
        self.ended[job.external_jobid] = "error"

    def poll(self) -> dict[str, str]:
        """What becomes of two jobs at a poll: "success", "error" or "active"; a job that is forgotten is missing."""

        async def active() -> list[str]:
            jobs = [SimpleNamespace(external_jobid=job, aux={}) for job in JOBS]
            return [job.external_jobid async for job in self.check_active_jobs(jobs)]

        return dict.fromkeys(asyncio.run(active()), "active") | self.ended


@pytest.fixture
def repair(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the repair's file defines, without having repaired anything."""
    with monkeypatch.context() as hidden:
        hidden.delitem(sys.modules, plugin.__name__)
        return runpy.run_path(str(REPOSITORY / REPAIR))


@pytest.fixture
def poll(repair: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, str]]:
    """Polls, with stand-ins of SLURM's commands that print one answer after the other, or fail; the last result."""
    monkeypatch.setattr(plugin, "query_job_status", plugin.query_job_status)  # put back afterwards
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")

    def poll(*answers: str | None, repaired: bool, requeue: bool = False) -> dict[str, str]:
        if repaired:
            repair["repair_slurm_plugin"](plugin, lambda: requeue)
        for answer in answers:
            script = "#!/bin/sh\nexit 1\n" if answer is None else f"#!/bin/sh\nprintf '%s\\n' '{answer}'\n"
            contents = {"squeue": script, "sacct": script, "scontrol": "#!/bin/sh\necho 'MinJobAge = 300 sec'\n"}
            for name, content in contents.items():
                (tmp_path / name).write_text(content)
                (tmp_path / name).chmod(0o755)
            found = Executor().poll()
        return found

    return poll


def test_the_repair_is_for_the_installed_version(repair: dict[str, Any]) -> None:
    assert version("snakemake-executor-plugin-slurm") in repair["FAULTY_VERSIONS"], (
        f"{REPAIR}: FAULTY_VERSIONS does not have the installed version; add it if the other tests here pass then"
    )


@pytest.mark.parametrize(
    ("answers", "fault", "repaired"),
    [
        pytest.param([None], {}, WAITS, id="no answer"),
        pytest.param(
            ["1|CANCELLED by 0\n2|RUNNING"], WAITS, {"1": "error", "2": "active"}, id="cancelled, says the accounting"
        ),
        pytest.param(["1|PREEMPTED\n2|RUNNING"], WAITS, {"1": "error", "2": "active"}, id="preempted"),
        pytest.param(
            ["1|RUNNING\n2|RUNNING", "2|RUNNING"], WAITS, {"1": "success", "2": "active"}, id="forgotten by squeue"
        ),
    ],
)
def test_a_fault_is_there_and_is_repaired(
    poll: Callable[..., dict[str, str]], answers: list[str | None], fault: dict, repaired: dict
) -> None:
    """Here "success" means that the results are looked for: Snakemake fails a job that has none."""
    assert poll(*answers, repaired=False) == fault, MENDED
    assert poll(*answers, repaired=True) == repaired


def test_a_job_that_squeue_does_not_know_yet_is_waited_for(poll: Callable[..., dict[str, str]]) -> None:
    assert poll("2|RUNNING", None, "2|RUNNING", repaired=True) == WAITS


@pytest.mark.parametrize(
    ("state", "expected"),
    [("COMPLETED", "success"), ("PENDING", "active"), ("NODE_FAIL", "error"), ("TIMEOUT", "error")],
)
def test_other_states_mean_what_they_did(poll: Callable[..., dict[str, str]], state: str, expected: str) -> None:
    answer = f"1|{state}\n2|RUNNING"
    found = {"1": expected, "2": "active"}
    assert poll(answer, repaired=False) == poll(answer, repaired=True) == found


def test_a_preempted_job_is_waited_for_where_slurm_starts_it_again(poll: Callable[..., dict[str, str]]) -> None:
    assert poll("1|PREEMPTED\n2|RUNNING", repaired=True, requeue=True) == WAITS


def test_the_workflow_applies_the_repair(make_project: Callable) -> None:
    """A later line of the Snakefile sees the plugin's query replaced."""
    project = make_project()
    say = "\nprint('repaired:', 'repair_slurm_plugin' in SLURM_PLUGIN.query_job_status.__qualname__)\n"
    with project.edited("Snakefile", lambda text: text + say):
        done = project.snakemake("--list-rules")
    assert "repaired: True" in done.stdout, done.stderr
